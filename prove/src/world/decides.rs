//! Operators who decide more than holds: end an order, ask a shipment back, ship by hand, type what they saw leave, pause an
//! account for a while, stop shipping from a warehouse.

use hikiate::facts::FactBody;
use hikiate::plan::command::{
    Now, RefundOf, Shipped, Wish, recall, refund, release, shipped, void,
};
use hikiate::plan::types::OrderInput;
use hikiate::store::{Decision, Paused, StopScope, Store, StoreError, Typed};

use super::orders::{Act, Goods, Pay, join};
use super::world::World;

const WHY: &str = "an operator's decision";
const WHO: &str = "operator";
/// The rules whose release gives up a refund or void: each with its name.
const DROPPED: [&str; 2] = ["refund_dropped:", "void_dropped:"];

/// A release of this rule gives up a refund or void.
pub(super) fn gives_up(rule: &str) -> bool {
    DROPPED.iter().any(|dropped| rule.starts_with(dropped))
}

/// The rules that would give up the refunds and voids of an order, whether or not they still may.
fn dropping(input: &OrderInput) -> Vec<String> {
    let [refund, void] = DROPPED;
    let words = input.facts.iter().filter_map(|fact| match &fact.body {
        FactBody::RefundWanted(wanted) => Some(format!("{refund}{}", wanted.id)),
        FactBody::VoidWanted(_) => {
            let (_, number) = fact.key.rsplit_once(':')?;
            Some(format!("{void}{number}"))
        }
        _ => None,
    });
    words.collect()
}

impl World {
    /// Something that is undone later, or ends an order.
    pub(super) async fn operator_decides(&mut self) {
        let store = self.engine.store.clone();
        match self.dice.range(0..=26) {
            16..=20 => self.refunds_it().await,
            21..=23 => self.voids_it().await,
            24..=26 => self.gives_a_refund_up().await,
            10..=11 => self.asks_back().await,
            12..=13 => self.ships_by_hand().await,
            14..=15 => self.saw_it_ship().await,
            0..=3 => {
                let Some(at) = self.some_order() else {
                    return;
                };
                let name = self.orders[at].name();
                if self.ends(&name).await {
                    self.counts.acts += 1;
                }
            }
            4..=6 => {
                let account = self.dice.pick(&self.far.accounts()).clone();
                let what = *self
                    .dice
                    .pick(&[Paused::Writes, Paused::Writes, Paused::Reads]);
                let paused = store.pause_by_operator(&account, what, WHY, WHO).await;
                paused.unwrap();
                self.counts.acts += 1;
                let text = format!("pauses {account}: {}", what.as_str());
                self.log.say(WHO, text);
            }
            7 => {
                let at = self.some_warehouse();
                let warehouse = self.far.warehouses[at].name;
                let scope = StopScope {
                    warehouse: Some(warehouse.to_owned()),
                    ..StopScope::default()
                };
                let today = self.engine.today(self.now);
                let stop = store.stop_shipping(&scope, false, WHY, WHO, today, false);
                stop.await.unwrap();
                self.counts.acts += 1;
                self.log.say(WHO, format!("stops shipping: {scope:?}"));
            }
            _ => self.let_all_go().await,
        }
    }

    /// Gives back a part of what was captured or received, or all of it; now and then staff give back the same at once, past hikiate.
    async fn refunds_it(&mut self) {
        let Some(at) = self.some_order() else {
            return;
        };
        let (id, name) = (self.orders[at].id.clone(), self.orders[at].name());
        let order = &self.orders[at];
        let kept = match order.pay {
            Pay::Card => self.seen(at).kept(),
            // No account captured it: an operator pays it back.
            Pay::Bank => order.paid,
            Pay::Prepaid => order.total(),
            Pay::Zero => 0,
        };
        if kept <= 0 {
            return;
        }
        let amount = self.dice.range(1..=kept.unsigned_abs());
        let text = amount.to_string();
        let of = if self.dice.percent(35) {
            RefundOf::All
        } else {
            RefundOf::Amount(&text)
        };
        let mut asked = 0;
        let typed = self.types(&name, "is refunded", |now| {
            let wish = refund(now, of, None, WHY)?;
            let mut facts = wish.facts.iter();
            asked = facts
                .find_map(|fact| match &fact.body {
                    FactBody::RefundWanted(wanted) => Some(wanted.amount),
                    _ => None,
                })
                .unwrap_or(0);
            Ok(wish)
        });
        if !typed.await {
            return;
        }
        self.counts.acts += 1;
        self.orders[at].asked_back += asked;
        self.acted(
            at,
            Act::Refunded,
            &format!("{asked} yen are to be refunded"),
        );
        if self.dice.percent(30) && self.shop_of(at).refund(&id, asked) {
            self.orders[at].refunded_by_staff = true;
            self.acted(at, Act::Refunded, &format!("refunded {asked} yen as well"));
        }
    }

    /// Releases what is authorised and not captured.
    async fn voids_it(&mut self) {
        let Some(at) = self.some_order() else {
            return;
        };
        let name = self.orders[at].name();
        let typed = self.types(&name, "its payment is voided", |now| void(now, WHY));
        if typed.await {
            self.counts.acts += 1;
            self.orders[at].void_wanted = true;
            self.acted(at, Act::Voided, "its payment is to be voided");
        }
    }

    /// Gives up a refund or void that was asked for and not made.
    async fn gives_a_refund_up(&mut self) {
        let Some(at) = self.some_order() else {
            return;
        };
        let name = self.orders[at].name();
        let Some((_, _, input)) = self.input(&name).await else {
            return;
        };
        let words = dropping(&input).into_iter();
        let words = words.filter_map(|word| release(self.now_of(&input), Some(&word)).ok());
        let words: Vec<Vec<String>> = words.collect();
        if !words.is_empty() {
            let rules = self.dice.pick(&words).clone();
            let reason = WHY.to_owned();
            self.decide(&name, Decision::Release { rules, reason })
                .await;
            self.counts.acts += 1;
        }
    }

    /// Asks a shipment back that a warehouse was told of, or will be.
    async fn asks_back(&mut self) {
        let Some(at) = self.some_order() else {
            return;
        };
        let name = self.orders[at].name();
        let references: Vec<String> = sqlx::query_scalar(
            "SELECT p.reference FROM shipments p JOIN subjects s ON s.id = p.subject_id WHERE s.number = $1 ORDER BY p.reference",
        )
        .bind(&self.orders[at].number)
        .fetch_all(&self.admin)
        .await
        .unwrap();
        if references.is_empty() {
            return;
        }
        let reference = self.dice.pick(&references).clone();
        let what = format!("requests the cancellation of {reference}");
        if self
            .types(&name, &what, |now| recall(now, &reference, WHY))
            .await
        {
            self.counts.acts += 1;
        }
    }

    /// Goods that no warehouse was told of leave a shelf all the same.
    async fn ships_by_hand(&mut self) {
        let Some(at) = self.some_order() else {
            return;
        };
        let name = self.orders[at].name();
        let tracking = format!("HAND{}", self.counts.acts + 1);
        let shelf = self.some_warehouse();
        let mut told = Vec::new();
        let what = Shipped {
            reference: None,
            tracking: &tracking,
            carrier: None,
            from: Some(self.far.warehouses[shelf].name),
            shipped_at: None,
            lines: &[],
            reason: WHY,
        };
        let typed = self.types(&name, "ships it by hand", |now| {
            let wish = shipped(now, what)?;
            let facts = wish.facts.iter().map(|fact| &fact.body);
            let lines = facts.filter_map(|body| match body {
                FactBody::Shipment(shipment) => Some(&shipment.lines),
                _ => None,
            });
            let lines = lines.flatten().map(|l| (l.item_id, l.quantity));
            told = lines.collect();
            Ok(wish)
        });
        if !typed.await {
            return;
        }
        self.counts.acts += 1;
        let mut goods = Goods::new();
        for (item, n) in told {
            let code: String = sqlx::query_scalar("SELECT code FROM items WHERE id = $1")
                .bind(item)
                .fetch_one(&self.admin)
                .await
                .unwrap();
            join(&mut goods, &Goods::from([(code, n)]));
        }
        self.shelve(shelf, &goods, -1);
        join(&mut self.orders[at].by_hand, &goods);
    }

    /// A shipment left in one parcel, and an operator types its number, before the warehouse tells or after.
    async fn saw_it_ship(&mut self) {
        let mut parcels = Vec::new();
        for warehouse in &self.far.warehouses {
            let shipments = warehouse.shipments();
            for (reference, left) in warehouse.shipped() {
                let shipment = &shipments[&reference];
                let sum: u32 = shipment.lines.iter().map(|l| l.quantity).sum();
                if let [parcel] = left.as_slice()
                    && parcel.lines.iter().map(|l| l.quantity).sum::<u32>() == sum
                {
                    let number = shipment.order_number.clone();
                    parcels.push((number, reference, parcel.tracking.clone()));
                }
            }
        }
        if parcels.is_empty() {
            return;
        }
        let (number, reference, tracking) = self.dice.pick(&parcels).clone();
        let what = Shipped {
            reference: Some(&reference),
            tracking: &tracking,
            carrier: None,
            from: None,
            shipped_at: None,
            lines: &[],
            reason: WHY,
        };
        let words = format!("saw {reference} ship as {tracking}");
        if self.types(&number, &words, |now| shipped(now, what)).await {
            self.counts.acts += 1;
        }
    }

    /// Resumes what is paused and lifts what is stopped.
    pub(super) async fn let_all_go(&mut self) {
        let store = self.engine.store.clone();
        for account in self.far.accounts() {
            match store.resume_by_operator(&account, None).await {
                Ok(_) => self.log.say(WHO, format!("resumes {account}")),
                Err(StoreError::Refused(_)) => {}
                Err(error) => self.violated(format!("resuming {account}: {error}")),
            }
        }
        for stop in store.list_stops().await.unwrap() {
            store.lift_stop(stop.id, WHY, WHO).await.unwrap();
            self.log.say(WHO, format!("lifts stop {}", stop.id));
        }
    }

    /// What is known of an order: its row, its number, and all of it.
    pub(super) async fn input(&self, name: &str) -> Option<(i64, String, OrderInput)> {
        let engine = &self.engine;
        let (id, number) = engine.store.find_subject(name).await.ok()?;
        let mut tx = engine.store.pool().begin().await.unwrap();
        let loaded = Store::load(&mut tx, &[id], &engine.directory).await;
        tx.commit().await.unwrap();
        let (_, _, input) = loaded.unwrap().orders.into_iter().next()?;
        let mut input = input.ok()?;
        input.see_payments(&engine.policy);
        Some((id, number, input))
    }

    /// An order as an operator who types something looks at it.
    fn now_of<'a>(&'a self, input: &'a OrderInput) -> Now<'a> {
        Now {
            input,
            policy: &self.engine.policy,
            rules: &*self.engine.rules,
            now: self.now,
        }
    }

    /// Types what the planner says of an order now. False where it is refused or overtaken.
    pub(super) async fn types(
        &mut self,
        name: &str,
        what: &str,
        command: impl FnOnce(Now<'_>) -> Result<Wish, String>,
    ) -> bool {
        let Some((id, number, input)) = self.input(name).await else {
            return false;
        };
        let Ok(wish) = command(self.now_of(&input)) else {
            return false;
        };
        let engine = &self.engine;
        let typed = [Typed {
            named: None,
            subject_id: id,
            seen: input.facts.last().map(|fact| fact.id),
            wish,
        }];
        let today = engine.today(self.now);
        let stored = engine
            .store
            .type_all(&typed, Some(&engine.directory), WHO, today);
        match stored.await {
            Ok(()) => {
                self.log.say(WHO, format!("{number}: {what}"));
                true
            }
            Err(StoreError::Replan) => false,
            Err(error) => {
                self.violated(format!("{number}: {what}: {error}"));
                false
            }
        }
    }
}

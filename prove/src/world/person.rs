//! The people who work with the daemon: they hold, release, cancel and take in money by command, look into
//! the external systems when an outcome is unknown, and do what a task tells them to type.

use hikiate::daemon::slot_now;
use hikiate::facts::{FactBody, IntentWhat};
use hikiate::plan::{context_hash, rule_context};
use hikiate::store::{Added, Decision, DepositTerms, NewDeposit, Place, StoreError};
use hikiate_sdk::{Call, Currency};

use super::decides::gives_up;
use super::orders::Pay;
use super::world::World;

impl World {
    /// Something an operator may do at any time.
    pub(super) async fn operator_acts(&mut self) {
        self.far.catch_up();
        let Some(at) = self.some_order() else {
            return;
        };
        let (name, pay) = (self.orders[at].name(), self.orders[at].pay);
        match self.dice.range(0..=9) {
            0..=1 => {
                let reason = "let me see".to_owned();
                self.decide(&name, Decision::Hold { reason }).await;
            }
            2..=3 => {
                let decision = Decision::Cancel {
                    reason: "the customer called".to_owned(),
                };
                if self.decide(&name, decision).await {
                    self.orders[at].cancel_wanted = true;
                }
            }
            4..=6 if pay == Pay::Bank => {
                let part = if self.dice.percent(30) { 100 } else { 0 };
                self.deposit(at, part).await;
            }
            7 => self.resolve().await,
            _ => {
                self.clear_tasks().await;
            }
        }
    }

    /// Types a decision. False when there is no such order yet.
    pub(super) async fn decide(&mut self, name: &str, decision: Decision) -> bool {
        let store = self.engine.store.clone();
        let Ok((id, number)) = store.find_subject(name).await else {
            return false;
        };
        let context = self.input(name).await.and_then(|(_, _, input)| {
            let context = rule_context(&input, &self.engine.policy, self.now).ok()?;
            context.map(|context| context_hash(&context))
        });
        self.log.say("operator", format!("{number}: {decision:?}"));
        let order = self.orders.iter_mut().find(|order| order.number == number);
        if let (Some(order), Decision::Release { rules, .. }) = (order, &decision) {
            rules.iter().for_each(|rule| order.lets_go(rule));
            order.dropped |= rules.iter().any(|rule| gives_up(rule));
        }
        let today = self.engine.today(self.now);
        store
            .decide(
                id,
                &decision,
                "operator",
                &context.unwrap_or_default(),
                today,
            )
            .await
            .unwrap();
        true
    }

    /// Takes in what was transferred for an order, less a part that the customer forgot.
    pub(super) async fn deposit(&mut self, at: usize, forgotten: i64) {
        let (name, account, rest) = {
            let order = &self.orders[at];
            let rest = order.total() - order.paid - forgotten;
            (order.name(), order.account, rest)
        };
        if rest <= 0 {
            return;
        }
        let store = self.engine.store.clone();
        let Ok((subject, number)) = store.find_subject(&name).await else {
            return;
        };
        let reference = format!("{name}-{}", self.orders[at].deposits);
        let today = self.engine.today(self.now);
        // Typed twice by mistake: a reference is used once.
        for _ in 0..2 {
            let added = store
                .add_deposits(
                    &self.engine.directory,
                    &[NewDeposit {
                        account: account.into(),
                        reference: reference.clone(),
                        amount: rest,
                        currency: Currency::JPY,
                        date: today,
                        order: Some(subject),
                    }],
                    &DepositTerms {
                        book: false,
                        actor: "operator",
                        today,
                        dry_run: false,
                    },
                )
                .await;
            match added.as_deref() {
                Ok([Added::New(_)]) => {
                    self.orders[at].paid += rest;
                    self.orders[at].deposits += 1;
                    self.log
                        .say("operator", format!("{number}: {rest} yen came in"));
                }
                Ok(_) => {}
                Err(error) => self.violated(format!("deposit of {number}: {error}")),
            }
        }
    }

    /// Looks into the external systems for what is unknown, and says what is there.
    pub(super) async fn resolve(&mut self) {
        let store = self.engine.store.clone();
        let today = self.engine.today(self.now);
        let unknown: Vec<(i64, String, Option<String>, i16, serde_json::Value)> = sqlx::query_as(
            "SELECT e.id, f.key, e.label, f.version, f.body FROM effects e JOIN facts f ON f.id = e.intent_id
             WHERE e.state = 'unresolved' ORDER BY e.id",
        )
        .fetch_all(&self.admin)
        .await
        .unwrap();
        for (id, key, label, version, body) in unknown {
            let Ok(FactBody::Intent(intent)) = FactBody::read("intent", version, body) else {
                self.violated(format!("the intent of {key} cannot be read"));
                continue;
            };
            let done = self.happened(&label.unwrap_or_default(), &intent.what);
            let word = if done { "done" } else { "not done" };
            self.log.say("operator", format!("finds {key} {word}"));
            match store
                .resolve_effect(id, done, "looked", "operator", today)
                .await
            {
                Ok(_) | Err(StoreError::Refused(_) | StoreError::NotFound(_)) => {}
                Err(error) => self.violated(format!("resolving {key}: {error}")),
            }
        }
    }

    /// What the external system's memory says of an intent.
    fn happened(&self, label: &str, what: &IntentWhat) -> bool {
        let order = |id: &str| {
            let order = self.orders.iter().find(|order| order.id == id);
            order.map(|order| self.far.order(order)).unwrap()
        };
        let call = match what {
            IntentWhat::Mail { .. } => {
                let id = label.split('<').nth(1).and_then(|id| id.split('>').next());
                return id.is_some_and(|id| self.far.mails.count(&format!("<{id}>")) > 0);
            }
            IntentWhat::Call { call, .. } => call.as_ref(),
            IntentWhat::Member { .. } | IntentWhat::Batch { .. } => return self.did(label),
        };
        match call {
            Call::Capture(call) => {
                order(call.order.as_str()).captured >= call.expected_captured_total
            }
            Call::Refund(call) => {
                let mut made = order(call.order.as_str()).refunds.into_iter();
                made.any(|(_, ours)| ours.is_some_and(|ours| ours.starts_with(&call.key)))
            }
            Call::RecordRefund(call) => {
                let mut made = order(call.order.as_str()).records.into_iter();
                made.any(|(_, ours)| ours == call.key)
            }
            Call::Void(call) => {
                let payment = call.provider.as_ref().and_then(|of| of.key.as_ref());
                let voided = order(call.order.as_str()).voided;
                voided
                    .iter()
                    .any(|of| payment.is_some_and(|key| key.as_str() == of))
            }
            Call::CancelOrder(call) => order(call.order.as_str()).cancelled,
            Call::Fulfil(call) => order(call.order.as_str())
                .fulfilments
                .iter()
                .any(|f| f.reference.as_deref() == Some(call.reference.as_str())),
            Call::Ship(call) => order(call.order.as_str())
                .fulfilments
                .iter()
                .any(|f| f.shipped && f.reference.as_deref() == Some(call.reference.as_str())),
            _ => self.did(label),
        }
    }

    /// What a call with this label was to do at a warehouse or in the books is done.
    fn did(&self, label: &str) -> bool {
        let mut warehouses = self.far.warehouses.iter();
        self.far.books.has(label) || warehouses.any(|warehouse| warehouse.did(label))
    }

    /// Has a wave that was missed, or that could not be sealed, sealed now. False where nothing is ready.
    pub(super) async fn seal_now(&mut self, wave: &str) -> bool {
        let engine = &self.engine;
        let Ok(row) = engine.store.batch("instruct", wave).await else {
            return false;
        };
        let name = row.warehouse.unwrap_or_default();
        let mut warehouses = engine.policy.warehouses.iter();
        let warehouse = warehouses.find(|w| w.name == name).unwrap();
        let place = Place {
            account_id: engine.directory.account(&warehouse.account).unwrap(),
            location_id: Some(engine.directory.location(&name).unwrap().id),
            kind: "instruct",
        };
        let slot = slot_now(&warehouse.dispatch, engine.policy.shop.timezone, self.now);
        let today = engine.today(self.now);
        let sealed = engine
            .store
            .seal_now(&engine.directory, place, &name, &slot, "operator", today)
            .await;
        match sealed {
            Ok((wave, rows)) => {
                let what = format!("{rows} shipments of {name} are to go now, as {wave}");
                self.log.say("operator", what);
                true
            }
            Err(StoreError::Refused(_)) => false,
            Err(error) => {
                self.violated(format!("sealing {wave}: {error}"));
                false
            }
        }
    }
}

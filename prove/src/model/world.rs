//! The whole of a run: orders, queue, batches, stock and external systems; commands change it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use hikiate::facts::{
    CancelWantedFact, DepositFact, FactBody, HeldFact, HoldRelease, ReleasedFact,
};
use hikiate::plan::types::{Begin, OrderPlan, ShippingStop};
use hikiate::plan::{context_hash, plan_order, rule_context};
use hikiate_sdk::{ChannelGate, ChannelState, Currency};

use super::check;
use super::command::Command;
use super::far::Far;
use super::queue::{Owner, Row};
use super::setting::{PLACES, Setting, start};
use super::shape;
use super::store::{Order, Said};
use super::violation::{Violation, ensure};
use super::waves::{Books, Wave};
use crate::fault;

/// Orders of a run at the most.
const ORDERS: usize = 4;
/// Late answers kept.
const LATE: usize = 8;

/// Everything.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// Policy and rules.
    pub(super) setting: Setting,
    /// The clock.
    pub(super) now: DateTime<Utc>,
    /// Row ids and fact ids.
    pub(super) next: i64,
    /// In the order they came.
    pub(super) orders: Vec<Order>,
    /// The queue.
    pub(super) rows: Vec<Row>,
    /// Sealed waves.
    pub(super) waves: Vec<Wave>,
    /// Sealed journals.
    pub(super) books: Vec<Books>,
    /// Revenue that stands in a journal.
    pub(super) in_books: BTreeSet<(usize, String)>,
    /// Counts: item and warehouse → units, as of.
    pub(super) counts: BTreeMap<(i64, &'static str), (i64, DateTime<Utc>)>,
    /// What really lies there.
    pub(super) shelves: BTreeMap<(i64, &'static str), i64>,
    /// Late answers of the channel.
    pub(super) late: Vec<Said>,
    /// Notes that stalled processes have yet to send.
    pub(super) stalled: Vec<Row>,
    /// Answers of the channel that were heard.
    pub(super) heard: Vec<Said>,
    /// What each warehouse has said and nobody has heard.
    pub(super) posts: [Vec<Said>; 2],
    /// The last page of each warehouse.
    pub(super) pages: [Vec<Said>; 2],
    /// What happened at the external systems.
    pub(super) far: Far,
    /// How often people let go of something while the run comes to rest.
    pub(super) tries: BTreeMap<(usize, String), u32>,
    /// Items that operators shipped by hand, by reference.
    pub(super) by_hand: Vec<(String, i64)>,
    /// Stops of shipping that stand.
    pub(super) stops: Vec<ShippingStop>,
    /// Since when the channel is acted for.
    pub(super) begin: Begin,
    deposits: u32,
}

impl World {
    /// Before the first order, ten of each item at each warehouse.
    #[must_use]
    pub(super) fn new(setting: Setting) -> Self {
        let begin = if setting.begun {
            Begin::always()
        } else {
            Begin::default()
        };
        let mut world = Self {
            setting,
            now: start(),
            next: 0,
            orders: Vec::new(),
            rows: Vec::new(),
            waves: Vec::new(),
            books: Vec::new(),
            in_books: BTreeSet::new(),
            counts: BTreeMap::new(),
            shelves: BTreeMap::new(),
            late: Vec::new(),
            stalled: Vec::new(),
            heard: Vec::new(),
            posts: [Vec::new(), Vec::new()],
            pages: [Vec::new(), Vec::new()],
            far: Far::default(),
            tries: BTreeMap::new(),
            by_hand: Vec::new(),
            stops: Vec::new(),
            begin,
            deposits: 0,
        };
        for item in 1..=3 {
            for place in 0..PLACES.len() {
                world.count(item, place, Some(10), false);
            }
        }
        world
    }

    /// Does a command and checks everything.
    ///
    /// # Errors
    /// The first broken invariant.
    pub(super) fn step(&mut self, command: &Command) -> Result<(), Violation> {
        self.now += Duration::seconds(1);
        self.act(command)?;
        if !self.setting.lazy {
            self.plan_all()?;
        }
        check::queue(self)
    }

    /// Plans every order with new input or whose time has come, until nothing is left to plan.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn plan_all(&mut self) -> Result<(), Violation> {
        for _ in 0..6 {
            let mut planned = false;
            for at in 0..self.orders.len() {
                let order = &self.orders[at];
                if order.dirty || order.plan_at.is_some_and(|due| due <= self.now) {
                    self.plan(at)?;
                    planned = true;
                }
            }
            if !planned {
                return Ok(());
            }
        }
        Err(Violation::new("planning does not end"))
    }

    fn act(&mut self, command: &Command) -> Result<(), Violation> {
        use Command as C;
        match command {
            C::Place { shape } => self.place(*shape)?,
            C::Allocate => self.allocate()?,
            C::Seal { place } => self.seal(*place)?,
            C::SealBooks => self.seal_books()?,
            C::Claim { which } => self.claim(*which),
            C::Go { which, glance } => self.go(*which, *glance)?,
            C::Answer { which, fate } => self.answer(*which, *fate)?,
            C::Resolve { which } => self.resolve(*which)?,
            C::Reply { which, good } => self.reply(*which, *good),
            C::Parcel {
                which,
                key,
                line,
                units,
            } => self.parcel(*which, *key, *line, *units),
            C::StopReply { which, word } => self.stop_reply(*which, *word),
            C::Hear { place } => self.hear_place(usize::from(*place) % PLACES.len())?,
            C::Deliver { which } => self.deliver(*which)?,
            C::Repeat { which } => self.repeat(*which)?,
            C::Wait { minutes } => self.now += Duration::minutes(i64::from(*minutes)),
            C::Stop { which } => self.stop_shipping(*which),
            C::Lift => self.lift_stops(),
            C::Begin { hours } => self.begin_channel(*hours),
            C::Unbegin => self.unbegin_channel(),
            C::Count {
                item,
                place,
                units,
                old,
            } => {
                let place = usize::from(*place) % PLACES.len();
                self.count(
                    1 + i64::from(*item % 3),
                    place,
                    Some(i64::from(*units)),
                    *old,
                );
            }
            C::Edit { order, .. }
            | C::CancelAtChannel { order }
            | C::Revive { order }
            | C::Gate { order, .. }
            | C::Authorise { order }
            | C::TakenByOthers { order, .. }
            | C::Read { order, .. }
            | C::Burst { order, .. }
            | C::Deposit { order, .. }
            | C::Plan { order }
            | C::Hold { order }
            | C::Release { order, .. }
            | C::Staff { order, .. }
            | C::Type { order, .. }
            | C::Cancel { order } => {
                if let Some(at) = usize::from(*order).checked_rem(self.orders.len()) {
                    self.act_on(at, command)?;
                }
            }
        }
        Ok(())
    }

    /// Does a command about an order.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn act_on(&mut self, at: usize, command: &Command) -> Result<(), Violation> {
        use Command as C;
        let now = self.now;
        match command {
            C::Staff {
                deed, which, units, ..
            } => return self.staff(at, *deed, *which, *units),
            C::Type { word, which, .. } => return self.types(at, *word, *which),
            _ => {}
        }
        let order = &mut self.orders[at];
        let truth = &mut order.truth;
        match command {
            C::Edit { line, units, .. } => {
                let before = truth.total;
                let line = usize::from(*line) % truth.lines.len();
                shape::edit(truth, line, u32::from(*units));
                order.shrunk |= truth.total < before;
                self.changed(at)?;
            }
            C::CancelAtChannel { .. } => {
                truth.state = ChannelState::Cancelled { at: now };
                self.changed(at)?;
            }
            C::Revive { .. } => {
                truth.state = ChannelState::Open;
                self.changed(at)?;
            }
            C::Gate { open, .. } => {
                truth.gate = if *open {
                    ChannelGate::Open
                } else {
                    ChannelGate::Frozen
                };
                self.changed(at)?;
            }
            C::Authorise { .. } => {
                shape::authorise(truth);
                self.changed(at)?;
            }
            C::TakenByOthers { percent, .. } => {
                for tender in truth.tenders.iter_mut().filter(|t| !t.cancelled) {
                    let room = tender.authorised - tender.captured;
                    tender.captured += room * i64::from(*percent) / 100;
                }
                order.shrunk = true;
                self.changed(at)?;
            }
            C::Read { late: true, .. } if !order.gone => {
                let said = self.reading(at);
                if self.late.len() >= LATE {
                    self.late.remove(0);
                }
                self.late.push(said);
            }
            C::Read { .. } => self.read(at)?,
            C::Burst { shuffle, .. } => self.burst(at, *shuffle)?,
            C::Plan { .. } => self.plan(at)?,
            C::Deposit { percent, .. } => {
                self.deposits += 1;
                let deposit = format!("shop-jp/d{}", self.deposits);
                let amount = truth.total.unwrap_or(0) * i64::from(*percent) / 100;
                let body = FactBody::Deposit(DepositFact {
                    deposit: deposit.clone(),
                    amount,
                    currency: Currency::JPY,
                });
                if amount <= 0 {
                    return Ok(());
                }
                let key = format!("deposit:{deposit}");
                order.fact(&mut self.next, key, body, (now, now), "somebody")?;
            }
            C::Hold { .. } => {
                let body = FactBody::Held(HeldFact {
                    rule: "manual".to_owned(),
                    reason: "asked to wait".to_owned(),
                    context: String::new(),
                    release: HoldRelease::Manual,
                });
                order.typed(&mut self.next, "held:manual", body, now)?;
            }
            C::Cancel { .. } => {
                let reason = "the customer called".to_owned();
                let body = FactBody::CancelWanted(CancelWantedFact { reason });
                order.typed(&mut self.next, "cancel_wanted", body, now)?;
            }
            C::Release { which, .. } => {
                let reference = order
                    .input
                    .shipments
                    .last()
                    .map(|row| row.reference.to_string());
                let reference = reference.unwrap_or_default();
                let rule = match which {
                    0 => ReleasedFact::ALL_BEFORE.to_owned(),
                    1 => "manual".to_owned(),
                    2 => "capture".to_owned(),
                    3 => "notice".to_owned(),
                    4 => format!("rejected:{reference}"),
                    5 => format!("short:{reference}"),
                    6 => format!("cancel:{reference}"),
                    7 => "cancel_order".to_owned(),
                    _ => "mail".to_owned(),
                };
                self.release(at, rule)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// An operator lets go of something.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn release(&mut self, at: usize, rule: String) -> Result<(), Violation> {
        let now = self.now;
        let order = &mut self.orders[at];
        let context = rule_context(&order.input, &self.setting.policy, now);
        let Ok(Some(context)) = context else {
            return Ok(());
        };
        let body = FactBody::Released(ReleasedFact {
            rules: vec![rule],
            reason: "looked at".to_owned(),
            context: context_hash(&context),
        });
        order.typed(&mut self.next, "released", body, now)
    }

    fn place(&mut self, shape: u32) -> Result<(), Violation> {
        if self.orders.len() >= ORDERS {
            return Ok(());
        }
        let at = self.orders.len();
        let truth = shape::order(shape, at, self.now);
        let id = i64::try_from(at).unwrap_or(0) + 1;
        let stops = self.stops.clone();
        self.orders.push(Order::new(id, truth, self.begin, stops));
        // Somebody may act at the channel before it is first read.
        if self.setting.people && shape.is_multiple_of(5) {
            return Ok(());
        }
        self.read(at)
    }

    /// The channel changed an order; half of the time nobody reads it at once.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn changed(&mut self, at: usize) -> Result<(), Violation> {
        self.orders[at].version += 1;
        if self.orders[at].version % 2 == 0 {
            self.read(at)?;
        }
        Ok(())
    }

    /// A warehouse counts.
    pub(super) fn count(&mut self, item: i64, place: usize, units: Option<i64>, old: bool) {
        let name = PLACES[place].0;
        let (as_of, quantity) = if old {
            let as_of = self.now - Duration::hours(1);
            let mut quantity = self.shelves.get(&(item, name)).copied().unwrap_or(0);
            for told in self.far.told.values().filter(|told| told.place == place) {
                for (lines, _) in told.parcels.values().filter(|parcel| parcel.1 > as_of) {
                    for line in told.fact.lines.iter().filter(|line| line.item_id == item) {
                        quantity += i64::from(lines.get(&line.n).copied().unwrap_or(0));
                    }
                }
            }
            (as_of, quantity)
        } else {
            let shelf = self.shelves.entry((item, name)).or_default();
            *shelf = units.unwrap_or(*shelf);
            (self.now, *shelf)
        };
        let base = self.counts.entry((item, name)).or_insert((quantity, as_of));
        if as_of > base.1 {
            *base = (quantity, as_of);
        }
        let counted = base.1;
        for order in &mut self.orders {
            let key = (item, name.to_owned());
            order.input.counted.insert(key, counted);
        }
    }

    /// Plans an order, checks the plan, writes it, and plans again: nothing new.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn plan(&mut self, at: usize) -> Result<(), Violation> {
        let plan = self.peek(at)?;
        check::plan(self, at, &plan)?;
        let decides = !plan.effects.is_empty() || !plan.decisions.is_empty();
        if decides {
            ensure(self.peek(at)? == plan, || {
                "the same facts give a different plan".to_owned()
            })?;
        }
        let now = self.now;
        self.orders[at].write(&mut self.next, &plan, now)?;
        let kinds = plan.tasks.iter().map(|task| task.kind.clone());
        self.orders[at].named.extend(kinds);
        self.keep_in_step(at, &plan);
        let again = self.peek(at)?;
        let at_once = plan.next.is_some_and(|next| next <= now);
        check::nothing_new(&plan, &again, at_once)?;
        check::written(&self.orders[at])
    }

    fn peek(&self, at: usize) -> Result<OrderPlan, Violation> {
        let input = fault::read(&self.orders[at].input);
        plan_order(&input, &self.setting.policy, &self.setting.rules, self.now)
            .map(|plan| fault::altered(&input, plan))
            .map_err(|error| Violation::new(error.to_string()))
    }

    /// The run's queue as an order's rows have it: without what was withdrawn, with what is new.
    fn keep_in_step(&mut self, at: usize, plan: &OrderPlan) {
        let gone = |id| plan.withdraw.iter().any(|gone| gone.effect_id == id);
        self.rows.retain(|row| !gone(row.id));
        for effect in &plan.effects {
            let mut queue = self.orders[at].input.queue.iter();
            if let Some(queued) = queue.find(|queued| queued.key == effect.key) {
                let (key, intent) = (effect.key.clone(), effect.intent.clone());
                let owner = Owner::Order(at);
                self.rows
                    .push(Row::new(queued.id, owner, key, intent, self.now));
            }
        }
    }

    /// Puts an order's rows of the queue where planning sees them.
    pub(super) fn mirror(&mut self, at: usize) {
        let rows = self.rows.iter().filter(|row| row.owner == Owner::Order(at));
        self.orders[at].mirror(rows);
    }
}

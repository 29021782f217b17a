//! A shop on WooCommerce whose gateway authorises cards at Stripe: an order on a card waits on hold with the id of its
//! payment, and its money is asked for at Stripe.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hikiate::demo::merchant::HOOK_SECRET;
use hikiate_sdk::conformance::{HookCase, SentHook};
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::{Currency, Party};
use hikiate_stripe::sim::{NewPayment, PaymentMemory, StripeSim, Way};
use hikiate_woocommerce::sim::{FulfilmentMemory, NewOrder, OrderMemory, WooSim};
use serde_json::Value;

use super::super::orders::{Pay, Wish};
use super::super::seen::{Seen, Told};
use super::Software;

/// The key of an order's metadata that the gateway keeps the payment's id in, as the configuration has it.
pub(in super::super) const PAYMENT: &str = "payment";
/// What hikiate writes into an order where the shop has no fulfilments: this and its reference.
const SHIPPED: &str = "_hikiate_shipped_";

/// A shop and the account that has its cards.
pub(in super::super) struct WooShop {
    pub(in super::super) sim: Arc<WooSim>,
    pub(in super::super) provider: Arc<StripeSim>,
    clock: SimClock,
    desk: Mutex<Desk>,
}

/// What the gateway and the shop's staff keep in mind.
#[derive(Default)]
struct Desk {
    /// Payments of an order, the one that stands last.
    cards: BTreeMap<String, Vec<Card>>,
    /// Codes of lines, those that were removed too.
    codes: BTreeMap<String, String>,
    /// Of an order, what staff recorded as given back while nothing was captured: it gave nothing back.
    early: BTreeMap<String, Vec<i64>>,
}

/// The customer of a payment that ran out is asked for one that lasts.
const WEEK: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 60 * 60);

#[derive(Clone)]
struct Card {
    id: String,
    /// When what is authorised runs out, in seconds.
    until: i64,
    /// Staff cancelled it.
    cancelled: bool,
    terms: CardTerms,
}

/// How a card may be captured.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct CardTerms {
    /// Several times.
    pub(in super::super) many: bool,
    /// How long it stays authorised.
    pub(in super::super) hold: std::time::Duration,
}

impl WooShop {
    pub(super) fn new(sim: Arc<WooSim>, provider: Arc<StripeSim>, clock: SimClock) -> Self {
        Self {
            sim,
            provider,
            clock,
            desk: Mutex::default(),
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cards(&self, id: &str) -> Vec<Card> {
        self.desk().cards.get(id).cloned().unwrap_or_default()
    }

    /// The payment that stands.
    fn payment(&self, id: &str) -> Option<PaymentMemory> {
        let card = self.cards(id).pop()?;
        self.provider.payment(&card.id)
    }

    fn new_order(&self, wish: &Wish) -> NewOrder {
        let (gateway, status) = match wish.pay {
            Pay::Card => ("stripe", "on-hold"),
            Pay::Prepaid => ("konbini", "processing"),
            Pay::Bank => ("bacs", "on-hold"),
            Pay::Zero => ("", "processing"),
        };
        NewOrder {
            lines: wish.priced(),
            shipping: wish.postage().to_owned(),
            tax_percent: "10".to_owned(),
            prices_include_tax: false,
            payment_method: gateway.to_owned(),
            transaction_id: String::new(),
            status: status.to_owned(),
            address: Some(wish.address.clone()),
            email: wish.email.clone(),
            customer_note: wish.remarks.clone(),
        }
    }

    /// The customer pays an amount on a card, and the gateway notes which payment that is.
    fn authorise(&self, id: &str, amount: i64, terms: CardTerms) -> String {
        let way = Way::Card {
            many: terms.many,
            hold: terms.hold,
        };
        let payment = NewPayment::card(amount, Currency::JPY).by(way);
        let payment = self.provider.pay(payment);
        let hold = i64::try_from(terms.hold.as_secs()).unwrap_or(i64::MAX / 4);
        let card = Card {
            id: payment.clone(),
            until: self.clock.now().timestamp() + hold,
            cancelled: false,
            terms,
        };
        let mut desk = self.desk();
        desk.cards.entry(id.to_owned()).or_default().push(card);
        drop(desk);
        self.sim.edit_meta(id, PAYMENT, Some(&payment));
        payment
    }

    /// Staff give captured money back at Stripe alone.
    pub(in super::super) fn refund_at_provider(&self, id: &str, amount: i64) -> bool {
        let cards = self.cards(id);
        let mut payments = cards
            .iter()
            .filter_map(|card| self.provider.payment(&card.id));
        let enough = payments.find(|of| of.captured - of.refunded >= amount);
        enough.is_some_and(|of| self.provider.refund_by_hand(&of.id, Some(amount)).is_some())
    }

    /// Staff record at the shop alone that money was given back.
    pub(in super::super) fn refund_at_shop(&self, id: &str, amount: i64) -> bool {
        let captured = self.cards(id).iter().any(|card| {
            let payment = self.provider.payment(&card.id);
            payment.is_some_and(|payment| payment.captured > 0)
        });
        let done = self.sim.refund_by_staff(id, amount).is_some();
        if done && !captured {
            let mut desk = self.desk();
            desk.early.entry(id.to_owned()).or_default().push(amount);
        }
        done
    }

    /// Records of an order's refunds from after its capture that no refund at the provider has, and refunds there without one.
    fn unmatched(&self, order: &OrderMemory, given: &[i64]) -> (Vec<i64>, Vec<i64>) {
        let mut records: Vec<i64> = order.refunds.iter().map(|of| of.amount).collect();
        let take = |records: &mut Vec<i64>, amount: &i64| {
            let at = records.iter().position(|record| record == amount);
            at.map(|at| records.swap_remove(at)).is_some()
        };
        for early in self.desk().early.get(&order.id).into_iter().flatten() {
            take(&mut records, early);
        }
        let given = given.iter().filter(|amount| !take(&mut records, amount));
        let given = given.copied().collect();
        (records, given)
    }

    /// Refunds that stand at the provider.
    fn given(&self, id: &str) -> Vec<i64> {
        let cards = self.cards(id);
        let payments = cards
            .iter()
            .filter_map(|card| self.provider.payment(&card.id));
        let refunds = payments.flat_map(|payment| payment.refunds);
        let stand = refunds.filter(|refund| !matches!(&*refund.status, "failed" | "canceled"));
        stand.map(|refund| refund.amount).collect()
    }

    /// Staff give back at the provider what only the shop has as given back. What was given back.
    pub(in super::super) fn give_back_as_recorded(&self, id: &str) -> i64 {
        let Some(order) = self.sim.order(id) else {
            return 0;
        };
        let (records, _) = self.unmatched(&order, &self.given(id));
        let mut given = 0;
        for amount in records {
            if self.refund_at_provider(id, amount) {
                given += amount;
            }
        }
        // A record from before the capture lowered what was to be captured, unless staff captured more all the same.
        let early = self.desk().early.get(id).cloned().unwrap_or_default();
        for amount in early {
            let kept: i64 = self
                .cards(id)
                .iter()
                .filter_map(|card| self.provider.payment(&card.id))
                .map(|payment| payment.captured - payment.refunded)
                .sum();
            let over = kept - (order.total - order.refunded);
            if over >= amount && self.refund_at_provider(id, amount) {
                given += amount;
            }
        }
        given
    }

    fn told(&self, order: &OrderMemory) -> Vec<Told> {
        let mut desk = self.desk();
        for (line, code, _) in &order.lines {
            desk.codes.insert(line.clone(), code.clone());
        }
        let code = |line: &String| desk.codes.get(line).unwrap_or(line).clone();
        let fulfilment = |of: &FulfilmentMemory| {
            let numbers = of.tracking.split(',').map(str::trim);
            let numbers = numbers.filter(|number| !number.is_empty());
            Told {
                id: of.id.clone(),
                reference: of.reference.clone(),
                location: None,
                lines: of.lines.iter().map(|(line, n)| (code(line), *n)).collect(),
                shipped: of.shipped,
                cancelled: of.deleted,
                tracking: numbers.map(str::to_owned).collect(),
            }
        };
        let noted = order.meta.iter().filter_map(|(key, value)| {
            let reference = key.strip_prefix(SHIPPED)?;
            let shipped: Value = serde_json::from_str(value.as_str()?).ok()?;
            let line = |line: &Value| {
                let n = u32::try_from(line["quantity"].as_u64()?).ok()?;
                Some((code(&line["line"].as_str()?.to_owned()), n))
            };
            let numbers = shipped["tracking"].as_array().into_iter().flatten();
            Some(Told {
                id: key.clone(),
                reference: Some(reference.to_owned()),
                location: None,
                lines: shipped["lines"]
                    .as_array()?
                    .iter()
                    .filter_map(line)
                    .collect(),
                shipped: true,
                cancelled: false,
                tracking: numbers
                    .filter_map(|number| number.as_str().map(str::to_owned))
                    .collect(),
            })
        });
        let told = order.fulfilments.iter().map(fulfilment);
        told.chain(noted).collect()
    }

    /// Units of a line that fulfilments which stand have.
    fn packed(order: &OrderMemory, line: &str) -> u32 {
        let stand = order.fulfilments.iter().filter(|of| !of.deleted);
        let units = stand.flat_map(|of| &of.lines).filter(|(of, _)| of == line);
        units.map(|(_, n)| n).sum()
    }
}

impl Software for WooShop {
    fn open(&self, codes: &[&str]) {
        self.sim.note_changes();
        self.provider.note_changes();
        for code in codes {
            self.sim.add_product(code, 1000);
        }
    }

    fn place(&self, wish: &Wish) -> String {
        let id = self.sim.place_order(self.new_order(wish));
        if wish.pay == Pay::Card {
            let total = self.sim.order(&id).unwrap().total;
            self.authorise(&id, total, wish.card);
        }
        id
    }

    fn place_undecodable(&self, wish: &Wish) -> String {
        self.sim
            .place_partial_order(self.new_order(wish), "currency")
    }

    fn order(&self, id: &str) -> Seen {
        let order = self.sim.order(id).unwrap();
        let now = self.clock.now().timestamp();
        let cards = self.cards(id);
        let with = |card: &Card| Some((card.clone(), self.provider.payment(&card.id)?));
        let payments: Vec<(Card, PaymentMemory)> = cards.iter().filter_map(with).collect();
        let sum = |of: fn(&PaymentMemory) -> i64| payments.iter().map(|(_, p)| of(p)).sum::<i64>();
        let (captured, refunded) = (sum(|p| p.captured), sum(|p| p.refunded));
        let refunds = payments.iter().flat_map(|(_, payment)| &payment.refunds);
        let stand = refunds.filter(|refund| !matches!(&*refund.status, "failed" | "canceled"));
        let (_, unrecorded) = self.unmatched(&order, &self.given(id));
        let unrecorded: i64 = unrecorded.iter().sum();
        let records = order.refunds.iter();
        let records = records.filter_map(|of| Some((of.amount, of.key.clone()?)));
        let voided = payments.iter().filter(|(card, payment)| {
            payment.is_cancelled() && !card.cancelled && card.until > now
        });
        let fulfilled = |line: &str| Self::packed(&order, line);
        Seen {
            cancelled: order.status == "cancelled",
            deleted: order.deleted || order.status == "trash",
            total: order.total,
            credit: (order.refunded, order.refunded + unrecorded),
            captured,
            refunded,
            refunds: stand
                .map(|refund| (refund.amount, refund.mark.clone()))
                .collect(),
            records: records.collect(),
            voided: voided.map(|(card, _)| card.id.clone()).collect(),
            repeated: order.repeated() + payments.iter().map(|(_, p)| p.repeated()).sum::<usize>(),
            lines: order
                .lines
                .iter()
                .map(|(line, code, n)| (line.clone(), code.clone(), *n, fulfilled(line)))
                .collect(),
            fulfilments: self.told(&order),
            note: order.note().map(str::to_owned),
            status: order.status.clone(),
            id: order.id.clone(),
        }
    }

    fn cancel(&self, id: &str) -> bool {
        self.sim.cancel_order(id)
    }

    fn hide_from_lists(&self, id: &str, seconds: i64) {
        self.sim.hide_from_lists(id, seconds);
    }

    fn repeat_first_page(&self, seconds: i64) {
        self.sim.repeat_first_page(seconds);
    }

    fn date_ahead(&self, id: &str, seconds: i64) {
        self.sim.date_ahead(id, seconds);
    }

    fn touch(&self, id: &str) {
        self.sim.touch_order(id);
    }

    fn shown(&self, id: &str) -> Option<Value> {
        self.sim.shown(id)
    }

    fn show_older(&self, id: &str, older: Value, seconds: i64) {
        self.sim.show_older(id, older, seconds);
    }

    fn catch_up(&self) {
        self.sim.catch_up();
    }

    fn take_changes(&self) -> Vec<String> {
        self.sim.take_changes()
    }

    fn hook(&self, id: &str, case: HookCase) -> SentHook {
        self.sim.hook(HOOK_SECRET, id, case)
    }

    fn dates_hooks(&self) -> bool {
        false
    }

    fn edit_quantity(&self, id: &str, line: &str, n: u32) -> bool {
        self.sim.edit_quantity(id, line, n)
    }

    fn add_line(&self, id: &str, code: &str, n: u32, price: &str) -> Option<String> {
        self.sim.add_line(id, code, n, price)
    }

    fn edit_address(&self, id: &str, to: Party) -> bool {
        self.sim.edit_address(id, Some(to))
    }

    fn edit_note(&self, id: &str, text: Option<&str>) -> bool {
        self.sim.edit_meta(id, "hikiate_hold", text)
    }

    fn delete(&self, id: &str) -> bool {
        self.sim.trash_order(id)
    }

    fn restore(&self, id: &str) -> bool {
        self.sim.restore_order(id)
    }

    fn complete(&self, id: &str) -> bool {
        let known = self.sim.order(id).unwrap();
        let open = !matches!(&*known.status, "cancelled" | "refunded" | "trash");
        open && self.sim.complete_order(id)
    }

    fn archive(&self, _: &str) -> bool {
        false
    }

    fn pack(&self, id: &str, lines: &[(&str, u32)], _: Option<&str>) -> Option<String> {
        let cancelled = self.sim.order(id).unwrap().status == "cancelled";
        let made = (!cancelled).then(|| self.sim.staff_fulfil(id, lines, "", false));
        made.flatten()
    }

    fn ship(&self, id: &str, fulfilment: &str, number: &str) -> bool {
        self.sim.staff_ship(id, fulfilment, number)
    }

    fn unpack(&self, id: &str, fulfilment: &str) -> bool {
        self.sim.staff_delete_fulfilment(id, fulfilment)
    }

    fn unship(&self, id: &str, fulfilment: &str) -> bool {
        self.sim.staff_delete_fulfilment(id, fulfilment)
    }

    fn correct(&self, id: &str, fulfilment: &str, number: &str) -> Option<String> {
        let done = self.sim.staff_correct_tracking(id, fulfilment, number);
        done.then(|| fulfilment.to_owned())
    }

    fn capture(&self, id: &str, amount: Option<i64>) -> bool {
        let payment = self.payment(id);
        payment.is_some_and(|payment| self.provider.capture_by_hand(&payment.id, amount))
    }

    /// The gateway does both, as it does from the shop's own screens.
    fn refund(&self, id: &str, amount: i64) -> bool {
        let order = self.sim.order(id).unwrap();
        let fits = order.total - order.refunded >= amount;
        fits && self.refund_at_provider(id, amount) && self.refund_at_shop(id, amount)
    }

    fn give_back(&self, id: &str, amount: i64) -> bool {
        self.refund_at_provider(id, amount)
    }

    fn void(&self, id: &str) -> bool {
        let payment = self.payment(id);
        let done = payment.is_some_and(|payment| self.provider.cancel_by_hand(&payment.id));
        let mut desk = self.desk();
        if let Some(card) = desk.cards.get_mut(id).and_then(|cards| cards.last_mut()) {
            card.cancelled |= done;
        }
        done
    }

    fn lapsed(&self, id: &str) -> bool {
        self.payment(id)
            .is_some_and(|payment| payment.is_cancelled())
    }

    /// The whole order is paid anew, where nothing of it was captured; the payment before is cancelled.
    fn pay_again(&self, id: &str) -> Option<String> {
        let order = self.sim.order(id)?;
        let payment = self.payment(id)?;
        let captured: i64 = self.order(id).captured;
        let enough = !payment.is_cancelled() && payment.amount >= order.total;
        if enough || captured > 0 || order.total <= 0 || order.status == "cancelled" {
            return None;
        }
        self.void(id);
        let terms = self.cards(id).pop()?.terms;
        let hold = terms.hold.max(WEEK);
        Some(self.authorise(id, order.total, CardTerms { hold, ..terms }))
    }
}

/// Statuses that staff and plug-ins give an order which is neither finished nor cancelled.
pub(in super::super) const STATUSES: [&str; 6] = [
    "processing",
    "on-hold",
    "pending",
    "failed",
    "picking",
    "quotation",
];

/// Of them those under which nothing of it goes on: staff lift each in the end.
pub(in super::super) fn halts(status: &str) -> bool {
    let halting: BTreeSet<&str> = ["pending", "failed", "picking", "quotation"].into();
    halting.contains(status)
}

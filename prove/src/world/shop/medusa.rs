//! A shop on Medusa, which has the money of its cards itself.

use std::sync::Arc;

use hikiate::demo::merchant::HOOK_SECRET;
use hikiate_medusa::sim::{FulfilmentMemory, MedusaSim, NewOrder, OrderMemory};
use hikiate_sdk::Party;
use hikiate_sdk::conformance::{HookCase, SentHook};
use serde_json::Value;

use super::super::orders::{Pay, Wish};
use super::super::seen::{Seen, Told};
use super::super::terms::{STORE, TOKYO};
use super::Software;

/// What our refunds say in their notes.
const REFUND: &str = "refund:";

pub(super) struct MedusaShop(pub(super) Arc<MedusaSim>);

impl Software for MedusaShop {
    fn open(&self, codes: &[&str]) {
        self.0.note_changes();
        for code in codes {
            for place in [TOKYO, STORE] {
                self.0.add_sku(code, place, 1000);
            }
        }
    }

    fn place(&self, wish: &Wish) -> String {
        self.0.place_order(NewOrder {
            lines: wish.priced(),
            shipping: wish.postage().to_owned(),
            tax_percent: "10".to_owned(),
            provider_id: match wish.pay {
                Pay::Card | Pay::Zero => "pp_system_default",
                Pay::Bank => "pp_bank",
                Pay::Prepaid => "pp_paid",
            }
            .to_owned(),
            authorised: wish.pay != Pay::Bank,
            address: Some(wish.address.clone()),
            email: wish.email.clone(),
            remarks: wish.remarks.clone(),
        })
    }

    fn place_undecodable(&self, _: &Wish) -> String {
        self.0.place_undecodable_order()
    }

    fn order(&self, id: &str) -> Seen {
        seen(self.0.order(id).unwrap())
    }

    fn cancel(&self, id: &str) -> bool {
        self.0.cancel_order(id)
    }

    fn hide_from_lists(&self, id: &str, seconds: i64) {
        self.0.hide_from_lists(id, seconds);
    }

    fn repeat_first_page(&self, seconds: i64) {
        self.0.repeat_first_page(seconds);
    }

    fn date_ahead(&self, id: &str, seconds: i64) {
        self.0.date_ahead(id, seconds);
    }

    fn touch(&self, id: &str) {
        self.0.touch_order(id);
    }

    fn shown(&self, id: &str) -> Option<Value> {
        self.0.shown(id)
    }

    fn show_older(&self, id: &str, older: Value, seconds: i64) {
        self.0.show_older(id, older, seconds);
    }

    fn catch_up(&self) {
        self.0.catch_up();
    }

    fn take_changes(&self) -> Vec<String> {
        self.0.take_changes()
    }

    fn hook(&self, id: &str, case: HookCase) -> SentHook {
        self.0.hook(HOOK_SECRET, id, case)
    }

    fn dates_hooks(&self) -> bool {
        true
    }

    fn edit_quantity(&self, id: &str, line: &str, n: u32) -> bool {
        self.0.edit_quantity(id, line, n)
    }

    fn add_line(&self, id: &str, code: &str, n: u32, price: &str) -> Option<String> {
        self.0.add_line(id, code, n, price)
    }

    fn edit_address(&self, id: &str, to: Party) -> bool {
        self.0.edit_address(id, Some(to))
    }

    fn edit_note(&self, id: &str, text: Option<&str>) -> bool {
        self.0.edit_metadata(id, "hikiate_hold", text)
    }

    fn delete(&self, id: &str) -> bool {
        self.0.delete(id)
    }

    fn restore(&self, id: &str) -> bool {
        self.0.restore(id)
    }

    fn complete(&self, id: &str) -> bool {
        self.0.complete(id)
    }

    fn archive(&self, id: &str) -> bool {
        self.0.archive(id)
    }

    fn pack(&self, id: &str, lines: &[(&str, u32)], at: Option<&str>) -> Option<String> {
        self.0.staff_fulfil(id, lines, at)
    }

    fn ship(&self, id: &str, fulfilment: &str, number: &str) -> bool {
        self.0.staff_ship(id, fulfilment, &[number])
    }

    fn unpack(&self, id: &str, fulfilment: &str) -> bool {
        self.0.staff_cancel_fulfilment(id, fulfilment)
    }

    fn unship(&self, id: &str, fulfilment: &str) -> bool {
        self.0.staff_undo_shipment(id, fulfilment)
    }

    fn correct(&self, id: &str, fulfilment: &str, number: &str) -> Option<String> {
        self.0.staff_correct_tracking(id, fulfilment, &[number])
    }

    fn capture(&self, id: &str, amount: Option<i64>) -> bool {
        match amount {
            None => self.0.capture_by_staff(id),
            Some(part) => self.0.capture_part_by_staff(id, part),
        }
    }

    fn refund(&self, id: &str, amount: i64) -> bool {
        self.0.refund_by_staff(id, amount)
    }

    fn give_back(&self, id: &str, amount: i64) -> bool {
        let done = self.0.refund_by_staff(id, amount);
        // A refund that lowers nothing moves no time of change.
        self.0.touch_order(id);
        done
    }

    fn void(&self, id: &str) -> bool {
        self.0.void_payment(id)
    }

    fn lapsed(&self, _: &str) -> bool {
        false
    }

    fn pay_again(&self, id: &str) -> Option<String> {
        self.0.reauthorise(id)
    }
}

fn seen(order: OrderMemory) -> Seen {
    let note = order.note().map(str::to_owned);
    let ours = |note: String| Some(note).filter(|note| note.starts_with(REFUND));
    let refunds = order.refunds.into_iter();
    Seen {
        note,
        cancelled: order.cancelled,
        deleted: order.deleted,
        total: order.total,
        credit: (order.credit, order.credit),
        captured: order.captured,
        refunded: order.refunded,
        refunds: refunds.map(|(amount, note)| (amount, ours(note))).collect(),
        records: Vec::new(),
        voided: Vec::new(),
        repeated: 0,
        lines: order.lines,
        fulfilments: order.fulfilments.into_iter().map(told).collect(),
        status: order.status,
        id: order.id,
    }
}

fn told(of: FulfilmentMemory) -> Told {
    Told {
        id: of.id,
        reference: of.reference,
        location: of.location,
        lines: of.lines,
        shipped: of.shipped,
        cancelled: of.cancelled,
        tracking: of.tracking,
    }
}

//! What OPENLOGI's staff, and the merchant's own on its screens, do. Each tells whether it could be done.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;

use super::OpenlogiSim;
use super::state::{Shipment, State};

impl OpenlogiSim {
    /// Counts an item at a warehouse: so many are on the shelf. It comes into being with the first count.
    pub fn count_stock(&self, code: &str, warehouse: &str, quantity: i64) {
        let mut state = self.state();
        state
            .item(code)
            .stock
            .insert(warehouse.to_owned(), quantity);
        state.allocate();
    }

    /// Goods arrive (入荷), and shipments that waited for them can go.
    pub fn receive(&self, code: &str, warehouse: &str, quantity: i64) {
        let mut state = self.state();
        *state
            .item(code)
            .stock
            .entry(warehouse.to_owned())
            .or_default() += quantity;
        state.allocate();
    }

    /// Adds an item that is told without one of its fields.
    pub fn add_partial_item(&self, code: &str, warehouse: &str, lacking: &str) {
        let mut state = self.state();
        let item = state.item(code);
        item.stock.insert(warehouse.to_owned(), 1);
        item.lacking = Some(lacking.to_owned());
    }

    /// From now on a shipment is told without one of its fields.
    pub fn lose_field(&self, identifier: &str, field: &str) -> bool {
        self.on(identifier, |shipment| {
            shipment.lacking = Some(field.to_owned())
        })
    }

    /// Gives a shipment a status, known to the document or not.
    pub fn set_status(&self, identifier: &str, status: &str) -> bool {
        self.on(identifier, |shipment| shipment.status = status.to_owned())
    }

    /// The data is taken over and picking begins: from now on a cancellation is a request.
    pub fn start_picking(&self, identifier: &str) -> bool {
        self.moves(identifier, &["waiting"], "picking")
    }

    /// What was picked is checked.
    pub fn inspect(&self, identifier: &str) -> bool {
        self.moves(identifier, &["picking"], "picked")
    }

    /// It is packed.
    pub fn pack(&self, identifier: &str) -> bool {
        self.moves(identifier, &["picking", "picked"], "packed")
    }

    /// It leaves now, with these numbers on its labels; a cancellation that was requested comes too late.
    pub fn ship(&self, identifier: &str, numbers: &[&str]) -> bool {
        self.ship_at(identifier, numbers, self.clock.now())
    }

    /// It left at a time, and is told only now.
    pub fn ship_at(&self, identifier: &str, numbers: &[&str], at: DateTime<Utc>) -> bool {
        let mut state = self.state();
        let Some(shipment) = state.live_mut(identifier) else {
            return false;
        };
        let waits = ["backordered", "suspended"].contains(&shipment.status.as_str());
        if shipment.shipped_at.is_some() || waits {
            return false;
        }
        shipment.status = "shipped".to_owned();
        shipment.shipped_at = Some(at);
        shipment.tracking = numbers.iter().map(|number| (*number).to_owned()).collect();
        let (items, warehouse) = (shipment.items.clone(), shipment.warehouse.clone());
        for (code, n) in items {
            *state
                .item(&code)
                .stock
                .entry(warehouse.clone())
                .or_default() -= i64::from(n);
        }
        true
    }

    /// The number of a label is corrected, or comes later.
    pub fn correct_numbers(&self, identifier: &str, numbers: &[&str]) -> bool {
        self.on(identifier, |shipment| {
            shipment.tracking = numbers.iter().map(|number| (*number).to_owned()).collect();
        })
    }

    /// The merchant's staff delete it on OPENLOGI's screens.
    pub fn delete_by_hand(&self, identifier: &str) -> bool {
        let mut state = self.state();
        super::writes::delete(&mut state, identifier).is_ok()
    }

    /// What was deleted is put back, with its goods set aside as before.
    pub fn restore_by_hand(&self, identifier: &str) -> bool {
        let mut state = self.state();
        let Some(at) = state.find(identifier) else {
            return false;
        };
        std::mem::replace(&mut state.shipments[at].gone, false)
    }

    /// A cancellation that was requested is answered: the shipment disappears, or goes on as before.
    pub fn answer_cancel(&self, identifier: &str, stops: bool) -> bool {
        let mut state = self.state();
        let Some(shipment) = state.live_mut(identifier) else {
            return false;
        };
        if shipment.status != "cancel_request" {
            return false;
        }
        shipment.gone = stops;
        shipment.status = shipment
            .before
            .take()
            .unwrap_or_else(|| "picking".to_owned());
        true
    }

    /// Somebody sets it on hold (保留), with its goods set aside.
    pub fn suspend(&self, identifier: &str) -> bool {
        self.moves(identifier, &["waiting"], "suspended")
    }

    /// The hold is lifted.
    pub fn resume(&self, identifier: &str) -> bool {
        self.moves(identifier, &["suspended"], "waiting")
    }

    /// The day on which it is to be handed to the carrier moves.
    pub fn move_date(&self, identifier: &str, day: NaiveDate) -> bool {
        self.on(identifier, |shipment| shipment.planned = day)
    }

    /// Staff change how many of an item it holds.
    pub fn change_quantity(&self, identifier: &str, code: &str, quantity: u32) -> bool {
        self.on(identifier, |shipment| {
            shipment.items.insert(code.to_owned(), quantity);
            for item in shipment.body["items"].as_array_mut().into_iter().flatten() {
                if item["code"] == code {
                    item["quantity"] = json!(quantity);
                }
            }
        })
    }

    /// The merchant's staff create one by hand, as a copy of another under a number of their own.
    pub fn copy_by_hand(&self, identifier: &str, number: &str) -> bool {
        let mut state = self.state();
        let Some(copy) = copy(&state, identifier, number) else {
            return false;
        };
        state.shipments.push(copy);
        true
    }

    /// A parcel comes back: its goods are on the shelf again, and OPENLOGI creates a shipment to send it out again, here under
    /// the same identifier.
    pub fn send_back(&self, identifier: &str) -> bool {
        let mut state = self.state();
        let Some(at) = state.find(identifier) else {
            return false;
        };
        if state.shipments[at].shipped_at.is_none() {
            return false;
        }
        let Some(again) = copy(&state, identifier, identifier) else {
            return false;
        };
        for (code, n) in again.items.clone() {
            let stock = &mut state.item(&code).stock;
            *stock.entry(again.warehouse.clone()).or_default() += i64::from(n);
        }
        state.shipments.push(Shipment {
            is_return: true,
            ..again
        });
        true
    }

    /// A shipment that OPENLOGI created of a return is shipped.
    pub fn ship_return(&self, identifier: &str, numbers: &[&str]) -> bool {
        let now = self.clock.now();
        let mut state = self.state();
        let mut all = state.shipments.iter_mut();
        let open =
            |s: &&mut Shipment| s.is_return && s.identifier == identifier && s.shipped_at.is_none();
        let Some(shipment) = all.find(open) else {
            return false;
        };
        shipment.status = "shipped".to_owned();
        shipment.shipped_at = Some(now);
        shipment.tracking = numbers.iter().map(|number| (*number).to_owned()).collect();
        true
    }

    fn moves(&self, identifier: &str, from: &[&str], to: &str) -> bool {
        let mut state = self.state();
        let Some(shipment) = state.live_mut(identifier) else {
            return false;
        };
        let may = from.contains(&shipment.status.as_str());
        if may {
            shipment.status = to.to_owned();
        }
        may
    }

    fn on(&self, identifier: &str, change: impl FnOnce(&mut Shipment)) -> bool {
        self.state().live_mut(identifier).map(change).is_some()
    }
}

fn copy(state: &State, of: &str, identifier: &str) -> Option<Shipment> {
    let from = state.shipments.get(state.find(of)?)?;
    Some(Shipment {
        id: state.next_id(),
        identifier: identifier.to_owned(),
        status: "waiting".to_owned(),
        items: from.items.clone(),
        warehouse: from.warehouse.clone(),
        body: from.body.clone(),
        planned: from.planned,
        shipped_at: None,
        tracking: Vec::new(),
        gone: false,
        is_return: false,
        cancel_requests: 0,
        before: None,
        lacking: None,
        late: None,
    })
}

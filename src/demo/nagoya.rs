//! The third warehouse: OPENLOGI, with the limit of calls that it has, and its staff.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use hikiate_openlogi::sim::{OpenlogiSim, STANDARD, SimShipment};

use super::config::PER_MINUTE;
use super::evidence::{ParcelSeen, ShipmentSeen};

/// Ticks after which a shipment is picked, and after which it leaves.
const PICKED: u32 = 3;
const SHIPPED: u32 = 6;

/// OPENLOGI.
pub(super) struct Nagoya {
    /// Its interface.
    pub(super) sim: Arc<OpenlogiSim>,
    staff: Mutex<Staff>,
}

/// What its staff keep in mind, by our reference.
#[derive(Default)]
struct Staff {
    /// Ticks since a shipment was first seen.
    ticks: BTreeMap<String, u32>,
    /// When it left.
    left: BTreeMap<String, DateTime<Utc>>,
}

impl Nagoya {
    /// With staff of its own.
    pub(super) fn new(sim: Arc<OpenlogiSim>) -> Self {
        sim.limit(Some(PER_MINUTE));
        Self {
            sim,
            staff: Mutex::default(),
        }
    }

    /// Puts goods on the shelf.
    pub(super) fn set_stock(&self, code: &str, quantity: i64) {
        self.sim.count_stock(code, STANDARD, quantity);
    }

    /// Its staff go on with what is there.
    pub(super) fn tick(&self, now: DateTime<Utc>) {
        let mut staff = self.staff.lock().unwrap_or_else(PoisonError::into_inner);
        let Staff { ticks, left } = &mut *staff;
        for shipment in self.sim.shipments().iter().filter(|of| is_open(of)) {
            let reference = &shipment.identifier;
            let tick = ticks.entry(reference.clone()).or_default();
            *tick += 1;
            if *tick == PICKED {
                self.sim.start_picking(reference);
            }
            let number = format!("4400{:08}", left.len() + 1);
            if *tick >= SHIPPED && self.sim.ship_at(reference, &[&number], now) {
                left.insert(reference.clone(), now);
            }
        }
    }

    /// What was wrong with the calls that it got.
    pub(super) fn trouble(&self) -> Option<String> {
        let throttled = self.sim.throttled();
        (throttled > 0)
            .then(|| format!("OPENLOGI refused {throttled} calls beyond {PER_MINUTE} a minute"))
    }

    /// What it remembers.
    pub(super) fn shipments(&self) -> Vec<ShipmentSeen> {
        let staff = self.staff.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shipments: BTreeMap<String, Vec<SimShipment>> = BTreeMap::new();
        for shipment in self.sim.shipments() {
            let same = shipments.entry(shipment.identifier.clone()).or_default();
            same.push(shipment);
        }
        let seen = |(reference, all): (String, Vec<SimShipment>)| ShipmentSeen {
            order_number: order_of(&reference).to_owned(),
            told: all.len(),
            parcels: all
                .iter()
                .filter_map(|shipment| parcel(shipment, *staff.left.get(&reference)?))
                .collect(),
            reference,
        };
        shipments.into_iter().map(seen).collect()
    }
}

fn is_open(shipment: &SimShipment) -> bool {
    !shipment.gone && shipment.status != "shipped"
}

/// Our order number, of which the reference is made.
fn order_of(reference: &str) -> &str {
    reference
        .rsplit_once("-S")
        .map_or(reference, |(number, _)| number)
}

fn parcel(shipment: &SimShipment, shipped_at: DateTime<Utc>) -> Option<ParcelSeen> {
    let tracking = shipment.tracking.first()?;
    Some(ParcelSeen {
        tracking: tracking.clone(),
        shipped_at,
        goods: shipment.items.clone(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use hikiate_sdk::http::Request;
    use hikiate_sdk::sim::{SimClock, Simulator as _};
    use serde_json::json;

    use super::*;
    use crate::demo::merchant::{OPENLOGI_ACCOUNT, OPENLOGI_TOKEN};

    #[test]
    fn its_staff_ship_what_was_created_once() {
        let clock = SimClock::real();
        let sim = OpenlogiSim::new(clock.clone(), OPENLOGI_TOKEN, OPENLOGI_ACCOUNT);
        let nagoya = Nagoya::new(Arc::new(sim));
        nagoya.set_stock("FAN-SENSU", 5);
        let address = json!({
            "name": "A", "postcode": "460-0001", "prefecture": "愛知県", "address1": "名古屋市中区1", "phone": "0520000000",
        });
        let body = json!({
            "identifier": "HK0000000000001-S1", "recipient": address, "items": [{ "code": "FAN-SENSU", "quantity": 2 }],
        });
        let mut request = Request::post_json("/shipments", body.to_string().into_bytes());
        request.headers.extend([
            (
                "authorization".to_owned(),
                format!("Bearer {OPENLOGI_TOKEN}"),
            ),
            ("x-api-version".to_owned(), "1.5".to_owned()),
        ]);
        let answer = nagoya.sim.handle(request);
        assert_eq!(
            answer.status,
            201,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        let seen = nagoya.shipments();
        assert_eq!(
            (seen[0].order_number.as_str(), seen[0].told),
            ("HK0000000000001", 1)
        );
        assert!(seen[0].parcels.is_empty());
        let now = clock.now();
        for _ in 0..=SHIPPED {
            nagoya.tick(now);
        }
        let parcel = nagoya.shipments().remove(0).parcels.pop().unwrap();
        assert_eq!((parcel.shipped_at, parcel.goods["FAN-SENSU"]), (now, 2));
        assert!(nagoya.trouble().is_none());
    }
}

//! Allocation by value and by random stock.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;
use crate::policy::{Allocation, Catalogue, Dispatch, Partial, Shop, Warehouse};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn policy(split: bool) -> Policy {
    let warehouse = |name: &str| Warehouse {
        name: name.to_owned(),
        account: name.into(),
        location: None,
        dispatch: Dispatch::Wave {
            cutoffs: Vec::new(),
            max_rows: 1,
            files_per_cutoff: None,
        },
        reply_within: None,
        change: Default::default(),
        cancel: Default::default(),
        services: Default::default(),
        slots: Default::default(),
    };
    Policy {
        shop: Shop {
            name: "Shop".to_owned(),
            timezone: chrono_tz::Asia::Tokyo,
            country: "JP".to_owned(),
            currency: hikiate_sdk::Currency::JPY,
            tax_rounding: None,
            invoice: Default::default(),
            calendar: Default::default(),
        },
        channels: BTreeMap::new(),
        warehouses: vec![warehouse("tokyo"), warehouse("osaka")],
        allocation: Allocation {
            split,
            partial: Partial::Wait,
            expire_unpaid: None,
        },
        payments: Default::default(),
        presume_delivered: Default::default(),
        notice: Default::default(),
        mail: None,
        holds: Vec::new(),
        booking: None,
        catalogue: Catalogue::SameCode,
    }
}

fn stock(item_id: i64, warehouse: &str, on_hand: i64) -> ItemStock {
    ItemStock {
        item_id,
        warehouse: warehouse.to_owned(),
        on_hand,
        reserved: 0,
    }
}

#[test]
fn demand_of_a_channel_that_has_not_begun_takes_only_what_the_others_leave() {
    let stock = [stock(1, "tokyo", 3)];
    let behind = |demand: OpenDemand| OpenDemand {
        behind: true,
        ..demand
    };
    let demands = [behind(demand(1, 1, 2)), demand(2, 1, 2)];
    let changes = allocate(&stock, &demands, &policy(true));
    let mut given: Vec<_> = changes.iter().map(|c| (c.demand_id, c.quantity)).collect();
    given.sort_unstable();
    assert_eq!(given, [(1, 1), (2, 2)]);
}

/// A demand of its own order, ranked by its id.
fn demand(id: i64, item_id: i64, open: u32) -> OpenDemand {
    OpenDemand {
        demand_id: id,
        subject_id: id,
        item_id,
        open,
        firm: false,
        behind: false,
        promised_at: at(0),
        ordered_at: at(id),
        reserved: Vec::new(),
    }
}

fn held(warehouse: &str, quantity: u32, firm: bool) -> Reservation {
    Reservation {
        warehouse: warehouse.to_owned(),
        quantity,
        firm,
        waiting: 0,
        instructed: 0,
    }
}

/// Stock with what the demands reserve.
fn with_reserved(stock: &[ItemStock], demands: &[OpenDemand]) -> Vec<ItemStock> {
    let reserved = |s: &ItemStock| {
        let mine = demands.iter().filter(|d| d.item_id == s.item_id);
        let here = mine
            .flat_map(|d| &d.reserved)
            .filter(|r| r.warehouse == s.warehouse);
        here.map(|r| i64::from(r.quantity)).sum()
    };
    stock
        .iter()
        .map(|s| ItemStock {
            reserved: reserved(s),
            ..s.clone()
        })
        .collect()
}

fn apply(demands: &mut [OpenDemand], changes: &[GrantChange]) {
    for change in changes {
        let demand = demands
            .iter_mut()
            .find(|d| d.demand_id == change.demand_id)
            .unwrap();
        let old = demand
            .reserved
            .iter()
            .find(|r| r.warehouse == change.warehouse)
            .cloned();
        demand.reserved.retain(|r| r.warehouse != change.warehouse);
        if change.quantity > 0 {
            let old = old.unwrap_or_default();
            demand.reserved.push(Reservation {
                warehouse: change.warehouse.clone(),
                quantity: change.quantity,
                firm: change.firm,
                waiting: old.waiting.min(change.quantity),
                instructed: old.instructed.min(change.quantity),
            });
        }
    }
}

fn run(stock: &[ItemStock], demands: &mut [OpenDemand], policy: &Policy) -> Vec<GrantChange> {
    let changes = allocate(&with_reserved(stock, demands), demands, policy);
    apply(demands, &changes);
    changes
}

fn grants(changes: &[GrantChange]) -> Vec<(i64, &str, u32)> {
    changes
        .iter()
        .map(|c| (c.demand_id, c.warehouse.as_str(), c.quantity))
        .collect()
}

#[test]
fn the_best_rank_gets_the_last_unit() {
    let mut demands = vec![demand(2, 1, 1), demand(1, 1, 1), demand(3, 1, 1)];
    demands[2].promised_at = at(-100);
    let changes = run(&[stock(1, "tokyo", 2)], &mut demands, &policy(true));
    assert_eq!(grants(&changes), [(3, "tokyo", 1), (1, "tokyo", 1)]);
}

#[test]
fn what_is_granted_stays_when_a_better_rank_comes() {
    let mut demands = vec![demand(5, 1, 1)];
    run(&[stock(1, "tokyo", 1)], &mut demands, &policy(true));
    demands.push(demand(1, 1, 1));
    assert!(run(&[stock(1, "tokyo", 1)], &mut demands, &policy(true)).is_empty());
}

#[test]
fn one_warehouse_that_has_all_goes_before_preference() {
    let stock = [
        stock(1, "tokyo", 1),
        stock(1, "osaka", 5),
        stock(2, "osaka", 5),
    ];
    let mut demands = vec![
        demand(1, 1, 2),
        OpenDemand {
            subject_id: 1,
            ..demand(2, 2, 1)
        },
    ];
    let changes = run(&stock, &mut demands, &policy(true));
    assert_eq!(grants(&changes), [(1, "osaka", 2), (2, "osaka", 1)]);
}

#[test]
fn with_splitting_a_demand_is_filled_from_several_and_without_it_is_not() {
    let stock = [stock(1, "tokyo", 1), stock(1, "osaka", 2)];
    let mut demands = vec![demand(1, 1, 3)];
    assert_eq!(
        grants(&run(&stock, &mut demands, &policy(true))),
        [(1, "tokyo", 1), (1, "osaka", 2)]
    );
    let mut demands = vec![demand(1, 1, 3)];
    assert_eq!(
        grants(&run(&stock, &mut demands, &policy(false))),
        [(1, "osaka", 2)]
    );
}

#[test]
fn without_splitting_an_order_moves_to_a_warehouse_that_has_all_but_not_from_under_a_shipment() {
    let policy = policy(false);
    let mut demands = vec![demand(1, 1, 3)];
    run(&[stock(1, "tokyo", 2)], &mut demands, &policy);
    let later = [stock(1, "tokyo", 2), stock(1, "osaka", 3)];
    let mut bound = demands.clone();
    bound[0].reserved[0].waiting = 2;
    assert!(run(&later, &mut bound, &policy).is_empty());
    let changes = run(&later, &mut demands, &policy);
    assert_eq!(grants(&changes), [(1, "tokyo", 0), (1, "osaka", 3)]);
    assert!(run(&later, &mut demands, &policy).is_empty());
}

#[test]
fn a_stocktake_below_what_is_reserved_takes_from_the_worst_rank_soft_before_firm_sealed_never() {
    let policy = policy(true);
    let mut demands: Vec<_> = (1..=4).map(|id| demand(id, 1, 1)).collect();
    for (demand, firm) in demands.iter_mut().zip([true, false, true, true]) {
        demand.firm = firm;
        demand.reserved = vec![held("tokyo", 1, firm)];
    }
    demands[3].reserved[0].instructed = 1;
    demands[2].reserved[0].waiting = 1;
    let lost = |on_hand| {
        let mut demands = demands.clone();
        let changes = run(&[stock(1, "tokyo", on_hand)], &mut demands, &policy);
        changes
            .iter()
            .map(|change| change.demand_id)
            .collect::<Vec<_>>()
    };
    assert_eq!(lost(4), [] as [i64; 0]);
    assert_eq!(lost(3), [2], "soft first, although not the worst rank");
    assert_eq!(lost(2), [1, 2], "then firm without a shipment");
    assert_eq!(lost(1), [1, 2, 3], "then what waits for a wave");
    assert_eq!(lost(0), [1, 2, 3], "what a sealed shipment needs, never");
}

#[test]
fn what_was_taken_back_is_given_from_elsewhere_in_the_same_breath() {
    let mut demands = vec![demand(1, 1, 2)];
    demands[0].reserved = vec![held("tokyo", 2, false)];
    let stock = [stock(1, "tokyo", 1), stock(1, "osaka", 9)];
    let changes = run(&stock, &mut demands, &policy(true));
    assert_eq!(grants(&changes), [(1, "tokyo", 1), (1, "osaka", 1)]);
}

/// What waited for a wave stands on nothing any more once its stock is gone, so the order may move at once.
#[test]
fn an_order_whose_waiting_shipment_lost_its_stock_moves_in_the_same_breath() {
    let mut demands = vec![
        demand(1, 1, 3),
        OpenDemand {
            subject_id: 1,
            ..demand(2, 2, 12)
        },
    ];
    demands[0].reserved = vec![Reservation {
        waiting: 3,
        ..held("tokyo", 3, false)
    }];
    demands[1].reserved = vec![held("tokyo", 12, false)];
    let stock = [
        stock(1, "tokyo", 0),
        stock(1, "osaka", 3),
        stock(2, "tokyo", 12),
        stock(2, "osaka", 12),
    ];
    let changes = run(&stock, &mut demands, &policy(false));
    assert_eq!(
        grants(&changes),
        [
            (1, "tokyo", 0),
            (1, "osaka", 3),
            (2, "tokyo", 0),
            (2, "osaka", 12)
        ]
    );
    assert!(run(&stock, &mut demands, &policy(false)).is_empty());
}

#[test]
fn goods_that_left_free_the_reservation_they_left_from() {
    let mut demands = vec![demand(1, 1, 2)];
    let osaka = Reservation {
        instructed: 2,
        ..held("osaka", 2, true)
    };
    demands[0].firm = true;
    demands[0].reserved = vec![held("tokyo", 2, true), osaka];
    let stock = [stock(1, "tokyo", 0), stock(1, "osaka", 2)];
    assert_eq!(
        grants(&run(&stock, &mut demands, &policy(true))),
        [(1, "tokyo", 0)]
    );
}

#[test]
fn firmness_follows_the_demand() {
    let mut demands = vec![demand(1, 1, 1)];
    let stock = [stock(1, "tokyo", 1)];
    assert!(!run(&stock, &mut demands, &policy(true))[0].firm);
    demands[0].firm = true;
    assert!(run(&stock, &mut demands, &policy(true))[0].firm);
    assert!(run(&stock, &mut demands, &policy(true)).is_empty());
    demands[0].firm = false;
    assert!(!run(&stock, &mut demands, &policy(true))[0].firm);
}

#[test]
fn unknown_stock_gives_nothing_and_takes_nothing() {
    let mut demands = vec![demand(1, 1, 2)];
    demands[0].reserved = vec![held("tokyo", 1, false)];
    assert!(run(&[], &mut demands, &policy(true)).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_more_than_is_there_exactly_what_can_be_and_twice_is_once(
        split in any::<bool>(),
        rounds in prop::collection::vec(
            (prop::collection::vec(0_i64..8, 4), prop::collection::vec((0_i64..4, 1_i64..3, 0_u32..5, any::<bool>()), 1..8)),
            1..4,
        ),
    ) {
        let policy = policy(split);
        let mut demands: Vec<OpenDemand> = Vec::new();
        for (counts, wants) in rounds {
            let stock = [
                stock(1, "tokyo", counts[0]),
                stock(1, "osaka", counts[1]),
                stock(2, "tokyo", counts[2]),
                stock(2, "osaka", counts[3]),
            ];
            for (at, (subject, item, open, firm)) in wants.into_iter().enumerate() {
                if let Some(known) = demands.get_mut(at) {
                    known.open = open;
                    known.firm = firm;
                } else {
                    let id = at as i64 + 1;
                    demands.push(OpenDemand { subject_id: subject, firm, ..demand(id, item, open) });
                }
            }
            run(&stock, &mut demands, &policy);
            for place in with_reserved(&stock, &demands) {
                prop_assert!(place.reserved <= place.on_hand, "{place:?}");
            }
            for demand in &demands {
                let sum: u32 = demand.reserved.iter().map(|r| r.quantity).sum();
                prop_assert!(sum <= demand.open);
                prop_assert!(demand.reserved.iter().all(|r| r.firm == demand.firm));
            }
            if split {
                for item in [1, 2] {
                    let there: i64 = stock.iter().filter(|s| s.item_id == item).map(|s| s.on_hand).sum();
                    let mine = || demands.iter().filter(|d| d.item_id == item);
                    let open: i64 = mine().map(|d| i64::from(d.open)).sum();
                    let given: i64 = mine().flat_map(|d| &d.reserved).map(|r| i64::from(r.quantity)).sum();
                    prop_assert_eq!(given, there.min(open));
                }
            }
            let again = run(&stock, &mut demands, &policy);
            prop_assert!(again.is_empty(), "{again:?}");
        }
    }
}

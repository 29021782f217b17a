//! What shipped and is not booked.

use super::super::build::order;
use super::super::flow::ship_all;
use super::super::world::World;
use super::support::date;
use crate::plan::unbooked;

#[test]
fn what_shipped_and_is_not_booked_is_listed_with_its_reason() {
    let listed = |world: &World, until| {
        let found = unbooked(&world.input, &world.policy, &world.rules, world.now, until).unwrap();
        let rows = found
            .into_iter()
            .map(|row| (row.reason, row.amount, row.day));
        rows.collect::<Vec<_>>()
    };
    let mut snapshot = order(&[("A", 1, 1100)]);
    snapshot.charges[1].tax_rate_bp = None;
    let mut world = World::new(snapshot);
    assert_eq!(listed(&world, date(12, 31)), []);
    ship_all(&mut world);
    world.push_all();
    let day = date(11, 21);
    assert_eq!(listed(&world, day), [("tax_unknown", Some(1600), day)]);
    assert_eq!(
        listed(&world, date(11, 20)),
        [],
        "nothing had shipped by then"
    );
    world.edit(|order| order.charges[1].tax_rate_bp = Some(1000));
    assert_eq!(listed(&world, day), [("planned", Some(1600), day)]);
    world.plan();
    assert_eq!(listed(&world, day), [("journal", Some(1600), day)]);
    world.edit(|order| order.charges[0].gross = None);
    assert!(listed(&world, day).contains(&("amount_unknown", None, day)));
}

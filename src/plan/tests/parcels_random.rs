//! Random files about one shipment: whatever they say, what moves is what the parcels hold, and each row moves once.

use std::collections::BTreeMap;

use hikiate_sdk::ParcelReport;
use proptest::prelude::*;

use super::build::at;
use super::parcels::{ONE, S1, THREE, TWO, day, instructed, lines_of, row};
use super::world::World;
use crate::plan::command::correct;
use crate::plan::parcels_told;

const NUMBERS: [Option<&str>; 6] = [
    None,
    Some("-"),
    Some(ONE),
    Some("4012-3456-7890"),
    Some(TWO),
    Some(THREE),
];

#[derive(Clone, Debug)]
struct Drawn {
    number: usize,
    also: bool,
    lines: Vec<(u32, u32)>,
    time: i64,
    day: bool,
    adds: bool,
    wrong_code: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let lines = prop::collection::vec((1_u32..4, 0_u32..4), 1..3);
    let flags = (
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
    );
    (0..NUMBERS.len(), lines, -2_i64..4, flags).prop_map(|(number, lines, time, flags)| Drawn {
        number,
        lines,
        time,
        also: flags.0,
        day: flags.1,
        adds: flags.2,
        wrong_code: flags.3,
    })
}

fn report(drawn: &Drawn, named: bool) -> ParcelReport {
    let number = NUMBERS.get(drawn.number).copied().flatten();
    let mut report = if drawn.day {
        day(number, &drawn.lines, at(-600 + drawn.time * 24 * 60))
    } else {
        row(number, &drawn.lines, at(31 + drawn.time))
    };
    if number == Some("-") {
        report.key = format!("left {}", report.shipped_at);
    }
    if named {
        report.key = format!("box {}", drawn.number);
        report.named = true;
    }
    if drawn.also {
        report.also.push(THREE.to_owned());
    }
    if drawn.wrong_code {
        for line in lines_of(&mut report) {
            line.code = Some("B".to_owned());
        }
    }
    report.adds = drawn.adds;
    report
}

/// `named` says that parcels may share a number: by their warehouse's names, or by what an operator typed.
fn check(world: &World, named: bool) {
    let plan = world.peek();
    let mut moved: BTreeMap<&str, i64> = BTreeMap::new();
    for entry in &plan.entries {
        let twice = moved.insert(&entry.cause, entry.quantity);
        assert_eq!(twice, None, "{} moves twice", entry.cause);
    }
    let left: i64 = moved.values().sum();
    let demanded: u32 = plan.demands.iter().map(|row| row.shipped).sum();
    assert_eq!(left, -i64::from(demanded), "stock and demand differ");
    if plan.demands.iter().any(|row| row.shipped > 3) {
        let kinds = World::kinds(&plan);
        assert!(kinds.contains(&"over_shipped"), "{kinds:?}");
    }
    let facts = world.input.facts.iter().map(crate::facts::Fact::said);
    let told = parcels_told(facts).into_iter();
    let mut seen: Vec<String> = told.filter_map(|told| told.tracking).collect();
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert!(
        named || seen.len() == all,
        "one number, two parcels: {seen:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_files_say_stock_follows_the_parcels_and_planning_twice_changes_nothing(
        files in prop::collection::vec(prop::collection::vec(drawn(), 1..4), 1..6),
        named in prop::bool::weighted(0.2),
        typed in any::<bool>(),
        pushed in any::<bool>(),
    ) {
        let mut world = instructed(&[("A", 3, 1000), ("B", 3, 500)]);
        for (n, file) in files.iter().enumerate() {
            world.hears(&n.to_string(), file.iter().map(|drawn| report(drawn, named)).collect());
            check(&world, named || typed);
            if pushed {
                world.push_all();
            }
            let wish = world.asked(|now| correct(now, S1, ONE, TWO, "typed"));
            if let Ok(wish) = wish
                && typed
            {
                world.store_wish(&wish);
                world.plan();
                check(&world, named || typed);
            }
            world.wait(30);
        }
        world.wait(5 * 24 * 60);
        world.push_all();
        check(&world, named || typed);
    }
}

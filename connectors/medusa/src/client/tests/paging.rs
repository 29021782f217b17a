//! Nothing is lost, whatever happens while orders are paged.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::{Currency, Observed, Source};
use proptest::prelude::*;
use serde_json::Value;

use super::support::{account, mugs, shop};
use crate::Medusa;
use crate::config::Settings;

/// Reads one page, as the engine does with a stored cursor, and notes each order with the time it showed.
async fn step(
    medusa: &Medusa,
    cursor: &mut Option<Value>,
    seen: &mut BTreeMap<String, String>,
) -> bool {
    step_at(medusa, cursor, seen, DateTime::<Utc>::MAX_UTC).await
}

/// The same, at a time by our clock.
async fn step_at(
    medusa: &Medusa,
    cursor: &mut Option<Value>,
    seen: &mut BTreeMap<String, String>,
    now: DateTime<Utc>,
) -> bool {
    let page = medusa
        .page("orders", cursor.as_ref(), hikiate_sdk::Here::at(now))
        .await
        .unwrap();
    for record in &page.records {
        let raw: Value = serde_json::from_slice(&record.raw).unwrap();
        let Ok(Observed::Order(order, _)) = &record.parsed else {
            panic!("{record:?}")
        };
        let shown = raw["updated_at"].as_str().unwrap().to_owned();
        let known = seen.entry(order.external_id.to_string()).or_default();
        *known = shown.max(std::mem::take(known));
    }
    *cursor = Some(serde_json::from_str(&page.next.to_string()).unwrap());
    page.more
}

/// What happens between two pages.
#[derive(Clone, Debug)]
enum Event {
    Touch(usize),
    Place,
    Wait,
}

fn events() -> impl Strategy<Value = Vec<Vec<Event>>> {
    let event = prop_oneof![4 => (0..60_usize).prop_map(Event::Touch), 1 => Just(Event::Place), 2 => Just(Event::Wait)];
    prop::collection::vec(prop::collection::vec(event, 0..6), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn changes_while_paging_lose_nothing(
        gaps in prop::collection::vec(0..3_u64, 1..60),
        script in events(),
        page_size in 1..8_usize,
        // Either no millisecond is read while it is being written, or the overlap has to make up for it.
        settled in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let clock = SimClock::at(DateTime::from_timestamp_millis(1_800_000_000_000).unwrap());
            let sim = shop(&clock, Currency::EUR);
            let mut ids = Vec::new();
            for gap in gaps {
                clock.advance(Duration::from_millis(gap));
                ids.push(sim.place_order(mugs()));
            }
            let overlap = if settled { Duration::ZERO } else { Duration::from_secs(1) };
            let settings = Settings { page_size, overlap, ..Settings::default() };
            let medusa = account(sim.transport(), settings);
            let (mut cursor, mut seen) = (None, BTreeMap::new());
            clock.advance(Duration::from_millis(1));
            for between in script {
                step(&medusa, &mut cursor, &mut seen).await;
                for event in between {
                    match event {
                        Event::Touch(n) => sim.touch_order(&ids[n % ids.len()]),
                        Event::Place => ids.push(sim.place_order(mugs())),
                        Event::Wait => clock.advance(Duration::from_millis(1)),
                    }
                }
                if settled {
                    clock.advance(Duration::from_millis(1));
                }
            }
            // The round under way and one more.
            for _ in 0..2 {
                let mut pages = 0;
                while step(&medusa, &mut cursor, &mut seen).await {
                    pages += 1;
                    assert!(pages < 2_000, "no end");
                }
                clock.advance(Duration::from_millis(1));
            }
            let all = account(sim.transport(), Settings { page_size: 100, ..Settings::default() });
            let (mut fresh, mut now) = (None, BTreeMap::new());
            while step(&all, &mut fresh, &mut now).await {}
            assert_eq!(now.len(), ids.len());
            assert_eq!(seen, now);
        });
    }
}

#[tokio::test]
async fn a_round_starts_behind_the_newest_change_and_at_a_given_date() {
    let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let clock = SimClock::at(start);
    let sim = shop(&clock, Currency::EUR);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(sim.place_order(mugs()));
        clock.advance(Duration::from_secs(120));
    }
    let told = |page: &hikiate_sdk::Page| {
        page.records
            .iter()
            .map(|r| match &r.parsed {
                Ok(Observed::Order(order, _)) => order.external_id.to_string(),
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    let medusa = account(sim.transport(), Settings::default());
    let first = medusa
        .page(
            "orders",
            None,
            hikiate_sdk::Here::at(DateTime::<Utc>::MAX_UTC),
        )
        .await
        .unwrap();
    assert_eq!((told(&first), first.more), (ids.clone(), false));
    let second = medusa
        .page(
            "orders",
            Some(&first.next),
            hikiate_sdk::Here::at(DateTime::<Utc>::MAX_UTC),
        )
        .await
        .unwrap();
    assert_eq!(told(&second), ids[1..], "five minutes behind the last one");
    let since = Settings {
        since: Some(start + Duration::from_secs(240)),
        ..Settings::default()
    };
    let late = account(sim.transport(), since)
        .page(
            "orders",
            None,
            hikiate_sdk::Here::at(DateTime::<Utc>::MAX_UTC),
        )
        .await
        .unwrap();
    assert_eq!(told(&late), ids[2..]);
    let other = Settings {
        sales_channel: Some("sc_other".to_owned()),
        ..Settings::default()
    };
    assert_eq!(
        account(sim.transport(), other)
            .page(
                "orders",
                None,
                hikiate_sdk::Here::at(DateTime::<Utc>::MAX_UTC)
            )
            .await
            .unwrap()
            .records
            .len(),
        0
    );
}

#[tokio::test]
async fn a_cursor_or_stream_of_something_else_is_refused() {
    let sim = shop(&SimClock::real(), Currency::EUR);
    let medusa = account(sim.transport(), Settings::default());
    for (stream, cursor) in [
        ("orders", Some(Value::from(5))),
        ("stock", Some(Value::from("x"))),
        ("parcels", None),
    ] {
        let error = medusa
            .page(
                stream,
                cursor.as_ref(),
                hikiate_sdk::Here::at(DateTime::<Utc>::MAX_UTC),
            )
            .await
            .unwrap_err();
        assert_eq!(error.class, hikiate_sdk::ErrorClass::Config, "{stream}");
    }
    assert_eq!(sim.requests(), 0);
}

/// A round that goes on for long, because orders keep coming: what lists show late is found by the next one.
#[tokio::test]
async fn what_comes_into_sight_late_during_a_long_round_is_read() {
    late_during_a_long_round(false).await;
}

#[tokio::test]
async fn an_order_dated_ahead_does_not_hide_what_comes_into_sight_late() {
    late_during_a_long_round(true).await;
}

async fn late_during_a_long_round(one_ahead: bool) {
    let clock = SimClock::at(DateTime::from_timestamp(1_000_000, 0).unwrap());
    let shop = shop(&clock, Currency::EUR);
    let settings = Settings {
        page_size: 2,
        overlap: Duration::from_secs(60),
        ..Settings::default()
    };
    let medusa = account(shop.transport(), settings);
    let (mut cursor, mut seen) = (None, BTreeMap::new());
    if one_ahead {
        let ahead = shop.place_order(mugs());
        shop.date_ahead(&ahead, 365 * 86_400);
    }
    let hidden = shop.place_order(mugs());
    shop.hide_from_lists(&hidden, 30);
    for _ in 0..6 {
        clock.advance(Duration::from_secs(1));
        shop.place_order(mugs());
    }
    // Two more for each page of two: the round has no end for five minutes.
    for _ in 0..30 {
        assert!(step_at(&medusa, &mut cursor, &mut seen, clock.now()).await);
        clock.advance(Duration::from_secs(10));
        shop.place_order(mugs());
    }
    for _ in 0..2 {
        while step_at(&medusa, &mut cursor, &mut seen, clock.now()).await {}
    }
    assert!(seen.contains_key(&hidden), "{cursor:?}");
}

#[tokio::test]
async fn by_id_as_in_a_list_what_the_account_leaves_out_is_excluded() {
    let clock = SimClock::at(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let sim = shop(&clock, Currency::EUR);
    let before = sim.place_order(mugs());
    clock.advance(Duration::from_secs(60));
    let (ours, other) = (sim.place_order(mugs()), sim.place_order(mugs()));
    assert!(sim.move_to_channel(&other, "sc_other"));
    let unreadable = sim.place_undecodable_order();
    assert!(sim.move_to_channel(&unreadable, "sc_other"));
    let ids = [&before, &ours, &other, &unreadable].map(|id| id.as_str().into());
    let excluded = async |settings: Settings| {
        let records = account(sim.transport(), settings)
            .read(hikiate_sdk::Kind::Order, &ids)
            .await
            .unwrap();
        assert_eq!(records.len(), 4, "none of them is absent");
        let out = records.iter().filter(|record| record.excluded);
        let id = |raw: Value| raw["id"].as_str().unwrap().to_owned();
        let mut out: Vec<String> = out
            .map(|record| id(serde_json::from_slice(&record.raw).unwrap()))
            .collect();
        out.sort();
        out
    };
    assert!(excluded(Settings::default()).await.is_empty());
    let of_one_channel = Settings {
        sales_channel: Some("sc_01SIM".to_owned()),
        ..Settings::default()
    };
    assert_eq!(excluded(of_one_channel).await, [other, unreadable]);
    let since = Settings {
        since: DateTime::from_timestamp(1_800_000_060, 0),
        ..Settings::default()
    };
    assert_eq!(excluded(since).await, [before]);
}

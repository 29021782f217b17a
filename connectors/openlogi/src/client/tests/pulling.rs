//! Reading what became of shipments, and stock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hikiate_sdk::http::{Method, Request, Response, Transport, TransportError};
use hikiate_sdk::{
    CancelVerdict, ErrorClass, ExternalId, Here, Kind, LookUp, Observed, Op, Operations, Outcome,
    Source,
};
use serde_json::Value;

use super::support::{World, account, cancel, noon, reference, short, world};
use crate::config::Settings;
use crate::sim::STANDARD;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn told(world: &World, cursor: &mut Option<Value>) -> Vec<String> {
    short(&world.round(cursor).await)
}

#[tokio::test]
async fn a_shipment_is_told_from_its_creation_to_its_numbers() {
    let world = world();
    let mut cursor = None;
    assert_eq!(told(&world, &mut cursor).await, Vec::<String>::new());
    let one = world.created(1).await;
    assert_eq!(
        told(&world, &mut cursor).await,
        ["reply 1 accepted; planned to ship on 2026-11-27"]
    );
    assert!(world.sim.move_date(&one, "2026-11-30".parse().unwrap()));
    assert_eq!(
        told(&world, &mut cursor).await,
        ["reply 1 accepted; planned to ship on 2026-11-30"]
    );
    assert!(world.sim.start_picking(&one) && world.sim.inspect(&one) && world.sim.pack(&one));
    assert_eq!(
        told(&world, &mut cursor).await,
        ["reply 1 accepted; it is being picked and packed; planned to ship on 2026-11-30"]
    );
    assert!(world.sim.ship(&one, &[]));
    assert_eq!(told(&world, &mut cursor).await, ["parcel 1 none"]);
    // The numbers come later, and one is corrected: it stays the same parcel.
    let key = |all: &[Observed]| match all {
        [Observed::Parcel(parcel)] => (parcel.key.clone(), parcel.named),
        other => panic!("{other:?}"),
    };
    for (numbers, want) in [
        (["4011", "4012"], "parcel 1 4011 4012"),
        (["4011", "4013"], "parcel 1 4011 4013"),
    ] {
        assert!(world.sim.correct_numbers(&one, &numbers));
        let all = world.round(&mut cursor).await;
        assert_eq!(short(&all), [want]);
        assert_eq!(key(&all), ("TS001-S000001".to_owned(), true));
    }
    // Until the day after the next it is still read.
    world.clock.advance(DAY);
    assert_eq!(told(&world, &mut cursor).await, ["parcel 1 4011 4013"]);
    world.clock.advance(DAY);
    told(&world, &mut cursor).await;
    assert_eq!(told(&world, &mut cursor).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_request_that_is_granted_shows_as_absence_and_is_believed_at_the_second_look() {
    let world = world();
    let one = world.created(1).await;
    world.created(2).await;
    assert!(world.sim.start_picking(&one));
    let mut cursor = None;
    told(&world, &mut cursor).await;
    let prepared = world.prepare(&cancel(1));
    world
        .account
        .send_one(Op::CancelInstruction, &prepared)
        .await
        .unwrap();
    assert!(
        told(&world, &mut cursor)
            .await
            .contains(&"reply 1 accepted; its cancellation was requested".to_owned())
    );
    assert!(world.sim.answer_cancel(&one, true));
    let others = ["reply 2 accepted; planned to ship on 2026-11-27"];
    assert_eq!(told(&world, &mut cursor).await, others, "absent once");
    world.clock.advance(MINUTE / 2);
    assert_eq!(told(&world, &mut cursor).await, others, "too soon");
    world.clock.advance(MINUTE / 2);
    let now = told(&world, &mut cursor).await;
    assert_eq!(now, [others[0], "cancel 1 Accepted"]);
    assert_eq!(told(&world, &mut cursor).await, others, "told once");
}

/// After a lost reply: one empty answer is believed by nobody, also of a shipment that no round had seen.
#[tokio::test]
async fn a_cancellation_in_doubt_is_settled_by_the_rounds() {
    let world = world();
    let mut cursor = None;
    for n in [1, 2, 3] {
        world.created(n).await;
    }
    told(&world, &mut cursor).await;
    world.created(4).await;
    for n in [1, 4] {
        assert!(world.sim.delete_by_hand(&reference(n)));
    }
    world.sim.hide(true);
    for n in 1..=4 {
        let look = world
            .account
            .look_up_one(Op::CancelInstruction, &world.prepare(&cancel(n)))
            .await;
        assert!(
            matches!(look, Ok(LookUp::Found(Outcome::Accepted { id: None }))),
            "{look:?}"
        );
    }
    world.sim.hide(false);
    assert!(world.sim.ship(&reference(3), &["4011"]));
    let all = told(&world, &mut cursor).await;
    let cancels: Vec<&str> = all
        .iter()
        .map(String::as_str)
        .filter(|one| one.starts_with("cancel"))
        .collect();
    assert_eq!(cancels, ["cancel 2 Declined", "cancel 3 TooLate"]);
    world.clock.advance(MINUTE);
    let all = told(&world, &mut cursor).await;
    assert!(
        all.ends_with(&[
            "cancel 1 Accepted".to_owned(),
            "cancel 4 Accepted".to_owned()
        ]),
        "{all:?}"
    );
}

/// The database refused the page that took it up, once or more often: it is still looked for, and told once.
#[tokio::test]
async fn a_cancellation_in_doubt_outlasts_a_page_that_is_not_stored() {
    for taken in [true, false] {
        let world = world();
        let mut cursor = None;
        world.created(1).await;
        if taken {
            assert!(world.sim.delete_by_hand(&reference(1)));
        }
        let doubt = async || {
            world.sim.hide(true);
            let prepared = world.prepare(&cancel(1));
            let look = world.account.look_up_one(Op::CancelInstruction, &prepared);
            let look = look.await;
            assert!(matches!(look, Ok(LookUp::Found(_))), "{look:?}");
            world.sim.hide(false);
        };
        doubt().await;
        for _ in 0..2 {
            let here = Here::at(world.clock.now());
            let page = world.account.page("shipments", cursor.as_ref(), here).await;
            assert!(page.is_ok_and(|page| page.more));
        }
        let cancels = async |cursor: &mut Option<Value>| {
            let mut all = told(&world, cursor).await;
            world.clock.advance(MINUTE);
            all.extend(told(&world, cursor).await);
            all.retain(|one| one.starts_with("cancel"));
            all
        };
        let said = if taken {
            "cancel 1 Accepted"
        } else {
            "cancel 1 Declined"
        };
        assert_eq!(cancels(&mut cursor).await, [said]);
        assert_eq!(cancels(&mut cursor).await, Vec::<String>::new());
        if !taken {
            // Another one between two rounds is another one.
            doubt().await;
            assert_eq!(cancels(&mut cursor).await, [said]);
        }
    }
}

#[tokio::test]
async fn what_was_cancelled_and_is_open_again_is_an_operators() {
    let world = world();
    let one = world.created(1).await;
    let mut cursor = None;
    told(&world, &mut cursor).await;
    assert!(world.sim.delete_by_hand(&one));
    told(&world, &mut cursor).await;
    world.clock.advance(MINUTE);
    assert_eq!(told(&world, &mut cursor).await, ["cancel 1 Accepted"]);
    assert!(world.sim.restore_by_hand(&one));
    let here = Here::at(world.clock.now());
    let page = world.account.page("shipments", cursor.as_ref(), here);
    let page = page.await.unwrap();
    let bad: Vec<_> = page
        .records
        .iter()
        .filter_map(|r| Some((r, r.parsed.as_ref().err()?)))
        .collect();
    let [(record, bad)] = bad.as_slice() else {
        panic!("{:?}", page.records)
    };
    assert_eq!(
        bad.external_id.as_ref().map(ExternalId::as_str),
        Some(one.as_str())
    );
    assert!(
        bad.reason.contains("is open there again and may ship"),
        "{}",
        bad.reason
    );
    let again = world
        .account
        .reread("shipments", None, &record.raw)
        .unwrap();
    assert_eq!(again[0].parsed.as_ref().err(), Some(*bad));
    cursor = Some(page.next);
    assert_eq!(
        told(&world, &mut cursor).await,
        Vec::<String>::new(),
        "the rest of the round"
    );
    assert_eq!(told(&world, &mut cursor).await.len(), 1, "told once");
}

#[tokio::test]
async fn a_request_that_is_declined_or_too_late_says_so() {
    let world = world();
    let mut cursor = None;
    for n in [1, 2, 3] {
        let reference = world.created(n).await;
        assert!(world.sim.start_picking(&reference));
    }
    told(&world, &mut cursor).await;
    for n in [1, 2, 3] {
        world
            .account
            .send_one(Op::CancelInstruction, &world.prepare(&cancel(n)))
            .await
            .unwrap();
    }
    told(&world, &mut cursor).await;
    assert!(world.sim.answer_cancel(&reference(1), false));
    assert!(world.sim.ship(&reference(2), &["4011"]));
    // Shipped three days ago by its time, and told only now: it is in no list that is read.
    assert!(
        world
            .sim
            .ship_at(&reference(3), &["4012"], noon() - 3 * DAY)
    );
    let all = told(&world, &mut cursor).await;
    assert_eq!(
        all,
        [
            "reply 1 accepted; it is being picked and packed; planned to ship on 2026-11-27",
            "cancel 1 Declined",
            "parcel 2 4011",
            "cancel 2 TooLate",
            "parcel 3 4012",
            "cancel 3 TooLate",
        ]
    );
    assert_eq!(
        told(&world, &mut cursor).await.len(),
        2,
        "each is told once"
    );
}

#[tokio::test]
async fn what_the_merchants_staff_delete_is_told_and_what_they_create_is_not() {
    let world = world();
    let one = world.created(1).await;
    let mut cursor = None;
    told(&world, &mut cursor).await;
    assert!(world.sim.copy_by_hand(&one, "A-1001") && world.sim.delete_by_hand(&one));
    assert_eq!(told(&world, &mut cursor).await, Vec::<String>::new());
    world.clock.advance(MINUTE);
    assert_eq!(told(&world, &mut cursor).await, ["cancel 1 Accepted"]);
    assert_eq!(told(&world, &mut cursor).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_parcel_that_came_back_makes_no_second_parcel_of_ours() {
    let world = world();
    let one = world.created(1).await;
    assert!(world.sim.ship(&one, &["4011"]));
    let mut cursor = None;
    assert_eq!(told(&world, &mut cursor).await, ["parcel 1 4011"]);
    assert_eq!(world.sim.on_shelf("MUG", STANDARD), 99);
    assert!(world.sim.send_back(&one));
    assert_eq!(world.sim.on_shelf("MUG", STANDARD), 100);
    assert_eq!(
        told(&world, &mut cursor).await,
        ["parcel 1 4011"],
        "the new shipment is not ours"
    );
    assert!(world.sim.ship_return(&one, &["4099"]));
    assert_eq!(told(&world, &mut cursor).await, ["parcel 1 4011"]);
    let ids = [ExternalId::new(one)];
    let by_id: Vec<Observed> = world
        .account
        .read(Kind::Shipment, &ids)
        .await
        .unwrap()
        .into_iter()
        .map(|record| record.parsed.unwrap())
        .collect();
    assert_eq!(short(&by_id), ["parcel 1 4011"]);
}

#[tokio::test]
async fn days_that_were_missed_are_read_afterwards() {
    let world = world();
    let mut cursor = None;
    told(&world, &mut cursor).await;
    for n in 1..=5 {
        world.clock.advance(DAY);
        let reference = world.created(n).await;
        assert!(world.sim.ship(&reference, &[&format!("401{n}")]));
    }
    let want: Vec<String> = (1..=5).map(|n| format!("parcel {n} 401{n}")).collect();
    assert_eq!(told(&world, &mut cursor).await, want);
    // After the database lost commits the days since then are read again.
    let back = world
        .account
        .rewind("shipments", cursor.as_ref(), world.clock.now() - 2 * DAY);
    assert_eq!(
        told(&world, &mut back.clone()).await,
        want.get(1..).unwrap()
    );
    assert_eq!(world.account.rewind("stock", None, noon()), None);
    // The day begins at midnight in Japan, 15:00 UTC.
    let late = super::support::world();
    let one = late.created(1).await;
    let evening = "2026-11-27T15:30:00Z".parse().unwrap();
    late.clock.set(evening);
    assert!(late.sim.ship(&one, &["4011"]));
    assert_eq!(told(&late, &mut None).await, ["parcel 1 4011"]);
}

/// One shipment asked for by its number is answered so, whatever is there.
struct Answers {
    openlogi: Arc<dyn Transport>,
    so: (u16, &'static str),
    /// Only those up to this number.
    up_to: usize,
}

#[async_trait]
impl Transport for Answers {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let one = request.path.strip_prefix("/shipments/TS001/");
        let is_one = one.is_some_and(|one| (1..=self.up_to).any(|n| one == reference(n)));
        if request.method != Method::Get || !is_one {
            return self.openlogi.send(request).await;
        }
        Ok(Response {
            status: self.so.0,
            headers: Vec::new(),
            body: self.so.1.as_bytes().to_vec(),
        })
    }
}

/// An empty list says nothing of the shipments that were open: each is asked for by itself, and only a 404 is believed.
#[tokio::test]
async fn what_no_list_has_is_gone_only_where_openlogi_says_so_of_it_alone() {
    let unclear = [
        None,
        Some((200, r#"{"shipments":[]}"#)),
        Some((200, "<html></html>")),
        Some((404, "<html>404</html>")),
        Some((500, r#"{"error":"internal_server_error"}"#)),
        Some((403, r#"{"error":"forbidden"}"#)),
    ];
    for so in unclear {
        let mut world = world();
        if let Some(so) = so {
            let openlogi = world.sim.transport();
            let answers = Arc::new(Answers {
                openlogi,
                so,
                up_to: 3,
            });
            world.account = account(answers, Settings::of("TS001"));
        }
        for n in 1..=3 {
            world.created(n).await;
        }
        let mut cursor = None;
        told(&world, &mut cursor).await;
        world.sim.hide(true);
        let mut said = Vec::new();
        for _ in 0..4 {
            let (all, waiting) = world.round_with_waiting(&mut cursor).await;
            let all = short(&all);
            let replies = all.iter().all(|one| one.starts_with("reply"));
            assert!(replies, "{so:?} {all:?}");
            world.clock.advance(MINUTE);
            said.extend(waiting);
        }
        assert!(
            said.iter().any(|one| one.contains("3 open shipments")),
            "{so:?} {said:?}"
        );
        world.sim.hide(false);
        let all = told(&world, &mut cursor).await;
        assert_eq!(all.len(), 3, "{so:?} {all:?}");
    }
    let world = world();
    world.created(1).await;
    let mut cursor = None;
    told(&world, &mut cursor).await;
    assert!(world.sim.delete_by_hand(&reference(1)));
    told(&world, &mut cursor).await;
    world.clock.advance(MINUTE);
    let all = world.round(&mut cursor).await;
    let [Observed::CancelReply(reply)] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert!(reply.absent && reply.verdict == CancelVerdict::Accepted);
}

#[tokio::test]
async fn what_was_deleted_before_a_round_saw_it_is_gone_and_what_is_there_is_not() {
    let mut world = world();
    let mut cursor = None;
    told(&world, &mut cursor).await;
    for n in 1..=2 {
        world.created(n).await;
    }
    assert!(world.sim.delete_by_hand(&reference(1)));
    // Whether it is heard of stands in the database: a restart in between forgets nothing.
    world.account = account(world.sim.transport(), Settings::of("TS001"));
    world.unheard = vec![reference(1), reference(2)];
    let first = told(&world, &mut cursor).await;
    assert_eq!(first, ["reply 2 accepted; planned to ship on 2026-11-27"]);
    world.unheard = vec![reference(1)];
    world.clock.advance(MINUTE);
    let all = world.round(&mut cursor).await;
    let [Observed::InstructionReply(_), Observed::CancelReply(reply)] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!(reply.reference.as_str(), reference(1));
    assert!(reply.absent && reply.verdict == CancelVerdict::Accepted);
    // The engine may ask once more before it has stored that.
    world.clock.advance(MINUTE);
    assert_eq!(told(&world, &mut cursor).await, first);
}

/// So many of which nothing can be said keep none from being asked for that comes behind them.
#[tokio::test]
async fn what_is_gone_behind_many_unclear_ones_is_told() {
    let mut world = world();
    world.account = account(
        Arc::new(Answers {
            openlogi: world.sim.transport(),
            so: (500, r#"{"error":"internal_server_error"}"#),
            up_to: 25,
        }),
        Settings {
            per_minute: 6000,
            ..Settings::of("TS001")
        },
    );
    for n in 1..=70 {
        world.created(n).await;
    }
    let mut cursor = None;
    told(&world, &mut cursor).await;
    for n in 1..=28 {
        assert!(world.sim.delete_by_hand(&reference(n)));
    }
    told(&world, &mut cursor).await;
    let mut gone = Vec::new();
    for round in 0..4 {
        world.clock.advance(MINUTE);
        let calls = world.sim.calls();
        let (all, waiting) = world.round_with_waiting(&mut cursor).await;
        let cancels = short(&all).into_iter();
        gone.extend(cancels.filter(|one| one.starts_with("cancel")));
        assert!(world.sim.calls() - calls <= 26, "{round}");
        assert_eq!(waiting.len(), 1, "{round} {waiting:?}");
        let count = if round == 0 { 20 } else { 25 };
        let said = format!("OPENLOGI lists {count} open shipments");
        assert!(waiting[0].starts_with(&said), "{round} {waiting:?}");
    }
    assert_eq!(
        gone,
        [
            "cancel 26 Accepted",
            "cancel 27 Accepted",
            "cancel 28 Accepted"
        ]
    );
}

#[tokio::test]
async fn many_that_are_gone_at_once_are_not_believed() {
    let world = world();
    for n in 1..=30 {
        world.created(n).await;
    }
    let mut cursor = None;
    told(&world, &mut cursor).await;
    for n in 1..=25 {
        assert!(world.sim.delete_by_hand(&reference(n)));
    }
    told(&world, &mut cursor).await;
    world.clock.advance(MINUTE);
    let (all, waiting) = world.round_with_waiting(&mut cursor).await;
    assert!(
        all.iter()
            .all(|one| matches!(one, Observed::InstructionReply(_))),
        "{:?}",
        short(&all)
    );
    assert!(
        waiting[0].starts_with("25 shipments at once are gone from OPENLOGI"),
        "{waiting:?}"
    );
    // The rest ships, and new ones come: still nothing is guessed.
    let (_, waiting) = world.round_with_waiting(&mut cursor).await;
    assert_eq!(waiting.len(), 1);
}

#[tokio::test]
async fn another_merchants_code_is_noticed_before_anything_looks_gone() {
    let world = world();
    world.created(1).await;
    let other = account(world.sim.transport(), Settings::of("AB001"));
    let error = other
        .page("shipments", None, Here::at(noon()))
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Config);
    assert!(error.message.contains("TS001-S000001"), "{error}");
}

#[tokio::test]
async fn stock_is_asked_by_our_codes() {
    let world = world();
    world.sim.count_stock("CUP", STANDARD, 7);
    world.sim.count_stock("A+B/C", STANDARD, 3);
    world.created(1).await;
    let codes = ["A+B/C", "CUP", "MUG", "NEW", "カップ", "a,b", ""].map(str::to_owned);
    let here = Here {
        codes: &codes,
        ..Here::at(noon())
    };
    let page = world.account.page("stock", None, here).await.unwrap();
    let counts: Vec<(String, i64)> = page
        .records
        .into_iter()
        .map(|record| match record.parsed.unwrap() {
            Observed::Stock(level) => (level.code, level.quantity),
            other => panic!("{other:?}"),
        })
        .collect();
    let count = |code: &str, quantity| (code.to_owned(), quantity);
    assert_eq!(
        counts,
        [count("A+B/C", 3), count("CUP", 7), count("MUG", 99)],
        "what is set aside is taken off"
    );
    let calls = world.sim.calls();
    let none = ["カップ".to_owned()];
    let page = world
        .account
        .page(
            "stock",
            None,
            Here {
                codes: &none,
                ..Here::at(noon())
            },
        )
        .await
        .unwrap();
    assert!(
        page.records.is_empty() && world.sim.calls() == calls,
        "nothing is asked for"
    );
}

//! The suite itself under test: a sound connector passes, and each broken variant is caught by the check meant for it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod memory;
mod shop;

use std::sync::Arc;

use async_trait::async_trait;

use self::memory::{Flaw, Memory, Slow};
use self::shop::{PAGE, SECRET, Shop};
use super::{Bench, Card, Specification, Subject, Verdict, Waiver, run};
use crate::Link;
use crate::budget::Clock;
use crate::faulty::{Fault, FaultyTransport};
use crate::http::{Auth, Response, Site};
use crate::sim::SimTransport;

struct MemorySubject {
    flaw: Option<Flaw>,
    waivers: Vec<Waiver>,
}

#[async_trait]
impl Subject for MemorySubject {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn waivers(&self) -> Vec<Waiver> {
        self.waivers.clone()
    }

    fn specification(&self) -> Option<Specification> {
        None
    }

    async fn fresh(&self) -> Bench {
        let shop = Arc::new(Shop::default());
        let faulty = FaultyTransport::new(Arc::new(SimTransport(shop.clone())))
            .echoing(SECRET)
            .speaking(|fault, echo| {
                let status = match fault {
                    Fault::SlowDown => 403,
                    Fault::RateLimitedInOk => 200,
                    _ => return None,
                };
                let body = serde_json::json!({ "slow": true, "echo": echo });
                Some(Response {
                    status,
                    headers: Vec::new(),
                    body: body.to_string().into_bytes(),
                })
            });
        let faulty = Arc::new(faulty);
        let link = Link::new(Clock::default()).over(faulty.clone());
        let mut site = Site::new("https://shop.example");
        let secret = secrecy::SecretString::from(SECRET.to_owned());
        if self.flaw != Some(Flaw::LeaksSecret) {
            site.auth = vec![Auth::bearer(secret.into())];
        }
        if self.flaw != Some(Flaw::BelievesTheStatus) {
            site.dialect = Arc::new(Slow);
        }
        let other = Link::new(Clock::default()).over(faulty.clone());
        let lent = match self.flaw {
            Some(Flaw::TakesNoTurn) => &other,
            _ => &link,
        };
        let client = lent.http(site).unwrap();
        let connector = Arc::new(Memory {
            client,
            flaw: self.flaw,
            page: PAGE,
        });
        Bench {
            connector,
            far: shop,
            seam: faulty,
            link,
        }
    }
}

async fn card(flaw: Option<Flaw>) -> Card {
    run(&MemorySubject {
        flaw,
        waivers: Vec::new(),
    })
    .await
}

#[tokio::test]
async fn a_sound_connector_passes_everything() {
    let card = card(None).await;
    assert_eq!(card.failures(), Vec::<String>::new(), "{card}");
    assert_eq!(card.counts(), (67, 0, 0), "{card}");
    let text = card.to_string();
    assert!(text.contains("passed    lost reply/ship"), "{text}");
    assert!(
        text.contains(
            "operation ship: notifies the shop; looked up 0ns after a lost reply, accepted is final"
        ),
        "{text}"
    );
}

#[test]
fn each_flaw_is_caught_by_its_check() {
    let flaws = [
        (
            Flaw::LosesLastOfPage,
            vec!["paging, a page/orders", "paging, two pages and one/orders"],
        ),
        (
            Flaw::StopsAfterOnePage,
            vec!["paging, a page and one/orders"],
        ),
        (Flaw::SkipsEqualTimes, vec!["equal times/orders"]),
        (Flaw::BadRecordBreaksPage, vec!["a bad record/orders"]),
        (Flaw::DropsBadRecord, vec!["a bad record/orders"]),
        (
            Flaw::UnknownIdIsError,
            vec!["reading orders by id/orders", "absent by id/orders"],
        ),
        (
            Flaw::TellsWhatWasNotAsked,
            vec!["reading orders by id/orders", "absent by id/orders"],
        ),
        (
            Flaw::LookUpAlwaysNo,
            vec![
                "done once/ship",
                "lost reply/ship",
                "garbage on looking up/ship",
            ],
        ),
        (
            Flaw::FiveHundredIsTransient,
            vec![
                "error before the effect/ship",
                "error after the effect/ship",
            ],
        ),
        (
            Flaw::IgnoresAnswer,
            vec!["garbage/ship", "error in ok/ship"],
        ),
        (
            Flaw::GarbageIsEmptyPage,
            vec!["garbage on reading/orders", "error in ok on reading/orders"],
        ),
        (Flaw::ImpurePrepare, vec!["prepare is pure/ship"]),
        (
            Flaw::PreparesAnything,
            vec!["operations not offered are rejected"],
        ),
        (Flaw::SendsTwice, vec!["done once/ship"]),
        (Flaw::LeaksSecret, vec!["nothing secret is shown"]),
        (Flaw::LogsSecret, vec!["nothing secret is shown"]),
        (Flaw::CutsLists, vec!["a long list inside/orders"]),
        (Flaw::GuessesFields, vec!["partial fields/orders"]),
        (Flaw::LocalTimeIsUtc, vec!["time zones/orders"]),
        (
            Flaw::SkipsLate,
            vec!["seen late/orders", "tail and sweep/orders"],
        ),
        (Flaw::NeverSweeps, vec!["tail and sweep/orders"]),
        (Flaw::OtherNameForAgain, vec!["reported twice/orders"]),
        (
            Flaw::BelievesAnyHook,
            vec!["hook, bad signature/orders", "hook, old/orders"],
        ),
        (Flaw::BelievesOldHooks, vec!["hook, old/orders"]),
        (
            Flaw::RefusesUnknownTopics,
            vec!["hook, unknown topic/orders"],
        ),
        (Flaw::NewIdEachTime, vec!["hook, twice/orders"]),
        (Flaw::RepeatsWhatWasSent, vec!["hook, good/orders"]),
        (Flaw::OneRefusalForAll, vec!["one of several rejected/ship"]),
        (Flaw::SkipsAnAnswer, vec!["one of several rejected/ship"]),
        (
            Flaw::BelievesTheStatus,
            vec![
                "slow down in a 403/ship",
                "rate limited in a 200/ship",
                "slow down in a 403 on reading/orders",
            ],
        ),
        (Flaw::TakesNoTurn, vec!["the budget is kept"]),
    ];
    // The suite waits a second to see that preparing is pure, so the runs go side by side.
    let runs = flaws.map(|(flaw, checks)| {
        let run = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(card(Some(flaw)))
        });
        (flaw, checks, run)
    });
    for (flaw, checks, run) in runs {
        let card = run.join().unwrap();
        for check in checks {
            assert!(
                matches!(card.verdict(check), Some(Verdict::Failed(_))),
                "{flaw:?} was not caught by {check}: {card}"
            );
        }
    }
}

#[tokio::test]
async fn a_waiver_is_shown_and_one_without_a_check_fails() {
    let waivers = vec![
        Waiver::new("lost reply/ship", "no wire"),
        Waiver::new("lost reply/shop", "a slip of the pen"),
    ];
    let card = run(&MemorySubject {
        flaw: None,
        waivers,
    })
    .await;
    assert_eq!(
        card.verdict("lost reply/ship"),
        Some(&Verdict::Waived("no wire".to_owned()))
    );
    assert_eq!(card.counts().1, 1);
    assert_eq!(card.failures().len(), 1, "{card}");
    assert!(
        card.to_string()
            .contains("waived    lost reply/ship: no wire"),
        "{card}"
    );
}

/// A seam that promises faults and never delivers them would make every check pass.
#[tokio::test]
async fn a_fault_that_never_happens_or_cannot_be_done_is_no_pass() {
    struct Deaf(MemorySubject, bool);

    struct Silent(bool);

    impl crate::faulty::FaultSeam for Silent {
        fn supported(&self) -> Vec<Fault> {
            if self.0 {
                Fault::ALL.to_vec()
            } else {
                Vec::new()
            }
        }
        fn inject(&self, _: crate::faulty::Target, _: Fault) {}
        fn injected(&self) -> std::collections::BTreeMap<Fault, u64> {
            std::collections::BTreeMap::new()
        }
        fn unmet(&self) -> Vec<Fault> {
            Vec::new()
        }
    }

    #[async_trait]
    impl Subject for Deaf {
        fn name(&self) -> String {
            self.0.name()
        }
        fn waivers(&self) -> Vec<Waiver> {
            Vec::new()
        }
        fn specification(&self) -> Option<Specification> {
            None
        }
        async fn fresh(&self) -> Bench {
            Bench {
                seam: Arc::new(Silent(self.1)),
                ..self.0.fresh().await
            }
        }
    }

    for promises in [true, false] {
        let card = run(&Deaf(
            MemorySubject {
                flaw: None,
                waivers: Vec::new(),
            },
            promises,
        ))
        .await;
        for check in [
            "lost reply/ship",
            "garbage on reading/orders",
            "error before the effect on looking up/ship",
        ] {
            assert!(
                matches!(card.verdict(check), Some(Verdict::Failed(_))),
                "{promises} {check}: {card}"
            );
        }
    }
}

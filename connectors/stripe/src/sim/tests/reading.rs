//! What is read, and when.

use hikiate_sdk::conformance::HookCase;
use hikiate_sdk::hooks::{HookSecrets, Hooks, Nudge};
use hikiate_sdk::{Connector, ErrorClass, Kind, PaymentState, Source};

use super::super::{NewPayment, Trouble, Way};
use super::*;

fn yen(amount: i64) -> NewPayment {
    NewPayment::card(amount, hikiate_sdk::Currency::JPY)
}

#[tokio::test]
async fn the_first_start_lists_everything_and_then_only_what_changed_is_read() {
    let mut world = World::new();
    let mut ids = Vec::new();
    for n in 0..12 {
        world.later(60);
        ids.push(world.sim.pay(yen(1000 + n)));
    }
    // Long before any event that is still kept.
    world.later(40 * 86_400);
    let last = world.sim.pay(yen(1));
    assert_eq!(world.round().await.len(), 13);
    world.later(600);
    assert_eq!(
        world.round().await.len(),
        1,
        "the sweep reads the newest again"
    );
    world.later(600);
    assert!(world.sim.capture_by_hand(&last, None));
    let told = world.round().await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].key.as_str(), told[0].captured), (last.as_str(), 1));
    assert!(!ids.contains(&last));
}

#[tokio::test]
async fn what_happens_while_payments_are_listed_is_told_afterwards() {
    let mut world = World::new();
    let first = world.sim.pay(yen(1000));
    for _ in 0..9 {
        world.later(1);
        world.sim.pay(yen(2000));
    }
    let here = Here::at(world.now());
    let page = world.account.page("payments", None, here).await.unwrap();
    assert_eq!((page.records.len(), page.more), (5, true));
    world.cursor = Some(page.next);
    world.later(1);
    let new = world.sim.pay(yen(3000));
    assert!(world.sim.capture_by_hand(&first, None));
    let told = world.round().await;
    let of = |id: &str| told.iter().find(|p| p.key.as_str() == id).unwrap();
    assert_eq!(of(&first).captured, 1000);
    assert_eq!(of(&new).amount, 3000);
}

#[tokio::test]
async fn a_stop_longer_than_events_are_kept_loses_nothing() {
    let mut world = World::new();
    let id = world
        .sim
        .pay(NewPayment::paid(1000, hikiate_sdk::Currency::JPY));
    world.round().await;
    world.later(3600);
    assert!(world.sim.refund_by_hand(&id, Some(400)).is_some());
    world.later(35 * 86_400);
    let told = world.round().await;
    assert_eq!((told.len(), told[0].refunded), (1, 400));
}

#[tokio::test]
async fn since_leaves_out_what_is_older() {
    let mut world = World::new();
    world.sim.pay(yen(1));
    world.later(86_400);
    let settings = Settings {
        since: Some(world.now()),
        ..world.account.settings.clone()
    };
    let new = world.sim.pay(yen(2));
    let link = Link::new(Clock::default()).over(world.sim.transport());
    let secret = SecretString::from(KEY.to_owned());
    let http = link.http(site("https://api.stripe.example", secret.into()));
    world.account = Stripe::new(http.unwrap(), settings);
    let here = Here::at(world.now());
    let page = world.account.page("payments", None, here).await.unwrap();
    assert_eq!(page.records.len(), 1, "{new}");
}

/// A customer goes to a store, another one never does.
#[tokio::test]
async fn konbini_waits_and_is_paid_or_expires() {
    let mut world = World::new();
    let within = Duration::from_secs(3 * 86_400);
    let konbini = || yen(3000).by(Way::Konbini { within });
    let (goes, stays) = (world.sim.pay(konbini()), world.sim.pay(konbini()));
    let until = world.now() + within;
    for payment in world.round().await {
        assert_eq!(
            (&payment.state, payment.authorised),
            (&PaymentState::Waiting, 0)
        );
        assert_eq!(payment.pay_by, Some(until));
    }
    world.later(86_400);
    assert!(world.sim.pay_at_store(&goes));
    world.later(3 * 86_400);
    let told = world.round().await;
    let state = |id: &str| told.iter().find(|p| p.key.as_str() == id).unwrap();
    assert_eq!(
        (&state(&goes).state, state(&goes).captured),
        (&PaymentState::Paid, 3000)
    );
    assert_eq!(state(&stays).state, PaymentState::Expired);
    assert!(!world.sim.pay_at_store(&stays), "too late");
}

#[tokio::test]
async fn a_bank_transfer_is_paid_once_all_of_it_has_come() {
    let mut world = World::new();
    let id = world.sim.pay(yen(3000).by(Way::BankTransfer));
    world.round().await;
    world.later(60);
    assert!(world.sim.transfer(&id, 1000));
    let told = world.round().await;
    assert_eq!(
        (&told[0].state, told[0].captured, told[0].pay_by),
        (&PaymentState::Waiting, 0, None)
    );
    world.later(5 * 86_400);
    assert!(world.sim.transfer(&id, 2000));
    let told = world.round().await;
    assert_eq!(
        (&told[0].state, told[0].captured),
        (&PaymentState::Paid, 3000)
    );
}

#[tokio::test]
async fn an_authorisation_that_nobody_captures_ends() {
    let mut world = World::new();
    let id = world.sim.pay(yen(3000));
    let told = world.round().await;
    assert_eq!(
        told[0].authorised_until,
        Some(world.now() + Duration::from_secs(7 * 86_400))
    );
    world.later(8 * 86_400);
    let told = world.round().await;
    assert_eq!(
        (&told[0].state, told[0].authorised),
        (&PaymentState::Expired, 0),
        "{id}"
    );
    assert!(!world.sim.capture_by_hand(&id, None));
}

/// Weeks later the money is back.
#[tokio::test]
async fn a_refund_that_fails_is_taken_back() {
    let mut world = World::new();
    let id = world
        .sim
        .pay(NewPayment::paid(3000, hikiate_sdk::Currency::JPY));
    let refund = world.sim.refund_by_hand(&id, Some(1000)).unwrap();
    assert_eq!(world.round().await[0].refunded, 1000);
    world.later(20 * 86_400);
    assert!(world.sim.fail_refund(&id, &refund));
    let told = world.round().await;
    assert_eq!((told[0].refunded, told[0].refunds.len()), (0, 0));
    assert!(!world.sim.fail_refund(&id, &refund), "once");
}

#[tokio::test]
async fn a_dispute_is_told_when_it_comes_and_when_it_goes() {
    let mut world = World::new();
    let id = world
        .sim
        .pay(NewPayment::paid(3000, hikiate_sdk::Currency::JPY));
    world.round().await;
    for (inquiry, won, then) in [(true, true, 0), (false, true, 0), (false, false, 3000)] {
        world.later(600);
        assert!(world.sim.dispute(&id, 3000, inquiry));
        assert_eq!(world.round().await[0].disputed, 3000);
        world.later(600);
        assert!(world.sim.close_dispute(&id, won));
        assert_eq!(world.round().await[0].disputed, then);
    }
}

#[tokio::test]
async fn a_review_is_told_when_it_opens_and_when_it_ends() {
    let mut world = World::new();
    let id = world.sim.pay(yen(3000));
    world.round().await;
    world.later(60);
    assert!(world.sim.open_review(&id));
    assert!(matches!(
        world.round().await[0].state,
        PaymentState::Review { .. }
    ));
    world.later(60);
    assert!(world.sim.approve(&id));
    assert_eq!(world.round().await[0].state, PaymentState::Authorised);
}

#[tokio::test]
async fn by_id_what_is_not_there_is_absent_and_what_is_no_id_is_not_asked_for() {
    let world = World::new();
    let id = world.sim.pay(yen(3000));
    let ids = [id.as_str(), "pi_none", "order_1", "pi_1/../x", &id].map(Into::into);
    let before = world.sim.requests();
    let records = world.account.read(Kind::Payment, &ids).await.unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(world.sim.requests() - before, 3);
    let error = world.account.read(Kind::Order, &ids).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Config);
}

#[tokio::test]
async fn what_is_stored_holds_no_client_secret() {
    let world = World::new();
    let id = world.sim.pay(yen(3000));
    let records = world
        .account
        .read(Kind::Payment, &[id.as_str().into()])
        .await
        .unwrap();
    let raw = String::from_utf8(records[0].raw.clone()).unwrap();
    assert!(
        raw.contains("pi_3SIM") && !raw.contains("client_secret"),
        "{raw}"
    );
    let again = world
        .account
        .reread("payments", None, raw.as_bytes())
        .unwrap();
    assert_eq!(again[0].parsed, records[0].parsed);
}

#[tokio::test]
async fn payments_of_the_other_mode_are_an_error_of_the_key() {
    let mut world = World::with(Settings {
        mode: Some(Mode::Live),
        ..Settings::default()
    });
    let id = world.sim.pay(yen(3000));
    let here = Here::at(world.now());
    let error = world
        .account
        .page("payments", None, here)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Auth);
    assert!(error.message.contains("test payments"), "{error}");
    let error = world
        .account
        .read(Kind::Payment, &[id.as_str().into()])
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Auth);
    world.cursor = None;
}

#[tokio::test]
async fn a_restricted_key_is_told_which_permission_it_lacks() {
    let world = World::new();
    world.sim.forbid("rak_event_read");
    let here = Here::at(world.now());
    let error = world
        .account
        .page("payments", None, here)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Forbidden);
    assert!(error.message.contains("rak_event_read"), "{error}");
    // A trouble of writes is none of reads.
    world.sim.trouble(Trouble::Locked);
    world.sim.exchange_key("sk_test_2");
    let error = world
        .account
        .page("payments", None, here)
        .await
        .unwrap_err();
    assert!(error.message.contains("401"), "{error}");
}

/// The common WooCommerce plug-in writes the charge to the order, and not the PaymentIntent.
#[tokio::test]
async fn a_payment_that_orders_know_by_its_charge_is_reported_under_it_too() {
    let settings = |charges: bool| Settings {
        mode: Some(Mode::Test),
        charges,
        ..Settings::default()
    };
    let mut world = World::with(settings(true));
    let id = world.sim.pay(yen(3000));
    let charge = world.sim.payment(&id).unwrap().charge.unwrap();
    let keys = |told: &[PaymentSnapshot]| -> Vec<String> {
        told.iter().map(|one| one.key.to_string()).collect()
    };
    assert_eq!(keys(&world.round().await), [id.clone(), charge.clone()]);
    assert_eq!(world.read(&charge).await.key.as_str(), charge);
    world.later(60);
    assert!(world.sim.capture_by_hand(&id, None));
    let told = world.round().await;
    assert_eq!(keys(&told), [id.clone(), charge.clone()]);
    assert!(told.iter().all(|one| one.captured == 3000), "{told:?}");
    let none = world.account.read(Kind::Payment, &["ch_none".into()]).await;
    assert!(none.unwrap().is_empty());
    let ids = world.account.payment_ids().unwrap();
    assert!(ids.has(&id) && ids.has(&charge) && !ids.has("seti_1"));

    // Where that is not configured it is said, not passed over: later changes would not be told.
    let world = World::with(settings(false));
    let id = world.sim.pay(yen(3000));
    let charge = world.sim.payment(&id).unwrap().charge.unwrap();
    let said = async || {
        let read = world
            .account
            .read(Kind::Payment, &[charge.as_str().into()])
            .await
            .unwrap();
        let bad = read[0].parsed.as_ref().unwrap_err();
        assert_eq!(bad.external_id.as_ref().unwrap().as_str(), charge);
        let again = world
            .account
            .reread("payments", None, &read[0].raw)
            .unwrap();
        assert_eq!(again[0].parsed.as_ref().unwrap_err(), bad);
        bad.cause.clone()
    };
    assert!(said().await.contains("set charges = true"));
    let ids = world.account.payment_ids().unwrap();
    assert!(ids.has(&id) && !ids.has(&charge) && ids.otherwise.contains("set charges = true"));
    assert!(world.sim.part_charge(&id));
    assert!(said().await.contains("made without one"));
}

/// A webhook names the PaymentIntent, whatever the order names: what is read for it is told under both ids at once.
#[tokio::test]
async fn a_webhook_brings_the_payment_of_an_order_that_names_its_charge() {
    for charges in [true, false] {
        let mut world = World::with(Settings {
            mode: Some(Mode::Test),
            charges,
            ..Settings::default()
        });
        world.account.hook = Some(HookSecrets::new("whsec_1".to_owned().into(), None));
        world.sim.note_changes();
        let id = world.sim.pay(yen(3000));
        let charge = world.sim.payment(&id).unwrap().charge.unwrap();
        world.sim.take_changes();
        world.later(60);
        assert!(world.sim.capture_by_hand(&id, None));
        assert!(world.sim.refund_by_hand(&id, Some(400)).is_some());
        let events = world.sim.take_changes();
        assert!(!events.is_empty());
        for event in events {
            let sent = world.sim.hook("whsec_1", &event, HookCase::Good).unwrap();
            let nudges = world.account.nudges("events", &sent.headers, &sent.body);
            let [Nudge::Read(Kind::Payment, about)] = nudges.as_slice() else {
                panic!("{nudges:?}")
            };
            let read = world
                .account
                .read(Kind::Payment, std::slice::from_ref(about));
            let told = read.await.unwrap().into_iter().map(|record| {
                let again = world.account.reread("payments", None, &record.raw).unwrap();
                assert_eq!(again[0].parsed, record.parsed);
                match record.parsed {
                    Ok(Observed::Payment(one)) => (one.key.to_string(), one.refunded),
                    other => panic!("{other:?}"),
                }
            });
            let told: Vec<_> = told.collect();
            let both = [(id.clone(), 400), (charge.clone(), 400)];
            assert_eq!(told, both[..1 + usize::from(charges)], "{event}");
        }
        // By the charge it is one reading.
        if charges {
            assert_eq!(world.read(&charge).await.refunded, 400);
        }
    }
}

/// Stripe answers 500 for one payment, whatever is asked of it: its neighbours are read, and it is asked for again.
#[tokio::test]
async fn a_payment_that_cannot_be_read_is_kept_apart_and_its_neighbours_go_on() {
    let mut world = World::new();
    let poisoned = world.sim.pay(yen(1000));
    world.later(1);
    let good = world.sim.pay(yen(2000));
    world.round().await;
    world.later(30);
    for id in [&poisoned, &good] {
        assert!(world.sim.capture_by_hand(id, None));
    }
    world.sim.break_reads(&poisoned, 500);
    let (told, bad) = world.whole_round().await;
    assert_eq!((told.len(), told[0].key.as_str()), (1, good.as_str()));
    let [record] = bad.as_slice() else {
        panic!("{bad:?}")
    };
    let why = record.parsed.as_ref().unwrap_err();
    assert_eq!(why.external_id.as_ref().unwrap().as_str(), poisoned);
    assert!(why.cause.contains("500"), "{}", why.cause);
    let again = world.account.reread("payments", None, &record.raw);
    assert_eq!(again.unwrap()[0].parsed, record.parsed);
    // By its id it is the same, under the charge's name as well.
    let charge = world.sim.payment(&good).unwrap().charge.unwrap();
    world.sim.break_reads(&charge, 500);
    let ids = [poisoned.as_str(), &charge, &good].map(Into::into);
    let read = world.account.read(Kind::Payment, &ids).await.unwrap();
    let bad: Vec<&str> = read
        .iter()
        .filter_map(|record| record.parsed.as_ref().err()?.external_id.as_ref())
        .map(|id| id.as_str())
        .collect();
    assert_eq!((read.len(), bad), (3, vec![poisoned.as_str(), &charge]));
    // Each sweep asks for it again, with the same bytes as before, until it can be read: no event tells of that.
    for n in 0..3 {
        world.later(400);
        world.sim.pay(yen(n));
        let (_, bad) = world.whole_round().await;
        assert_eq!(
            bad.iter().map(|one| &one.raw).collect::<Vec<_>>(),
            [&record.raw]
        );
    }
    world.sim.mend_reads();
    world.later(400);
    let (told, bad) = world.whole_round().await;
    assert!(bad.is_empty(), "{bad:?}");
    let told = told.iter().find(|one| one.key.as_str() == poisoned);
    assert_eq!(told.unwrap().captured, 1000);
    world.later(400);
    assert!(
        world
            .whole_round()
            .await
            .0
            .iter()
            .all(|one| one.key.as_str() != poisoned)
    );
}

#[tokio::test]
async fn while_payments_are_listed_one_that_cannot_be_read_costs_the_others_nothing() {
    let paid = || NewPayment::paid(5000, hikiate_sdk::Currency::JPY);
    for broken in ["/v1/disputes?payment_intent=", "expand%5B%5D=data."] {
        let mut world = World::new();
        let (disputed, good) = (world.sim.pay(paid()), world.sim.pay(paid()));
        assert!(world.sim.dispute(&disputed, 5000, false));
        world.sim.break_reads(broken, 500);
        if broken.contains("expand") {
            // The whole page fails because of one of its payments.
            world.sim.break_reads(&disputed, 500);
        }
        let (told, bad) = world.whole_round().await;
        assert!(told.iter().any(|one| one.key.as_str() == good), "{told:?}");
        let [record] = bad.as_slice() else {
            panic!("{bad:?}")
        };
        let why = record.parsed.as_ref().unwrap_err();
        assert_eq!(why.external_id.as_ref().unwrap().as_str(), disputed);
        world.sim.mend_reads();
        world.later(400);
        let (told, bad) = world.whole_round().await;
        let told = told.iter().find(|one| one.key.as_str() == disputed);
        assert_eq!((told.unwrap().disputed, bad.len()), (5000, 0));
    }
}

/// Every payment fails, or the list does too: that is nothing of a payment.
#[tokio::test]
async fn trouble_of_the_whole_account_is_nothing_of_a_payment() {
    let mut world = World::with(Settings {
        mode: Some(Mode::Test),
        ..Settings::default()
    });
    let ids: Vec<String> = (0..8).map(|n| world.sim.pay(yen(1000 + n))).collect();
    world.round().await;
    world.later(30);
    for broken in ["/v1/payment_intents", "/v1/payment_intents/"] {
        world.sim.mend_reads();
        world.sim.break_reads(broken, 500);
        let here = Here::at(world.now());
        let page = world.account.page("payments", world.cursor.as_ref(), here);
        let error = page.await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Transient, "{broken}: {error}");
        let ids: Vec<_> = ids.iter().map(|id| id.as_str().into()).collect();
        let read = world.account.read(Kind::Payment, &ids).await;
        assert!(read.is_err(), "{broken}");
    }
    world.sim.mend_reads();
    assert_eq!(world.round().await.len(), 8);
}

/// One disputed payment does not stop the others.
#[tokio::test]
async fn what_a_restricted_key_may_not_read_of_a_payment_costs_the_others_nothing() {
    let mut world = World::new();
    let paid = || NewPayment::paid(5000, hikiate_sdk::Currency::JPY);
    let (disputed, refunded, good) = (
        world.sim.pay(paid()),
        world.sim.pay(paid()),
        world.sim.pay(paid()),
    );
    assert!(world.sim.dispute(&disputed, 5000, false));
    for _ in 0..11 {
        assert!(world.sim.refund_by_hand(&refunded, Some(100)).is_some());
    }
    for permission in ["rak_dispute_read", "rak_refund_read"] {
        world.sim.forbid(permission);
    }
    let here = Here::at(world.now());
    let page = world.account.page("payments", None, here).await.unwrap();
    let of = |id: &str| {
        let mut records = page.records.iter();
        records.find(|record| match &record.parsed {
            Ok(Observed::Payment(payment)) => payment.key.as_str() == id,
            Err(bad) => bad
                .external_id
                .as_ref()
                .is_some_and(|known| known.as_str() == id),
            Ok(_) => false,
        })
    };
    assert!(of(&good).unwrap().parsed.is_ok());
    for (id, permission) in [
        (&disputed, "rak_dispute_read"),
        (&refunded, "rak_refund_read"),
    ] {
        let record = of(id).unwrap();
        let bad = record.parsed.as_ref().unwrap_err();
        assert!(bad.cause.contains(permission), "{}", bad.cause);
        let again = world.account.reread("payments", None, &record.raw).unwrap();
        assert_eq!(again[0].parsed.as_ref().unwrap_err(), bad);
    }
    world.cursor = Some(page.next);
    world.sim.permit("rak_dispute_read");
    assert_eq!(world.read(&disputed).await.disputed, 5000);
}

#[tokio::test]
async fn test_data_that_is_wiped_while_it_is_listed_starts_the_listing_again() {
    let mut world = World::new();
    for _ in 0..9 {
        world.later(1);
        world.sim.pay(yen(1000));
    }
    let here = Here::at(world.now());
    let page = world.account.page("payments", None, here).await.unwrap();
    world.cursor = Some(page.next);
    world.sim.wipe();
    let new = world.sim.pay(yen(5));
    let told = world.round().await;
    assert_eq!(told.len(), 1, "{new}");
}

#[tokio::test]
async fn the_budget_is_what_stripe_allows_or_less() {
    let account = World::new().account;
    let budgets = account.budgets();
    assert_eq!(
        budgets.len(),
        10,
        "one for the account, one for each operation"
    );
    assert!(budgets.iter().all(|budget| !budget.limits.is_empty()));
    let says = account.says().join("\n");
    assert!(
        says.contains("test key") && says.contains("2025-01-27.acacia"),
        "{says}"
    );
}

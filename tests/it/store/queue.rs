//! The effect queue: what is claimed, sent, answered, lost, and taken back.

use hikiate::daemon::plan_step;
use hikiate::facts::{OutcomeFact, Verdict};
use hikiate::plan::types::{OrderPlan, Withdraw};
use hikiate::store::{AttemptResult, ClaimedEffect, LossRisk, OwnedAccount, StoreError, ToSend};

use crate::support::desk::{finished, outcome, quiet};
use crate::support::shop::{Shop, at, page, parcel, today};
use crate::support::turns::{ended, session, start_blocked};

fn to_send(effect: &ClaimedEffect) -> [ToSend; 1] {
    let (id, token) = (effect.id, effect.token);
    [ToSend {
        id,
        token,
        body: b"bytes".to_vec(),
        label: "POST /x".to_owned(),
    }]
}

/// As right after this process took the account.
fn taken(owned: &OwnedAccount) -> OwnedAccount {
    OwnedAccount {
        taken: true,
        ..owned.clone()
    }
}

/// As at every later renewal.
fn kept(owned: &OwnedAccount) -> OwnedAccount {
    OwnedAccount {
        taken: false,
        ..owned.clone()
    }
}

async fn state(shop: &Shop) -> (String, bool, i16) {
    let row = sqlx::query_as("SELECT state, outcome_unknown, sends FROM effects");
    row.fetch_one(shop.pool()).await.unwrap()
}

/// All but that its warehouse reported what nobody had instructed: these orders begin shipped.
async fn tasks(shop: &Shop) -> Vec<String> {
    let tasks = shop.store().list_tasks().await.unwrap().into_iter();
    let kinds = tasks.map(|task| task.kind);
    kinds.filter(|kind| kind != "unexpected_parcel").collect()
}

async fn sending(shop: &Shop) -> (i64, OwnedAccount, ClaimedEffect) {
    let subject = shop.shipped("A").await;
    let owned = shop.owned("shop").await;
    let effect = shop.claimed().await;
    let marked = shop
        .store()
        .mark_sending(&owned, &to_send(&effect), 60)
        .await
        .unwrap();
    assert_eq!((marked.bytes.len(), marked.round), (1, Some(1)));
    (subject, owned, effect)
}

fn taking_back(effect: &ClaimedEffect) -> OrderPlan {
    let outcome = outcome(&effect.key, Verdict::Withdrawn);
    OrderPlan {
        withdraw: vec![Withdraw {
            effect_id: effect.id,
            outcome,
        }],
        ..quiet()
    }
}

#[tokio::test]
async fn what_is_being_sent_can_not_be_taken_back() {
    let shop = Shop::open().await;
    let (subject, _, effect) = sending(&shop).await;
    let mut tx = shop.claim(subject).await;
    let replan = shop.commit(&mut tx, subject, taking_back(&effect)).await;
    assert!(matches!(replan, Err(StoreError::Replan)), "{replan:?}");
}

/// Taken back while it is claimed: the claimer finds out before it calls.
#[tokio::test]
async fn what_was_taken_back_is_not_sent() {
    let shop = Shop::open().await;
    let subject = shop.shipped("A").await;
    let (owned, effect) = (shop.owned("shop").await, shop.claimed().await);
    let mut tx = shop.claim(subject).await;
    let holder = session(&mut tx).await;
    shop.commit(&mut tx, subject, taking_back(&effect))
        .await
        .unwrap();
    let (store, send) = (shop.store().clone(), to_send(&effect));
    let marking = start_blocked(shop.pool(), holder, async move {
        store.mark_sending(&owned, &send, 60).await
    })
    .await;
    tx.commit().await.unwrap();
    assert!(ended(marking).await.unwrap().bytes.is_empty());
}

/// The other way round: the call is on its way, and the plan is made again.
#[tokio::test]
async fn taking_back_meets_a_call_that_is_just_leaving() {
    let shop = Shop::open().await;
    let subject = shop.shipped("A").await;
    let effect = shop.claimed().await;
    let mut leaving = shop.pool().begin().await.unwrap();
    let holder = session(&mut leaving).await;
    sqlx::query("UPDATE effects SET state = 'sending', body = 'x' WHERE id = $1")
        .bind(effect.id)
        .execute(&mut *leaving)
        .await
        .unwrap();
    let mut tx = shop.claim(subject).await;
    let (engine, plan) = (shop.engine.clone(), taking_back(&effect));
    let channel_id = shop.account("shop");
    let planning = start_blocked(shop.pool(), holder, async move {
        let planned = [hikiate::store::PlannedOrder {
            subject_id: subject,
            channel_id,
            plan,
        }];
        let zone = engine.policy.shop.timezone;
        let (directory, policy) = (&engine.directory, engine.policy_id);
        hikiate::store::Store::commit_plans(&mut tx, &planned, directory, policy, zone, at(2))
            .await
            .map(|_tasks| ())
    })
    .await;
    leaving.commit().await.unwrap();
    let replan = ended(planning).await;
    assert!(matches!(replan, Err(StoreError::Replan)), "{replan:?}");
}

#[tokio::test]
async fn an_answer_after_the_lease_was_lost_is_evidence() {
    let shop = Shop::open().await;
    let (subject, owned, effect) = sending(&shop).await;
    assert_eq!(shop.store().reclaim(&[taken(&owned)]).await.unwrap(), 1);
    shop.settle().await;
    shop.store()
        .acknowledge(&[finished(&effect, Verdict::Done)], today())
        .await
        .unwrap();
    let keys = shop.keys(subject).await;
    assert!(
        keys.contains(&format!("{}:evidence:{}", effect.key, effect.token)),
        "{keys:?}"
    );
    assert!(
        !keys.iter().any(|key| key.contains(":outcome:")),
        "{keys:?}"
    );
    assert_eq!(
        state(&shop).await,
        ("planned".to_owned(), true, 1),
        "it decides nothing"
    );
    assert_eq!(
        shop.planned_for(subject).await,
        Some(at(0)),
        "and is looked at"
    );
    assert_eq!(plan_step(&shop.engine).await.unwrap(), 1);
}

#[tokio::test]
async fn taken_from_a_lost_process_what_was_being_sent_may_have_happened() {
    let shop = Shop::open().await;
    let (_, owned, effect) = sending(&shop).await;
    assert_eq!(
        shop.store().reclaim(&[kept(&owned)]).await.unwrap(),
        0,
        "its lease still runs"
    );
    shop.clock(2).await;
    let stranger = OwnedAccount {
        token: owned.token - 1,
        ..owned.clone()
    };
    assert_eq!(shop.store().reclaim(&[taken(&stranger)]).await.unwrap(), 0);
    assert_eq!(shop.store().reclaim(&[kept(&owned)]).await.unwrap(), 1);
    assert_eq!(state(&shop).await, ("planned".to_owned(), true, 1));
    let again = shop.claimed().await;
    assert_eq!(again.frozen.as_ref().unwrap().0, b"bytes", "the bytes stay");
    let later = AttemptResult::RetryLater {
        after: 0.0,
        attempt: true,
        error: "x".to_owned(),
    };
    shop.store()
        .acknowledge(&[(again.clone(), later)], today())
        .await
        .unwrap();
    assert!(state(&shop).await.1, "a failed try takes no doubt away");
    assert_ne!(again.token, effect.token);
}

#[tokio::test]
async fn what_was_only_claimed_goes_back_without_doubt() {
    let shop = Shop::open().await;
    shop.shipped("A").await;
    let (owned, _) = (shop.owned("shop").await, shop.claimed().await);
    assert_eq!(shop.store().reclaim(&[taken(&owned)]).await.unwrap(), 1);
    assert_eq!(state(&shop).await, ("planned".to_owned(), false, 0));
}

#[tokio::test]
async fn more_than_a_hundred_are_all_taken_back() {
    let shop = Shop::open().await;
    let subject = shop.shipped("A").await;
    let owned = shop.owned("shop").await;
    sqlx::query("DELETE FROM effects")
        .execute(shop.pool())
        .await
        .unwrap();
    sqlx::query(
        "WITH s AS (INSERT INTO subjects (kind, account_id, external_id, number, created_at)
           SELECT 'order', $1, 'E' || i, 'E' || i, $3 FROM generate_series(1, 250) i RETURNING id),
         f AS (INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
           SELECT s.id, 'x', 'intent', 'intent', 1, '{}', $3, $3, $3, '2026-11-21', 'plan' FROM s RETURNING id, subject_id)
         INSERT INTO effects (subject_id, account_id, op, intent_id, lane, state, due_at, token, lease_until, body)
           SELECT f.subject_id, $1, 'ship', f.id, 1, 'sending', $3, 1, $3 + interval '1 hour', 'x' FROM f WHERE $2 > 0",
    )
    .bind(owned.id)
    .bind(subject)
    .bind(at(0))
    .execute(shop.pool())
    .await
    .unwrap();
    assert_eq!(shop.store().reclaim(&[taken(&owned)]).await.unwrap(), 250);
    let left = "SELECT count(*) FROM effects WHERE state <> 'planned' OR NOT outcome_unknown";
    assert_eq!(shop.number(left).await, 0);
}

#[tokio::test]
async fn urgent_lanes_are_claimed_first() {
    let shop = Shop::open().await;
    shop.shipped("A").await;
    let owned = shop.owned("shop").await;
    // Three more like the one there is; the less urgent, the longer due.
    sqlx::query(
        "WITH one AS (DELETE FROM effects RETURNING intent_id),
         s AS (INSERT INTO subjects (kind, account_id, external_id, number, created_at)
           SELECT 'order', $1, 'E' || i, 'LANE' || i, $2 FROM generate_series(0, 2) i RETURNING id, number),
         f AS (INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
           SELECT s.id, 'x', i.class, i.kind, i.version, i.body, $2, $2, $2, '2026-11-21', 'plan'
           FROM s, facts i JOIN one ON one.intent_id = i.id RETURNING id, subject_id)
         INSERT INTO effects (subject_id, account_id, op, intent_id, lane, due_at)
           SELECT f.subject_id, $1, 'ship', f.id, right(s.number, 1)::smallint, $2 - right(s.number, 1)::int * interval '1 hour'
           FROM f JOIN s ON s.id = f.subject_id",
    )
    .bind(owned.id)
    .bind(at(0))
    .execute(shop.pool())
    .await
    .unwrap();
    let claim = async |limit| {
        let claimed = shop.store().claim_effects(&owned, limit, 60).await.unwrap();
        claimed.into_iter().map(|c| c.number).collect::<Vec<_>>()
    };
    assert_eq!(claim(2).await, ["LANE0", "LANE1"]);
    assert_eq!(claim(2).await, ["LANE2"]);
}

#[tokio::test]
async fn a_resolution_is_corrected_until_something_rests_on_it() {
    let shop = Shop::open().await;
    let (subject, owned, effect) = sending(&shop).await;
    let store = shop.store();
    let unknown = AttemptResult::Unresolved {
        error: "no answer".to_owned(),
    };
    store
        .acknowledge(&[(effect.clone(), unknown)], today())
        .await
        .unwrap();
    let say = async |done| {
        store
            .resolve_effect(effect.id, done, "seen", "ken", today())
            .await
    };
    assert!(!say(true).await.unwrap().corrected);
    let same = say(true).await;
    assert!(
        matches!(&same, Err(StoreError::Refused(why)) if why.contains("already")),
        "{same:?}"
    );
    let corrected = say(false).await.unwrap();
    assert_eq!(
        (corrected.corrected, corrected.op.as_str()),
        (true, "fulfil")
    );

    // It is planned again, and what was planned is taken back while it has not begun.
    shop.settle().await;
    let again = effect.key.replace(":1", ":2");
    assert_eq!(shop.number("SELECT count(*) FROM effects").await, 1);
    assert!(say(true).await.unwrap().corrected);
    assert_eq!(shop.number("SELECT count(*) FROM effects").await, 0);
    let keys = shop.keys(subject).await;
    for key in [
        format!("{again}:outcome:withdrawn"),
        format!("{}:outcome:done", effect.key),
        format!("{}:outcome:not_done", effect.key),
        format!("{}:outcome:done:2", effect.key),
    ] {
        assert!(keys.contains(&key), "{key} in {keys:?}");
    }

    // What follows from it has begun.
    shop.settle().await;
    let next = shop.claimed().await;
    assert_eq!(next.op.as_str(), "ship");
    store
        .mark_sending(&owned, &to_send(&next), 60)
        .await
        .unwrap();
    let late = say(false).await;
    assert!(
        matches!(&late, Err(StoreError::Refused(why)) if why.contains("rests on it") && why.contains(&next.key)),
        "{late:?}"
    );
    let gone = store
        .resolve_effect(9999, true, "seen", "ken", today())
        .await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))), "{gone:?}");
}

/// A look-up that finds nothing says nothing of why the call failed.
#[tokio::test]
async fn a_look_up_keeps_what_the_call_was_told() {
    let shop = Shop::open().await;
    let (_, _, effect) = sending(&shop).await;
    let store = shop.store();
    let told = AttemptResult::OutcomeUnknown {
        after: 0.0,
        look: true,
        error: "the external system answered 500: “in use”".to_owned(),
    };
    store.acknowledge(&[(effect, told)], today()).await.unwrap();
    let looking = shop.claimed().await;
    let none = AttemptResult::NotFoundYet { after: 60.0 };
    store
        .acknowledge(&[(looking, none)], today())
        .await
        .unwrap();
    let queue = store.list_effects(false, 10).await.unwrap();
    assert_eq!(
        queue[0].error.as_deref(),
        Some("the external system answered 500: “in use”")
    );
}

/// Whoever reads that a refund never arrived makes it by hand: a call in doubt is not said to have failed to arrive.
#[tokio::test]
async fn a_call_in_doubt_that_keeps_failing_is_said_to_have_perhaps_taken_effect() {
    let shop = Shop::open().await;
    let (_, _, effect) = sending(&shop).await;
    let store = shop.store();
    let key = effect.key.clone();
    let told = AttemptResult::OutcomeUnknown {
        after: 0.0,
        look: true,
        error: "no reply".to_owned(),
    };
    store.acknowledge(&[(effect, told)], today()).await.unwrap();
    for (in_doubt, starts) in [
        (
            true,
            format!("{key} may have taken effect at shop: 5 attempts without a clear answer; "),
        ),
        (
            false,
            format!("At least 5 attempts failed before {key} reached shop: no reply. "),
        ),
    ] {
        sqlx::query("UPDATE effects SET attempts = 5, outcome_unknown = $1")
            .bind(in_doubt)
            .execute(shop.pool())
            .await
            .unwrap();
        let tasks = store.list_tasks().await.unwrap();
        let task = tasks.iter().find(|task| task.kind == "send_failing");
        let detail = &task.unwrap().detail;
        assert!(detail.starts_with(&starts), "{detail}");
        assert_eq!(detail.contains("(last: no reply)"), in_doubt, "{detail}");
    }
}

fn inconclusive(error: &str) -> AttemptResult {
    AttemptResult::Inconclusive {
        after: 0.0,
        error: error.to_owned(),
    }
}

/// What is counted decides whether it is sent again.
#[tokio::test]
async fn only_a_look_up_that_found_nothing_counts_as_a_no() {
    let shop = Shop::open().await;
    let (_, owned, effect) = sending(&shop).await;
    let store = shop.store();
    let told = AttemptResult::OutcomeUnknown {
        after: 0.0,
        look: true,
        error: "no reply".to_owned(),
    };
    store.acknowledge(&[(effect, told)], today()).await.unwrap();
    let steps = [
        (AttemptResult::Wait { after: 0.0 }, (0, 0)),
        (inconclusive(""), (1, 0)),
        (AttemptResult::NotFoundYet { after: 0.0 }, (2, 1)),
        (AttemptResult::Wait { after: 0.0 }, (2, 1)),
    ];
    for (step, counted) in steps {
        let claimed = shop.claimed().await;
        let step = [(claimed, step)];
        store.acknowledge(&step, today()).await.unwrap();
        let claimed: (i16, i16) = sqlx::query_as("SELECT lookups, not_found FROM effects")
            .fetch_one(shop.pool())
            .await
            .unwrap();
        assert_eq!(claimed, counted, "{:?}", step[0].1);
    }
    let again = shop.claimed().await;
    assert_eq!((again.lookups, again.not_found), (2, 1));
    assert_eq!(again.error.as_deref(), Some("no reply"));
    let garbled = [(again, inconclusive("no reply; since then: garbled"))];
    store.acknowledge(&garbled, today()).await.unwrap();
    let again = shop.claimed().await;
    assert_eq!((again.lookups, again.not_found), (3, 1));
    let told = again.error.as_deref();
    assert_eq!(told, Some("no reply; since then: garbled"));
    let marked = store.mark_sending(&owned, &to_send(&again), 60).await;
    assert_eq!(marked.unwrap().bytes.len(), 1);
    let counted: (i16, i16) = sqlx::query_as("SELECT lookups, not_found FROM effects")
        .fetch_one(shop.pool())
        .await
        .unwrap();
    assert_eq!(counted, (0, 0), "of the last send alone");
}

#[tokio::test]
async fn an_unknown_outcome_waits_for_a_person() {
    let shop = Shop::open().await;
    let (subject, _, effect) = sending(&shop).await;
    let store = shop.store();
    let early = store
        .resolve_effect(effect.id, true, "seen", "ken", today())
        .await;
    assert!(matches!(early, Err(StoreError::Refused(_))), "{early:?}");
    let unknown = AttemptResult::Unresolved {
        error: "no answer".to_owned(),
    };
    store
        .acknowledge(&[(effect.clone(), unknown)], today())
        .await
        .unwrap();
    shop.settle().await;
    assert_eq!(tasks(&shop).await, ["unknown_outcome"]);
    store
        .resolve_effect(effect.id, true, "seen", "ken", today())
        .await
        .unwrap();
    let gone = store
        .resolve_effect(effect.id, true, "seen", "ken", today())
        .await;
    assert!(matches!(gone, Err(StoreError::Refused(_))), "{gone:?}");
    let keys = shop.keys(subject).await;
    assert!(
        keys.contains(&format!("{}:outcome:done", effect.key)),
        "{keys:?}"
    );
    shop.settle().await;
    assert_eq!(tasks(&shop).await, [""; 0]);
}

/// Its look-ups are never answered: whoever has looked at the external system need not wait until they are.
#[tokio::test]
async fn what_keeps_failing_in_doubt_may_be_resolved_while_nobody_carries_it_out() {
    let shop = Shop::open().await;
    let (subject, _, effect) = sending(&shop).await;
    let store = shop.store();
    let say = async || {
        store
            .resolve_effect(effect.id, true, "seen", "ken", today())
            .await
    };
    let refused = async |words: &str| {
        let answer = say().await;
        assert!(
            matches!(&answer, Err(StoreError::Refused(why)) if why.contains(words)),
            "{words}: {answer:?}"
        );
    };
    let told = AttemptResult::OutcomeUnknown {
        after: 0.0,
        look: false,
        error: "no reply".to_owned(),
    };
    let step = [(effect.clone(), told)];
    store.acknowledge(&step, today()).await.unwrap();
    let later = || AttemptResult::RetryLater {
        after: 0.0,
        attempt: true,
        error: "no reply; since then: 503".to_owned(),
    };
    for _ in 0..4 {
        refused("goes on by itself").await;
        let step = [(shop.claimed().await, later())];
        store.acknowledge(&step, today()).await.unwrap();
    }
    let listed = store.list_tasks().await.unwrap();
    let task = listed.iter().find(|task| task.kind == "send_failing");
    let lines: Vec<&str> = task.unwrap().actions.iter().map(|a| &*a.line).collect();
    assert_eq!(lines.len(), 2, "done and not-done: {lines:?}");
    let command = format!("effect resolve {} ", effect.id);
    assert!(
        lines.iter().all(|line| line.contains(&command)),
        "{lines:?}"
    );
    let claimed = shop.claimed().await;
    refused("carried out right now").await;
    let step = [(claimed, later())];
    store.acknowledge(&step, today()).await.unwrap();
    assert!(!say().await.unwrap().corrected);
    shop.settle().await;
    let keys = shop.keys(subject).await;
    let done = format!("{}:outcome:done", effect.key);
    assert!(keys.contains(&done), "{keys:?}");
    assert_eq!(tasks(&shop).await, [""; 0]);
    refused("already").await;
}

/// However often it failed, it reached nobody.
#[tokio::test]
async fn what_is_not_in_doubt_is_nobodys_to_resolve() {
    let shop = Shop::open().await;
    let (_, _, effect) = sending(&shop).await;
    let store = shop.store();
    let later = AttemptResult::RetryLater {
        after: 600.0,
        attempt: true,
        error: "503".to_owned(),
    };
    let (id, step) = (effect.id, [(effect, later)]);
    store.acknowledge(&step, today()).await.unwrap();
    sqlx::query("UPDATE effects SET attempts = 30")
        .execute(shop.pool())
        .await
        .unwrap();
    let answer = store.resolve_effect(id, true, "seen", "ken", today()).await;
    assert!(matches!(answer, Err(StoreError::Refused(_))), "{answer:?}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_stored_keeps_no_other_from_being_stored() {
    let shop = Shop::open().await;
    shop.shipped("A").await;
    shop.shipped("B").await;
    sqlx::raw_sql("ALTER TABLE facts ADD CHECK (kind <> 'outcome' OR body ->> 'id' <> 'poison')")
        .execute(shop.pool())
        .await
        .unwrap();
    let owned = shop.owned("shop").await;
    let claimed = shop.store().claim_effects(&owned, 10, 60).await.unwrap();
    assert_eq!(claimed.len(), 2);
    let answered = |effect: &ClaimedEffect, id: &str| {
        let outcome = OutcomeFact {
            intent: effect.key.clone(),
            verdict: Verdict::Done,
            id: Some(id.to_owned()),
            code: None,
            message: String::new(),
        };
        (effect.clone(), AttemptResult::Finished { outcome })
    };
    let both = [
        answered(&claimed[0], "poison"),
        answered(&claimed[1], "ful_1\0"),
    ];
    shop.store().acknowledge(&both, today()).await.unwrap();
    let stored = "SELECT count(*) FROM facts WHERE kind = 'outcome' AND body ->> 'id' = 'ful_1'";
    assert_eq!(shop.number(stored).await, 1, "cleaned");
    assert_eq!(
        shop.number("SELECT count(*) FROM effects WHERE state = 'leased'")
            .await,
        1
    );
}

/// The row that knew of the first send is lost, and the call is planned again.
#[tokio::test]
async fn after_a_set_back_a_call_may_have_been_sent_first_in_any_window_that_was_lost() {
    let shop = Shop::open().await;
    let subject = shop.allocated("A").await;
    let reference = shop.instructed(subject).await;
    let lift = "UPDATE recovery SET phase = 'none', lifted_at = hk_now()";
    for (since, now) in [(-120, 0), (-10, 20)] {
        shop.clock(now).await;
        shop.store()
            .begin_recovery(at(since), &[], "restored", "ken", false)
            .await
            .unwrap();
        sqlx::query(lift).execute(shop.pool()).await.unwrap();
    }
    let mut told = page(1, Vec::new());
    told.facts.push(parcel(&reference, 1, 1));
    shop.pull("wms", &told).await;
    shop.settle().await;
    let effect = shop.claimed().await;
    assert_eq!((effect.sends, effect.first_sent_at), (0, None));
    assert_eq!(effect.loss_risk, LossRisk::Possible);
    assert_eq!(
        effect.lost_since,
        Some(at(-120)),
        "the second window is younger than the first, in which it may have been sent"
    );
    // An order that came later has no part in it.
    let owned = shop.owned("shop").await;
    shop.store()
        .acknowledge(&[finished(&effect, Verdict::Done)], today())
        .await
        .unwrap();
    sqlx::query("UPDATE subjects SET created_at = $1")
        .bind(at(30))
        .execute(shop.pool())
        .await
        .unwrap();
    shop.settle().await;
    let next = shop.store().claim_effects(&owned, 10, 60).await.unwrap();
    let next: Vec<_> = next.iter().map(|e| (e.loss_risk, e.lost_since)).collect();
    assert_eq!(next, [(LossRisk::None, None)]);
}

#[tokio::test]
async fn what_is_to_be_looked_up_stays_so_until_it_ends() {
    let shop = Shop::open().await;
    let (_, owned, effect) = sending(&shop).await;
    assert!(!effect.look);
    let asked = |effect: &ClaimedEffect, look| {
        let unclear = AttemptResult::OutcomeUnknown {
            after: 0.0,
            look,
            error: "x".to_owned(),
        };
        [(effect.clone(), unclear)]
    };
    let store = shop.store();
    store
        .acknowledge(&asked(&effect, true), today())
        .await
        .unwrap();
    let again = shop.claimed().await;
    assert!(again.look && again.outcome_unknown);
    store
        .mark_sending(&owned, &to_send(&again), 60)
        .await
        .unwrap();
    store
        .acknowledge(&asked(&again, false), today())
        .await
        .unwrap();
    assert!(shop.claimed().await.look);
}

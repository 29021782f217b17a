//! What names somebody goes when it has served, and what is still needed stays.

use hikiate::daemon::purge_step;
use hikiate::policy::Retention;
use hikiate::store::{IncomingBad, IncomingPage, Purged, Source, StoreError};
use hikiate_sdk::{BadRecord, PaymentRef, PaymentSnapshot};

use super::quarantine::paid;
use crate::support::shop::{Shop, at, order, page, parcel, payments};
use crate::support::traces;

pub(super) const DAY: i64 = 24 * 60;

/// What is in every order's address and in no other table.
pub(super) const ADDRESS: [&str; 2] = ["千代田1-1", "03-1234-5678"];

/// Orders that were read at the first minute and planned.
async fn shop_with(orders: &[&str]) -> Shop {
    let shop = Shop::open().await;
    let orders = orders.iter().map(|id| order(id, 1)).collect();
    shop.pull("shop", &page(0, orders)).await;
    shop.settle().await;
    shop
}

/// The order has ended at that minute.
pub(super) async fn ended(shop: &Shop, id: &str, minute: i64) -> i64 {
    let subject = shop.subject(id).await;
    sqlx::query("UPDATE subjects SET closed_at = $2, plan_at = NULL WHERE id = $1")
        .bind(subject)
        .bind(at(minute))
        .execute(shop.pool())
        .await
        .unwrap();
    subject
}

pub(super) async fn purge(shop: &Shop, day: i64) -> Purged {
    // A minute more: what is just as old as it is kept stays.
    shop.clock(day * DAY + 1).await;
    shop.store().purge(&Retention::default()).await.unwrap()
}

async fn rows(shop: &Shop, table: &'static str, subject: i64) -> i64 {
    let sql = format!("SELECT count(*) FROM {table} WHERE subject_id = $1");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .bind(subject)
        .fetch_one(shop.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn each_table_loses_what_is_older_than_it_is_kept_and_an_open_order_nothing() {
    let shop = shop_with(&["A", "B"]).await;
    let a = ended(&shop, "A", DAY).await;
    let b = shop.subject("B").await;
    sqlx::query("INSERT INTO receiver_names (subject_id, group_key, version, name, stored_at) VALUES ($1, '1', 1, '別名', hk_now())")
        .bind(a)
        .execute(shop.pool())
        .await
        .unwrap();
    assert_eq!(purge(&shop, 29).await, Purged::default());
    let raw = Purged {
        raw: 1,
        ..Purged::default()
    };
    assert_eq!(purge(&shop, 30).await, raw);
    assert_eq!(rows(&shop, "raw_payloads", a).await, 0);
    assert_eq!(purge(&shop, 180).await, Purged::default());
    assert_eq!(rows(&shop, "personal", a).await, 1);
    let all = Purged {
        orders: 1,
        personal: 2,
        ..Purged::default()
    };
    assert_eq!(purge(&shop, 181).await, all);
    assert_eq!(purge(&shop, 4_000).await, Purged::default(), "once");
    for table in ["personal", "receiver_names", "raw_payloads"] {
        assert_eq!(rows(&shop, table, a).await, 0, "{table}");
    }
    for table in ["personal", "raw_payloads"] {
        assert_eq!(rows(&shop, table, b).await, 1, "{table} of the open order");
    }
    assert_eq!(shop.keys(a).await, shop.keys(b).await, "facts stay");
    assert_eq!(rows(&shop, "latest_observations", a).await, 1);
}

#[tokio::test]
async fn an_order_that_goes_on_keeps_what_it_has_and_ends_anew() {
    let shop = shop_with(&["A"]).await;
    let a = ended(&shop, "A", 0).await;
    shop.clock(100 * DAY).await;
    // A plan that finds it open takes the end back.
    sqlx::query("UPDATE subjects SET closed_at = NULL, plan_at = hk_now() WHERE id = $1")
        .bind(a)
        .execute(shop.pool())
        .await
        .unwrap();
    shop.settle().await;
    assert_eq!(purge(&shop, 200).await, Purged::default());
    ended(&shop, "A", 200 * DAY).await;
    assert_eq!(purge(&shop, 379).await.orders, 0);
    assert_eq!(purge(&shop, 380).await.orders, 1);
}

/// News that no plan has read yet may open the order again.
#[tokio::test]
async fn an_ended_order_with_news_keeps_its_address_until_it_is_planned_and_a_later_timer_keeps_nothing()
 {
    let shop = shop_with(&["A", "B", "C"]).await;
    let a = ended(&shop, "A", 0).await;
    let timed = ended(&shop, "B", 0).await;
    let failing = ended(&shop, "C", 0).await;
    let set = async |sql: &'static str, id: i64| {
        sqlx::query(sql)
            .bind(id)
            .execute(shop.pool())
            .await
            .unwrap();
    };
    set(
        "UPDATE subjects SET plan_class = 1, plan_at = hk_now() + interval '900 days' WHERE id = $1",
        timed,
    )
    .await;
    set(
        "UPDATE subjects SET plan_class = 1, plan_fails = 3, plan_at = hk_now() + interval '900 days' WHERE id = $1",
        failing,
    )
    .await;
    shop.clock(181 * DAY).await;
    let news = page(181 * DAY, vec![order("A", 2)]);
    assert_eq!(shop.pull("shop", &news).await.new_facts, 1);
    let done = purge(&shop, 181).await;
    assert_eq!((done.orders, done.personal), (1, 1), "the timer's");
    assert_eq!(rows(&shop, "personal", timed).await, 0);
    assert_eq!(rows(&shop, "personal", failing).await, 1, "it is a task");
    shop.settle().await;
    assert_eq!(rows(&shop, "personal", a).await, 1);
    let open = "SELECT count(*) FROM subjects WHERE external_id = 'A' AND closed_at IS NULL AND purged_at IS NULL";
    assert_eq!(shop.number(open).await, 1, "the plan opened it again");
}

#[tokio::test]
async fn a_queued_call_keeps_the_address_and_lost_commits_keep_everything() {
    let shop = shop_with(&["A"]).await;
    let a = ended(&shop, "A", 0).await;
    sqlx::query(
        "WITH intent AS (
           INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
           VALUES ($1, 'mail:1', 'intent', 'intent', 1, '{}', hk_now(), hk_now(), hk_now(), '2026-11-21', 'test') RETURNING id)
         INSERT INTO effects (subject_id, account_id, op, intent_id, lane, state, due_at, body) SELECT $1, $2, 'mail', id, 1, 'unresolved', hk_now(), 'to: A' FROM intent",
    )
    .bind(a)
    .bind(shop.account("shop"))
    .execute(shop.pool())
    .await
    .unwrap();
    let raw = Purged {
        raw: 1,
        ..Purged::default()
    };
    assert_eq!(purge(&shop, 200).await, raw, "the mail may be asked about");
    let refused = shop.store().erase(a).await;
    assert!(
        matches!(&refused, Err(StoreError::Refused(why)) if why.contains("effect list")),
        "{refused:?}"
    );
    sqlx::query("DELETE FROM effects")
        .execute(shop.pool())
        .await
        .unwrap();
    sqlx::query("UPDATE recovery SET phase = 'suspected'")
        .execute(shop.pool())
        .await
        .unwrap();
    // A payment that nobody has claimed for long.
    sqlx::query("INSERT INTO stray_payments (account_id, key, body, seen_at) VALUES ($1, 'pay-X', '{}', hk_now() - interval '99 days')")
        .bind(shop.account("shop"))
        .execute(shop.pool())
        .await
        .unwrap();
    assert_eq!(purge(&shop, 201).await, Purged::default());
    assert!(matches!(
        shop.store().erase(a).await,
        Err(StoreError::Refused(_))
    ));
    sqlx::query("UPDATE recovery SET phase = 'none'")
        .execute(shop.pool())
        .await
        .unwrap();
    let done = purge(&shop, 201).await;
    assert_eq!((done.orders, done.payments), (1, 1));
}

/// Whom the money is to go back to is known until it has.
#[tokio::test]
async fn what_is_owed_to_a_customer_keeps_an_address_from_being_erased_on_demand() {
    let shop = shop_with(&["A"]).await;
    let a = ended(&shop, "A", 0).await;
    let task = |kind: &'static str| {
        sqlx::query(
            "INSERT INTO tasks (subject_id, kind, detail, since) VALUES ($1, $2, 'x', hk_now())",
        )
        .bind(a)
        .bind(kind)
        .execute(shop.pool())
    };
    task("over_shipped").await.unwrap();
    task("over_captured").await.unwrap();
    let refused = shop.store().erase(a).await;
    assert!(
        matches!(&refused, Err(StoreError::Refused(why)) if why.contains("task over_captured")),
        "{refused:?}"
    );
    let would = shop.store().would_erase(&[a], &[]).await.unwrap();
    assert_eq!((would.erased.len(), would.refused.len()), (0, 1));
    sqlx::query("DELETE FROM tasks WHERE kind = 'over_captured'")
        .execute(shop.pool())
        .await
        .unwrap();
    assert_eq!(shop.store().erase(a).await.unwrap().purged.orders, 1);
}

/// A daemon that was not restarted keeps addresses as long as its own configuration says, which is no longer the one in force.
#[tokio::test]
async fn a_daemon_whose_configuration_is_not_in_force_deletes_nothing() {
    let shop = shop_with(&["A"]).await;
    ended(&shop, "A", 0).await;
    shop.clock(181 * DAY).await;
    let in_force = async |policy: &'static [u8]| {
        let document = serde_json::json!({});
        let started = shop.store().activate_policy(policy, &document, &[]);
        started.await.unwrap();
    };
    in_force(b"another").await;
    assert_eq!(purge_step(&shop.engine).await.unwrap(), Purged::default());
    in_force(b"policy").await;
    assert_eq!(purge_step(&shop.engine).await.unwrap().orders, 1);
}

#[tokio::test]
async fn a_kind_that_fails_keeps_no_other_from_being_deleted_and_what_was_deleted_is_counted() {
    let shop = shop_with(&["A", "B"]).await;
    let a = ended(&shop, "A", 0).await;
    let b = ended(&shop, "B", 100 * DAY).await;
    sqlx::query("INSERT INTO stray_payments (account_id, key, body, seen_at) SELECT $1, 'pay-' || n, '{}', hk_now() FROM generate_series(1, 501) n")
        .bind(shop.account("shop"))
        .execute(shop.pool())
        .await
        .unwrap();
    let refusing = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN IF OLD.subject_id = {b} THEN RAISE EXCEPTION 'a broken page'; END IF; RETURN OLD; END $$"
    );
    sqlx::query(sqlx::AssertSqlSafe(refusing))
        .execute(shop.pool())
        .await
        .unwrap();
    sqlx::query("CREATE TRIGGER refuse BEFORE DELETE ON raw_payloads_rest FOR EACH ROW EXECUTE FUNCTION refuse()")
        .execute(shop.pool())
        .await
        .unwrap();
    shop.clock(190 * DAY).await;
    let mut done = Purged::default();
    let failed = shop
        .store()
        .purge_into(&Retention::default(), &mut done)
        .await;
    assert!(failed.is_err(), "the raw bytes of B");
    let expected = Purged {
        orders: 1,
        personal: 1,
        raw: 1,
        payments: 501,
        ..Purged::default()
    };
    assert_eq!(done, expected);
    assert_eq!(rows(&shop, "personal", a).await, 0);
    assert_eq!(rows(&shop, "raw_payloads", b).await, 1);
}

#[tokio::test]
async fn raw_bytes_that_somebody_holds_are_passed_over() {
    let shop = shop_with(&["A", "B"]).await;
    let a = ended(&shop, "A", 0).await;
    let b = ended(&shop, "B", 0).await;
    let mut holding = shop.pool().begin().await.unwrap();
    sqlx::query("SELECT FROM raw_payloads WHERE subject_id = $1 FOR UPDATE")
        .bind(a)
        .execute(&mut *holding)
        .await
        .unwrap();
    assert_eq!(purge(&shop, 40).await.raw, 1, "and nobody is waited for");
    assert_eq!(rows(&shop, "raw_payloads", b).await, 0);
    holding.rollback().await.unwrap();
    assert_eq!(purge(&shop, 40).await.raw, 1);
    assert_eq!(rows(&shop, "raw_payloads", a).await, 0);
}

/// What is deleted where only orders are.
const ORDERS_ONLY: Retention = Retention {
    raw: None,
    personal: Some(chrono::TimeDelta::days(180)),
    quarantine: None,
};

fn purged_orders(n: u64) -> Purged {
    Purged {
        orders: n,
        personal: n,
        raw: n,
        ..Purged::default()
    }
}

/// 250 orders that ended 200 days ago.
async fn many_ended() -> Shop {
    let names: Vec<String> = (0..250).map(|n| format!("A{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let shop = shop_with(&names).await;
    sqlx::query("UPDATE subjects SET closed_at = created_at, plan_at = NULL")
        .execute(shop.pool())
        .await
        .unwrap();
    shop.clock(200 * DAY).await;
    shop
}

/// Who finds few left has met all the others locked or gone: whoever locked them deletes them.
#[tokio::test]
async fn two_daemons_share_the_work() {
    let shop = many_ended().await;
    let (one, two) = tokio::join!(
        shop.store().purge(&ORDERS_ONLY),
        shop.store().purge(&ORDERS_ONLY)
    );
    let mut both = one.unwrap();
    both += two.unwrap();
    assert_eq!(both, purged_orders(250), "each once, and none is left");
}

#[tokio::test]
async fn what_one_daemon_has_claimed_the_other_passes_over() {
    let shop = many_ended().await;
    let mut one = shop.pool().begin().await.unwrap();
    sqlx::query("SELECT id FROM subjects WHERE kind = 'order' ORDER BY closed_at, id LIMIT 80 FOR NO KEY UPDATE")
        .execute(&mut *one)
        .await
        .unwrap();
    let two = shop.store().purge(&ORDERS_ONLY).await.unwrap();
    assert_eq!(two, purged_orders(170));
    // It dies before it commits.
    one.rollback().await.unwrap();
    let rest = shop.store().purge(&ORDERS_ONLY).await.unwrap();
    assert_eq!(rest, purged_orders(80));
}

#[tokio::test]
async fn the_bytes_of_a_wave_go_with_the_last_of_its_orders_and_its_hash_stays() {
    let shop = shop_with(&["A", "B"]).await;
    let wave = wave_of(&shop, &["A", "B"]).await;
    let a = ended(&shop, "A", DAY).await;
    assert_eq!(purge(&shop, 181).await.batches, 0, "of an open order too");
    assert_eq!(shop.store().erase(a).await.unwrap().waves, ["wave-1"]);
    ended(&shop, "B", 190 * DAY).await;
    assert_eq!(purge(&shop, 369).await.batches, 0);
    let done = purge(&shop, 370).await;
    assert_eq!((done.orders, done.batches), (1, 1));
    let left: (bool, Vec<u8>) =
        sqlx::query_as("SELECT body IS NULL, hash FROM batches WHERE subject_id = $1")
            .bind(wave)
            .fetch_one(shop.pool())
            .await
            .unwrap();
    assert_eq!(left, (true, b"hash".to_vec()));
    let journal = sqlx::query("UPDATE batches SET kind = 'journal'")
        .execute(shop.pool())
        .await;
    assert!(journal.is_err(), "journals are books: {journal:?}");
}

/// A shipment whose reply is awaited keeps its wave open long after its order has ended by hand; the bytes serve nobody then.
#[tokio::test]
async fn the_bytes_of_a_wave_of_ended_orders_are_erased_unless_they_may_be_sent_again() {
    let shop = shop_with(&["A"]).await;
    let wave = wave_of(&shop, &["A"]).await;
    sqlx::query("UPDATE subjects SET closed_at = NULL, plan_at = hk_now() + interval '3 days' WHERE id = $1")
        .bind(wave)
        .execute(shop.pool())
        .await
        .unwrap();
    let a = ended(&shop, "A", 0).await;
    let state = async |state: &'static str| {
        let set = sqlx::query("UPDATE batches SET state = $2 WHERE subject_id = $1");
        set.bind(wave)
            .bind(state)
            .execute(shop.pool())
            .await
            .unwrap();
    };
    state("sealed").await;
    let left = shop.store().erase(a).await.unwrap();
    assert_eq!(
        (left.waves, left.unsettled),
        (vec![], vec!["wave-1".to_owned()])
    );
    assert_eq!(left.purged.batches, 0);
    state("done").await;
    let done = shop.store().erase(a).await.unwrap();
    assert_eq!((done.waves, done.unsettled), (vec![], vec![]));
    assert_eq!(done.purged.batches, 1);
}

/// A wave that was sent and is done, with the orders' shipments.
pub(super) async fn wave_of(shop: &Shop, orders: &[&str]) -> i64 {
    wave_no(shop, 1, orders).await
}

/// The wave of that number.
pub(super) async fn wave_no(shop: &Shop, n: i32, orders: &[&str]) -> i64 {
    let wave: i64 = sqlx::query_scalar(
        "WITH subject AS (
           INSERT INTO subjects (kind, account_id, external_id, number, status, created_at, closed_at)
           VALUES ('batch', $1, 'wave-' || $3, 'HB' || $3, 'done', hk_now(), hk_now()) RETURNING id)
         INSERT INTO batches (subject_id, account_id, location_id, kind, period, batch_no, state, seal_at, sealed_at, body, hash)
         SELECT id, $1, $2, 'instruct', 'p', $3::int, 'done', hk_now(), hk_now(), 'A, B', 'hash' FROM subject RETURNING subject_id",
    )
    .bind(shop.account("wms"))
    .bind(shop.engine.directory.location("tokyo").unwrap().id)
    .bind(n.to_string())
    .fetch_one(shop.pool())
    .await
    .unwrap();
    for (row, id) in orders.iter().enumerate() {
        sqlx::query(
            "INSERT INTO shipments (reference, subject_id, account_id, location_id, batch_id, row_no, state, release_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'instructed', hk_now())",
        )
        .bind(format!("S{n}-{id}"))
        .bind(shop.subject(id).await)
        .bind(shop.account("wms"))
        .bind(shop.engine.directory.location("tokyo").unwrap().id)
        .bind(wave)
        .bind(i32::try_from(row).unwrap())
        .execute(shop.pool())
        .await
        .unwrap();
    }
    wave
}

pub(super) fn bad(raw: &str, minute: i64) -> IncomingPage {
    let mut told = page(minute, Vec::new());
    told.bad.push(IncomingBad::new(
        BadRecord::new(Some("A".into()), format!("“{raw}” is not a number"))
            .because("the total is not a number"),
        Source {
            raw: raw.as_bytes().to_vec(),
            file: None,
        },
    ));
    told
}

#[tokio::test]
async fn a_settled_record_goes_and_a_dismissed_one_stays_dismissed() {
    let shop = Shop::open().await;
    let list = async || shop.store().list_quarantine().await.unwrap();
    shop.pull("shop", &bad("one", 0)).await;
    shop.pull("shop", &bad("two", 0)).await;
    let ids: Vec<i64> = list().await.iter().map(|row| row.id).collect();
    assert_eq!(purge(&shop, 100).await, Purged::default(), "not settled");
    for id in &ids {
        let dismissed = shop.store().dismiss_quarantined(*id, "ops", "known");
        dismissed.await.unwrap();
    }
    shop.clock(180 * DAY).await;
    shop.pull("shop", &bad("two", 180 * DAY)).await;
    assert_eq!(purge(&shop, 190).await, Purged::default());
    assert_eq!(purge(&shop, 191).await, records(2));
    assert_eq!(purge(&shop, 191).await, Purged::default());
    assert!(shop.store().quarantine_row(ids[0]).await.is_err());
    let raw = async || shop.store().quarantined(ids[1]).await.unwrap().raw;
    assert_eq!(raw().await, b"", "its bytes are gone");
    let reason = shop.store().quarantine_row(ids[1]).await.unwrap().reason;
    assert!(reason.starts_with("“…” is not a number; "), "{reason}");
    shop.pull("shop", &bad("two", 192 * DAY)).await;
    assert_eq!(list().await.len(), 0, "it is still dismissed");
    assert_eq!(raw().await, b"", "and they do not come back");
    assert_eq!(purge(&shop, 300).await, records(1), "nobody told it again");
}

/// In a shifted row a name stands where the id or the code belongs.
#[tokio::test]
async fn what_a_dismissed_record_has_for_an_id_goes_with_its_bytes_unless_something_is_stored_under_it()
 {
    let shop = shop_with(&["A"]).await;
    shop.count("TEA", 1, 0).await;
    let told = |id: &str, part: &str, minute| {
        let mut told = page(minute, Vec::new());
        let bad = BadRecord::new(Some(id.into()), format!("“{id}” is in the wrong column"));
        let source = Source {
            raw: format!("{id},{part}").into_bytes(),
            file: None,
        };
        let bad = bad.of_part(format!("parcel line {part} number ?"));
        told.bad.push(IncomingBad::new(bad, source));
        told
    };
    let rows = [
        ("shop", "A", "1"),
        ("shop", "髙橋 一郎", "1"),
        ("wms", "TEA", "山田 太郎"),
        ("wms", "髙橋 一郎", "山田 太郎"),
    ];
    let tell = async |minute| {
        for (account, id, part) in rows {
            shop.pull(account, &told(id, part, minute)).await;
        }
    };
    let open = async || shop.store().list_quarantine().await.unwrap();
    let names = ["髙橋 一郎", "髙橋一郎", "山田 太郎", "山田太郎"];
    let named = async || traces(shop.pool(), &names).await;
    tell(0).await;
    for row in open().await {
        let dismissed = shop.store().dismiss_quarantined(row.id, "ops", "known");
        dismissed.await.unwrap();
    }
    shop.clock(90 * DAY).await;
    tell(90 * DAY).await;
    assert_ne!(named().await, [""; 0]);
    assert_eq!(purge(&shop, 91).await.quarantine, 4);
    assert_eq!(named().await, [""; 0]);
    let ids: Vec<Option<String>> =
        sqlx::query_scalar("SELECT external_id FROM quarantine ORDER BY id")
            .fetch_all(shop.pool())
            .await
            .unwrap();
    assert_eq!(
        ids,
        [Some("A".to_owned()), None, Some("TEA".to_owned()), None]
    );
    tell(92 * DAY).await;
    assert_eq!(open().await.len(), 0, "all are still dismissed");
    assert_eq!(named().await, [""; 0], "and no name comes back");
    assert_eq!(purge(&shop, 93).await.quarantine, 0, "it is done once");
}

/// Reasons of before have values as Rust's debug output writes them.
#[tokio::test]
async fn a_reason_loses_the_values_that_it_quotes_in_todays_marks_and_in_those_of_before() {
    let shop = Shop::open().await;
    for (reason, left) in [
        ("“山田 \"太郎\" 様” is no number", "“…” is no number"),
        ("column 数量: “山田 太", "column 数量: “…”"),
        ("\"山田\" and \"太郎\" differ", "“…” and “…” differ"),
        (r#""山田 \"太郎\" 様" is no number"#, "“…” is no number"),
        (r#""C:\\山田\\" is no folder"#, "“…” is no folder"),
        (r#"row 2: "山田 \"太"#, "row 2: “…”"),
        (r#"row 2: "山田 \"#, "row 2: “…”"),
        ("row 2 is blank", "row 2 is blank"),
    ] {
        let without: String = sqlx::query_scalar("SELECT hk_without_values($1)")
            .bind(reason)
            .fetch_one(shop.pool())
            .await
            .unwrap();
        assert_eq!(without, left, "{reason}");
    }
}

fn records(rows: u64) -> Purged {
    Purged {
        quarantine: rows,
        ..Purged::default()
    }
}

#[tokio::test]
async fn a_purged_order_that_is_shown_again_brings_nothing_of_anybody() {
    let shop = shop_with(&["A"]).await;
    let a = ended(&shop, "A", 0).await;
    assert_eq!(purge(&shop, 181).await.orders, 1);
    assert_eq!(traces(shop.pool(), &ADDRESS).await, [""; 0]);
    // The same, as a whole resync shows it.
    let same = shop
        .pull("shop", &page(181 * DAY, vec![order("A", 1)]))
        .await;
    assert_eq!((same.new_facts, same.unchanged), (0, 1));
    // Another address, which cannot be compared any more.
    let mut moved = order("A", 1);
    moved.personal.buyer.address1 = "大手町9-9".into();
    for party in moved.personal.ship_to.values_mut() {
        party.address1 = "大手町9-9".into();
    }
    moved.raw = "order A 大手町9-9".as_bytes().to_vec();
    let moved = shop.pull("shop", &page(182 * DAY, vec![moved])).await;
    assert_eq!(moved.new_facts, 0);
    // Another quantity is news, without anybody in it.
    let news = shop
        .pull("shop", &page(183 * DAY, vec![order("A", 2)]))
        .await;
    assert_eq!(news.new_facts, 1);
    shop.settle().await;
    let broken = bad("order A 千代田1-1", 184 * DAY);
    shop.pull("shop", &broken).await;
    let mut words = ADDRESS.to_vec();
    words.push("大手町9-9");
    assert_eq!(traces(shop.pool(), &words).await, [""; 0]);
    let versions: Vec<i32> = sqlx::query_scalar(
        "SELECT (body ->> 'personal_version')::int FROM facts WHERE subject_id = $1 AND kind = 'order' ORDER BY id",
    )
    .bind(a)
    .fetch_all(shop.pool())
    .await
    .unwrap();
    assert_eq!(versions, [1, 1]);
    let id = shop.store().list_quarantine().await.unwrap()[0].id;
    assert_eq!(shop.store().quarantined(id).await.unwrap().raw, b"");
}

/// It is planned like an order of which no address is known and none will be: units that it cannot ship are for others.
#[tokio::test]
async fn what_is_added_to_a_purged_order_is_a_task_and_takes_no_units() {
    let shop = Shop::open().await;
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    shop.settle().await;
    let taken = "SELECT coalesce(sum(qty), 0)::bigint FROM reservations";
    assert_eq!(shop.number(taken).await, 1);
    let a = ended(&shop, "A", 0).await;
    assert_eq!(purge(&shop, 181).await.orders, 1);
    shop.pull("shop", &page(182 * DAY, vec![order("A", 2)]))
        .await;
    shop.settle().await;
    assert_eq!(shop.status(a).await, "unallocated");
    let tasks = shop.store().list_tasks().await.unwrap();
    let kinds: Vec<&str> = tasks.iter().map(|task| task.kind.as_str()).collect();
    assert!(kinds.contains(&"personal_data_purged"), "{tasks:?}");
    assert_eq!(shop.number(taken).await, 0);
    let waiting = "SELECT count(*) FROM shipments WHERE state = 'waiting'";
    assert_eq!(shop.number(waiting).await, 0);
}

/// Bytes of ship confirmations and payments may name somebody too.
#[tokio::test]
async fn reports_about_a_purged_order_are_facts_without_their_bytes() {
    let shop = Shop::with_provider().await;
    let reading = |captured| PaymentSnapshot {
        captured,
        ..paid("pay-A")
    };
    let mut told = order("A", 1);
    told.fact.order.tenders[0].provider = Some(PaymentRef::by_key("pay-A"));
    let directory = &shop.engine.directory;
    told.payments = directory.payment_names(shop.account("shop"), &told.fact.order);
    shop.count("TEA", 5, 0).await;
    shop.pull("shop", &page(0, vec![told])).await;
    shop.pull("stripe", &payments(0, vec![reading(0)])).await;
    shop.settle().await;
    let a = shop.subject("A").await;
    let reference = shop.instructed(a).await;
    ended(&shop, "A", 0).await;
    purge(&shop, 181).await;
    let mut shipped = page(181 * DAY, Vec::new());
    shipped.facts.push(parcel(&reference, 1, 181 * DAY));
    assert_eq!(shop.pull("wms", &shipped).await.new_facts, 1);
    let paid = payments(181 * DAY, vec![reading(1_000)]);
    assert_eq!(shop.pull("stripe", &paid).await.new_facts, 1);
    assert_eq!(rows(&shop, "raw_payloads", a).await, 0);
}

#[tokio::test]
async fn erasing_takes_settled_records_and_the_wave_of_ended_orders_and_says_what_is_left() {
    let shop = shop_with(&["A", "B"]).await;
    let a = shop.subject("A").await;
    wave_of(&shop, &["A"]).await;
    let open = shop.store().erase(a).await;
    assert!(
        matches!(&open, Err(StoreError::Refused(why)) if why.contains("still open") && why.contains("order end")),
        "{open:?}"
    );
    shop.pull("shop", &bad("one", 0)).await;
    let one = shop.store().list_quarantine().await.unwrap()[0].id;
    shop.store()
        .dismiss_quarantined(one, "ops", "x")
        .await
        .unwrap();
    shop.pull("shop", &bad("two", 0)).await;
    let two = shop.store().list_quarantine().await.unwrap()[0].id;
    ended(&shop, "A", 0).await;
    let b = shop.subject("B").await;
    let expected = Purged {
        orders: 1,
        personal: 1,
        raw: 1,
        words: 0,
        batches: 1,
        quarantine: 1,
        payments: 0,
        files: 0,
    };
    // Twice: the first changes nothing.
    for _ in 0..2 {
        let would = shop.store().would_erase(&[a, b], &[]).await.unwrap();
        assert_eq!((would.erased.len(), would.refused.len()), (1, 1));
        assert_eq!(would.erased[0].purged, expected);
        assert_eq!(would.erased[0].quarantined, [two]);
    }
    let done = shop.store().erase(a).await.unwrap();
    assert_eq!(done.purged, expected);
    assert_eq!((done.waves, done.quarantined), (vec![], vec![two]));
    let again = shop.store().erase(a).await.unwrap();
    let purged = again.purged;
    assert_eq!((purged.personal, purged.raw, purged.batches), (0, 0, 0));
    assert_eq!(rows(&shop, "personal", shop.subject("B").await).await, 1);
}

#[tokio::test]
async fn a_mail_address_names_its_orders_whatever_its_case() {
    let shop = Shop::open().await;
    let with = |id: &str, buyer: &str, receiver: &str| {
        let mut order = order(id, 1);
        order.personal.buyer.email = buyer.to_owned();
        for party in order.personal.ship_to.values_mut() {
            party.email = receiver.to_owned();
        }
        order
    };
    let orders = vec![
        with("A", "Taro@Example.jp", ""),
        with("B", "", "taro@example.jp"),
        with("C", "jiro@example.jp", ""),
    ];
    shop.pull("shop", &page(0, orders)).await;
    let found = shop.store().orders_of_address(" taro@example.JP ").await;
    let ids: Vec<i64> = found.unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [shop.subject("A").await, shop.subject("B").await]);
}

#[tokio::test]
async fn a_domain_in_its_own_script_is_the_one_in_ascii() {
    let shop = Shop::open().await;
    let with = |id: &str, buyer: &str| {
        let mut order = order(id, 1);
        order.personal.buyer.email = buyer.to_owned();
        order
    };
    let orders = vec![with("A", "taro@xn--r8jz45g.jp"), with("B", "Taro@例え.jp")];
    shop.pull("shop", &page(0, orders)).await;
    for mail in ["taro@例え.jp", "taro@XN--r8jz45g.jp"] {
        let found = shop.store().orders_of_address(mail).await.unwrap();
        assert_eq!(found.len(), 2, "{mail}");
    }
}

/// Records of a file in UTF-16 keep its bytes.
#[tokio::test]
async fn an_address_is_found_in_wide_characters() {
    let shop = Shop::open().await;
    for (mark, big) in [([0xff, 0xfe], false), ([0xfe, 0xff], true)] {
        let mut raw = mark.to_vec();
        for unit in "受取人,Taro@Example.jp,髙\r\n".encode_utf16() {
            raw.extend(if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            });
        }
        let mut told = page(0, Vec::new());
        let source = Source { raw, file: None };
        let bad = BadRecord::new(None, "a bad row");
        told.bad.push(IncomingBad::new(bad, source));
        shop.pull("shop", &told).await;
    }
    let done = shop.store().erase_quarantined("taro@example.jp").await;
    assert_eq!(done.unwrap().open.len(), 2);
}

/// Bytes that nobody could decode, in no certain encoding, and of no order.
#[tokio::test]
async fn an_address_is_found_in_the_bytes_of_records_that_name_no_order() {
    let shop = Shop::open().await;
    let told = |raw: &[u8]| {
        let mut told = page(0, Vec::new());
        let source = Source {
            raw: raw.to_vec(),
            file: None,
        };
        let bad = BadRecord::new(None, "not JSON");
        told.bad.push(IncomingBad::new(bad, source));
        told
    };
    let raws: [&[u8]; 4] = [
        b"\x8eR\x93c,Taro@Example.jp\0",
        b"mail=taro%40example.jp&x=1",
        b"jiro@example.jp",
        b"\xff{\"email\": \"taro@example.jp\"",
    ];
    let mut ids = Vec::new();
    for raw in raws {
        shop.pull("shop", &told(raw)).await;
        let all = shop.store().list_quarantine().await.unwrap();
        ids.extend(all.iter().map(|row| row.id).max());
    }
    for id in &ids[..3] {
        let dismissed = shop.store().dismiss_quarantined(*id, "ops", "known");
        dismissed.await.unwrap();
    }
    let mails = ["taro@example.jp", "TARO@example.jp"].map(str::to_owned);
    let would = shop.store().would_erase(&[], &mails).await.unwrap();
    let records = would.records;
    assert_eq!((records.erased, records.open), (2, vec![ids[3]]), "once");
    let done = shop.store().erase_quarantined(" TARO@example.jp").await;
    let done = done.unwrap();
    assert_eq!((done.erased, done.open), (2, vec![ids[3]]));
    let kept: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM quarantine WHERE raw <> '' ORDER BY id")
            .fetch_all(shop.pool())
            .await
            .unwrap();
    assert_eq!(kept, ids[2..]);
    // The same bytes stay out, and bring nothing back.
    shop.pull("shop", &told(raws[0])).await;
    let again = shop.store().erase_quarantined("taro@example.jp").await;
    assert_eq!(again.unwrap().erased, 0);
    sqlx::query("UPDATE recovery SET phase = 'suspected'")
        .execute(shop.pool())
        .await
        .unwrap();
    let refused = shop.store().erase_quarantined("taro@example.jp").await;
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "{refused:?}"
    );
}

/// PostgreSQL's detail quotes the row that it refuses.
#[tokio::test]
async fn what_a_debug_line_says_of_a_refused_row_quotes_nothing_of_it() {
    let shop = shop_with(&["A"]).await;
    let twice = "INSERT INTO personal SELECT subject_id, version, body, stored_at FROM personal";
    let error = sqlx::query(twice).execute(shop.pool()).await.unwrap_err();
    let null = "INSERT INTO personal SELECT subject_id, version + 1, body, NULL FROM personal";
    let quoting = sqlx::query(null).execute(shop.pool()).await.unwrap_err();
    assert!(format!("{quoting:?}").contains("受取人"), "{quoting:?}");
    let places = [error, quoting].map(|error| StoreError::from(error).place());
    assert_eq!(
        places,
        [
            "code 23505, table personal, constraint personal_pkey",
            "code 23502, table personal"
        ]
    );
}

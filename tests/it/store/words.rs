//! What external systems say about an order may repeat its address: it is beside the facts and goes with the address.

use hikiate::facts::FactBody;
use hikiate::store::IncomingPage;
use hikiate_sdk::{InstructionReply, ReplyVerdict};

use super::purge::{ADDRESS, DAY, ended, purge, wave_no, wave_of};
use crate::support::shop::{Shop, order, page, parcel};
use crate::support::{db, traces};

const SAID: &str = "この住所には届きません: 千代田1-1 03-1234-5678";

/// The warehouse rejects a shipment and says why.
fn rejected(reference: &str, minute: i64) -> IncomingPage {
    let mut told = page(minute, Vec::new());
    let mut reply = parcel(reference, 1, minute);
    reply.body = FactBody::Reply(InstructionReply {
        reference: reference.into(),
        verdict: ReplyVerdict::Rejected,
        message: SAID.to_owned(),
        at: None,
    });
    reference.clone_into(&mut reply.series);
    told.facts.push(reply);
    told
}

/// An order whose shipment is instructed.
async fn instructed() -> (Shop, i64, String) {
    let shop = Shop::open().await;
    shop.count("TEA", 10, 0).await;
    shop.pull("shop", &page(0, vec![order("A", 1)])).await;
    shop.settle().await;
    let a = shop.subject("A").await;
    let reference = shop.instructed(a).await;
    (shop, a, reference)
}

async fn in_facts(shop: &Shop) -> bool {
    let found = traces(shop.pool(), &ADDRESS).await;
    found.iter().any(|row| row.starts_with("facts:"))
}

async fn tasks_say(shop: &Shop, what: &str) -> bool {
    let tasks = shop.store().list_tasks().await.unwrap();
    tasks.iter().any(|task| task.detail.contains(what))
}

#[tokio::test]
async fn an_operator_reads_them_no_fact_has_them_and_they_go_with_the_address() {
    let (shop, a, reference) = instructed().await;
    shop.pull("wms", &rejected(&reference, 1)).await;
    shop.settle().await;
    assert!(tasks_say(&shop, SAID).await);
    let shown = shop.store().list_facts(a).await.unwrap();
    let replies: Vec<&str> = shown
        .iter()
        .filter(|fact| fact.key.starts_with("reply:"))
        .map(|fact| fact.body["message"].as_str().unwrap())
        .collect();
    assert_eq!(replies, [SAID]);
    assert!(!in_facts(&shop).await);
    let again = shop.pull("wms", &rejected(&reference, 2)).await;
    assert_eq!(again.new_facts, 0, "the same answer is no news");

    ended(&shop, "A", DAY).await;
    assert_eq!(purge(&shop, 182).await.orders, 1);
    assert_eq!(traces(shop.pool(), &ADDRESS).await, [""; 0]);
    assert!(tasks_say(&shop, "the next plan of the order").await);
    shop.settle().await;
    let tasks = shop.store().list_tasks().await.unwrap();
    let kinds: Vec<&str> = tasks.iter().map(|task| task.kind.as_str()).collect();
    assert_eq!(kinds, ["personal_data_purged"], "it was planned anew");
    // The same once more, and another one of which nothing was known.
    shop.pull("wms", &rejected(&reference, 182 * DAY)).await;
    let mut other = rejected(&reference, 182 * DAY + 1);
    if let FactBody::Reply(reply) = &mut other.facts[0].body {
        reply.message.push('!');
    }
    let news = shop.pull("wms", &other).await;
    assert_eq!(news.new_facts, 1);
    shop.settle().await;
    assert_eq!(traces(shop.pool(), &ADDRESS).await, [""; 0]);
}

/// Bodies of before this release have our words and those of others in one; today's outcomes have only ours.
#[tokio::test]
async fn what_facts_of_before_have_goes_too_and_our_own_words_stay() {
    let (shop, a, _) = instructed().await;
    for (kind, version, body) in [
        ("reply", 1, r#"{ "message": "千代田1-1" }"#),
        ("cancel_reply", 1, r#"{ "message": "千代田1-1" }"#),
        (
            "member",
            1,
            r#"{ "state": { "is": "refused", "message": "千代田1-1" } }"#,
        ),
        (
            "outcome",
            1,
            r#"{ "verdict": "refused", "message": "the external system answered 422: 千代田1-1" }"#,
        ),
        (
            "outcome",
            1,
            r#"{ "verdict": "unknown", "message": "", "code": "no 千代田1-1" }"#,
        ),
        (
            "outcome",
            1,
            r#"{ "verdict": "not_done", "message": "asked by telephone" }"#,
        ),
        (
            "outcome",
            1,
            r#"{ "intent": "mail:shipped", "verdict": "done", "id": "2.0.0 queued for 千代田1-1" }"#,
        ),
        (
            "outcome",
            1,
            r#"{ "intent": "mail:shipped", "verdict": "evidence", "message": "done: ", "id": "千代田1-1" }"#,
        ),
        (
            "outcome",
            1,
            r#"{ "intent": "capture:1", "verdict": "done", "id": "capt_1" }"#,
        ),
        (
            "outcome",
            2,
            r#"{ "verdict": "refused", "message": "40 EUR are refunded in the shop", "code": "refunded_meanwhile" }"#,
        ),
    ] {
        sqlx::query(
            "INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
             VALUES ($1, gen_random_uuid()::text, 'outcome', $2, $3, $4::jsonb, hk_now(), hk_now(), hk_now(), '2026-11-20', 'push')",
        )
        .bind(a)
        .bind(kind)
        .bind(version)
        .bind(body)
        .execute(shop.pool())
        .await
        .unwrap();
    }
    ended(&shop, "A", DAY).await;
    assert_eq!(purge(&shop, 182).await.orders, 1);
    assert_eq!(traces(shop.pool(), &ADDRESS).await, [""; 0]);
    let left: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT body ->> 'message', body ->> 'code' FROM facts WHERE subject_id = $1 AND kind = 'outcome' AND body ->> 'message' <> '' ORDER BY id",
    )
    .bind(a)
    .fetch_all(shop.pool())
    .await
    .unwrap();
    assert_eq!(
        left,
        [
            ("asked by telephone".to_owned(), None),
            (
                "40 EUR are refunded in the shop".to_owned(),
                Some("refunded_meanwhile".to_owned())
            )
        ]
    );
    let made: Vec<serde_json::Value> = sqlx::query_scalar(
        "SELECT body FROM facts WHERE subject_id = $1 AND kind = 'outcome' AND version = 1 AND body ? 'intent' ORDER BY id",
    )
    .bind(a)
    .fetch_all(shop.pool())
    .await
    .unwrap();
    let ids: Vec<Option<String>> = made
        .into_iter()
        .map(|body| match FactBody::read("outcome", 1, body) {
            Ok(FactBody::Outcome(outcome)) => outcome.id,
            other => unreachable!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, [None, None, Some("capt_1".to_owned())]);
}

/// The tables as the migrations before left them: one order is purged, the other is not.
#[tokio::test]
async fn what_was_purged_before_loses_ids_and_quotations_that_name_somebody() {
    let database = db().await;
    let run = async |sql: String| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&database.pool)
            .await
            .unwrap()
    };
    run("DROP SCHEMA public CASCADE; CREATE SCHEMA public".to_owned()).await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let at = files
        .iter()
        .position(|path| path.ends_with("0065_ids_that_name.sql"))
        .unwrap();
    for file in &files[..at] {
        run(std::fs::read_to_string(file).unwrap()).await;
    }
    run(r#"INSERT INTO accounts (slug, connector) VALUES ('shop', 'test');
         INSERT INTO subjects (kind, account_id, external_id, number, created_at, closed_at, purged_at)
         VALUES ('order', 1, 'A', 'HK1', hk_now(), hk_now(), hk_now()), ('order', 1, 'B', 'HK2', hk_now(), NULL, NULL);
         INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
         SELECT s.id, b.body ->> 'intent', 'outcome', 'outcome', 1, b.body, hk_now(), hk_now(), hk_now(), '2026-11-20', 'push' FROM subjects s, (VALUES
           ('{"intent": "mail:shipped", "verdict": "done", "message": "", "id": "queued for <山田@example.jp>"}'::jsonb),
           ('{"intent": "capture:1", "verdict": "done", "message": "", "id": "capt_1"}')) AS b (body);
         INSERT INTO quarantine (account_id, stream, external_id, part, hash, raw, reason, first_at, last_at, resolved_at, dismissed_at)
         VALUES (1, 'orders', '山田', '山田', '1', '', '“…”山田\“…” is no number; dismissed by ops: known', hk_now(), hk_now(), hk_now(), hk_now()),
           (1, 'orders', 'A', NULL, '2', '', 'no JSON', hk_now(), hk_now(), hk_now(), hk_now()),
           (1, 'orders', 'open', 'part', '3', 'raw', 'no JSON', hk_now(), hk_now(), NULL, NULL)"#
        .to_owned())
    .await;
    run(std::fs::read_to_string(&files[at]).unwrap()).await;
    let ids: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT s.external_id, f.body ->> 'id' FROM facts f JOIN subjects s ON s.id = f.subject_id ORDER BY s.id, f.key",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let id = |order: &str, id: Option<&str>| (order.to_owned(), id.map(str::to_owned));
    let capture = Some("capt_1");
    assert_eq!(
        ids,
        [
            id("A", capture),
            id("A", None),
            id("B", capture),
            id("B", Some("queued for <山田@example.jp>"))
        ],
        "an open order keeps what it has"
    );
    let records: Vec<(Option<String>, Option<String>, String)> =
        sqlx::query_as("SELECT external_id, part, reason FROM quarantine ORDER BY id")
            .fetch_all(&database.pool)
            .await
            .unwrap();
    let record = |id: Option<&str>, part: Option<&str>, reason: &str| {
        let text = |text: &str| text.to_owned();
        (id.map(text), part.map(text), reason.to_owned())
    };
    assert_eq!(
        records,
        [
            record(None, None, "“…” is no number; dismissed by ops: known"),
            record(Some("A"), None, "no JSON"),
            record(Some("open"), Some("part"), "no JSON"),
        ]
    );
}

/// A refusal of a whole wave is told to each order in it and may name any of them. One that was also in another wave keeps what it
/// was told of that one.
#[tokio::test]
async fn what_was_said_of_a_wave_goes_with_its_bytes_from_each_of_its_orders() {
    let shop = Shop::open().await;
    shop.pull("shop", &page(0, vec![order("A", 1), order("B", 1)]))
        .await;
    shop.settle().await;
    let a = ended(&shop, "A", DAY).await;
    let b = ended(&shop, "B", DAY).await;
    let wave = wave_of(&shop, &["A", "B"]).await;
    let other = wave_no(&shop, 2, &["B"]).await;
    let refused = r#""verdict": "refused", "message": "refused: “…”""#;
    let member = |wave: i32, version: i16| {
        let message = if version == 1 {
            "千代田1-1"
        } else {
            "“…”"
        };
        let state = format!(r#"{{ "is": "refused", "message": "{message}" }}"#);
        format!(r#"{{ "batch": "wave-{wave}", "reference": "S{wave}-X", "state": {state} }}"#)
    };
    for (subject, kind, version, body) in [
        (wave, "outcome", 2, format!("{{ {refused} }}")),
        (a, "member", 2, member(1, 2)),
        (b, "member", 2, member(1, 2)),
        (b, "member", 1, member(1, 1)),
        (b, "reply", 1, r#"{ "message": "" }"#.to_owned()),
        (b, "member", 2, member(2, 2)),
        (b, "member", 1, member(2, 1)),
        (other, "outcome", 2, format!("{{ {refused} }}")),
    ] {
        sqlx::query(
            "WITH told AS (
               INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, reported_at, recorded_at, business_date, actor)
               VALUES ($1, gen_random_uuid()::text, 'outcome', $2, $3, $4::jsonb, hk_now(), hk_now(), hk_now(), '2026-11-20', 'push')
               RETURNING subject_id, key, kind, version, body)
             INSERT INTO fact_words SELECT subject_id, key, concat_ws(' ', kind, body ->> 'batch', '千代田1-1') FROM told
             WHERE kind <> 'member' OR version = 2",
        )
        .bind(subject)
        .bind(kind)
        .bind(version)
        .bind(body)
        .execute(shop.pool())
        .await
        .unwrap();
    }
    assert_eq!(shop.store().erase(a).await.unwrap().purged.batches, 1);
    let left: Vec<String> = sqlx::query_scalar("SELECT words FROM fact_words ORDER BY words")
        .fetch_all(shop.pool())
        .await
        .unwrap();
    assert_eq!(
        left,
        [
            "member wave-2 千代田1-1",
            "outcome 千代田1-1",
            "reply 千代田1-1"
        ],
        "which are about the other wave or about B alone"
    );
    let inside: Vec<String> = sqlx::query_scalar(
        "SELECT body ->> 'batch' FROM facts WHERE kind = 'member' AND version = 1 AND body #>> '{state,message}' <> ''",
    )
    .fetch_all(shop.pool())
    .await
    .unwrap();
    assert_eq!(inside, ["wave-2"]);
}

//! The wire, the pair interleaver on a bounded number of interleavings, and the faults that it must find.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use hikiate_prove::pairs::{BREAKAGES, Bench, Deed, Mode, Setting, see};
use hikiate_prove::support::{TestDb, db};
use hikiate_prove::wire::{Gate, Go, Round, Wire};
use sqlx::{Connection as _, PgConnection};

/// Cuts the n-th statement, and calls one by another name.
struct Cutter {
    at: usize,
    how: Go,
    seen: AtomicUsize,
}

#[async_trait]
impl Gate for Cutter {
    fn rewrite(&self, sql: &str) -> Option<String> {
        sql.contains("'true'")
            .then(|| sql.replace("'true'", "'broken'"))
    }

    async fn before(&self, _round: &Round) -> Go {
        if self.seen.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            self.how
        } else {
            Go::On
        }
    }
}

async fn through(db: &TestDb, at: usize, how: Go) -> (Wire, PgConnection) {
    let seen = AtomicUsize::new(0);
    let gate = Arc::new(Cutter { at, how, seen });
    let wire = Wire::listen(&db.url.parse().unwrap(), gate).unwrap();
    let connection = PgConnection::connect_with(&wire.options()).await.unwrap();
    (wire, connection)
}

async fn with_notes() -> TestDb {
    let db = db().await;
    sqlx::raw_sql("CREATE TABLE notes (n int)")
        .execute(&db.pool)
        .await
        .unwrap();
    db
}

async fn notes(db: &TestDb) -> Vec<i32> {
    let all = sqlx::query_scalar("SELECT n FROM notes ORDER BY n");
    all.fetch_all(&db.pool).await.unwrap()
}

#[tokio::test]
async fn a_connection_is_cut_before_a_statement_or_after_it() {
    let db = with_notes().await;
    for (n, how) in [(1, Go::CutBefore), (2, Go::CutAfter)] {
        let (_wire, mut connection) = through(&db, 2, how).await;
        let one: i32 = sqlx::query_scalar("SELECT 1")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(one, 1);
        let lost = sqlx::query("INSERT INTO notes VALUES ($1)")
            .bind(n)
            .execute(&mut connection)
            .await;
        assert!(matches!(lost, Err(sqlx::Error::Io(_))), "{lost:?}");
    }
    assert_eq!(notes(&db).await, [2], "carried out, and not heard of");
}

#[tokio::test]
async fn a_transaction_whose_commit_was_not_heard_is_committed() {
    let db = with_notes().await;
    let (_wire, mut connection) = through(&db, 3, Go::CutAfter).await;
    let mut tx = connection.begin().await.unwrap();
    sqlx::query("INSERT INTO notes VALUES (7)")
        .execute(&mut *tx)
        .await
        .unwrap();
    assert!(tx.commit().await.is_err());
    assert_eq!(notes(&db).await, [7]);
}

#[tokio::test]
async fn sql_is_rewritten_on_its_way() {
    let db = db().await;
    let (_wire, mut connection) = through(&db, 0, Go::On).await;
    let simple = sqlx::raw_sql("CREATE TABLE words AS SELECT 'true'::text AS w");
    simple.execute(&mut connection).await.unwrap();
    let word: String = sqlx::query_scalar("SELECT w || 'true' FROM words WHERE length(w) > $1")
        .bind(2)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(word, "brokenbroken");
}

/// Tries some pairs, each as far as the bound.
async fn hold(pairs: &[[Deed; 2]]) {
    let bench = Bench::open(None).await;
    for pair in pairs {
        let setting = Setting {
            pair: *pair,
            most: 12,
            ..Setting::default()
        };
        let done = bench.try_pair(&setting).await;
        if let Some(found) = done.found {
            panic!("{}\n  again: {}", found.told, found.command);
        }
        assert!(done.interleavings > 1, "{pair:?} was hardly tried");
        assert_eq!(done.deadlocks, 0);
    }
}

#[tokio::test]
async fn news_and_plans_meet_in_any_order() {
    use Deed::{Cancel, Mention, Parcel, Plan, Pull, Webhook};
    hold(&[
        [Pull, Webhook],
        [Pull, Plan],
        [Cancel, Plan],
        [Parcel, Plan],
        [Mention, Plan],
    ])
    .await;
}

#[tokio::test]
async fn calls_and_plans_meet_in_any_order() {
    use Deed::{Acknowledge, Claim, Plan, Restart, Withdraw};
    hold(&[
        [Acknowledge, Plan],
        [Withdraw, Claim],
        [Withdraw, Acknowledge],
        [Claim, Claim],
        [Acknowledge, Restart],
    ])
    .await;
}

#[tokio::test]
async fn stock_and_orders_meet_in_any_order() {
    use Deed::{Allocate, Hold, Plan, Snapshot, Vacuum};
    hold(&[
        [Snapshot, Allocate],
        [Allocate, Plan],
        [Hold, Allocate],
        [Vacuum, Allocate],
    ])
    .await;
}

#[tokio::test]
async fn purges_meet_pages_plans_and_each_other_in_any_order() {
    use Deed::{Plan, Pull, Purge};
    hold(&[[Pull, Purge], [Plan, Purge], [Purge, Purge]]).await;
}

/// What is left out does not matter: all interleavings come to the same ends.
#[tokio::test]
async fn what_is_left_out_comes_to_no_other_end() {
    let bench = Bench::open(None).await;
    let (mut ends, mut tried) = (Vec::new(), Vec::new());
    for mode in [Mode::Reduced, Mode::Every] {
        let setting = Setting {
            pair: [Deed::Mention, Deed::Claim],
            mode,
            ..Setting::default()
        };
        let done = bench.try_pair(&setting).await;
        assert!(done.found.is_none() && !done.cut, "{:?}", done.found);
        ends.push(done.ends);
        tried.push(done.interleavings);
    }
    println!("interleavings: {tried:?}");
    assert!(tried[0] < tried[1], "{tried:?}");
    assert_eq!(ends[0], ends[1], "{tried:?}");
}

async fn seen(words: &[&str]) {
    for word in words {
        let breakage = BREAKAGES.iter().find(|b| b.word == *word).unwrap();
        let seen = see(breakage).await;
        let after = seen.after;
        assert!(
            seen.how.is_some(),
            "{word}: not seen in {after} interleavings"
        );
        println!("{word}: seen after {after}");
    }
}

#[tokio::test]
async fn broken_locks_are_seen() {
    seen(&[
        "claim-loads",
        "planner-unlocked",
        "effect-before-order",
        "claim-for-update",
        "page-order",
        "page-unlocked",
        "purge-unlocked",
        "purge-forgotten",
        "words-kept",
    ])
    .await;
}

#[tokio::test]
async fn broken_fences_are_seen() {
    seen(&[
        "cursor-unfenced",
        "one-at-the-claim",
        "withdraw-blind",
        "send-unfenced",
        "decision-unlocked",
    ])
    .await;
}

#[test]
fn every_fault_is_looked_for() {
    let text = include_str!("pairs.rs");
    for breakage in BREAKAGES {
        let word = breakage.word;
        assert!(text.contains(&format!("\"{word}\"")), "{word}");
    }
}

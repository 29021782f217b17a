//! A database that answers and does not serve: it takes no changes, or no connections. It is waited for like one that is away.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use hikiate::store::Store;
use hikiate::store::witness::{self, Kept, Witness};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::Shop;
use super::daemon::Daemon;
use crate::support::{TestDb, db};

/// What is said of a database that takes no changes.
const READ_ONLY: &str = "it takes no changes";

/// A shop on this database, with pages.
fn shop(db: &TestDb) -> Shop {
    let mut shop = Shop::new(Some(&db.url));
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("listen = \"{}\"", free.local_addr().unwrap());
    shop.edit("listen = \"off\"", &listen);
    shop
}

fn is_ready(shop: &Shop) -> bool {
    shop.run(&["health"]).code == Some(0)
}

/// Whether the daemon says that it is not ready for this reason.
fn is_red(shop: &Shop, why: &str) -> bool {
    let ran = shop.run(&["health"]);
    ran.code == Some(1) && ran.err.contains(why)
}

async fn run(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .unwrap();
}

/// Sets or resets that sessions take no changes, and ends all but this one, which began before.
async fn read_only(connection: &mut PgConnection, database: &str, set: bool) {
    let word = if set {
        "SET default_transaction_read_only = on"
    } else {
        "RESET default_transaction_read_only"
    };
    run(connection, format!("ALTER DATABASE {database} {word}")).await;
}

async fn end_sessions(connection: &mut PgConnection, database: &str) {
    let ended = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' AND pid <> pg_backend_pid()"
    );
    run(connection, ended).await;
}

/// A connection to the database beside, and the name of this one.
async fn beside(db: &TestDb) -> (PgConnection, String) {
    let name: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(&db.pool)
        .await
        .unwrap();
    let url = db.url.replace(&format!("/{name}"), "/postgres");
    (PgConnection::connect(&url).await.unwrap(), name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_changes_makes_a_daemon_red_with_one_line_until_it_does() {
    let db = db().await;
    let (mut admin, name) = beside(&db).await;
    let shop = shop(&db);
    let mut daemon = Daemon::start(&shop);
    daemon.until("ready", is_ready);

    let began = Instant::now();
    read_only(&mut admin, &name, true).await;
    end_sessions(&mut admin, &name).await;
    daemon.until("red", |shop| is_red(shop, READ_ONLY));
    shop.run(&["pause", "wh", "--reason", "x"])
        .refused(75, READ_ONLY);
    std::thread::sleep(Duration::from_secs(5));
    assert!(is_red(&shop, READ_ONLY));
    let log = daemon.log();
    let minutes = usize::try_from(began.elapsed().as_secs() / 60).unwrap();
    assert!(log.matches(READ_ONLY).count() <= 1 + minutes, "{log}");
    assert!(!log.contains("a round failed"), "{log}");

    // Its sessions stay: the daemon itself must open others.
    read_only(&mut admin, &name, false).await;
    daemon.until("ready again", is_ready);
    shop.run(&["pause", "wh", "--reason", "x"]).ended(0);
    daemon.stop().ended(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_changes_at_the_start_is_waited_for_and_asked_for_none() {
    let db = db().await;
    let (mut admin, name) = beside(&db).await;
    let shop = shop(&db);
    shop.run(&["migrate"]).ended(0);
    read_only(&mut admin, &name, true).await;
    end_sessions(&mut admin, &name).await;
    // The schema is current: nothing is to be done.
    shop.run(&["migrate"]).ended(0);
    let mut daemon = Daemon::start(&shop);
    daemon.until("red", |shop| is_red(shop, READ_ONLY));
    std::thread::sleep(Duration::from_secs(3));
    let log = daemon.log();
    assert_eq!(log.matches(READ_ONLY).count(), 1, "{log}");
    assert!(!log.contains("CREATE TABLE"), "{log}");
    read_only(&mut admin, &name, false).await;
    daemon.until("ready", is_ready);
    daemon.stop().ended(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_connections_is_waited_for() {
    let db = db().await;
    let (mut admin, name) = beside(&db).await;
    let shop = shop(&db);
    let allow = |yes: bool| format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {yes}");
    run(&mut admin, allow(false)).await;
    shop.run(&["tasks"]).refused(75, "it takes no connections");
    let mut daemon = Daemon::start(&shop);
    daemon.until("red", |shop| is_red(shop, "it takes no connections"));
    run(&mut admin, allow(true)).await;
    daemon.until("ready", is_ready);

    run(&mut admin, allow(false)).await;
    end_sessions(&mut admin, &name).await;
    daemon.until("red later", |shop| is_red(shop, "it takes no connections"));
    run(&mut admin, allow(true)).await;
    daemon.until("ready again", is_ready);
    daemon.stop().ended(0);
}

#[tokio::test]
async fn why_no_connection_can_be_compared_with_the_witness_is_told() {
    let db = db().await;
    let (mut admin, name) = beside(&db).await;
    let dir = tempfile::tempdir().unwrap();
    drop(Witness::open(dir.path()).unwrap());
    // What it says would have to be noted in the database.
    let file = dir.path().join(witness::FILE);
    let length = std::fs::metadata(&file).unwrap().len();
    std::fs::write(&file, vec![7; usize::try_from(length).unwrap()]).unwrap();
    let witness = Witness::open(dir.path()).unwrap();
    assert!(matches!(witness.kept(), Some(Kept::Damaged)));
    read_only(&mut admin, &name, true).await;
    let store = Store::connect_with(&db.url, 1, &witness).unwrap();
    let error = store.now().await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let why = store.connection_error().await.unwrap();
    assert!(why.is_read_only(), "{why}");
    store.close().await;
}

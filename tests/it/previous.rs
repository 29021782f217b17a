//! The previous release's binary beside a database that this version has migrated: what was running goes on.
//!
//! Needs that binary in `HIKIATE_PREVIOUS`; `scripts/previous.sh` builds it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use chrono::{DateTime, Utc};
use hikiate_sdk::sim::{SimClock, skipped};
use sqlx::{PgPool, Row as _};
use tokio::time::{Instant, sleep};

use crate::flow::world::{Setup, World, order};
use crate::support::{TestDb, db};

const PATIENCE: Duration = Duration::from_secs(180);

/// For the migrations of 100,000 orders, on a machine that others use too; alone they take well under a minute.
const UPGRADE: Duration = Duration::from_secs(900);

/// A running daemon, killed when a test fails.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn command(binary: &str, world: &World, database: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HIKIATE_CONFIG", world.dir.path().join("hikiate.toml"))
        .env("DATABASE_URL", database)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// How the daemon is started, by root too where the binary wants that said.
fn run_words(binary: &str) -> &'static [&'static str] {
    let help = Command::new(binary).args(["run", "--help"]).output();
    if String::from_utf8_lossy(&help.unwrap().stdout).contains("--as-root") {
        &["run", "--as-root"]
    } else {
        &["run"]
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn now() -> DateTime<Utc> {
    SimClock::real().now()
}

/// The world's external systems work in real time until this order has left, or not.
async fn shipped(world: &World, id: &str, within: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < within {
        world.clock.set(now());
        world.tokyo.tick(now()).await.unwrap();
        let seen = world.shop.order(id).unwrap();
        if seen.is_shipped() && seen.captures == 1 {
            return true;
        }
        sleep(Duration::from_millis(200)).await;
    }
    false
}

async fn execute(pool: &PgPool, sql: &'static str) {
    sqlx::raw_sql(sql).execute(pool).await.unwrap();
}

/// The previous release's program, or a skipped test.
fn previous(test: &str) -> Option<String> {
    let Ok(previous) = std::env::var("HIKIATE_PREVIOUS") else {
        skipped(
            test,
            "HIKIATE_PREVIOUS names no binary (scripts/previous.sh)",
        );
        return None;
    };
    assert!(Path::new(&previous).is_file(), "{previous} is not there");
    Some(previous)
}

/// A merchant, and an empty database that the previous release itself has migrated.
async fn released(previous: &str) -> (World, TestDb) {
    let world = World::new(Setup {
        more: "[database]\nstate_dir = \"state\"\n",
        ..Setup::default()
    })
    .await;
    // What the previous release does not know; a database that it has worked on counts as begun.
    let known = world
        .toml()
        .replace("begin = \"all\"\n", "")
        .replace("reply_within = \"never\"", "reply_within = \"3d\"");
    fs::write(world.dir.path().join("hikiate.toml"), known).unwrap();
    world.clock.set(now());
    let database = db().await;
    let empty = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
    execute(&database.pool, empty).await;
    let migrated = run(command(previous, &world, &database.url, &["migrate"])).await;
    assert!(migrated.status.success(), "{}", said(&migrated));
    (world, database)
}

async fn told(pool: &PgPool, sql: &'static str) -> Vec<String> {
    let row = sqlx::query(sql).fetch_one(pool).await.unwrap();
    (0..row.len()).map(|at| row.get(at)).collect()
}

/// A year of 274 orders a day. Stored facts are not touched, what is derived from them is the same to the yen.
#[tokio::test]
async fn a_hundred_thousand_orders_of_the_previous_release_are_upgraded_in_minutes() {
    let test = "a_hundred_thousand_orders_of_the_previous_release_are_upgraded_in_minutes";
    let Some(previous) = previous(test) else {
        return;
    };
    let (world, database) = released(&previous).await;
    let pool = &database.pool;
    execute(pool, include_str!("previous/orders.sql")).await;
    let facts = "SELECT count(*)::text, sum(hashtextextended(subject_id || key || version || body::text, 0)::numeric)::text FROM facts";
    let personal = "SELECT count(*)::text, sum(hashtextextended(subject_id || body::text, 0)::numeric)::text FROM personal";
    let before = [told(pool, facts).await, told(pool, personal).await];
    assert_eq!(before[0][0], "298000");

    let begun = Instant::now();
    let current = env!("CARGO_BIN_EXE_hikiate");
    let migrated = run(command(current, &world, &database.url, &["migrate"])).await;
    assert!(migrated.status.success(), "{}", said(&migrated));
    let took = begun.elapsed();
    println!("upgraded in {took:?}");
    assert!(took < UPGRADE, "{took:?}");

    assert_eq!(
        before,
        [told(pool, facts).await, told(pool, personal).await]
    );
    let orders = "SELECT count(*)::text, count(*) FILTER (WHERE closed_at IS NULL)::text FROM subjects WHERE kind = 'order'";
    let payments = "SELECT sum(ceiling)::text, sum(intended)::text FROM payments";
    let demands = "SELECT sum(required_qty)::text, sum(shipped_qty)::text FROM demands";
    let stock = "SELECT count(*)::text, sum(qty)::text FROM stock_movements";
    let revenue = "SELECT sum(gross)::text, sum(tax)::text FROM revenue_events";
    let readings = "SELECT count(*)::text, sum(revision)::text FROM latest_observations";
    for (sql, expected) in [
        (orders, ["100000", "1000"]),
        (payments, ["200000000", "198000000"]),
        (demands, ["200000", "198000"]),
        (stock, ["99000", "-198000"]),
        (revenue, ["198000000", "18018000"]),
        (readings, ["100000", "100000"]),
    ] {
        assert_eq!(told(pool, sql).await, expected, "{sql}");
    }
    // All facts of both are read; one was paid and booked.
    for (number, words) in [
        (
            "U00000007",
            &["2000 JPY decided", "revenue:1: 2000 JPY"][..],
        ),
        ("U00099001", &[": 0 JPY captured, 0 JPY decided"]),
    ] {
        let explain = ["order", "explain", number];
        let explained = run(command(current, &world, &database.url, &explain)).await;
        let told = said(&explained);
        assert!(explained.status.success(), "{told}");
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
    }
}

#[tokio::test]
async fn a_running_previous_release_goes_on_or_stops_cleanly_when_the_schema_moves() {
    let test = "a_running_previous_release_goes_on_or_stops_cleanly_when_the_schema_moves";
    let Some(previous) = previous(test) else {
        return;
    };
    let (world, database) = released(&previous).await;
    let level: i32 = sqlx::query_scalar("SELECT min_code FROM gate")
        .fetch_one(&database.pool)
        .await
        .unwrap();

    let log = fs::File::create(world.dir.path().join("log")).unwrap();
    let mut daemon = command(&previous, &world, &database.url, run_words(&previous));
    let mut daemon = Daemon(daemon.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    let log = || fs::read_to_string(world.dir.path().join("log")).unwrap();
    world.tokyo.set_stock("APPLE", 10);
    world.tokyo.write_stock(now()).await.unwrap();
    let first = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    assert!(shipped(&world, &first, PATIENCE).await, "before: {}", log());

    // It is still running when the newer version migrates, by more than that version has of its own.
    execute(
        &database.pool,
        "ALTER TABLE subjects ADD COLUMN newer text; ALTER TABLE effects ADD COLUMN newer jsonb; CREATE TABLE newer (id int)",
    )
    .await;
    let current = env!("CARGO_BIN_EXE_hikiate");
    let migrated = run(command(current, &world, &database.url, &["migrate"])).await;
    assert!(migrated.status.success(), "{}", said(&migrated));
    let needs: i32 = sqlx::query_scalar("SELECT min_code FROM gate")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    println!("the previous release has at least code level {level}, the schema now needs {needs}");
    let second = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    if needs <= level {
        assert!(shipped(&world, &second, PATIENCE).await, "after: {}", log());
    }
    assert!(
        daemon.0.try_wait().unwrap().is_none(),
        "it ended: {}",
        log()
    );

    // Above its gate it claims nothing more, and cannot be started again.
    execute(&database.pool, "UPDATE gate SET min_code = 1000").await;
    let third = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    assert!(!shipped(&world, &third, Duration::from_secs(8)).await);
    assert_eq!(world.shop.order(&third).unwrap().fulfilments.len(), 0);
    drop(daemon);
    let again = run(command(&previous, &world, &database.url, &["migrate"])).await;
    let words = said(&again);
    assert!(!again.status.success(), "{words}");
    // The first release judges migrations it does not know before it looks at the gate.
    assert!(
        words.contains("run the newer version")
            || words.contains("is missing in the resolved migrations"),
        "{words}"
    );

    // The newer version takes over what waited.
    sqlx::query("UPDATE gate SET min_code = $1")
        .bind(needs)
        .execute(&database.pool)
        .await
        .unwrap();
    let log = fs::File::create(world.dir.path().join("log")).unwrap();
    let mut newer = command(current, &world, &database.url, &["run", "--as-root"]);
    let _newer = Daemon(newer.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    for id in [&second, &third] {
        let within = PATIENCE + Duration::from_secs(60);
        let log = || fs::read_to_string(world.dir.path().join("log")).unwrap();
        assert!(shipped(&world, id, within).await, "taken over: {}", log());
    }
    for seen in world.shop.orders() {
        assert_eq!((seen.captures, seen.repeated()), (1, 0), "{}", seen.id);
    }
    assert!(world.tokyo.duplicates().is_empty());
}

//! `hikiate run` with its private cluster, seen from beside it.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::AssertSqlSafe;

use super::{Ran, Shop};
use crate::support::db;

const PATIENCE: Duration = Duration::from_secs(180);

/// A daemon that is killed, with its server, when a test fails.
pub(super) struct Daemon<'a> {
    child: Child,
    shop: &'a Shop,
}

impl<'a> Daemon<'a> {
    pub(super) fn start(shop: &'a Shop) -> Self {
        Self::start_with(shop, &[])
    }

    /// With these variables, too.
    fn start_with(shop: &'a Shop, variables: &[(&str, &str)]) -> Self {
        let log = fs::File::create(shop.dir.path().join("log")).unwrap();
        let mut command = shop.command(&["run", "--as-root"]);
        command
            .env("SHOP_TOKEN", "sk")
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(log);
        Self {
            child: command.spawn().unwrap(),
            shop,
        }
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.shop.dir.path().join("log")).unwrap()
    }

    /// Asks until the answer is as wanted.
    pub(super) fn until(&mut self, what: &str, wanted: impl Fn(&Shop) -> bool) {
        let started = Instant::now();
        while !wanted(self.shop) {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "it ended: {}",
                self.log()
            );
            assert!(started.elapsed() < PATIENCE, "never {what}: {}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn server(&self) -> Option<String> {
        let file = self
            .shop
            .dir
            .path()
            .join("state/postgres/data/postmaster.pid");
        fs::read_to_string(file)
            .ok()?
            .lines()
            .next()
            .map(str::to_owned)
    }

    pub(super) fn stop(mut self) -> Ran {
        kill("-TERM", &self.child.id().to_string());
        let code = self.child.wait().unwrap().code();
        Ran {
            code,
            out: String::new(),
            err: self.log(),
        }
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            if let Some(server) = self.server() {
                kill("-QUIT", &server);
            }
            let _ended = self.child.kill().and_then(|()| self.child.wait());
        }
    }
}

fn kill(signal: &str, pid: &str) {
    assert!(
        Command::new("kill")
            .args([signal, pid])
            .status()
            .unwrap()
            .success()
    );
}

fn streams(shop: &Shop) -> bool {
    shop.run(&["stream", "list"]).code == Some(0)
}

/// They are meant for another server: read-only sessions could make no roles, and another search path finds no tables.
#[test]
fn options_of_the_environment_do_not_reach_the_private_cluster() {
    let options = "-c default_transaction_read_only=on -c search_path=zz";
    let shop = Shop::new(None);
    let typed = |arguments: &[&str]| {
        let mut command = shop.command(arguments);
        command.env("PGOPTIONS", options);
        Ran::of(command)
    };
    let mut daemon = Daemon::start_with(&shop, &[("PGOPTIONS", options)]);
    daemon.until("running", |_| typed(&["stream", "list"]).code == Some(0));
    let pause = ["pause", "wh", "--reason", "x"];
    daemon.until("paused", |_| typed(&pause).code == Some(0));
    daemon.stop().ended(0);
    typed(&["stream", "list"]).refused(75, "start `hikiate run`");
    typed(&["migrate"]).ended(0);
}

#[test]
fn commands_reach_the_private_cluster_of_a_daemon_that_survives_its_death() {
    let shop = Shop::new(None);
    let mut daemon = Daemon::start(&shop);
    daemon.until("running", streams);
    daemon.until("owned", |shop| {
        let rows = shop.run(&["stream", "list", "--json"]).json();
        rows.as_array()
            .unwrap()
            .iter()
            .any(|row| row["owner"].is_string())
    });
    let id = fs::read_to_string(shop.dir.path().join("state/instance")).unwrap();
    assert_eq!(id.trim().len(), 16, "{id}");

    let mut second = shop.command(&["run", "--as-root"]);
    second.env("SHOP_TOKEN", "sk");
    Ran::of(second).refused(5, "another hikiate is running");

    let server = daemon.server().unwrap();
    kill("-KILL", &server);
    let dead = server.clone();
    let file = shop.dir.path().join("state/postgres/data/postmaster.pid");
    daemon.until("started again", |_| {
        fs::read_to_string(&file)
            .is_ok_and(|text| !text.starts_with(&format!("{dead}\n")) && !text.is_empty())
    });
    daemon.until("reached again", streams);
    daemon.stop().ended(0);
    assert!(!file.exists(), "the server is stopped with the daemon");
    shop.run(&["stream", "list"])
        .refused(75, "start `hikiate run`");
    assert_eq!(
        fs::read_to_string(shop.dir.path().join("state/instance")).unwrap(),
        id
    );
}

#[tokio::test]
async fn a_database_that_is_away_at_the_start_is_waited_for() {
    let shop = Shop::new(Some("postgres://nobody@127.0.0.1:1/none"));
    let mut daemon = Daemon::start(&shop);
    daemon.until("patient", |shop| {
        fs::read_to_string(shop.dir.path().join("log"))
            .unwrap()
            .contains("the database is unavailable")
    });
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(
        daemon.log().matches("the database is unavailable").count(),
        1,
        "one line a minute"
    );
    daemon.stop().ended(0);
}

/// The status line of a page, if somebody answers there.
pub(super) fn page(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let asked = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.lines().next().map(str::to_owned)
}

#[tokio::test]
async fn a_port_of_another_program_is_waited_for_and_holds_nothing_up() {
    let db = db().await;
    let mut shop = Shop::new(Some(&db.url));
    shop.run(&["health"]).refused(1, "is \"off\"");
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    shop.edit(
        "listen = \"off\"",
        &format!("listen = \"127.0.0.1:{port}\""),
    );
    let mut daemon = Daemon::start(&shop);
    daemon.until("owning without its pages", |shop| {
        let rows = shop.run(&["stream", "list", "--json"]).json();
        let mut rows = rows.as_array().unwrap().iter();
        rows.any(|row| row["owner"].is_string())
    });
    assert!(
        daemon.log().contains("another program has this port"),
        "{}",
        daemon.log()
    );
    drop(other);
    daemon.until("showing its pages", |_| {
        page(port, "/metrics").as_deref() == Some("HTTP/1.1 200 OK")
    });
    daemon.until("ready", |shop| shop.run(&["health"]).code == Some(0));
    assert_eq!(shop.run(&["health", "--alive"]).ended(0), "alive\n");
    let told = shop.run(&["health", "--json"]).json();
    assert_eq!(told, serde_json::json!({ "ready": true }));
    // One that has died, hangs or never ran is neither ready nor alive because another one has its port.
    let mut dead = Shop::new(Some(&db.url));
    dead.edit(
        "listen = \"off\"",
        &format!("listen = \"127.0.0.1:{port}\""),
    );
    dead.run(&["health"]).refused(1, "another daemon answers");
    dead.run(&["health", "--alive"])
        .refused(1, "another daemon answers");
    let state = dead.dir.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("instance"), "0123456789abcdef\n").unwrap();
    dead.run(&["health"]).refused(1, "another daemon answers");
    dead.run(&["health", "--alive"])
        .refused(1, "another daemon answers");
    // The next configuration is being written: the daemon runs with the one before.
    let config = shop.config();
    let good = fs::read_to_string(&config).unwrap();
    fs::write(&config, good.replace("dispatch", "dispach")).unwrap();
    shop.run(&["check"]).refused(3, "dispach");
    shop.run(&["health"]).ended(0);
    fs::write(&config, good).unwrap();
    daemon.stop().ended(0);
    shop.run(&["health"]).refused(1, "no daemon answers");
}

#[test]
fn a_port_that_can_never_be_opened_ends_the_start() {
    let mut shop = Shop::new(Some("postgres://nobody@127.0.0.1:1/none"));
    // Of the range for documentation: no machine has it.
    let never = "listen = \"192.0.2.1:9999\"\nallow_remote = true";
    shop.edit("listen = \"off\"", never);
    let mut run = shop.command(&["run", "--as-root"]);
    run.env("SHOP_TOKEN", "sk");
    Ran::of(run).refused(1, "192.0.2.1:9999 cannot be opened");
}

#[tokio::test]
async fn a_given_database_that_is_not_in_utf_8_is_refused() {
    let db = db().await;
    let name: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(&db.pool)
        .await
        .unwrap();
    let other = format!("{name}_ascii");
    let url = db.url.replace(&format!("/{name}"), &format!("/{other}"));
    let run = async |sql: String| {
        let ran = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&db.pool).await;
        ran.unwrap();
    };
    // What `initdb` makes of a server without a locale.
    run(format!(
        "CREATE DATABASE {other} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"
    ))
    .await;
    let shop = Shop::new(Some(&url));
    let why = "the encoding of the database is SQL_ASCII and must be UTF8";
    shop.run(&["migrate"]).refused(3, why);
    let mut daemon = shop.command(&["run", "--as-root"]);
    daemon.env("SHOP_TOKEN", "sk");
    Ran::of(daemon).refused(3, why);
    run(format!("DROP DATABASE {other} WITH (FORCE)")).await;
}

#[tokio::test]
async fn a_given_database_is_migrated_and_its_leases_are_given_back() {
    let db = db().await;
    let shop = Shop::new(Some(&db.url));
    let mut daemon = Daemon::start(&shop);
    daemon.until("owning", |shop| {
        let rows = shop.run(&["stream", "list", "--json"]).json();
        rows.as_array()
            .unwrap()
            .iter()
            .any(|row| row["owner"].is_string())
    });
    daemon.stop().ended(0);
    let rows = shop.run(&["stream", "list", "--json"]).json();
    assert!(
        rows.as_array()
            .unwrap()
            .iter()
            .all(|row| row["owner"].is_null()),
        "{rows}"
    );
    assert!(!shop.dir.path().join("state/postgres").exists());
}

/// A shop that answers no call holds the end up for as long as the drain, and no standby after it.
#[tokio::test]
async fn leases_are_given_back_also_where_a_call_outlasts_the_drain() {
    let db = db().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut shop = Shop::new(Some(&db.url));
    shop.edit("http://127.0.0.1:9", &format!("http://127.0.0.1:{port}"));
    shop.edit("[http]", "[engine]\ndrain = \"1s\"\n[http]");
    let mut daemon = Daemon::start(&shop);
    let calls = RefCell::new(Vec::new());
    daemon.until("calling", |_| {
        let called = silent.accept();
        called.is_ok_and(|(call, _)| {
            calls.borrow_mut().push(call);
            true
        })
    });
    let ran = daemon.stop();
    ran.ended(0);
    let cut_off = "calls in progress did not end in time";
    assert!(ran.err.contains(cut_off), "{}", ran.err);
    let rows = shop.run(&["stream", "list", "--json"]).json();
    let mut rows = rows.as_array().unwrap().iter();
    assert!(rows.all(|row| row["owner"].is_null()), "{}", ran.err);
}

/// Connections that wait for notifications of work in a database.
async fn listeners(pool: &sqlx::PgPool) -> Vec<i32> {
    sqlx::query_scalar(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%hikiate_wake%' ORDER BY pid",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_hears_of_work_again_after_its_connection_was_lost_and_commands_tell_of_theirs() {
    let db = db().await;
    let shop = Shop::new(Some(&db.url));
    let mut daemon = Daemon::start(&shop);
    daemon.until("running", streams);
    let pool = sqlx::PgPool::connect(&db.url).await.unwrap();
    let listens = async |but: &[i32]| {
        let asked = async {
            loop {
                let now = listeners(&pool).await;
                if now.len() == 1 && now != but {
                    return now;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked)
            .await
            .unwrap_or_else(|_| panic!("nobody listens: {}", daemon.log()))
    };
    let first = listens(&[]).await;
    sqlx::query("SELECT pg_terminate_backend($1)")
        .bind(first[0])
        .execute(&pool)
        .await
        .unwrap();
    listens(&first).await;
    // Only what a command, which has no loops of its own, tells has no sender.
    let mut heard = sqlx::postgres::PgListener::connect_with(&pool)
        .await
        .unwrap();
    heard.listen("hikiate_wake").await.unwrap();
    shop.run(&["pause", "wh", "--reason", "x"]).ended(0);
    let told = async { while !heard.recv().await.unwrap().payload().is_empty() {} };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
    daemon.stop().ended(0);
}

/// The log's lines with this message.
fn lines(shop: &Shop, message: &str) -> Vec<serde_json::Value> {
    let log = fs::read_to_string(shop.dir.path().join("log")).unwrap();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &serde_json::Value| line["message"] == message)
        .collect()
}

#[tokio::test]
async fn the_log_names_what_runs_and_who_typed_what_and_no_reason() {
    let db = db().await;
    let shop = Shop::new(Some(&db.url));
    let mut daemon = Daemon::start(&shop);
    daemon.until("running", |shop| !lines(shop, "running").is_empty());
    let running = &lines(&shop, "running")[0];
    assert_eq!(running["version"], env!("CARGO_PKG_VERSION"), "{running}");
    assert_eq!(
        running["configuration"],
        shop.config().display().to_string()
    );
    assert!(running["policy"].is_number(), "{running}");
    assert_eq!(running["listen"], "off", "{running}");
    daemon.until("at work", |shop| !lines(shop, "accounts owned").is_empty());
    shop.run(&[
        "pause",
        "shop",
        "--reason",
        "Taro Yamada asked for it by telephone",
    ])
    .ended(0);
    daemon.until("told", |shop| !lines(shop, "operator command").is_empty());
    let told = lines(&shop, "operator command");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["actor"], "hanako");
    assert_eq!(told[0]["command"], "pause shop");
    let ran = daemon.stop();
    assert!(!ran.err.contains("Taro"), "{}", ran.err);
    ran.ended(0);
}

/// Each is one line, however often the folder is looked at, and another one when it is over.
#[tokio::test]
async fn the_log_names_what_is_not_read_and_accounts_that_change_hands() {
    const WAITS: &str = "files wait and are not read: see `hikiate tasks`";
    const BAD: &str = "a record is in quarantine: see `hikiate quarantine show 1`";
    let db = db().await;
    let mut shop = Shop::new(Some(&db.url));
    shop.edit(
        "folder = \"wh\"",
        "folder = \"wh\"\ninterval = \"1s\"\nstable_for = \"1s\"",
    );
    let incoming = shop.dir.path().join("wh/incoming");
    // No name that can be read: told at once, not after some minutes.
    let stray = incoming.join(OsStr::from_bytes(b"\x8d\xdd\x8c\xc9-1.csv"));
    fs::write(&stray, "x\r\n").unwrap();
    let count = "商品コード,倉庫コード,在庫数,集計日時\r\nAPPLE,,many,\r\n";
    fs::write(incoming.join("zaiko-1.csv"), count).unwrap();
    let mut daemon = Daemon::start(&shop);
    let told = |message: &'static str, times: usize| {
        move |shop: &Shop| lines(shop, message).len() >= times
    };
    daemon.until("told of the file", told(WAITS, 1));
    daemon.until("told of the record", told(BAD, 1));
    let waits = &lines(&shop, WAITS)[0];
    assert_eq!(waits["level"], "WARN", "{waits}");
    assert_eq!(waits["account"], "wh", "{waits}");
    let files = waits["files"].as_str().unwrap();
    assert!(files.contains("-1.csv: not fetched"), "{waits}");
    let bad = &lines(&shop, BAD)[0];
    assert_eq!(bad["account"], "wh", "{bad}");
    assert_eq!(bad["stream"], "stock", "{bad}");
    assert!(
        bad["file"].as_str().unwrap().contains("zaiko-1.csv"),
        "{bad}"
    );
    assert!(!bad["reason"].as_str().unwrap().is_empty(), "{bad}");
    let id = bad["record"].as_i64().unwrap().to_string();
    fs::remove_file(&stray).unwrap();
    shop.run(&["quarantine", "dismiss", &id, "--reason", "x"])
        .ended(0);
    daemon.until("told that it is over", told("no file waits any more", 1));
    daemon.until("out", told("the record is out of quarantine", 1));
    assert_eq!(lines(&shop, WAITS).len(), 1);
    assert_eq!(lines(&shop, BAD).len(), 1);
    // As if another daemon had taken them, and then died.
    let pool = sqlx::PgPool::connect(&db.url).await.unwrap();
    sqlx::query("UPDATE accounts SET owner = 'other', lease_token = nextval('lease_tokens'), lease_until = hk_now() + interval '25 s'")
        .execute(&pool)
        .await
        .unwrap();
    daemon.until(
        "without accounts, and with them again",
        told("accounts owned", 3),
    );
    let owned = lines(&shop, "accounts owned");
    let lost = &owned[1];
    assert_eq!(lost["accounts"], 0, "{lost}");
    assert_eq!(lost["given_up"], "shop, wh", "{lost}");
    let again = &owned[2];
    assert_eq!(again["accounts"], 2, "{again}");
    assert_eq!(again["taken"], "shop, wh", "{again}");
    daemon.stop().ended(0);
}

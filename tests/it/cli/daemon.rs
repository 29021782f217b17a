//! `hikiate run` with its private cluster, seen from beside it.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Ran, Shop};
use crate::support::db;

const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that is killed, with its server, when a test fails.
struct Daemon<'a> {
    child: Child,
    shop: &'a Shop,
}

impl<'a> Daemon<'a> {
    fn start(shop: &'a Shop) -> Self {
        let log = fs::File::create(shop.dir.path().join("log")).unwrap();
        let mut command = shop.command(&["run"]);
        command
            .env("SHOP_TOKEN", "sk")
            .stdout(Stdio::null())
            .stderr(log);
        Self {
            child: command.spawn().unwrap(),
            shop,
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.shop.dir.path().join("log")).unwrap()
    }

    /// Asks until the answer is as wanted.
    fn until(&mut self, what: &str, wanted: impl Fn(&Shop) -> bool) {
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

    fn stop(mut self) -> Ran {
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

    let mut second = shop.command(&["run"]);
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

//! A server whose whole data are set back: the daemon that sent nothing of what is lost must notice it too.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use chrono::Duration;
use hikiate::store::launcher::{Cluster, ClusterOptions};
use hikiate::store::witness::{Kept, Record, Witness};
use hikiate::store::{Phase, Store};
use hikiate_sdk::sim::SimClock;
use tempfile::TempDir;

/// One daemon's witness and what it reaches the database by.
struct Daemon {
    witness: Witness,
    store: Store,
}

impl Daemon {
    fn start(state: &Path, url: &str) -> Self {
        let witness = Witness::open(state).unwrap();
        let store = Store::connect_with(url, 2, &witness).unwrap();
        Self { witness, store }
    }

    /// What its connection has found out before anything else was done with it.
    async fn phase(&self) -> Phase {
        self.store.recovery().await.unwrap().phase
    }

    fn record(&self) -> Record {
        match self.witness.kept() {
            Some(Kept::Record(record)) => record,
            other => panic!("{other:?}"),
        }
    }

    async fn end(self) {
        self.store.close().await;
    }
}

/// A server in a folder of its own, which another user can reach: as root, it runs under one.
async fn server() -> (TempDir, ClusterOptions, Cluster) {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut options = ClusterOptions::new(dir.path());
    // It is stopped in order each time.
    options.fsync = false;
    let cluster = Cluster::start(&options).await.unwrap();
    (dir, options, cluster)
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

#[tokio::test]
async fn the_daemon_that_sent_nothing_of_what_is_lost_notices_it_too() {
    let (dir, options, cluster) = server().await;
    let url = cluster.url("hikiate");
    let states = ["one", "two", "away"].map(|name| dir.path().join(name));
    let [one, two, away] = &states;
    let first = Daemon::start(one, &url);
    first.store.migrate().await.unwrap();
    first.end().await;
    for state in &states {
        let daemon = Daemon::start(state, &url);
        assert_eq!(daemon.phase().await, Phase::None);
        assert!(daemon.record().flushed.is_some(), "written from the start");
        daemon.end().await;
    }
    cluster.stop().await.unwrap();
    let (data, backup) = (
        dir.path().join("postgres/data"),
        dir.path().join("postgres/backup"),
    );
    copy(&data, &backup);

    // The lost window. Only the first daemon sends; the second one sees the server's log grow.
    let cluster = Cluster::start(&options).await.unwrap();
    let (first, second) = (Daemon::start(one, &url), Daemon::start(two, &url));
    assert_eq!(second.phase().await, Phase::None);
    let before = second.record().flushed.unwrap();
    sqlx::query("CREATE TABLE lost AS SELECT n FROM generate_series(1, 20000) AS t (n)")
        .execute(first.store.pool())
        .await
        .unwrap();
    first.witness.sending("shop", 7).unwrap();
    second.store.watch_now(&second.witness).await.unwrap();
    // As a look a second later would.
    second.witness.keep().unwrap();
    assert!(second.record().flushed.unwrap() > before);
    assert_eq!(second.record().sent.get("shop"), None);
    assert_eq!(second.phase().await, Phase::None);
    first.end().await;
    second.end().await;
    cluster.stop().await.unwrap();
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&backup, &data).unwrap();
    let cluster = Cluster::start(&options).await.unwrap();

    // One that was away all the while cannot know it. The second does, by its first connection.
    let absent = Daemon::start(away, &url);
    assert_eq!(absent.phase().await, Phase::None);
    absent.end().await;
    let second = Daemon::start(two, &url);
    assert_eq!(second.record().sent.get("shop"), None);
    assert_eq!(second.phase().await, Phase::Suspected);
    let why = second.store.recovery().await.unwrap().why;
    assert!(why.contains("its log ends at"), "{why}");

    // An operator has seen to it: its file goes on from where the server is now.
    let high = second.record().flushed.unwrap();
    let since = SimClock::real().now() - Duration::minutes(5);
    second
        .store
        .begin_recovery(since, &[], "restored", "tester", false)
        .await
        .unwrap();
    second.store.watch_now(&second.witness).await.unwrap();
    assert!(second.record().flushed.unwrap() < high);
    second.store.watch_now(&second.witness).await.unwrap();
    assert_eq!(second.phase().await, Phase::Orders);
    second.end().await;
    let second = Daemon::start(two, &url);
    assert_eq!(second.phase().await, Phase::Orders, "on disk as well");
    second.end().await;
    cluster.stop().await.unwrap();
}

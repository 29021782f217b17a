//! The disk under a private cluster is full: the daemon says so, stays, and goes on once there is room; what was stored is there.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use hikiate::store::launcher::running;
use hikiate_sdk::sim::skipped;
use sqlx::{Connection as _, PgConnection};

use super::Shop;
use super::daemon::{Daemon, page};

/// Room for a fresh cluster and some segments of its log.
const SIZE: &str = "size=256m";
/// Rows in thousands that are stored before the disk is full, and far more than fit.
const BEFORE: i64 = 20;
const MOST: i64 = 10_000;

/// A small disk of its own.
struct Disk(PathBuf);

impl Disk {
    /// What stands in the way, where it cannot be mounted.
    fn mount(at: &Path) -> Result<Self, &'static str> {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            return Err("not root, who may mount a small disk");
        }
        fs::create_dir(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(at);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            return Err("no small disk can be mounted here");
        }
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
        Ok(Self(at.to_owned()))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// To the last byte.
    fn fill(&self) {
        let mut file = fs::File::create(self.ballast()).unwrap();
        for size in [1 << 20, 1 << 12] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _left = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn connect(state: &Path) -> Option<PgConnection> {
    let url = running(state, "hikiate").ok()?;
    PgConnection::connect(&url).await.ok()
}

fn is(port: u16, status: &str) -> bool {
    page(port, "/readyz").is_some_and(|line| line.contains(status))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_reported_and_nothing_is_lost() {
    let mut shop = Shop::new(None);
    let state = shop.dir.path().join("state");
    let disk = match Disk::mount(&state) {
        Ok(disk) => disk,
        Err(why) => return skipped("a_full_disk_is_reported_and_nothing_is_lost", why),
    };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let listen = format!("listen = \"127.0.0.1:{port}\"");
    shop.edit("listen = \"off\"", &listen);
    drop(free);
    let mut daemon = Daemon::start(&shop);
    daemon.until("ready", |_| is(port, "200"));

    let mut connection = connect(&state).await.unwrap();
    let table = sqlx::query("CREATE TABLE kept (n bigint)");
    table.execute(&mut connection).await.unwrap();
    // What was confirmed must be there at the end.
    let mut kept = 0;
    for n in 0..MOST {
        if n == BEFORE {
            disk.fill();
        }
        let rows = sqlx::query("INSERT INTO kept SELECT $1 FROM generate_series(1, 1000)");
        if rows.bind(n).execute(&mut connection).await.is_err() {
            break;
        }
        kept = n + 1;
    }
    assert!(
        (BEFORE..MOST).contains(&kept),
        "{kept}: the disk is not full"
    );
    // Nor can the log, and then the server ends; it is started and ends again while somebody writes.
    let there = state.clone();
    let (told, mut over) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        let message = "SELECT pg_logical_emit_message(true, 'full', repeat('x', 100000))";
        while over.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            if let Some(mut connection) = connect(&there).await {
                while sqlx::query(message).execute(&mut connection).await.is_ok() {}
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    daemon.until("not ready", |_| is(port, "503"));
    daemon.until("telling why", |shop| {
        let log = fs::read_to_string(shop.dir.path().join("log")).unwrap();
        log.contains("No space left on device")
    });

    fs::remove_file(disk.ballast()).unwrap();
    told.send(()).unwrap();
    writing.abort();
    let _cancelled = writing.await;
    daemon.until("ready again", |_| is(port, "200"));
    let mut connection = connect(&state).await.unwrap();
    let count = sqlx::query_scalar::<_, i64>("SELECT count(*) / 1000 FROM kept");
    assert_eq!(count.fetch_one(&mut connection).await.unwrap(), kept);
    connection.close().await.unwrap();
    daemon.stop().ended(0);
}

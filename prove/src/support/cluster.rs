//! The cluster of a test run: the one in `HIKIATE_TEST_PG`, or one that we start and a watcher stops.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, parent_id};
use std::path::Path;
use std::process::{Command, Stdio, id};

use hikiate::store::launcher::{Cluster, ClusterOptions};

/// Ends the server when the run is over; it outlives us, so it can do so even after a kill.
const WATCHER: &str = r#"
{
    while kill -0 "$1" 2>/dev/null; do sleep 0.5; done
    pid="$(head -n 1 "$2/postgres/data/postmaster.pid")"
    kill -QUIT "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    rm -rf -- "$2"
} &
"#;

/// The address of the run's cluster: a URL of its `postgres` database.
pub(super) async fn url() -> String {
    match env::var("HIKIATE_TEST_PG") {
        Ok(url) if !url.is_empty() => url,
        _ => shared().await,
    }
}

/// One cluster for all processes of a run: nextest has one per test, `cargo test` one per binary.
async fn shared() -> String {
    let run = if env::var_os("NEXTEST").is_some() {
        parent_id()
    } else {
        id()
    };
    let dir = env::temp_dir().join(format!("hikiate-test-{run}"));
    fs::create_dir_all(&dir).unwrap();
    // The server's user must get through, whatever our umask says.
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    let lock = File::create(dir.join("starting")).unwrap();
    lock.lock().unwrap();
    let address = dir.join("address");
    if let Ok(url) = fs::read_to_string(&address) {
        return url;
    }
    let mut options = ClusterOptions::new(&dir);
    options.fsync = false;
    // Tests run on all cores at once, each with a pool or two of its own.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let connections = 200 + 20 * cores;
    options.settings = vec![("max_connections".into(), connections.to_string())];
    let cluster = Cluster::start(&options).await.unwrap();
    // Tests make databases of their own.
    let url = cluster.admin_url("postgres");
    watch(run, &dir);
    cluster.detach();
    fs::write(&address, &url).unwrap();
    url
}

fn watch(run: u32, dir: &Path) {
    let started = Command::new("sh")
        .args(["-c", WATCHER, "hikiate-test-watcher"])
        .arg(run.to_string())
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .status()
        .unwrap();
    assert!(started.success());
}

//! The private cluster's processes: started, killed, found again, refused.
//!
//! A daemon that is killed is played by this test binary itself, run again with one ignored test.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hikiate::store::launcher::{Cluster, ClusterOptions, LauncherError};
use hikiate_sdk::sim::skipped;
use sqlx::{Connection as _, PgConnection, Row as _};
use tempfile::TempDir;

/// No machine is slower.
const PATIENCE: Duration = Duration::from_secs(120);

const STATE: &str = "HIKIATE_TEST_LAUNCHER_STATE";

/// A state directory that another user can reach: as root, the server runs under one.
fn state() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// fsync stays on: these tests kill servers.
fn options(state: &Path) -> ClusterOptions {
    ClusterOptions::new(state)
}

async fn connect(cluster: &Cluster) -> PgConnection {
    PgConnection::connect(&cluster.url("hikiate"))
        .await
        .unwrap()
}

async fn setting(connection: &mut PgConnection, name: &str) -> String {
    sqlx::query("SELECT current_setting($1)")
        .bind(name)
        .fetch_one(connection)
        .await
        .unwrap()
        .get(0)
}

async fn count(cluster: &Cluster) -> i64 {
    sqlx::query("SELECT count(*) FROM kept")
        .fetch_one(&mut connect(cluster).await)
        .await
        .unwrap()
        .get(0)
}

async fn keep_a_row(cluster: &Cluster) {
    let mut connection = connect(cluster).await;
    sqlx::query("CREATE TABLE IF NOT EXISTS kept (n bigint)")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::query("INSERT INTO kept VALUES (1)")
        .execute(&mut connection)
        .await
        .unwrap();
}

fn server_pid(state: &Path) -> String {
    let text = fs::read_to_string(state.join("postgres/data/postmaster.pid")).unwrap();
    text.lines().next().unwrap().to_owned()
}

fn kill_9(pid: &str) {
    let status = Command::new("kill").args(["-9", pid]).status().unwrap();
    assert!(status.success(), "kill -9 {pid}");
}

/// Runs one of the `helper_…` tests below in a process of its own and waits for its word.
fn helper(name: &str, state: &Path) -> Child {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg(format!("launcher::{name}"))
        .env(STATE, state)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines
            .map_while(Result::ok)
            .any(|line| line.contains("helper is ready")),
        "{name} ended early"
    );
    child
}

fn helper_state() -> PathBuf {
    env::var_os(STATE).unwrap().into()
}

/// Until the other test, or its end, closes our input.
async fn until_released() {
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    ended.await.unwrap().unwrap();
}

#[tokio::test]
#[ignore = "a process for the other tests to kill"]
async fn helper_holds_a_cluster() {
    let cluster = Cluster::start(&options(&helper_state())).await.unwrap();
    keep_a_row(&cluster).await;
    println!("helper is ready");
    until_released().await;
    cluster.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "a process for the other tests: it leaves its killed server unreaped until it is told to end"]
async fn helper_keeps_a_zombie() {
    let state = helper_state();
    let cluster = Cluster::start(&options(&state)).await.unwrap();
    keep_a_row(&cluster).await;
    kill_9(&server_pid(&state));
    cluster.detach();
    println!("helper is ready");
    until_released().await;
}

#[tokio::test]
async fn the_first_start_makes_a_cluster_and_a_restart_keeps_it() {
    let state = state();
    let cluster = Cluster::start(&options(state.path())).await.unwrap();
    assert!(!cluster.is_adopted());
    let mut connection = connect(&cluster).await;
    assert_eq!(setting(&mut connection, "listen_addresses").await, "");
    assert_eq!(setting(&mut connection, "fsync").await, "on");
    assert_eq!(setting(&mut connection, "data_checksums").await, "on");
    assert_eq!(setting(&mut connection, "server_encoding").await, "UTF8");
    connection.close().await.unwrap();
    keep_a_row(&cluster).await;
    let run = fs::metadata(state.path().join("postgres/run")).unwrap();
    assert_eq!(run.mode() & 0o777, 0o700);
    cluster.stop().await.unwrap();
    assert!(!state.path().join("postgres/data/postmaster.pid").exists());
    assert!(!state.path().join("postgres/data.new").exists());

    let cluster = Cluster::start(&options(state.path())).await.unwrap();
    assert_eq!(count(&cluster).await, 1);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_dropped_cluster_is_stopped() {
    let state = state();
    let cluster = Cluster::start(&options(state.path())).await.unwrap();
    let url = cluster.url("hikiate");
    drop(cluster);
    assert!(PgConnection::connect(&url).await.is_err());
    assert!(!state.path().join("postgres/data/postmaster.pid").exists());
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_the_server_of_a_killed_one_is_adopted() {
    let state = state();
    let mut daemon = helper("helper_holds_a_cluster", state.path());
    let pid = server_pid(state.path());

    let refused = Cluster::start(&options(state.path())).await.unwrap_err();
    assert!(matches!(refused, LauncherError::Locked { .. }), "{refused}");
    assert!(refused.to_string().contains("another hikiate is running"));
    assert_eq!(server_pid(state.path()), pid, "the refusal touched nothing");

    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let cluster = Cluster::start(&options(state.path())).await.unwrap();
    assert!(cluster.is_adopted());
    assert_eq!(server_pid(state.path()), pid);
    assert_eq!(count(&cluster).await, 1);
    cluster.stop().await.unwrap();
    assert!(!state.path().join("postgres/data/postmaster.pid").exists());
}

#[tokio::test]
async fn an_orphan_with_other_settings_is_restarted() {
    let state = state();
    Cluster::start(&options(state.path()))
        .await
        .unwrap()
        .detach();
    let mut wanted = options(state.path());
    wanted.settings = vec![("work_mem".into(), "5MB".into())];
    let cluster = Cluster::start(&wanted).await.unwrap();
    assert!(!cluster.is_adopted());
    assert_eq!(
        setting(&mut connect(&cluster).await, "work_mem").await,
        "5MB"
    );
    cluster.stop().await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_killed_server_that_is_still_a_zombie_is_waited_for() {
    let state = state();
    let mut helper = helper("helper_keeps_a_zombie", state.path());
    let stat = format!("/proc/{}/stat", server_pid(state.path()));
    let begun = Instant::now();
    while !fs::read_to_string(&stat).unwrap().contains(") Z ") {
        assert!(begun.elapsed() < PATIENCE, "it is no zombie");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let input = helper.stdin.take();
    let (starting, released) = (options(state.path()), AtomicBool::new(false));
    let (cluster, ()) = tokio::join!(
        async {
            let cluster = Cluster::start(&starting).await.unwrap();
            assert!(released.load(Ordering::SeqCst), "it did not wait");
            cluster
        },
        async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            released.store(true, Ordering::SeqCst);
            drop(input);
        }
    );
    assert_eq!(count(&cluster).await, 1);
    cluster.stop().await.unwrap();
    helper.wait().unwrap();
}

#[tokio::test]
async fn a_server_killed_under_us_is_started_again() {
    let state = state();
    let mut cluster = Cluster::start(&options(state.path())).await.unwrap();
    keep_a_row(&cluster).await;
    assert!(!cluster.ensure_running().await.unwrap());
    kill_9(&server_pid(state.path()));
    let deadline = Instant::now() + PATIENCE;
    while !cluster.ensure_running().await.unwrap() {
        assert!(Instant::now() < deadline, "the death was not noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count(&cluster).await, 1);
    cluster.stop().await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_pid_file_that_names_another_program_does_not_block_the_start() {
    let state = state();
    let cluster = Cluster::start(&options(state.path())).await.unwrap();
    keep_a_row(&cluster).await;
    let file = state.path().join("postgres/data/postmaster.pid");
    let text = fs::read_to_string(&file).unwrap();
    let pid = server_pid(state.path());
    cluster.stop().await.unwrap();
    // As after a container restart: the id is in use again, by ourselves.
    let ours = std::process::id().to_string();
    fs::write(&file, text.replacen(&pid, &ours, 1)).unwrap();
    let owner = fs::metadata(state.path().join("postgres/data")).unwrap();
    std::os::unix::fs::chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();

    let cluster = Cluster::start(&options(state.path())).await.unwrap();
    assert_eq!(count(&cluster).await, 1);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_moves_the_socket_only() {
    let state = state();
    let deep = state.path().join("d".repeat(60)).join("e".repeat(60));
    let cluster = Cluster::start(&options(&deep)).await.unwrap();
    keep_a_row(&cluster).await;
    let url = cluster.url("hikiate");
    assert!(!url.contains("eeee"), "{url}");
    assert!(deep.join("postgres/data/PG_VERSION").exists());
    let mut connection = connect(&cluster).await;
    let folder = setting(&mut connection, "unix_socket_directories").await;
    connection.close().await.unwrap();
    let socket = fs::metadata(Path::new(&folder).join(".s.PGSQL.5432")).unwrap();
    assert!(socket.file_type().is_socket());
    cluster.stop().await.unwrap();
    fs::remove_dir(folder).unwrap();
}

#[tokio::test]
async fn data_of_another_major_version_is_refused_untouched() {
    let state = state();
    Cluster::start(&options(state.path()))
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    let file = state.path().join("postgres/data/PG_VERSION");
    fs::write(&file, "9\n").unwrap();
    let error = Cluster::start(&options(state.path())).await.unwrap_err();
    let LauncherError::VersionMismatch { found, advice, .. } = &error else {
        unreachable!("{error}");
    };
    assert_eq!(*found, 9);
    assert!(
        advice.contains("pg_upgrade") && advice.contains(" -d "),
        "{advice}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "9\n");
}

#[tokio::test]
async fn a_wrong_setting_is_reported_in_the_servers_words_and_leaves_nothing() {
    let state = state();
    let mut wrong = options(state.path());
    wrong.settings = vec![("work_mem".into(), "much".into())];
    let error = Cluster::start(&wrong).await.unwrap_err();
    assert!(
        matches!(error, LauncherError::StartFailed { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("work_mem"), "{error}");
    assert!(!state.path().join("postgres/data/postmaster.pid").exists());
}

#[tokio::test]
async fn root_is_told_which_folder_the_servers_user_cannot_enter() {
    let state = tempfile::tempdir().unwrap();
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o700)).unwrap();
    if fs::metadata(state.path()).unwrap().uid() != 0 {
        // An ordinary user's own 0700 folder is fine: nothing is dropped.
        let cluster = Cluster::start(&options(state.path())).await.unwrap();
        cluster.stop().await.unwrap();
        let test = "root_is_told_which_folder_the_servers_user_cannot_enter";
        return skipped(test, "not root");
    }
    let error = Cluster::start(&options(state.path())).await.unwrap_err();
    let LauncherError::Unsearchable { dir, .. } = &error else {
        unreachable!("{error}");
    };
    assert_eq!(dir, &state.path().canonicalize().unwrap());
    assert!(!state.path().join("postgres").exists());
}

//! The private cluster's processes: started, killed, found again, refused.
//!
//! A daemon that is killed is played by this test binary itself, run again with one ignored test.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
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
        .env("SHOP_TOKEN", "sk_secret")
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

/// What the daemon's role is and who owns what it works with.
async fn owners(connection: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT DISTINCT o.owner::text FROM (
           SELECT relowner::regrole FROM pg_class WHERE relnamespace = 'public'::regnamespace
           UNION ALL SELECT proowner::regrole FROM pg_proc WHERE pronamespace = 'public'::regnamespace
           UNION ALL SELECT typowner::regrole FROM pg_type WHERE typnamespace = 'public'::regnamespace
           UNION ALL SELECT datdba::regrole FROM pg_database WHERE datname = current_database()) AS o (owner)",
    )
    .fetch_all(connection)
    .await
    .unwrap()
}

async fn is_super(connection: &mut PgConnection, role: &str) -> Option<bool> {
    sqlx::query_scalar("SELECT rolsuper FROM pg_roles WHERE rolname = $1")
        .bind(role)
        .fetch_optional(connection)
        .await
        .unwrap()
}

/// The rules for connections as the running server has them.
async fn rules(cluster: &Cluster) -> Vec<(String, String)> {
    let mut admin = PgConnection::connect(&cluster.admin_url("postgres"))
        .await
        .unwrap();
    assert_eq!(is_super(&mut admin, "hikiate_admin").await, Some(true));
    sqlx::query_as("SELECT DISTINCT type, auth_method FROM pg_hba_file_rules ORDER BY 1, 2")
        .fetch_all(&mut admin)
        .await
        .unwrap()
}

fn tight() -> Vec<(String, String)> {
    [("host", "reject"), ("local", "peer")]
        .map(|(kind, method)| (kind.to_owned(), method.to_owned()))
        .into()
}

#[tokio::test]
async fn the_daemons_role_is_no_superuser_and_only_the_socket_lets_in() {
    let state = state();
    let cluster = Cluster::start(&options(state.path())).await.unwrap();
    assert_eq!(rules(&cluster).await, tight());
    let mut daemon = connect(&cluster).await;
    assert_eq!(is_super(&mut daemon, "hikiate").await, Some(false));
    for beyond in [
        "CREATE ROLE other",
        "CREATE DATABASE other",
        "ALTER SYSTEM SET work_mem = '5MB'",
        "COPY (SELECT 1) TO '/tmp/hikiate-no-such-copy'",
        "SET ROLE hikiate_admin",
    ] {
        let error = sqlx::query(beyond).execute(&mut daemon).await.unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code());
        assert_eq!(code.as_deref(), Some("42501"), "{beyond}: {error}");
    }
    // What an operator makes as the administrator is the daemon's from the next start on.
    let mut admin = PgConnection::connect(&cluster.admin_url("hikiate"))
        .await
        .unwrap();
    sqlx::query("CREATE TABLE by_hand (n bigint)")
        .execute(&mut admin)
        .await
        .unwrap();
    admin.close().await.unwrap();
    daemon.close().await.unwrap();
    cluster.stop().await.unwrap();

    // Somebody opens it up; the next start does not keep to that.
    let hba = state.path().join("postgres/data/pg_hba.conf");
    fs::write(&hba, "local all all trust\nhost all all all trust\n").unwrap();
    let cluster = Cluster::start(&options(state.path())).await.unwrap();
    assert_eq!(rules(&cluster).await, tight());
    let mut daemon = connect(&cluster).await;
    sqlx::query("ALTER TABLE by_hand ADD COLUMN m bigint")
        .execute(&mut daemon)
        .await
        .unwrap();
    daemon.close().await.unwrap();
    cluster.stop().await.unwrap();
}

/// Which roles the daemon's belongs to.
async fn memberships(connection: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = 'hikiate'::regrole ORDER BY 1",
    )
    .fetch_all(connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn what_the_daemons_role_plants_does_not_run_as_the_administrator() {
    let state = state();
    let cluster = Cluster::start(&options(state.path())).await.unwrap();
    let mut admin = PgConnection::connect(&cluster.admin_url("hikiate"))
        .await
        .unwrap();
    sqlx::raw_sql(
        "GRANT hikiate_admin TO hikiate WITH ADMIN OPTION; CREATE ROLE middle; GRANT pg_monitor TO middle;
         GRANT middle TO hikiate; CREATE TABLE by_hand (n bigint)",
    )
    .execute(&mut admin)
    .await
    .unwrap();
    assert_eq!(
        memberships(&mut admin).await,
        ["hikiate_admin", "middle"],
        "what is to be taken back"
    );
    admin.close().await.unwrap();
    let mut daemon = connect(&cluster).await;
    sqlx::raw_sql(
        "CREATE FUNCTION public.taken(oid, regrole) RETURNS boolean LANGUAGE plpgsql AS $$
         BEGIN
           IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
             ALTER ROLE hikiate SUPERUSER;
             GRANT pg_monitor TO hikiate;
           END IF;
           RETURN $1 OPERATOR(pg_catalog.=) $2::oid;
         END $$;
         CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = regrole, FUNCTION = public.taken);
         ALTER DATABASE hikiate SET search_path = public, pg_catalog",
    )
    .execute(&mut daemon)
    .await
    .unwrap();
    daemon.close().await.unwrap();
    cluster.stop().await.unwrap();

    for _ in 0..2 {
        let cluster = Cluster::start(&options(state.path())).await.unwrap();
        let mut daemon = connect(&cluster).await;
        assert_eq!(is_super(&mut daemon, "hikiate").await, Some(false));
        assert_eq!(memberships(&mut daemon).await, [""; 0]);
        let error = sqlx::query("SET ROLE hikiate_admin")
            .execute(&mut daemon)
            .await
            .unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code());
        assert_eq!(code.as_deref(), Some("42501"), "{error}");
        sqlx::query("ALTER TABLE by_hand ADD COLUMN IF NOT EXISTS m bigint")
            .execute(&mut daemon)
            .await
            .unwrap();
        daemon.close().await.unwrap();
        cluster.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_lock_that_an_adopted_server_holds_ends_the_start_and_goes_with_it() {
    let state = state();
    let cluster = Cluster::start(&options(state.path())).await.unwrap();
    let mut holder = PgConnection::connect(&cluster.admin_url("hikiate"))
        .await
        .unwrap();
    for line in [
        "CREATE TABLE by_hand (n bigint)",
        "BEGIN",
        "LOCK TABLE by_hand",
    ] {
        sqlx::raw_sql(line).execute(&mut holder).await.unwrap();
    }
    cluster.detach();
    let error = Cluster::start(&options(state.path())).await.unwrap_err();
    assert!(matches!(error, LauncherError::LockHeld { .. }), "{error}");
    assert!(error.to_string().contains("start again"), "{error}");
    let cluster = Cluster::start(&options(state.path())).await.unwrap();
    assert!(!cluster.is_adopted());
    cluster.stop().await.unwrap();
    drop(holder);
}

/// A cluster as earlier versions made it: one role, its superuser, and everything trusted. Left running if told so.
async fn of_an_earlier_version(state: &Path, runs: bool) {
    let made = tempfile::tempdir().unwrap();
    fs::set_permissions(made.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let cluster = Cluster::start(&options(made.path())).await.unwrap();
    let line = fs::read_to_string(made.path().join("postgres/data/postmaster.opts")).unwrap();
    let owner = fs::metadata(made.path().join("postgres/data")).unwrap();
    cluster.stop().await.unwrap();
    let bin = Path::new(line.split_whitespace().next().unwrap())
        .parent()
        .unwrap()
        .to_owned();
    // The server's words, with the paths of the other place.
    let root = state.join("postgres");
    let server = line.replace(
        made.path().canonicalize().unwrap().to_str().unwrap(),
        state.canonicalize().unwrap().to_str().unwrap(),
    );
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    for dir in [root.clone(), root.join("run")] {
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(&dir, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(bin.join(program));
        command
            .args(arguments)
            .current_dir(&root)
            .env("LC_ALL", "C")
            .stdout(Stdio::null());
        if is_root {
            command.uid(owner.uid()).gid(owner.gid());
        }
        assert!(command.status().unwrap().success(), "{program}");
    };
    let data = root.join("data").display().to_string();
    run(
        "initdb",
        &[
            "-D",
            &data,
            "--username",
            "hikiate",
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        ],
    );
    let words: Vec<&str> = server.trim().splitn(2, ' ').collect();
    let log = root.join("data/log").display().to_string();
    run(
        "pg_ctl",
        &["start", "-w", "-D", &data, "-l", &log, "-o", words[1]],
    );
    let socket = root.join("run").display().to_string();
    let url = |database: &str| {
        format!("postgres://hikiate@localhost/{database}?host={socket}&port=5432&sslmode=disable")
    };
    let mut old = PgConnection::connect(&url("postgres")).await.unwrap();
    assert_eq!(is_super(&mut old, "hikiate").await, Some(true));
    sqlx::query("CREATE DATABASE hikiate")
        .execute(&mut old)
        .await
        .unwrap();
    old.close().await.unwrap();
    let mut old = PgConnection::connect(&url("hikiate")).await.unwrap();
    sqlx::raw_sql(
        "CREATE TYPE colour AS ENUM ('red'); CREATE DOMAIN small AS int CHECK (VALUE < 9); CREATE TYPE pair AS (a int, b int);
         CREATE SEQUENCE numbers; CREATE TABLE \"Odd name\" (n bigserial, m bigint GENERATED ALWAYS AS IDENTITY, c colour);
         CREATE TABLE parts (n int, s small) PARTITION BY RANGE (n); CREATE TABLE part PARTITION OF parts DEFAULT;
         CREATE VIEW seen AS SELECT n FROM parts; CREATE MATERIALIZED VIEW kept_view AS SELECT 1 AS one;
         CREATE FUNCTION one(x pair) RETURNS int LANGUAGE sql AS 'SELECT 1';
         INSERT INTO \"Odd name\" (c) VALUES ('red')",
    )
    .execute(&mut old)
    .await
    .unwrap();
    assert_eq!(owners(&mut old).await, ["hikiate"]);
    old.close().await.unwrap();
    if !runs {
        run("pg_ctl", &["stop", "-w", "-D", &data, "-m", "fast"]);
    }
}

#[tokio::test]
async fn the_cluster_of_an_earlier_version_is_changed_over_at_the_next_start() {
    for runs in [false, true] {
        let state = state();
        of_an_earlier_version(state.path(), runs).await;
        // The second start finds nothing left to do.
        for start in 0..2 {
            let cluster = Cluster::start(&options(state.path())).await.unwrap();
            assert_eq!(cluster.is_adopted(), runs && start == 0);
            assert_eq!(rules(&cluster).await, tight());
            let mut daemon = connect(&cluster).await;
            assert_eq!(is_super(&mut daemon, "hikiate").await, Some(false));
            assert_eq!(is_super(&mut daemon, "hikiate_change").await, None);
            assert_eq!(owners(&mut daemon).await, ["hikiate"]);
            sqlx::raw_sql(
                "ALTER TABLE \"Odd name\" ADD COLUMN IF NOT EXISTS x int; INSERT INTO \"Odd name\" (c) VALUES ('red');
                 CREATE TABLE IF NOT EXISTS new (n int); DROP VIEW IF EXISTS seen",
            )
            .execute(&mut daemon)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
            // By itself: several statements at once are a transaction.
            sqlx::query("VACUUM parts")
                .execute(&mut daemon)
                .await
                .unwrap_or_else(|error| panic!("{error}"));
            daemon.close().await.unwrap();
            cluster.stop().await.unwrap();
        }
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_server_has_nothing_of_the_daemons_environment() {
    let state = state();
    let mut daemon = helper("helper_holds_a_cluster", state.path());
    let pid = server_pid(state.path());
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    let names: Vec<&str> = environment
        .split('\0')
        .filter_map(|line| line.split('=').next())
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.contains(&"PATH"), "{names:?}");
    assert!(!environment.contains("sk_secret"), "{names:?}");
    let known = ["PATH", "LANG", "TZ", "TMPDIR", "LC_ALL", "LD_LIBRARY_PATH"];
    for name in names {
        // What the server tells its own programs.
        let own = [
            "PGDATA",
            "PG_OOM_ADJUST_FILE",
            "PGSYSCONFDIR",
            "PGLOCALEDIR",
        ];
        assert!(known.contains(&name) || own.contains(&name), "{name}");
    }
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let cluster = Cluster::start(&options(state.path())).await.unwrap();
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
    // The daemon's role may not ask for it.
    let mut connection = PgConnection::connect(&cluster.admin_url("hikiate"))
        .await
        .unwrap();
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
        advice.contains("pg_upgrade -U hikiate_admin ") && advice.contains(" -d "),
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

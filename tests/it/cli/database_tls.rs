//! A database over the network, with a password and a certificate that is verified in full.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hikiate::store::launcher::{Cluster, ClusterOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

use super::Shop;
use super::daemon::Daemon;
use crate::support::tls::{Authority, Certified};

/// A server that takes connections over TLS only; ends with this.
struct Server {
    dir: TempDir,
    bin: PathBuf,
    port: u16,
}

impl Server {
    /// With a role and a database `app`, whose password is `secret`.
    async fn start(certified: &Certified) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // The launcher makes the cluster, and knows where the programs are.
        let cluster = Cluster::start(&ClusterOptions::new(dir.path()))
            .await
            .unwrap();
        let mut connection = PgConnection::connect(&cluster.admin_url("postgres"))
            .await
            .unwrap();
        for sql in [
            "CREATE ROLE app LOGIN PASSWORD 'secret'",
            "CREATE DATABASE app OWNER app",
        ] {
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
        let data = dir.path().join("postgres/data");
        let options = fs::read_to_string(data.join("postmaster.opts")).unwrap();
        let program = PathBuf::from(options.split_whitespace().next().unwrap());
        cluster.stop().await.unwrap();

        fs::write(
            data.join("pg_hba.conf"),
            "hostssl app app 127.0.0.1/32 scram-sha-256\n",
        )
        .unwrap();
        certified.write(&data);
        let owner = fs::metadata(&data).unwrap();
        for name in ["server.crt", "server.key"] {
            let file = data.join(name);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        let bin = program.parent().unwrap().to_owned();
        let mut server = Self { dir, bin, port: 0 };
        // Somebody may take a port between the look for a free one and the start.
        for _ in 0..5 {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            server.port = free.local_addr().unwrap().port();
            drop(free);
            let settings = format!(
                "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories= -c ssl=on",
                server.port
            );
            let words = ["start", "-w", "-t", "60", "-l", "tls.log", "-o", &settings];
            if server.pg_ctl(&words) {
                return server;
            }
        }
        let log = fs::read_to_string(server.data().join("tls.log"));
        panic!("it does not start: {log:?}");
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("postgres/data")
    }

    fn pg_ctl(&self, words: &[&str]) -> bool {
        let owner = fs::metadata(self.data()).unwrap();
        let mut command = Command::new(self.bin.join("pg_ctl"));
        command
            .arg("-D")
            .arg(self.data())
            .args(words)
            .current_dir(self.data())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(owner.uid()).gid(owner.gid());
        }
        command.status().unwrap().success()
    }

    fn url(&self, host: &str, more: &str) -> String {
        format!("postgres://app:secret@{host}:{}/app?{more}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.pg_ctl(&["stop", "-m", "immediate", "-w"]);
    }
}

fn verified(authority: &Authority) -> String {
    let file = authority.file();
    format!("sslmode=verify-full&sslrootcert={}", file.display())
}

/// A first command on this database.
fn migrate(url: &str) -> super::Ran {
    Shop::new(Some(url)).run(&["migrate"])
}

#[track_caller]
fn refused(url: &str, code: i32, word: &str) {
    let ran = migrate(url);
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert!(ran.err.contains(word), "{word:?} is not in {ran:?}");
    assert!(!ran.err.contains("secret"), "{ran:?}");
}

#[tokio::test]
async fn a_database_with_a_certificate_of_a_known_authority_is_used() {
    let authority = Authority::new();
    let server = Server::start(&authority.server("localhost")).await;
    let full = verified(&authority);
    migrate(&server.url("localhost", &full)).ended(0);
    // Its certificate is for another name than this one.
    refused(&server.url("127.0.0.1", &full), 75, "not valid for name");
    let other = Authority::new();
    let stranger = server.url("localhost", &verified(&other));
    refused(&stranger, 75, "UnknownIssuer");
    let machine = server.url("localhost", "sslmode=verify-full");
    refused(&machine, 75, "UnknownIssuer");
    // Here the server refuses us.
    let plain = server.url("localhost", "sslmode=disable");
    refused(&plain, 3, "no encryption");
    let wrong = server.url("localhost", &full);
    let wrong = wrong.replace(":secret@", ":wrong@");
    refused(&wrong, 3, "password authentication failed");
}

#[tokio::test]
async fn a_database_whose_certificate_has_ended_is_not_used() {
    let authority = Authority::new();
    let server = Server::start(&authority.expired("localhost")).await;
    refused(
        &server.url("localhost", &verified(&authority)),
        75,
        "expired",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_a_connection_for_us_is_waited_for() {
    let authority = Authority::new();
    let server = Server::start(&authority.server("localhost")).await;
    let url = server.url("localhost", &verified(&authority));
    migrate(&url).ended(0);
    let mut owner = PgConnection::connect(&url).await.unwrap();
    let shop = Shop::new(Some(&url));
    limit(&mut owner, 0).await;
    shop.run(&["tasks"])
        .refused(75, "it has no connection for us");
    let mut daemon = Daemon::start(&shop);
    daemon.until("patient", |shop| {
        let log = fs::read_to_string(shop.dir.path().join("log")).unwrap();
        log.contains("it has no connection for us")
    });
    limit(&mut owner, -1).await;
    daemon.until("owning", |shop| {
        let ran = shop.run(&["stream", "list", "--json"]);
        if ran.code != Some(0) {
            return false;
        }
        let rows = ran.json();
        let mut rows = rows.as_array().unwrap().iter();
        rows.any(|row| row["owner"].is_string())
    });
    daemon.stop().ended(0);
}

/// How many may be connected to the database of the role that asks.
async fn limit(owner: &mut PgConnection, most: i32) {
    let sql = format!("ALTER DATABASE app CONNECTION LIMIT {most}");
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(owner)
        .await
        .unwrap();
}

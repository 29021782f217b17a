//! The same account against OpenSSH's server, which nobody here wrote: as this user, on a port of its own.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hikiate_files::FilesAccount;
use hikiate_sdk::sim::skipped;
use hikiate_sdk::{Connector as _, ErrorClass, Here, LookUp, Op, Outcome};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{build, cp932, instruct, instruction, names, now};

/// No machine is slower.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server; it ends with its value.
struct Sshd {
    dir: TempDir,
    port: u16,
    host_key: String,
    user: String,
    child: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn program() -> Option<PathBuf> {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let places =
        std::env::split_paths(&places).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    places
        .map(|place| place.join("sshd"))
        .find(|file| file.is_file())
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a key pair and returns its fingerprint.
fn key(dir: &Path, name: &str) -> String {
    let file = dir.join(name).display().to_string();
    said(
        "ssh-keygen",
        &["-q", "-t", "ed25519", "-N", "", "-f", &file],
    );
    let told = said("ssh-keygen", &["-l", "-E", "sha256", "-f", &file]);
    told.split_whitespace().nth(1).unwrap().to_owned()
}

impl Sshd {
    /// `None` where there is no sshd.
    fn start() -> Option<Self> {
        let program = program()?;
        let user = said("id", &["-un"]).trim().to_owned();
        // Where sshd of root leaves its rights behind; a service would make it.
        if user == "root" {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        let host_key = key(path, "host");
        for name in ["id", "other"] {
            key(path, name);
        }
        std::fs::copy(path.join("id.pub"), path.join("authorised")).unwrap();
        for name in ["outgoing", "incoming"] {
            std::fs::create_dir_all(path.join("files").join(name)).unwrap();
        }
        let shown = path.display();
        let config = format!(
            "ListenAddress 127.0.0.1\nHostKey {shown}/host\nAuthorizedKeysFile {shown}/authorised\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nPidFile none\n\
             PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
        );
        std::fs::write(path.join("config"), config).unwrap();
        // Somebody may take a port between the look for a free one and the start.
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let log = std::fs::File::create(path.join("log")).unwrap();
            let mut child = Command::new(&program)
                .args(["-D", "-e", "-f"])
                .arg(path.join("config"))
                .args(["-p", &port.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            let begun = Instant::now();
            while child.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Some(Self {
                        dir,
                        port,
                        host_key,
                        user,
                        child,
                    });
                }
                assert!(begun.elapsed() < PATIENCE, "sshd does not listen");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        panic!("{:?}", std::fs::read_to_string(path.join("log")));
    }

    fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    fn account(&self, host_key: &str, key: &str) -> FilesAccount {
        let settings = json!({
            "layout": "japanese-3pl-cp932", "stable_for": "0s",
            "sftp": {
                "host": "127.0.0.1", "port": self.port, "user": self.user, "host_key": host_key,
                "key": { "file": key }, "root": self.files(), "timeout": "60s",
            },
        });
        build(self.dir.path(), &settings).unwrap().0
    }
}

#[tokio::test]
async fn files_go_and_come_and_are_archived_at_openssh() {
    let Some(server) = Sshd::start() else {
        return skipped("files_go_and_come_and_are_archived_at_openssh", "no sshd");
    };
    let account = server.account(&server.host_key, "id");
    let operations = account.operations().unwrap();
    let instructions =
        (0..500).map(|n| instruction(&format!("HK{n:04}-S1"), &[("A-1", 1), ("B-1", 2)]));
    let prepared = operations
        .prepare(&instruct(instructions.collect()))
        .unwrap();
    let looked = operations.look_up_one(Op::Instruct, &prepared).await;
    assert_eq!(looked.unwrap(), LookUp::NotFound);
    // The second time it is there already.
    for _ in 0..2 {
        let outcome = operations.send_one(Op::Instruct, &prepared).await.unwrap();
        assert!(matches!(outcome, Outcome::Accepted { .. }));
    }
    let looked = operations.look_up_one(Op::Instruct, &prepared).await;
    assert!(matches!(looked.unwrap(), LookUp::Found(_)));
    let outgoing = server.files().join("outgoing");
    let found = names(&outgoing);
    assert_eq!(found.len(), 1);
    let content = std::fs::read(outgoing.join(&found[0])).unwrap();
    assert!(content.len() > 100_000 && prepared.bytes.ends_with(&content));

    let rows: String = (0..3000).map(|n| format!("HK{n:04}-S1,OK,,\r\n")).collect();
    let reply = format!("出荷指示番号,受付結果,メッセージ,受付日時\r\n{rows}");
    let incoming = server.files().join("incoming");
    std::fs::write(incoming.join("uketsuke-1.csv"), cp932(&reply)).unwrap();
    let source = account.source().unwrap();
    let page = source
        .page("shipments", None, Here::at(now()))
        .await
        .unwrap();
    let parsed = page.records.iter().filter(|record| record.parsed.is_ok());
    assert_eq!(parsed.count(), 3000);
    for _ in 0..2 {
        source
            .acknowledge(page.ack.as_ref().unwrap())
            .await
            .unwrap();
    }
    assert!(names(&incoming).is_empty());
    assert_eq!(names(&server.files().join("archive")).len(), 1);
}

#[tokio::test]
async fn openssh_is_believed_by_its_host_key_and_lets_in_by_ours() {
    let Some(server) = Sshd::start() else {
        return skipped(
            "openssh_is_believed_by_its_host_key_and_lets_in_by_ours",
            "no sshd",
        );
    };
    let page = async |account: FilesAccount| {
        let source = account.source().unwrap();
        source.page("stock", None, Here::at(now())).await
    };
    assert!(page(server.account(&server.host_key, "id")).await.is_ok());
    let pin = format!("SHA256:{}", "A".repeat(43));
    let error = page(server.account(&pin, "id")).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Auth, "{error}");
    assert!(error.message.contains(&server.host_key), "{error}");
    // A key that the server does not know.
    let error = page(server.account(&server.host_key, "other"))
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Auth, "{error}");
}

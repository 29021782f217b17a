//! The same account over SFTP, against a server in this process.

use hikiate_files::FilesAccount;
use hikiate_files::sim::SftpSim;
use hikiate_sdk::sim::skipped;
use hikiate_sdk::{Connector as _, ErrorClass, LookUp, Op, Outcome};
use serde_json::json;

use crate::support::{build, instruct, instruction, names, now};

struct Server {
    dir: tempfile::TempDir,
    sim: SftpSim,
}

async fn server() -> Server {
    let dir = tempfile::tempdir().unwrap();
    for name in ["outgoing", "incoming"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    let sim = SftpSim::start(dir.path().to_owned()).await.unwrap();
    std::fs::write(dir.path().join("id"), &sim.client_key).unwrap();
    Server { dir, sim }
}

fn account(server: &Server, host_key: &str) -> FilesAccount {
    let settings = json!({
        "layout": "japanese-3pl-cp932", "stable_for": "0s",
        "sftp": { "host": "127.0.0.1", "port": server.sim.address.port(), "user": "tpl", "host_key": host_key, "key": { "file": "id" }, "timeout": "5s" },
    });
    build(server.dir.path(), &settings).unwrap().0
}

#[tokio::test]
async fn files_go_and_come() {
    let server = server().await;
    let account = account(&server, &server.sim.host_key);
    let operations = account.operations().unwrap();
    let prepared = operations
        .prepare(&instruct(
            (0..500)
                .map(|n| instruction(&format!("HK{n:04}-S1"), &[("A-1", 1), ("B-1", 2)]))
                .collect(),
        ))
        .unwrap();
    assert_eq!(
        operations
            .look_up_one(Op::Instruct, &prepared)
            .await
            .unwrap(),
        LookUp::NotFound
    );
    for _ in 0..2 {
        assert!(matches!(
            operations.send_one(Op::Instruct, &prepared).await.unwrap(),
            Outcome::Accepted { .. }
        ));
    }
    let found = names(&server.dir.path().join("outgoing"));
    assert_eq!(found.len(), 1);
    let content = std::fs::read(server.dir.path().join("outgoing").join(&found[0])).unwrap();
    assert!(
        content.len() > 100_000 && prepared.bytes.ends_with(&content),
        "{} bytes",
        content.len()
    );

    let rows: String = (0..3000).map(|n| format!("HK{n:04}-S1,OK,,\r\n")).collect();
    std::fs::write(
        server.dir.path().join("incoming/uketsuke-1.csv"),
        crate::support::cp932(&format!(
            "出荷指示番号,受付結果,メッセージ,受付日時\r\n{rows}"
        )),
    )
    .unwrap();
    let source = account.source().unwrap();
    let page = source
        .page("shipments", None, hikiate_sdk::Here::at(now()))
        .await
        .unwrap();
    assert_eq!(
        page.records.iter().filter(|r| r.parsed.is_ok()).count(),
        3000
    );
    for _ in 0..2 {
        source
            .acknowledge(page.ack.as_ref().unwrap())
            .await
            .unwrap();
    }
    assert!(names(&server.dir.path().join("incoming")).is_empty());
    assert_eq!(names(&server.dir.path().join("archive")).len(), 1);
}

#[tokio::test]
async fn a_connection_lost_after_the_rename_is_unknown_and_then_found() {
    let server = server().await;
    let account = account(&server, &server.sim.host_key);
    let operations = account.operations().unwrap();
    let prepared = operations
        .prepare(&instruct(vec![instruction("HK1-S1", &[("A-1", 1)])]))
        .unwrap();
    server.sim.drop_after_rename();
    let error = operations
        .send_one(Op::Instruct, &prepared)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::OutcomeUnknown, "{error}");
    assert!(matches!(
        operations
            .look_up_one(Op::Instruct, &prepared)
            .await
            .unwrap(),
        LookUp::Found(_)
    ));
    assert!(matches!(
        operations.send_one(Op::Instruct, &prepared).await.unwrap(),
        Outcome::Accepted { .. }
    ));
    assert_eq!(names(&server.dir.path().join("outgoing")).len(), 1);
}

#[tokio::test]
async fn another_host_key_is_not_talked_to() {
    let server = server().await;
    let pin = format!("SHA256:{}", "A".repeat(43));
    let account = account(&server, &pin);
    let error = account
        .source()
        .unwrap()
        .page("stock", None, hikiate_sdk::Here::at(now()))
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Auth, "{error}");
    assert!(
        error.message.contains(&server.sim.host_key) && error.message.contains(&pin),
        "{error}"
    );
}

#[tokio::test]
async fn a_refused_login_pauses_and_comes_back() {
    let server = server().await;
    let account = account(&server, &server.sim.host_key);
    let source = account.source().unwrap();
    server.sim.refuse_login(true);
    assert_eq!(
        source
            .page("stock", None, hikiate_sdk::Here::at(now()))
            .await
            .unwrap_err()
            .class,
        ErrorClass::Auth
    );
    server.sim.refuse_login(false);
    assert!(
        source
            .page("stock", None, hikiate_sdk::Here::at(now()))
            .await
            .unwrap()
            .records
            .is_empty()
    );
}

#[tokio::test]
async fn nobody_there_is_transient() {
    let server = server().await;
    let gone = account(&server, &server.sim.host_key);
    let address = server.sim.address;
    drop(server.sim);
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(
        gone.source()
            .unwrap()
            .page("stock", None, hikiate_sdk::Here::at(now()))
            .await
            .unwrap_err()
            .class,
        ErrorClass::Transient
    );
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_and_asked_again() {
    let server = server().await;
    let settings = json!({
        "layout": "japanese-3pl-cp932", "stable_for": "0s", "budget": { "idle": "3s" },
        "sftp": { "host": "127.0.0.1", "port": server.sim.address.port(), "user": "tpl", "host_key": server.sim.host_key, "key": { "file": "id" }, "timeout": "600s" },
    });
    let account = build(server.dir.path(), &settings).unwrap().0;
    let source = account.source().unwrap();
    let rows = "出荷指示番号,受付結果,メッセージ,受付日時\r\nHK1-S1,OK,,\r\n";
    let path = server.dir.path().join("incoming/uketsuke-1.csv");
    std::fs::write(path, crate::support::cp932(rows)).unwrap();
    let now = now();
    for what in ["read", "list"] {
        server.sim.hang_on_read(what == "read");
        server.sim.hang_on_list(what == "list");
        let began = std::time::Instant::now();
        let error = source
            .page("shipments", None, hikiate_sdk::Here::at(now))
            .await
            .unwrap_err();
        assert_eq!(error.class, ErrorClass::Transient, "{error}");
        assert!(
            error.message.starts_with(&format!("cannot {what} ")),
            "{error}"
        );
        assert!(
            began.elapsed() < std::time::Duration::from_secs(300),
            "{:?}",
            began.elapsed()
        );
    }
    server.sim.hang_on_list(false);
    let page = source
        .page("shipments", None, hikiate_sdk::Here::at(now))
        .await
        .unwrap();
    assert_eq!(page.records.len(), 1);
}

#[tokio::test]
async fn what_is_written_has_its_mode_and_links_are_not_listed() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = server().await;
    let settings = json!({
        "layout": "japanese-3pl-cp932", "stable_for": "0s", "mode": "0640",
        "sftp": { "host": "127.0.0.1", "port": server.sim.address.port(), "user": "tpl", "host_key": server.sim.host_key, "key": { "file": "id" }, "timeout": "5s" },
    });
    let account = build(server.dir.path(), &settings).unwrap().0;
    let operations = account.operations().unwrap();
    let call = instruct(vec![instruction("HK1-S1", &[("A-1", 1)])]);
    let prepared = operations.prepare(&call).unwrap();
    operations.send_one(Op::Instruct, &prepared).await.unwrap();
    let file = server.dir.path().join(&prepared.label);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    let link = server.dir.path().join("incoming/uketsuke-1.csv");
    std::os::unix::fs::symlink("../id", link).unwrap();
    let now = "2999-01-01T00:00:00Z".parse().unwrap();
    let page = account
        .source()
        .unwrap()
        .page("shipments", None, hikiate_sdk::Here::at(now))
        .await
        .unwrap();
    assert!(
        page.records.is_empty() && page.waiting.is_empty(),
        "{page:?}"
    );
}

#[tokio::test]
async fn a_long_file_comes_in_slices() {
    let server = server().await;
    let settings = json!({
        "layout": "japanese-3pl-cp932", "stable_for": "0s", "budget": { "bytes": 100_000 },
        "sftp": { "host": "127.0.0.1", "port": server.sim.address.port(), "user": "tpl", "host_key": server.sim.host_key, "key": { "file": "id" }, "timeout": "5s" },
    });
    let account = build(server.dir.path(), &settings).unwrap().0;
    let source = account.source().unwrap();
    let rows: String = (0..8_000)
        .map(|n| format!("HK{n:06}-S1,OK,,\r\n"))
        .collect();
    let text = format!("出荷指示番号,受付結果,メッセージ,受付日時\r\n{rows}");
    let path = server.dir.path().join("incoming/uketsuke-1.csv");
    std::fs::write(path, crate::support::cp932(&text)).unwrap();
    let (mut cursor, mut told, mut pages) = (None, 0, 0);
    loop {
        let now = now();
        let page = source
            .page("shipments", cursor.as_ref(), hikiate_sdk::Here::at(now))
            .await
            .unwrap();
        if let Some(ack) = &page.ack {
            source.acknowledge(ack).await.unwrap();
        }
        told += page.records.iter().filter(|r| r.parsed.is_ok()).count();
        pages += 1;
        cursor = Some(page.next);
        if !page.more {
            break;
        }
    }
    assert_eq!(told, 8_000);
    assert!(pages > 4, "{pages}");
    assert_eq!(names(&server.dir.path().join("archive")).len(), 1);
}

/// `HIKIATE_LAB_SFTP` is the `[sftp]` table as JSON, of a server whose root is empty or may be filled.
#[tokio::test]
async fn a_server_nobody_here_wrote() {
    let Ok(table) = std::env::var("HIKIATE_LAB_SFTP") else {
        return skipped(
            "a_server_nobody_here_wrote",
            "HIKIATE_LAB_SFTP names no server",
        );
    };
    let dir = tempfile::tempdir().unwrap();
    let sftp: serde_json::Value = serde_json::from_str(&table).unwrap();
    let settings = |incoming: &str| json!({ "layout": "japanese-3pl-cp932", "stable_for": "0s", "sftp": sftp, "incoming": incoming, "outgoing": "lab-out" });
    let account = build(dir.path(), &settings("lab-in")).unwrap().0;
    let operations = account.operations().unwrap();
    let reference = format!("HK{}-S1", std::process::id());
    let call = instruct(vec![instruction(&reference, &[("A-1", 1)])]);
    let prepared = operations.prepare(&call).unwrap();
    for _ in 0..2 {
        let outcome = operations.send_one(Op::Instruct, &prepared).await.unwrap();
        assert!(matches!(outcome, Outcome::Accepted { .. }));
    }
    assert!(matches!(
        operations
            .look_up_one(Op::Instruct, &prepared)
            .await
            .unwrap(),
        LookUp::Found(_)
    ));
    // The server holds lab-out/ and lab-in/uketsuke-1.csv.
    let source = account.source().unwrap();
    assert!(
        source
            .page("stock", None, hikiate_sdk::Here::at(now()))
            .await
            .is_ok()
    );
    let page = source
        .page("shipments", None, hikiate_sdk::Here::at(now()))
        .await
        .unwrap();
    let ack = page.ack.unwrap();
    for _ in 0..2 {
        source.acknowledge(&ack).await.unwrap();
    }
    let page = source
        .page("shipments", Some(&page.next), hikiate_sdk::Here::at(now()))
        .await
        .unwrap();
    assert!(page.records.is_empty() && page.ack.is_none());
    let missing = build(dir.path(), &settings("nowhere")).unwrap().0;
    let error = missing
        .source()
        .unwrap()
        .page("stock", None, hikiate_sdk::Here::at(now()))
        .await;
    assert_eq!(error.unwrap_err().class, ErrorClass::Transient);
}

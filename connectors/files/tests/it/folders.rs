//! Folders in which others may write: what is no file is not read, and what is written has its rights.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::time::{Duration, Instant};

use hikiate_files::{Access, Folder as _, LocalFolder};
use hikiate_sdk::{ErrorClass, Op, Outcome};
use serde_json::json;

use crate::support::{instruct, instruction, site, site_set};

const REPLY: &str = "出荷指示番号,受付結果,メッセージ,受付日時\n";

fn fifo(path: &std::path::Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}

#[tokio::test]
async fn links_pipes_and_folders_are_not_read() {
    let site = site("japanese-3pl-utf8");
    let incoming = site.dir.path().join("incoming");
    site.put("secret.csv", format!("{REPLY}HK1-S1,OK,,\n").as_bytes());
    symlink("../secret.csv", incoming.join("uketsuke-1.csv")).unwrap();
    symlink("nowhere", incoming.join("uketsuke-2.csv")).unwrap();
    fifo(&incoming.join("uketsuke-3.csv"));
    std::fs::create_dir(incoming.join("uketsuke-4.csv")).unwrap();
    let page = site
        .page_at("shipments", None, "2999-01-01T00:00:00Z")
        .await;
    assert!(
        page.records.is_empty() && page.waiting.is_empty(),
        "{page:?}"
    );
    // Swapped between listing and opening: nothing is followed, and nothing hangs.
    let folder = LocalFolder::new(site.dir.path());
    for n in 1..=4 {
        let path = format!("incoming/uketsuke-{n}.csv");
        let began = Instant::now();
        assert_eq!(
            folder.read_range(&path, 0, 10).await.unwrap(),
            None,
            "{path}"
        );
        assert_eq!(folder.read(&path).await.unwrap(), None, "{path}");
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}

#[tokio::test]
async fn a_part_of_a_file_is_no_more_than_was_asked_for() {
    let site = site("japanese-3pl-utf8");
    site.put("incoming/a.csv", b"0123456789");
    let folder = LocalFolder::new(site.dir.path());
    let read = async |offset, length| {
        folder
            .read_range("incoming/a.csv", offset, length)
            .await
            .unwrap()
    };
    assert_eq!(read(0, 4).await.unwrap(), b"0123");
    assert_eq!(read(8, 4).await.unwrap(), b"89");
    assert_eq!(read(10, 4).await.unwrap(), b"");
    assert_eq!(read(99, 4).await.unwrap(), b"");
    assert_eq!(
        folder.read_range("incoming/b.csv", 0, 4).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn what_goes_out_has_the_mode_and_the_group_of_the_account() {
    let probe = tempfile::tempdir().unwrap();
    let gid = std::fs::metadata(probe.path()).unwrap().gid();
    let group = nix::unistd::Group::from_gid(gid.into()).unwrap().unwrap();
    for (mode, bits) in [("0640", 0o640), ("664", 0o664), ("0600", 0o600)] {
        let keys = json!({ "mode": mode, "group": group.name });
        let site = site_set("japanese-3pl-utf8", &str::to_owned, &keys);
        let call = instruct(vec![instruction("HK1-S1", &[("A-1", 1)])]);
        let prepared = site.operations().prepare(&call).unwrap();
        let sent = site
            .operations()
            .send_one(Op::Instruct, &prepared)
            .await
            .unwrap();
        assert!(matches!(sent, Outcome::Accepted { .. }));
        let name = &site.names("outgoing")[0];
        let meta = site
            .dir
            .path()
            .join("outgoing")
            .join(name)
            .metadata()
            .unwrap();
        assert_eq!(
            (meta.permissions().mode() & 0o777, meta.gid()),
            (bits, gid),
            "{mode}"
        );
    }
}

#[tokio::test]
async fn a_group_that_is_not_there_is_said_and_nothing_is_written() {
    // It was there when the account was built.
    let site = site("japanese-3pl-utf8");
    let access = Access {
        mode: None,
        group: Some("no-such-group-here".to_owned()),
    };
    let folder = LocalFolder::new(site.dir.path()).with_access(access);
    let written = folder.write_new("outgoing/a.csv", b"a").await;
    let error = written.unwrap_err();
    assert_eq!(error.class, ErrorClass::Auth);
    assert_eq!(
        error.message,
        "this machine has no group no-such-group-here: create it or correct `group`"
    );
    assert!(site.names("outgoing").is_empty());
}

#[tokio::test]
async fn a_name_that_a_link_has_is_taken() {
    let site = site("japanese-3pl-utf8");
    let call = instruct(vec![instruction("HK1-S1", &[("A-1", 1)])]);
    let prepared = site.operations().prepare(&call).unwrap();
    let name = prepared.label.clone();
    symlink("../elsewhere", site.dir.path().join(&name)).unwrap();
    let sent = site
        .operations()
        .send_one(Op::Instruct, &prepared)
        .await
        .unwrap_err();
    assert_eq!(sent.code.as_deref(), Some("name_taken"), "{sent}");
    assert!(!site.dir.path().join("elsewhere").exists());
}

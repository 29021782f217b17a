//! A file of 64 MiB in rows of two bytes: what a page holds of it, and what the process needs for it.
//!
//! A test binary of its own, so that the memory that is measured is that of this reading.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;

use hikiate_files::FilesAccount;
use hikiate_sdk::sim::skipped;
use hikiate_sdk::{AccountConfig, AccountSlug, Connector as _};
use serde_json::{Value, json};

const SIZE: usize = 64 << 20;
/// For the whole process, what the engine holds of a page included.
const MOST: usize = 256 << 20;

fn account(dir: &std::path::Path) -> FilesAccount {
    for name in ["outgoing", "incoming"] {
        std::fs::create_dir(dir.join(name)).unwrap();
    }
    let settings = json!({ "folder": ".", "layout": "japanese-3pl-utf8", "stable_for": "0s" });
    let slug = AccountSlug::from("osaka");
    let config = AccountConfig {
        slug: &slug,
        settings: &settings,
        base_dir: dir,
        timezone: "Asia/Tokyo",
        link: &hikiate_sdk::Link::new(hikiate_sdk::budget::Clock::default()),
    };
    FilesAccount::new(&config, |folder| folder).unwrap()
}

/// The most memory that the process ever had, by the kernel's count.
fn high_water() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kilobytes: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes << 10)
}

/// Reads a stream to its end: the records of each page. Each page is held twice, as the engine does that binds it to its
/// statements.
fn pages(account: &FilesAccount, stream: &str) -> Vec<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let source = account.source().unwrap();
    let now = "2026-11-28T01:00:00Z".parse().unwrap();
    let (mut cursor, mut records) = (None::<Value>, Vec::new());
    loop {
        let page = runtime
            .block_on(source.page(stream, cursor.as_ref(), hikiate_sdk::Here::at(now)))
            .unwrap();
        let twice = page.records.clone();
        records.push(twice.len());
        if let Some(ack) = &page.ack {
            runtime.block_on(source.acknowledge(ack)).unwrap();
        }
        cursor = Some(page.next);
        if !page.more {
            return records;
        }
        assert!(records.len() < 100, "it does not end");
    }
}

/// Writes a head and then the same bytes so many times, without having them in memory.
fn write(path: &std::path::Path, head: &str, part: &[u8], times: usize) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    file.write_all(head.as_bytes()).unwrap();
    for _ in 0..times {
        file.write_all(part).unwrap();
    }
    file.flush().unwrap();
}

#[test]
fn long_files_cost_no_more_than_their_slices() {
    let dir = tempfile::tempdir().unwrap();
    let account = account(dir.path());
    let head = "出荷指示番号,受付結果,メッセージ,受付日時\n";
    let path = dir.path().join("incoming/uketsuke-1.csv");
    write(&path, head, &b"x\n".repeat(512), SIZE / 1_024);
    assert!(path.metadata().unwrap().len() >= SIZE as u64);
    assert_eq!(
        pages(&account, "shipments"),
        [1],
        "33 million bad rows are one record"
    );

    let path = dir.path().join("incoming/zaiko-1.csv");
    let rows: String = (0..45_000).map(|n| format!("A-{n},W1,5,\n")).collect();
    write(
        &path,
        "商品コード,倉庫コード,在庫数,集計日時\n",
        rows.as_bytes(),
        1,
    );
    let counted = pages(&account, "stock");
    assert_eq!(counted, [10_000, 10_000, 10_000, 10_000, 5_000]);
    assert_eq!(
        std::fs::read_dir(dir.path().join("archive"))
            .unwrap()
            .count(),
        2
    );

    let Some(most) = high_water() else {
        let test = "long_files_cost_no_more_than_their_slices";
        return skipped(test, "no /proc/self/status to measure by");
    };
    println!("{} MiB", most >> 20);
    assert!(most < MOST, "{} MiB", most >> 20);
}

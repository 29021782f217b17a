//! Files of a warehouse, through the connector's own stream: names, encodings, separators, cursors, layouts.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use hikiate_files::{Entry, FilesAccount, Folder, Layout, SHIPPED, Written};
use hikiate_sdk::{AccountConfig, AccountSlug, Connector, Error, Page};
use serde_json::{Value, json};

use super::wait;

/// A folder of files that are always the same.
struct Shelf(Vec<(String, Vec<u8>)>);

#[async_trait]
impl Folder for Shelf {
    async fn list(&self, _folder: &str) -> Result<Vec<Entry>, Error> {
        let entry = |(name, bytes): &(String, Vec<u8>)| Entry {
            name: name.clone(),
            size: bytes.len() as u64,
            modified: 1,
        };
        Ok(self.0.iter().map(entry).collect())
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let found = self
            .0
            .iter()
            .find(|(name, _)| path.ends_with(name.as_str()));
        Ok(found.map(|(_, bytes)| bytes.clone()))
    }

    async fn size(&self, path: &str) -> Result<Option<u64>, Error> {
        Ok(self.read(path).await?.map(|bytes| bytes.len() as u64))
    }

    async fn write_new(&self, _path: &str, _bytes: &[u8]) -> Result<Written, Error> {
        Ok(Written::NameTaken)
    }

    async fn rename(&self, _from: &str, _to: &str) -> Result<bool, Error> {
        Ok(true)
    }

    async fn remove(&self, _path: &str) -> Result<(), Error> {
        Ok(())
    }
}

/// Layouts of all shapes: the two encodings, three separators, files known to be whole in three ways.
static LAYOUTS: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    for (n, (whole, separator)) in [
        ("\"renamed\"", "\",\""),
        ("{ trailer = \"END\" }", "\"\\t\""),
        ("\"renamed\"", "\";\""),
    ]
    .iter()
    .enumerate()
    {
        for name in ["japanese-3pl-cp932", "japanese-3pl-utf8"] {
            let (_, text) = SHIPPED.iter().find(|(known, _)| known == &name).unwrap();
            let text = text
                .replace("whole = \"stable\"", &format!("whole = {whole}"))
                .replace("separator = \",\"", &format!("separator = {separator}"));
            std::fs::write(dir.path().join(format!("{name}-{n}.toml")), text).unwrap();
        }
    }
    dir
});

fn account(choice: u8, files: Vec<(String, Vec<u8>)>) -> FilesAccount {
    let encoding = ["cp932", "utf8"][usize::from(choice % 2)];
    let layout = format!("japanese-3pl-{encoding}-{}.toml", choice / 2 % 3);
    let settings = json!({ "folder": "/nowhere", "layout": layout });
    let slug = AccountSlug::new("osaka");
    let account = AccountConfig {
        slug: &slug,
        settings: &settings,
        base_dir: LAYOUTS.path(),
        timezone: "Asia/Tokyo",
        link: &hikiate_sdk::Link::new(hikiate_sdk::budget::Clock::default()),
    };
    let made = FilesAccount::new(&account, |_| Arc::new(Shelf(files)));
    match made {
        Ok(account) => account,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn page(account: &FilesAccount, stream: &str, cursor: Option<&Value>) -> Option<Page> {
    match wait(account.source().unwrap().page(
        stream,
        cursor,
        hikiate_sdk::Here::at(chrono::DateTime::from_timestamp_nanos(
            1_795_000_000_000_000_000,
        )),
    )) {
        Ok(page) => Some(page),
        Err(error) => {
            assert!(error.message.len() < 4000, "{}", error.message);
            None
        }
    }
}

fn read(stream: &str, kinds: &[&str], bytes: &[u8]) {
    let (choice, body) = bytes.split_first().unwrap_or((&0, &[]));
    let kind = kinds[usize::from(choice / 6) % kinds.len()];
    let account = account(*choice, vec![(format!("{kind}-1.csv"), body.to_vec())]);
    let Some(page) = page(&account, stream, None) else {
        return;
    };
    // A file that cannot be read is one bad record, with all of it.
    let lines = body
        .iter()
        .filter(|byte| matches!(byte, b'\n' | b'\r'))
        .count();
    assert!(
        page.records.len() <= lines + 2,
        "{} records of {lines} lines",
        page.records.len()
    );
    // Each record is kept with the header of its file.
    let size: usize = page.records.iter().map(|record| record.raw.len()).sum();
    assert!(
        size <= (page.records.len() + 4) * body.len() + 1000,
        "{size} bytes of records of {}",
        body.len()
    );
    for record in &page.records {
        if let Err(bad) = &record.parsed {
            assert!(
                bad.reason.len() < 4000,
                "a reason of {} bytes",
                bad.reason.len()
            );
        }
    }
    // What was read is not read again.
    let again = wait(account.source().unwrap().page(
        stream,
        Some(&page.next),
        hikiate_sdk::Here::at(chrono::DateTime::from_timestamp_nanos(
            1_795_000_000_000_000_000,
        )),
    ));
    if let Ok(again) = again {
        assert!(again.records.is_empty(), "a file is read twice");
    }
}

/// Answers, parcels and cancel answers.
pub(super) fn shipments(bytes: &[u8]) {
    read("shipments", &["uketsuke", "jisseki", "torikeshi"], bytes);
}

/// Stock files.
pub(super) fn stock(bytes: &[u8]) {
    read("stock", &["zaiko"], bytes);
}

/// Names of files against the layout's patterns.
pub(super) fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let files = text.split('\n').take(50);
    let files = files
        .map(|name| (name.to_owned(), b"x\r\n".to_vec()))
        .collect();
    drop(page(&account(0, files), "stock", None));
}

/// A layout as the merchant writes it.
pub(super) fn layout(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(layout) = toml::from_str::<Layout>(text) else {
        return;
    };
    let problems = layout.problems();
    let size: usize = problems.iter().map(String::len).sum();
    assert!(size <= 400 * (text.len() + 100), "{size} bytes of problems");
    if problems.is_empty() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("l.toml"), text).unwrap();
        let settings = json!({ "folder": "/nowhere", "layout": "l.toml" });
        build(&settings, dir.path());
    }
}

fn build(settings: &Value, base_dir: &Path) {
    let slug = AccountSlug::new("osaka");
    let account = AccountConfig {
        slug: &slug,
        settings,
        base_dir,
        timezone: "Asia/Tokyo",
        link: &hikiate_sdk::Link::new(hikiate_sdk::budget::Clock::default()),
    };
    drop(FilesAccount::new(&account, |folder| folder));
}

/// A stored cursor, as a damaged or an older database may hold it.
pub(super) fn cursor(bytes: &[u8]) {
    let (choice, body) = bytes.split_first().unwrap_or((&0, &[]));
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let files = vec![("zaiko-1.csv".to_owned(), b"x\r\n".to_vec())];
    if choice % 2 == 0 {
        drop(page(&account(*choice, files), "stock", Some(&value)));
    } else {
        super::shop::after(&value, *choice);
    }
}

//! Accounts over a temporary folder.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use hikiate_files::{FaultyFolder, FilesAccount, Folder, LocalFolder};
use hikiate_sdk::faulty::AllMet;
use hikiate_sdk::{
    AccountConfig, AccountSlug, BatchName, Call, Connector, InFile, InstructCall, Instruction,
    InstructionLine, Operations, Page, Party, Problem, ShipmentReference, Source,
};
use serde_json::{Value, json};

pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) account: FilesAccount,
    pub(crate) faults: Arc<FaultyFolder>,
    pub(crate) settings: Value,
    met: AllMet,
}

pub(crate) fn build(
    base: &Path,
    settings: &Value,
) -> Result<(FilesAccount, Arc<FaultyFolder>), Vec<Problem>> {
    let slug = AccountSlug::from("osaka");
    let config = AccountConfig {
        slug: &slug,
        settings,
        base_dir: base,
        timezone: "Asia/Tokyo",
        link: &hikiate_sdk::Link::new(hikiate_sdk::budget::Clock::default()),
    };
    let mut faults = None;
    let account = FilesAccount::new(&config, |folder| {
        let faulty = Arc::new(FaultyFolder::new(folder));
        faults = Some(faulty.clone());
        faulty
    })?;
    Ok((account, faults.unwrap()))
}

pub(crate) fn site(layout: &str) -> Site {
    site_with(layout, &|text| text.to_owned())
}

/// A site with a shipped layout changed by text.
pub(crate) fn site_with(layout: &str, change: &dyn Fn(&str) -> String) -> Site {
    site_set(layout, change, &json!({}))
}

/// A site with a shipped layout changed by text, and further keys of the account.
pub(crate) fn site_set(layout: &str, change: &dyn Fn(&str) -> String, keys: &Value) -> Site {
    let dir = tempfile::tempdir().unwrap();
    for name in ["outgoing", "incoming", "done"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    let text = hikiate_files::SHIPPED
        .iter()
        .find(|(n, _)| *n == layout)
        .unwrap()
        .1;
    std::fs::write(dir.path().join("layout.toml"), change(text)).unwrap();
    let mut settings = json!({ "folder": ".", "layout": "layout.toml", "stable_for": "0s", "values": { "merchant_code": "M42" } });
    if change(text).contains("picked_up = \"moved\"") {
        settings["picked_up_to"] = json!("done");
    }
    for (key, value) in keys.as_object().unwrap() {
        settings[key] = value.clone();
    }
    let (account, faults) = build(dir.path(), &settings).unwrap();
    Site {
        dir,
        account,
        met: AllMet::of(vec![faults.clone()]),
        faults,
        settings,
    }
}

impl Site {
    pub(crate) fn operations(&self) -> &dyn Operations {
        self.account.operations().unwrap()
    }

    pub(crate) fn source(&self) -> &dyn Source {
        self.account.source().unwrap()
    }

    pub(crate) fn folder(&self) -> Arc<dyn Folder> {
        Arc::new(LocalFolder::new(self.dir.path()))
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.dir.path().join(name), bytes).unwrap();
    }

    /// The same account after a restart, and with what was changed meanwhile.
    pub(crate) fn restart(&mut self) {
        let (account, faults) = build(self.dir.path(), &self.settings).unwrap();
        self.met = AllMet::of(vec![faults.clone()]);
        (self.account, self.faults) = (account, faults);
    }

    /// Mends the layout.
    pub(crate) fn mend(&mut self, change: &dyn Fn(&str) -> String) {
        let path = self.dir.path().join("layout.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_ne!(change(&text), text);
        std::fs::write(&path, change(&text)).unwrap();
        self.restart();
    }

    /// Every page from a cursor on, each acknowledged, at a time; as the engine reads.
    pub(crate) async fn drain(
        &self,
        stream: &str,
        mut cursor: Option<Value>,
        now: &str,
    ) -> (Vec<Page>, Value) {
        let mut pages = Vec::new();
        for _ in 0..2_000 {
            let page = self.page_at(stream, cursor.as_ref(), now).await;
            if let Some(ack) = &page.ack {
                self.source().acknowledge(ack).await.unwrap();
            }
            let next: Value = serde_json::from_str(&page.next.to_string()).unwrap();
            cursor = Some(next.clone());
            let more = page.more;
            pages.push(page);
            if !more {
                return (pages, next);
            }
        }
        panic!("it does not end");
    }

    /// A file with its time.
    pub(crate) fn put_at(&self, name: &str, bytes: &[u8], changed: &str) {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(at(changed).into()).unwrap();
    }

    /// What a page tells at a time.
    pub(crate) async fn page_at(&self, stream: &str, cursor: Option<&Value>, now: &str) -> Page {
        self.source()
            .page(stream, cursor, hikiate_sdk::Here::at(at(now)))
            .await
            .unwrap()
    }

    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        names(&self.dir.path().join(folder))
    }

    pub(crate) async fn page(&self, stream: &str, cursor: Option<&Value>) -> Page {
        self.source()
            .page(stream, cursor, hikiate_sdk::Here::at(now()))
            .await
            .unwrap()
    }
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(items) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<_> = items
        .map(|i| i.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[expect(clippy::disallowed_methods, reason = "files get the machine's time")]
pub(crate) fn now() -> DateTime<Utc> {
    std::time::SystemTime::now().into()
}

/// Bytes kept of a file of this name, from its beginning.
pub(crate) fn kept(name: &str) -> InFile {
    InFile {
        name: name.to_owned(),
        sha256: "00".repeat(32),
        told: at("2026-11-28T01:00:00Z"),
        read_at: at("2026-11-28T01:00:00Z"),
        rows: Vec::new(),
    }
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn cp932(text: &str) -> Vec<u8> {
    encoding_rs::SHIFT_JIS.encode(text).0.into_owned()
}

pub(crate) fn batch(kind: &str) -> BatchName {
    BatchName {
        account: "osaka".to_owned(),
        kind: kind.to_owned(),
        period: "20261121T1300".to_owned(),
        n: 1,
    }
}

pub(crate) fn instruction(reference: &str, lines: &[(&str, u32)]) -> Instruction {
    Instruction {
        reference: ShipmentReference::from(reference),
        order_number: reference.split('-').next().unwrap().to_owned(),
        display: "1001".to_owned(),
        channel: "shop-jp".to_owned(),
        ordered_at: at("2026-11-20T16:30:00Z"),
        service: None,
        earliest_ship: None,
        ship_to: Party {
            name: "髙橋 一郎".to_owned(),
            country: "JP".to_owned(),
            postal_code: "010-0001".to_owned(),
            region: "秋田県".to_owned(),
            city: "秋田市".to_owned(),
            address1: "中通2−3".to_owned(),
            phone: "018-000-0000".to_owned(),
            ..Party::default()
        },
        lines: (1..)
            .zip(lines)
            .map(|(n, (code, quantity))| InstructionLine {
                n,
                code: (*code).to_owned(),
                title: "能登の塩, 表\"印\"".to_owned(),
                quantity: *quantity,
                unit_price: None,
                customs: hikiate_sdk::Customs::default(),
            })
            .collect(),
        asks: hikiate_sdk::Asks::default(),
    }
}

pub(crate) fn instruct(instructions: Vec<Instruction>) -> Call {
    Call::Instruct(InstructCall {
        batch: batch("instruct"),
        instructions,
    })
}

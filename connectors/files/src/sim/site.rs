//! A warehouse's folders as the conformance suite prepares and asks them, past the connector.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "only the conformance suite runs it: it stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use chrono::{DateTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use hikiate_sdk::conformance::{TestSystem, Times};
use hikiate_sdk::{
    BatchName, Call, CancelInstructionCall, Currency, InstructCall, Instruction, InstructionLine,
    JournalBatch, JournalEntry, JournalLine, Op, Party, ShipmentReference,
};

use super::SftpSim;

/// Column heads of the shipped Japanese layout.
const REPLY: (&str, &str) = ("uketsuke", "出荷指示番号,受付結果,メッセージ,受付日時");
const PARCEL: (&str, &str) = (
    "jisseki",
    "出荷指示番号,行番号,商品コード,出荷数量,配送業者,送り状番号,出荷日時",
);
const STOCK: (&str, &str) = ("zaiko", "商品コード,倉庫コード,在庫数,集計日時");

pub(super) struct Site {
    pub(super) dir: tempfile::TempDir,
    pub(super) zone: Tz,
    pub(super) settings: String,
    pub(super) sim: Option<SftpSim>,
    /// A day ago: files are younger than that.
    since: SystemTime,
    number: AtomicU64,
    told: Mutex<BTreeMap<String, String>>,
}

impl Site {
    pub(super) fn new(
        dir: tempfile::TempDir,
        zone: Tz,
        settings: String,
        sim: Option<SftpSim>,
    ) -> Self {
        let made = dir.path().metadata().unwrap().modified().unwrap();
        Self {
            since: made - Duration::from_secs(86_400),
            dir,
            zone,
            settings,
            sim,
            number: AtomicU64::new(100),
            told: Mutex::default(),
        }
    }

    fn next(&self) -> u64 {
        self.number.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn put(&self, (name, head): (&str, &str), rows: &str, modified: u64) {
        let path = self
            .dir
            .path()
            .join(format!("incoming/{name}-{:06}.csv", self.next()));
        let text = format!("{head}\r\n{rows}\r\n");
        fs::write(&path, encoding_rs::SHIFT_JIS.encode(&text).0).unwrap();
        let time = self.since + Duration::from_secs(modified);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }

    fn local(&self, at: DateTime<Utc>) -> Option<String> {
        let local = at.with_timezone(&self.zone).naive_local();
        // The second of two equal readings of a clock cannot be told from the first.
        let read = self.zone.from_local_datetime(&local).earliest();
        (read.map(|t| t.to_utc()) == Some(at))
            .then(|| local.format("%Y/%m/%d %H:%M:%S").to_string())
    }
}

#[async_trait]
impl TestSystem for Site {
    fn page_size(&self, _stream: &str) -> usize {
        1
    }

    async fn seed(&self, stream: &str, count: usize, times: Times) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let n = self.next();
            let modified = match times {
                Times::Rising => n,
                Times::Equal => 50,
                Times::Late => 1,
            };
            let (kind, row, id) = if stream == "stock" {
                let counted = DateTime::<Utc>::from(self.since).with_timezone(&self.zone);
                let counted = counted.format("%Y/%m/%d %H:%M:%S");
                let row = format!("A-{n},W1,5,{counted}");
                (STOCK, row, format!("stock:A-{n}@W1"))
            } else {
                (REPLY, format!("HK{n}-S1,OK,,"), format!("reply:HK{n}-S1"))
            };
            self.put(kind, &row, modified);
            self.told.lock().unwrap().insert(id.clone(), row);
            ids.push(id);
        }
        ids
    }

    async fn seed_bad(&self, stream: &str) {
        let kind = if stream == "stock" { STOCK } else { REPLY };
        self.put(kind, "?,?,?,?", self.next());
    }

    async fn seed_long(&self, stream: &str) -> BTreeMap<String, usize> {
        if stream == "stock" {
            let rows: Vec<_> = (0..150).map(|n| format!("L-{n},W1,5,")).collect();
            self.put(STOCK, &rows.join("\r\n"), self.next());
            return (0..150).map(|n| (format!("stock:L-{n}@W1"), 1)).collect();
        }
        let row = |n| format!("HK1-S1,{n},A-{n},1,ヤマト,4000,2026/11/21 10:00:00");
        let rows: Vec<_> = (1..=150).map(row).collect();
        self.put(PARCEL, &rows.join("\r\n"), self.next());
        BTreeMap::from([("parcel:HK1-S1/4000".to_owned(), 150)])
    }

    async fn seed_partial(&self, stream: &str) -> usize {
        let rows: &[_] = if stream == "stock" {
            &[(STOCK, ",W1,5,"), (STOCK, "A-1,W1,,")]
        } else {
            &[
                (REPLY, ",OK,,"),
                (REPLY, "HK2-S1,,,"),
                (PARCEL, "HK3-S1,,A-1,1,,4001,2026/11/21 10:00:00"),
                (PARCEL, "HK3-S1,1,A-1,,,4002,2026/11/21 10:00:00"),
                (PARCEL, "HK3-S1,1,A-1,1,,4003,"),
            ]
        };
        for (kind, row) in rows {
            self.put(*kind, row, self.next());
        }
        rows.len()
    }

    async fn seed_at(&self, stream: &str, at: DateTime<Utc>) -> Option<String> {
        let (n, local) = (self.next(), self.local(at)?);
        Some(if stream == "stock" {
            self.put(STOCK, &format!("A-{n},W1,5,{local}"), n);
            format!("stock:A-{n}@W1")
        } else {
            self.put(PARCEL, &format!("HK{n}-S1,1,A,1,,4000,{local}"), n);
            format!("parcel:HK{n}-S1/4000")
        })
    }

    async fn tell_again(&self, stream: &str, identity: &str) {
        let row = self.told.lock().unwrap()[identity].clone();
        let kind = if stream == "stock" { STOCK } else { REPLY };
        self.put(kind, &row, self.next());
    }

    async fn batch(&self, _op: Op) -> Call {
        let references: Vec<_> = (0..3).map(|_| format!("HK{}-S1", self.next())).collect();
        instruct(&references)
    }

    async fn answer_batch(&self, call: &Call, refused: &ShipmentReference) -> String {
        let Call::Instruct(batch) = call else {
            panic!("{} has no answers", call.op());
        };
        let rows: Vec<_> = batch
            .instructions
            .iter()
            .map(|i| match &i.reference == refused {
                true => format!("{},NG,住所不明,", i.reference),
                false => format!("{},OK,,", i.reference),
            })
            .collect();
        self.put(REPLY, &rows.join("\r\n"), self.next());
        "shipments".to_owned()
    }

    async fn call(&self, op: Op) -> Call {
        let reference = format!("HK{}-S1", self.next());
        match op {
            Op::Instruct => instruct(&[reference]),
            Op::CancelInstruction => Call::CancelInstruction(CancelInstructionCall {
                key: format!("cancel:{reference}"),
                reference: ShipmentReference::new(reference),
                order_number: "HK1".to_owned(),
            }),
            Op::PostJournal => Call::PostJournal {
                batch: name("journal"),
                journal: journal(reference),
            },
            other => panic!("{other} is not offered"),
        }
    }

    async fn times_done(&self, _op: Op, call: &Call) -> usize {
        let reference = match call {
            Call::Instruct(c) => c.instructions[0].reference.to_string(),
            Call::CancelInstruction(c) => c.reference.to_string(),
            Call::PostJournal { journal, .. } => journal.entries[0].reference.clone(),
            other => panic!("{} is not offered", other.op()),
        };
        let holds = |path: &Path| {
            let bytes = fs::read(path).unwrap();
            path.extension().is_none_or(|e| e != "part")
                && bytes
                    .windows(reference.len())
                    .any(|w| w == reference.as_bytes())
        };
        fs::read_dir(self.dir.path().join("outgoing"))
            .unwrap()
            .filter(|entry| holds(&entry.as_ref().unwrap().path()))
            .count()
    }

    fn planted(&self) -> Vec<String> {
        let mut planted = vec![
            "髙橋".to_owned(),
            "中通".to_owned(),
            "018-000-0000".to_owned(),
        ];
        if let Some(sim) = &self.sim {
            let key = sim.client_key.lines().filter(|l| !l.starts_with("---"));
            planted.extend(key.map(str::to_owned));
        }
        planted
    }

    fn debug_texts(&self) -> Vec<String> {
        vec![self.settings.clone()]
    }
}

fn name(kind: &str) -> BatchName {
    BatchName {
        account: "osaka".to_owned(),
        kind: kind.to_owned(),
        period: "20261121T1300".to_owned(),
        n: 1,
    }
}

fn journal(reference: String) -> JournalBatch {
    let line = |account: &str, amount| JournalLine {
        account: account.to_owned(),
        amount,
        tax: None,
    };
    let entry = JournalEntry {
        reference,
        date: "2026-11-21".parse().unwrap(),
        description: "card".to_owned(),
        currency: Currency::JPY,
        lines: vec![line("a", 5), line("b", -5)],
    };
    JournalBatch {
        entries: vec![entry],
    }
}

fn instruct(references: &[String]) -> Call {
    let instruction = |reference: &String| Instruction {
        reference: ShipmentReference::new(reference.clone()),
        order_number: reference.trim_end_matches("-S1").to_owned(),
        display: "1001".to_owned(),
        channel: "shop-jp".to_owned(),
        ordered_at: "2026-11-20T16:30:00Z".parse().unwrap(),
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
        lines: [("A-1", 1), ("B-2", 2)]
            .into_iter()
            .map(|(code, n)| InstructionLine {
                n,
                code: code.to_owned(),
                title: "能登の塩, 表\"印\"".to_owned(),
                quantity: n,
                unit_price: None,
                customs: hikiate_sdk::Customs::default(),
            })
            .collect(),
        asks: hikiate_sdk::Asks::default(),
    };
    Call::Instruct(InstructCall {
        batch: name("instruct"),
        instructions: references.iter().map(instruction).collect(),
    })
}

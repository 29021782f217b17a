//! The suite that every connector passes: over a folder, over SFTP, and for a journal.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use hikiate_files::sim::SftpSim;
use hikiate_files::{FaultyFolder, FilesAccount, SHIPPED};
use hikiate_sdk::conformance::{Bench, FarSide, Subject, Times, Waiver, run};
use hikiate_sdk::{
    AccountConfig, AccountSlug, Call, CancelInstructionCall, Connector, Currency, JournalBatch,
    JournalEntry, JournalLine, Op, ShipmentReference,
};
use serde_json::json;

use crate::support::{batch, cp932, instruct, instruction, names};

#[derive(Clone, Copy, PartialEq)]
enum Where {
    Folder,
    Sftp,
}

struct ByFile {
    layout: &'static str,
    at: Where,
}

struct Site {
    dir: tempfile::TempDir,
    number: AtomicU64,
    settings: String,
    sim: Option<SftpSim>,
}

impl Site {
    fn next(&self) -> u64 {
        self.number.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn put(&self, stream: &str, row: &str, modified: u64) {
        let (name, head) = match stream {
            "stock" => ("zaiko", "商品コード,倉庫コード,在庫数,集計日時"),
            _ => ("uketsuke", "出荷指示番号,受付結果,メッセージ,受付日時"),
        };
        let path: PathBuf = self
            .dir
            .path()
            .join(format!("incoming/{name}-{:06}.csv", self.next()));
        fs::write(&path, cp932(&format!("{head}\r\n{row}\r\n"))).unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000 + modified);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
}

#[async_trait]
impl FarSide for Site {
    fn page_size(&self, _stream: &str) -> usize {
        1
    }

    async fn seed(&self, stream: &str, count: usize, times: Times) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let n = self.next();
            let modified = if times == Times::Equal { 0 } else { n };
            if stream == "stock" {
                self.put(stream, &format!("A-{n},W1,5,"), modified);
                ids.push(format!("stock:A-{n}@W1"));
            } else {
                self.put(stream, &format!("HK{n}-S1,OK,,"), modified);
                ids.push(format!("reply:HK{n}-S1"));
            }
        }
        ids
    }

    async fn seed_bad(&self, stream: &str) {
        let modified = self.next();
        self.put(stream, "?,?,?,?", modified);
    }

    async fn call(&self, op: Op) -> Call {
        let reference = format!("HK{}-S1", self.next());
        match op {
            Op::Instruct => instruct(vec![instruction(&reference, &[("A-1", 1), ("B-2", 2)])]),
            Op::CancelInstruction => Call::CancelInstruction(CancelInstructionCall {
                key: format!("cancel:{reference}"),
                reference: ShipmentReference::new(reference),
                order_number: "HK1".to_owned(),
            }),
            Op::PostJournal => {
                let line = |account: &str, amount| JournalLine {
                    account: account.to_owned(),
                    amount,
                    tax_rate_bp: None,
                };
                let entry = JournalEntry {
                    reference,
                    date: "2026-11-21".parse().unwrap(),
                    description: "card".to_owned(),
                    currency: Currency::JPY,
                    lines: vec![line("a", 5), line("b", -5)],
                };
                Call::PostJournal {
                    batch: batch("journal"),
                    journal: JournalBatch {
                        entries: vec![entry],
                    },
                }
            }
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
        let folder = self.dir.path().join("outgoing");
        let holds = |name: &String| {
            let bytes = fs::read(folder.join(name)).unwrap();
            !name.ends_with(".part")
                && bytes
                    .windows(reference.len())
                    .any(|w| w == reference.as_bytes())
        };
        names(&folder).iter().filter(|n| holds(n)).count()
    }

    fn planted(&self) -> Vec<String> {
        let mut planted = vec![
            "髙橋".to_owned(),
            "中通".to_owned(),
            "018-000-0000".to_owned(),
        ];
        if let Some(sim) = &self.sim {
            planted.extend(
                sim.client_key
                    .lines()
                    .filter(|l| !l.starts_with("---"))
                    .map(str::to_owned),
            );
        }
        planted
    }

    fn debug_texts(&self) -> Vec<String> {
        vec![self.settings.clone()]
    }
}

#[async_trait]
impl Subject for ByFile {
    fn name(&self) -> String {
        let at = if self.at == Where::Sftp {
            "over SFTP"
        } else {
            "in a folder"
        };
        format!("files {at}, {}", self.layout)
    }

    fn waivers(&self) -> Vec<Waiver> {
        let (streams, ops): (&[&str], &[&str]) = match self.layout {
            "hledger" => (&[], &["post_journal"]),
            _ => (&["shipments", "stock"], &["instruct", "cancel_instruction"]),
        };
        let limit = "neither a folder nor SFTP has a way to ask for patience";
        let status = "a folder answers with a status and nothing else, and the size is compared before the file gets its name";
        let mut waivers = Vec::new();
        for stream in streams {
            waivers.push(Waiver::new(
                format!("rate limited on reading/{stream}"),
                limit,
            ));
            waivers.push(Waiver::new(
                format!("error in ok on reading/{stream}"),
                status,
            ));
            let file = "a file that is not what its listing says is left for the next page, and its neighbours go on";
            waivers.push(Waiver::new(format!("garbage on reading/{stream}"), file));
            waivers.push(Waiver::new(format!("truncated on reading/{stream}"), file));
        }
        for op in ops {
            waivers.push(Waiver::new(format!("rate limited/{op}"), limit));
            for fault in [
                "garbage",
                "truncated",
                "error in ok",
                "error in ok on looking up",
            ] {
                waivers.push(Waiver::new(format!("{fault}/{op}"), status));
            }
        }
        waivers
    }

    async fn fresh(&self) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        for name in ["outgoing", "incoming"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        assert!(SHIPPED.iter().any(|(name, _)| *name == self.layout));
        let mut settings = json!({ "layout": self.layout, "stable_for": "0s" });
        let mut sim = None;
        if self.at == Where::Sftp {
            let server = SftpSim::start(dir.path().to_owned()).await.unwrap();
            fs::write(dir.path().join("id"), &server.client_key).unwrap();
            settings["sftp"] = json!({
                "host": "127.0.0.1", "port": server.address.port(), "user": "tpl",
                "host_key": server.host_key, "key": { "file": "id" }, "timeout": "5s",
            });
            sim = Some(server);
        } else {
            settings["folder"] = json!(".");
        }
        let slug = AccountSlug::from("osaka");
        let config = AccountConfig {
            slug: &slug,
            settings: &settings,
            base_dir: dir.path(),
            timezone: "Asia/Tokyo",
        };
        let mut seam = None;
        let account = FilesAccount::new(&config, |folder| {
            let faulty = Arc::new(FaultyFolder::new(folder));
            seam = Some(faulty.clone());
            faulty
        });
        let connector: Arc<dyn Connector> = Arc::new(account.unwrap().with_page_bytes(1));
        let settings = format!("{settings:?}");
        let far = Arc::new(Site {
            dir,
            number: AtomicU64::new(0),
            settings,
            sim,
        });
        Bench {
            connector,
            far,
            seam: seam.unwrap(),
        }
    }
}

async fn passes(layout: &'static str, at: Where, least: usize) {
    let card = run(&ByFile { layout, at }).await;
    assert_eq!(card.failures(), Vec::<String>::new(), "{card}");
    assert!(card.counts().0 >= least, "{card}");
}

#[tokio::test]
async fn a_warehouse_in_a_folder() {
    passes("japanese-3pl-cp932", Where::Folder, 50).await;
}

#[tokio::test]
async fn a_warehouse_over_sftp() {
    passes("japanese-3pl-cp932", Where::Sftp, 50).await;
}

#[tokio::test]
async fn a_journal_in_a_folder() {
    passes("hledger", Where::Folder, 10).await;
}

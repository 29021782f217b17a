//! What the conformance suite checks: a warehouse in a folder and over SFTP, and books in a folder.

#![expect(
    clippy::unwrap_used,
    reason = "only the conformance suite runs it: it stops at the first surprise"
)]

use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use hikiate_sdk::budget::Clock;
use hikiate_sdk::conformance::{Bench, Specification, Subject, Waiver};
use hikiate_sdk::{AccountConfig, AccountSlug, Connector, Link};
use serde_json::json;

use super::SftpSim;
use super::site::Site;
use crate::{FaultyFolder, FilesAccount, SHIPPED};

/// Where an account's files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a folder of this machine.
    Folder,
    /// Over SFTP.
    Sftp,
}

/// An account with one of the shipped layouts.
#[derive(Clone, Copy, Debug)]
pub struct ByFile {
    /// The layout's name.
    pub layout: &'static str,
    /// Where.
    pub at: Place,
    /// Where the warehouse's clocks hang.
    pub zone: chrono_tz::Tz,
}

impl ByFile {
    /// All that the suite checks. One warehouse is in a zone that changes its clocks.
    pub const ALL: [Self; 3] = [
        Self {
            layout: "japanese-3pl-cp932",
            at: Place::Folder,
            zone: chrono_tz::Asia::Tokyo,
        },
        Self {
            layout: "japanese-3pl-cp932",
            at: Place::Sftp,
            zone: chrono_tz::America::New_York,
        },
        Self {
            layout: "hledger",
            at: Place::Folder,
            zone: chrono_tz::Asia::Tokyo,
        },
    ];
}

/// The ways to say "slow down".
const THROTTLES: [&str; 4] = [
    "rate limited",
    "rate limited without a time",
    "slow down in a 403",
    "rate limited in a 200",
];

#[async_trait]
impl Subject for ByFile {
    fn name(&self) -> String {
        let at = match self.at {
            Place::Sftp => "over SFTP",
            Place::Folder => "in a folder",
        };
        format!("files {at}, {}", self.layout)
    }

    fn waivers(&self) -> Vec<Waiver> {
        let (streams, ops): (&[&str], &[&str]) = match self.layout {
            "hledger" => (&[], &["post_journal"]),
            _ => (&["shipments", "stock"], &["instruct", "cancel_instruction"]),
        };
        let limit = "neither a folder nor SFTP can signal a rate limit";
        let status = "a folder answers with a status only, and the size is compared before the file is renamed";
        let rights = "a right to a file that is missing is a permission error, which counts as refused credentials";
        let mut waivers = Vec::new();
        for stream in streams {
            waivers.push(Waiver::new(
                format!("forbidden on reading/{stream}"),
                rights,
            ));
            for throttle in THROTTLES {
                let check = format!("{throttle} on reading/{stream}");
                waivers.push(Waiver::new(check, limit));
            }
            waivers.push(Waiver::new(
                format!("error in ok on reading/{stream}"),
                status,
            ));
            let file = "a file that differs from its listing is left for the next page; the other files continue";
            waivers.push(Waiver::new(format!("garbage on reading/{stream}"), file));
            waivers.push(Waiver::new(format!("truncated on reading/{stream}"), file));
        }
        for op in ops {
            waivers.push(Waiver::new(format!("forbidden/{op}"), rights));
            for throttle in THROTTLES {
                waivers.push(Waiver::new(format!("{throttle}/{op}"), limit));
            }
            let looking_up = format!("rate limited in a 200 on looking up/{op}");
            waivers.push(Waiver::new(looking_up, limit));
            for fault in [
                "garbage",
                "truncated",
                "error in ok",
                "error in ok on looking up",
            ] {
                waivers.push(Waiver::new(format!("{fault}/{op}"), status));
            }
        }
        if ops.contains(&"post_journal") {
            waivers.push(Waiver::new(
                "partial batch/post_journal",
                "the accounting system imports a file as a whole; there is no answer per entry",
            ));
        }
        waivers
    }

    fn specification(&self) -> Option<Specification> {
        None
    }

    async fn fresh(&self) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        for name in ["outgoing", "incoming"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        assert!(SHIPPED.iter().any(|(name, _)| *name == self.layout));
        let mut settings = json!({ "layout": self.layout, "stable_for": "0s" });
        let mut sim = None;
        if self.at == Place::Sftp {
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
        let link = Link::new(Clock::default());
        let config = AccountConfig {
            slug: &slug,
            settings: &settings,
            base_dir: dir.path(),
            timezone: self.zone.name(),
            link: &link,
        };
        let mut seam = None;
        let account = FilesAccount::new(&config, |folder| {
            let faulty = Arc::new(FaultyFolder::new(folder));
            seam = Some(faulty.clone());
            faulty
        });
        let connector: Arc<dyn Connector> = Arc::new(account.unwrap().with_page_bytes(1));
        let settings = format!("{settings:?}");
        Bench {
            connector,
            far: Arc::new(Site::new(dir, self.zone, settings, sim)),
            seam: seam.unwrap(),
            link,
        }
    }
}

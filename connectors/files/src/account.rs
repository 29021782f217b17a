//! An account of this connector: its folder, what it writes and what it reads.

use std::sync::Arc;
use std::time::Duration;

use hikiate_sdk::budget::{Budget, Limit};
use hikiate_sdk::{AccountConfig, Connector, ConnectorKind, Operations, Problem, Source};

use crate::client::Folder;
use crate::config::{Place, Places, Settings, read, real};
use crate::layout::Layout;
use crate::map::inbound::Reading;
use crate::map::outgoing::Outgoing;
use crate::map::template::from_json;
use crate::pull::Inbox;
use crate::push::{Outbox, WRITES};
use crate::words::span;

/// Warehouse and accounting by file, in a folder or over SFTP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

/// Bytes of files after which a page takes no further one.
const PAGE_BYTES: usize = 1 << 20;

/// A configured account.
pub struct FilesAccount {
    inbox: Option<Inbox>,
    outbox: Option<Outbox>,
    /// What it reads and puts into the archive.
    takes: Vec<String>,
    /// Where it writes.
    leaves: Vec<String>,
    /// Which of its folders hold names and addresses.
    keeps: Vec<String>,
}

impl ConnectorKind for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn title(&self) -> &'static str {
        "Warehouse and accounting by file, in a folder or over SFTP"
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(Settings)
    }

    fn build(&self, account: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
        FilesAccount::new(account, |folder| folder).map(|a| Arc::new(a) as Arc<dyn Connector>)
    }

    #[cfg(feature = "sim")]
    fn subjects(&self) -> Vec<Box<dyn hikiate_sdk::conformance::Subject>> {
        let all = crate::sim::ByFile::ALL;
        all.map(|subject| Box::new(subject) as Box<dyn hikiate_sdk::conformance::Subject>)
            .into()
    }
}

impl FilesAccount {
    /// Builds an account; `wrap` may put something around its folder (a fault, a count).
    ///
    /// # Errors
    /// Every problem of its settings and its layout.
    pub fn new(
        account: &AccountConfig<'_>,
        wrap: impl FnOnce(Arc<dyn Folder>) -> Arc<dyn Folder>,
    ) -> Result<Self, Vec<Problem>> {
        let ready = read(account)?;
        let layout = &ready.layout;
        let outgoing = if layout.writes() {
            let values = from_json(&ready.values);
            let made = Outgoing::new(
                account.slug.as_str(),
                &ready.places.outgoing,
                layout,
                ready.zone,
                values,
                ready.titles,
            );
            Some(made.map_err(|p| {
                p.into_iter()
                    .map(|m| Problem::new("layout", m))
                    .collect::<Vec<_>>()
            })?)
        } else {
            None
        };
        let leaves = layout.writes().then(|| {
            let outgoing = &ready.places.outgoing;
            real(&ready.place, &ready.root, outgoing)
        });
        let folder: Arc<dyn Folder> = wrap(match ready.place {
            Place::Local(folder) => Arc::new(folder),
            Place::Sftp(folder) => folder,
        });
        let (shipments, stock) = Reading::of(layout, ready.zone, ready.budget.row_bytes);
        let readings = shipments.iter().chain(&stock);
        let incoming = &ready.places.incoming;
        let takes = readings
            .map(|reading| format!("{} of {}/{incoming}", reading.files, ready.root))
            .collect();
        let keeps = keeps(layout, &ready.places, &ready.root, ready.archive_for);
        let inbox = layout.reads().then(|| Inbox {
            folder: folder.clone(),
            places: ready.places.clone(),
            archive_for: ready.archive_for,
            interval: ready.interval,
            stable_for: ready.stable_for,
            unended_after: ready.unended_after,
            budget: ready.budget,
            page_bytes: PAGE_BYTES,
            shipments: shipments.into_iter().map(Arc::new).collect(),
            stock: stock.into_iter().map(Arc::new).collect(),
            says: [
                layout.quantities_in_words(),
                layout.dates_in_words(),
                ready.says.clone(),
            ]
            .concat(),
            surveys: std::sync::Mutex::default(),
            meter: account.link.meter().clone(),
        });
        let picked_up = layout.picked_up;
        let alone = !layout.reads();
        let outbox = outgoing.map(|outgoing| Outbox {
            folder,
            outgoing,
            places: ready.places,
            picked_up,
            says: ready.says.into_iter().filter(|_| alone).collect(),
            meter: account.link.meter().clone(),
        });
        Ok(Self {
            inbox,
            outbox,
            takes,
            leaves: leaves.into_iter().collect(),
            keeps,
        })
    }

    /// The same account with other pages: one takes a further file only while it has read fewer bytes.
    #[must_use]
    pub fn with_page_bytes(mut self, bytes: usize) -> Self {
        if let Some(inbox) = &mut self.inbox {
            inbox.page_bytes = bytes.max(1);
        }
        self
    }
}

impl Connector for FilesAccount {
    fn source(&self) -> Option<&dyn Source> {
        self.inbox.as_ref().map(|i| i as &dyn Source)
    }

    fn operations(&self) -> Option<&dyn Operations> {
        self.outbox.as_ref().map(|o| o as &dyn Operations)
    }

    /// One file is written at a time; reading goes on beside it.
    fn budgets(&self) -> Vec<Budget> {
        vec![Budget {
            class: WRITES,
            limits: vec![Limit::AtOnce(1)],
        }]
    }

    fn takes(&self) -> Vec<String> {
        self.takes.clone()
    }

    fn leaves(&self) -> Vec<String> {
        self.leaves.clone()
    }

    fn keeps(&self) -> Vec<String> {
        self.keeps.clone()
    }
}

/// Which folders hold what names somebody: files that were read, as far as the warehouse writes names into them, and instructions.
fn keeps(
    layout: &Layout,
    places: &Places,
    root: &str,
    archive_for: Option<Duration>,
) -> Vec<String> {
    let mut sentences = Vec::new();
    if layout.reads() {
        let kept = archive_for.map_or_else(
            || "are kept for ever: set archive_for to delete them".to_owned(),
            |kept| {
                format!(
                    "are deleted {} after they were read, a long one that is in quarantine once that is settled",
                    span(kept)
                )
            },
        );
        sentences.push(format!(
            "fetched files in {root}/{} may hold names and addresses and {kept}",
            places.archive
        ));
    }
    if layout.instruct.is_some() {
        let moved = places.picked_up_to.as_ref();
        let moved = moved.map_or_else(String::new, |to| format!(" and {to}"));
        sentences.push(format!(
            "instructions in {root}/{}{moved} hold names and addresses: hikiate deletes none, whoever takes them does",
            places.outgoing
        ));
    }
    sentences
}

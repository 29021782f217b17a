//! Files that go out: written once under their name, looked for under it.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hikiate_sdk::budget::{Ask, Meter, Turn};
use hikiate_sdk::{
    Call, Error, ErrorClass, LookUp, Op, OperationSpec, Operations, Outcome, Prepared, Sent,
    SentLine, one_by_one,
};

use crate::client::{Folder, Written, read_whole};
use crate::config::Places;
use crate::layout::PickedUp;
use crate::map::outgoing::Outgoing;
use crate::wire::envelope::Envelope;

/// Most bytes of a file of ours.
const LARGEST: usize = 256 << 20;

/// The side of an account that writes.
pub(crate) struct Outbox {
    pub(crate) folder: Arc<dyn Folder>,
    pub(crate) outgoing: Outgoing,
    pub(crate) places: Places,
    pub(crate) picked_up: PickedUp,
    /// Where its files go, unless the side that reads says it.
    pub(crate) says: Vec<String>,
    /// Each visit of the folder takes a turn at it.
    pub(crate) meter: Meter,
}

/// The class of writing files, one at a time.
pub(crate) const WRITES: &str = "writes";

/// What stands under a file's name.
enum FileState {
    Nothing,
    Same,
    Other { bytes: usize },
}

impl Outbox {
    async fn turn(&self) -> Result<Turn, Error> {
        let ask = Ask {
            class: WRITES,
            cost: 1,
        };
        self.meter.turn(ask).await
    }

    fn taken(&self, op: Op, name: String) -> Outcome {
        if self.outgoing.is_done(op) {
            Outcome::Done { id: Some(name) }
        } else {
            Outcome::Accepted { id: Some(name) }
        }
    }

    async fn standing(
        &self,
        folder: &str,
        head: &Envelope,
        content: &[u8],
    ) -> Result<FileState, Error> {
        let path = format!("{folder}/{}", head.name);
        // One byte more than ours has: of a longer file there is no need to know more.
        let most = content.len() + 1;
        let bytes = match self.folder.read_range(&path, 0, most).await? {
            Some(bytes) => bytes,
            None => match self.folder.size(&path).await? {
                None => return Ok(FileState::Nothing),
                // It came into being just now, or it is no file: a link, a pipe.
                Some(size) => match self.folder.read_range(&path, 0, most).await? {
                    Some(bytes) => bytes,
                    None => {
                        let bytes = usize::try_from(size).unwrap_or_default();
                        return Ok(FileState::Other { bytes });
                    }
                },
            },
        };
        if bytes == content {
            return Ok(FileState::Same);
        }
        // "Another content" is a definite refusal, so a reading that was cut short must not pass for it.
        let size = self
            .folder
            .size(&path)
            .await?
            .and_then(|s| usize::try_from(s).ok());
        let again = self.folder.read_range(&path, 0, most).await?;
        if let Some(size) = size
            && size.min(most) == bytes.len()
            && again.as_deref() == Some(&bytes)
        {
            return Ok(FileState::Other { bytes: size });
        }
        Err(Error::new(
            ErrorClass::Transient,
            format!("two reads of {path} differ; nothing was written"),
        ))
    }

    /// Where the file may be, in the order in which the external system moves it: one that is moved between two
    /// looks is seen by the second.
    async fn anywhere(&self, head: &Envelope, content: &[u8]) -> Result<FileState, Error> {
        let first = self.standing(&head.folder, head, content).await?;
        match (&first, &self.places.picked_up_to) {
            (FileState::Nothing, Some(moved)) => self.standing(moved, head, content).await,
            _ => Ok(first),
        }
    }

    /// Not an answer about this very call: what stands there may be half of ours, or ours that was edited.
    fn other(head: &Envelope, bytes: usize, want: usize) -> Error {
        let message = format!(
            "{}/{} already exists with different content ({bytes} bytes, ours has {want}): check it, then remove it or resolve the task manually",
            head.folder, head.name
        );
        Error::new(ErrorClass::Conflict, message).with_code("name_taken")
    }
}

impl Outbox {
    async fn write(&self, op: Op, prepared: &Prepared) -> Result<Outcome, Error> {
        let (head, content) = Envelope::open(prepared)?;
        let _turn = self.turn().await?;
        match self.anywhere(&head, content).await? {
            FileState::Same => return Ok(self.taken(op, head.name)),
            FileState::Other { bytes } => return Err(Self::other(&head, bytes, content.len())),
            FileState::Nothing => {}
        }
        match self
            .folder
            .write_new(&format!("{}/{}", head.folder, head.name), content)
            .await?
        {
            Written::New => Ok(self.taken(op, head.name)),
            // It came into being since the look: by a try that was still under way.
            Written::NameTaken => match self.anywhere(&head, content).await? {
                FileState::Same => Ok(self.taken(op, head.name)),
                FileState::Other { bytes } => Err(Self::other(&head, bytes, content.len())),
                FileState::Nothing => {
                    let message = format!(
                        "{}/{} existed and is now gone: it was just picked up",
                        head.folder, head.name
                    );
                    Err(Error::new(ErrorClass::OutcomeUnknown, message))
                }
            },
        }
    }

    async fn find(&self, op: Op, prepared: &Prepared) -> Result<LookUp, Error> {
        let (head, content) = Envelope::open(prepared)?;
        let _turn = self.turn().await?;
        Ok(match self.anywhere(&head, content).await? {
            FileState::Same => LookUp::Found(self.taken(op, head.name)),
            FileState::Other { .. } => LookUp::Inconclusive,
            FileState::Nothing if self.picked_up == PickedUp::Removed => LookUp::Inconclusive,
            FileState::Nothing => LookUp::NotFound,
        })
    }
}

#[async_trait]
impl Operations for Outbox {
    fn operations(&self) -> Vec<OperationSpec> {
        self.outgoing.specs()
    }

    fn by_telephone(&self) -> Vec<Op> {
        self.outgoing.by_telephone()
    }

    fn destination(&self) -> Vec<String> {
        self.says.clone()
    }

    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        self.outgoing.prepare(call)
    }

    async fn send(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        one_by_one(calls, |file| self.write(op, file)).await
    }

    async fn look_up(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        one_by_one(calls, |file| self.find(op, file)).await
    }

    async fn sent_since(&self, op: Op, since: DateTime<Utc>) -> Result<Option<Vec<Sent>>, Error> {
        if self.picked_up == PickedUp::Removed {
            return Ok(None);
        }
        let Some(names) = self.outgoing.names(op) else {
            return Ok(Some(Vec::new()));
        };
        let _turn = self.turn().await?;
        let mut sent = Vec::new();
        // A file that is moved between two looks is seen by the second.
        let folders = [
            Some(&self.outgoing.folder),
            self.places.picked_up_to.as_ref(),
        ];
        for folder in folders.into_iter().flatten() {
            for entry in self.folder.list(folder).await? {
                let old = entry.changed_at().is_some_and(|at| at < since);
                if old || !entry.name.starts_with(&names) {
                    continue;
                }
                let path = format!("{folder}/{}", entry.name);
                if let Some(bytes) = read_whole(self.folder.as_ref(), &path, LARGEST).await? {
                    sent.push(Sent {
                        name: entry.name,
                        bytes,
                    });
                }
            }
        }
        Ok(Some(sent))
    }

    fn lines_sent(&self, sent: &Sent) -> Option<Vec<SentLine>> {
        self.outgoing.lines_sent(&sent.bytes)
    }
}

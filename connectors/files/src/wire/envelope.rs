//! A file to be written as the bytes that the engine freezes: one line of JSON, then the content.

use hikiate_sdk::{Error, ErrorClass, Prepared};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where a file goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Envelope {
    /// Version of this line.
    v: u8,
    /// Folder, below the account's root. Frozen too: a changed setting must not write a batch to a second place.
    pub(crate) folder: String,
    /// File name.
    pub(crate) name: String,
}

impl Envelope {
    /// A file named by its stem and the first 8 hex digits of its content's hash.
    pub(crate) fn new(folder: &str, stem: &str, extension: &str, content: &[u8]) -> Self {
        Self {
            v: 1,
            folder: folder.to_owned(),
            name: format!("{stem}-{}.{extension}", &sha256(content)[..8]),
        }
    }

    /// The bytes and a label for logs.
    pub(crate) fn seal(&self, content: &[u8]) -> Result<Prepared, Error> {
        let mut bytes = serde_json::to_vec(self).map_err(|e| {
            Error::new(
                ErrorClass::Config,
                format!("cannot write the file's head: {e}"),
            )
        })?;
        bytes.push(b'\n');
        bytes.extend_from_slice(content);
        Ok(Prepared {
            bytes,
            label: format!("{}/{}", self.folder, self.name),
        })
    }

    /// Reads the bytes back.
    ///
    /// # Errors
    /// [`ErrorClass::Config`] for bytes that another connector or a later version made.
    pub(crate) fn open(prepared: &Prepared) -> Result<(Self, &[u8]), Error> {
        let foreign = || {
            Error::new(
                ErrorClass::Config,
                format!(
                    "{}: these bytes were not written by this connector",
                    prepared.label
                ),
            )
        };
        let end = prepared
            .bytes
            .iter()
            .position(|b| *b == b'\n')
            .ok_or_else(foreign)?;
        let head: Self = serde_json::from_slice(&prepared.bytes[..end]).map_err(|_| foreign())?;
        if head.v != 1 {
            return Err(foreign());
        }
        Ok((head, &prepared.bytes[end + 1..]))
    }
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

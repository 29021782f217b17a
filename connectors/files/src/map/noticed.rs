//! What is noticed about files and stands in none of them. Its record keeps our own words as its bytes: it can be told again
//! from them, and not be read anew.

use hikiate_sdk::text::quote_value;
use hikiate_sdk::{BadRecord, ExternalId, InFile, Record};
use serde::{Deserialize, Serialize};

use super::parcels::Piece;

/// Something that was noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "noticed", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Noticed {
    /// A row of an export that a later one of its day no longer has.
    RowGone {
        file: String,
        /// The kind of file.
        word: String,
        /// The export that had it.
        before: String,
        reference: String,
        line: Piece,
        parcel: String,
        /// Empty where none was told.
        number: String,
    },
    /// A file of which a part was read is not there any more, or is another one.
    FileChanged {
        file: String,
        sha256: String,
        folder: String,
        after_row: u64,
    },
}

impl Noticed {
    /// Its record.
    pub(crate) fn record(&self, stood: InFile) -> Record {
        // There is nothing in it that JSON has not.
        let raw = serde_json::to_vec(self).unwrap_or_default();
        Record::new(raw, Err(self.bad(""))).in_file(stood)
    }

    /// The same record for bytes that hold such words, with why they say no more than they did.
    pub(crate) fn told_again(file: Option<&InFile>, raw: &[u8]) -> Option<Record> {
        let noticed: Self = serde_json::from_slice(raw).ok()?;
        let file = file.filter(|file| file.rows.is_empty())?;
        let why = match &noticed {
            Self::RowGone { .. } => {
                "; it was found by comparing two files and is in no row, so it cannot be retried: dismiss it once the warehouse has answered"
            }
            Self::FileChanged { .. } => {
                "; the rest of the file was never fetched, so this cannot be retried: dismiss it once the complete file has arrived"
            }
        };
        Some(Record::new(raw, Err(noticed.bad(why))).in_file(file.clone()))
    }

    fn bad(&self, why: &str) -> BadRecord {
        match self {
            Self::RowGone {
                file,
                word,
                before,
                reference,
                line,
                parcel,
                number,
            } => {
                let what = match line {
                    Piece::Line(n) => format!("line {n} of {reference}"),
                    Piece::Code(code) if code.is_empty() => reference.clone(),
                    Piece::Code(code) => format!("{} of {reference}", quote_value(code)),
                };
                let parcel = quote_value(parcel);
                let reason = format!(
                    "{file}: no longer has {what} in parcel {parcel}, which {before} of the same day had: ask the warehouse whether it shipped; the earlier report counts until a file corrects it, with quantity 0 if it did not ship{why}"
                );
                BadRecord::new(Some(ExternalId::from(reference.as_str())), reason)
                    .because(format!("{word}: a later export of the day lacks a row"))
                    .of_part(format!("parcel line {line} number {number}"))
            }
            Self::FileChanged {
                file,
                folder,
                after_row,
                ..
            } => {
                let reason = format!(
                    "{file}: was changed or removed from {folder} while it was being read, after row {after_row}: ask the sender to resend it in full{why}"
                );
                BadRecord::new(None, reason).because("a file was changed while it was read")
            }
        }
    }
}

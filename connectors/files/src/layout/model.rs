//! A layout file as TOML.

use std::collections::BTreeMap;

use hikiate_sdk::TaxStyle;
use serde::Deserialize;

use super::asks::Ask;
use super::incoming::{CancelVerdicts, Incoming, ReplyVerdicts, Shipped, Stock};
use crate::wire::delimited::{LineEnd, Quote};
use crate::wire::encoding::{Encoding, Loss};
use crate::wire::formula::Formula;

/// A layout: the files of one account.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// One line for an operator.
    pub title: String,
    /// What the external system does with a file of ours once it has read it.
    #[serde(default)]
    pub picked_up: PickedUp,
    /// How files are written and read, unless a file kind says otherwise.
    pub form: Form,
    /// The zone of dates in the files; the shop's when absent.
    #[serde(default)]
    pub zone: Option<String>,
    /// Own replacements for `loss = "map"`: one character to a text. They win over the built-in table.
    #[serde(default)]
    pub map: BTreeMap<char, String>,
    /// 出荷指示, out.
    #[serde(default)]
    pub instruct: Option<Instruct>,
    /// 出荷取消, out.
    #[serde(default)]
    pub cancel: Option<Cancel>,
    /// 仕訳, out.
    #[serde(default)]
    pub journal: Option<Journal>,
    /// 受付, in.
    #[serde(default)]
    pub reply: Option<Incoming<ReplyVerdicts>>,
    /// 出荷実績, in.
    #[serde(default)]
    pub shipped: Option<Shipped>,
    /// 取消回答, in.
    #[serde(default)]
    pub cancel_reply: Option<Incoming<CancelVerdicts>>,
    /// 在庫, in.
    #[serde(default)]
    pub stock: Option<Stock>,
}

/// What the external system does with a file of ours once it has read it. It decides what is allowed after a lost reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PickedUp {
    /// It stays, so a name that exists can always be seen.
    Kept,
    /// It is renamed into the folder `picked_up_to` of the account.
    Moved,
    /// It goes away; after a lost reply an operator decides unless the file is still there.
    #[default]
    Removed,
}

/// How a file is written and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// Characters.
    pub encoding: Encoding,
    /// Between cells: one character, often `,` or a tab.
    #[serde(default = "comma")]
    pub separator: char,
    /// Quotes around cells written; cells read may have them or not.
    #[serde(default = "minimal")]
    pub quote: Quote,
    /// Ends of lines written; both are read.
    #[serde(default = "crlf")]
    pub line_end: LineEnd,
    /// Whether the first row names the columns.
    #[serde(default = "yes")]
    pub header: bool,
    /// Characters that the encoding has not, where a column says nothing else.
    #[serde(default = "refuse")]
    pub loss: Loss,
    /// Cells that a spreadsheet would work out, where a column says nothing else. Default: `refuse` for `utf8-bom`, which
    /// is made for spreadsheets, else `keep`.
    #[serde(default)]
    pub formula: Option<Formula>,
}

/// What one file kind has otherwise than the layout's `form`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FormPart {
    /// See [`Form::encoding`].
    pub encoding: Option<Encoding>,
    /// See [`Form::separator`].
    pub separator: Option<char>,
    /// See [`Form::quote`].
    pub quote: Option<Quote>,
    /// See [`Form::line_end`].
    pub line_end: Option<LineEnd>,
    /// See [`Form::header`].
    pub header: Option<bool>,
    /// See [`Form::loss`].
    pub loss: Option<Loss>,
    /// See [`Form::formula`].
    pub formula: Option<Formula>,
}

impl Form {
    /// This form with the differences of one file kind.
    #[must_use]
    pub fn with(self, part: FormPart) -> Self {
        Self {
            encoding: part.encoding.unwrap_or(self.encoding),
            separator: part.separator.unwrap_or(self.separator),
            quote: part.quote.unwrap_or(self.quote),
            line_end: part.line_end.unwrap_or(self.line_end),
            header: part.header.unwrap_or(self.header),
            loss: part.loss.unwrap_or(self.loss),
            formula: part.formula.or(self.formula),
        }
    }

    /// What happens to a cell that a spreadsheet would work out.
    #[must_use]
    pub fn formula(&self) -> Formula {
        self.formula.unwrap_or(match self.encoding {
            Encoding::Utf8Bom => Formula::Refuse,
            Encoding::Utf8 | Encoding::Cp932 => Formula::Keep,
        })
    }
}

/// What counts as acceptance of a file of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accept {
    /// Upload and rename are acceptance; no answer comes.
    Delivered,
    /// An answer file comes.
    File,
    /// No file is written: the warehouse is called. Of `[cancel]` only.
    Phone,
}

/// One column written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnOut {
    /// Its header; names it in errors too.
    pub name: String,
    /// A MiniJinja template of one cell.
    #[serde(default)]
    pub value: String,
    /// Longest cell in encoded bytes; longer is refused, never cut.
    #[serde(default)]
    pub bytes: Option<usize>,
    /// Longest cell in characters.
    #[serde(default)]
    pub chars: Option<usize>,
    /// Characters that the encoding has not.
    #[serde(default)]
    pub loss: Option<Loss>,
    /// Cells that a spreadsheet would work out.
    #[serde(default)]
    pub formula: Option<Formula>,
    /// True refuses an empty cell.
    #[serde(default)]
    pub required: bool,
}

/// Shipping instructions: a row per line of a shipment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instruct {
    /// What counts as acceptance.
    pub accept: Accept,
    /// What a row is.
    #[serde(default)]
    pub rows: InstructRows,
    /// What an order may ask and the warehouse does without; anything else that no column writes holds the order.
    #[serde(default)]
    pub ignores: Vec<Ask>,
    /// File name extension.
    #[serde(default = "csv")]
    pub extension: String,
    /// See [`FormPart`].
    #[serde(default)]
    pub form: FormPart,
    /// In order.
    pub columns: Vec<ColumnOut>,
}

/// What a row of 出荷指示 is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstructRows {
    /// A line of a shipment.
    #[default]
    Lines,
    /// A shipment, as a carrier's slip software has it: the values of a line are those of its first one.
    Shipments,
}

/// A request to stop a shipment: a file of one row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// What counts as acceptance of the request; the verdict is another matter.
    pub accept: Accept,
    /// File name extension.
    #[serde(default = "csv")]
    pub extension: String,
    /// See [`FormPart`].
    #[serde(default)]
    pub form: FormPart,
    /// In order; none with `phone`.
    #[serde(default)]
    pub columns: Vec<ColumnOut>,
}

/// A journal batch: a row per line of an entry, or a text per entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// What counts as acceptance; journal files get no answer, so `delivered` is the only choice.
    pub accept: Accept,
    /// File name extension.
    #[serde(default = "csv")]
    pub extension: String,
    /// See [`FormPart`].
    #[serde(default)]
    pub form: FormPart,
    /// Rows and columns, or text.
    #[serde(default)]
    pub format: JournalFormat,
    /// Whether tax stands in lines of its own (`apart`) or inside the amounts (`inside`).
    #[serde(default)]
    pub tax: TaxStyle,
    /// Of `rows`, in order.
    #[serde(default)]
    pub columns: Vec<ColumnOut>,
    /// Of `text`: the template of what stands before the entries, once in a file.
    #[serde(default)]
    pub head: String,
    /// Of `text`: the template of an entry.
    #[serde(default)]
    pub entry: String,
    /// Of `text`: what a value must not hold because it would mean something else in this format.
    #[serde(default)]
    pub forbid: Forbid,
}

/// How a journal is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalFormat {
    /// Rows and columns.
    #[default]
    Rows,
    /// A template per entry.
    Text,
}

/// Texts that a value of a text journal must not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Forbid {
    /// In an entry's reference.
    pub reference: Vec<String>,
    /// In its description.
    pub description: Vec<String>,
    /// In an account's title.
    pub account: Vec<String>,
    /// At the start of an account's title.
    pub account_start: Vec<String>,
}

fn comma() -> char {
    ','
}

fn minimal() -> Quote {
    Quote::Minimal
}

fn crlf() -> LineEnd {
    LineEnd::Crlf
}

fn yes() -> bool {
    true
}

fn refuse() -> Loss {
    Loss::Refuse
}

fn csv() -> String {
    "csv".to_owned()
}

//! What is wrong with a layout, all of it at once.

use std::collections::BTreeSet;

use chrono::format::{Item, StrftimeItems};

use super::incoming::{ColumnIn, Field, Incoming, Whole};
use super::model::{Accept, ColumnOut, Form, JournalFormat, Layout};
use crate::wire::encoding::{Encoding, Loss};

const EMPTY: std::collections::BTreeMap<char, String> = std::collections::BTreeMap::new();

impl Layout {
    /// Every problem that can be seen without rendering a cell; each begins with its place in the layout.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.title.trim().is_empty() {
            found.push("title: say what this layout is for".to_owned());
        }
        if let Some(zone) = &self.zone
            && zone.parse::<chrono_tz::Tz>().is_err()
        {
            found.push(format!(
                "zone: {zone:?} is no time zone: write one like Asia/Tokyo"
            ));
        }
        self.outgoing(&mut found);
        self.incoming(&mut found);
        let answers = [
            (
                "instruct",
                self.instruct.as_ref().map(|i| i.accept),
                "reply",
                self.reply.is_some(),
            ),
            (
                "cancel",
                self.cancel.as_ref().map(|c| c.accept),
                "cancel_reply",
                self.cancel_reply.is_some(),
            ),
        ];
        for (kind, accept, answer, described) in answers {
            if accept == Some(Accept::File) && !described {
                found.push(format!("{kind}.accept: \"file\" needs [{answer}]: describe the answer, or write \"delivered\""));
            }
        }
        if found.is_empty() && !self.writes() && !self.reads() {
            found.push("no file is described: write at least one of instruct, cancel, journal, reply, shipped, cancel_reply, stock".to_owned());
        }
        found
    }

    /// Whether any file goes out.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.instruct.is_some() || self.cancel.is_some() || self.journal.is_some()
    }

    /// Whether any file comes in.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.reply.is_some()
            || self.shipped.is_some()
            || self.cancel_reply.is_some()
            || self.stock.is_some()
    }

    fn outgoing(&self, found: &mut Vec<String>) {
        if let Some(i) = &self.instruct {
            sheet(
                "instruct",
                &self.form.with(i.form),
                &i.columns,
                &i.extension,
                found,
            );
        }
        if let Some(c) = self.cancel.as_ref().filter(|c| c.accept != Accept::Phone) {
            sheet(
                "cancel",
                &self.form.with(c.form),
                &c.columns,
                &c.extension,
                found,
            );
        }
        if let Some(c) = &self.cancel
            && c.accept == Accept::Phone
            && !c.columns.is_empty()
        {
            found.push(
                "cancel.columns: with accept = \"phone\" no file is written: leave the columns out"
                    .to_owned(),
            );
        }
        if let Some(i) = &self.instruct
            && i.accept == Accept::Phone
        {
            found.push("instruct.accept: only a cancel is asked by telephone: write \"delivered\" or \"file\"".to_owned());
        }
        let Some(j) = &self.journal else { return };
        if j.accept != Accept::Delivered {
            found.push(
                "journal.accept: no answer file exists for journals: write \"delivered\""
                    .to_owned(),
            );
        }
        match j.format {
            JournalFormat::Rows => sheet(
                "journal",
                &self.form.with(j.form),
                &j.columns,
                &j.extension,
                found,
            ),
            JournalFormat::Text => {
                if j.entry.trim().is_empty() {
                    found.push("journal.entry: write the template of an entry".to_owned());
                }
                if !j.columns.is_empty() {
                    found.push("journal.columns: a text journal has no columns".to_owned());
                }
                extension("journal", &j.extension, found);
            }
        }
    }

    fn incoming(&self, found: &mut Vec<String>) {
        use Field::{
            AsOf, At, Carrier, Code, LeftAt, Line, Location, Message, Parcel, Quantity, Reference,
            Tracking, Verdict,
        };
        let form = self.form;
        if let Some(i) = &self.reply {
            read(
                "reply",
                form,
                i,
                &[Reference, Verdict],
                &[Message, At, Code, Line],
                found,
            );
            words(
                "reply",
                &[
                    ("accepted", &i.verdicts.accepted),
                    ("rejected", &i.verdicts.rejected),
                ],
                found,
            );
        }
        if let Some(i) = &self.shipped {
            read(
                "shipped",
                form,
                i,
                &[Reference, Line, Quantity, LeftAt],
                &[Tracking, Parcel, Carrier, Code, Location],
                found,
            );
        }
        if let Some(i) = &self.cancel_reply {
            read(
                "cancel_reply",
                form,
                i,
                &[Reference, Verdict],
                &[Message, At],
                found,
            );
            let v = &i.verdicts;
            words(
                "cancel_reply",
                &[
                    ("accepted", &v.accepted),
                    ("declined", &v.declined),
                    ("too_late", &v.too_late),
                ],
                found,
            );
        }
        if let Some(i) = &self.stock {
            read(
                "stock",
                form,
                i,
                &[Code, Quantity],
                &[Location, AsOf],
                found,
            );
        }
        let patterns: Vec<_> = [
            self.reply.as_ref().map(|i| &i.files),
            self.shipped.as_ref().map(|i| &i.files),
            self.cancel_reply.as_ref().map(|i| &i.files),
            self.stock.as_ref().map(|i| &i.files),
        ]
        .into_iter()
        .flatten()
        .collect();
        if patterns.iter().collect::<BTreeSet<_>>().len() < patterns.len() {
            found.push(
                "files: two kinds have the same pattern, so a file could be either".to_owned(),
            );
        }
    }
}

fn extension(kind: &str, text: &str, found: &mut Vec<String>) {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        found.push(format!(
            "{kind}.extension: {text:?} must be ASCII letters and digits"
        ));
    }
}

fn sheet(kind: &str, form: &Form, columns: &[ColumnOut], ext: &str, found: &mut Vec<String>) {
    separator(kind, form, found);
    extension(kind, ext, found);
    if columns.is_empty() {
        found.push(format!("{kind}.columns: write at least one"));
    }
    names(kind, columns.iter().map(|c| c.name.as_str()), found);
    for column in columns {
        if form.header
            && form
                .encoding
                .encode(&column.name, Loss::Refuse, &EMPTY)
                .is_err()
        {
            found.push(format!(
                "{kind}.columns {:?}: this header cannot be written in the file's encoding",
                column.name
            ));
        }
        if column.bytes == Some(0) || column.chars == Some(0) {
            found.push(format!(
                "{kind}.columns {:?}: a length of 0 lets nothing through",
                column.name
            ));
        }
    }
}

fn separator(kind: &str, form: &Form, found: &mut Vec<String>) {
    let c = form.separator;
    if !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '"' | '\r' | '\n' | ' ') {
        found.push(format!(
            "{kind}: the separator {c:?} cannot be told from a cell: take a comma or a tab"
        ));
    }
}

fn names<'a>(kind: &str, names: impl Iterator<Item = &'a str>, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.trim().is_empty() {
            found.push(format!("{kind}.columns: a column has no name"));
        } else if !seen.insert(name) {
            found.push(format!("{kind}.columns {name:?}: this name stands twice"));
        }
    }
}

fn read<V>(
    kind: &str,
    form: Form,
    incoming: &Incoming<V>,
    needed: &[Field],
    allowed: &[Field],
    found: &mut Vec<String>,
) {
    let form = form.with(incoming.form);
    separator(kind, &form, found);
    if incoming.files.is_empty() || incoming.files.contains('/') {
        found.push(format!(
            "{kind}.files: write a pattern of file names, without folders"
        ));
    }
    if let Whole::Trailer(text) | Whole::Marker(text) = &incoming.whole
        && text.trim().is_empty()
    {
        found.push(format!("{kind}.whole: the mark is empty"));
    }
    if form.encoding == Encoding::Cp932 && form.header {
        for column in &incoming.columns {
            if form
                .encoding
                .encode(&column.name, Loss::Refuse, &EMPTY)
                .is_err()
            {
                found.push(format!(
                    "{kind}.columns {:?}: no CP932 file can have this header",
                    column.name
                ));
            }
        }
    }
    names(
        kind,
        incoming.columns.iter().map(|c| c.name.as_str()),
        found,
    );
    let mut seen = BTreeSet::new();
    for column in &incoming.columns {
        let Some(field) = column.field else { continue };
        if !needed.contains(&field) && !allowed.contains(&field) {
            found.push(format!(
                "{kind}.columns {:?}: these files have no field {:?}",
                column.name,
                field.as_str()
            ));
        } else if !seen.insert(field) {
            found.push(format!(
                "{kind}.columns {:?}: the field {:?} stands twice",
                column.name,
                field.as_str()
            ));
        }
        time_format(kind, column, field, found);
    }
    for field in needed {
        if !seen.contains(field) {
            found.push(format!(
                "{kind}.columns: the field {:?} is missing",
                field.as_str()
            ));
        }
    }
}

fn time_format(kind: &str, column: &ColumnIn, field: Field, found: &mut Vec<String>) {
    let is_time = matches!(field, Field::At | Field::LeftAt | Field::AsOf);
    match &column.format {
        None if is_time => found.push(format!(
            "{kind}.columns {:?}: write its format, for example \"%Y/%m/%d %H:%M:%S\"",
            column.name
        )),
        Some(_) if !is_time => found.push(format!(
            "{kind}.columns {:?}: only times have a format",
            column.name
        )),
        Some(format) if StrftimeItems::new(format).any(|i| i == Item::Error) => {
            found.push(format!(
                "{kind}.columns {:?}: {format:?} is no strftime format",
                column.name
            ));
        }
        _ => {}
    }
}

fn words(kind: &str, lists: &[(&str, &Vec<String>)], found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (verdict, list) in lists {
        for word in *list {
            if !seen.insert(word.as_str()) {
                found.push(format!("{kind}.verdicts.{verdict}: {word:?} stands twice"));
            }
        }
    }
    if lists.first().is_none_or(|(_, list)| list.is_empty()) {
        found.push(format!(
            "{kind}.verdicts: say which words of the column mean what"
        ));
    }
}

//! What is wrong with a layout, all of it at once.

use std::collections::BTreeSet;
use std::time::Duration;

use super::asks::Ask;
use super::dates;
use super::incoming::{
    Bucket, ColumnIn, Exports, Field, Kind, Quantities, Says, Shipped, Stock, Whole,
};
use super::model::{Accept, ColumnOut, Form, JournalFormat, Layout};
use crate::wire::encoding::{Encoding, Loss};
use crate::words::heading;

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
                "zone: {zone:?} is not a time zone: use a name like Asia/Tokyo"
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
            found.push("the layout describes no file: add at least one of instruct, cancel, journal, reply, shipped, cancel_reply, stock".to_owned());
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
                "cancel.columns: with accept = \"phone\" no file is written: remove the columns"
                    .to_owned(),
            );
        }
        if let Some(i) = &self.instruct
            && i.ignores.contains(&Ask::Cod)
        {
            found.push("instruct.ignores: \"cod\" cannot be ignored: a parcel that ships without it collects no money".to_owned());
        }
        if let Some(i) = &self.instruct
            && i.accept == Accept::Phone
        {
            found.push("instruct.accept: only cancellations are requested by phone: use \"delivered\" or \"file\"".to_owned());
        }
        let Some(j) = &self.journal else { return };
        if j.accept != Accept::Delivered {
            found
                .push("journal.accept: journals have no answer file: use \"delivered\"".to_owned());
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
                    found.push("journal.entry: add the template of one entry".to_owned());
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
            AsOf, At, Carrier, Code, Line, Location, Lot, Message, Parcel, Quality, Quantity,
            Reference, Shelf, ShippedAt, Tracking, Verdict,
        };
        let form = self.form;
        if let Some(i) = &self.reply {
            let kind = i.kind("reply");
            let more = [Message, At, Code, Line];
            read(&kind, form, &[Reference, Verdict], &more, found);
            let v = &i.verdicts;
            let lists = [("accepted", &v.accepted), ("rejected", &v.rejected)];
            words(kind.word, &lists, found);
        }
        if let Some(i) = &self.shipped {
            let needed = [Reference, ShippedAt];
            let more = [Line, Quantity, Tracking, Parcel, Carrier, Code, Location];
            read(&i.kind(), form, &needed, &more, found);
            inside(i, found);
            delta(i, found);
            if i.exports == Exports::Cumulative && i.quantities == Quantities::Delta {
                found.push("shipped.quantities: \"delta\" counts units twice with exports = \"cumulative\", where later files repeat them: use \"total\"".to_owned());
            }
        }
        if let Some(i) = &self.cancel_reply {
            let kind = i.kind("cancel_reply");
            read(&kind, form, &[Reference, Verdict], &[Message, At], found);
            let v = &i.verdicts;
            let lists = [
                ("accepted", &v.accepted),
                ("declined", &v.declined),
                ("too_late", &v.too_late),
            ];
            words(kind.word, &lists, found);
        }
        if let Some(i) = &self.stock {
            let more = [Location, AsOf, Lot, Shelf, Quality];
            read(&i.kind(), form, &[Code, Quantity], &more, found);
            stock(i, found);
        }
        if let Some(stock) = &self.stock {
            for kind in self.kinds().filter(|kind| kind.word != "stock") {
                if let Some(name) = crate::glob::common(kind.files, &stock.files) {
                    found.push(format!(
                        "stock.files: {:?} and {}.files ({:?}) both match {name:?}, so the kind of a file is ambiguous: use distinct patterns",
                        stock.files, kind.word, kind.files
                    ));
                }
            }
        }
        let patterns: Vec<_> = self.kinds().map(|kind| kind.files.to_lowercase()).collect();
        if patterns.iter().collect::<BTreeSet<_>>().len() < patterns.len() {
            found.push(
                "files: two kinds have the same pattern, so the kind of a file is ambiguous"
                    .to_owned(),
            );
        }
    }

    /// The kinds of files that are read: those of the stream `shipments`, then that of `stock`.
    pub(super) fn kinds(&self) -> impl Iterator<Item = Kind<'_>> {
        [
            self.reply.as_ref().map(|i| i.kind("reply")),
            self.shipped.as_ref().map(|i| i.kind()),
            self.cancel_reply.as_ref().map(|i| i.kind("cancel_reply")),
            self.stock.as_ref().map(|i| i.kind()),
        ]
        .into_iter()
        .flatten()
    }
}

/// Whether the columns say in one way what a parcel holds.
fn inside(shipped: &Shipped, found: &mut Vec<String>) {
    let has = |field| shipped.columns.iter().any(|c| c.field == Some(field));
    let why = match Says::of(&shipped.columns) {
        Says::Lines if !has(Field::Quantity) => {
            "a column has the field \"line\" but no column has \"quantity\": add a quantity column, or remove this one so that a row covers its whole shipment"
        }
        Says::Codes if !has(Field::Code) => {
            "a column has the field \"quantity\" but no column has \"line\" or \"code\", so it is unclear what is counted: add one of them, or remove the quantity column so that a row covers its whole shipment"
        }
        Says::Whole if has(Field::Code) => {
            "a column has the field \"code\" but no column has \"quantity\": add a quantity column, or remove this one so that a row covers its whole shipment"
        }
        Says::Whole if shipped.quantities == Quantities::Delta => {
            "with quantities = \"delta\" a row must say how many of what: add columns with the fields \"quantity\" and \"line\" or \"code\""
        }
        _ => return,
    };
    found.push(format!("shipped.columns: {why}"));
}

/// Whether quantities that add up can be told from ones that are told again.
fn delta(shipped: &Shipped, found: &mut Vec<String>) {
    let mut left = shipped.columns.iter().filter_map(|c| match c.field {
        Some(Field::ShippedAt) => c.format.as_deref(),
        _ => None,
    });
    let named = shipped
        .columns
        .iter()
        .any(|c| c.field == Some(Field::Parcel));
    if shipped.quantities == Quantities::Delta && left.any(dates::is_day) && !named {
        found.push("shipped.quantities: \"delta\" must know whether a row was already reported, and a date alone does not show that: give shipped_at a time of day, or add a column with the field \"parcel\", or use \"total\"".to_owned());
    }
}

/// Whether the rows of 在庫 can be told apart and counted.
fn stock(stock: &Stock, found: &mut Vec<String>) {
    let has = |field| stock.columns.iter().any(|c| c.field == Some(field));
    match (has(Field::Quality), stock.quality.is_empty()) {
        (true, true) => found.push("stock.quality: define the words of the column with the field \"quality\": sellable, damaged, held or other".to_owned()),
        (false, false) => found.push("stock.quality: no column has the field \"quality\", so these words are never used".to_owned()),
        (true, false) if !stock.quality.values().any(|b| *b == Bucket::Sellable) => {
            found.push("stock.quality: no word is \"sellable\", so no stock would ever be counted".to_owned());
        }
        _ => {}
    }
    if stock.as_of_lag.0 > Duration::from_secs(86_400) {
        found.push("stock.as_of_lag: must be at most one day".to_owned());
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
    names(
        kind,
        columns.iter().map(|c| c.name.as_str()),
        str::to_owned,
        found,
    );
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
                "{kind}.columns {:?}: a length of 0 allows no value",
                column.name
            ));
        }
    }
}

fn separator(kind: &str, form: &Form, found: &mut Vec<String>) {
    let c = form.separator;
    if !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '"' | '\r' | '\n' | ' ') {
        found.push(format!(
            "{kind}: the separator {c:?} is ambiguous with cell text: use a comma or a tab"
        ));
    }
}

fn names<'a>(
    kind: &str,
    names: impl Iterator<Item = &'a str>,
    same: fn(&str) -> String,
    found: &mut Vec<String>,
) {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.trim().is_empty() {
            found.push(format!("{kind}.columns: a column has no name"));
        } else if !seen.insert(same(name)) {
            found.push(format!("{kind}.columns {name:?}: this name is used twice"));
        }
    }
}

fn read(kind: &Kind<'_>, form: Form, needed: &[Field], allowed: &[Field], found: &mut Vec<String>) {
    let (word, form) = (kind.word, form.with(kind.form));
    separator(word, &form, found);
    if kind.files.is_empty() || kind.files.contains('/') {
        found.push(format!(
            "{word}.files: set a file name pattern, without folders"
        ));
    }
    if let Whole::Trailer(text) | Whole::Marker(text) = kind.whole
        && text.trim().is_empty()
    {
        found.push(format!("{word}.whole: the marker is empty"));
    }
    if form.encoding == Encoding::Cp932 && form.header {
        for column in kind.columns {
            if form
                .encoding
                .encode(&column.name, Loss::Refuse, &EMPTY)
                .is_err()
            {
                found.push(format!(
                    "{word}.columns {:?}: this header cannot be encoded in CP932",
                    column.name
                ));
            }
        }
    }
    names(
        word,
        kind.columns.iter().map(|c| c.name.as_str()),
        heading,
        found,
    );
    let mut seen = BTreeSet::new();
    for column in kind.columns {
        let Some(field) = column.field else { continue };
        if !needed.contains(&field) && !allowed.contains(&field) {
            found.push(format!(
                "{word}.columns {:?}: these files have no field {:?}",
                column.name,
                field.as_str()
            ));
        } else if !seen.insert(field) {
            found.push(format!(
                "{word}.columns {:?}: the field {:?} is used twice",
                column.name,
                field.as_str()
            ));
        }
        time_format(word, column, field, found);
    }
    for field in needed {
        if !seen.contains(field) {
            found.push(format!(
                "{word}.columns: the field {:?} is missing",
                field.as_str()
            ));
        }
    }
}

fn time_format(kind: &str, column: &ColumnIn, field: Field, found: &mut Vec<String>) {
    let place = format!("{kind}.columns {:?}", column.name);
    let is_time = matches!(field, Field::At | Field::ShippedAt | Field::AsOf);
    match &column.format {
        None if is_time => found.push(format!(
            "{place}: add its format, for example \"%Y/%m/%d %H:%M:%S\""
        )),
        Some(_) if !is_time => found.push(format!("{place}: only times have a format")),
        Some(format) => {
            if let Some(why) = dates::wrong(format) {
                found.push(format!("{place}: {format:?} {why}"));
            }
        }
        None => {}
    }
    if column.planned && field != Field::ShippedAt {
        found.push(format!(
            "{place}: only the field \"shipped_at\" can be planned"
        ));
    }
}

fn words(kind: &str, lists: &[(&str, &Vec<String>)], found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (verdict, list) in lists {
        for word in *list {
            if !seen.insert(word.as_str()) {
                found.push(format!(
                    "{kind}.verdicts.{verdict}: {word:?} is listed twice"
                ));
            }
        }
    }
    if lists.first().is_none_or(|(_, list)| list.is_empty()) {
        found.push(format!(
            "{kind}.verdicts: define what the words of the column mean"
        ));
    }
}

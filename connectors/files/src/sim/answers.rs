//! The files that the warehouse writes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::layout::{Field, Form, Kind, Whole};
use crate::wire::delimited::quoted;
use crate::wire::encoding::Loss;

/// A row by meaning; times are written by the column's format.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) texts: BTreeMap<Field, String>,
    pub(super) times: BTreeMap<Field, DateTime<Utc>>,
}

impl Answer {
    pub(super) fn new(texts: &[(Field, &str)], time: (Field, DateTime<Utc>)) -> Self {
        let texts = texts.iter().map(|(f, t)| (*f, (*t).to_owned())).collect();
        Self {
            texts,
            times: BTreeMap::from([time]),
        }
    }
}

/// The bytes of a file of this kind.
pub(super) fn write(kind: &Kind<'_>, form: Form, zone: Tz, rows: &[Answer]) -> Vec<u8> {
    let form = form.with(kind.form);
    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        let cells: Vec<_> = cells
            .iter()
            .map(|c| quoted(c, form.separator, form.quote).unwrap_or_default())
            .collect();
        text.push_str(&cells.join(&form.separator.to_string()));
        text.push_str(form.line_end.as_str());
    };
    if form.header {
        line(kind.columns.iter().map(|c| c.name.clone()).collect());
    }
    for row in rows {
        let cell = |column: &crate::layout::ColumnIn| {
            let Some(field) = column.field else {
                return String::new();
            };
            let time = row.times.get(&field).zip(column.format.as_deref());
            let time = time.map(|(t, format)| t.with_timezone(&zone).format(format).to_string());
            time.or_else(|| row.texts.get(&field).cloned())
                .unwrap_or_default()
        };
        line(kind.columns.iter().map(cell).collect());
    }
    if let Whole::Trailer(mark) = kind.whole {
        line(vec![mark.clone()]);
    }
    let mut bytes = form.encoding.mark().to_vec();
    bytes.extend(
        form.encoding
            .encode(&text, Loss::Map, &BTreeMap::new())
            .unwrap_or_default(),
    );
    bytes
}

/// A file name that fits a pattern.
pub(super) fn name(pattern: &str, number: u32) -> String {
    pattern
        .replacen('*', &format!("{number:06}"), 1)
        .replace('*', "")
        .replace('?', "0")
}

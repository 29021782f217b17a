//! A sheet that is written: cells rendered, checked for what the file can hold, and joined to rows.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use hikiate_sdk::{Error, ErrorClass};
use minijinja::Environment;
use minijinja::value::Value;

use super::template::environment;
use crate::layout::{ColumnOut, Form};
use crate::wire::delimited::{quoted, rows};
use crate::wire::encoding::Loss;
use crate::wire::formula::{Formula, MARK, is_formula};

/// A kind of file with its templates compiled.
pub(crate) struct Sheet {
    kind: &'static str,
    form: Form,
    columns: Vec<ColumnOut>,
    table: BTreeMap<char, String>,
    env: Environment<'static>,
}

impl Sheet {
    /// Compiles the columns.
    ///
    /// # Errors
    /// One text per column that is no template.
    pub(crate) fn new(
        kind: &'static str,
        form: Form,
        columns: &[ColumnOut],
        table: &BTreeMap<char, String>,
        zone: Tz,
    ) -> Result<Self, Vec<String>> {
        let mut env = environment(zone);
        let mut problems = Vec::new();
        for (n, column) in columns.iter().enumerate() {
            if let Err(e) = env.add_template_owned(n.to_string(), column.value.clone()) {
                problems.push(format!("{kind}.columns {:?}: {e}", column.name));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            kind,
            form,
            columns: columns.to_vec(),
            table: table.clone(),
            env,
        })
    }

    /// Renders an example, so that a wrong name is found before the first order.
    pub(crate) fn try_out(&self, context: &Value) -> Vec<String> {
        let wrong = |(n, column): (usize, &ColumnOut)| {
            let e = self
                .env
                .get_template(&n.to_string())
                .and_then(|t| t.render(context))
                .err()?;
            Some(format!(
                "{}.columns {:?}: {e}: see the fields of a row in the connector's README",
                self.kind, column.name
            ))
        };
        self.columns.iter().enumerate().filter_map(wrong).collect()
    }

    /// The bytes of a file. Each row comes with what names it in an error.
    ///
    /// # Errors
    /// [`ErrorClass::Rejected`] with kind, row and column for the first cell that cannot be written.
    pub(crate) fn write<'a>(
        &self,
        rows: impl Iterator<Item = (&'a str, Value)>,
    ) -> Result<Vec<u8>, Error> {
        let mut out = self.form.encoding.mark().to_vec();
        if self.form.header {
            let names = self
                .columns
                .iter()
                .map(|c| self.encode("the header", c, &c.name, Loss::Refuse));
            self.push_row(&mut out, names)?;
        }
        for (reference, context) in rows {
            let cells = self
                .columns
                .iter()
                .enumerate()
                .map(|(n, column)| self.cell(reference, n, column, &context));
            self.push_row(&mut out, cells)?;
        }
        Ok(out)
    }

    /// Two rows are the same in every column.
    pub(crate) fn same(&self, one: &Value, other: &Value) -> bool {
        let cell = |n: usize, context: &Value| {
            let template = self.env.get_template(&n.to_string()).ok()?;
            template.render(context).ok()
        };
        (0..self.columns.len()).all(|n| cell(n, one) == cell(n, other))
    }

    /// The column whose template is this field of a row and nothing else.
    pub(crate) fn column_of(&self, field: &str) -> Option<usize> {
        let template = format!("{{{{row.{field}}}}}");
        let is = |c: &ColumnOut| c.value.split_whitespace().collect::<String>() == template;
        self.columns.iter().position(is)
    }

    /// The rows of a file that this sheet wrote; `None` for any other.
    pub(crate) fn read(&self, content: &[u8]) -> Option<Vec<Vec<String>>> {
        let decoded = self.form.encoding.decode(content).ok()?;
        let mut rows = rows(&decoded, self.form.separator).into_iter();
        if self.form.header {
            let head = rows.next()?.cells.ok()?;
            if !head.iter().eq(self.columns.iter().map(|c| &c.name)) {
                return None;
            }
        }
        rows.map(|row| row.cells.ok().filter(|c| c.len() == self.columns.len()))
            .map(|row| {
                let cells = row?.into_iter().enumerate();
                Some(cells.map(|(n, cell)| self.unmarked(n, cell)).collect())
            })
            .collect()
    }

    fn formula(&self, column: &ColumnOut) -> Formula {
        column.formula.unwrap_or_else(|| self.form.formula())
    }

    /// A cell as it was before it was written.
    fn unmarked(&self, n: usize, cell: String) -> String {
        let marks = self.columns.get(n).map(|c| self.formula(c)) == Some(Formula::Apostrophe);
        match cell
            .strip_prefix(MARK)
            .filter(|rest| marks && is_formula(rest))
        {
            Some(rest) => rest.to_owned(),
            None => cell,
        }
    }

    fn push_row(
        &self,
        out: &mut Vec<u8>,
        cells: impl Iterator<Item = Result<Vec<u8>, Error>>,
    ) -> Result<(), Error> {
        for (n, cell) in cells.enumerate() {
            if n > 0 {
                out.push(u8::try_from(self.form.separator).unwrap_or(b','));
            }
            out.extend_from_slice(&cell?);
        }
        out.extend_from_slice(self.form.line_end.as_str().as_bytes());
        Ok(())
    }

    fn cell(
        &self,
        reference: &str,
        n: usize,
        column: &ColumnOut,
        context: &Value,
    ) -> Result<Vec<u8>, Error> {
        // The kind alone: the engine's detail may quote a value, and values are names and addresses.
        let text = self
            .env
            .get_template(&n.to_string())
            .and_then(|t| t.render(context))
            .map_err(|e| {
                self.refused(
                    reference,
                    column,
                    &format!("cannot be rendered ({})", e.kind()),
                )
            })?;
        if column.required && text.trim().is_empty() {
            return Err(self.refused(reference, column, "is empty and the layout requires it"));
        }
        let text = self.form.encoding.composed(&text).into_owned();
        let text = match self.formula(column) {
            Formula::Keep => text,
            Formula::Refuse if is_formula(&text) => {
                let why = "begins like a spreadsheet formula: correct it, or set formula = \"apostrophe\" or \"keep\" in the layout";
                return Err(self.refused(reference, column, why));
            }
            Formula::Apostrophe if is_formula(&text) => format!("{MARK}{text}"),
            Formula::Refuse | Formula::Apostrophe => text,
        };
        if let Some(limit) = column.chars
            && text.chars().count() > limit
        {
            let over = format!(
                "has {} characters, the layout allows {limit}",
                text.chars().count()
            );
            return Err(self.refused(reference, column, &over));
        }
        let loss = column.loss.unwrap_or(self.form.loss);
        let text = if loss == Loss::Map {
            text.replace("\r\n", " ").replace(['\r', '\n', '\t'], " ")
        } else {
            text
        };
        if let Some(limit) = column.bytes {
            let length = self.encode_plain(reference, column, &text, loss)?.len();
            if length > limit {
                return Err(self.refused(
                    reference,
                    column,
                    &format!("has {length} bytes, the layout allows {limit}"),
                ));
            }
        }
        self.encode(reference, column, &text, loss)
    }

    fn encode(
        &self,
        reference: &str,
        column: &ColumnOut,
        text: &str,
        loss: Loss,
    ) -> Result<Vec<u8>, Error> {
        if let Some(c) = text.chars().find(|c| c.is_control()) {
            return Err(self.refused(
                reference,
                column,
                &format!("contains the control character U+{:04X}", u32::from(c)),
            ));
        }
        // The table is applied first: a replacement may hold what makes quotes necessary.
        let plain = self.encode_plain(reference, column, text, loss)?;
        let encoding = self.form.encoding;
        let mapped = encoding
            .decode(&plain)
            .map_err(|e| self.refused(reference, column, &e))?;
        let cell = quoted(&mapped, self.form.separator, self.form.quote)
            .map_err(|why| self.refused(reference, column, why))?;
        self.encode_plain(reference, column, &cell, Loss::Refuse)
    }

    fn encode_plain(
        &self,
        reference: &str,
        column: &ColumnOut,
        text: &str,
        loss: Loss,
    ) -> Result<Vec<u8>, Error> {
        self.form
            .encoding
            .encode(text, loss, &self.table)
            .map_err(|c| {
                self.refused(
                    reference,
                    column,
                    &format!(
                        "contains the character U+{:04X}, which the file's encoding does not have",
                        u32::from(c)
                    ),
                )
            })
    }

    fn refused(&self, reference: &str, column: &ColumnOut, why: &str) -> Error {
        let message = format!(
            "{} row {reference}, column {}: {why}",
            self.kind, column.name
        );
        Error::new(ErrorClass::Rejected, message).with_code("layout")
    }
}

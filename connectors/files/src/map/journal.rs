//! Journal files: rows, or a text per entry with what stands before them.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use hikiate_sdk::{
    BatchName, Currency, Error, ErrorClass, JournalBatch, JournalEntry, JournalLine,
};
use minijinja::Environment;
use minijinja::value::Value;

use super::instruct::context;
use super::sheet::Sheet;
use super::template::environment;
use crate::layout::{Forbid, Form, Journal, JournalFormat, Layout};
use crate::wire::encoding::Loss;

/// A journal layout with its templates compiled.
pub(crate) enum JournalSheet {
    Rows(Box<Sheet>),
    Text(Box<TextSheet>),
}

/// A text journal.
pub(crate) struct TextSheet {
    env: Environment<'static>,
    form: Form,
    loss: Loss,
    table: BTreeMap<char, String>,
    forbid: Forbid,
}

impl JournalSheet {
    /// Compiles the templates and tries them out.
    ///
    /// # Errors
    /// One text per template that is wrong.
    pub(crate) fn new(
        layout: &Layout,
        journal: &Journal,
        zone: Tz,
        values: &Value,
    ) -> Result<Self, Vec<String>> {
        let form = layout.form.with(journal.form);
        let example = JournalEntry {
            reference: "J1".to_owned(),
            date: chrono::NaiveDate::default(),
            description: "x".to_owned(),
            currency: Currency::JPY,
            lines: vec![JournalLine {
                account: "x".to_owned(),
                amount: 0,
                tax: None,
            }],
        };
        if journal.format == JournalFormat::Rows {
            let sheet = Sheet::new("journal", form, &journal.columns, &layout.map, zone)?;
            let tried: Vec<_> = example
                .lines
                .iter()
                .map(|l| context(row(&example, 1, l), "example", values))
                .collect();
            let problems: Vec<_> = tried.iter().flat_map(|c| sheet.try_out(c)).collect();
            return if problems.is_empty() {
                Ok(Self::Rows(Box::new(sheet)))
            } else {
                Err(problems)
            };
        }
        let mut env = environment(zone);
        let mut problems = Vec::new();
        let batch = JournalBatch {
            entries: vec![example],
        };
        let contexts = [
            ("head", &journal.head, head(&batch, "example", values)),
            ("entry", &journal.entry, entry(&batch.entries[0], values)),
        ];
        for (name, source, context) in contexts {
            let tried = env
                .add_template_owned(name, source.clone())
                .and_then(|()| env.get_template(name)?.render(context));
            if let Err(e) = tried {
                problems.push(format!("journal.{name}: {e}"));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let sheet = TextSheet {
            env,
            form,
            loss: form.loss,
            table: layout.map.clone(),
            forbid: journal.forbid.clone(),
        };
        Ok(Self::Text(Box::new(sheet)))
    }

    /// The bytes of a batch whose account titles are already those of the books.
    ///
    /// # Errors
    /// [`ErrorClass::Rejected`] naming entry and field for what cannot be written or does not balance.
    pub(crate) fn write(
        &self,
        name: &BatchName,
        batch: &JournalBatch,
        values: &Value,
    ) -> Result<Vec<u8>, Error> {
        for entry in &batch.entries {
            let sum: i128 = entry.lines.iter().map(|l| i128::from(l.amount)).sum();
            if sum != 0 || entry.lines.is_empty() {
                return Err(refused(
                    &entry.reference,
                    "lines",
                    &format!("add up to {sum} minor units, not to zero"),
                ));
            }
        }
        let name = name.to_string();
        match self {
            Self::Rows(sheet) => sheet.write(batch.entries.iter().flat_map(|e| {
                let lines = (1_usize..).zip(&e.lines);
                let name = name.as_str();
                lines.map(move |(n, l)| (e.reference.as_str(), context(row(e, n, l), name, values)))
            })),
            Self::Text(sheet) => sheet.write(&name, batch, values),
        }
    }
}

impl TextSheet {
    fn write(&self, name: &str, batch: &JournalBatch, values: &Value) -> Result<Vec<u8>, Error> {
        let mut text = self.render("head", head(batch, name, values), name)?;
        for e in &batch.entries {
            self.check(e)?;
            text.push_str(&self.render("entry", entry(e, values), &e.reference)?);
        }
        let text = text
            .replace("\r\n", "\n")
            .replace('\n', self.form.line_end.as_str());
        let mut out = self.form.encoding.mark().to_vec();
        let body = self
            .form
            .encoding
            .encode(&text, self.loss, &self.table)
            .map_err(|c| {
                refused(
                    name,
                    "text",
                    &format!(
                        "contains the character U+{:04X}, which the file's encoding does not have",
                        u32::from(c)
                    ),
                )
            })?;
        out.extend_from_slice(&body);
        Ok(out)
    }

    fn render(&self, template: &str, context: Value, of: &str) -> Result<String, Error> {
        let rendered = self
            .env
            .get_template(template)
            .and_then(|t| t.render(context));
        rendered.map_err(|e| refused(of, template, &format!("cannot be rendered ({})", e.kind())))
    }

    fn check(&self, e: &JournalEntry) -> Result<(), Error> {
        let fields = [
            ("reference", &e.reference, &self.forbid.reference),
            ("description", &e.description, &self.forbid.description),
        ];
        let accounts = e
            .lines
            .iter()
            .map(|l| ("account", &l.account, &self.forbid.account));
        for (field, text, forbidden) in fields.into_iter().chain(accounts) {
            if let Some(c) = text.chars().find(|c| c.is_control()) {
                return Err(refused(
                    &e.reference,
                    field,
                    &format!("contains the control character U+{:04X}", u32::from(c)),
                ));
            }
            if field == "account" && text.trim() != text || text.is_empty() {
                return Err(refused(
                    &e.reference,
                    field,
                    "is empty or has leading or trailing blanks",
                ));
            }
            let start = self
                .forbid
                .account_start
                .iter()
                .filter(|part| field == "account" && text.starts_with(part.as_str()));
            if let Some(part) = forbidden
                .iter()
                .filter(|part| text.contains(part.as_str()))
                .chain(start)
                .next()
            {
                return Err(refused(
                    &e.reference,
                    field,
                    &format!(
                        "contains {:?}, which is reserved in this format",
                        part.replace(' ', "␣")
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn refused(reference: &str, field: &str, why: &str) -> Error {
    Error::new(
        ErrorClass::Rejected,
        format!("journal entry {reference}, {field}: {why}"),
    )
    .with_code("layout")
}

/// `row` of a journal written as rows: a line with the fields of its entry.
fn row(e: &JournalEntry, n: usize, line: &JournalLine) -> Value {
    let format = |minor: i64| e.currency.format(minor);
    let (debit, credit) = if line.amount < 0 {
        (String::new(), format(line.amount.saturating_neg()))
    } else {
        (format(line.amount), String::new())
    };
    Value::from_pairs([
        ("reference", Value::from(&e.reference)),
        ("date", Value::from(e.date.to_string())),
        ("description", Value::from(&e.description)),
        ("currency", Value::from(e.currency.code())),
        ("lines", Value::from(e.lines.len())),
        ("n", Value::from(n)),
        ("account", Value::from(&line.account)),
        ("amount", Value::from(format(line.amount))),
        ("debit", Value::from(debit)),
        ("credit", Value::from(credit)),
        ("tax_rate_bp", rate(line)),
        ("tax", tax(e, line)),
        ("tax_class", class(line)),
    ])
}

fn rate(line: &JournalLine) -> Value {
    let tax = line.tax.as_ref();
    tax.map_or_else(|| Value::from(""), |tax| Value::from(tax.rate_bp))
}

/// The tax inside the line's amount; empty where there is none.
fn tax(e: &JournalEntry, line: &JournalLine) -> Value {
    let inside = line.tax.as_ref().filter(|tax| tax.amount != 0);
    inside.map_or_else(
        || Value::from(""),
        |tax| Value::from(e.currency.format(tax.amount.saturating_abs())),
    )
}

fn class(line: &JournalLine) -> Value {
    let tax = line.tax.as_ref();
    tax.map_or_else(|| Value::from(""), |tax| Value::from(&tax.class))
}

/// The context of `entry`.
fn entry(e: &JournalEntry, values: &Value) -> Value {
    let line = |l: &JournalLine| -> Value {
        Value::from_pairs([
            ("account", Value::from(&l.account)),
            ("amount", Value::from(e.currency.format(l.amount))),
            ("tax_rate_bp", rate(l)),
            ("tax", tax(e, l)),
            ("tax_class", class(l)),
        ])
    };
    let fields = Value::from_pairs([
        ("reference", Value::from(&e.reference)),
        ("date", Value::from(e.date.to_string())),
        ("description", Value::from(&e.description)),
        ("currency", Value::from(e.currency.code())),
        ("lines", e.lines.iter().map(line).collect()),
    ]);
    Value::from_pairs([("entry", fields), ("values", values.clone())])
}

/// The context of `head`.
fn head(batch: &JournalBatch, name: &str, values: &Value) -> Value {
    let accounts: BTreeSet<&str> = batch
        .entries
        .iter()
        .flat_map(|e| e.lines.iter().map(|l| l.account.as_str()))
        .collect();
    let currencies: BTreeSet<Currency> = batch.entries.iter().map(|e| e.currency).collect();
    let commodity = |c: Currency| -> Value {
        // A commodity's sample must have its decimal mark, also where no digits follow.
        let digits = usize::try_from(c.exponent()).unwrap_or_default();
        Value::from_pairs([
            ("code", Value::from(c.code())),
            (
                "sample",
                Value::from(format!("1000.{}", "0".repeat(digits))),
            ),
        ])
    };
    Value::from_pairs([
        ("accounts", accounts.into_iter().map(Value::from).collect()),
        (
            "commodities",
            currencies.into_iter().map(commodity).collect(),
        ),
        ("batch", Value::from(name)),
        ("values", values.clone()),
    ])
}

//! Calls to the bytes of files.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;
use hikiate_sdk::{
    Ability, BatchName, Call, CancelInstructionCall, Cancels, Error, ErrorClass, Identity,
    Instruction, JournalBatch, Op, OperationSpec, Prepared, RetryPolicy, SentLine,
    ShipmentReference, TaxStyle, Then,
};
use minijinja::value::Value;

use super::asks::without;
use super::instruct::{cancel, context, example, instruction, rows};
use super::journal::JournalSheet;
use super::needed::left_out;
use super::sheet::Sheet;
use crate::layout::{Accept, Ask, InstructRows, Layout, PickedUp};
use crate::wire::envelope::{Envelope, sha256};

/// Everything that goes out of one account.
pub(crate) struct Outgoing {
    account: String,
    pub(crate) folder: String,
    values: Value,
    titles: BTreeMap<String, String>,
    tax: TaxStyle,
    picked_up: PickedUp,
    instruct: Option<Out<Sheet>>,
    rows: InstructRows,
    ignores: Vec<Ask>,
    cancel: Option<Out<Sheet>>,
    /// The warehouse is called when a shipment is to be stopped.
    telephone: bool,
    journal: Option<Out<JournalSheet>>,
}

struct Out<S> {
    sheet: S,
    extension: String,
    accept: Accept,
}

impl Outgoing {
    /// Compiles what a layout writes and tries each template on an example.
    ///
    /// # Errors
    /// One text per template that is wrong, and per value without which goods would ship wrongly.
    pub(crate) fn new(
        account: &str,
        folder: &str,
        layout: &Layout,
        zone: Tz,
        values: Value,
        titles: BTreeMap<String, String>,
    ) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let form = layout.form;
        let sheet = |kind, part, columns: &[_], try_on: &Value| {
            let sheet = Sheet::new(kind, form.with(part), columns, &layout.map, zone)?;
            let wrong = sheet.try_out(try_on);
            if wrong.is_empty() {
                Ok(sheet)
            } else {
                Err(wrong)
            }
        };
        let shipment = example();
        let row = context(
            instruction(&shipment, &shipment.lines[0]),
            "example",
            &values,
        );
        let request = CancelInstructionCall {
            key: "x".to_owned(),
            reference: ShipmentReference::from("x"),
            order_number: "x".to_owned(),
        };
        let request = context(cancel(&request), "example", &values);
        let instruct = layout.instruct.as_ref().and_then(|i| {
            let sheet = sheet("instruct", i.form, &i.columns, &row)
                .map_err(|p| problems.extend(p))
                .ok()?;
            problems.extend(left_out(&sheet, layout, i, &values));
            Some(Out {
                sheet,
                extension: i.extension.clone(),
                accept: i.accept,
            })
        });
        let telephone = layout
            .cancel
            .as_ref()
            .is_some_and(|c| c.accept == Accept::Phone);
        let cancel = layout.cancel.as_ref().filter(|_| !telephone).and_then(|c| {
            let sheet = sheet("cancel", c.form, &c.columns, &request)
                .map_err(|p| problems.extend(p))
                .ok()?;
            Some(Out {
                sheet,
                extension: c.extension.clone(),
                accept: c.accept,
            })
        });
        let journal = layout.journal.as_ref().and_then(|j| {
            let sheet = JournalSheet::new(layout, j, zone, &values)
                .map_err(|p| problems.extend(p))
                .ok()?;
            Some(Out {
                sheet,
                extension: j.extension.clone(),
                accept: j.accept,
            })
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            account: account.to_owned(),
            folder: folder.to_owned(),
            values,
            titles,
            tax: layout.journal.as_ref().map(|j| j.tax).unwrap_or_default(),
            picked_up: layout.picked_up,
            rows: layout.instruct.as_ref().map(|i| i.rows).unwrap_or_default(),
            ignores: (layout.instruct.iter())
                .flat_map(|i| i.ignores.iter().copied())
                .collect(),
            instruct,
            cancel,
            telephone,
            journal,
        })
    }

    /// See [`hikiate_sdk::Operations::by_telephone`].
    pub(crate) fn by_telephone(&self) -> Vec<Op> {
        self.telephone
            .then_some(Op::CancelInstruction)
            .into_iter()
            .collect()
    }

    /// What this account offers.
    pub(crate) fn specs(&self) -> Vec<OperationSpec> {
        let offered = [
            (
                Op::Instruct,
                self.instruct.as_ref().map(|o| o.accept),
                "writes a file of shipping instructions; a file is never changed or withdrawn",
            ),
            (
                Op::CancelInstruction,
                self.cancel.as_ref().map(|o| o.accept),
                "writes a file that asks the warehouse to stop a shipment; the warehouse may decline",
            ),
            (
                Op::PostJournal,
                self.journal.as_ref().map(|o| o.accept),
                "writes a file of journal entries; a file is never changed or withdrawn",
            ),
        ];
        let spec = |(op, accept, summary)| {
            Some(OperationSpec {
                completes_on_accept: accept? == Accept::Delivered,
                ability: self.ability(op),
                ..OperationSpec::new(op, self.retry(), summary)
            })
        };
        offered.into_iter().filter_map(spec).collect()
    }

    fn ability(&self, op: Op) -> Ability {
        match op {
            Op::Instruct => Ability::Instruct {
                identity: Identity::Batch,
                cancel: if self.telephone {
                    Cancels::Never
                } else {
                    Cancels::Request
                },
            },
            Op::PostJournal => Ability::Journal(self.tax),
            _ => Ability::usual(op),
        }
    }

    /// A name and its bytes are never written twice, as long as the name can still be seen. Where the external
    /// system removes what it has read, nothing may be sent again after a doubt: only a look-up that finds
    /// the file says yes, and otherwise an operator decides.
    fn retry(&self) -> RetryPolicy {
        match self.picked_up {
            PickedUp::Kept | PickedUp::Moved => RetryPolicy::IdempotencyKey {
                ttl: None,
                after_expiry: Then::LookUp,
            },
            PickedUp::Removed => RetryPolicy::IdempotencyKey {
                ttl: Some(Duration::ZERO),
                after_expiry: Then::LookUp,
            },
        }
    }

    /// Whether acceptance of an operation is the end of it.
    pub(crate) fn is_done(&self, op: Op) -> bool {
        let accept = match op {
            Op::Instruct => self.instruct.as_ref().map(|o| o.accept),
            Op::CancelInstruction => self.cancel.as_ref().map(|o| o.accept),
            Op::PostJournal => self.journal.as_ref().map(|o| o.accept),
            _ => None,
        };
        accept == Some(Accept::Delivered)
    }

    /// What the names of an operation's files begin with; `None` for one that is not offered.
    pub(crate) fn names(&self, op: Op) -> Option<String> {
        let kind = match op {
            Op::Instruct if self.instruct.is_some() => "instruct",
            Op::CancelInstruction if self.cancel.is_some() => "cancel",
            Op::PostJournal if self.journal.is_some() => "journal",
            _ => return None,
        };
        Some(format!("{}-{kind}-", self.account))
    }

    /// See [`hikiate_sdk::Operations::lines_sent`]. A cell that holds more than the field, or something made of
    /// it, is not read back.
    pub(crate) fn lines_sent(&self, content: &[u8]) -> Option<Vec<SentLine>> {
        let sheet = &self.instruct.as_ref()?.sheet;
        let reference = sheet.column_of("reference")?;
        let code = sheet.column_of("code")?;
        let quantity = sheet.column_of("quantity")?;
        let n = sheet.column_of("n");
        let mut rows: BTreeMap<ShipmentReference, u32> = BTreeMap::new();
        let mut lines = Vec::new();
        for row in sheet.read(content)? {
            let reference = ShipmentReference::new(row.get(reference)?);
            // Rows of a shipment are written in the order of its lines.
            let count = rows.entry(reference.clone()).or_default();
            *count = count.checked_add(1)?;
            lines.push(SentLine {
                reference,
                n: match n {
                    Some(n) => row.get(n)?.parse().ok()?,
                    None => *count,
                },
                code: row.get(code)?.clone(),
                quantity: row.get(quantity)?.parse().ok()?,
            });
        }
        Some(lines)
    }

    /// See [`hikiate_sdk::Operations::prepare`].
    pub(crate) fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        match (call, &self.instruct, &self.cancel, &self.journal) {
            (Call::Instruct(c), Some(out), _, _) => {
                if c.instructions.is_empty() {
                    return Err(rejected(format!("the batch {} is empty", c.batch)));
                }
                if let Some(empty) = c.instructions.iter().find(|i| i.lines.is_empty()) {
                    return Err(rejected(format!(
                        "instruct row {}: the shipment has no line",
                        empty.reference
                    )));
                }
                for asked in &c.instructions {
                    self.writes_all(&out.sheet, asked)?;
                }
                let content = out.sheet.write(rows(c, self.rows, &self.values))?;
                self.seal(&stem(&c.batch)?, &out.extension, &content)
            }
            (Call::CancelInstruction(c), _, Some(out), _) => {
                let row = context(cancel(c), &c.key, &self.values);
                let content = out.sheet.write([(c.reference.as_str(), row)].into_iter())?;
                // Two requests for one shipment have equal contents; the key tells their files apart.
                let key = sha256(c.key.as_bytes());
                let stem = format!(
                    "{}-cancel-{}-{}",
                    self.account,
                    safe(c.reference.as_str())?,
                    &key[..8]
                );
                self.seal(&stem, &out.extension, &content)
            }
            (Call::PostJournal { batch, journal }, _, _, Some(out)) => {
                if journal.entries.is_empty() {
                    return Err(rejected(format!("the batch {batch} is empty")));
                }
                let content = out
                    .sheet
                    .write(batch, &self.titled(journal), &self.values)?;
                self.seal(&stem(batch)?, &out.extension, &content)
            }
            _ => Err(Error::new(
                ErrorClass::Config,
                format!(
                    "the layout of account {} describes no file for {}",
                    self.account,
                    call.op()
                ),
            )),
        }
    }

    /// Whether the rows of an instruction say all that it asks.
    ///
    /// # Errors
    /// [`ErrorClass::Rejected`] with what no column writes.
    fn writes_all(&self, sheet: &Sheet, asked: &Instruction) -> Result<(), Error> {
        let Some(line) = asked.lines.first() else {
            return Ok(());
        };
        let row = |of: &Instruction| context(instruction(of, line), "example", &self.values);
        for ask in Ask::ALL {
            let Some(less) = without(asked, ask).filter(|_| !self.ignores.contains(&ask)) else {
                continue;
            };
            if !sheet.same(&row(asked), &row(&less)) {
                continue;
            }
            let (what, value) = ask.says();
            let ignore = match ask {
                Ask::Cod => "",
                _ => ", or list it in ignores of [instruct] if the warehouse does not need it",
            };
            return Err(rejected(format!(
                "instruct row {}: the order requires {what}, but no column of the layout contains it: add {value} to one{ignore}",
                asked.reference
            )));
        }
        Ok(())
    }

    fn seal(&self, stem: &str, extension: &str, content: &[u8]) -> Result<Prepared, Error> {
        Envelope::new(&self.folder, stem, extension, content).seal(content)
    }

    /// The batch in the style of tax and with the account titles of these books.
    fn titled(&self, journal: &JournalBatch) -> JournalBatch {
        let mut journal = journal.spread(self.tax);
        for line in journal.entries.iter_mut().flat_map(|e| &mut e.lines) {
            if let Some(title) = self.titles.get(&line.account) {
                line.account.clone_from(title);
            }
        }
        journal
    }
}

fn stem(batch: &BatchName) -> Result<String, Error> {
    safe(&batch.to_string())
}

/// File names are made of what every file system and every 3PL's job takes.
fn safe(text: &str) -> Result<String, Error> {
    if text.is_empty()
        || text.starts_with('.')
        || !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    {
        return Err(rejected(format!(
            "{text:?} cannot be part of a file name: only ASCII letters, digits and - _ . can"
        )));
    }
    Ok(text.to_owned())
}

fn rejected(message: String) -> Error {
    Error::new(ErrorClass::Rejected, message).with_code("layout")
}

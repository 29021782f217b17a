//! Tasks: what an operator should see and what to do about it.

use chrono::{DateTime, Utc};

use super::command::may_refund;
use super::types::TaskRow;
use super::view::View;
use crate::action::Action;

/// Tasks of one order; one row per kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    pub(crate) rows: Vec<TaskRow>,
}

/// What an external system said, where it said anything: short, one line, nothing that misleads.
pub(crate) fn words_or_none(words: &str) -> String {
    let said = hikiate_sdk::text::words(words);
    if said.is_empty() {
        "without a reason".to_owned()
    } else {
        said
    }
}

/// Ends what has happened and cannot be undone.
const WHEN_DONE: &str = "; release it when that is done";

impl Tasks {
    /// Adds a task; a second one of a kind joins the first. What may be typed about it is added to the answer.
    pub(crate) fn add(&mut self, kind: impl Into<String>, detail: String) -> &mut TaskRow {
        self.add_due(kind, detail, None)
    }

    /// Adds a task that becomes urgent.
    pub(crate) fn add_due(
        &mut self,
        kind: impl Into<String>,
        detail: String,
        due: Option<DateTime<Utc>>,
    ) -> &mut TaskRow {
        let kind = kind.into();
        let at = match self.rows.iter().position(|row| row.kind == kind) {
            Some(at) => {
                let row = &mut self.rows[at];
                row.detail = format!("{}; {detail}", row.detail);
                row.due = row.due.into_iter().chain(due).min();
                at
            }
            None => {
                self.rows.push(TaskRow {
                    due,
                    ..TaskRow::new(kind, detail)
                });
                self.rows.len() - 1
            }
        };
        &mut self.rows[at]
    }

    /// Adds what has happened and cannot be undone, unless an operator has released it after the fact that told it.
    pub(crate) fn tell(&mut self, view: &View<'_>, kind: &str, told: i64, detail: &str) {
        if view.fold.released_after(kind, told) {
            return;
        }
        // Said once, after all that it is about.
        if let Some(row) = self.rows.iter_mut().find(|row| row.kind == kind)
            && let Some(before) = row.detail.strip_suffix(WHEN_DONE)
        {
            row.detail = before.to_owned();
        }
        self.add(kind, format!("{detail}{WHEN_DONE}")).release(kind);
    }

    /// The same of money that is the customer's: to give it back comes first, where `order refund` can.
    pub(crate) fn tell_owed(
        &mut self,
        view: &View<'_>,
        kind: &str,
        told: i64,
        detail: &str,
        amount: i64,
    ) {
        self.tell(view, kind, told, detail);
        let row = self.rows.iter_mut().find(|row| row.kind == kind);
        if let Some(row) = row.filter(|_| may_refund(view, amount)) {
            let amount = view.order.currency.format(amount);
            row.actions.insert(0, Action::Refund { amount });
        }
    }
}

//! Tasks: what a person should see and what to do about it.

use chrono::{DateTime, Utc};

use super::types::TaskRow;
use super::view::View;

/// Tasks of one order; one row per kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    pub(crate) rows: Vec<TaskRow>,
}

impl Tasks {
    /// Adds a task; a second one of a kind joins the first.
    pub(crate) fn add(&mut self, kind: impl Into<String>, detail: String) {
        self.add_due(kind, detail, None);
    }

    /// Adds a task that becomes urgent.
    pub(crate) fn add_due(
        &mut self,
        kind: impl Into<String>,
        detail: String,
        due: Option<DateTime<Utc>>,
    ) {
        let kind = kind.into();
        if let Some(row) = self.rows.iter_mut().find(|row| row.kind == kind) {
            row.detail = format!("{}; {detail}", row.detail);
            row.due = row.due.into_iter().chain(due).min();
        } else {
            self.rows.push(TaskRow { kind, detail, due });
        }
    }

    /// Adds what has happened and cannot be undone, unless a person has released it after the fact that told it.
    pub(crate) fn tell(&mut self, view: &View<'_>, kind: &str, told: i64, detail: &str) {
        if !view.fold.released_after(kind, told) {
            let seen = view.type_release(kind);
            self.add(kind, format!("{detail}; when dealt with, {seen}"));
        }
    }
}

impl View<'_> {
    /// The command that lets go of something.
    pub(crate) fn type_release(&self, rule: &str) -> String {
        format!(
            "type: hikiate order release {} --rule {rule} --reason TEXT",
            self.input.number
        )
    }
}

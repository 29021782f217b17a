//! What a statement reads and locks, told from its text: two statements that cannot see or stop each other
//! need not be tried in both orders. Tables, not rows, so it errs on the side of trying.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgPool;

type Names = BTreeSet<String>;

/// The tables of a database and who refers to whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    names: Names,
    parents: BTreeMap<String, Names>,
}

/// What a step touches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Footprint {
    /// Tables whose committed rows it sees.
    pub(super) reads: Names,
    /// Tables whose rows it locks or writes.
    pub(super) locks: Names,
    /// Of those, where nobody may even refer to the row.
    pub(super) exclusive: Names,
    /// Tables whose rows it refers to.
    pub(super) refers: Names,
    /// What becomes visible, and is free again, with it.
    pub(super) publishes: Names,
    /// What is no longer referred to by an open transaction.
    pub(super) frees: Names,
}

/// What a statement is in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It opens one; `true` keeps one snapshot for all of it.
    Begin(bool),
    /// It ends it.
    End,
    /// Anything else.
    Work,
}

impl Kind {
    pub(super) fn of(sql: &str) -> Self {
        let words: Vec<String> = sql
            .split_whitespace()
            .map(|w| w.trim_end_matches(';').to_uppercase())
            .collect();
        match words.first().map(String::as_str) {
            Some("BEGIN") => Self::Begin(words.iter().any(|w| w == "REPEATABLE")),
            Some("COMMIT" | "ROLLBACK") => Self::End,
            _ => Self::Work,
        }
    }
}

impl Tables {
    pub(super) async fn of(pool: &PgPool) -> Self {
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        let links: Vec<(String, String)> = sqlx::query_as(
            "SELECT c.relname::text, p.relname::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
             JOIN pg_class p ON p.oid = k.confrelid WHERE k.contype = 'f'",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        let mut parents: BTreeMap<String, Names> = BTreeMap::new();
        for (child, parent) in links {
            parents.entry(child).or_default().insert(parent);
        }
        Self {
            names: names.into_iter().collect(),
            parents,
        }
    }

    /// The footprint of a statement by itself.
    pub(super) fn of_statement(&self, sql: &str) -> Footprint {
        let words = words(sql);
        let mut print = Footprint::default();
        // Tables named at each depth of parentheses: a lock clause is about its own.
        let mut depths: Vec<Names> = vec![Names::new()];
        for (n, word) in words.iter().enumerate() {
            let before = |back: usize| n.checked_sub(back).and_then(|i| words.get(i));
            let after = |on: usize| words.get(n + on).map(|w| w.to_uppercase());
            match word.to_uppercase().as_str() {
                "(" => depths.push(Names::new()),
                ")" => {
                    depths.pop();
                    if depths.is_empty() {
                        depths.push(Names::new());
                    }
                }
                "PG_TRY_ADVISORY_XACT_LOCK" | "PG_ADVISORY_XACT_LOCK" => {
                    print.locks.insert("(advisory)".to_owned());
                }
                "FOR" => {
                    let here = depths.last().cloned().unwrap_or_default();
                    match (after(1).as_deref(), after(2).as_deref()) {
                        (Some("UPDATE"), _) => {
                            print.exclusive.extend(here.clone());
                            print.locks.extend(here);
                        }
                        (Some("NO"), _) | (Some("SHARE"), _) => print.locks.extend(here),
                        (Some("KEY"), Some("SHARE")) => print.refers.extend(here),
                        _ => {}
                    }
                }
                _ if self.names.contains(word) => {
                    if let Some(depth) = depths.last_mut() {
                        depth.insert(word.clone());
                    }
                    print.reads.insert(word.clone());
                    let verb = before(1).map(|w| w.to_uppercase()).unwrap_or_default();
                    let deleted = verb == "FROM"
                        && before(2).is_some_and(|w| w.eq_ignore_ascii_case("DELETE"));
                    if verb == "INTO" {
                        print
                            .refers
                            .extend(self.parents.get(word).cloned().unwrap_or_default());
                    }
                    if deleted {
                        print.exclusive.insert(word.clone());
                    }
                    if deleted || verb == "INTO" || verb == "UPDATE" {
                        print.locks.insert(word.clone());
                    }
                }
                _ => {}
            }
        }
        print
    }

    /// All of them: what a snapshot that is kept sees.
    pub(super) fn all(&self) -> Names {
        self.names.clone()
    }
}

impl Footprint {
    /// Whether the order of two steps of different sessions can matter.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let shows = |a: &Self, b: &Self| {
            !a.publishes.is_disjoint(&b.reads)
                || !a.publishes.is_disjoint(&b.locks)
                || !a.publishes.is_disjoint(&b.refers)
        };
        !self.locks.is_disjoint(&other.locks)
            || !self.exclusive.is_disjoint(&other.refers)
            || !self.refers.is_disjoint(&other.exclusive)
            || !self.frees.is_disjoint(&other.exclusive)
            || !other.frees.is_disjoint(&self.exclusive)
            || shows(self, other)
            || shows(other, self)
    }

    /// The end of a transaction that holds this.
    pub(super) fn ending(held: &Self) -> Self {
        Self {
            publishes: held.locks.clone(),
            frees: held.refers.clone(),
            ..Self::default()
        }
    }

    /// A statement that is a transaction of its own.
    pub(super) fn alone(mut self) -> Self {
        self.publishes = self.locks.clone();
        self.frees = self.refers.clone();
        self
    }

    /// Adds what another statement of the same transaction holds.
    pub(super) fn hold(&mut self, other: &Self) {
        self.locks.extend(other.locks.iter().cloned());
        self.refers.extend(other.refers.iter().cloned());
    }
}

/// Words and parentheses of a statement, without its texts.
fn words(sql: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in sql.chars() {
        if c == '\'' {
            quoted = !quoted;
        }
        if !quoted && (c.is_alphanumeric() || c == '_') {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if !quoted && (c == '(' || c == ')') {
            words.push(c.to_string());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> Names {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    fn tables() -> Tables {
        Tables {
            names: set(&["subjects", "facts", "effects", "gate"]),
            parents: [("facts".to_owned(), set(&["subjects"]))].into(),
        }
    }

    #[test]
    fn a_lock_clause_is_about_its_own_depth() {
        let print = tables().of_statement(
            "SELECT id FROM subjects WHERE (SELECT min_code FROM gate) <= $2 FOR NO KEY UPDATE SKIP LOCKED",
        );
        assert_eq!(print.locks, set(&["subjects"]));
        assert_eq!(print.reads, set(&["subjects", "gate"]));
    }

    #[test]
    fn readers_meet_commits_and_writers_meet_writers() {
        let tables = tables();
        let read = tables.of_statement("SELECT key FROM facts WHERE subject_id = $1");
        let insert = tables.of_statement("INSERT INTO facts (subject_id) VALUES ($1)");
        let commit = Footprint::ending(&insert);
        assert!(!read.meets(&insert), "it is not visible yet");
        assert!(read.meets(&commit));
        assert!(insert.meets(&insert.clone()));
        let lock = tables.of_statement("SELECT id FROM subjects FOR UPDATE");
        assert!(lock.meets(&insert), "it refers to the row");
    }
}

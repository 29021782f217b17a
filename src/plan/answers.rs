//! What a warehouse answered about its shipments: the newest by its own time, whatever is read when and how often.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use hikiate_sdk::ShipmentReference;

/// When it was given, the fact that tells it, and what it says.
type Answer<'a, R> = (DateTime<Utc>, i64, &'a R);

/// Answers of one kind.
#[derive(Debug)]
pub(super) struct Answers<'a, R>(BTreeMap<&'a ShipmentReference, Vec<Answer<'a, R>>>);

impl<R> Default for Answers<'_, R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'a, R: PartialEq> Answers<'a, R> {
    /// An answer that a fact tells, given at a time. The same again is none.
    pub(super) fn hear(
        &mut self,
        reference: &'a ShipmentReference,
        at: DateTime<Utc>,
        id: i64,
        answer: &'a R,
    ) {
        let heard = self.0.entry(reference).or_default();
        if !heard.iter().any(|(t, _, old)| *t == at && *old == answer) {
            heard.push((at, id, answer));
        }
    }

    /// The one that counts, with its fact: of those of one time the one that was read last.
    pub(super) fn newest(&self, reference: &ShipmentReference) -> Option<(i64, &'a R)> {
        let heard = self.0.get(reference)?.iter();
        let newest = heard.max_by_key(|(at, id, _)| (*at, *id))?;
        Some((newest.1, newest.2))
    }
}

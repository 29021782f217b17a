//! A number while it was a parcel's.

/// A number, from the fact that gave it to the parcel to the one that took it away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    pub(super) number: &'a str,
    pub(super) since: i64,
    pub(super) until: Option<i64>,
}

impl<'a> Held<'a> {
    /// It is the parcel's from a fact on.
    pub(super) fn new(number: &'a str, since: i64) -> Self {
        let until = None;
        Self {
            number,
            since,
            until,
        }
    }

    /// It was the parcel's when a fact was stored.
    pub(super) fn at(&self, fact: i64) -> bool {
        self.since < fact && self.until.is_none_or(|until| until > fact)
    }
}

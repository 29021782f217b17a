//! An order as its far side remembers it, whatever that runs on.

/// An order, and its money where that is.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) id: String,
    /// The shop's word.
    pub(super) status: String,
    pub(super) cancelled: bool,
    /// It is deleted, or in the bin.
    pub(super) deleted: bool,
    /// Its price with tax, before anything was given back.
    pub(super) total: i64,
    /// What was taken off that price: at least, and at most where a refund may or may not have lowered it.
    pub(super) credit: (i64, i64),
    /// Captured by an account of ours or in its console.
    pub(super) captured: i64,
    /// Given back of that.
    pub(super) refunded: i64,
    /// Each refund of captured money: amount, and the name of the call of ours that made it.
    pub(super) refunds: Vec<(i64, Option<String>)>,
    /// Each record that we made of a refund, where the shop keeps such: amount and the name of our call.
    pub(super) records: Vec<(i64, String)>,
    /// Payments that were cancelled though nobody but us could have, and of those so many as are captured as well.
    pub(super) voided: Vec<String>,
    /// Calls of ours that took effect more than once.
    pub(super) repeated: usize,
    /// Line, code, ordered, fulfilled.
    pub(super) lines: Vec<(String, String, u32, u32)>,
    pub(super) fulfilments: Vec<Told>,
    /// What staff are shown of its holds.
    pub(super) note: Option<String>,
}

/// A fulfilment as the shop shows it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) id: String,
    /// Our reference, where it carries one.
    pub(super) reference: Option<String>,
    /// The place that it names.
    pub(super) location: Option<String>,
    /// Code and quantity.
    pub(super) lines: Vec<(String, u32)>,
    pub(super) shipped: bool,
    pub(super) cancelled: bool,
    pub(super) tracking: Vec<String>,
}

impl Seen {
    /// Captured and not given back.
    pub(super) fn kept(&self) -> i64 {
        self.captured - self.refunded
    }

    /// The most that it charges.
    pub(super) fn charged(&self) -> i64 {
        (self.total - self.credit.0).max(0)
    }
}

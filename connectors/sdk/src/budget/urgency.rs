//! How urgent a call is: set by whoever starts it, carried to wherever the turn is taken.

use crate::Op;

/// Who is served first where calls wait for the same budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Captures, refunds and cancels.
    Money,
    /// Goods, mail, books, and reading again what waits for it.
    Goods,
    /// Pages of streams.
    Reads,
    /// Pages from long ago.
    BackFill,
    /// Notes for staff.
    Notes,
}

tokio::task_local! {
    static NOW: Urgency;
}

impl Urgency {
    /// The urgency of an operation.
    #[must_use]
    pub fn of(op: Op) -> Self {
        match op {
            Op::Capture
            | Op::Refund
            | Op::Void
            | Op::RecordRefund
            | Op::CancelOrder
            | Op::CancelInstruction => Self::Money,
            Op::Instruct | Op::Fulfil | Op::Ship | Op::Mail | Op::PostJournal => Self::Goods,
            Op::Annotate => Self::Notes,
        }
    }

    /// Carries out calls with this urgency. A task that is spawned inside needs a scope of its own.
    pub async fn scope<T>(self, calls: impl Future<Output = T>) -> T {
        NOW.scope(self, calls).await
    }

    /// The urgency of the current task; outside of any scope that of a page.
    #[must_use]
    pub fn current() -> Self {
        NOW.try_with(|urgency| *urgency).unwrap_or(Self::Reads)
    }

    /// A read of a stream: one call in five is kept for these.
    pub(super) fn is_read(self) -> bool {
        matches!(self, Self::Reads | Self::BackFill)
    }
}

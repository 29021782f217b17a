//! What an account can do of an operation, beyond carrying it out: compared with the policy by `hikiate check`.

use serde::{Deserialize, Serialize};

use crate::{Op, TaxStyle};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// Nothing that differs from one external system to another.
    Plain,
    /// Reports of what was shipped.
    Notice {
        /// What one report is about.
        unit: Unit,
        /// When a report can be made.
        when: When,
    },
    /// Captures.
    Capture(Parts),
    /// Instructions.
    Instruct {
        /// What an instruction is known by at the warehouse.
        identity: Identity,
        /// How a shipment is stopped.
        cancel: Cancels,
    },
    /// Journals: where the books have tax.
    Journal(TaxStyle),
}

/// What one report to a channel is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// What left together: lines and all its parcels.
    Departure,
    /// One label.
    Label,
    /// One line of the order.
    Line,
    /// The order.
    Order,
}

/// When a channel can be notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Each time something leaves.
    Each,
    /// Once nothing is left to ship.
    OrderComplete,
}

/// How often an authorised payment can be captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parts {
    /// Once, and the whole of it: an amount cannot be given.
    Whole,
    /// Once, any amount; what is left of the authorisation is released.
    Once,
    /// In parts.
    #[default]
    Many,
}

impl Parts {
    /// Whether nothing of it can be captured twice.
    #[must_use]
    pub fn is_single(&self) -> bool {
        *self != Self::Many
    }
}

/// What an instruction is known by at its warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The batch: after the database lost recent commits the account is asked for all batches that it was sent.
    Batch,
    /// Our reference of each shipment: a look-up finds it, so nothing has to be asked after the database lost recent commits.
    Shipment,
}

/// How a warehouse is asked to stop a shipment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancels {
    /// It is done at once or refused.
    Command,
    /// The warehouse answers later, and may decline.
    Request,
    /// Done at once while nobody works on it, a request from then on: one cancellation may end either way.
    CommandThenRequest,
    /// Only by telephone: an operator asks and types the answer.
    Never,
}

impl Ability {
    /// What the operations of most external systems are like.
    #[must_use]
    pub fn usual(op: Op) -> Self {
        match op {
            Op::Instruct => Self::Instruct {
                identity: Identity::Batch,
                cancel: Cancels::Request,
            },
            Op::Fulfil | Op::Ship => Self::Notice {
                unit: Unit::Departure,
                when: When::Each,
            },
            Op::Capture => Self::Capture(Parts::Many),
            Op::PostJournal => Self::Journal(TaxStyle::Apart),
            Op::CancelInstruction
            | Op::CancelOrder
            | Op::Mail
            | Op::Annotate
            | Op::Refund
            | Op::Void
            | Op::RecordRefund => Self::Plain,
        }
    }

    /// Whether it is one of this operation's.
    #[must_use]
    pub fn fits(&self, op: Op) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(&Self::usual(op))
    }
}

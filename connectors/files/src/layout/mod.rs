//! Layouts: which files an account exchanges and what stands in their columns.

mod check;
mod incoming;
mod model;
mod shipped;

pub use incoming::{CancelVerdicts, ColumnIn, Field, Incoming, ReplyVerdicts, Whole};
pub use model::{
    Accept, Cancel, ColumnOut, Forbid, Form, FormPart, Instruct, Journal, JournalFormat, Layout,
    PickedUp,
};
pub use shipped::SHIPPED;

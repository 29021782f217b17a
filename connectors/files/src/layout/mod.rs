//! Layouts: which files an account exchanges and what stands in their columns.

mod check;
mod model;
mod shipped;

pub use model::{
    Accept, Cancel, CancelVerdicts, ColumnIn, ColumnOut, Field, Forbid, Form, FormPart, Incoming,
    Instruct, Journal, JournalFormat, Layout, PickedUp, ReplyVerdicts, Whole,
};
pub use shipped::SHIPPED;

//! Layouts: which files an account exchanges and what stands in their columns.

mod asks;
mod check;
mod dates;
mod incoming;
mod model;
mod says;
mod shipped;

pub use asks::Ask;
pub(crate) use dates::{AHEAD_MINUTES, OLDEST_COUNT_DAYS, PLANNED_DAYS, is_day};
pub use incoming::{
    Absent, Bucket, CancelVerdicts, ColumnIn, Count, Exports, Field, Incoming, Kind, Quantities,
    ReplyVerdicts, Says, Shipped, Stock, Whole,
};
pub use model::{
    Accept, Cancel, ColumnOut, Forbid, Form, FormPart, Instruct, InstructRows, Journal,
    JournalFormat, Layout, PickedUp,
};
pub use shipped::SHIPPED;

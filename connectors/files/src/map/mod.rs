//! Pure mapping between the trade and the cells of files.

mod asks;
pub(crate) mod assemble;
pub(crate) mod gone;
pub(crate) mod inbound;
pub(crate) mod instruct;
pub(crate) mod journal;
mod needed;
pub(crate) mod noticed;
mod numbers;
pub(crate) mod outgoing;
mod parcels;
mod row;
mod rows;
pub(crate) mod sheet;
mod stock;
pub(crate) mod survey;
pub(crate) mod template;
pub(crate) mod when;

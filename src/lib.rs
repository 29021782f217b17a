//! hikiate (引当): a headless OMS–WMS bridge. Pull facts, plan from the whole set of them, push effects.

pub mod account;
pub mod action;
pub mod calendar;
pub mod cli;
pub mod config;
pub mod daemon;
#[cfg(feature = "demo")]
pub mod demo;
pub mod engine;
pub mod facts;
pub mod names;
pub mod number;
pub mod ops;
pub mod plan;
pub mod policy;
pub mod pull;
pub mod push;
pub mod registry;
pub mod rules;
pub mod stock;
pub mod store;
mod suggest;

//! hikiate (引当): a headless OMS–WMS bridge. Pull facts, plan from the whole set of them, push effects.

pub mod facts;
pub mod plan;
pub mod policy;
pub mod rules;
pub mod stock;

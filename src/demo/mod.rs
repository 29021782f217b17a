//! `hikiate demo`: simulated shops, payment provider, warehouses, mail server and books around the real daemon, which runs
//! as a child process, and a judge that compares what the external systems remember with what the database says.

pub mod amounts;
mod bench;
pub mod child;
pub mod config;
mod database;
pub mod evidence;
pub mod journal;
pub mod merchant;
mod nagoya;
pub mod orders;
mod report;
mod run;
pub mod scenes;
mod script;
pub mod shop;
pub mod signals;
pub mod traces;
pub mod verify;
mod woo;
pub mod world;

pub use run::{DemoArgs, run};

//! `hikiate demo`: simulated shops, warehouses, mail server and books around the real daemon, which runs
//! as a child process, and a judge that compares what the far sides remember with what the database says.

mod amounts;
mod bench;
mod child;
mod config;
mod database;
mod evidence;
mod journal;
mod orders;
mod report;
mod run;
mod scenes;
mod script;
mod traces;
mod verify;
mod world;

pub use run::{DemoArgs, run};

//! Every connector of the registry through the suite, each subject on a thread of its own.

use std::thread;

use hikiate::registry::CONNECTORS;
use hikiate_sdk::conformance::{Card, Subject, run};

/// A connector with the cards of its subjects.
pub struct Dealt {
    /// The connector's name in the registry.
    pub name: &'static str,
    /// Its title there.
    pub title: &'static str,
    /// One card for each subject; none is a connector without the suite.
    pub cards: Vec<Card>,
}

/// Runs the suite for every subject of every connector.
#[must_use]
pub fn deal() -> Vec<Dealt> {
    let running: Vec<_> = CONNECTORS
        .iter()
        .map(|kind| {
            let subjects = kind.subjects().into_iter();
            let cards: Vec<_> = subjects.map(|s| thread::spawn(move || card(&*s))).collect();
            (kind, cards)
        })
        .collect();
    running
        .into_iter()
        .map(|(kind, cards)| Dealt {
            name: kind.name(),
            title: kind.title(),
            cards: cards.into_iter().map(|c| c.join().unwrap()).collect(),
        })
        .collect()
}

/// One subject through the suite, on this thread alone, so that its log is seen whole.
pub(super) fn card(subject: &dyn Subject) -> Card {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(run(subject))
}

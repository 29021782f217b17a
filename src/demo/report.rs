//! What the person at the terminal sees.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::evidence::{Evidence, Pay};
use super::verify::Verdict;

/// Writes a line; a reader that went away is no reason to stop half way.
pub(super) fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}

/// How far it is: a bar on a terminal, else a line whenever something has changed.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    last: String,
    begun: Instant,
}

impl Progress {
    /// A bar over this many orders.
    pub(super) fn new(orders: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(u64::try_from(orders).unwrap_or(u64::MAX));
            let style = ProgressStyle::with_template(
                "{elapsed:>4} [{bar:30}] {pos}/{len} done  {wide_msg}",
            );
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self {
            bar,
            last: String::new(),
            begun: Instant::now(),
        }
    }

    /// So many have ended, and this is how the rest stands.
    pub(super) fn say(&mut self, ended: usize, standing: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(u64::try_from(ended).unwrap_or(u64::MAX));
            bar.set_message(standing.to_owned());
        } else if self.last != standing {
            say(&format!(
                "{:>3} s  {ended} done; {standing}",
                self.begun.elapsed().as_secs()
            ));
            standing.clone_into(&mut self.last);
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The table at the end.
pub(super) fn table(evidence: &Evidence, verdict: &Verdict) {
    let mut status: BTreeMap<&str, usize> = BTreeMap::new();
    for order in &evidence.orders {
        let word = order.status.as_deref().filter(|_| !order.quarantined);
        *status.entry(word.unwrap_or("in quarantine")).or_default() += 1;
    }
    let by_status: Vec<String> = status
        .iter()
        .map(|(word, n)| format!("{word} {n}"))
        .collect();
    row("orders", &by_status.join(", "));
    let parcels: usize = evidence
        .shipments
        .iter()
        .map(|shipment| shipment.parcels.len())
        .sum();
    row(
        "shipments",
        &format!(
            "{} shipments instructed, {parcels} parcels shipped",
            evidence.shipments.len()
        ),
    );
    row("mails", &format!("{} sent", evidence.mails.len()));
    row(
        "cards",
        &format!(
            "{} yen owed, {} yen captured",
            grouped(verdict.owed),
            grouped(verdict.captured)
        ),
    );
    let of = |pay| -> i64 {
        evidence
            .orders
            .iter()
            .filter(|order| order.pay == pay)
            .map(|order| order.basket.total())
            .sum()
    };
    row(
        "other money",
        &format!(
            "{} yen prepaid, {} yen by deposit: not in the sums above",
            grouped(of(Pay::Prepaid)),
            grouped(of(Pay::Bank))
        ),
    );
    row("journal", &format!("{} entries", evidence.journal.len()));
    let mut accounts: BTreeMap<&str, i64> = BTreeMap::new();
    for (account, amount) in evidence.journal.iter().flat_map(|entry| &entry.lines) {
        *accounts.entry(account).or_default() += amount;
    }
    for (account, amount) in accounts {
        say(&format!("    {:>13} yen  {account}", grouped(amount)));
    }
    row("tasks", &evidence.tasks.len().to_string());
    for task in &evidence.tasks {
        say(&format!(
            "    {} {}: {}",
            task.kind, task.subject, task.detail
        ));
    }
    for problem in verdict.problems.iter().take(30) {
        say(&format!("  WRONG  {problem}"));
    }
    if verdict.problems.len() > 30 {
        say(&format!(
            "  WRONG  and {} more",
            verdict.problems.len() - 30
        ));
    }
}

/// Where to look next.
pub(super) fn next(root: Option<&Path>) {
    say("");
    match root {
        Some(root) => {
            let root = root.display();
            say(&format!("  the daemon's log      {root}/daemon.log"));
            say(&format!("  its configuration     {root}/hikiate.toml"));
            say(&format!(
                "  the warehouses' files {root}/tokyo  {root}/osaka"
            ));
            say(&format!(
                "  the books             {root}/books/outgoing    (hledger -f FILE balance)"
            ));
            say(&format!(
                "  its database          HIKIATE_PG_BIN or PATH: postgres -D {root}/state/postgres/data"
            ));
        }
        None => say(
            "  `hikiate demo --keep` keeps its configuration, log, files, books and database for inspection",
        ),
    }
    say("  README.md explains how to set up your own shop, docs/architecture.md how hikiate works");
}

fn row(title: &str, text: &str) {
    say(&format!("  {title:<12} {text}"));
}

/// Digits in groups of three.
fn grouped(amount: i64) -> String {
    let digits = amount.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if amount < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups() {
        for (amount, want) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-1_234_567, "-1,234,567"),
        ] {
            assert_eq!(grouped(amount), want);
        }
    }
}

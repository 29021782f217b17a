//! The ledger of an order: what was charged, paid, taken, given back and recognised, each as it was reported, with its
//! id, day and maker.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::{Currency, ExternalId, RefundEffect, Tender};
use serde::Serialize;

use super::capture::amount_of;
use super::order::{PlanError, planned};
use super::tax::name_of;
use super::types::OrderInput;
use super::view::View;
use crate::policy::{PaymentRoute, Policy};
use crate::rules::HoldRules;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// An amount that the customer is charged; negative for what is taken off.
    Charge,
    /// A way of paying and what is to be paid by it.
    Tender,
    /// Authorised, and nothing taken yet.
    Authorisation,
    /// An authorisation that ended without being taken whole.
    Void,
    /// Captured.
    Capture,
    /// A capture that hikiate has decided, and of which no answer and no reading says that it happened.
    ToCapture,
    /// Came by bank transfer.
    Deposit,
    /// Given back.
    Refund,
    /// Recognised as revenue; negative for returns.
    Revenue,
}

/// Who made an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Maker {
    /// hikiate.
    Us,
    /// The channel or its staff: it does not tell which.
    Channel,
    /// The payment provider; the channel does not know of it.
    Provider,
    /// Typed by an operator.
    Operator,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What.
    pub kind: EntryKind,
    /// The external system's id, or ours where it has none.
    pub id: String,
    /// In the shop's zone.
    pub day: NaiveDate,
    /// Who.
    pub maker: Maker,
    /// Minor units; `None` while it is not known.
    pub amount: Option<i64>,
    /// Of revenue: the tax in it, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax: Option<i64>,
    /// Of revenue: who pays, as the journal has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
}

impl Entry {
    /// An entry that is no revenue.
    fn of_money(
        kind: EntryKind,
        id: impl Into<String>,
        day: NaiveDate,
        maker: Maker,
        amount: Option<i64>,
    ) -> Self {
        Self {
            kind,
            id: id.into(),
            day,
            maker,
            amount,
            tax: None,
            payer: None,
        }
    }
}

/// What an order's money comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Our number.
    pub number: String,
    /// Of all amounts.
    pub currency: Currency,
    /// By day.
    pub entries: Vec<Entry>,
    /// Charged in all as it stands; `None` while an amount is not known.
    pub charged: Option<i64>,
    /// Due for what has shipped.
    pub due: Option<i64>,
    /// Taken and come, less what was given back.
    pub held: i64,
    /// Recognised as revenue.
    pub recognised: i64,
    /// Given back without anybody having said for what.
    pub unexplained: i64,
    /// Held beyond what is charged.
    pub overpaid: i64,
}

/// The ledger of an order; `None` where nothing was read of it yet, or nothing is done with it.
///
/// # Errors
/// [`PlanError`] when the order cannot be planned.
pub fn ledger(
    input: &OrderInput,
    policy: &Policy,
    rules: &dyn HoldRules,
    now: DateTime<Utc>,
) -> Result<Option<Ledger>, PlanError> {
    let planned = planned(input, policy, rules, now)?;
    Ok(planned.view.as_ref().map(of))
}

fn of(view: &View<'_>) -> Ledger {
    let mut entries = charges(view);
    entries.extend(payments(view));
    entries.extend(captures(view));
    entries.extend(refunds(view));
    entries.extend(deposits(view));
    let recognised = view.input.revenue.iter();
    entries.extend(recognised.clone().map(|row| Entry {
        kind: EntryKind::Revenue,
        id: row.key.clone(),
        day: row.business_date,
        maker: Maker::Us,
        amount: Some(row.gross),
        tax: Some(row.tax),
        payer: Some(row.payment.clone()),
    }));
    entries.sort_by(|a, b| (a.day, a.kind, &a.id).cmp(&(b.day, b.kind, &b.id)));
    let pending = entries.iter().filter(|e| e.kind == EntryKind::ToCapture);
    let pending = pending.filter_map(|entry| entry.amount);
    let pending = pending.fold(0_i64, i64::saturating_add);
    let held = view.held_in_all().saturating_sub(pending);
    let cancelled = view.cancelled_at_channel.is_some();
    let now = |amount: Option<i64>| if cancelled { Some(0) } else { amount };
    let charged = now(view.charged_total());
    Ledger {
        number: view.input.number.clone(),
        currency: view.order.currency,
        entries,
        charged,
        due: now(view.due(&view.departed(|_| true))),
        held,
        recognised: recognised.fold(0_i64, |sum, row| sum.saturating_add(row.gross)),
        unexplained: view.unexplained(),
        overpaid: charged.map_or(0, |charged| held.saturating_sub(charged).max(0)),
    }
}

/// Each amount with the day on which it was first read, and what later readings made of it.
fn charges(view: &View<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut known: BTreeMap<(String, usize), Option<i64>> = BTreeMap::new();
    for reading in &view.fold.readings {
        let mut seen: BTreeMap<(String, usize), Option<i64>> = BTreeMap::new();
        let mut nth: BTreeMap<String, usize> = BTreeMap::new();
        for charge in &reading.fact.order.charges {
            let name = name_of(charge);
            let n = nth.entry(name.clone()).or_default();
            seen.insert((name, *n), charge.gross);
            *n += 1;
        }
        let names = known.keys().chain(seen.keys());
        let names: std::collections::BTreeSet<_> = names.cloned().collect();
        for name in names {
            let was = known.get(&name).copied().unwrap_or(Some(0));
            let is = seen.get(&name).copied().unwrap_or(Some(0));
            if was == is {
                continue;
            }
            entries.push(Entry::of_money(
                EntryKind::Charge,
                &name.0,
                view.day(reading.recorded_at),
                Maker::Channel,
                is.map(|is| is.saturating_sub(was.unwrap_or(0))),
            ));
        }
        known = seen;
    }
    entries
}

/// Who does what we do not do to a payment: nobody tells which of those who may.
fn maker(view: &View<'_>, payment: &Tender) -> Maker {
    match view.route(payment).and_then(PaymentRoute::elsewhere) {
        Some(_) => Maker::Provider,
        None => Maker::Channel,
    }
}

/// Ways of paying, what was authorised of them and what of that was voided, each when it was first read.
fn payments(view: &View<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut known: BTreeMap<&ExternalId, &Tender> = BTreeMap::new();
    for reading in &view.fold.readings {
        for tender in &reading.fact.order.tenders {
            let before = known.insert(&tender.key, tender);
            let day = view.day(reading.recorded_at);
            let id = tender.key.as_str();
            let maker = maker(view, tender);
            let entry = |kind, amount| Entry::of_money(kind, id, day, maker, amount);
            if before.is_none_or(|before| before.amount != tender.amount) {
                entries.push(Entry {
                    maker: Maker::Channel,
                    ..entry(EntryKind::Tender, tender.amount)
                });
            }
            let was = before.map_or(0, |before| before.authorised);
            if tender.authorised > was {
                let more = tender.authorised.saturating_sub(was);
                entries.push(entry(EntryKind::Authorisation, Some(more)));
            }
            let voided = was.saturating_sub(tender.authorised.max(tender.captured));
            if voided > 0 {
                let maker = if view.is_to_void(tender) {
                    Maker::Us
                } else {
                    maker
                };
                entries.push(Entry {
                    maker,
                    ..entry(EntryKind::Void, Some(voided))
                });
            }
        }
    }
    entries
}

/// Ours, and what readings showed beyond them, of each payment once, whatever its records were called.
fn captures(view: &View<'_>) -> Vec<Entry> {
    let ours = view.all_captures().map(|(intent, call)| {
        let mut tenders = view.order.tenders.iter();
        let is_shown = tenders.any(|tender| {
            tender.captured >= call.expected_captured_total
                && view.captures(tender).any(|(one, _)| one.key == intent.key)
        });
        let kind = if intent.open() && !is_shown {
            EntryKind::ToCapture
        } else {
            EntryKind::Capture
        };
        Entry::of_money(
            kind,
            intent.key,
            view.day(intent.recorded_at),
            Maker::Us,
            Some(amount_of(call)),
        )
    });
    let mut entries: Vec<Entry> = ours.collect();
    let readings = view.fold.readings.iter();
    let shown = readings.flat_map(|reading| &reading.fact.order.tenders);
    let mut payments: Vec<&Tender> = Vec::new();
    for tender in shown.filter(|tender| tender.captured > 0) {
        if payments.iter().any(|one| view.same_payment(one, tender)) || view.is_renamed(tender) {
            continue;
        }
        payments.push(tender);
        let mut known = 0;
        for (reading, shown, beyond) in view.beyond(tender) {
            if beyond <= known {
                continue;
            }
            entries.push(Entry::of_money(
                EntryKind::Capture,
                shown.key.as_str(),
                view.day(reading.recorded_at),
                maker(view, shown),
                Some(beyond.saturating_sub(known)),
            ));
            known = beyond;
        }
    }
    entries
}

/// One by one where the channel tells them so, else the sum that is in none.
fn refunds(view: &View<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for tender in &view.order.tenders {
        let mut rest = tender.refunded;
        for refund in &tender.refunds {
            rest = rest.saturating_sub(refund.amount);
            let since = view.fold.unchanged_since(|order| {
                let mut all = order.tenders.iter().flat_map(|tender| &tender.refunds);
                all.any(|seen| seen.key == refund.key)
            });
            let read = view
                .fold
                .readings
                .iter()
                .find(|reading| reading.id == since);
            let at = refund.at.or(read.map(|reading| reading.recorded_at));
            entries.push(Entry::of_money(
                EntryKind::Refund,
                refund.key.as_str(),
                view.day(at.unwrap_or(view.head.recorded_at)),
                match refund.effect {
                    _ if view.fold.our_refunds.contains_key(refund.key.as_str()) => Maker::Us,
                    RefundEffect::ProviderOnly => Maker::Provider,
                    _ => Maker::Channel,
                },
                Some(refund.amount),
            ));
        }
        if rest > 0 {
            entries.push(Entry::of_money(
                EntryKind::Refund,
                tender.key.as_str(),
                view.day(view.head.recorded_at),
                maker(view, tender),
                Some(rest),
            ));
        }
    }
    entries
}

fn deposits(view: &View<'_>) -> Vec<Entry> {
    let facts = view.input.facts.iter();
    facts
        .filter_map(|fact| match &fact.body {
            crate::facts::FactBody::Deposit(deposit) => Some(Entry::of_money(
                EntryKind::Deposit,
                &deposit.deposit,
                fact.business_date,
                Maker::Operator,
                Some(deposit.amount),
            )),
            // Moved to another order, or voided.
            crate::facts::FactBody::DepositWithdrawn(gone) => Some(Entry::of_money(
                EntryKind::Deposit,
                &gone.deposit,
                fact.business_date,
                Maker::Operator,
                Some(gone.amount.saturating_neg()),
            )),
            _ => None,
        })
        .collect()
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let money = |amount: Option<i64>| {
            amount.map_or_else(|| "?".to_owned(), |amount| self.currency.format(amount))
        };
        writeln!(f, "{} ({})", self.number, self.currency)?;
        for entry in &self.entries {
            let (kind, maker) = (entry.kind.as_str(), entry.maker.as_str());
            let amount = money(entry.amount);
            write!(
                f,
                "  {}  {kind:<13}  {amount:>12}  {maker:<8}  {}",
                entry.day, entry.id
            )?;
            if let Some(payer) = &entry.payer {
                write!(f, "  {payer}")?;
            }
            if entry.tax.is_some() {
                write!(f, "  tax {}", money(entry.tax))?;
            }
            writeln!(f)?;
        }
        let mut sums = vec![
            ("charged", self.charged),
            ("due for what shipped", self.due),
            ("held", Some(self.held)),
            ("recognised", Some(self.recognised)),
        ];
        let named = [
            ("unexplained", self.unexplained),
            ("overpaid", self.overpaid),
        ];
        sums.extend(
            named
                .into_iter()
                .filter(|(_, sum)| *sum != 0)
                .map(|(name, sum)| (name, Some(sum))),
        );
        for (name, sum) in sums {
            writeln!(f, "  {name:<25}  {:>12}", money(sum))?;
        }
        Ok(())
    }
}

impl EntryKind {
    /// The word, as JSON has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Tender => "tender",
            Self::Authorisation => "authorisation",
            Self::Void => "void",
            Self::Capture => "capture",
            Self::ToCapture => "to capture",
            Self::Deposit => "deposit",
            Self::Refund => "refund",
            Self::Revenue => "revenue",
        }
    }
}

impl Maker {
    /// The word, as JSON has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Channel => "channel",
            Self::Provider => "provider",
            Self::Operator => "operator",
        }
    }
}

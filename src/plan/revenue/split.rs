//! What is due after each step, by what is taxed how and by who pays.

use std::collections::{BTreeMap, BTreeSet};

use hikiate_sdk::OrderSnapshot;

use super::super::apportion::apportion;
use super::super::tax::{Bucket, tax_inside};
use super::super::view::View;
use super::steps::{Billed, Step};
use crate::policy::{Invoice, PaymentMethod};

/// Where a sum of revenue belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) bucket: Bucket,
    /// A payment method's word, or `sponsor:NAME`.
    pub(super) payer: String,
}

/// Gross and the tax in it.
pub(super) type Totals = BTreeMap<Place, (i64, i64)>;

/// What is due after each step.
pub(super) fn totals(view: &View<'_>, steps: &[Step<'_>]) -> Vec<Totals> {
    let mut invoices = Invoices::default();
    let mut all = Vec::with_capacity(steps.len());
    let mut before: &BTreeMap<Bucket, Billed> = &BTreeMap::new();
    for step in steps {
        invoices.add(before, step);
        let taxes = step
            .due
            .iter()
            .map(|(bucket, billed)| (bucket, tax(view, step, bucket, billed, &invoices)))
            .collect();
        all.push(split(step, &taxes, &payers(view, step.charged.order)));
        before = &step.due;
    }
    all
}

/// Gross amounts by bucket and shipment, for shops that invoice each shipment.
#[derive(Default)]
struct Invoices {
    by: BTreeMap<Bucket, Vec<(String, i64)>>,
}

impl Invoices {
    /// What a step adds goes to its shipment; what it takes off comes off the last shipments first.
    fn add(&mut self, before: &BTreeMap<Bucket, Billed>, step: &Step<'_>) {
        let buckets: BTreeSet<&Bucket> = before.keys().chain(step.due.keys()).collect();
        for bucket in buckets {
            let gross = |due: &BTreeMap<Bucket, Billed>| due.get(bucket).map_or(0, Billed::gross);
            let mut moved = gross(&step.due).saturating_sub(gross(before));
            let invoices = self.by.entry(bucket.clone()).or_default();
            if moved < 0 {
                for (_, amount) in invoices.iter_mut().rev() {
                    let off = moved.saturating_neg().min((*amount).max(0));
                    *amount -= off;
                    moved += off;
                }
            }
            match invoices.iter_mut().find(|(of, _)| *of == step.of) {
                Some((_, amount)) => *amount = amount.saturating_add(moved),
                None if moved != 0 => invoices.push((step.of.clone(), moved)),
                None => {}
            }
        }
    }
}

/// The tax of all that is due in a bucket, that of each sponsor's part apart.
struct Tax {
    buyer: i64,
    sponsors: BTreeMap<String, i64>,
}

fn tax(
    view: &View<'_>,
    step: &Step<'_>,
    bucket: &Bucket,
    billed: &Billed,
    invoices: &Invoices,
) -> Tax {
    let rounding = view.policy.shop.tax_rounding.unwrap_or_default();
    let inside = |gross: i64| tax_inside(gross, bucket.of.rate_bp, rounding);
    let sponsors: BTreeMap<String, i64> = billed
        .sponsors
        .iter()
        .map(|(name, gross)| (name.clone(), inside(*gross)))
        .collect();
    let of_sponsors: i64 = sponsors.values().sum();
    let by_order = view.policy.shop.invoice == Invoice::Order;
    let stated = view.stated(&step.charged, bucket).filter(|_| by_order);
    let buyer = match stated {
        Some(stated) => stated.of(billed.buyer, rounding),
        None if by_order => inside(billed.gross()).saturating_sub(of_sponsors),
        None => {
            let each = invoices.by.get(bucket).into_iter().flatten();
            let sum = each.fold(0_i64, |sum, (_, gross)| sum.saturating_add(inside(*gross)));
            sum.saturating_sub(of_sponsors)
        }
    };
    Tax { buyer, sponsors }
}

/// Who pays an order and how much each, what was given back of it aside.
pub(super) fn payers(view: &View<'_>, order: &OrderSnapshot) -> Vec<(String, i64)> {
    let mut payers: BTreeMap<&str, i64> = BTreeMap::new();
    let told = order
        .tenders
        .iter()
        .filter(|tender| !tender.cancelled)
        .filter_map(|tender| tender.amount)
        .fold(0_i64, i64::saturating_add);
    let mut asked = 0_i64;
    for tender in &order.tenders {
        let route = view.route(tender).map(|route| route.method);
        // Asked for, and nobody has begun to pay it: how is not known yet.
        let untouched = route.is_none() && tender.authorised.max(tender.captured) == 0;
        let word = route.map_or("unknown", PaymentMethod::as_str);
        let amount = if tender.cancelled {
            tender.captured
        } else {
            let rest = order.total.unwrap_or(0).saturating_sub(told);
            tender.amount.unwrap_or(rest)
        };
        let kept = amount.saturating_sub(view.given_back(tender)).max(0);
        if untouched {
            asked = asked.saturating_add(kept);
            continue;
        }
        let sum = payers.entry(word).or_default();
        *sum = sum.saturating_add(kept);
    }
    payers.retain(|_, amount| *amount > 0);
    if payers.is_empty() && asked > 0 {
        payers.insert("unknown", asked);
    }
    if payers.is_empty() {
        // All of it was given back, or nobody is to pay anything.
        let mut words = order
            .tenders
            .iter()
            .filter_map(|tender| view.route(tender))
            .map(|route| route.method.as_str());
        let word = match words.next() {
            Some(word) => word,
            None if order.total == Some(0) => "zero",
            None => "unknown",
        };
        payers.insert(word, 1);
    }
    payers
        .into_iter()
        .map(|(word, amount)| (word.to_owned(), amount))
        .collect()
}

/// Splits what is due over the payers: as running totals over the buckets, so that each payer's sum is exact.
fn split(step: &Step<'_>, taxes: &BTreeMap<&Bucket, Tax>, payers: &[(String, i64)]) -> Totals {
    let weights: Vec<i64> = payers.iter().map(|(_, amount)| *amount).collect();
    let mut totals = Totals::new();
    let mut running = 0_i64;
    let mut before = vec![0_i64; payers.len()];
    for (bucket, billed) in &step.due {
        running = running.saturating_add(billed.buyer);
        let now = apportion(running, &weights);
        let parts: Vec<i64> = now
            .iter()
            .zip(&before)
            .map(|(now, before)| now.saturating_sub(*before))
            .collect();
        before = now;
        let Some(tax) = taxes.get(bucket) else {
            continue;
        };
        let of_parts = apportion(tax.buyer, &parts);
        let mut put = |payer: String, gross: i64, tax: i64| {
            if (gross, tax) != (0, 0) {
                let bucket = bucket.clone();
                totals.insert(Place { bucket, payer }, (gross, tax));
            }
        };
        for (((payer, _), gross), tax) in payers.iter().zip(&parts).zip(&of_parts) {
            put(payer.clone(), *gross, *tax);
        }
        for (name, gross) in &billed.sponsors {
            let tax = tax.sponsors.get(name).copied().unwrap_or(0);
            put(format!("sponsor:{name}"), *gross, tax);
        }
    }
    totals
}

//! Tracking numbers that parcels of two orders have.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate_sdk::{Party, Personal, Tracking};
use sqlx::{Postgres, Transaction};
use unicode_normalization::UnicodeNormalization as _;

use super::{Store, StoreError};
use crate::facts::{Fact, FactBody, UnknownFact};
use crate::plan::parcels_told;
use crate::plan::same_number;
use crate::plan::types::SharedNumber;

/// As many as are looked at: a number that stands in many more orders is none.
const MOST: i64 = 100;

/// Facts with their ids and when they were stored.
type Stored = Vec<(i64, DateTime<Utc>, FactBody)>;

impl Store {
    /// Parcels of other orders under numbers of these orders', by order. Those to the same recipient are not among them: one
    /// parcel may hold both orders.
    pub(super) async fn load_shared(
        tx: &mut Transaction<'_, Postgres>,
        facts: &BTreeMap<i64, Result<Vec<Fact>, UnknownFact>>,
        persons: &BTreeMap<i64, Personal>,
    ) -> Result<BTreeMap<i64, Vec<SharedNumber>>, StoreError> {
        let (subject, number) = numbers(facts);
        if subject.is_empty() {
            return Ok(BTreeMap::new());
        }
        let found = sqlx::query!(
            r#"SELECT DISTINCT t.s AS "subject!", t.n AS "number!", f.subject_id AS other, o.number AS of
               FROM unnest($1::bigint[], $2::text[]) AS t (s, n)
               JOIN facts f ON f.kind IN ('parcel', 'parcel_corrected') AND hk_number(coalesce(f.body ->> 'tracking', f.body ->> 'to')) = hk_number(t.n)
                 AND f.subject_id <> t.s
               JOIN subjects o ON o.id = f.subject_id LIMIT $3"#,
            &subject, &number, MOST
        )
        .fetch_all(&mut **tx)
        .await?;
        if found.is_empty() {
            return Ok(BTreeMap::new());
        }
        let others: BTreeSet<i64> = found.iter().map(|row| row.other).collect();
        let others: Vec<i64> = others.into_iter().collect();
        let theirs = Self::load_personal(tx, &others).await?;
        let told = told_of(tx, &others).await?;
        let mut shared: BTreeMap<i64, Vec<SharedNumber>> = BTreeMap::new();
        for row in found {
            let one_recipient = persons
                .get(&row.subject)
                .zip(theirs.get(&row.other))
                .is_some_and(|(one, other)| same_recipient(one, other));
            if one_recipient {
                continue;
            }
            let told = told.get(&row.other).map_or(&[][..], Vec::as_slice);
            shared
                .entry(row.subject)
                .or_default()
                .extend(of_another(told, &row.number, &row.of));
        }
        Ok(shared)
    }
}

/// The numbers that were told or typed of these orders' parcels.
fn numbers(facts: &BTreeMap<i64, Result<Vec<Fact>, UnknownFact>>) -> (Vec<i64>, Vec<String>) {
    let mut numbers = BTreeSet::new();
    for (id, list) in facts {
        for fact in list.iter().flatten() {
            let number = number_of(&fact.body);
            let some = number.filter(|text| Tracking::read(text) != Ok(Tracking::Missing));
            numbers.extend(some.map(|number| (*id, number.to_owned())));
        }
    }
    numbers.into_iter().unzip()
}

fn number_of(body: &FactBody) -> Option<&str> {
    match body {
        FactBody::Parcel(report) => report.tracking.as_deref(),
        FactBody::ParcelCorrected(corrected) => Some(&corrected.to),
        _ => None,
    }
}

/// What was told of parcels of these orders.
async fn told_of(
    tx: &mut Transaction<'_, Postgres>,
    orders: &[i64],
) -> Result<BTreeMap<i64, Stored>, StoreError> {
    let mut told: BTreeMap<i64, Stored> = BTreeMap::new();
    for row in sqlx::query!(
        "SELECT id, subject_id, recorded_at, kind, version, body FROM facts WHERE subject_id = ANY($1) AND kind IN ('parcel', 'shipped', 'parcel_corrected', 'shipment', 'released') ORDER BY id",
        orders
    )
    .fetch_all(&mut **tx)
    .await?
    {
        if let Ok(body) = FactBody::read(&row.kind, row.version, row.body) {
            told.entry(row.subject_id).or_default().push((row.id, row.recorded_at, body));
        }
    }
    Ok(told)
}

/// Parcels of another order that have the number now.
fn of_another(
    told: &[(i64, DateTime<Utc>, FactBody)],
    number: &str,
    order: &str,
) -> Vec<SharedNumber> {
    let same = |written: &str| same_number(written, number);
    let parcels = parcels_told(told.iter().map(|(id, at, body)| (*id, *at, body)));
    let parcels = parcels.into_iter().filter(|parcel| {
        let mut labels = parcel.tracking.iter().chain(&parcel.also);
        labels.any(|label| same(label)) && parcel.lines().iter().any(|line| line.quantity > 0)
    });
    let shared = parcels.filter_map(|parcel| {
        let mut facts = told.iter();
        let (since, ..) = facts.find(|(_, _, body)| number_of(body).is_some_and(same))?;
        let account = told.iter().find_map(|(_, _, body)| match body {
            FactBody::Shipment(shipment) if shipment.reference == parcel.reference => {
                Some(shipment.account.clone())
            }
            _ => None,
        })?;
        Some(SharedNumber {
            number: number.to_owned(),
            order: order.to_owned(),
            reference: parcel.reference,
            account,
            since: *since,
        })
    });
    shared.collect()
}

/// Something of both goes to one recipient: the same name at the same postal code, or at the same address where there is none.
fn same_recipient(one: &Personal, other: &Personal) -> bool {
    let plain = |text: &str| -> String {
        let letters = text.nfkc().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let place = |party: &Party| match plain(&party.postal_code) {
        code if code.is_empty() => plain(&format!("{} {}", party.city, party.address1)),
        code => code,
    };
    let same = |one: &Party, other: &Party| {
        !plain(&one.name).is_empty()
            && plain(&one.name) == plain(&other.name)
            && place(one) == place(other)
    };
    let mut mine = one.ship_to.values();
    mine.any(|one| other.ship_to.values().any(|other| same(one, other)))
}

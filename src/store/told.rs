//! What files have told of parcels before: the same again is no new input, unless another report has taken its place since.

use std::collections::{BTreeMap, BTreeSet};

use hikiate_sdk::{Contents, ParcelReport, ReportSource};
use sqlx::{Postgres, Transaction};

use super::StoreError;
use super::heads::body_hash;
use super::incoming::{IncomingFact, IncomingPage};
use crate::facts::FactBody;

/// Reports of parcels by their orders, in the order they were stored, those of the page that is being stored too.
#[derive(Debug, Default)]
pub(super) struct ToldBefore {
    reports: BTreeMap<i64, Vec<ParcelReport>>,
    /// Order, file, and the report's hash.
    known: BTreeSet<(i64, String, Vec<u8>)>,
    /// Files of the page, with the reference and the key of each parcel that they tell.
    here: BTreeSet<(String, String, String)>,
}

impl ToldBefore {
    /// What was told of the orders whose parcels a page tells.
    pub(super) async fn of(
        tx: &mut Transaction<'_, Postgres>,
        page: &IncomingPage,
        subjects: &BTreeMap<String, i64>,
    ) -> Result<Self, StoreError> {
        let mut told = Self::default();
        let mut ids = BTreeSet::new();
        for fact in &page.facts {
            let FactBody::Parcel(report) = &fact.body else {
                continue;
            };
            ids.extend(subjects.get(&fact.reference));
            told.here.insert(place(report));
        }
        if ids.is_empty() {
            return Ok(told);
        }
        let ids: Vec<i64> = ids.into_iter().collect();
        for row in sqlx::query!(
            "SELECT subject_id, version, body FROM facts WHERE subject_id = ANY($1) AND kind = 'parcel' ORDER BY id",
            &ids
        )
        .fetch_all(&mut **tx)
        .await?
        {
            if let Ok(body @ FactBody::Parcel(_)) = FactBody::read("parcel", row.version, row.body) {
                told.add(row.subject_id, &body)?;
            }
        }
        Ok(told)
    }

    /// A report is stored.
    pub(super) fn add(&mut self, subject: i64, body: &FactBody) -> Result<(), StoreError> {
        let FactBody::Parcel(report) = body else {
            return Ok(());
        };
        if let Some(told) = &report.told {
            let hash = body_hash(body, &body.to_json()?)?;
            self.known.insert((subject, told.file.clone(), hash));
        }
        let reports = self.reports.entry(subject).or_default();
        reports.push(report.clone());
        Ok(())
    }

    /// The same file told just this before, in the same rows.
    pub(super) fn again(&self, subject: i64, fact: &IncomingFact) -> Result<bool, StoreError> {
        let Some((_, file)) = fact.told_by().filter(|_| !self.known.is_empty()) else {
            return Ok(false);
        };
        let hash = body_hash(&fact.body, &fact.body.to_json()?)?;
        let known = self.known.contains(&(subject, file.to_owned(), hash));
        Ok(known && !self.of_other_rows(subject, fact))
    }

    /// A report that says what the last one of its parcel said is new input all the same: it is of other rows of the same file, or
    /// another one has told the same goods under another name since, and its file does not tell both.
    pub(super) fn is_new_input(&self, subject: i64, fact: &IncomingFact) -> bool {
        self.of_other_rows(subject, fact) || self.takes_back(subject, fact)
    }

    /// Rows of a file that are read each for itself, as bad ones are once they are right.
    fn of_other_rows(&self, subject: i64, fact: &IncomingFact) -> bool {
        let FactBody::Parcel(report) = &fact.body else {
            return false;
        };
        let Some(told) = &report.told else {
            return false;
        };
        let reports = self.reports.get(&subject).into_iter().flatten();
        let of_parcel = reports
            .filter(|other| (&other.reference, &other.key) == (&report.reference, &report.key));
        let mut of_file = of_parcel
            .filter_map(|other| other.told.as_ref())
            .filter(|other| other.file == told.file)
            .peekable();
        let apart = |other: &ReportSource| {
            let known = !told.rows.is_empty() && !other.rows.is_empty();
            known && !told.rows.iter().any(|row| other.rows.contains(row))
        };
        of_file.peek().is_some() && of_file.all(apart)
    }

    fn takes_back(&self, subject: i64, fact: &IncomingFact) -> bool {
        let FactBody::Parcel(report) = &fact.body else {
            return false;
        };
        let reports = self.reports.get(&subject).into_iter().flatten().rev();
        let of_shipment = reports.filter(|other| other.reference == report.reference);
        let mut since = of_shipment.take_while(|other| other.key != report.key);
        since.any(|other| {
            !other.named
                && !report.named
                && same_goods(report, other)
                && !self.beside(report, other)
        })
    }

    /// The report's file, or its page where it is of none, tells the other one too.
    fn beside(&self, report: &ParcelReport, other: &ParcelReport) -> bool {
        let (file, ..) = place(report);
        let of = other.told.as_ref().map(|told| told.file.as_str());
        let (_, reference, key) = place(other);
        of.is_some_and(|of| of == file) || self.here.contains(&(file, reference, key))
    }
}

/// File, reference and key of a report.
fn place(report: &ParcelReport) -> (String, String, String) {
    let file = report.told.as_ref().map(|told| told.file.clone());
    let reference = report.reference.to_string();
    (file.unwrap_or_default(), reference, report.key.clone())
}

/// The same row, or the same goods: a line at the same clock time, or the same quantities of the same lines.
fn same_goods(one: &ParcelReport, other: &ParcelReport) -> bool {
    let clock = |report: &ParcelReport| report.shipped_until.is_none().then_some(report.shipped_at);
    let (mine, its) = (inside(one), inside(other));
    let row = clock(one).is_some_and(|at| clock(other) == Some(at));
    mine == its || (row && mine.keys().any(|n| its.contains_key(n)))
}

/// Quantities by what the report names: a line, a code, or everything.
fn inside(report: &ParcelReport) -> BTreeMap<(Option<u32>, &str), u32> {
    match &report.contents {
        Contents::Lines(lines) => {
            let lines = lines.iter();
            lines.map(|l| ((Some(l.n), ""), l.quantity)).collect()
        }
        Contents::Codes(codes) => {
            let codes = codes.iter();
            codes
                .map(|l| ((None, l.code.as_str()), l.quantity))
                .collect()
        }
        Contents::Whole => BTreeMap::from([((None, ""), 1)]),
    }
}

//! What further reports of a file tell under numbers, while its reports are gone through.

use std::collections::BTreeMap;

use hikiate_sdk::ParcelReport;

use super::super::tracking::Number;
use super::lines::Inside;
use super::said::no_number;

/// What is to come of each file and line, under numbers that no parcel has. It is kept as a sum, as it is asked for with each
/// report.
pub(super) struct ToCome<'a> {
    /// The reports' rows by their places; none for what is not to come: it was gone through, is of a parcel, or never counted.
    rows: Vec<Vec<(&'a str, u32, u32)>>,
    next: usize,
    /// Places by what the reports call their parcels.
    by_key: BTreeMap<&'a str, Vec<usize>>,
    by_number: BTreeMap<String, Vec<usize>>,
    /// Items by file and line.
    items: BTreeMap<(&'a str, u32), u64>,
}

impl<'a> ToCome<'a> {
    /// All reports, in the order in which they are gone through.
    pub(super) fn of(reports: &[(&'a ParcelReport, Inside<'a>)]) -> Self {
        let mut to_come = Self {
            rows: Vec::with_capacity(reports.len()),
            next: 0,
            by_key: BTreeMap::new(),
            by_number: BTreeMap::new(),
            items: BTreeMap::new(),
        };
        for (place, (report, inside)) in reports.iter().enumerate() {
            let number = report.tracking.as_deref().filter(|text| !no_number(text));
            let told = report.told.as_ref().filter(|_| !report.named);
            let (Some(number), Some(told)) = (number, told) else {
                to_come.rows.push(Vec::new());
                continue;
            };
            let number = Number::of(number).key().to_owned();
            to_come.by_number.entry(number).or_default().push(place);
            let key = report.key.as_str();
            to_come.by_key.entry(key).or_default().push(place);
            let believed = inside.rows.iter();
            let rows: Vec<_> = believed
                .map(|(n, items, _)| (told.file.as_str(), *n, *items))
                .collect();
            for (file, n, items) in &rows {
                *to_come.items.entry((file, *n)).or_default() += u64::from(*items);
            }
            to_come.rows.push(rows);
        }
        to_come
    }

    /// The next report is gone through.
    pub(super) fn goes_on(&mut self) {
        self.leave(self.next);
        self.next += 1;
    }

    /// A parcel is called this.
    pub(super) fn is_known(&mut self, key: &str) {
        for place in self.by_key.remove(key).unwrap_or_default() {
            self.leave(place);
        }
    }

    /// A parcel has this number, or had it.
    pub(super) fn is_known_by(&mut self, number: &Number<'_>) {
        for place in self.by_number.remove(number.key()).unwrap_or_default() {
            self.leave(place);
        }
    }

    /// Items of a line that further reports of a file tell.
    pub(super) fn items(&self, file: &str, n: u32) -> u32 {
        let items = self.items.get(&(file, n)).copied().unwrap_or(0);
        u32::try_from(items).unwrap_or(u32::MAX)
    }

    fn leave(&mut self, place: usize) {
        let rows = self.rows.get_mut(place).map(std::mem::take);
        for (file, n, items) in rows.into_iter().flatten() {
            if let Some(sum) = self.items.get_mut(&(file, n)) {
                *sum = sum.saturating_sub(u64::from(items));
            }
        }
    }
}

//! What further reports of a file tell under numbers, while its reports are gone through.

use std::collections::BTreeMap;

use hikiate_sdk::ParcelReport;

use super::super::tracking::Number;
use super::said::no_number;

/// What is to come of each file and line, under numbers that no parcel has. It is kept as a sum, as it is asked for with each
/// report.
pub(super) struct ToCome<'a> {
    /// The reports by their places; `None` for what is not to come: it was gone through, is of a parcel, or never counted.
    reports: Vec<Option<&'a ParcelReport>>,
    next: usize,
    /// Places by what the reports call their parcels.
    by_key: BTreeMap<&'a str, Vec<usize>>,
    by_number: BTreeMap<String, Vec<usize>>,
    /// Items by file and line.
    items: BTreeMap<(&'a str, u32), u64>,
}

impl<'a> ToCome<'a> {
    /// All reports, in the order in which they are gone through.
    pub(super) fn of(reports: &[&'a ParcelReport]) -> Self {
        let mut to_come = Self {
            reports: Vec::with_capacity(reports.len()),
            next: 0,
            by_key: BTreeMap::new(),
            by_number: BTreeMap::new(),
            items: BTreeMap::new(),
        };
        for (place, report) in reports.iter().copied().enumerate() {
            let number = report.tracking.as_deref().filter(|text| !no_number(text));
            let told = report.told.as_ref().filter(|_| !report.named);
            let (Some(number), Some(told)) = (number, told) else {
                to_come.reports.push(None);
                continue;
            };
            to_come.reports.push(Some(report));
            let number = Number::of(number).key().to_owned();
            to_come.by_number.entry(number).or_default().push(place);
            let key = report.key.as_str();
            to_come.by_key.entry(key).or_default().push(place);
            for line in &report.lines {
                let items = to_come.items.entry((&told.file, line.n)).or_default();
                *items += u64::from(line.quantity);
            }
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
        let Some(report) = self.reports.get_mut(place).and_then(Option::take) else {
            return;
        };
        let Some(told) = &report.told else { return };
        for line in &report.lines {
            if let Some(items) = self.items.get_mut(&(told.file.as_str(), line.n)) {
                *items = items.saturating_sub(u64::from(line.quantity));
            }
        }
    }
}

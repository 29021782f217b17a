//! Rows that an earlier export of a day had and a later one of that day has not, where each repeats the ones before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hikiate_sdk::{InFile, Record};

use super::inbound::Reading;
use super::noticed::Noticed;
use super::parcels::Piece;
use super::rows::Content;
use super::survey::{Survey, Surveyor};
use super::when::FileTimes;
use crate::wire::scan::RawRow;

/// An export: a file, when it told what it tells, and its bytes.
pub(crate) struct Export<'a> {
    pub(crate) file: &'a str,
    pub(crate) times: FileTimes,
    pub(crate) bytes: &'a [u8],
}

/// The rows of a line: the number by the name of each parcel, and whether goods of it are inside.
type Rows = BTreeMap<(String, Piece), BTreeMap<String, (String, bool)>>;

/// Tells each row of its day that the later export no longer has. A line that has as many rows as before, under another number or
/// time, was corrected; one whose shipment has a bad row may be that row. Of what had a quantity of 0 nothing is missing.
pub(crate) fn gone(
    reading: &Arc<Reading>,
    earlier: &Export<'_>,
    later: &Export<'_>,
) -> Vec<Record> {
    if reading.day_of(earlier.times.told) != reading.day_of(later.times.told) {
        return Vec::new();
    }
    let (before, _, _) = rows(reading, earlier);
    let (now, unsure, stood) = rows(reading, later);
    let mut records = Vec::new();
    for ((reference, piece), parcels) in before {
        let known = now.get(&(reference.clone(), piece.clone()));
        let is_there = |key: &String| known.is_some_and(|known| known.contains_key(key));
        let with_goods = parcels.iter().filter(|(_, (_, goods))| *goods);
        let missing: Vec<_> = with_goods.filter(|(key, _)| !is_there(key)).collect();
        let is_new = |key: &String, goods: bool| goods && !parcels.contains_key(key);
        let new = known.map_or(0, |known| {
            let rows = known.iter().filter(|(key, (_, goods))| is_new(key, *goods));
            rows.count()
        });
        if missing.len() <= new || unsure.contains(&reference) {
            continue;
        }
        for (key, (number, _)) in missing {
            let gone = Noticed::RowGone {
                file: later.file.to_owned(),
                word: reading.word.to_owned(),
                before: earlier.file.to_owned(),
                reference: reference.clone(),
                line: piece.clone(),
                parcel: key.clone(),
                number: number.clone(),
            };
            records.push(gone.record(stood.clone()));
        }
    }
    records
}

/// The good rows of its own day, the shipments of bad ones, and which file it is.
fn rows(reading: &Arc<Reading>, export: &Export<'_>) -> (Rows, BTreeSet<String>, InFile) {
    let mut surveyor = Surveyor::new(reading.clone(), export.file, export.times);
    surveyor.feed(export.bytes, true);
    let survey: Survey = surveyor.finish();
    let (mut rows, mut unsure) = (Rows::new(), BTreeSet::new());
    let Ok(opened) = &survey.opened else {
        return (rows, unsure, survey.whole_file());
    };
    let day = reading.day_of(export.times.told);
    let places = reading.places(export.file, export.times, opened, &survey.stood);
    let mut each = |row: RawRow<'_>| {
        if row.at.offset < survey.body.offset || !survey.is_data(row.at.offset) {
            return true;
        }
        reading.row(&places, opened, row, |understood, _, _| {
            match understood.content {
                Ok(Content::Parcel(parcel)) if reading.day_of(parcel.left()) == day => {
                    let line = (parcel.reference().to_owned(), parcel.piece());
                    let goods = !parcel.is_of_no_goods();
                    let (key, number) = parcel.named();
                    let parcels = rows.entry(line).or_default();
                    let known = parcels.entry(key).or_insert((number, false));
                    known.1 |= goods;
                }
                Ok(_) => {}
                Err(bad) => unsure.extend(bad.external_id.map(|id| id.to_string())),
            }
        });
        true
    };
    // Looked through before, so every byte is of the encoding.
    drop(reading.scanner().feed(export.bytes, true, &mut each));
    (rows, unsure, survey.whole_file())
}

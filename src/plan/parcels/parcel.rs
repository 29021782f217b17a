//! One parcel: its rows, its numbers, its time.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::{Contents, ParcelLine, ParcelReport, ShipmentReference};

use super::super::tracking::{Number, same_number};
use super::held::Held;
use super::row::Row;
use super::said::{Misread, Said};

/// Clocks differ by less: goods do not leave longer than this before their order was placed, and a time that is no further
/// ahead is now.
pub(crate) const CLOCKS: Duration = Duration::minutes(10);

/// Reports of earlier versions do not tell a day from its first moment: such a time may stand for the whole day.
const A_DAY: Duration = Duration::days(1);

/// How far ahead a day of shipping may be told: a column of planned days names those of a month.
const AHEAD: Duration = Duration::days(31);

/// A number that a parcel was reported under later, without anybody having said that it is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renumbered<'a> {
    /// The report.
    pub(crate) id: i64,
    pub(crate) number: &'a str,
}

/// A parcel by all that was said of it.
#[derive(Clone, Debug)]
pub(crate) struct Parcel<'a> {
    /// The first report's fact; what a parcel sets off, it sets off by that one.
    pub(crate) first_id: i64,
    pub(crate) first_recorded_at: DateTime<Utc>,
    pub(crate) last_id: i64,
    /// Names it within the shipment, whatever later reports call it.
    pub(crate) key: &'a str,
    /// The newest report that says what it is.
    pub(crate) report: &'a ParcelReport,
    /// When it left, by the newest report.
    effective: DateTime<Utc>,
    /// The carrier's number that holds.
    pub(crate) tracking: Option<&'a str>,
    /// Numbers of its further labels.
    pub(crate) also: Vec<&'a str>,
    /// The fact that its number is known by.
    pub(crate) number_id: i64,
    /// A number that it is reported under, and that does not hold yet.
    pub(crate) renumbered: Option<Renumbered<'a>>,
    /// An operator typed its number.
    pub(crate) typed: bool,
    /// Only an operator has told of it.
    pub(crate) hand: bool,
    /// Then: its warehouse tells of it under its own name, and every other name is another parcel.
    pub(super) reported: bool,
    /// It holds everything that is in no other parcel.
    pub(super) whole: bool,
    /// Something was in it, if only for a while.
    held: bool,
    /// It was told anew under another name, without its being too much for two.
    pub(crate) may_be_two: bool,
    /// Rows that name another item than their line.
    pub(crate) misread: Vec<Misread<'a>>,
    /// Its first numbers, one after the other, and those of parcels that turned out to be this one.
    was: Vec<Held<'a>>,
    /// All numbers that it ever had.
    pub(super) numbers: Vec<Number<'a>>,
    /// What its reports call it.
    pub(super) series: Vec<&'a str>,
    pub(super) rows: BTreeMap<u32, Vec<Row<'a>>>,
}

/// A series of reports that is of a parcel with another name: what it once moved by itself did not.
#[derive(Clone, Debug)]
pub(crate) struct Merged<'a> {
    pub(crate) key: &'a str,
    pub(crate) lines: Vec<u32>,
}

impl<'a> Parcel<'a> {
    pub(super) fn new(said: &Said<'a>) -> Self {
        let mut parcel = Self {
            first_id: said.id,
            first_recorded_at: said.recorded_at,
            last_id: said.id,
            key: &said.report.key,
            report: said.report,
            effective: said.effective(),
            tracking: said.numbers.first().map(|number| number.text),
            also: said.numbers.iter().skip(1).map(|n| n.text).collect(),
            number_id: said.id,
            renumbered: None,
            typed: said.hand,
            hand: said.hand,
            reported: said.reported,
            whole: said.whole,
            held: false,
            may_be_two: false,
            misread: said.misread.clone(),
            was: Vec::new(),
            numbers: said.numbers.clone(),
            series: vec![said.report.key.as_str()],
            rows: BTreeMap::new(),
        };
        parcel.take_rows(said);
        if let Some(number) = parcel.tracking {
            parcel.set_number(number, said.id);
        }
        parcel
    }

    /// It has this number from a fact on.
    pub(super) fn set_number(&mut self, number: &'a str, id: i64) {
        self.no_number_since(id);
        self.tracking = Some(number);
        self.number_id = id;
        self.was.push(Held::new(number, id));
    }

    fn no_number_since(&mut self, id: i64) {
        for held in self.was.iter_mut().filter(|held| held.until.is_none()) {
            held.until = Some(id);
        }
    }

    /// The first numbers that it had when a fact was stored, with those of parcels that turned out to be this one.
    pub(crate) fn numbers_at(&self, fact: i64) -> impl Iterator<Item = &'a str> + '_ {
        let then = self.was.iter().filter(move |held| held.at(fact));
        then.map(|held| held.number)
    }

    /// Labels were added, or became others, after a fact under the same first number.
    pub(crate) fn labelled_since(&self, fact: i64) -> bool {
        let first = self.was.iter().rfind(|held| held.until.is_none());
        self.number_id > fact && first.is_some_and(|held| held.since < self.number_id)
    }

    /// The last fact by which it has the numbers that it has, and none of those that it had.
    pub(crate) fn numbered_by(&self) -> i64 {
        let ended = self.was.iter().filter_map(|held| held.until);
        ended.fold(self.number_id, i64::max)
    }

    /// How it is named in intents.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.report.reference, self.key)
    }

    /// How it is named in intents, or was while reports of it stood for parcels of their own.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> + '_ {
        let series = self.series.iter();
        series.map(|key| format!("{}:{key}", self.report.reference))
    }

    /// The shipment.
    pub(crate) fn reference(&self) -> &'a ShipmentReference {
        &self.report.reference
    }

    /// All numbers it was told, typed or is reported under.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.numbers.iter().map(|number| number.text)
    }

    /// The numbers of its labels that hold.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.tracking.into_iter().chain(self.also.iter().copied())
    }

    /// This is the number of one of its labels, however it is written.
    pub(crate) fn has_number(&self, number: &str) -> bool {
        self.has(&Number::of(number))
    }

    /// The same of a number that was read. It had all that it has.
    pub(super) fn has(&self, number: &Number<'_>) -> bool {
        self.had(number) && self.labels().any(|own| Number::of(own) == *number)
    }

    /// It had this number, or has it.
    pub(crate) fn had_number(&self, number: &str) -> bool {
        self.had(&Number::of(number))
    }

    /// The same of a number that was read.
    pub(super) fn had(&self, number: &Number<'_>) -> bool {
        self.numbers.contains(number)
    }

    /// The carrier's name as told.
    pub(crate) fn carrier(&self) -> Option<&'a str> {
        self.report.carrier.as_deref()
    }

    /// Items of a shipment line inside.
    pub(crate) fn items(&self, n: u32) -> u32 {
        let rows = self.rows.get(&n).into_iter().flatten();
        rows.fold(0, |sum, row| sum.saturating_add(row.items))
    }

    /// It says something: goods, if only for a while, or rows that nobody can believe.
    pub(super) fn says(&self) -> bool {
        self.held || !self.misread.is_empty()
    }

    /// Lines that any report of it ever named.
    pub(crate) fn lines_ever(&self) -> impl Iterator<Item = u32> + '_ {
        self.rows.keys().copied()
    }

    /// Its rows of a line, in the order they became known; those that hold nothing any more, too.
    pub(crate) fn rows_of(&self, n: u32) -> &[Row<'a>] {
        self.rows.get(&n).map_or(&[], Vec::as_slice)
    }

    /// Something was told in place of its number.
    pub(crate) fn words_instead(&self) -> bool {
        self.report.tracking.is_some() && self.tracking.is_none()
    }

    /// When it was shipped. A time that cannot be (before the order was placed, or long after it was told) would move
    /// goods and money in another period: then it is when it was told.
    pub(crate) fn shipped_at(&self, placed: DateTime<Utc>) -> DateTime<Utc> {
        if self.doubted(placed) {
            self.first_recorded_at
        } else {
            self.effective
        }
    }

    /// It is told ahead: its time, or its day, has not begun.
    pub(crate) fn ahead(&self, placed: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let tolerance = match self.report.shipped_until {
            Some(_) => Duration::zero(),
            None => CLOCKS,
        };
        self.shipped_at(placed).signed_duration_since(now) > tolerance
    }

    /// The time that was told cannot be.
    pub(crate) fn doubted(&self, placed: DateTime<Utc>) -> bool {
        let told = self.report.shipped_at;
        let latest = match (self.report.shipped_until, &self.report.told) {
            (Some(until), _) => until,
            (None, Some(_)) => told,
            (None, None) => told.checked_add_signed(A_DAY).unwrap_or(told),
        };
        latest.signed_duration_since(placed) < -CLOCKS
            || told.signed_duration_since(self.first_recorded_at) > AHEAD
    }

    /// As one report.
    pub(super) fn told(&self) -> ParcelReport {
        let lines = self.rows.keys().copied();
        ParcelReport {
            tracking: self.tracking.map(str::to_owned),
            also: self.also.iter().map(|&number| number.to_owned()).collect(),
            contents: Contents::Lines(lines.map(|n| ParcelLine::new(n, self.items(n))).collect()),
            adds: false,
            ..self.report.clone()
        }
    }

    /// A report is of this parcel, and whatever has its name.
    pub(super) fn join(&mut self, said: &Said<'a>) {
        self.confirm(said);
        self.join_rows(said);
    }

    /// These rows of a report are of this parcel.
    pub(super) fn join_rows(&mut self, said: &Said<'a>) {
        self.heard(said);
        // What an operator typed is known better by who packed it.
        let guessed = self.hand && !said.hand;
        if guessed {
            self.hand = false;
            self.empty();
        }
        self.typed |= said.hand;
        let day = (self.report.shipped_at, self.report.shipped_until);
        let again = day == (said.report.shipped_at, said.report.shipped_until);
        self.effective = if again {
            self.effective.min(said.effective())
        } else {
            said.effective()
        };
        self.report = said.report;
        self.whole = said.whole;
        self.take_rows(said);
        self.take_numbers(said);
    }

    /// A report says nothing new of this parcel, but for its being one of it.
    pub(super) fn confirm(&mut self, said: &Said<'a>) {
        let key = said.report.key.as_str();
        if !self.series.contains(&key) {
            self.series.push(key);
        }
        self.heard(said);
    }

    fn heard(&mut self, said: &Said<'a>) {
        self.last_id = self.last_id.max(said.id);
        // A file that was read late is of an earlier time, and sets nothing off again.
        if said.id < self.first_id {
            self.first_id = said.id;
            self.first_recorded_at = said.recorded_at;
            self.key = &said.report.key;
        }
        let answered = |row: &Misread<'_>| {
            said.hand
                || row.n.is_some_and(|n| said.rows.contains_key(&n))
                || (row.n.is_none() && !said.rows.is_empty())
                || said.names_code(row.code)
                || said
                    .misread
                    .iter()
                    .any(|again| (again.n, again.code) == (row.n, row.code))
        };
        self.misread.retain(|row| !answered(row));
        self.misread.extend(&said.misread);
    }

    /// What an operator typed of rows that could not be believed is in it, beside what was believed.
    pub(super) fn complete(&mut self, said: &Said<'a>) {
        self.confirm(said);
        let mut rest = said.clone();
        rest.rows.retain(|n, _| self.items(*n) == 0);
        self.take_rows(&rest);
    }

    /// An operator said that another one is this one; of lines that both have, the other's stand, or both where they add up.
    pub(super) fn unite(&mut self, mut other: Self, id: i64) {
        if self.hand && !other.hand {
            self.empty();
        }
        self.hand &= other.hand;
        self.whole &= other.whole;
        if other.last_id > self.last_id || !other.hand {
            self.report = other.report;
            self.effective = other.effective;
        }
        self.last_id = self.last_id.max(other.last_id);
        other.no_number_since(id);
        self.held |= other.held;
        for (n, rows) in other.rows {
            let own = self.rows.entry(n).or_default();
            // What adds up was told of both of them.
            if !own.iter().chain(&rows).all(|row| row.adds) {
                own.clear();
            }
            own.extend(rows);
        }
        self.was.extend(other.was);
        self.numbers.extend(other.numbers);
        for key in other.series {
            if !self.series.contains(&key) {
                self.series.push(key);
            }
        }
        self.misread.extend(other.misread);
    }

    fn take_rows(&mut self, said: &Said<'a>) {
        for (n, items) in &said.rows {
            self.held |= *items > 0;
            let rows = self.rows.entry(*n).or_default();
            if said.report.adds {
                let told =
                    |row: &&mut Row<'_>| row.adds && row.is_of(said) && !row.stands_apart(said);
                match rows.iter_mut().find(told) {
                    Some(row) => row.told_again(said, *items),
                    None => rows.push(Row::of(said, *items)),
                }
                continue;
            }
            // Other rows of its file stay; those that it tells again, or all, are what it says.
            let some_apart = rows.iter().any(|row| row.stands_apart(said));
            let mut again = rows
                .iter_mut()
                .filter(|row| !some_apart || (row.is_of(said) && !row.stands_apart(said)));
            match again.next() {
                Some(first) => {
                    first.told_again(said, *items);
                    for row in again {
                        row.items = 0;
                    }
                }
                None => rows.push(Row::of(said, *items)),
            }
        }
    }

    fn take_numbers(&mut self, said: &Said<'a>) {
        let Some((first, further)) = said.numbers.split_first() else {
            return;
        };
        let known = self.had(first);
        for number in &said.numbers {
            if !self.had(number) {
                self.numbers.push(number.clone());
            }
        }
        let first = first.text;
        let pending = self.renumbered;
        if pending.is_some_and(|pending| same_number(pending.number, first)) {
            return;
        }
        match self.tracking {
            Some(own) if same_number(own, first) => {
                if !self.typed {
                    self.tracking = Some(first);
                }
                // All of it is reported under its own number again, which is the newer word.
                if contents(self).keys().all(|n| said.rows.contains_key(n)) {
                    self.renumbered = None;
                }
                self.label(further, said.id);
            }
            // One of its labels, or one that was corrected since.
            Some(_) if self.has_number(first) || (self.typed && known) => {}
            Some(_) if self.typed => {
                self.renumbered = Some(Renumbered {
                    id: said.id,
                    number: first,
                });
            }
            _ => {
                self.set_number(first, said.id);
                self.also = further.iter().map(|number| number.text).collect();
            }
        }
    }

    fn label(&mut self, further: &[Number<'a>], id: i64) {
        for number in further.iter().map(|number| number.text) {
            if !self.has_number(number) {
                self.also.push(number);
                self.number_id = id;
            }
        }
    }

    /// Items of a line in this parcel that the report is of, written later; `exceeds` says that both together would be more
    /// than was instructed.
    pub(super) fn said_by(&self, n: u32, said: &Said<'_>, exceeds: bool) -> u32 {
        let Some(items) = said.rows.get(&n).copied() else {
            return 0;
        };
        let bare = self.tracking.is_none();
        let rows = self.rows_of(n).iter();
        let mut said_by = rows.map(|row| row.said_by(said, items, bare, exceeds));
        said_by.find(|items| *items > 0).unwrap_or(0)
    }

    /// The time of one of its rows is written as the report has it.
    pub(super) fn written_alike(&self, said: &Said<'a>) -> bool {
        let mut rows = self.rows.values().flatten();
        rows.any(|row| row.items > 0 && row.written(said))
    }

    /// Everything in it is in another parcel, which stands for both.
    pub(super) fn stands_for(&mut self, mut other: Self, id: i64) {
        other.no_number_since(id);
        for key in other.series {
            if !self.series.contains(&key) {
                self.series.push(key);
            }
        }
        if other.first_id < self.first_id {
            self.first_id = other.first_id;
            self.first_recorded_at = other.first_recorded_at;
        }
        self.last_id = self.last_id.max(other.last_id);
        self.was.extend(other.was);
        self.numbers.extend(other.numbers);
    }

    fn empty(&mut self) {
        for row in self.rows.values_mut().flatten() {
            row.items = 0;
        }
    }

    /// A report is a further label of it: what holds everything is told once for each.
    pub(super) fn labelled(&mut self, said: &Said<'a>) {
        self.confirm(said);
        for number in &said.numbers {
            if !self.had(number) {
                self.numbers.push(number.clone());
            }
        }
        match (self.tracking, said.numbers.split_first()) {
            (None, Some((first, further))) => {
                self.set_number(first.text, said.id);
                self.label(further, said.id);
            }
            _ => self.label(&said.numbers, said.id),
        }
    }

    /// So many items of a line are in it.
    pub(super) fn set_items(&mut self, n: u32, items: u32) {
        let now = self.items(n);
        self.give_up(n, now.saturating_sub(items));
        let row = self.rows.get_mut(&n).and_then(|rows| rows.last_mut());
        if let Some(row) = row {
            row.items += items.saturating_sub(now);
            self.held |= items > 0;
        }
    }

    /// Rows of a line that several count as are those of each of them, which are filled in order by what is open of them.
    pub(super) fn spread(&mut self, first: u32, open: &mut [(u32, u32)]) {
        let Some(rows) = self.rows.remove(&first) else {
            return;
        };
        for row in rows {
            let mut rest = row.items;
            let last = open.len().saturating_sub(1);
            for (at, (n, open)) in open.iter_mut().enumerate() {
                let items = if at == last { rest } else { rest.min(*open) };
                *open = open.saturating_sub(items);
                rest -= items;
                let mut part = row.clone();
                part.items = items;
                self.rows.entry(*n).or_default().push(part);
            }
        }
    }

    /// So many items of a line are in another parcel.
    pub(super) fn give_up(&mut self, n: u32, mut items: u32) {
        for row in self.rows.get_mut(&n).into_iter().flatten() {
            let given = row.items.min(items);
            row.items -= given;
            items -= given;
        }
    }
}

/// Items by line.
pub(crate) fn contents(parcel: &Parcel<'_>) -> BTreeMap<u32, u32> {
    let lines = parcel.lines_ever().map(|n| (n, parcel.items(n)));
    lines.filter(|(_, items)| *items > 0).collect()
}

//! Which parcel a report is of.

use std::collections::{BTreeMap, BTreeSet};

use hikiate_sdk::ParcelReport;

use super::super::renumbered::BY_POLICY;
use super::super::tracking::{Number, same_number};
use super::heard::Decided;
use super::lines::{Inside, Lines};
use super::parcel::{Merged, Parcel, Renumbered, contents};
use super::said::Said;
use super::to_come::ToCome;
use crate::facts::ParcelCorrectedFact;

/// The parcels of one shipment while its reports are gone through, in stored order.
pub(super) struct Table<'a, 's> {
    lines: &'s Lines<'s>,
    parcels: Vec<Parcel<'a>>,
    /// Files, keys and lines of all reports: what one file tells under two names is two rows, whichever came first.
    files: BTreeSet<(&'a str, &'a str, u32)>,
    /// Numbers of reports that were not gone through.
    to_come: ToCome<'a>,
    /// Lines that reports named, by their keys; a line as often as it has rows that add up.
    series: BTreeMap<&'a str, Vec<u32>>,
    /// What reports without a number told of a line, by their keys, of which boxes with numbers turned out to be.
    boxed: BTreeMap<(&'a str, u32), u32>,
    /// Files and lines of those boxes: all of one file's are such boxes, once all together were too much.
    boxing: BTreeSet<(&'a str, u32)>,
}

impl<'a, 's> Table<'a, 's> {
    /// The reports in the order in which they are gone through.
    pub(super) fn new(lines: &'s Lines<'s>, reports: &[(&'a ParcelReport, Inside<'a>)]) -> Self {
        let rows = |(report, inside): &(&'a ParcelReport, Inside<'a>)| {
            let file = report.told.as_ref().map(|told| told.file.as_str());
            let row = |n: &u32| Some((file?, report.key.as_str(), *n));
            inside.named.iter().filter_map(row).collect::<Vec<_>>()
        };
        Self {
            lines,
            files: reports.iter().flat_map(rows).collect(),
            to_come: ToCome::of(reports),
            parcels: Vec::new(),
            series: BTreeMap::new(),
            boxed: BTreeMap::new(),
            boxing: BTreeSet::new(),
        }
    }

    /// Takes the next report.
    pub(super) fn report(&mut self, mut said: Said<'a>) {
        self.to_come.goes_on();
        let lines = self.series.entry(said.report.key.as_str()).or_default();
        for n in &said.named {
            if said.report.adds || !lines.contains(n) {
                lines.push(*n);
            }
        }
        if said.whole {
            self.fill(&mut said);
        }
        if self.boxed_again(&mut said) {
            return;
        }
        if let Some(at) = self.own(&said) {
            let at = self.unite_labels(at, &said);
            self.join(at, &said);
            return;
        }
        let blank = said.numbers.is_empty() && !said.report.named && !said.hand;
        if blank && self.confirmed_by_rows(&mut said) {
            return;
        }
        match self.of_others(&said) {
            Some((at, How::Row)) => {
                let too_much = said.rows.keys().any(|n| self.exceeds(*n, &said));
                self.join(at, &said);
                if let Some(parcel) = self.parcels.get_mut(at) {
                    parcel.may_be_two |= !too_much && !said.numbers.is_empty();
                }
            }
            Some((at, How::Confirms)) => {
                if let Some(parcel) = self.parcels.get_mut(at) {
                    parcel.confirm(&said);
                    parcel.hand = false;
                    renumber(parcel, &said);
                }
                self.know(at);
            }
            None => match self.of_the_whole(&said) {
                Some(at) if blank => {
                    self.join(at, &said);
                }
                Some(at) => {
                    if let Some(parcel) = self.parcels.get_mut(at) {
                        parcel.labelled(&said);
                    }
                    self.know(at);
                }
                None => {
                    // What holds everything is there already: this is beyond it.
                    said.whole &= !self.parcels.iter().any(|p| p.whole);
                    let at = self.parcels.len();
                    self.parcels.push(Parcel::new(&said));
                    self.know(at);
                    self.take_from_others(at, &said, &[]);
                }
            },
        }
    }

    /// What is everything, by now: what is in no other parcel. Where nothing is left, it is all that was instructed, and beyond it.
    fn fill(&self, said: &mut Said<'a>) {
        let own = self.own(said);
        let counts = |(at, p): &(usize, &Parcel<'_>)| {
            Some(*at) != own && !p.whole && (!p.hand || p.reported)
        };
        let others: Vec<_> = self.parcels.iter().enumerate().filter(counts).collect();
        let rest = self.lines.wanted().iter().map(|(n, wanted)| {
            let taken = others.iter().map(|(_, p)| p.items(*n));
            let taken = taken.fold(0, u32::saturating_add);
            (*n, wanted.saturating_sub(taken))
        });
        said.rows = rest.collect();
        if said.rows.values().all(|items| *items == 0) {
            said.rows.clone_from(self.lines.wanted());
            said.whole = false;
        }
    }

    /// The parcel that holds everything together with this one: of the same file, without a number, or by an operator's word.
    fn of_the_whole(&self, said: &Said<'a>) -> Option<usize> {
        let together = |p: &Parcel<'_>| {
            let mut rows = p.lines_ever().flat_map(|n| p.rows_of(n));
            p.whole && (said.two || said.numbers.is_empty() || rows.any(|row| row.beside(said)))
        };
        self.parcels
            .iter()
            .position(together)
            .filter(|_| said.whole)
    }

    /// The parcel that it names: by its series, or by a number.
    fn own(&self, said: &Said<'a>) -> Option<usize> {
        let key = said.report.key.as_str();
        let series = |p: &Parcel<'_>| p.series.contains(&key);
        let numbered = |p: &Parcel<'_>| {
            !(p.report.named && said.report.named) && said.numbers.iter().any(|n| p.had(n))
        };
        let by_series = self.parcels.iter().position(series);
        by_series.or_else(|| self.parcels.iter().position(numbered))
    }

    /// Labels of one parcel that were known as parcels of their own are that parcel.
    fn unite_labels(&mut self, mut at: usize, said: &Said<'a>) -> usize {
        if said.report.named {
            return at;
        }
        loop {
            let labelled =
                |p: &Parcel<'_>| !p.report.named && said.numbers.iter().any(|number| p.has(number));
            let mut others = self.parcels.iter().enumerate();
            let Some((other, _)) = others.find(|(other, p)| *other != at && labelled(p)) else {
                return at;
            };
            at = self.unite(at, other, said.id);
        }
    }

    /// It is of this parcel.
    fn join(&mut self, at: usize, said: &Said<'a>) {
        let Some(parcel) = self.parcels.get_mut(at) else {
            return;
        };
        let empty = contents(parcel).is_empty();
        if said.hand && !empty {
            if parcel.misread.is_empty() {
                parcel.confirm(said);
            } else {
                parcel.complete(said);
            }
            self.know(at);
            return;
        }
        let had: Vec<u32> = contents(parcel).into_keys().collect();
        parcel.join(said);
        self.know(at);
        self.take_from_others(at, said, &had);
    }

    /// Rows of a report without a number that say again what parcels with a number hold are of them. True when that is
    /// all of it.
    fn confirmed_by_rows(&mut self, said: &mut Said<'a>) -> bool {
        let lines: Vec<u32> = said.rows.keys().copied().collect();
        let mut found = false;
        for n in lines {
            let exceeds = self.exceeds(n, said);
            let same = |p: &Parcel<'_>| {
                p.tracking.is_some() && !p.report.named && self.said_by(p, n, said, exceeds) > 0
            };
            let Some(at) = self.parcels.iter().position(same) else {
                continue;
            };
            let mut row = said.clone();
            row.rows.retain(|line, _| *line == n);
            row.misread.clear();
            said.rows.remove(&n);
            if let Some(parcel) = self.parcels.get_mut(at) {
                parcel.join_rows(&row);
                found = true;
            }
        }
        found && said.rows.is_empty() && said.misread.is_empty()
    }

    /// A parcel with another name that this is a report of.
    fn of_others(&self, said: &Said<'a>) -> Option<(usize, How)> {
        if said.hand || said.rows.is_empty() {
            return None;
        }
        let inside = said.rows.iter().map(|(n, items)| (*n, *items));
        let inside: BTreeMap<u32, u32> = inside.filter(|(_, items)| *items > 0).collect();
        let alike = |p: &Parcel<'_>| contents(p) == inside;
        let by_hand = |p: &Parcel<'_>| p.hand && !p.reported && alike(p);
        if let Some(at) = self.parcels.iter().position(by_hand) {
            return Some((at, How::Confirms));
        }
        if said.report.named {
            return None;
        }
        let lines = said.rows.keys();
        let exceeds: BTreeMap<u32, bool> = lines
            .map(|n| (*n, self.exceeds_with_file(*n, said)))
            .collect();
        let whole = |p: &Parcel<'_>| {
            let held = p.lines_ever().map(|n| (n, p.items(n)));
            let mut held = held.filter(|(_, items)| *items > 0).peekable();
            let some = held.peek().is_some() && !p.report.named;
            some && held.all(|(n, items)| {
                let exceeds = exceeds.get(&n).copied().unwrap_or(false);
                self.said_by(p, n, said, exceeds) == items
            })
        };
        // Those that were shipped at the same time first.
        let at_once = |p: &Parcel<'_>| p.written_alike(said) && whole(p);
        let row = self.parcels.iter().position(at_once);
        if let Some(at) = row.or_else(|| self.parcels.iter().position(whole)) {
            return Some((at, How::Row));
        }
        let too_many = said.rows.keys().any(|n| self.exceeds(*n, said));
        let corrected = |p: &Parcel<'_>| {
            let mut rows = p.lines_ever().flat_map(|n| p.rows_of(n));
            let mut lines = said.rows.keys();
            let earlier =
                !rows.any(|row| row.beside(said)) && !lines.any(|n| self.told_beside(p, said, *n));
            p.tracking.is_some() && !p.report.named && earlier && alike(p)
        };
        if said.numbers.is_empty() || said.two || !too_many || said.report.adds {
            return None;
        }
        let at = self.parcels.iter().position(corrected)?;
        Some((at, How::Confirms))
    }

    /// Rows that other parcels held and this report has under its number, at a later time of telling, are its own. `had`
    /// are lines that its parcel held already.
    fn take_from_others(&mut self, mut at: usize, said: &Said<'a>, had: &[u32]) {
        if said.hand || said.report.named || said.numbers.is_empty() {
            return;
        }
        for (n, items) in said.rows.iter().filter(|(n, _)| !had.contains(n)) {
            let mut open = *items;
            while open > 0 {
                // The parcel's own row is among what there is by now.
                let exceeds =
                    self.is_boxing(*n, said) || self.is_too_much(*n, self.to_come(*n, said));
                let mut others = self.parcels.iter().enumerate();
                let held = others.find_map(|(other, p)| {
                    let its = other != at && !p.report.named;
                    let taken = if its {
                        self.said_by(p, *n, said, exceeds)
                    } else {
                        0
                    };
                    (taken > 0).then_some((other, taken))
                });
                let Some((other, taken)) = held else {
                    break;
                };
                if let Some(told) = said.report.told.as_ref().filter(|_| exceeds) {
                    self.boxing.insert((&told.file, *n));
                }
                at = self.move_row(other, at, (*n, taken), said.id);
                open = open.saturating_sub(taken);
            }
        }
    }

    /// Items of a line that a parcel held are in another one; where that one then is.
    fn move_row(&mut self, from: usize, to: usize, (n, items): (u32, u32), id: i64) -> usize {
        let Some(parcel) = self.parcels.get_mut(from) else {
            return to;
        };
        if parcel.tracking.is_none() {
            let before = parcel.items(n);
            for key in &parcel.series {
                let told = self.boxed.entry((key, n)).or_default();
                *told = before.max(*told);
            }
        }
        parcel.give_up(n, items);
        if !contents(parcel).is_empty() {
            return to;
        }
        let gone = self.parcels.remove(from);
        let to = if from < to { to - 1 } else { to };
        if let Some(parcel) = self.parcels.get_mut(to) {
            parcel.stands_for(gone, id);
        }
        to
    }

    /// Rows of a report without a number that turned out to be boxes with numbers say nothing again. True when that is all
    /// of it.
    fn boxed_again(&mut self, said: &mut Said<'a>) -> bool {
        if !said.numbers.is_empty() || said.hand || said.report.adds || said.report.named {
            return false;
        }
        let key = said.report.key.as_str();
        let before = said.rows.len();
        let boxed = &self.boxed;
        said.rows
            .retain(|n, items| boxed.get(&(key, *n)).is_none_or(|told| *items > *told));
        if said.rows.len() == before || !said.rows.is_empty() || !said.misread.is_empty() {
            return false;
        }
        let mut parcels = self.parcels.iter_mut();
        if let Some(parcel) = parcels.find(|p| p.series.contains(&key)) {
            parcel.confirm(said);
        }
        true
    }

    /// Items of a line in a parcel that a report is of: later, and not beside it. What adds up is of nothing else.
    fn said_by(&self, parcel: &Parcel<'_>, n: u32, said: &Said<'_>, exceeds: bool) -> u32 {
        let items = parcel.said_by(n, said, exceeds);
        if items == 0 || said.report.adds {
            return 0;
        }
        if self.told_beside(parcel, said, n) {
            0
        } else {
            items
        }
    }

    /// The file of a report tells the line under another name that is a parcel's, too.
    fn told_beside(&self, parcel: &Parcel<'_>, said: &Said<'_>, n: u32) -> bool {
        let told = said.report.told.as_ref();
        told.is_some_and(|told| {
            let mut series = parcel.series.iter();
            series.any(|key| {
                *key != said.report.key && self.files.contains(&(told.file.as_str(), key, n))
            })
        })
    }

    /// Items of a line that further reports of the same file tell under numbers that no parcel has.
    fn to_come(&self, n: u32, said: &Said<'_>) -> u32 {
        match said.report.told.as_ref() {
            Some(told) if !said.numbers.is_empty() => self.to_come.items(&told.file, n),
            _ => 0,
        }
    }

    /// With so many further items, more of a line shipped than was instructed.
    fn is_too_much(&self, n: u32, more: u32) -> bool {
        let sum = self.parcels.iter().map(|p| p.items(n));
        let sum = sum.fold(more, u32::saturating_add);
        self.lines.items(n).is_some_and(|wanted| sum > wanted)
    }

    /// The same together with all that its file tells under numbers: boxes of what had none come together.
    fn exceeds_with_file(&self, n: u32, said: &Said<'_>) -> bool {
        let more = said.rows.get(&n).copied().unwrap_or(0);
        let all = more.saturating_add(self.to_come(n, said));
        more > 0 && (self.is_boxing(n, said) || self.is_too_much(n, all))
    }

    /// Boxes of its file turned out to be what had been told of the line without a number.
    fn is_boxing(&self, n: u32, said: &Said<'_>) -> bool {
        let told = said.report.told.as_ref();
        told.is_some_and(|told| self.boxing.contains(&(told.file.as_str(), n)))
    }

    /// Together with this report, more of a line shipped than was instructed.
    fn exceeds(&self, n: u32, said: &Said<'_>) -> bool {
        let more = said.rows.get(&n).copied().unwrap_or(0);
        more > 0 && self.is_too_much(n, more)
    }

    /// An operator gave a parcel another number.
    pub(super) fn corrected(&mut self, id: i64, fact: &'a ParcelCorrectedFact) {
        let (from, to) = (fact.from.as_str(), fact.to.as_str());
        let named = |p: &Parcel<'_>| {
            p.has_number(from) || (p.tracking.is_none() && p.series.contains(&from))
        };
        let Some(at) = self.parcels.iter().position(named) else {
            return;
        };
        let mut others = self.parcels.iter().enumerate();
        let other = others.find(|(other, p)| *other != at && p.has_number(to));
        let other = other.map(|(other, _)| other);
        if let Some(parcel) = self.parcels.get_mut(at) {
            let label = parcel.also.iter_mut().find(|own| same_number(own, from));
            match label {
                Some(label) if !parcel.tracking.is_some_and(|own| same_number(own, from)) => {
                    *label = to;
                }
                _ => parcel.set_number(to, id),
            }
            parcel.typed |= fact.reason != BY_POLICY;
            parcel.number_id = id;
            parcel.numbers.push(Number::of(to));
            let answered = |pending: Renumbered<'_>| {
                same_number(pending.number, to) || same_number(pending.number, from)
            };
            parcel.renumbered = parcel.renumbered.filter(|pending| !answered(*pending));
        }
        self.know(at);
        if let Some(other) = other {
            self.unite(at, other, id);
        }
    }

    /// Names and numbers that a parcel has are nothing to come any more.
    fn know(&mut self, at: usize) {
        let Some(parcel) = self.parcels.get(at) else {
            return;
        };
        for key in &parcel.series {
            self.to_come.is_known(key);
        }
        for number in &parcel.numbers {
            self.to_come.is_known_by(number);
        }
    }

    /// Two parcels are one, whose contents the second one tells.
    fn unite(&mut self, at: usize, other: usize, id: i64) -> usize {
        let told = self.parcels.remove(other);
        let at = if other < at { at - 1 } else { at };
        if let Some(parcel) = self.parcels.get_mut(at) {
            parcel.unite(told, id);
        }
        at
    }

    /// What holds everything holds what no other parcel does, whichever was known first.
    fn fill_whole(&mut self) {
        let Some(at) = self.parcels.iter().position(|p| p.whole) else {
            return;
        };
        for (n, wanted) in self.lines.wanted() {
            let others = self.parcels.iter().enumerate();
            let taken = others.filter(|(other, _)| *other != at);
            let taken = taken.fold(0_u32, |sum, (_, p)| sum.saturating_add(p.items(*n)));
            if let Some(parcel) = self.parcels.get_mut(at) {
                parcel.set_items(*n, wanted.saturating_sub(taken));
            }
        }
    }

    /// What there is.
    pub(super) fn decided(mut self) -> Decided<'a> {
        let mut decided = Decided::default();
        self.fill_whole();
        // A quantity of 0 that corrects nothing is no parcel.
        self.parcels.retain(Parcel::says);
        for (key, lines) in self.series {
            if !self.parcels.iter().any(|parcel| parcel.key == key) {
                let lines = self.lines.all_of(lines);
                decided.merged.push(Merged { key, lines });
            }
        }
        let mut parcels = self.parcels;
        parcels.sort_by_key(|parcel| parcel.first_id);
        self.lines.spread(&mut parcels);
        (decided.parcels, decided.misread) = parcels
            .into_iter()
            .partition(|parcel| parcel.misread.is_empty() || parcel.lines_ever().next().is_some());
        decided
    }
}

/// How a report is of a parcel with another name.
#[derive(Clone, Copy, Debug)]
enum How {
    /// It says the parcel's row again, and is the newer.
    Row,
    /// It moves nothing.
    Confirms,
}

/// The parcel is reported under another number than it has.
fn renumber<'a>(parcel: &mut Parcel<'a>, said: &Said<'a>) {
    let Some(first) = said.numbers.first() else {
        return;
    };
    for number in &said.numbers {
        if !parcel.had(number) {
            parcel.numbers.push(number.clone());
        }
    }
    let is_first = |own: &str| Number::of(own) == *first;
    if parcel.tracking.is_some_and(|own| !is_first(own)) {
        parcel.renumbered = Some(Renumbered {
            id: said.id,
            number: first.text,
        });
    }
}

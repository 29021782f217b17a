//! The second pass over a file: rows become records, groups of rows one record each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hikiate_sdk::{BadRecord, Record, ReportSource};

use super::inbound::{Opened, Reading};
use super::parcels::{self, Parcel};
use super::row::RowView;
use super::rows::{Content, Telling, Understood};
use super::stock::{self, Level};
use super::survey::{Survey, contradicts};
use crate::layout::Quantities;
use crate::wire::scan::RawRow;

/// How much of a file is assembled at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// Which rows of a file are taken.
pub(crate) enum Rows {
    /// All of them.
    All,
    /// Those whose group stands together.
    Together,
    /// Those of these groups, whose rows stand apart.
    Of(HashSet<u64>),
}

/// Rows on their way to records.
pub(crate) struct Assembler {
    reading: Arc<Reading>,
    survey: Arc<Survey>,
    told: ReportSource,
    rows: Rows,
    most: Most,
    records: Vec<Record>,
    groups: Vec<Group>,
    index: HashMap<u64, usize>,
    previous: Option<u64>,
    bytes: usize,
}

struct Group {
    /// Where its record stands among the others.
    place: usize,
    raw: Vec<u8>,
    /// In which rows of the file its rows begin.
    rows: Vec<u64>,
    what: Result<Rising, BadRecord>,
    /// A row of it is bad by itself, not because of another one.
    by_itself: bool,
}

/// A record while its rows are read.
enum Rising {
    Parcel(Box<Parcel>),
    Level(Box<Level>),
}

impl Group {
    /// A further row joins it. What a row has wrong by itself is told before what it has wrong because of another one.
    fn join(
        &mut self,
        row: Result<Rising, BadRecord>,
        by_itself: bool,
        room: bool,
        view: &RowView<'_>,
    ) {
        let added = match (&mut self.what, row) {
            (Ok(_), Ok(_)) if !room => {
                let why = "belongs to a parcel or item with more rows than fit in a page";
                Err(view.places.bad_row(view.line, why))
            }
            (Ok(Rising::Parcel(parcel)), Ok(Rising::Parcel(row))) => parcel.join(*row, view),
            (Ok(Rising::Level(level)), Ok(Rising::Level(row))) => level.join(*row, view),
            (Ok(_), Err(bad)) => Err(bad),
            (Err(_), Err(bad)) if by_itself && !self.by_itself => Err(bad),
            _ => return,
        };
        if let Err(bad) = added {
            self.what = Err(bad);
            self.by_itself |= by_itself;
        }
    }
}

impl Assembler {
    /// All of a file.
    pub(crate) fn whole(reading: Arc<Reading>, survey: Arc<Survey>) -> Self {
        let most = Most {
            records: usize::MAX,
            bytes: usize::MAX,
        };
        Self::new(reading, survey, Rows::All, most)
    }

    /// Some rows of a file, until there are enough.
    pub(crate) fn new(reading: Arc<Reading>, survey: Arc<Survey>, rows: Rows, most: Most) -> Self {
        let told = ReportSource {
            file: survey.sha256.chars().take(16).collect(),
            at: survey.times.told,
            rows: Vec::new(),
        };
        Self {
            reading,
            survey,
            told,
            rows,
            most,
            records: Vec::new(),
            groups: Vec::new(),
            index: HashMap::new(),
            previous: None,
            bytes: 0,
        }
    }

    /// Takes a row; false when there is enough without it.
    pub(crate) fn take(&mut self, row: RawRow<'_>) -> bool {
        let (reading, survey) = (self.reading.clone(), self.survey.clone());
        let Ok(opened) = &survey.opened else {
            return true;
        };
        if row.at.offset < survey.body.offset || !survey.is_data(row.at.offset) {
            return true;
        }
        if survey.is_collapsed() && !reading.fits(opened, &row.cells) {
            self.previous = None;
            return true;
        }
        let places = reading.places(&survey.file, survey.times, opened, &survey.stood);
        reading.row(&places, opened, row, |understood, view, raw| {
            self.add(opened, understood, view, raw)
        })
    }

    fn add(
        &mut self,
        opened: &Opened,
        row: Understood,
        view: &RowView<'_>,
        raw: &RawRow<'_>,
    ) -> bool {
        let group = self.group(&row);
        let spread = group.is_some_and(|group| self.survey.is_spread(group));
        let wanted = match &self.rows {
            Rows::All => true,
            Rows::Together => !spread,
            Rows::Of(groups) => group.is_some_and(|group| groups.contains(&group)),
        };
        if !wanted {
            return true;
        }
        let goes_on = group.is_some() && group == self.previous;
        let enough = self.records.len() >= self.most.records || self.bytes >= self.most.bytes;
        if enough && !goes_on && matches!(self.rows, Rows::Together) {
            return false;
        }
        self.previous = group;
        let raw = raw.raw;
        let Some(group) = group else {
            let parsed = row.content.and_then(|content| match content {
                Content::Answer(answer) => Ok(*answer),
                _ => Err(view.places.bad_row(view.line, "belongs to nothing")),
            });
            if parsed.is_ok() || !self.survey.is_collapsed() {
                self.push(opened, raw, view.line, parsed);
            }
            return true;
        };
        let by_itself = row.content.is_err();
        let content = row.content.and_then(|content| match content {
            Content::Answer(_) => Err(contradicts(view)),
            Content::Stock(_) if row.exact.is_some_and(|e| self.survey.twice.contains(&e)) => {
                Err(stock::twice(view))
            }
            Content::Stock(_) if self.survey.spoiled.contains(&group) => Err(stock::spoiled(view)),
            Content::Parcel(_) if row.exact.is_some_and(|e| self.survey.twice.contains(&e)) => {
                Err(parcels::twice(view))
            }
            Content::Stock(row) => Ok(Rising::Level(Box::new(Level::new(*row)))),
            Content::Parcel(row) => Ok(Rising::Parcel(Box::new(Parcel::new(*row)))),
        });
        let known = self.index.get(&group).copied();
        match known.and_then(|n| self.groups.get_mut(n)) {
            Some(known) => {
                let room = known.raw.len() < self.most.bytes;
                if room {
                    known.raw.extend_from_slice(raw);
                    known.rows.push(view.line);
                    self.bytes += raw.len();
                }
                known.join(content, by_itself, room, view);
            }
            None => self.begin(opened, group, content, by_itself, view, raw),
        }
        true
    }

    /// What a row is told with: its parcel, its item at its place. All rows of an item with a bad one are told as one,
    /// and so are answers that contradict each other, because one of them alone would be believed.
    fn group(&self, row: &Understood) -> Option<u64> {
        let spoiled = |mark: Option<u64>| mark.filter(|m| self.survey.spoiled.contains(m));
        match &self.reading.telling {
            Telling::Reply(_) | Telling::CancelReply(_) => spoiled(row.group),
            Telling::Shipped(_) => spoiled(row.exact).or(row.group),
            Telling::Stock(_) => spoiled(row.item).or(row.group),
        }
    }

    fn begin(
        &mut self,
        opened: &Opened,
        group: u64,
        what: Result<Rising, BadRecord>,
        by_itself: bool,
        view: &RowView<'_>,
        raw: &[u8],
    ) {
        let place = self.records.len();
        self.index.insert(group, self.groups.len());
        // Its record is written when all of its rows are here.
        let placeholder = view.places.bad_row(view.line, "is not read to its end");
        self.push(opened, raw, view.line, Err(placeholder));
        let taken = self.records.get_mut(place);
        self.groups.push(Group {
            place,
            raw: taken
                .map(|r| std::mem::take(&mut r.raw))
                .unwrap_or_default(),
            rows: vec![view.line],
            by_itself,
            what,
        });
    }

    fn push(
        &mut self,
        opened: &Opened,
        raw: &[u8],
        row: u64,
        parsed: Result<hikiate_sdk::Observed, BadRecord>,
    ) {
        let mut bytes = opened.head.clone();
        bytes.extend_from_slice(raw);
        self.bytes += bytes.len();
        self.records
            .push(Record::new(bytes, parsed).in_file(self.survey.rows_of_file(vec![row])));
    }

    /// Bytes of the records so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The records, each where its first row stood.
    pub(crate) fn finish(self) -> Vec<Record> {
        let Self {
            mut records,
            groups,
            told,
            reading,
            survey,
            ..
        } = self;
        let mut spoiled = HashSet::new();
        for group in groups {
            let Some(record) = records.get_mut(group.place) else {
                continue;
            };
            record.raw = group.raw;
            if let Some(file) = &mut record.file {
                file.rows = group.rows;
            }
            record.parsed = group.what.map(|what| match (what, &reading.telling) {
                (Rising::Parcel(parcel), telling) => {
                    let adds = matches!(telling, Telling::Shipped(Quantities::Delta));
                    let told = ReportSource {
                        rows: record.file.iter().flat_map(|f| f.rows.clone()).collect(),
                        ..told.clone()
                    };
                    parcel.finish(adds, told)
                }
                (Rising::Level(level), Telling::Stock(layout)) => level.finish(layout.count),
                (Rising::Level(level), _) => level.finish(crate::layout::Count::OnHand),
            });
            if record.parsed.is_err() {
                spoiled.insert(group.place);
            }
        }
        if !survey.is_collapsed() || spoiled.is_empty() {
            return records;
        }
        // What is bad is told as one, with the file.
        let all = records.into_iter().enumerate();
        all.filter(|(n, _)| !spoiled.contains(n))
            .map(|(_, record)| record)
            .collect()
    }
}

//! The first pass over a file: its hash, whether it is whole, and what only all of its rows together say.
//!
//! What it keeps of a row is a number of eight bytes, and that only where rows depend on each other.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use hikiate_sdk::{BadRecord, InFile};
use sha2::{Digest as _, Sha256};

use super::inbound::{Opened, Reading};
use super::rows::{Content, Telling, Understood};
use super::when::FileTimes;
use super::{parcels, stock};
use crate::layout::{Field, Whole};
use crate::wire::scan::{At, Coded, RawRow, Scanner};

/// Most places of a list that are kept.
const MOST_PLACES: usize = 1_000;

/// What the first pass found.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The file's name.
    pub(crate) file: String,
    /// The file's own times.
    pub(crate) times: FileTimes,
    /// Of the whole file, in lower-case hex.
    pub(crate) sha256: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Its characters.
    pub(crate) coded: Coded,
    /// Whether the file ends with a line end.
    ends_line: bool,
    /// Where the trailer stands, where there is one.
    trailer: Option<u64>,
    /// Where its columns stand, or why it cannot be read at all.
    pub(crate) opened: Result<Arc<Opened>, String>,
    /// Where its rows begin.
    pub(crate) body: At,
    /// Rows that hold something.
    pub(crate) rows: u64,
    /// Where the last row ends that may tell something.
    pub(crate) last_good: u64,
    /// Rows that cannot be understood.
    pub(crate) bad_rows: u64,
    /// The first of them.
    pub(crate) first_bad: Option<BadRecord>,
    /// Groups whose rows do not stand together.
    pub(crate) apart: HashSet<u64>,
    /// Items with a bad row, and shipments with answers that contradict each other.
    pub(crate) spoiled: HashSet<u64>,
    /// What stands twice.
    pub(crate) twice: HashSet<u64>,
    /// Places of a list of all stock and its items at each; `None` where a row is bad that names none, so that nobody knows what
    /// is missing.
    pub(crate) places: Option<BTreeMap<Option<String>, u32>>,
    /// Of rows that were kept by themselves: where in their file each of them stood.
    pub(crate) stood: BTreeMap<u64, u64>,
}

/// Whether a file is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wholeness {
    Whole,
    /// No byte.
    Empty,
    /// The last line does not end.
    Unended,
    /// The trailer is missing.
    NoTrailer,
}

impl Survey {
    /// Whether the content says that the file is whole. A file that cannot be decoded is whole enough to be told as
    /// such once it has stopped growing.
    pub(crate) fn wholeness(&self, whole: &Whole) -> Wholeness {
        match whole {
            _ if self.size == 0 => Wholeness::Empty,
            Whole::Renamed | Whole::Marker(_) => Wholeness::Whole,
            Whole::Stable if self.ends_line => Wholeness::Whole,
            Whole::Stable => Wholeness::Unended,
            Whole::Trailer(_) if self.trailer.is_some() => Wholeness::Whole,
            Whole::Trailer(_) => Wholeness::NoTrailer,
        }
    }

    /// The file as a whole, for a record that holds it from its beginning.
    pub(crate) fn whole_file(&self) -> InFile {
        self.rows_of_file(Vec::new())
    }

    /// The file, for a record of some of its rows.
    pub(crate) fn rows_of_file(&self, rows: Vec<u64>) -> InFile {
        InFile {
            name: self.file.clone(),
            sha256: self.sha256.clone(),
            told: self.times.told,
            read_at: self.times.read_at,
            rows,
        }
    }

    /// Whether the rows of a group do not stand together, or are told with others that may not.
    pub(crate) fn is_spread(&self, group: u64) -> bool {
        self.apart.contains(&group) || self.spoiled.contains(&group)
    }

    /// Groups that are told after the others, in an order that is the same in every pass.
    pub(crate) fn spread(&self) -> Vec<u64> {
        let mut groups: Vec<u64> = self.apart.iter().copied().collect();
        if !self.is_collapsed() {
            groups.extend(self.spoiled.difference(&self.apart));
        }
        groups.sort_unstable();
        groups
    }

    /// Whether a row at this byte is data.
    pub(crate) fn is_data(&self, offset: u64) -> bool {
        self.trailer.is_none_or(|end| offset < end)
    }
}

/// The first pass under way.
pub(crate) struct Surveyor {
    reading: Arc<Reading>,
    scanner: Scanner,
    hash: Sha256,
    pass: Pass,
}

struct Pass {
    survey: Survey,
    /// A row that looks like the trailer, until another one follows.
    trailer: Option<(u64, u64)>,
    previous: Option<u64>,
    groups: HashSet<u64>,
    exact: HashSet<u64>,
    verdicts: HashMap<u64, (u64, u32)>,
    items: BTreeMap<Option<String>, HashSet<u64>>,
    nameless: bool,
    /// It cannot be read at all; it is hashed to its end.
    closed: bool,
}

impl Surveyor {
    /// A pass over a file.
    pub(crate) fn new(reading: Arc<Reading>, file: &str, times: FileTimes) -> Self {
        let survey = Survey {
            file: file.to_owned(),
            times,
            sha256: String::new(),
            size: 0,
            coded: Coded::Utf8,
            ends_line: false,
            trailer: None,
            opened: Err("the header is missing".to_owned()),
            body: At { offset: 0, line: 1 },
            rows: 0,
            last_good: 0,
            bad_rows: 0,
            first_bad: None,
            apart: HashSet::new(),
            spoiled: HashSet::new(),
            twice: HashSet::new(),
            places: None,
            stood: BTreeMap::new(),
        };
        Self {
            scanner: reading.scanner(),
            hash: Sha256::new(),
            pass: Pass {
                survey,
                trailer: None,
                previous: None,
                groups: HashSet::new(),
                exact: HashSet::new(),
                verdicts: HashMap::new(),
                items: BTreeMap::new(),
                nameless: false,
                closed: false,
            },
            reading,
        }
    }

    /// The rows were kept by themselves, and stood elsewhere in their file.
    pub(crate) fn stood(mut self, rows: BTreeMap<u64, u64>) -> Self {
        self.pass.survey.stood = rows;
        self
    }

    /// Takes the next bytes of the file; `last` says that nothing follows.
    pub(crate) fn feed(&mut self, bytes: &[u8], last: bool) {
        self.hash.update(bytes);
        self.pass.survey.size += bytes.len() as u64;
        let (reading, pass) = (&self.reading, &mut self.pass);
        if pass.closed {
            return;
        }
        let mut started = pass.survey.opened.is_ok();
        let mut each = |row: RawRow<'_>| {
            if started {
                pass.row(reading, row);
            } else {
                started = pass.start(reading, row);
            }
            true
        };
        let fed = self.scanner.feed(bytes, last, &mut each);
        if let Some(coded) = self.scanner.coded() {
            self.pass.survey.coded = coded;
        }
        self.pass.survey.ends_line = self.scanner.ends_line();
        if let Err(why) = fed {
            let why = format!("{why}; the layout's encoding may be wrong");
            self.pass.survey.opened = Err(why);
            self.pass.closed = true;
        }
    }

    /// What was found.
    pub(crate) fn finish(mut self) -> Survey {
        let Pass {
            mut survey,
            trailer,
            items,
            nameless,
            ..
        } = self.pass;
        let digest = self.hash.finalize_reset();
        survey.sha256 = digest.iter().map(|b| format!("{b:02x}")).collect();
        survey.trailer = trailer.map(|(offset, _)| offset);
        if self.reading.lists_all() && !nameless && !survey.is_collapsed() {
            let named = |items: HashSet<u64>| u32::try_from(items.len()).unwrap_or(u32::MAX);
            let places = items
                .into_iter()
                .map(|(place, items)| (place, named(items)));
            survey.places = Some(places.collect());
        }
        survey
    }
}

impl Pass {
    /// The first row: the header, or where there is none the first row of data. False after a header that is none.
    fn start(&mut self, reading: &Reading, row: RawRow<'_>) -> bool {
        if self.closed {
            return false;
        }
        let mark = row.coded.mark().to_vec();
        if !reading.form.header {
            self.survey.opened = Ok(Arc::new(reading.open_without_header(mark)));
            self.survey.body = row.at;
            self.row(reading, row);
            return true;
        }
        let mut head = mark;
        head.extend_from_slice(row.raw);
        self.survey.body = row.next;
        let names = row.cells.cells().map_err(|why| format!("the header {why}"));
        self.survey.opened = names.and_then(|names| reading.open(&names, head).map(Arc::new));
        self.closed = self.survey.opened.is_err();
        !self.closed
    }

    fn row(&mut self, reading: &Reading, row: RawRow<'_>) {
        self.survey.rows += 1;
        if let Whole::Trailer(mark) = &reading.whole {
            // One that another row follows is no trailer, and then it is a row like any other.
            if self.trailer.take().is_some() {
                self.survey.bad_rows += 1;
            }
            if row.cells.first() == mark {
                self.trailer = Some((row.at.offset, row.at.line));
                return;
            }
        }
        let Ok(opened) = self.survey.opened.clone() else {
            return;
        };
        if !reading.fits(&opened, &row.cells) && self.survey.first_bad.is_some() {
            self.survey.bad_rows += 1;
            self.nameless = true;
            self.previous = None;
        } else {
            self.read(reading, &opened, row);
        }
    }

    fn read(&mut self, reading: &Reading, opened: &Opened, row: RawRow<'_>) {
        let file = std::mem::take(&mut self.survey.file);
        let stood = std::mem::take(&mut self.survey.stood);
        let places = reading.places(&file, self.survey.times, opened, &stood);
        reading.row(&places, opened, row, |understood, view, raw| {
            let bad = self.note(&reading.telling, &understood);
            let Understood { content, .. } = understood;
            match content {
                Ok(_) => self.survey.last_good = raw.next.offset,
                Err(first) => {
                    self.survey.first_bad.get_or_insert(first);
                }
            }
            if bad && self.survey.first_bad.is_none() {
                self.survey.first_bad = Some(match reading.telling {
                    Telling::Stock(_) => stock::twice(view),
                    Telling::Shipped(_) => parcels::twice(view),
                    _ => contradicts(view),
                });
            }
        });
        self.survey.file = file;
        self.survey.stood = stood;
    }

    /// Keeps what other rows depend on; true for a row that is bad because of another one.
    fn note(&mut self, telling: &Telling, row: &Understood) -> bool {
        if let (Some(group), true) = (row.group, row.group != self.previous)
            && !matches!(telling, Telling::Reply(_) | Telling::CancelReply(_))
            && !self.groups.insert(group)
        {
            self.survey.apart.insert(group);
        }
        self.previous = row.group;
        match (&row.content, telling) {
            (Err(_), Telling::Stock(_)) => {
                self.survey.bad_rows += 1;
                match row.item {
                    Some(item) => drop(self.survey.spoiled.insert(item)),
                    None => self.nameless = true,
                }
                false
            }
            (Err(_), _) => {
                self.survey.bad_rows += 1;
                false
            }
            (Ok(Content::Stock(level)), Telling::Stock(layout)) => {
                if layout.absent == crate::layout::Absent::Zero {
                    let place = level.location().map(str::to_owned);
                    // What is not kept is not spoken for, and nothing is gone from there.
                    if self.items.len() < MOST_PLACES || self.items.contains_key(&place) {
                        self.items.entry(place).or_default().extend(row.item);
                    }
                }
                self.twice(row)
            }
            (Ok(Content::Answer(_)), _) => self.contradicts(row),
            (Ok(Content::Parcel(_)), _) => self.twice(row),
            (Ok(_), _) => false,
        }
    }

    fn twice(&mut self, row: &Understood) -> bool {
        let Some(exact) = row.exact.filter(|exact| !self.exact.insert(*exact)) else {
            return false;
        };
        // The first one is bad, too.
        self.survey.bad_rows += 1 + u64::from(self.survey.twice.insert(exact));
        // Of a count all of the item; of a parcel these rows alone, as the rest of it has left.
        self.survey.spoiled.insert(row.item.unwrap_or(exact));
        true
    }

    fn contradicts(&mut self, row: &Understood) -> bool {
        let (Some(group), Some(exact)) = (row.group, row.exact) else {
            return false;
        };
        let (first, rows) = self.verdicts.entry(group).or_insert((exact, 0));
        *rows += 1;
        let known = self.survey.spoiled.contains(&group);
        if !known && *first == exact {
            return false;
        }
        // Those before it are bad, too.
        self.survey.bad_rows += if known { 1 } else { u64::from(*rows) };
        self.survey.spoiled.insert(group);
        true
    }
}

/// Why an answer does not count that another row contradicts.
pub(super) fn contradicts(row: &super::row::RowView<'_>) -> BadRecord {
    let part = if row.places.word == "reply" {
        "reply"
    } else {
        "cancel"
    };
    row.bad_value(
        Field::Verdict,
        "contradicts another row of the same shipment in this file",
    )
    .of_part(part)
}

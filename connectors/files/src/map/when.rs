//! Dates of rows: precision by the format, bounds by the file's first reading, local times in the zone.

use chrono::{
    DateTime, Datelike as _, Days, Duration, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _,
    Utc,
};
use chrono_tz::Tz;
use unicode_normalization::UnicodeNormalization as _;

use crate::layout::{AHEAD_MINUTES, OLDEST_COUNT_DAYS, PLANNED_DAYS, is_day};

/// A time, or a day without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// A time as told.
    Time(DateTime<Utc>),
    /// From the day's beginning to its last second.
    Day {
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    },
}

impl When {
    /// The time, or the moment it was told within the day.
    pub(crate) fn told(self, told: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Time(at) => at,
            Self::Day { from, until } => told.min(until).max(from),
        }
    }

    /// The time, or the beginning of the day.
    pub(crate) fn from(self) -> DateTime<Utc> {
        match self {
            Self::Time(at) => at,
            Self::Day { from, .. } => from,
        }
    }

    /// The end of the day; nothing for a time.
    pub(crate) fn until(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Time(_) => None,
            Self::Day { until, .. } => Some(until),
        }
    }
}

/// The times of a file itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileTimes {
    /// When it was first read.
    pub(crate) read_at: DateTime<Utc>,
    /// When it told what it tells: its own time, at the latest its first reading.
    pub(crate) told: DateTime<Utc>,
}

impl FileTimes {
    /// Of a file that was changed at a time, where that is known.
    pub(crate) fn new(read_at: DateTime<Utc>, modified: Option<DateTime<Utc>>) -> Self {
        let told = modified.map_or(read_at, |at| at.min(read_at));
        Self { read_at, told }
    }

    /// When a count of this file was made.
    ///
    /// # Errors
    /// The rule that the file's own time breaks, where the row has none.
    pub(crate) fn counted(
        &self,
        when: Option<When>,
        lag: Duration,
    ) -> Result<DateTime<Utc>, String> {
        let by_file = self.told - lag;
        let at = match when {
            // A clock that is ahead counted no later than we read it.
            Some(When::Time(at)) => at.min(self.read_at),
            Some(day @ When::Day { .. }) if day.from() <= self.read_at => day.told(by_file),
            // A day that has not begun where we are: it was counted before it was told, whatever its date.
            Some(When::Day { .. }) | None => by_file,
        };
        if at < self.read_at - Duration::days(OLDEST_COUNT_DAYS) {
            return Err(format!(
                "the count is more than {OLDEST_COUNT_DAYS} days old"
            ));
        }
        Ok(at)
    }
}

/// How a column writes its dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dated<'a> {
    pub(crate) format: &'a str,
    pub(crate) planned: bool,
    pub(crate) zone: Tz,
}

impl Dated<'_> {
    /// Reads a cell that is not blank.
    ///
    /// # Errors
    /// The rule that it breaks, to stand after the cell.
    pub(crate) fn read(&self, text: &str, file: FileTimes) -> Result<When, String> {
        self.written(text, file).or_else(|why| {
            let narrow: String = text.nfkc().collect();
            // Figures in full width are the same figures; what is said is said of the cell as it is.
            if narrow == text {
                return Err(why);
            }
            self.written(&narrow, file)
        })
    }

    fn written(&self, text: &str, file: FileTimes) -> Result<When, String> {
        let form = || format!("does not match the time format {:?}", self.format);
        let day = is_day(self.format);
        let when = if day {
            let date = NaiveDate::parse_from_str(text, self.format).map_err(|_| form())?;
            four_digits(date)?;
            let next = date.checked_add_days(Days::new(1)).ok_or_else(form)?;
            let from = local(date.and_time(NaiveTime::MIN), self.zone).ok_or_else(form)?;
            let next = local(next.and_time(NaiveTime::MIN), self.zone).ok_or_else(form)?;
            let today = file.read_at.with_timezone(&self.zone).date_naive();
            self.day_ahead((date - today).num_days())?;
            When::Day {
                from,
                until: next - Duration::seconds(1),
            }
        } else if let Ok(time) = DateTime::parse_from_str(text, self.format) {
            four_digits(time.date_naive())?;
            When::Time(time.with_timezone(&Utc))
        } else {
            let time = NaiveDateTime::parse_from_str(text, self.format).map_err(|_| form())?;
            four_digits(time.date())?;
            When::Time(local(time, self.zone).ok_or_else(form)?)
        };
        if let When::Time(at) = when {
            let latest = if self.planned {
                Duration::days(PLANNED_DAYS)
            } else {
                Duration::minutes(AHEAD_MINUTES)
            };
            if at > file.read_at + latest {
                return Err(if self.planned {
                    format!("is more than {PLANNED_DAYS} days ahead")
                } else {
                    format!("is more than {AHEAD_MINUTES} minutes after the file was fetched")
                });
            }
        }
        Ok(when)
    }

    fn day_ahead(&self, days: i64) -> Result<(), String> {
        match (self.planned, days) {
            (true, d) if d > PLANNED_DAYS => Err(format!("is more than {PLANNED_DAYS} days ahead")),
            (false, d) if d > 1 => Err("is later than tomorrow".to_owned()),
            _ => Ok(()),
        }
    }
}

fn four_digits(date: NaiveDate) -> Result<(), String> {
    if (1_000..=9_999).contains(&date.year()) {
        Ok(())
    } else {
        Err("has no four-digit year".to_owned())
    }
}

/// A local time. In the hour that a change of clocks repeats, the earlier reading; one that it leaves out is
/// moved on by what was left out.
fn local(at: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    if let Some(found) = zone.from_local_datetime(&at).earliest() {
        return Some(found.with_timezone(&Utc));
    }
    // The offset before the gap; none is wider than a day.
    (1..=25).find_map(|hours| {
        let before = at.checked_sub_signed(Duration::hours(hours))?;
        let before_utc = zone.from_local_datetime(&before).latest()?;
        Some(before_utc.with_timezone(&Utc) + Duration::hours(hours))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn read(text: &str, format: &str, zone: Tz, planned: bool, now: &str) -> Result<When, String> {
        let dated = Dated {
            format,
            planned,
            zone,
        };
        dated.read(text, FileTimes::new(at(now), None))
    }

    const TOKYO: Tz = chrono_tz::Asia::Tokyo;

    #[test]
    fn figures_in_full_width_are_the_same_figures() {
        let read = |text| {
            read(
                text,
                "%Y/%m/%d %H:%M:%S",
                TOKYO,
                false,
                "2026-11-28T09:30:00Z",
            )
        };
        let wide = read("２０２６/１１/２８\u{3000}１７：００：００");
        assert_eq!(wide, read("2026/11/28 17:00:00"));
        assert!(wide.is_ok());
        assert!(read("２６/１１/２８ １７:００:００").is_err());
    }

    #[test]
    fn a_day_is_its_beginning_and_its_end_in_the_zone() {
        let day = read(
            "2026/11/28",
            "%Y/%m/%d",
            TOKYO,
            false,
            "2026-11-28T09:30:00Z",
        )
        .unwrap();
        assert_eq!(day.from(), at("2026-11-27T15:00:00Z"));
        assert_eq!(day.until(), Some(at("2026-11-28T14:59:59Z")));
        assert_eq!(
            day.told(at("2026-11-28T09:30:00Z")),
            at("2026-11-28T09:30:00Z")
        );
        assert_eq!(
            day.told(at("2026-11-30T00:00:00Z")),
            at("2026-11-28T14:59:59Z")
        );
        assert_eq!(
            day.told(at("2026-11-27T00:00:00Z")),
            at("2026-11-27T15:00:00Z")
        );
    }

    #[test]
    fn a_count_of_a_clock_that_is_ahead_was_made_no_later_than_it_was_read() {
        let read_at = DateTime::from_timestamp(1_795_000_000, 0).unwrap_or_default();
        let times = FileTimes::new(read_at, None);
        let ahead = read_at + Duration::minutes(8);
        let counted = times.counted(Some(When::Time(ahead)), Duration::zero());
        assert_eq!(counted, Ok(read_at));
        let earlier = read_at - Duration::minutes(8);
        let counted = times.counted(Some(When::Time(earlier)), Duration::zero());
        assert_eq!(counted, Ok(earlier));
    }

    #[test]
    fn what_is_too_far_ahead_is_refused_by_its_rule() {
        let now = "2026-11-28T09:00:00Z";
        let time = |text: &str, planned| read(text, "%Y/%m/%d %H:%M", TOKYO, planned, now);
        let day = |text: &str, planned| read(text, "%Y/%m/%d", TOKYO, planned, now);
        assert_eq!(
            time("2026/11/28 18:10", false),
            Ok(When::Time(at("2026-11-28T09:10:00Z")))
        );
        assert_eq!(
            time("2026/11/28 18:11", false),
            Err("is more than 10 minutes after the file was fetched".to_owned())
        );
        assert!(time("2026/12/28 18:00", true).is_ok());
        assert_eq!(
            time("2026/12/28 18:01", true),
            Err("is more than 30 days ahead".to_owned())
        );
        assert!(day("2026/11/29", false).is_ok(), "tomorrow");
        assert_eq!(
            day("2026/11/30", false),
            Err("is later than tomorrow".to_owned())
        );
        assert!(day("2026/12/28", true).is_ok());
        assert_eq!(
            day("2026/12/29", true),
            Err("is more than 30 days ahead".to_owned())
        );
        assert!(time("2062/11/28 09:00", false).is_err());
    }

    #[test]
    fn a_year_has_four_digits() {
        for text in ["26/11/28", "0026/11/28", "126/11/28", "-2026/11/28"] {
            let read = read(text, "%Y/%m/%d", TOKYO, false, "2026-11-28T09:00:00Z");
            assert_eq!(read, Err("has no four-digit year".to_owned()), "{text}");
        }
        let long = read(
            "12026/11/28",
            "%Y/%m/%d",
            TOKYO,
            false,
            "2026-11-28T09:00:00Z",
        );
        assert!(long.is_err());
    }

    #[test]
    fn a_change_of_clocks_moves_on_what_it_leaves_out() {
        let york = chrono_tz::America::New_York;
        let form = "%Y/%m/%d %H:%M";
        let now = "2028-01-01T00:00:00Z";
        assert_eq!(
            read("2027/03/14 02:30", form, york, false, now)
                .unwrap()
                .from(),
            at("2027-03-14T07:30:00Z"),
            "03:30 in summer time"
        );
        assert_eq!(
            read("2026/11/01 01:30", form, york, false, now)
                .unwrap()
                .from(),
            at("2026-11-01T05:30:00Z"),
            "the earlier of two"
        );
        let cuba = chrono_tz::America::Havana;
        let day = read("2027/03/14", "%Y/%m/%d", cuba, false, now).unwrap();
        assert_eq!(
            day.from(),
            at("2027-03-14T05:00:00Z"),
            "its midnight is left out"
        );
        let apia = chrono_tz::Pacific::Apia;
        let day = read("2011/12/30", "%Y/%m/%d", apia, false, now).unwrap();
        assert!(
            day.from() >= at("2011-12-30T10:00:00Z"),
            "a day that never was"
        );
    }

    #[test]
    fn a_count_is_of_its_time_its_day_or_its_file() {
        let now = at("2026-11-28T00:30:00Z");
        let file = FileTimes::new(now, Some(at("2026-11-28T00:00:00Z")));
        let lag = Duration::minutes(5);
        let day = |text: &str| {
            Dated {
                format: "%Y/%m/%d",
                planned: false,
                zone: TOKYO,
            }
            .read(text, file)
            .ok()
        };
        assert_eq!(file.counted(None, lag), Ok(at("2026-11-27T23:55:00Z")));
        assert_eq!(
            file.counted(day("2026/11/28"), lag),
            Ok(at("2026-11-27T23:55:00Z"))
        );
        assert_eq!(
            file.counted(day("2026/11/27"), lag),
            Ok(at("2026-11-27T14:59:59Z"))
        );
        assert_eq!(
            file.counted(day("2026/11/29"), lag),
            Ok(at("2026-11-27T23:55:00Z")),
            "tomorrow has not begun"
        );
        let time = at("2026-11-27T20:00:00Z");
        assert_eq!(file.counted(Some(When::Time(time)), lag), Ok(time));
        let old = When::Time(now - Duration::days(401));
        assert_eq!(
            file.counted(Some(old), lag),
            Err("the count is more than 400 days old".to_owned())
        );
        let ahead = FileTimes::new(now, Some(now + Duration::days(3)));
        assert_eq!(
            ahead.counted(None, lag),
            Ok(now - lag),
            "a clock that is ahead"
        );
    }
}

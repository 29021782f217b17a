//! Working days (営業日) of a shop: weekdays and dates on which it and its banks are closed. Pure.

use chrono::{
    DateTime, Datelike as _, Days, Duration, NaiveDate, NaiveTime, TimeZone as _, Utc, Weekday,
};
use chrono_tz::Tz;
use serde::Serialize;

/// When a shop is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Calendar {
    /// Closed each week; never all seven.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub closed_weekdays: Vec<Weekday>,
    /// Closed on these days, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub closed_dates: Vec<NaiveDate>,
}

impl Calendar {
    /// No day is closed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closed_weekdays.is_empty() && self.closed_dates.is_empty()
    }

    /// A working day.
    #[must_use]
    pub fn is_open(&self, day: NaiveDate) -> bool {
        !self.closed_weekdays.contains(&day.weekday())
            && self.closed_dates.binary_search(&day).is_err()
    }

    /// The last of so many working days after a day, which is not counted itself. `None` where no weekday is open, and
    /// past the end of the calendar.
    #[must_use]
    pub fn working_days_after(&self, day: NaiveDate, days: u32) -> Option<NaiveDate> {
        let mut week = day.iter_days().take(7);
        if week.all(|day| self.closed_weekdays.contains(&day.weekday())) {
            return None;
        }
        let mut later = day.iter_days().skip(1).filter(|day| self.is_open(*day));
        match days {
            0 => Some(day),
            days => later.nth(usize::try_from(days - 1).ok()?),
        }
    }
}

/// The moment a day begins in a zone; where clocks skip midnight, when they go on.
#[must_use]
pub fn begins(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let midnight = day.and_time(NaiveTime::MIN);
    let at = (0..=4)
        .map(|half_hours| midnight + Duration::minutes(30 * half_hours))
        .find_map(|local| zone.from_local_datetime(&local).earliest())?;
    Some(at.with_timezone(&Utc))
}

/// The first of these local times after `now`. Where the clocks skip a time, the next day's is taken.
#[must_use]
pub fn next_time(now: DateTime<Utc>, times: &[NaiveTime], zone: Tz) -> DateTime<Utc> {
    let today = now.with_timezone(&zone).date_naive();
    (0..8)
        .filter_map(|days| today.checked_add_days(Days::new(days)))
        .flat_map(|day| {
            times
                .iter()
                .filter_map(move |time| day.and_time(*time).and_local_timezone(zone).earliest())
        })
        .map(|at| at.with_timezone(&Utc))
        .filter(|at| *at > now)
        .min()
        .unwrap_or_else(|| now + Duration::days(1))
}

/// How long something may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// So long, day and night.
    Span(Duration),
    /// To the end of the last of so many working days, the day it begins on not counted.
    WorkingDays(u32),
}

impl Term {
    /// When it ends.
    #[must_use]
    pub fn ends(
        &self,
        since: DateTime<Utc>,
        calendar: &Calendar,
        zone: Tz,
    ) -> Option<DateTime<Utc>> {
        match self {
            Self::Span(span) => since.checked_add_signed(*span),
            Self::WorkingDays(days) => {
                let first = since.with_timezone(&zone).date_naive();
                let last = calendar.working_days_after(first, *days)?;
                begins(last.succ_opt()?, zone)
            }
        }
    }
}

/// Seconds, or `"7bd"`.
impl Serialize for Term {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Span(span) => serializer.serialize_i64(span.num_seconds()),
            Self::WorkingDays(days) => serializer.collect_str(&format_args!("{days}bd")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// A shop that rests at the weekend, over New Year and on the holidays of Golden Week.
    fn shop() -> Calendar {
        let dates = [
            "2026-04-29",
            "2026-05-04",
            "2026-05-05",
            "2026-05-06",
            "2026-12-31",
            "2027-01-01",
            "2027-01-02",
            "2027-01-03",
        ];
        Calendar {
            closed_weekdays: vec![Weekday::Sat, Weekday::Sun],
            closed_dates: dates.map(day).to_vec(),
        }
    }

    #[test]
    fn working_days_leave_out_weekends_new_year_and_golden_week() {
        let cases = [
            // Friday: Monday is the first.
            ("2026-11-20", 1, "2026-11-23"),
            ("2026-11-20", 7, "2026-12-01"),
            // Over the end of the year: 29, 30, then 4 January.
            ("2026-12-28", 3, "2027-01-04"),
            ("2026-12-31", 1, "2027-01-04"),
            // Over Golden Week: 30 April, 1 May, then 7 May.
            ("2026-04-28", 3, "2026-05-07"),
            ("2026-05-01", 7, "2026-05-15"),
            // Ordered on a day that is closed.
            ("2026-05-03", 1, "2026-05-07"),
            ("2026-05-03", 0, "2026-05-03"),
        ];
        for (from, days, last) in cases {
            let found = shop().working_days_after(day(from), days);
            assert_eq!(found, Some(day(last)), "{days} after {from}");
        }
    }

    #[test]
    fn a_term_of_working_days_ends_with_its_last_day_in_the_shop_s_zone() {
        let tokyo = chrono_tz::Asia::Tokyo;
        let ends = |term: Term, since: &str| {
            term.ends(since.parse().unwrap(), &shop(), tokyo)
                .unwrap()
                .to_rfc3339()
        };
        // 23:30 on Friday in Tokyo: Monday counts, and it ends with it.
        assert_eq!(
            ends(Term::WorkingDays(1), "2026-11-20T14:30:00Z"),
            "2026-11-23T15:00:00+00:00"
        );
        // Half an hour later it is Saturday there: Monday is still the first.
        assert_eq!(
            ends(Term::WorkingDays(1), "2026-11-20T15:00:00Z"),
            "2026-11-23T15:00:00+00:00"
        );
        assert_eq!(
            ends(Term::WorkingDays(2), "2026-12-29T03:00:00Z"),
            "2027-01-04T15:00:00+00:00"
        );
        // Calendar days stay what they were: to the second.
        assert_eq!(
            ends(Term::Span(Duration::days(7)), "2026-04-28T03:00:00Z"),
            "2026-05-05T03:00:00+00:00"
        );
    }

    #[test]
    fn a_day_without_a_midnight_begins_when_clocks_go_on() {
        let at = begins(day("2018-11-04"), chrono_tz::America::Sao_Paulo).unwrap();
        assert_eq!(at.to_rfc3339(), "2018-11-04T03:00:00+00:00");
    }

    #[test]
    fn a_shop_that_never_opens_has_no_working_days() {
        let never = Calendar {
            closed_weekdays: (0..7).map(|n| Weekday::try_from(n).unwrap()).collect(),
            closed_dates: Vec::new(),
        };
        assert_eq!(never.working_days_after(day("2026-11-20"), 1), None);
    }
}

//! When batches are sealed: cut-offs in the shop's zone, at once after a grace period, journals at their close.

use chrono::{DateTime, Duration, NaiveTime, Utc};
use chrono_tz::Tz;

use crate::calendar::next_time;
use crate::engine::Engine;
use crate::policy::{Close, Dispatch};
use crate::store::{CutOff, Place, Slot, StoreError};

/// A wave goes out by itself this long past its cut-off, and not later.
const LATE: Duration = Duration::minutes(15);

/// What changes the times of a place's batches, in words that are compared.
pub(super) fn terms_of(dispatch: &Dispatch, zone: Tz) -> String {
    match dispatch {
        Dispatch::Wave { cutoffs, .. } => {
            let times: Vec<String> = cutoffs.iter().map(NaiveTime::to_string).collect();
            format!("wave {} {zone}", times.join(","))
        }
        Dispatch::Continuous { grace, .. } => {
            format!("continuous {} {zone}", grace.num_seconds())
        }
    }
}

fn terms_of_close(close: &Close, zone: Tz) -> String {
    match close {
        Close::At(time) => format!("at {time} {zone}"),
        Close::Every(every) => format!("every {} {zone}", every.num_seconds()),
    }
}

/// When what waits since `release_at` goes. What waited for a cut-off when the mode was changed to continuous waits
/// for the grace period from then on, so that there is time to change it back.
pub(super) fn slot(
    dispatch: &Dispatch,
    zone: Tz,
    now: DateTime<Utc>,
    release_at: DateTime<Utc>,
    since: Option<DateTime<Utc>>,
) -> Slot {
    match dispatch {
        Dispatch::Continuous { grace, .. } => {
            let from = since.map_or(now, |since| since + *grace);
            day(release_at.max(now).max(from), now, zone)
        }
        Dispatch::Wave { cutoffs, .. } => {
            minute(next_time(now.max(release_at), cutoffs, zone), zone)
        }
    }
}

/// The slot of a batch for what a cut-off's batches could not take: of the same cut-off, unless the warehouse takes no
/// more files for it.
pub(super) fn further(dispatch: &Dispatch, more_of: Option<&CutOff>) -> Option<Slot> {
    let cut_off = more_of?;
    let Dispatch::Wave {
        files_per_cutoff, ..
    } = dispatch
    else {
        return None;
    };
    let room = files_per_cutoff.is_none_or(|most| cut_off.files < i64::from(most));
    room.then(|| Slot {
        period: cut_off.period.clone(),
        seal_at: cut_off.at,
    })
}

/// The slot of a batch that an operator wants sealed now.
#[must_use]
pub fn slot_now(dispatch: &Dispatch, zone: Tz, now: DateTime<Utc>) -> Slot {
    match dispatch {
        Dispatch::Wave { .. } => minute(now, zone),
        Dispatch::Continuous { .. } => day(now, now, zone),
    }
}

/// A wave that is not sealed by itself any more.
pub(super) fn missed(dispatch: &Dispatch, seal_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    matches!(dispatch, Dispatch::Wave { .. }) && now - seal_at > LATE
}

/// When a journal that is opened now is closed.
pub(super) fn close_slot(close: &Close, zone: Tz, now: DateTime<Utc>) -> Slot {
    let at = match close {
        Close::At(time) => next_time(now, &[*time], zone),
        Close::Every(every) => now + *every,
    };
    day(at, at, zone)
}

fn minute(at: DateTime<Utc>, zone: Tz) -> Slot {
    Slot {
        period: at.with_timezone(&zone).format("%Y%m%dT%H%M").to_string(),
        seal_at: at,
    }
}

fn day(seal_at: DateTime<Utc>, of: DateTime<Utc>, zone: Tz) -> Slot {
    Slot {
        period: of.with_timezone(&zone).format("%Y%m%d").to_string(),
        seal_at,
    }
}

/// Where an open batch goes when the times of its place have changed: to the next occurrence, never into the past.
/// `first` says that the times were never stored before, so that a batch which fits them is left as it is. A wave whose
/// time has come and still is a cut-off stays, to be sealed or missed.
fn retimed(
    dispatch: &Dispatch,
    zone: Tz,
    now: DateTime<Utc>,
    open: DateTime<Utc>,
    first: bool,
) -> Option<Slot> {
    let next = slot(dispatch, zone, now, now, Some(now));
    let fits = match dispatch {
        Dispatch::Wave { cutoffs, .. } => {
            let just_before = open - Duration::milliseconds(1);
            let is_cut_off = next_time(just_before, cutoffs, zone) == open;
            is_cut_off && (open <= now || first && open <= next.seal_at)
        }
        Dispatch::Continuous { .. } => first,
    };
    if fits || next.seal_at == open {
        return None;
    }
    Some(next)
}

/// Stores the times that the policy gives to each place's batches. Where they have changed since a process last did
/// this, the open batch gets its new time.
///
/// # Errors
/// The database's.
pub(super) async fn retime(engine: &Engine) -> Result<(), StoreError> {
    let zone = engine.policy.shop.timezone;
    for warehouse in &engine.policy.warehouses {
        let place = Place {
            account_id: engine.directory.account(&warehouse.account)?,
            location_id: Some(engine.directory.location(&warehouse.name)?.id),
            kind: "instruct",
        };
        let dispatch = &warehouse.dispatch;
        let slot = |now, open, first| retimed(dispatch, zone, now, open, first);
        let terms = terms_of(dispatch, zone);
        let name = (engine.store)
            .schedule(&engine.directory, place, &terms, slot)
            .await?;
        if let Some(batch) = name {
            tracing::info!(
                warehouse = warehouse.name,
                batch,
                "cut-off times changed: rescheduled the open wave"
            );
        }
    }
    if let Some(booking) = &engine.policy.booking {
        let place = Place {
            account_id: engine.directory.account(&booking.account)?,
            location_id: None,
            kind: "journal",
        };
        let close = &booking.close;
        let slot = |now, open: DateTime<Utc>, first: bool| {
            let next = close_slot(close, zone, now);
            // What should have been closed while no process ran is closed now, as ever.
            (!first && open > now && next.seal_at != open).then_some(next)
        };
        let terms = terms_of_close(close, zone);
        engine
            .store
            .schedule(&engine.directory, place, &terms, slot)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap_or_default()
    }

    fn time(hour: u32, minute: u32) -> NaiveTime {
        NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default()
    }

    fn wave(cutoffs: &[NaiveTime], files_per_cutoff: Option<u32>) -> Dispatch {
        Dispatch::Wave {
            cutoffs: cutoffs.to_vec(),
            max_rows: 10,
            files_per_cutoff,
        }
    }

    const TOKYO: Tz = chrono_tz::Asia::Tokyo;

    #[test]
    fn a_cut_off_is_local_and_strictly_later() {
        let cutoffs = [time(9, 0), time(13, 0)];
        assert_eq!(
            next_time(utc("2026-11-21T03:59:59Z"), &cutoffs, TOKYO),
            utc("2026-11-21T04:00:00Z")
        );
        assert_eq!(
            next_time(utc("2026-11-21T04:00:00Z"), &cutoffs, TOKYO),
            utc("2026-11-22T00:00:00Z")
        );
    }

    #[test]
    fn a_time_that_the_clocks_skip_moves_to_the_next_day() {
        let berlin = chrono_tz::Europe::Berlin;
        assert_eq!(
            next_time(utc("2027-03-28T00:00:00Z"), &[time(2, 30)], berlin),
            utc("2027-03-29T00:30:00Z")
        );
    }

    /// Noon; the open wave is of 13:00.
    #[test]
    fn other_times_move_an_open_wave_to_their_next_occurrence_and_never_into_the_past() {
        let (noon, one) = (utc("2026-11-21T03:00:00Z"), utc("2026-11-21T04:00:00Z"));
        let moved = |dispatch: &Dispatch, first| retimed(dispatch, TOKYO, noon, one, first);
        // Typed as 03:00: tomorrow, not nine hours ago.
        let slot = moved(&wave(&[time(3, 0)], None), false).unwrap_or_default();
        assert_eq!(slot.period, "20261122T0300");
        assert_eq!(slot.seal_at, utc("2026-11-21T18:00:00Z"));
        let slot = moved(&wave(&[time(12, 30), time(13, 0)], None), false).unwrap_or_default();
        assert_eq!(slot.period, "20261121T1230");
        // Still the next one.
        assert_eq!(moved(&wave(&[time(9, 0), time(13, 0)], None), false), None);
        let continuous = Dispatch::Continuous {
            grace: Duration::minutes(10),
            max_rows: 10,
        };
        let slot = moved(&continuous, false).unwrap_or_default();
        assert_eq!(slot.seal_at, noon + Duration::minutes(10));
        assert_eq!(slot.period, "20261121");
    }

    /// A database that never stored its times: what fits them stays, missed or not.
    #[test]
    fn the_first_start_that_stores_times_moves_only_what_does_not_fit_them() {
        let one = utc("2026-11-21T04:00:00Z");
        let cutoffs = wave(&[time(9, 0), time(13, 0)], None);
        for now in ["2026-11-21T03:00:00Z", "2026-11-21T04:05:00Z"] {
            assert_eq!(retimed(&cutoffs, TOKYO, utc(now), one, true), None);
        }
        let other = wave(&[time(9, 0)], None);
        assert!(retimed(&other, TOKYO, utc("2026-11-21T03:00:00Z"), one, true).is_some());
    }

    /// Five past one, and the wave of one o'clock is still open.
    #[test]
    fn a_wave_whose_time_has_come_stays_where_its_cut_off_stays() {
        let one = utc("2026-11-21T04:00:00Z");
        let now = one + Duration::minutes(5);
        let moved = |times: &[NaiveTime]| retimed(&wave(times, None), TOKYO, now, one, false);
        assert_eq!(moved(&[time(13, 0), time(17, 0)]), None);
        let slot = moved(&[time(17, 0)]).unwrap_or_default();
        assert_eq!(slot.period, "20261121T1700");
    }

    #[test]
    fn what_one_file_cannot_take_is_of_the_same_cut_off_where_the_warehouse_takes_more_files() {
        let one = CutOff {
            period: "20261121T1300".to_owned(),
            at: utc("2026-11-21T04:00:00Z"),
            files: 1,
        };
        let cutoffs = [time(13, 0)];
        let slot = further(&wave(&cutoffs, None), Some(&one));
        assert_eq!(slot.map(|s| s.seal_at), Some(one.at));
        assert!(further(&wave(&cutoffs, Some(2)), Some(&one)).is_some());
        assert_eq!(further(&wave(&cutoffs, Some(1)), Some(&one)), None);
        assert_eq!(further(&wave(&cutoffs, None), None), None);
    }

    #[test]
    fn only_a_wave_is_missed_and_only_after_a_quarter_of_an_hour() {
        let (cutoffs, at) = (wave(&[time(13, 0)], None), utc("2026-11-21T04:00:00Z"));
        assert!(!missed(&cutoffs, at, at + Duration::minutes(15)));
        assert!(missed(&cutoffs, at, at + Duration::seconds(901)));
        let continuous = Dispatch::Continuous {
            grace: Duration::zero(),
            max_rows: 10,
        };
        assert!(!missed(&continuous, at, at + Duration::days(1)));
    }
}

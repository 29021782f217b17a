//! A second look before sealing: orders that were last read too long ago are read again first.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};

use super::reads::read_orders_in;
use super::{Store, StoreError};

/// A batch waits this long past its time for orders that are being read again.
pub(super) const UNREAD_PATIENCE: Duration = Duration::seconds(60);
/// An open batch is gone through this often.
const PAUSE_SECONDS: f64 = 5.0;

/// How fresh a channel's orders must be when they are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recheck {
    /// Read no longer than this before.
    pub before: Duration,
    /// What could not be read waits for the next batch.
    pub required: bool,
}

/// What is known of one shipment's order when its batch is to be sealed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// When it was last read, or looked for in vain.
    pub(super) looked_at: Option<DateTime<Utc>>,
    /// Since when its batch could have been sealed but for it.
    pub(super) unread_since: Option<DateTime<Utc>>,
}

/// Whether a shipment may be sealed as far as the reading of its order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Read lately.
    Fresh,
    /// To be read first; `first` says that this was not known before.
    Awaited { first: bool },
    /// It could not be read in time.
    Late { required: bool },
}

/// Judges a reading. `at_once` says that batches follow one another without a cut-off. Pure.
pub(super) fn freshness(
    recheck: Option<Recheck>,
    reading: Reading,
    seal_at: DateTime<Utc>,
    at_once: bool,
    now: DateTime<Utc>,
) -> Freshness {
    let Some(Recheck { before, required }) = recheck else {
        return Freshness::Fresh;
    };
    // Sealed long after its time, a batch asks for readings of lately all the same.
    let bound = seal_at.max(now - UNREAD_PATIENCE) - before;
    if reading.looked_at.is_some_and(|at| at >= bound) {
        return Freshness::Fresh;
    }
    let since = reading
        .unread_since
        .filter(|since| reading.looked_at.is_none_or(|at| at < *since));
    let Some(since) = since else {
        return Freshness::Awaited { first: true };
    };
    let from = if at_once { since } else { since.max(seal_at) };
    if now < from + UNREAD_PATIENCE {
        Freshness::Awaited { first: false }
    } else {
        Freshness::Late { required }
    }
}

impl Store {
    /// Makes orders due to be read again whose batch is near and whose last reading is too old. Returns how many.
    ///
    /// # Errors
    /// The database's.
    pub async fn mark_rechecks(
        &self,
        channels: &BTreeMap<i16, Recheck>,
    ) -> Result<usize, StoreError> {
        let seconds = |recheck: &Recheck| recheck.before.as_seconds_f64();
        let Some(longest) = channels.values().map(seconds).reduce(f64::max) else {
            return Ok(0);
        };
        let near = sqlx::query!(
            r#"UPDATE batches SET rechecked_at = (SELECT hk_now()) WHERE state = 'open' AND kind = 'instruct'
                 AND seal_at <= (SELECT hk_now()) + make_interval(secs => $1)
                 AND (rechecked_at IS NULL OR rechecked_at <= (SELECT hk_now()) - make_interval(secs => $2))
               RETURNING location_id, seal_at"#,
            longest,
            PAUSE_SECONDS
        )
        .fetch_all(&self.pool)
        .await?;
        let account: Vec<i16> = channels.keys().copied().collect();
        let before: Vec<f64> = channels.values().map(seconds).collect();
        let mut marked = 0;
        for batch in near {
            let Some(location_id) = batch.location_id else {
                continue;
            };
            let old = sqlx::query_scalar!(
                "SELECT DISTINCT s.subject_id FROM shipments s JOIN subjects o ON o.id = s.subject_id
                   JOIN unnest($3::smallint[], $4::float8[]) AS r (account_id, before) ON r.account_id = o.account_id
                   CROSS JOIN LATERAL (SELECT hk_looked_at(o.id) AS looked_at) l
                 WHERE s.location_id = $1 AND s.state = 'waiting' AND s.release_at <= $2
                   AND NOT EXISTS (SELECT FROM reads r WHERE r.account_id = o.account_id AND r.kind = 'order' AND r.external_id = o.external_id AND r.due_at <= (SELECT hk_now()))
                   AND $2 - make_interval(secs => r.before) <= (SELECT hk_now())
                   AND (l.looked_at IS NULL OR l.looked_at < $2 - make_interval(secs => r.before))",
                location_id, batch.seal_at, &account, &before
            )
            .fetch_all(&self.pool)
            .await?;
            if old.is_empty() {
                continue;
            }
            let mut tx = self.pool.begin().await?;
            marked += read_orders_in(&mut tx, &old, 0.0, "seal").await?;
            tx.commit().await?;
        }
        Ok(marked)
    }

    /// Which of these open orders were not read since.
    ///
    /// # Errors
    /// The database's.
    pub async fn still_unread(
        &self,
        numbers: &[String],
        since: DateTime<Utc>,
    ) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT number FROM subjects WHERE number = ANY($1) AND closed_at IS NULL AND (hk_looked_at(id) >= $2) IS NOT TRUE ORDER BY number",
            numbers, since
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds around a cut-off at 0, ten minutes of recheck.
    fn judged(
        asked: i64,
        unread_since: Option<i64>,
        at_once: bool,
        now: i64,
        required: bool,
    ) -> Freshness {
        let at = |second: i64| DateTime::from_timestamp(1_000_000 + second, 0).unwrap_or_default();
        let recheck = Recheck {
            before: Duration::minutes(10),
            required,
        };
        let reading = Reading {
            looked_at: Some(at(asked)),
            unread_since: unread_since.map(at),
        };
        freshness(Some(recheck), reading, at(0), at_once, at(now))
    }

    #[test]
    fn a_reading_of_the_last_ten_minutes_will_do_and_an_older_one_is_waited_for_a_minute() {
        let late = Freshness::Late { required: false };
        assert_eq!(judged(-600, None, false, 0, false), Freshness::Fresh);
        assert_eq!(judged(-600, None, false, 59, false), Freshness::Fresh);
        let first = Freshness::Awaited { first: true };
        assert_eq!(judged(-601, None, false, 0, false), first);
        let waits = Freshness::Awaited { first: false };
        assert_eq!(judged(-601, Some(0), false, 59, false), waits);
        assert_eq!(judged(-601, Some(0), false, 60, false), late);
        assert_eq!(
            judged(-601, Some(0), false, 60, true),
            Freshness::Late { required: true }
        );
    }

    #[test]
    fn a_batch_that_comes_late_asks_for_readings_of_then() {
        // The process was stopped over the cut-off: read five minutes before it, sealed ten minutes after it.
        assert_eq!(
            judged(-300, None, false, 600, false),
            Freshness::Awaited { first: true }
        );
        assert_eq!(
            judged(-300, Some(600), false, 659, false),
            Freshness::Awaited { first: false }
        );
        assert_eq!(judged(602, Some(600), false, 603, false), Freshness::Fresh);
    }

    #[test]
    fn what_was_kept_back_is_waited_for_anew_at_the_next_cut_off_only() {
        let waits = Freshness::Awaited { first: false };
        let late = Freshness::Late { required: true };
        assert_eq!(judged(-9000, Some(-7200), false, 30, true), waits);
        assert_eq!(judged(-9000, Some(-7200), true, 30, true), late);
    }

    #[test]
    fn a_channel_that_is_not_rechecked_is_always_fresh() {
        let reading = Reading {
            looked_at: None,
            unread_since: None,
        };
        let now = DateTime::default();
        assert_eq!(freshness(None, reading, now, false, now), Freshness::Fresh);
    }
}

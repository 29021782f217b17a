//! Whether a reading is new input: judged against the head of its series. Pure.

use chrono::{DateTime, Duration, Utc};

/// A channel that shows an older version for so long means it: it was set back itself, or its clocks differ.
const SHOWN_FOR: Duration = Duration::minutes(10);

/// The last reading of a series.
#[derive(Clone, Debug)]
pub struct Head {
    /// SHA-256 of its body.
    pub hash: Vec<u8>,
    /// The channel's own count or time of changes.
    pub version: Option<i64>,
    /// Its number in the series.
    pub n: i32,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When its answer was stored.
    pub received_at: DateTime<Utc>,
    /// When a later answer first showed an older version, until one shows this version or a newer one again.
    pub contradicted_at: Option<DateTime<Utc>>,
    /// It came in the answer that is being stored.
    pub here: bool,
}

/// What to do with a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Store it; it is the head from now on.
    New,
    /// It says what the head says.
    Same,
    /// It is older than the head.
    Stale,
    /// Nobody can tell which is newer: read again.
    Overlap,
    /// Asked for later, it shows an older version: a replica or a cache that lags. It is read again, and believed when it
    /// is shown for ten minutes.
    Older,
}

/// Judges a reading.
#[must_use]
pub fn judge(
    head: Option<&Head>,
    hash: &[u8],
    version: Option<i64>,
    asked: DateTime<Utc>,
    answered: DateTime<Utc>,
) -> Judgement {
    let Some(head) = head else {
        return Judgement::New;
    };
    if head.hash == hash {
        return Judgement::Same;
    }
    match (version, head.version) {
        (Some(new), Some(old)) if new > old => Judgement::New,
        (Some(new), Some(old)) if new < old && asked < head.received_at => Judgement::Stale,
        (Some(new), Some(old)) if new < old => match head.contradicted_at {
            Some(since) if asked >= since + SHOWN_FOR => Judgement::New,
            _ => Judgement::Older,
        },
        // Within one answer the external system's own order counts.
        _ if head.here || asked >= head.received_at => Judgement::New,
        _ if answered <= head.requested_at => Judgement::Stale,
        _ => Judgement::Overlap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap_or_default()
    }

    fn head(hash: u8, version: Option<i64>, asked: i64, answered: i64) -> Head {
        Head {
            hash: vec![hash],
            version,
            n: 1,
            requested_at: at(asked),
            received_at: at(answered),
            contradicted_at: None,
            here: false,
        }
    }

    #[test]
    fn a_reading_is_new_only_when_it_differs_from_the_head_and_came_later() {
        let known = head(1, None, 10, 20);
        assert_eq!(judge(None, &[1], None, at(0), at(1)), Judgement::New);
        assert_eq!(
            judge(Some(&known), &[1], None, at(30), at(31)),
            Judgement::Same
        );
        assert_eq!(
            judge(Some(&known), &[2], None, at(20), at(31)),
            Judgement::New
        );
        assert_eq!(
            judge(Some(&known), &[2], None, at(5), at(9)),
            Judgement::Stale
        );
        assert_eq!(
            judge(Some(&known), &[2], None, at(15), at(25)),
            Judgement::Overlap,
            "neither is the head: read again"
        );
    }

    #[test]
    fn an_external_system_version_beats_the_clock() {
        let known = head(1, Some(7), 10, 20);
        assert_eq!(
            judge(Some(&known), &[2], Some(8), at(0), at(1)),
            Judgement::New
        );
        assert_eq!(
            judge(Some(&known), &[2], Some(6), at(19), at(31)),
            Judgement::Stale
        );
    }

    #[test]
    fn an_older_version_that_is_shown_later_is_believed_once_it_stays() {
        let mut known = head(1, Some(7), 10, 20);
        let later =
            |known: &Head, asked: i64| judge(Some(known), &[2], Some(6), at(asked), at(asked + 1));
        assert_eq!(later(&known, 30), Judgement::Older);
        assert_eq!(
            later(&known, 30_000),
            Judgement::Older,
            "the first sight of it"
        );
        known.contradicted_at = Some(at(30));
        assert_eq!(later(&known, 629), Judgement::Older);
        assert_eq!(later(&known, 630), Judgement::New);
    }
}

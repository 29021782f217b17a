//! Who gets the next turn. Pure: time is handed in.

use std::time::Duration;

use tokio::time::Instant;

use super::limit::{Free, Now, State, Until};
use super::{Budget, EVERY, Limit, Urgency};

/// Writes after which a waiting read is due: one call in five.
const SHARE: u32 = 4;

/// A place that was kept for a call that went away to wait is free again so long after its time.
const KEPT: Duration = Duration::from_secs(3);

/// A call that wants to start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) class: &'static str,
    pub(super) cost: u32,
    pub(super) urgency: Urgency,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    wish: Wish,
    /// It went away to come back by then: only its place waits.
    kept_until: Option<Kept>,
}

/// When a call that went away comes back, and when its place is free.
#[derive(Clone, Copy, Debug)]
struct Kept {
    back: Until,
    free: Until,
}

/// A call that was throttled lets the other kind go first when the rest ends: reads that are refused each time would keep writes
/// away for ever, as they wake at the very moment, and the other way round.
const YIELD: Duration = Duration::from_secs(1);

/// Nothing of a class starts until then.
#[derive(Clone, Copy, Debug)]
struct Hold {
    class: &'static str,
    until: Until,
    /// For calls of the kind that was throttled.
    late: Until,
    by_read: bool,
}

/// The limits of an account and the calls that wait for them.
#[derive(Debug, Default)]
pub(super) struct Queue {
    limits: Vec<(&'static str, State)>,
    /// Classes that were throttled, until when.
    holds: Vec<Hold>,
    waiting: Vec<Waiting>,
    next_id: u64,
    /// Writes since the last read, as far as reads have a claim by them.
    owed: u32,
}

impl Queue {
    /// Puts these limits in the place of all before. Calls under way are forgotten.
    pub(super) fn declare(&mut self, budgets: &[Budget], now: Now) {
        let each = budgets
            .iter()
            .flat_map(|b| b.limits.iter().map(|limit| (b.class, limit)));
        self.limits = each
            .map(|(class, limit)| (class, State::new(limit, now)))
            .collect();
        self.holds.clear();
    }

    fn applying(&self, class: &'static str) -> impl Iterator<Item = usize> + use<> {
        let of: Vec<usize> = (self.limits.iter().enumerate())
            .filter(|(_, (of, _))| *of == EVERY || *of == class)
            .map(|(i, _)| i)
            .collect();
        of.into_iter()
    }

    fn held(&mut self, class: &'static str, urgency: Urgency, now: Now) -> Option<Instant> {
        self.holds.retain(|hold| !hold.late.has_come(now));
        let of = self.holds.iter();
        let of = of.filter(|hold| hold.class == EVERY || hold.class == class);
        let left = of.map(|hold| {
            let is_its = hold.by_read == urgency.is_read();
            if is_its { hold.late } else { hold.until }.left(now)
        });
        let left = left.max().filter(|left| !left.is_zero());
        left.map(|left| now.at + left)
    }

    /// A call joins those that wait; it takes a place that was kept for one like it.
    pub(super) fn join(&mut self, wish: Wish) -> u64 {
        let like = |w: &Waiting| {
            w.kept_until.is_some() && w.wish.urgency == wish.urgency && w.wish.class == wish.class
        };
        if let Some(kept) = self.waiting.iter_mut().find(|w| like(w)) {
            kept.kept_until = None;
            kept.wish = wish;
            return kept.id;
        }
        self.next_id += 1;
        self.waiting.push(Waiting {
            id: self.next_id,
            wish,
            kept_until: None,
        });
        self.next_id
    }

    /// A call waits no longer.
    pub(super) fn leave(&mut self, id: u64) {
        self.waiting.retain(|w| w.id != id);
    }

    /// A call goes away and comes back after this time: nobody less urgent passes it meanwhile.
    pub(super) fn keep_place(&mut self, id: u64, wait: Duration, now: Now) {
        if let Some(waiting) = self.waiting.iter_mut().find(|w| w.id == id) {
            waiting.kept_until = Some(Kept {
                back: Until::after(now, wait),
                free: Until::after(now, wait + KEPT),
            });
        }
    }

    /// How long until the first write comes back that went away; of those of a class of their own nothing follows for others.
    pub(super) fn first_kept(&self, now: Now) -> Option<Duration> {
        let writes = self.waiting.iter().filter(|w| !w.wish.urgency.is_read());
        let kept = writes.filter(|w| w.wish.class == EVERY);
        kept.filter_map(|w| w.kept_until)
            .map(|kept| kept.back.left(now))
            .min()
    }

    /// Starts every call that may start now, and says which, in their order.
    pub(super) fn serve(&mut self, now: Now) -> Vec<u64> {
        self.waiting
            .retain(|w| w.kept_until.is_none_or(|kept| !kept.free.has_come(now)));
        let mut started = Vec::new();
        while let Some(id) = self.first(now) {
            if let Some(at) = self.waiting.iter().position(|w| w.id == id) {
                let wish = self.waiting.remove(at).wish;
                self.start(wish, now);
                started.push(id);
            }
        }
        started
    }

    /// The first in order that may start. A limit that somebody waits for is closed to all behind.
    fn first(&mut self, now: Now) -> Option<u64> {
        let mut order: Vec<(u8, u64, Wish, bool)> = (self.waiting.iter())
            .map(|w| {
                (
                    self.rank(w.wish.urgency),
                    w.id,
                    w.wish,
                    w.kept_until.is_some(),
                )
            })
            .collect();
        order.sort_by_key(|(rank, id, ..)| (*rank, *id));
        let mut closed = vec![false; self.limits.len()];
        for (_, id, wish, kept) in order {
            let mut free = self.held(wish.class, wish.urgency, now).is_none();
            for i in self.applying(wish.class) {
                let Some((_, state)) = self.limits.get_mut(i) else {
                    continue;
                };
                let open = state.free(wish.cost, now) == Free::Now;
                let keeps = kept && !state.is_at_once();
                if let Some(closed) = closed.get_mut(i) {
                    free &= open && !*closed;
                    *closed |= !open || keeps;
                }
            }
            if free && !kept {
                return Some(id);
            }
        }
        None
    }

    /// A read that is owed a turn goes before goods, and before money once two are owed.
    fn rank(&self, urgency: Urgency) -> u8 {
        match urgency {
            Urgency::Money => 2,
            Urgency::Goods => 5,
            Urgency::Notes => 8,
            read @ (Urgency::Reads | Urgency::BackFill) => {
                let behind = u8::from(read == Urgency::BackFill);
                behind
                    + match self.owed {
                        owed if owed >= 2 * SHARE => 0,
                        owed if owed >= SHARE => 3,
                        _ => 6,
                    }
            }
        }
    }

    fn start(&mut self, wish: Wish, now: Now) {
        for i in self.applying(wish.class) {
            if let Some((_, state)) = self.limits.get_mut(i) {
                state.take(wish.cost, now);
            }
        }
        self.owed = if wish.urgency.is_read() {
            self.owed.saturating_sub(SHARE)
        } else {
            let reads_wait = self.waiting.iter().any(|w| w.wish.urgency.is_read());
            let most = if reads_wait { 2 * SHARE } else { SHARE };
            (self.owed + 1).min(most)
        };
    }

    /// A call has ended.
    pub(super) fn end(&mut self, class: &'static str, cost: u32, now: Now) {
        for i in self.applying(class) {
            if let Some((_, state)) = self.limits.get_mut(i) {
                state.end(cost, now);
            }
        }
    }

    /// When a call of this kind could start if nobody else waited; `None` once something ends.
    pub(super) fn outlook(&mut self, wish: Wish, now: Now) -> Option<Instant> {
        let mut at = self.held(wish.class, wish.urgency, now).unwrap_or(now.at);
        for i in self.applying(wish.class) {
            match self.limits.get_mut(i).map(|(_, s)| s.free(wish.cost, now)) {
                Some(Free::At(free)) => at = at.max(free),
                Some(Free::Later) => return None,
                Some(Free::Now) | None => {}
            }
        }
        Some(at)
    }

    /// The external system said that nothing is left for a class, or for all where it has no limits of its own.
    pub(super) fn over(&mut self, class: &'static str, after: Duration, by: Urgency, now: Now) {
        let own = self.limits.iter().any(|(of, _)| *of == class);
        let class = if own { class } else { EVERY };
        for (_, state) in self.limits.iter_mut().filter(|(of, _)| *of == class) {
            state.drained(now);
        }
        self.holds.push(Hold {
            class,
            until: Until::after(now, after),
            late: Until::after(now, after + YIELD),
            by_read: by.is_read(),
        });
    }

    /// What an answer says of a bucket.
    pub(super) fn left(
        &mut self,
        class: &'static str,
        units: u32,
        each: Option<Duration>,
        cost: u32,
        now: Now,
    ) {
        for (_, state) in self.limits.iter_mut().filter(|(of, _)| *of == class) {
            state.left(units, each, cost, now);
        }
    }

    /// How long all calls are held back by a throttle.
    pub(super) fn rest(&mut self, now: Now) -> Duration {
        self.held(EVERY, Urgency::Goods, now)
            .map_or(Duration::ZERO, |until| {
                until.saturating_duration_since(now.at)
            })
    }

    /// The limits of days with their classes.
    pub(super) fn days(&mut self) -> impl Iterator<Item = (&'static str, &mut State)> {
        let days = self
            .limits
            .iter_mut()
            .filter(|(_, s)| matches!(s, State::Day { .. }));
        days.map(|(class, state)| (*class, state))
    }
}

/// How many calls may be under way at once whatever their class.
pub(super) fn at_once(budgets: &[Budget]) -> Option<u32> {
    let limits = budgets.iter().flat_map(|b| &b.limits);
    limits
        .filter_map(|limit| match limit {
            Limit::AtOnce(most) => Some(*most),
            _ => None,
        })
        .min()
}

//! The arithmetic of limits and the order of turns, on times stepped by hand.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Asia::Tokyo;
use proptest::prelude::*;
use tokio::time::Instant;

use super::limit::Now;
use super::queue::{Queue, Wish};
use super::{Budget, EVERY, Limit, Urgency};

const SECOND: Duration = Duration::from_secs(1);

/// Ten to midnight in Tokyo.
fn start() -> Now {
    Now {
        at: Instant::now(),
        utc: "2026-11-29T14:50:00Z".parse().unwrap(),
    }
}

fn later(now: Now, by: Duration) -> Now {
    Now {
        at: now.at + by,
        utc: now.utc + TimeDelta::from_std(by).unwrap(),
    }
}

fn queue(budgets: &[Budget], now: Now) -> Queue {
    let mut queue = Queue::default();
    queue.declare(budgets, now);
    queue
}

fn wish(urgency: Urgency) -> Wish {
    Wish {
        class: EVERY,
        cost: 1,
        urgency,
    }
}

/// A call for goods.
fn goods(class: &'static str, cost: u32) -> Wish {
    let urgency = Urgency::Goods;
    Wish {
        class,
        cost,
        urgency,
    }
}

fn per_second(n: u32) -> Vec<Budget> {
    vec![Budget::paced(100, Some(n))]
}

/// Serves until nobody waits or this time is over; who got a turn, and when after the start.
fn run(queue: &mut Queue, mut now: Now, step: Duration, until: Duration) -> Vec<(u64, Duration)> {
    let begin = now.at;
    let mut turns = Vec::new();
    while now.at - begin <= until {
        for id in queue.serve(now) {
            queue.end(EVERY, 1, now);
            turns.push((id, now.at - begin));
        }
        now = later(now, step);
    }
    turns
}

#[test]
fn calls_a_second_have_equal_gaps() {
    let now = start();
    let mut queue = queue(&per_second(4), now);
    for _ in 0..3 {
        queue.join(wish(Urgency::Goods));
    }
    let turns = run(&mut queue, now, SECOND / 20, SECOND);
    let at: Vec<u128> = turns.iter().map(|(_, at)| at.as_millis()).collect();
    assert_eq!(at, [0, 250, 500]);
}

#[test]
fn money_goes_first_and_waits_for_one_refill_at_the_most() {
    let now = start();
    let mut queue = queue(&per_second(1), now);
    for _ in 0..40 {
        queue.join(wish(Urgency::Goods));
        queue.join(wish(Urgency::Reads));
    }
    // Wherever in the order of goods and reads it comes, the next turn is its own.
    let mut moment = now;
    for _ in 0..15 {
        assert_eq!(queue.serve(moment).len(), 1);
        queue.end(EVERY, 1, moment);
        let money = queue.join(wish(Urgency::Money));
        moment = later(moment, SECOND);
        assert_eq!(queue.serve(moment), [money]);
        queue.end(EVERY, 1, moment);
        moment = later(moment, SECOND);
    }
}

#[test]
fn reads_keep_one_call_in_five_and_pages_go_before_those_of_long_ago() {
    for writes in [Urgency::Goods, Urgency::Money] {
        let now = start();
        let mut queue = queue(&per_second(1), now);
        let mut of: BTreeMap<u64, Urgency> = BTreeMap::new();
        for urgency in [writes, Urgency::BackFill, Urgency::Reads] {
            for _ in 0..100 {
                of.insert(queue.join(wish(urgency)), urgency);
            }
        }
        let turns = run(&mut queue, now, SECOND, 100 * SECOND);
        let reads = turns.iter().filter(|(id, _)| of[id] == Urgency::Reads);
        // Money may keep one read waiting at the beginning.
        assert!((18..=21).contains(&reads.count()), "{writes:?}");
        assert!(turns.iter().all(|(id, _)| of[id] != Urgency::BackFill));
    }
}

#[test]
fn a_cheap_call_does_not_pass_a_dear_one_for_ever() {
    let now = start();
    let bucket = Limit::Bucket {
        capacity: 10,
        each: SECOND,
    };
    let mut queue = queue(&[Budget::account(vec![bucket])], now);
    let dear = queue.join(Wish {
        cost: 8,
        ..wish(Urgency::Goods)
    });
    for _ in 0..20 {
        queue.join(wish(Urgency::Reads));
    }
    let turns = run(&mut queue, now, SECOND, 7 * SECOND);
    assert_eq!(turns, [(dear, 7 * SECOND)]);
}

#[test]
fn classes_have_limits_of_their_own_and_wait_for_nobody_elses() {
    let now = start();
    let slow = Budget {
        class: "slow",
        limits: vec![Limit::Window {
            calls: 1,
            per: 60 * SECOND,
        }],
    };
    let mut queue = queue(&[Budget::paced(5, None), slow], now);
    let slow = Wish {
        class: "slow",
        ..wish(Urgency::Money)
    };
    let (first, second) = (queue.join(slow), queue.join(slow));
    let other = queue.join(wish(Urgency::BackFill));
    assert_eq!(queue.serve(now), [first, other]);
    queue.end("slow", 1, now);
    assert_eq!(
        queue.outlook(goods("slow", 1), now),
        Some(now.at + 60 * SECOND)
    );
    assert_eq!(queue.outlook(goods(EVERY, 1), now), Some(now.at));
    assert_eq!(queue.serve(later(now, 60 * SECOND)), [second]);
}

#[test]
fn a_throttle_holds_its_class_or_all_and_empties_the_bucket() {
    let now = start();
    let own = Budget {
        class: "own",
        limits: vec![Limit::AtOnce(3)],
    };
    let mut queue = queue(&[Budget::paced(5, Some(10)), own], now);
    queue.over("own", 60 * SECOND, Urgency::Reads, now);
    assert_eq!(queue.outlook(goods(EVERY, 1), now), Some(now.at));
    assert_eq!(
        queue.outlook(goods("own", 1), now),
        Some(now.at + 60 * SECOND)
    );
    assert_eq!(queue.rest(now), Duration::ZERO);
    queue.over("unknown", 30 * SECOND, Urgency::Reads, now);
    assert_eq!(queue.rest(now), 30 * SECOND);
    assert_eq!(
        queue.outlook(goods(EVERY, 1), now),
        Some(now.at + 30 * SECOND)
    );
    // It is over as soon as one of the two clocks says so.
    let stepped = Now {
        utc: now.utc + TimeDelta::seconds(31),
        ..now
    };
    assert_eq!(queue.rest(stepped), Duration::ZERO);
}

#[test]
fn an_answer_that_names_what_is_left_is_believed_less_what_is_under_way() {
    let now = start();
    let bucket = Limit::Bucket {
        capacity: 100,
        each: SECOND,
    };
    let mut queue = queue(&[Budget::account(vec![bucket])], now);
    let cost = |cost| Wish {
        cost,
        ..wish(Urgency::Reads)
    };
    queue.join(cost(1));
    assert_eq!(queue.serve(now).len(), 1);
    queue.left(EVERY, 80, None, 1, now);
    queue.join(cost(50));
    assert_eq!(queue.serve(now).len(), 1);
    // 80 were left when the first was answered, and 50 of them are under way.
    queue.left(EVERY, 80, Some(SECOND / 10), 1, now);
    assert_eq!(queue.outlook(goods(EVERY, 30), now), Some(now.at));
    assert_eq!(
        queue.outlook(goods(EVERY, 31), now),
        Some(now.at + SECOND / 10)
    );
}

#[test]
fn a_day_ends_where_the_external_system_is_and_goes_on_from_what_was_written() {
    let now = start();
    let day = Budget::account(vec![Limit::Day {
        calls: 3,
        zone: Tokyo,
    }]);
    let mut queue = queue(&[day], now);
    for _ in 0..9 {
        queue.join(wish(Urgency::Goods));
    }
    assert_eq!(queue.serve(now).len(), 3);
    assert_eq!(
        queue.outlook(goods(EVERY, 1), now),
        Some(now.at + 600 * SECOND)
    );
    assert_eq!(queue.serve(later(now, 599 * SECOND)).len(), 0);
    let midnight = later(now, 600 * SECOND);
    // Another process had two of the new day; nothing more is made before it is written down.
    let today = "2026-11-30".parse().unwrap();
    for (_, day) in queue.days() {
        day.go_on_from(Some((today, 2)), midnight);
    }
    assert_eq!(queue.serve(midnight).len(), 0);
    for (_, day) in queue.days() {
        day.written_down(today, 40);
    }
    assert_eq!(queue.serve(midnight).len(), 1);
    assert_eq!(queue.serve(later(midnight, 3600 * SECOND)).len(), 0);
}

#[test]
fn who_goes_away_to_wait_keeps_the_place_against_less_urgent_ones() {
    let now = start();
    let slow = Limit::Bucket {
        capacity: 1,
        each: 180 * SECOND,
    };
    let mut queue = queue(&[Budget::account(vec![slow])], now);
    let first = queue.join(wish(Urgency::Reads));
    assert_eq!(queue.serve(now), [first]);
    let money = queue.join(wish(Urgency::Money));
    let refill = queue.outlook(goods(EVERY, 1), now).unwrap() - now.at;
    assert_eq!(refill, 180 * SECOND);
    queue.keep_place(money, refill, now);
    assert_eq!(queue.first_kept(now), Some(refill));
    let read = queue.join(wish(Urgency::Reads));
    let then = later(now, 180 * SECOND);
    assert_eq!(queue.serve(then), [] as [u64; 0], "the place is kept");
    assert_eq!(queue.join(wish(Urgency::Money)), money);
    assert_eq!(queue.serve(then), [money]);
    // Nobody comes for a place: it is free after a while.
    queue.keep_place(read, Duration::ZERO, then);
    let other = queue.join(wish(Urgency::BackFill));
    assert_eq!(queue.serve(later(then, 190 * SECOND)), [other]);
}

#[derive(Clone, Debug)]
struct Arrival {
    after: u64,
    lasts: u64,
    cost: u32,
    urgency: usize,
    own_class: bool,
}

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let arrival = (0_u64..400, 1_u64..900, 1_u32..6, 0_usize..4, any::<bool>());
    let made = arrival.prop_map(|(after, lasts, cost, urgency, own_class)| Arrival {
        after,
        lasts,
        cost,
        urgency,
        own_class,
    });
    prop::collection::vec(made, 1..50)
}

fn limit() -> impl Strategy<Value = Limit> {
    prop_oneof![
        (1_u32..12, 20_u64..200).prop_map(|(capacity, each)| Limit::Bucket {
            capacity,
            each: Duration::from_millis(each)
        }),
        (1_u32..12, 100_u64..2000).prop_map(|(calls, per)| Limit::Window {
            calls,
            per: Duration::from_millis(per)
        }),
        (1_u32..30).prop_map(|calls| Limit::Day { calls, zone: Tokyo }),
        (1_u32..6).prop_map(Limit::AtOnce),
    ]
}

/// A call that had its turn: from when to when, in milliseconds after the start.
struct Made {
    from: u64,
    to: u64,
    cost: u32,
    own: bool,
    on: DateTime<Utc>,
}

/// The external system's own count of one limit, wherever between its start and its end each call has arrived.
fn exceeded(limit: &Limit, made: &[&Made], early: bool) -> Option<String> {
    let mut at: Vec<(u64, u32, DateTime<Utc>)> = (made.iter())
        .map(|m| (if early { m.from } else { m.to }, m.cost, m.on))
        .collect();
    at.sort_unstable();
    match limit {
        Limit::Bucket { capacity, each } => {
            // From any call on: no more than the bucket holds and what comes back. Only starts are in our hands.
            for (n, (from, ..)) in at.iter().enumerate().filter(|_| early) {
                let mut units = 0_u128;
                for (to, cost, _) in at.iter().skip(n) {
                    units += u128::from((*cost).min(*capacity));
                    let back = u128::from(to - from) / each.as_millis();
                    if units > u128::from(*capacity) + back {
                        return Some(format!("{units} units from {from} to {to}"));
                    }
                }
            }
            None
        }
        Limit::Window { calls, per } => at.iter().find_map(|(from, ..)| {
            let inside = at
                .iter()
                .filter(|(t, ..)| t >= from && u128::from(t - from) < per.as_millis());
            let n = inside.count();
            (n > *calls as usize).then(|| format!("{n} in the window from {from}"))
        }),
        Limit::Day { calls, zone } => {
            let mut days: BTreeMap<_, u32> = BTreeMap::new();
            for (.., on) in &at {
                *days.entry(on.with_timezone(zone).date_naive()).or_default() += 1;
            }
            days.into_iter()
                .find_map(|(day, n)| (n > *calls).then(|| format!("{n} on {day}")))
        }
        Limit::AtOnce(most) => made.iter().find_map(|one| {
            let others = made
                .iter()
                .filter(|m| m.from <= one.from && m.to > one.from);
            let n = others.count();
            (n > *most as usize).then(|| format!("{n} at once at {}", one.from))
        }),
    }
}

/// Whatever is asked for first is refused each time: what the other kind wants is not kept away by it.
#[test]
fn what_was_throttled_lets_the_other_kind_go_first_when_the_rest_ends() {
    for (refused, other) in [
        (Urgency::Reads, Urgency::Goods),
        (Urgency::Goods, Urgency::Reads),
    ] {
        let budgets = [Budget::account(vec![Limit::AtOnce(1)])];
        let mut now = start();
        let mut queue = queue(&budgets, now);
        let mut served = Vec::new();
        for _ in 0..3 {
            let again = queue.join(wish(refused));
            assert_eq!(queue.serve(now), [again]);
            queue.over(EVERY, 10 * SECOND, refused, now);
            queue.end(EVERY, 1, now);
            // It waits at once; the other comes a moment after the rest.
            let again = queue.join(wish(refused));
            now = later(now, 10 * SECOND);
            assert!(queue.serve(now).is_empty());
            now = later(now, SECOND / 2);
            let mine = queue.join(wish(other));
            served.extend(queue.serve(now).into_iter().filter(|id| *id == mine));
            queue.end(EVERY, 1, now);
            now = later(now, SECOND);
            assert_eq!(queue.serve(now), [again]);
            queue.end(EVERY, 1, now);
        }
        assert_eq!(served.len(), 3, "{refused:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the limits are and whenever calls come and end: none is exceeded, and nobody is forgotten while there is budget.
    #[test]
    fn no_limit_is_ever_exceeded(
        all in prop::collection::vec(limit(), 1..4),
        own in prop::collection::vec(limit(), 0..3),
        arrivals in arrivals(),
    ) {
        let one_day = |limits: Vec<Limit>| {
            let mut days = 0;
            limits.into_iter().filter(|l| !matches!(l, Limit::Day { .. }) || { days += 1; days == 1 }).collect::<Vec<_>>()
        };
        let (all, own) = (one_day(all), one_day(own));
        let begin = later(start(), 590 * SECOND);
        let budgets = [Budget::account(all.clone()), Budget { class: "own", limits: own.clone() }];
        let mut queue = queue(&budgets, begin);
        let urgencies = [Urgency::Money, Urgency::Goods, Urgency::Reads, Urgency::BackFill];
        let mut coming: Vec<(u64, &Arrival)> = Vec::new();
        let mut at = 0;
        for arrival in &arrivals {
            at += arrival.after;
            coming.push((at, arrival));
        }
        coming.reverse();
        let mut waiting: BTreeMap<u64, &Arrival> = BTreeMap::new();
        let mut under_way: Vec<(u64, &Arrival)> = Vec::new();
        let mut made: Vec<Made> = Vec::new();
        // Midnight in Tokyo comes in the middle, so that a day has room for those that the last one had not.
        for ms in (0..400_000_u64).step_by(20) {
            let now = later(begin, Duration::from_millis(ms));
            let class = |a: &Arrival| if a.own_class { "own" } else { EVERY };
            under_way.retain(|(end, arrival)| {
                let over = *end <= ms;
                if over { queue.end(class(arrival), arrival.cost, now); }
                !over
            });
            while coming.last().is_some_and(|(at, _)| *at <= ms) {
                let (_, arrival) = coming.pop().unwrap();
                let wish = Wish { class: class(arrival), cost: arrival.cost, urgency: urgencies[arrival.urgency] };
                waiting.insert(queue.join(wish), arrival);
            }
            if waiting.is_empty() && coming.is_empty() { break; }
            for id in queue.serve(now) {
                let arrival = waiting.remove(&id).unwrap();
                let end = ms + arrival.lasts.div_ceil(20) * 20;
                under_way.push((end, arrival));
                made.push(Made { from: ms, to: end, cost: arrival.cost, own: arrival.own_class, on: now.utc });
            }
        }
        let everything: Vec<&Made> = made.iter().collect();
        let of_own: Vec<&Made> = made.iter().filter(|m| m.own).collect();
        for early in [true, false] {
            for limit in &all {
                prop_assert_eq!(exceeded(limit, &everything, early), None, "{:?}", limit);
            }
            for limit in &own {
                prop_assert_eq!(exceeded(limit, &of_own, early), None, "{:?}", limit);
            }
        }
        let day = |l: &Limit| matches!(l, Limit::Day { .. });
        if !all.iter().chain(&own).any(day) {
            prop_assert!(waiting.is_empty(), "{} never had a turn", waiting.len());
        }
    }

    /// Under more writes than there is budget for, reads get one call in five, and money the next turn that comes.
    #[test]
    fn reads_keep_their_share_and_money_waits_one_refill(
        per in 1_u32..30, writes in prop::collection::vec(any::<bool>(), 300), moments in prop::collection::vec(0_u32..250, 0..12),
    ) {
        let begin = start();
        let mut queue = queue(&[Budget::paced(50, Some(per))], begin);
        let gap = SECOND / per;
        let mut reads = BTreeMap::new();
        let mut others = BTreeMap::new();
        for is_read in writes {
            let urgency = if is_read { Urgency::Reads } else { Urgency::Goods };
            let kind = if is_read { &mut reads } else { &mut others };
            kind.insert(queue.join(wish(urgency)), ());
        }
        let (mut turns, mut read, mut money) = (0_u32, 0_u32, Vec::new());
        for n in 0..250_u32 {
            let now = later(begin, gap * n);
            if n % 3 == 0 && moments.contains(&n) {
                money.push(queue.join(wish(Urgency::Money)));
            }
            for id in queue.serve(now) {
                queue.end(EVERY, 1, now);
                if let Some(mine) = money.pop() {
                    prop_assert_eq!(id, mine, "money had not the next turn");
                }
                if reads.remove(&id).is_some() { read += 1; }
                others.remove(&id);
                turns += 1;
            }
            if reads.is_empty() || others.is_empty() { break; }
        }
        prop_assert!(read * 5 + 10 >= turns, "{} reads of {} turns", read, turns);
    }
}

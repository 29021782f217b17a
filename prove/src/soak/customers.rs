//! The load: customers who order and change their minds, goods that come in, counts, and a bad line.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hikiate::demo::amounts::{Basket, Sold};
use hikiate::demo::evidence::Pay;
use hikiate::demo::orders::{Part, RARE, Wish, wish};
use hikiate::demo::scenes::place;
use hikiate_sdk::faulty::{Fault, FaultSeam as _, Prng, Target};
use hikiate_sdk::sim::SimClock;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::stage::{Bought, Stage};

/// How many of each rare item lie in a warehouse in the beginning.
pub(super) const FEW: i64 = 6;
/// Orders on their way beyond which nobody orders any more: how fast a machine is must decide how much is
/// proved, not whether it ends in time.
const MOST_OPEN: usize = 150;
/// What a shop's line does to calls now and then. None of these makes a call happen twice by itself, and
/// none is a definite refusal, which would rightly be an operator's.
const ON_THE_LINE: [Fault; 7] = [
    Fault::LostReply,
    Fault::NotSent,
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::RateLimited,
    Fault::Garbage,
    Fault::Truncated,
];
/// So many calls in a thousand meet one.
const PER_MILLE: u64 = 25;
/// What a mail server does.
const IN_THE_POST: [Fault; 4] = [
    Fault::LostReply,
    Fault::NotSent,
    Fault::Garbage,
    Fault::Truncated,
];

/// Places orders at a rate (a second) until told to stop.
pub(super) async fn order(stage: &Stage, rate: u32, seed: u64, stop: CancellationToken) {
    let mut chance = Prng::new(seed);
    let pause = Duration::from_secs(1) / rate.max(1);
    let mut doubts: VecDeque<(Instant, usize)> = VecDeque::new();
    let mut next = Instant::now();
    let mut count = 0;
    while !stop.is_cancelled() {
        if stage.open.load(Ordering::SeqCst) > MOST_OPEN {
            sleep(pause).await;
            continue;
        }
        let wish = one(count, &mut chance);
        count += 1;
        // Some regret it, from at once to after everything is over.
        let regrets = wish.part != Part::Unreadable && chance.per_mille(60);
        let placed = place(&stage.world, &wish);
        let at = {
            let mut bought = stage.bought.lock().unwrap_or_else(PoisonError::into_inner);
            bought.push(Bought {
                placed,
                cancelled: false,
                regrets,
                act: None,
            });
            bought.len() - 1
        };
        if regrets {
            let after = Duration::from_millis(chance.below(9000));
            doubts.push_back((Instant::now() + after, at));
        }
        let now = Instant::now();
        doubts.retain(|(when, at)| {
            if *when <= now {
                cancel(stage, *at);
            }
            *when > now
        });
        // A machine that cannot keep up places fewer, not all at once later.
        next = (next + pause).max(Instant::now().checked_sub(pause).unwrap_or(next));
        sleep(next.saturating_duration_since(Instant::now())).await;
    }
}

fn cancel(stage: &Stage, at: usize) {
    let mut bought = stage.bought.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(order) = bought.get_mut(at) else {
        return;
    };
    let account = order.placed.account;
    let shop = stage.world.shops.iter().find(|s| s.account == account);
    // A shop that has handed goods over does not let them.
    order.cancelled = shop.is_some_and(|shop| shop.cancel_order(&order.placed.id));
}

/// What a customer wants.
fn one(at: usize, chance: &mut Prng) -> Wish {
    let part = match chance.below(1000) {
        0..=9 => Part::Unreadable,
        10..=19 => Part::Short,
        20..=34 => Part::Held,
        35..=64 => Part::Deposit,
        65..=184 => Part::Split,
        _ => Part::Plain,
    };
    let mut wish = wish(at, part, usize::MAX / 10, chance);
    wish.shop = usize::try_from(chance.below(2)).unwrap_or(0);
    if part == Part::Plain && chance.per_mille(120) {
        let rare = RARE[usize::try_from(chance.below(3)).unwrap_or(0)];
        wish.pay = Pay::Card;
        wish.basket = Basket {
            lines: vec![Sold {
                code: rare.0.to_owned(),
                quantity: 1 + u32::try_from(chance.below(2)).unwrap_or(0),
                price: rare.1,
            }],
            ..wish.basket
        };
    }
    wish
}

/// Has rare goods come in and the shelves counted, until told to stop; then so much comes that everybody
/// can be served.
pub(super) async fn supply(stage: &Stage, seed: u64, stop: CancellationToken) {
    let mut chance = Prng::new(seed);
    loop {
        let pause = Duration::from_millis(8000 + chance.below(9000));
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(pause) => {}
        }
        for code in RARE.map(|(code, _)| code) {
            let more = i64::try_from(chance.below(9)).unwrap_or(0);
            add(stage, code, more);
        }
        count(stage).await;
    }
    for code in RARE.map(|(code, _)| code) {
        add(stage, code, 10_000);
    }
    count(stage).await;
}

/// Puts goods on the shelf of each warehouse that has the item, after a look whether it has given more than it had.
fn add(stage: &Stage, code: &str, more: i64) {
    for (n, warehouse) in stage.world.warehouses.iter().enumerate() {
        let Some(shelf) = warehouse.sim.stock().get(code).copied() else {
            continue;
        };
        if shelf < 0 {
            stage.notes.wrong(format!(
                "oversold: {} has shipped {} of {code} more than it had",
                warehouse.name, -shelf
            ));
        }
        warehouse.sim.add_stock(code, more);
        let mut supplied = stage
            .supplied
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        supplied.push((n, code.to_owned(), more));
    }
}

/// Both warehouses count, and say so in a file.
pub(super) async fn count(stage: &Stage) {
    for warehouse in &stage.world.warehouses {
        let now = SimClock::real().now();
        if let Err(error) = warehouse.sim.write_stock(now).await {
            stage.notes.wrong(format!(
                "{} could not write its count: {error}",
                warehouse.name
            ));
        }
    }
}

/// Disturbs calls until told to stop: a share of those to the shops, and a mail now and then.
pub(super) async fn disturb(stage: &Stage, seed: u64, stop: CancellationToken) {
    let mut chance = Prng::new(seed);
    for shop in &stage.world.shops {
        shop.wire
            .draw(chance.next_u64(), PER_MILLE, ON_THE_LINE.to_vec());
    }
    let mail = &stage.world.mail;
    let mut ordered = 0;
    while !stop.is_cancelled() {
        // Where no mail goes out, trouble does not pile up.
        if ordered == mail.injected().values().sum::<u64>() {
            let which = chance.below(u64::try_from(IN_THE_POST.len()).unwrap_or(1));
            let fault = IN_THE_POST[usize::try_from(which).unwrap_or(0)];
            mail.inject(Target::Write, fault);
            ordered += 1;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(Duration::from_millis(4000 + chance.below(8000))) => {}
        }
    }
    for shop in &stage.world.shops {
        shop.wire.calm();
    }
}

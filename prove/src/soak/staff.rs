//! Staff at the shops, who do by hand what hikiate does too: pack, ship, correct a number, move, complete, delete.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use hikiate::demo::evidence::Pay;
use hikiate::demo::orders::{Part, RARE};
use hikiate_medusa::sim::MedusaSim;
use hikiate_sdk::Party;
use hikiate_sdk::faulty::Prng;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::stage::{Act, Bought, Stage};

/// Staff look at the newest orders.
const RECENT: usize = 40;

/// What an act is followed by, after a while.
enum Later {
    /// Another number for a fulfilment.
    Correct(String),
    /// A packed fulfilment is opened again.
    Unpack(String),
    /// The deleted order comes back.
    Restore,
    /// So much more is given back.
    Refund(i64),
    /// The customer pays what was voided.
    PayAgain,
}

/// Acts until told to stop, and finishes what it has begun.
pub(super) async fn act(stage: &Stage, seed: u64, stop: CancellationToken) {
    let mut chance = Prng::new(seed);
    let mut later: Vec<(Instant, usize, Later)> = Vec::new();
    let mut numbers = 900_000_000_000_u64;
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    while !stop.is_cancelled() || !later.is_empty() {
        let (now, over) = (Instant::now(), stop.is_cancelled());
        let (due, rest) = later
            .into_iter()
            .partition(|(when, _, _)| over || *when <= now);
        later = rest;
        for (_, at, what) in due {
            follow(stage, at, what, &mut numbers).await;
        }
        if over {
            continue;
        }
        if let Some((at, act)) = choose(stage, &mut chance)
            && let Some(next) = begin(stage, at, act, &mut chance, &mut numbers)
        {
            *done.entry(act.word()).or_default() += 1;
            let after = Duration::from_millis(500 + chance.below(6000));
            later.extend(next.map(|next| (now + after, at, next)));
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(Duration::from_millis(400 + chance.below(1100))) => {}
        }
    }
    let all: Vec<String> = done.iter().map(|(act, n)| format!("{n} {act}")).collect();
    stage.notes.say(&format!("staff: {}", all.join(", ")));
}

/// An order that nobody has acted on, and what is to be done with it. It is marked at once.
fn choose(stage: &Stage, chance: &mut Prng) -> Option<(usize, Act)> {
    let mut bought = stage.bought.lock().unwrap_or_else(PoisonError::into_inner);
    let from = bought.len().saturating_sub(RECENT);
    let free: Vec<usize> = (from..bought.len())
        .filter(|at| bought.get(*at).is_some_and(is_free))
        .collect();
    let n = chance.below(u64::try_from(free.len().max(1)).unwrap_or(1));
    let at = *free.get(usize::try_from(n).unwrap_or(0))?;
    let act = match chance.below(100) {
        0..=19 => Act::ShippedByHand,
        20..=27 => Act::NumberCorrected,
        28..=39 => Act::Packed,
        40..=49 => Act::Completed,
        50..=59 => Act::Moved,
        60..=69 => Act::Deleted,
        70..=89 => Act::Refunded,
        _ => Act::Voided,
    };
    let order = bought.get_mut(at)?;
    let money = matches!(act, Act::Refunded | Act::Voided);
    if money && order.placed.wish.pay != Pay::Card {
        return None;
    }
    order.act = Some(act);
    Some((at, act))
}

/// Ordinary goods, no customer who regrets it, nobody else at work on it.
pub(super) fn is_free(order: &Bought) -> bool {
    let wish = &order.placed.wish;
    let rare = |code: &str| RARE.iter().any(|(known, _)| *known == code);
    order.act.is_none()
        && !order.regrets
        && matches!(wish.part, Part::Plain | Part::Split)
        && !wish.basket.lines.iter().any(|line| rare(&line.code))
}

/// Does it; `None` where the shop does not let them, `Some(None)` where nothing follows.
fn begin(
    stage: &Stage,
    at: usize,
    act: Act,
    chance: &mut Prng,
    numbers: &mut u64,
) -> Option<Option<Later>> {
    let order = stage.bought().get(at).cloned()?;
    let id = &order.placed.id;
    let shop = shop(stage, &order)?;
    let places = [
        Some("sloc_tokyo"),
        Some("sloc_osaka"),
        Some("sloc_store"),
        None,
    ];
    let place = places[usize::try_from(chance.below(4)).unwrap_or(0)];
    match act {
        Act::ShippedByHand | Act::NumberCorrected => {
            let made = shop.staff_fulfil(id, &[], place)?;
            *numbers += 1;
            let shipped = shop.staff_ship(id, &made, &[&numbers.to_string()]);
            let correct = act == Act::NumberCorrected;
            shipped.then(|| correct.then_some(Later::Correct(made)))
        }
        Act::Packed => {
            let made = shop.staff_fulfil(id, &[], place)?;
            Some(Some(Later::Unpack(made)))
        }
        Act::Completed => shop.complete(id).then_some(None),
        Act::Moved => {
            let wish = &order.placed.wish;
            let mut to: Party = wish.address();
            to.address1 = format!("{} 移転先{}", to.address1, wish.customer);
            shop.edit_address(id, Some(to)).then_some(None)
        }
        Act::Deleted => shop.delete(id).then_some(Some(Later::Restore)),
        Act::Refunded => {
            // Some are captured whole before anything ships; of the others what was captured by us is given back.
            if chance.below(2) == 0 {
                shop.capture_by_staff(id);
            }
            let kept = shop.order(id)?.captured;
            let part = |percent: u64| kept * i64::try_from(percent).unwrap_or(0) / 100;
            let (first, then) = (part(1 + chance.below(40)), part(1 + chance.below(40)));
            let done = shop.refund_by_staff(id, first);
            done.then_some(Some(Later::Refund(then)))
        }
        Act::Voided => shop.void_payment(id).then_some(Some(Later::PayAgain)),
        Act::Ended | Act::Held => None,
    }
}

async fn follow(stage: &Stage, at: usize, what: Later, numbers: &mut u64) {
    let Some(order) = stage.bought().get(at).cloned() else {
        return;
    };
    let Some(shop) = shop(stage, &order) else {
        return;
    };
    let id = &order.placed.id;
    let done = match what {
        Later::Correct(fulfilment) => {
            *numbers += 1;
            let number = numbers.to_string();
            shop.staff_correct_tracking(id, &fulfilment, &[&number])
                .is_some()
        }
        // What came to nothing is not given back.
        Later::Refund(amount) => amount == 0 || shop.refund_by_staff(id, amount),
        Later::PayAgain => shop.reauthorise(id).is_some() && shop.tag(id, &["paid again"]),
        Later::Unpack(fulfilment) => shop.staff_cancel_fulfilment(id, &fulfilment),
        Later::Restore => {
            let known = "SELECT EXISTS (SELECT FROM subjects WHERE external_id = $1 AND origin <> 'placeholder')";
            let known = sqlx::query_scalar(known).bind(id).fetch_one(&stage.pool);
            // It comes back with its old time of change: one that was never read is read when it changes again.
            shop.restore(id) && (known.await.unwrap_or(false) || shop.tag(id, &["restored"]))
        }
    };
    if !done {
        let number = &order.placed.number;
        stage
            .notes
            .wrong(format!("staff could not finish at {number}"));
    }
}

fn shop<'a>(stage: &'a Stage, order: &Bought) -> Option<&'a MedusaSim> {
    let mut shops = stage.world.shops.iter();
    let shop = shops.find(|shop| shop.account == order.placed.account)?;
    shop.medusa()
}

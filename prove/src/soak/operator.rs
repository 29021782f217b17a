//! The operator who decides: holds and lets go, ends orders, pauses accounts and stops shipping for a while, does what
//! tasks say, and after the database was set back types again what it has lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hikiate::demo::evidence::Pay;
use hikiate_sdk::faulty::Prng;
use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::desk::{released_by, tasks_of};
use super::staff::is_free;
use super::stage::{Act, Bought, Stage};

/// Tasks about what people did that the operator settles as they say.
const SETTLED: [&str; 10] = [
    "completed",
    "changed_after_sealing",
    "shipped_twice",
    "over_shipped",
    "fulfilment_cancelled",
    "notice_cancelled",
    "shipping_notice_rejected",
    "capture_rejected",
    "ended_captured",
    "shipped_place_unknown",
];
/// Accounts that are paused now and then.
const ACCOUNTS: [&str; 5] = ["shop-a", "shop-b", "tokyo-3pl", "osaka-3pl", "post"];
const WHY: [&str; 2] = ["--reason", "an operator's decision"];
/// How often a lost command is typed before it is given up: its order is read again in the meantime.
const TRIES: u32 = 40;

/// Decides until told to stop, and undoes what is only for a while.
pub(super) async fn decide(stage: &Stage, seed: u64, stop: CancellationToken) {
    let mut chance = Prng::new(seed);
    let mut later: VecDeque<(Instant, Vec<String>)> = VecDeque::new();
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    while !stop.is_cancelled() || !later.is_empty() {
        let over = stop.is_cancelled();
        if let Some((when, words)) = later.pop_front() {
            // Typed again and again until it is taken: the database may be away.
            if (!over && when > Instant::now()) || !typed(stage, &words).await {
                later.push_back((when, words));
            }
        } else if !over && let Some((word, undo)) = one(stage, &mut chance).await {
            *done.entry(word).or_default() += 1;
            let after = Duration::from_millis(1000 + chance.below(4000));
            later.extend(undo.map(|words| (Instant::now() + after, words)));
        }
        tokio::select! {
            () = stop.cancelled(), if !over => {}
            () = sleep(Duration::from_millis(500 + chance.below(1500))) => {}
        }
    }
    let all: Vec<String> = done.iter().map(|(act, n)| format!("{n} {act}")).collect();
    stage.notes.say(&format!("operators: {}", all.join(", ")));
}

/// One decision, and what undoes it.
async fn one(stage: &Stage, chance: &mut Prng) -> Option<(&'static str, Option<Vec<String>>)> {
    let words = |words: &[&str]| -> Vec<String> {
        let all = words.iter().chain(&WHY);
        all.map(|word| (*word).to_owned()).collect()
    };
    match chance.below(100) {
        0..=34 => {
            let number = choose(stage, Act::Held)?;
            let held = typed(stage, &words(&["order", "hold", &number])).await;
            held.then(|| {
                let release = ["order", "release", &number, "--rule", "manual"];
                ("held", Some(words(&release)))
            })
        }
        35..=69 => {
            let number = choose(stage, Act::Ended)?;
            // It was marked as ended, so it is typed until it is.
            Some(("ended", Some(words(&["order", "end", &number]))))
        }
        70..=89 => {
            let at = usize::try_from(chance.below(5)).unwrap_or(0);
            let account = ACCOUNTS[at];
            let paused = typed(stage, &words(&["pause", account])).await;
            paused.then(|| ("accounts paused", Some(words(&["resume", account]))))
        }
        _ => {
            let warehouse = ["tokyo", "osaka"][usize::try_from(chance.below(2)).unwrap_or(0)];
            let stopped = words(&["stop-shipping", "--warehouse", warehouse]);
            typed(stage, &stopped)
                .await
                .then_some(("shipping stopped", None))
        }
    }
}

/// A newest order of the daemon's that nobody has acted on, marked at once. One that is ended is paid by card: money
/// that came before is the shop's to give back.
fn choose(stage: &Stage, act: Act) -> Option<String> {
    let mut bought = stage.bought.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = |order: &&mut Bought| {
        is_free(order) && (act != Act::Ended || order.placed.wish.pay == Pay::Card)
    };
    // Not the very newest: the daemon has to know it.
    let order = bought.iter_mut().rev().skip(6).take(40).find(fits)?;
    order.act = Some(act);
    Some(order.placed.number.clone())
}

/// True when the command was taken.
async fn typed(stage: &Stage, words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match stage.fleet.program().type_in(&words).await {
        Ok(()) => true,
        Err(error) => {
            let text = format!("{error:#}");
            if !text.contains("exit status: 75") && !text.contains("exit status: 4") {
                stage.notes.say(&format!("an operator: {text}"));
            }
            // What holds already, or no longer, needs no typing.
            text.contains("exit status: 5")
        }
    }
}

/// Lifts what was only for a while and is still in force: stops of shipping, and pauses and holds whose end fell into the time
/// between the setting back of the database and their being typed again.
async fn lift(stage: &Stage) -> anyhow::Result<()> {
    let stops: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM shipping_stops WHERE lifted_at IS NULL AND since < hk_now() - interval '3 s' ORDER BY id",
    )
    .fetch_all(&stage.pool)
    .await?;
    for id in stops {
        let id = id.to_string();
        let words = [&["stop-shipping", "lift", &id][..], &WHY].concat();
        stage.fleet.program().type_in(&words).await?;
    }
    let paused: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT a.slug FROM account_pauses p JOIN accounts a ON a.id = p.account_id
         WHERE p.since < hk_now() - interval '30 s' ORDER BY a.slug",
    )
    .fetch_all(&stage.pool)
    .await?;
    let held: Vec<String> = sqlx::query_scalar(
        "SELECT s.number FROM tasks k JOIN subjects s ON s.id = k.subject_id
         WHERE k.kind = 'hold:manual' AND k.since < hk_now() - interval '30 s' ORDER BY s.number",
    )
    .fetch_all(&stage.pool)
    .await?;
    for number in held {
        let release = ["order", "release", &number, "--rule", "manual"];
        let words = [&release[..], &WHY].concat();
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        // Released meanwhile is released.
        typed(stage, &words).await;
    }
    for account in paused {
        let words = [&["resume", &account][..], &WHY].concat();
        stage.fleet.program().type_in(&words).await?;
    }
    Ok(())
}

/// One look at the list: does what tasks about people's acts say.
pub(super) async fn settle(stage: &Stage) -> anyhow::Result<()> {
    // A task that went away by itself is refused, and must not keep anything stopped.
    lift(stage).await?;
    let bought = stage.bought();
    let cancelled = |number: &str| {
        let order = bought.iter().find(|order| order.placed.number == number);
        order.is_none_or(|order| order.cancelled)
    };
    for kind in SETTLED {
        for (number, actions) in tasks_of(stage, kind).await? {
            if cancelled(&number) {
                continue;
            }
            let rule = released_by(&actions).context("the task names no rule")?;
            let words = ["order", "release", &number, "--rule", rule];
            let words = [&words[..], &WHY].concat();
            stage.fleet.program().type_in(&words).await?;
        }
    }
    Ok(())
}

/// A command that the database has lost, and how often it was typed again.
#[derive(Clone, Debug)]
pub(super) struct LostCommand {
    words: Vec<String>,
    tries: u32,
}

/// What was typed since a time and is not known to the database, by the dry run of `recover`.
pub(super) async fn lost_commands(stage: &Stage, since: &str) -> anyhow::Result<Vec<LostCommand>> {
    let look = ["recover", "--dry-run", "--json", "--lost-since", since];
    let words = [&look[..], &["--reason", "look"]].concat();
    let told: Value = serde_json::from_str(&stage.fleet.program().answer(&words).await?)?;
    let acts = told.get("lost_acts").and_then(Value::as_array);
    let acts = acts.context("no commands are listed")?;
    acts.iter()
        .map(|act| {
            let command = act.get("command").and_then(Value::as_str);
            let command = command.context("an act without a command")?;
            let words = shlex::split(command).with_context(|| command.to_owned())?;
            Ok(LostCommand { words, tries: 0 })
        })
        .collect()
}

/// Types lost commands again, each until it is taken. What cannot be taken any more is passed over, but for an end.
pub(super) async fn retype(stage: &Stage) {
    let lost = std::mem::take(&mut *stage.lost.lock().unwrap_or_else(PoisonError::into_inner));
    for mut command in lost {
        if typed(stage, &command.words).await {
            continue;
        }
        command.tries += 1;
        if command.tries < TRIES {
            let mut lost = stage.lost.lock().unwrap_or_else(PoisonError::into_inner);
            lost.push(command);
        } else if command.words.get(1).is_some_and(|word| word == "end") {
            let line = command.words.join(" ");
            stage
                .notes
                .wrong(format!("{line} is not accepted after the data loss"));
        }
    }
}

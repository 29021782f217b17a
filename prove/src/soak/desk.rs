//! The operator: reads the list of tasks, looks at the external systems, and types commands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use hikiate::action::{Action, stored};
use hikiate::demo::orders::Part;
use hikiate::facts::{FactBody, IntentWhat};
use hikiate_sdk::Call;
use sqlx::Row as _;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::lost;
use super::operator;
use super::stage::{Bought, Stage};

/// Between two looks at the list.
const LOOK: Duration = Duration::from_millis(1500);
/// Orders named in one command.
const AT_ONCE: usize = 20;

/// Works until told to stop. A database that is away is no reason for an operator to stop either.
pub(super) async fn work(stage: &Stage, stop: CancellationToken) {
    let mut said = String::new();
    while !stop.is_cancelled() {
        for error in round(stage).await {
            let words = format!("{error:#}");
            // What the operator is told when the database is away needs no line.
            if !words.contains("exit status: 75") && !words.contains("database") && words != said {
                stage.notes.say(&format!("operator: {words}"));
                said = words;
            }
        }
        sleep(LOOK).await;
    }
}

/// One look at everything; what could not be done is tried again at the next.
async fn round(stage: &Stage) -> Vec<anyhow::Error> {
    let orders: BTreeMap<String, Bought> = stage
        .bought()
        .into_iter()
        .map(|order| (order.placed.number.clone(), order))
        .collect();
    let done = [
        backlog(stage).await,
        release(stage).await,
        give_back(stage).await,
        rest(stage).await,
        deposits(stage, &orders).await,
        lost::instructions(stage).await,
        lost::journals(stage).await,
        unknown(stage).await,
        operator::settle(stage).await,
    ];
    operator::retype(stage).await;
    done.into_iter().filter_map(Result::err).collect()
}

/// Counts the orders that are on their way.
async fn backlog(stage: &Stage) -> anyhow::Result<()> {
    let ended: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM subjects WHERE kind = 'order' AND status IN ('booked', 'cancelled')",
    )
    .fetch_one(&stage.pool)
    .await?;
    let open = stage.bought().len().saturating_sub(usize::try_from(ended)?);
    stage.open.store(open, Ordering::SeqCst);
    Ok(())
}

/// Lets go of what the rule for high values holds.
async fn release(stage: &Stage) -> anyhow::Result<()> {
    let held: Vec<String> = sqlx::query_scalar(
        "SELECT s.number FROM tasks k JOIN subjects s ON s.id = k.subject_id WHERE k.kind = 'hold:high-value' ORDER BY s.id",
    )
    .fetch_all(&stage.pool)
    .await?;
    for some in held.chunks(AT_ONCE) {
        let mut words = vec!["order", "release"];
        words.extend(some.iter().map(String::as_str));
        words.extend(["--reason", "the customer is known"]);
        stage.fleet.program().type_in(&words).await?;
    }
    Ok(())
}

/// Orders with a task of a kind, and what may be typed about it.
pub(super) async fn tasks_of(
    stage: &Stage,
    kind: &str,
) -> anyhow::Result<Vec<(String, Vec<Action>)>> {
    let rows: Vec<(String, serde_json::Value)> = sqlx::query_as(
        "SELECT s.number, k.actions FROM tasks k JOIN subjects s ON s.id = k.subject_id WHERE k.kind = $1 ORDER BY s.id",
    )
    .bind(kind)
    .fetch_all(&stage.pool)
    .await?;
    let with_actions = |(number, actions)| (number, stored(actions));
    Ok(rows.into_iter().map(with_actions).collect())
}

/// The rule that a task asks to be released.
pub(super) fn released_by(actions: &[Action]) -> Option<&str> {
    actions.iter().find_map(|action| match action {
        Action::Release { rule } => rule.as_deref(),
        _ => None,
    })
}

/// Gives deposits back that came for an order after it was cancelled, or once too often.
async fn give_back(stage: &Stage) -> anyhow::Result<()> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT s.number, k.kind FROM tasks k JOIN subjects s ON s.id = k.subject_id
         WHERE k.kind IN ('deposit_for_cancelled_order', 'deposit_overpaid') ORDER BY s.id",
    )
    .fetch_all(&stage.pool)
    .await?;
    for (number, rule) in rows {
        let reason = ["--reason", "the money was refunded"];
        let words = ["order", "release", &number, "--rule", &rule];
        stage
            .fleet
            .program()
            .type_in(&[&words[..], &reason[..]].concat())
            .await?;
    }
    Ok(())
}

/// Has planned anew what a warehouse says will not come: only after a lost window does one ship less than it
/// was told, because it was told less than the program believes.
async fn rest(stage: &Stage) -> anyhow::Result<()> {
    if stage.windows().is_empty() {
        return Ok(());
    }
    for (number, actions) in tasks_of(stage, "shipped_short").await? {
        let rule = released_by(&actions).context("the task names no rule")?;
        let reason = [
            "--reason",
            "the warehouse was asked: the rest does not come",
        ];
        let words = ["order", "release", &number, "--rule", rule];
        stage
            .fleet
            .program()
            .type_in(&[&words[..], &reason[..]].concat())
            .await?;
    }
    Ok(())
}

/// Tells of the money that has come for orders that wait for it.
async fn deposits(stage: &Stage, orders: &BTreeMap<String, Bought>) -> anyhow::Result<()> {
    let waiting: Vec<String> = sqlx::query_scalar(
        "SELECT number FROM subjects WHERE kind = 'order' AND blocked_by LIKE 'payment%' AND closed_at IS NULL ORDER BY id",
    )
    .fetch_all(&stage.pool)
    .await?;
    let known: BTreeSet<String> =
        sqlx::query_scalar("SELECT external_id FROM subjects WHERE kind = 'deposit'")
            .fetch_all(&stage.pool)
            .await?
            .into_iter()
            .collect();
    for number in &waiting {
        let Some(order) = orders.get(number) else {
            continue;
        };
        let reference = format!("bank-{}", order.placed.wish.customer);
        if order.placed.wish.part != Part::Deposit || known.contains(&reference) {
            continue;
        }
        let amount = order.placed.wish.basket.total().to_string();
        stage
            .fleet
            .program()
            .type_in(&["deposit", "add", number, &amount, "--reference", &reference])
            .await?;
    }
    Ok(())
}

/// Looks into the external systems for every call whose outcome is unknown, and says what was seen.
async fn unknown(stage: &Stage) -> anyhow::Result<()> {
    let rows = sqlx::query(
        "SELECT e.id, e.op, f.key, f.kind, f.version, f.body, s.number, s.external_id, a.slug FROM effects e JOIN facts f ON f.id = e.intent_id
         JOIN subjects s ON s.id = e.subject_id JOIN accounts a ON a.id = e.account_id
         WHERE e.state = 'unresolved' ORDER BY e.id LIMIT 50",
    )
    .fetch_all(&stage.pool)
    .await?;
    for row in rows {
        let (id, op): (i64, String) = (row.try_get("id")?, row.try_get("op")?);
        let (key, order): (String, String) = (row.try_get("key")?, row.try_get("external_id")?);
        let account: String = row.try_get("slug")?;
        let (kind, version, body) = (
            row.try_get("kind")?,
            row.try_get("version")?,
            row.try_get("body")?,
        );
        let shipment = shipment_told(FactBody::read(kind, version, body)?);
        let seen = happened(stage, &op, &key, &order, &account, shipment.as_deref());
        let Some(seen) = seen else {
            stage.notes.wrong(format!(
                "it cannot be determined whether {key} (effect {id}) happened"
            ));
            continue;
        };
        let (id, word) = (id.to_string(), if seen { "done" } else { "not-done" });
        let reason = ["--reason", "looked at the external system"];
        let words = ["effect", "resolve", &id, word];
        stage
            .fleet
            .program()
            .type_in(&[&words[..], &reason[..]].concat())
            .await?;
    }
    Ok(())
}

/// The shipment that a call tells a shop of.
fn shipment_told(intent: FactBody) -> Option<String> {
    let FactBody::Intent(intent) = intent else {
        return None;
    };
    let IntentWhat::Call { call, .. } = intent.what else {
        return None;
    };
    match *call {
        Call::Fulfil(call) => Some(call.reference.to_string()),
        Call::Ship(call) => Some(call.reference.to_string()),
        _ => None,
    }
}

/// Whether an external system has done something; `None` when an operator would have to guess.
fn happened(
    stage: &Stage,
    op: &str,
    key: &str,
    order: &str,
    account: &str,
    shipment: Option<&str>,
) -> Option<bool> {
    let shop = stage.world.shops.iter().find(|s| s.account == account);
    let memory = shop.and_then(|shop| shop.order(order));
    match op {
        "fulfil" | "ship" => {
            let memory = memory?;
            let mut told = memory
                .fulfilments
                .iter()
                .filter(|f| f.reference.as_deref() == shipment);
            Some(told.any(|f| f.shipped || op == "fulfil"))
        }
        "mail" => {
            let bought = stage.bought();
            let to = bought
                .iter()
                .find(|b| b.placed.id == order && key.contains(b.placed.account))?;
            let to = to.placed.wish.email();
            Some(
                stage
                    .world
                    .mail
                    .mails()
                    .iter()
                    .any(|mail| mail.to.contains(&to)),
            )
        }
        // A shop captures everything at once or by shipment; either way the last number says how often.
        "capture" => {
            let n: usize = key.rsplit(':').next()?.parse().ok()?;
            let memory = memory?;
            Some(memory.captures - memory.captures_by_staff >= n)
        }
        "cancel_order" => Some(memory?.cancelled),
        "instruct" | "post_journal" | "cancel_instruction" => {
            let name = key.rsplit(':').next()?;
            let folder = stage.root.join(account.trim_end_matches("-3pl"));
            Some(["outgoing", "picked-up"].iter().any(|part| {
                std::fs::read_dir(folder.join(part)).is_ok_and(|mut files| {
                    files.any(|file| {
                        file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with(name))
                    })
                })
            }))
        }
        _ => None,
    }
}

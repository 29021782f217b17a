//! `hikiate stop-shipping`.

use hikiate_sdk::text::quoted;
use serde_json::json;

use super::args::{StopCommand, StopShipping};
use super::failure::Failure;
use super::session::Session;
use crate::store::{StopScope, Stopped};

/// Makes a stop, lists or lifts them.
pub(crate) async fn run(session: &Session, args: StopShipping) -> Result<(), Failure> {
    match args.command {
        Some(StopCommand::List) => list(session).await,
        Some(StopCommand::Lift { ids, reason }) => lift(session, &ids, &reason).await,
        None => stop(session, args).await,
    }
}

async fn stop(session: &Session, args: StopShipping) -> Result<(), Failure> {
    let reason = args.reason.unwrap_or_default();
    let scope = StopScope {
        sku: args.sku,
        channel: args.channel,
        warehouse: args.warehouse,
    };
    let today = session.today().await?;
    let (recall, dry) = (args.recall, args.dry_run);
    let before = session.store.list_stops().await?;
    let write = || {
        let (store, actor) = (&session.store, session.actor.as_str());
        store.stop_shipping(&scope, recall, &reason, actor, today, dry)
    };
    let stopped = session.store.retried("stop_shipping", write).await?;
    let told = json!({
        "dry_run": dry, "stop": (!dry).then_some(stopped.id), "waiting": stopped.waiting,
        "instructed": stopped.instructed.iter().map(|(place, list)| json!({ "warehouse": place, "references": list })).collect::<Vec<_>>(),
        "recalled": stopped.recalled,
    });
    let stood = before.iter().find(|row| row.id == stopped.id);
    let stood = stood.map_or_else(String::new, |row| {
        format!(
            "it stands since {} with the reason {}, which stays\n",
            session.out.time(row.since),
            quoted(&row.reason)
        )
    });
    session
        .out
        .one(&told, || words(&stopped, recall, dry) + &stood)
}

fn words(stopped: &Stopped, recall: bool, dry: bool) -> String {
    let Stopped {
        id,
        waiting,
        instructed,
        recalled,
    } = stopped;
    let mut text = if dry {
        format!("{waiting} shipments that wait would not be sealed, nor any that come later\n")
    } else {
        format!(
            "stop {id}: {waiting} shipments that wait are not sealed, nor any that come later\n"
        )
    };
    for (place, references) in instructed {
        text.push_str(&format!(
            "{} has {} that match and were not reported as shipped: {}\n",
            place,
            references.len(),
            references.join(", ")
        ));
    }
    text.push_str(&match (instructed.is_empty(), recall, dry) {
        (true, _, _) => "no warehouse has any that match\n".to_owned(),
        (false, false, _) => "they are not asked back: --recall does that\n".to_owned(),
        (false, true, true) => {
            format!("{recalled} would be asked back, which cannot be undone; each warehouse's answer decides\n")
        }
        (false, true, false) => {
            format!("{recalled} are asked back; each warehouse's answer decides, and `hikiate tasks` shows what was not stopped\n")
        }
    });
    text.push_str(&if dry {
        "nothing was changed; type it again without --dry-run\n".to_owned()
    } else {
        format!("`hikiate stop-shipping lift {id} --reason TEXT` lets them go on\n")
    });
    text
}

async fn list(session: &Session) -> Result<(), Failure> {
    let (out, rows) = (session.out, session.store.list_stops().await?);
    let columns = [
        "ID",
        "ITEM",
        "CHANNEL",
        "WAREHOUSE",
        "SINCE",
        "ACTOR",
        "WAITING",
        "INSTRUCTED",
        "WHY",
    ];
    out.list(&rows, &columns, "nothing is stopped", |row| {
        let all = |name: &Option<String>| name.clone().unwrap_or_else(|| "all".to_owned());
        vec![
            row.id.to_string(),
            all(&row.sku),
            all(&row.channel),
            all(&row.warehouse),
            out.time(row.since),
            row.actor.clone(),
            row.waiting.to_string(),
            row.instructed.to_string(),
            row.reason.clone(),
        ]
    })
}

async fn lift(session: &Session, ids: &[i64], reason: &str) -> Result<(), Failure> {
    let known = session.store.list_stops().await?;
    let missing: Vec<String> = ids
        .iter()
        .filter(|id| !known.iter().any(|row| row.id == **id))
        .map(i64::to_string)
        .collect();
    if !missing.is_empty() {
        return Err(Failure::NotFound(format!(
            "no stop {} stands: `hikiate stop-shipping list` shows them\nnothing was done",
            missing.join(", ")
        )));
    }
    let mut done = Vec::new();
    for id in ids {
        let write = || session.store.lift_stop(*id, reason, &session.actor);
        let waiting = session.store.retried("lift_stop", write).await?;
        done.push(json!({ "stop": id, "shipments": waiting }));
    }
    session.out.one(&done, || {
        done.iter()
            .map(|row| {
                format!(
                    "stop {} is lifted: {} shipments go with the next batch unless another stop matches them; what it asked back and a warehouse stops, or has stopped, is sent anew under another reference\n",
                    row["stop"], row["shipments"]
                )
            })
            .collect()
    })
}

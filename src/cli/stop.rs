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
    let all = scope.sku.is_none() && scope.channel.is_none() && scope.warehouse.is_none();
    let told = json!({
        "dry_run": dry, "stop": (!dry).then_some(stopped.id), "waiting": stopped.waiting,
        "instructed": stopped.instructed.iter().map(|(place, list)| json!({ "warehouse": place, "references": list })).collect::<Vec<_>>(),
        "recalled": stopped.recalled,
    });
    let stood = before.iter().find(|row| row.id == stopped.id);
    let stood = stood.map_or_else(String::new, |row| {
        format!(
            "it is already active, since {}, and keeps its reason {}\n",
            session.out.time(row.since),
            quoted(&row.reason)
        )
    });
    session
        .out
        .one(&told, || words(&stopped, all, recall, dry) + &stood)
}

/// `all` is a stop without a filter.
fn words(stopped: &Stopped, all: bool, recall: bool, dry: bool) -> String {
    let Stopped {
        id,
        waiting,
        instructed,
        recalled,
    } = stopped;
    let what = if all {
        format!(
            "ALL shipments of every channel and warehouse: {waiting} that wait, and all later ones"
        )
    } else {
        format!("{waiting} waiting shipments and all later matches")
    };
    let mut text = if dry {
        format!("would stop {what}\n")
    } else {
        format!("stop {id}: stops {what}\n")
    };
    for (place, references) in instructed {
        text.push_str(&format!(
            "{} has {} matching shipments not reported as shipped: {}\n",
            place,
            references.len(),
            references.join(", ")
        ));
    }
    text.push_str(&match (instructed.is_empty(), recall, dry) {
        (true, _, _) => "no warehouse has a matching shipment\n".to_owned(),
        (false, false, _) => "their cancellation is not requested; to request it, add --recall\n".to_owned(),
        (false, true, true) => {
            format!("cancellation would be requested for {recalled} shipments, which cannot be undone; each warehouse's answer decides\n")
        }
        (false, true, false) => {
            format!("cancellation requested for {recalled} shipments; each warehouse's answer decides, and `hikiate tasks` lists what was not stopped\n")
        }
    });
    text.push_str(&if dry {
        "nothing was changed; run it again without --dry-run\n".to_owned()
    } else {
        format!("to lift it: `hikiate stop-shipping lift {id} --reason TEXT`\n")
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
    out.list(&rows, &columns, "no active stops", |row| {
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
            "stop {} is not active; see `hikiate stop-shipping list`\nnothing was done",
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
                    "stop {} is lifted: {} shipments go with the next batch unless another stop matches them; shipments whose cancellation it requested and a warehouse accepts are instructed again under a new reference\n",
                    row["stop"], row["shipments"]
                )
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_without_a_filter_says_that_it_stops_everything() {
        let stopped = Stopped {
            id: 4,
            waiting: 2,
            ..Stopped::default()
        };
        for (dry, begins) in [
            (true, "would stop ALL shipments"),
            (false, "stop 4: stops ALL shipments"),
        ] {
            let said = words(&stopped, true, false, dry);
            assert!(said.starts_with(begins), "{said}");
            let said = words(&stopped, false, false, dry);
            assert!(
                !said.contains("ALL") && said.contains("2 waiting shipments"),
                "{said}"
            );
        }
    }
}

//! `hikiate personal`: names and addresses that somebody wants erased.

use std::ffi::OsString;
use std::fmt::Write as _;

use serde_json::json;

use super::args::{Command, PersonalCommand};
use super::failure::Failure;
use super::session::Session;
use crate::store::{Erased, StoreError};

/// What no command reaches.
const ELSEWHERE: [&str; 4] = [
    "backups, replicas and archived WAL of the database: until they expire (after a restore, run this command again)",
    "the database's own files: until VACUUM has reused their pages and the WAL was recycled",
    "the channel, the warehouse, the payment provider and the mail server: erase there",
    "facts, journals and the log hold no names or addresses; reasons that operators typed stay as they were typed",
];

/// Erases.
pub(crate) async fn run(session: &Session, command: PersonalCommand) -> Result<(), Failure> {
    let PersonalCommand::Erase { of } = command;
    let mut orders = Vec::new();
    for name in &of {
        orders.push(session.store.find_subject(name).await?);
    }
    let (mut erased, mut refused) = (Vec::new(), Vec::new());
    for (id, _) in &orders {
        let once = || session.store.erase(*id);
        match session.store.retried("erase", once).await {
            Ok(done) => erased.push(done),
            Err(StoreError::Refused(why)) => refused.push(why),
            Err(error) => return Err(error.into()),
        }
    }
    if erased.is_empty() {
        return Err(Failure::Refused(refused.join("\n")));
    }
    let mut elsewhere: Vec<String> = ELSEWHERE.map(str::to_owned).to_vec();
    for account in &session.loaded.accounts {
        let keeps = account.instance.keeps().into_iter();
        elsewhere.extend(keeps.map(|says| format!("{}: {says}", account.slug)));
    }
    let told = json!({ "erased": erased, "refused": refused, "elsewhere": elsewhere });
    session.out.one(&told, || {
        let mut text = String::new();
        erased.iter().for_each(|order| says(&mut text, order));
        for why in &refused {
            let _ = writeln!(text, "not erased: {why}");
        }
        text.push_str("not reached by this command:\n");
        for place in elsewhere {
            let _ = writeln!(text, "  {place}");
        }
        text
    })
}

fn says(text: &mut String, order: &Erased) {
    let kinds = order.purged.kinds().into_iter();
    let kinds: Vec<String> = kinds
        .filter(|(kind, rows)| *kind != "orders" && *rows > 0)
        .map(|(kind, rows)| format!("{kind} {rows}"))
        .collect();
    let number = &order.number;
    let _ = if kinds.is_empty() {
        writeln!(text, "{number}: nothing was stored any more")
    } else {
        writeln!(text, "{number}: erased {}", kinds.join(", "))
    };
    for wave in &order.waves {
        let _ = writeln!(
            text,
            "  left: the bytes of wave {wave}, which hold open orders too: they go once all of its orders have ended and their time is up, or with `hikiate personal erase {number}` as soon as they have ended"
        );
    }
    for wave in &order.unsettled {
        let _ = writeln!(
            text,
            "  left: the bytes of wave {wave}, which is not known to have arrived, or has a call in the queue: settle it (hikiate tasks, hikiate effect list), then run `hikiate personal erase {number}`"
        );
    }
    for id in &order.quarantined {
        let _ = writeln!(
            text,
            "  left: quarantined record {id}: settle it (hikiate quarantine show {id}), then run `hikiate personal erase {number}`"
        );
    }
}

/// Puts the numbers of a mail address's orders in its place, so that the address is written down nowhere.
pub(super) async fn by_number(
    session: &Session,
    command: &mut Command,
    typed: &mut Vec<OsString>,
) -> Result<(), Failure> {
    let Command::Personal(PersonalCommand::Erase { of }) = command else {
        return Ok(());
    };
    let mut names = Vec::new();
    for name in of.iter() {
        // An order's own name may have one too.
        if !name.contains('@') || name.contains('/') {
            names.push(name.clone());
            continue;
        }
        let orders = session.store.orders_of_address(name).await?;
        if orders.is_empty() {
            return Err(Failure::NotFound(
                "no order has this mail address: it was never stored, or is deleted already"
                    .to_owned(),
            ));
        }
        let numbers: Vec<String> = orders.into_iter().map(|(_, number)| number).collect();
        if let Some(at) = typed.iter().position(|word| *word == name.as_str()) {
            let numbers = numbers.iter().map(OsString::from);
            let _address: Vec<OsString> = typed.splice(at..=at, numbers).collect();
        }
        names.extend(numbers);
    }
    *of = names;
    Ok(())
}

//! `hikiate personal`: names and addresses that somebody wants erased.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::acts;
use super::failure::Failure;
use super::session::Session;
use crate::store::{Erased, ErasedRecords, Purged, StoreError, WouldErase};

/// What no command reaches.
const ELSEWHERE: [&str; 7] = [
    "backups, replicas and archived WAL of the database: until they expire (after a restore, run this command again)",
    "the database's own files: until VACUUM has reused their pages and the WAL was recycled",
    "the channel, the warehouse, the payment provider and the mail server: erase there",
    "records in quarantine that name no order: found by a mail address alone, where their bytes have it as text; for names or phone numbers look through them (hikiate quarantine list)",
    "webhook bodies go once they are worked off, or after a day, and payments that no order claims after 35 days: this command does not look through them",
    "facts and journals have no field for names or addresses; what somebody wrote into another field stays as it was written: order numbers and tags, SKUs and titles, shipping methods, the time of day of a delivery, the cells of carrier, tracking number, parcel and item code in files of warehouses, and reasons that operators typed",
    "log lines of this version hold no names or addresses; older ones may quote an external system: rotate them",
];

/// No order and no record has an address: that is not to say that it was never stored.
const NOWHERE: &str = "no order has this mail address, and no record in quarantine has it as text: it is deleted already, or stands where this command does not look (spelled otherwise or without the address in quarantine, webhook bodies, payments that no order claims)";

/// What is to be erased.
#[derive(Default)]
struct Wanted {
    /// Orders by id, with their numbers.
    orders: BTreeMap<i64, String>,
    /// Mail addresses.
    addresses: Vec<String>,
}

/// What was done, and what was not.
#[derive(Default)]
struct Done {
    erased: Vec<Erased>,
    /// By an address, of no certain order.
    records: ErasedRecords,
    refused: Vec<String>,
    /// The order that an error stopped at: its address may be gone, and its waves may not.
    halfway: Option<String>,
    /// What stopped it in the middle.
    failed: Option<StoreError>,
}

impl Done {
    /// Nothing was deleted.
    fn nothing(&self) -> bool {
        self.erased.is_empty() && self.records.erased == 0
    }
}

/// Erases, and writes down what was erased, whatever stopped the rest. A dry run only says what that would be.
pub(super) async fn erase(session: &Session, of: &[String], dry: bool) -> Result<(), Failure> {
    let wanted = wanted(session, of).await?;
    if dry {
        return only_shown(session, &wanted).await;
    }
    let mut done = erase_all(session, &wanted).await;
    let numbers = done.erased.iter().map(|one| one.number.as_str());
    let numbers: Vec<&str> = numbers.chain(done.halfway.as_deref()).collect();
    if !done.nothing() || done.halfway.is_some() {
        // A daemon that is not told polls.
        let _told = session.store.tell_of_work(None).await;
        acts::tell_command(session, act(&numbers)).await;
        report(session, &done, false)?;
    }
    if let Some(error) = done.failed.take() {
        return Err(error.into());
    }
    judged(&done, "was not erased")
}

/// What it would erase and be refused, by a transaction that is given up.
async fn only_shown(session: &Session, wanted: &Wanted) -> Result<(), Failure> {
    let orders: Vec<i64> = wanted.orders.keys().copied().collect();
    let once = || session.store.would_erase(&orders, &wanted.addresses);
    let WouldErase {
        erased,
        records,
        refused,
    } = session.store.retried("would_erase", once).await?;
    let done = Done {
        erased,
        records,
        refused,
        ..Done::default()
    };
    if !done.nothing() {
        report(session, &done, true)?;
    }
    judged(&done, "would not be erased")
}

/// The answer's last word: whether all of it went.
fn judged(done: &Done, part: &str) -> Result<(), Failure> {
    if done.nothing() {
        let open = done.records.open.iter().map(|id| left(*id));
        let why: Vec<String> = done.refused.iter().cloned().chain(open).collect();
        return Err(if why.is_empty() {
            Failure::NotFound(NOWHERE.to_owned())
        } else {
            Failure::Refused(why.join("\n"))
        });
    }
    if done.refused.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "a part {part}: {}",
        done.refused.join("\n")
    )))
}

/// The orders by number alone: a mail address is written down nowhere.
fn act(numbers: &[&str]) -> String {
    let of = match numbers {
        [] => "ADDRESS".to_owned(),
        numbers => numbers.join(" "),
    };
    format!("personal erase {of}")
}

/// Looks all of it up before anything is erased.
async fn wanted(session: &Session, of: &[String]) -> Result<Wanted, Failure> {
    let mut wanted = Wanted::default();
    for name in of {
        let address = name.trim().split_once('@');
        // An order's own name may have an @ too, and an address a slash.
        if address.is_none() || name.contains('/') {
            match session.store.find_subject(name).await {
                Ok((id, number)) => {
                    wanted.orders.insert(id, number);
                    continue;
                }
                Err(StoreError::NotFound(_)) if address.is_some() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (user, host) = address.unwrap_or_default();
        // Half an address would be found in everybody's.
        if user.is_empty() || host.is_empty() {
            return Err(Failure::Usage(
                "a mail address has something before and after its @".to_owned(),
            ));
        }
        let orders = session.store.orders_of_address(name).await?;
        wanted.orders.extend(orders);
        wanted.addresses.push(name.clone());
    }
    Ok(wanted)
}

async fn erase_all(session: &Session, wanted: &Wanted) -> Done {
    let mut done = Done::default();
    for (id, number) in &wanted.orders {
        let once = || session.store.erase(*id);
        match session.store.retried("erase", once).await {
            Ok(one) => done.erased.push(one),
            Err(StoreError::Refused(why)) => done.refused.push(why),
            Err(error) => {
                let nothing = matches!(error, StoreError::NotFound(_));
                done.halfway = (!nothing).then(|| number.clone());
                done.failed = Some(error);
                return done;
            }
        }
    }
    for mail in &wanted.addresses {
        let once = || session.store.erase_quarantined(mail);
        match session.store.retried("erase_quarantined", once).await {
            Ok(records) => done.records.add(records),
            Err(StoreError::Refused(why)) => done.refused.push(format!("quarantine: {why}")),
            Err(error) => {
                done.failed = Some(error);
                return done;
            }
        }
    }
    done
}

fn report(session: &Session, done: &Done, dry: bool) -> Result<(), Failure> {
    let mut elsewhere: Vec<String> = ELSEWHERE.map(str::to_owned).to_vec();
    for account in &session.loaded.accounts {
        let keeps = account.instance.keeps().into_iter();
        elsewhere.extend(keeps.map(|says| format!("{}: {says}", account.slug)));
    }
    let Done {
        erased,
        records,
        refused,
        halfway,
        failed,
    } = done;
    let told = json!({
        "erased": erased, "quarantine": records, "refused": refused, "halfway": halfway, "complete": failed.is_none(), "elsewhere": elsewhere, "dry_run": dry,
    });
    let (erases, not) = if dry {
        ("would erase", "would not be erased")
    } else {
        ("erased", "not erased")
    };
    session.out.one(&told, || {
        let mut text = String::new();
        erased
            .iter()
            .for_each(|order| says(&mut text, order, erases));
        if records.erased > 0 {
            let _ = writeln!(
                text,
                "quarantine: {erases} the bytes of {} records with the address",
                records.erased
            );
        }
        for id in &records.open {
            let _ = writeln!(text, "left: {}", left(*id));
        }
        for why in refused {
            let _ = writeln!(text, "{not}: {why}");
        }
        if let Some(number) = halfway {
            let _ = writeln!(text, "{number}: perhaps erased in part");
        }
        if failed.is_some() {
            text.push_str("stopped by an error: run this command again for the rest\n");
        }
        if dry {
            text.push_str("nothing was changed\n");
        }
        text.push_str("not reached by this command:\n");
        for place in elsewhere {
            let _ = writeln!(text, "  {place}");
        }
        text
    })
}

/// An open record that holds the address.
fn left(id: i64) -> String {
    format!(
        "quarantined record {id} holds the address: correct or dismiss it first (hikiate quarantine show {id}), then run this command again"
    )
}

/// What an order had, in the words of the operations handbook.
fn kinds(purged: &Purged) -> Vec<String> {
    let kinds = [
        ("names and addresses", purged.personal),
        ("raw bytes of readings", purged.raw),
        ("answers of external systems", purged.words),
        ("bytes of shipping instructions", purged.batches),
        ("records in quarantine", purged.quarantine),
    ];
    let kinds = kinds.into_iter().filter(|(_, rows)| *rows > 0);
    kinds.map(|(kind, rows)| format!("{kind} {rows}")).collect()
}

fn says(text: &mut String, order: &Erased, erases: &str) {
    let kinds = kinds(&order.purged);
    let number = &order.number;
    let _ = if kinds.is_empty() {
        writeln!(text, "{number}: nothing was stored any more")
    } else {
        writeln!(text, "{number}: {erases} {}", kinds.join(", "))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_erased_is_said_in_the_words_of_the_handbook_and_not_of_the_tables() {
        let purged = Purged {
            orders: 1,
            personal: 1,
            raw: 2,
            batches: 1,
            ..Purged::default()
        };
        assert_eq!(
            kinds(&purged),
            [
                "names and addresses 1",
                "raw bytes of readings 2",
                "bytes of shipping instructions 1"
            ]
        );
    }

    #[test]
    fn an_act_names_orders_and_never_an_address() {
        assert_eq!(act(&["HK1", "HK2"]), "personal erase HK1 HK2");
        assert_eq!(act(&[]), "personal erase ADDRESS");
    }
}

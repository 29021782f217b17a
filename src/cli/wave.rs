//! `hikiate wave` and `hikiate books`: batches of instructions and of journals, seen, sealed early and given up.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::args::{Abandon, BooksCommand, WaveCommand};
use super::failure::Failure;
use super::out;
use super::raw;
use super::session::Session;
use crate::daemon::{render_wave, slot_now};
use crate::policy::{Dispatch, Warehouse};
use crate::store::waves::{BatchRow, Members};
use crate::store::{Place, SealRow, StopRow, StoreError};

const WAVE: &str = "instruct";
const BOOKS: &str = "journal";

/// `wave …`
pub(crate) async fn run(session: &Session, command: WaveCommand) -> Result<(), Failure> {
    match command {
        WaveCommand::List { all, limit } => list(session, WAVE, all, limit).await,
        WaveCommand::Show {
            wave,
            preview,
            with_addresses,
        } => show(session, &wave, preview, with_addresses).await,
        WaveCommand::Seal { wave } => seal(session, &wave).await,
        WaveCommand::Abandon(abandon) => give_up(session, WAVE, abandon).await,
    }
}

/// `books …`
pub(crate) async fn books(session: &Session, command: BooksCommand) -> Result<(), Failure> {
    match command {
        BooksCommand::List { all, limit } => list(session, BOOKS, all, limit).await,
        BooksCommand::Abandon(abandon) => give_up(session, BOOKS, abandon).await,
        BooksCommand::Day { date } => super::books::day(session, date).await,
    }
}

async fn list(session: &Session, kind: &str, all: bool, limit: i64) -> Result<(), Failure> {
    let out = session.out;
    let mut rows = session.store.list_batches(kind, all, limit).await?;
    // A batch that was sent waits for its orders no more.
    rows.retain(|row| all || row.state != "done");
    rows.iter_mut().for_each(unsent);
    let empty = if all {
        "no batches yet"
    } else {
        "no batch is open or in progress"
    };
    if kind == BOOKS {
        let columns = [
            "NAME", "NUMBER", "ACCOUNT", "CLOSES", "SENT", "ROWS", "STATE", "WHY",
        ];
        return out.list(&rows, &columns, empty, |row| {
            vec![
                row.name.clone(),
                row.number.clone(),
                row.account.clone(),
                out.time(row.seal_at),
                out.maybe(row.last_sent_at),
                row.rows.to_string(),
                row.state.clone(),
                why(session, row),
            ]
        });
    }
    let stops = session.store.list_stops().await?;
    for row in &mut rows {
        stopped(row, &stops);
    }
    let columns = [
        "NAME",
        "NUMBER",
        "WAREHOUSE",
        "PERIOD",
        "CUT-OFF",
        "SENT",
        "ROWS",
        "STATE",
        "WHY",
    ];
    out.list(&rows, &columns, empty, |row| {
        vec![
            row.name.clone(),
            row.number.clone(),
            row.warehouse.clone().unwrap_or_default(),
            row.period.clone(),
            out.time(row.seal_at),
            out.maybe(row.last_sent_at),
            row.rows.to_string(),
            row.state.clone(),
            why(session, row),
        ]
    })
}

/// What a batch waits for, and what was wrong.
fn why(session: &Session, row: &BatchRow) -> String {
    let next = session.out.maybe(row.retry_at);
    let error = row.error.as_deref().unwrap_or("no reason was reported");
    if let Some(kept_back) = &row.kept_back {
        return kept_back.clone();
    }
    match row.state.as_str() {
        "failing" => format!("cannot be sealed: {error}; retried at {next}"),
        "missed" => "missed its cut-off; run `wave seal`, or it goes with the next one".to_owned(),
        "unknown" => format!("outcome unknown, it may have arrived: {error}"),
        "refused" => format!("rejected: {error}"),
        "sealed" if not_sent(row) => format!("not sent yet: {error}; retried at {next}"),
        "open" => {
            dispatch(session, row).map_or_else(String::new, |dispatch| split(dispatch, row.rows))
        }
        _ => String::new(),
    }
}

/// It is sealed, and each attempt to send it failed before anything was sent.
fn not_sent(row: &BatchRow) -> bool {
    row.state == "sealed" && row.error.is_some()
}

/// An attempt that failed is no time at which it was sent.
fn unsent(row: &mut BatchRow) {
    if not_sent(row) {
        row.last_sent_at = None;
    }
}

/// Says of a wave that is not sealed which stops keep a part of it back.
fn stopped(row: &mut BatchRow, stops: &[StopRow]) {
    let waits = row.state == "open" || (row.state == "missed" && row.rows == 0);
    if let Some(place) = row.warehouse.as_deref().filter(|_| waits)
        && let Some(words) = stops_at(stops, place)
    {
        row.kept_back.get_or_insert(words);
    }
}

/// The stops that keep back what waits at a warehouse, or may.
fn stops_at(stops: &[StopRow], place: &str) -> Option<String> {
    let here = |stop: &&StopRow| {
        stop.waiting > 0 && stop.warehouse.as_deref().is_none_or(|name| name == place)
    };
    let words: Vec<String> = stops
        .iter()
        .filter(here)
        .map(|stop| {
            let of = [("item", &stop.sku), ("channel", &stop.channel)];
            let of: Vec<String> = of
                .into_iter()
                .filter_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?)))
                .collect();
            let of = if of.is_empty() {
                "everything".to_owned()
            } else {
                of.join(", ")
            };
            format!("stop {} ({of}: {})", stop.id, stop.reason)
        })
        .collect();
    let words = Some(words).filter(|words| !words.is_empty())?;
    Some(format!(
        "matching shipments are stopped by {}; see `hikiate stop-shipping list`",
        words.join(", ")
    ))
}

/// When it was last sent, or its sending was last answered.
fn sent_at(session: &Session, row: &BatchRow) -> String {
    row.last_sent_at
        .map_or_else(String::new, |at| format!(", sent {}", session.out.time(at)))
}

/// How many of the rows go with which file, where they are too many for one.
fn split(dispatch: &Dispatch, rows: i64) -> String {
    let Dispatch::Wave {
        max_rows,
        files_per_cutoff,
        ..
    } = dispatch
    else {
        return String::new();
    };
    let most = i64::from(*max_rows);
    let files = (rows + most - 1) / most;
    let now = files_per_cutoff.map_or(files, |limit| files.min(i64::from(limit)));
    let later = rows - rows.min(now * most);
    match (now, later) {
        (..=1, 0) => String::new(),
        (now, 0) => format!("{now} files of at most {most}"),
        (now, later) => format!(
            "{} in {now} files, {later} with the next cut-off",
            rows - later
        ),
    }
}

fn warehouse<'s>(session: &'s Session, name: &str) -> Option<&'s Warehouse> {
    let warehouses = &session.loaded.policy.warehouses;
    warehouses.iter().find(|warehouse| warehouse.name == name)
}

fn dispatch<'s>(session: &'s Session, row: &BatchRow) -> Option<&'s Dispatch> {
    Some(&warehouse(session, row.warehouse.as_deref()?)?.dispatch)
}

async fn show(
    session: &Session,
    name: &str,
    preview: bool,
    with_addresses: bool,
) -> Result<(), Failure> {
    let out = session.out;
    let mut row = session.store.batch(WAVE, name).await?;
    stopped(&mut row, &session.store.list_stops().await?);
    unsent(&mut row);
    let directory = session.store.directory().await?;
    if preview && with_addresses && row.sealed_at.is_some() {
        return print(session, &row, &session.store.batch_bytes(&row).await?, true);
    }
    let members = session.store.members(&directory, &row).await?;
    if preview {
        let bytes = rendered(session, &row, members, with_addresses)?;
        return print(session, &row, &bytes, with_addresses);
    }
    let told = json!({ "wave": row, "members": members.shown });
    out.one(&told, || {
        let cut_off = out.time(row.seal_at);
        let place = row.warehouse.clone().unwrap_or_default();
        let head = format!(
            "{} ({}) at {place}: {}, cut-off {cut_off}{}",
            row.name,
            row.number,
            row.state,
            sent_at(session, &row)
        );
        let why = why(session, &row);
        let columns = ["ORDER", "REFERENCE", "STATE", "QTY", "CODE", "TITLE"];
        let mut cells = Vec::new();
        for member in &members.shown {
            for line in &member.lines {
                cells.push(vec![
                    member.order.clone(),
                    member.reference.clone(),
                    member.state.clone(),
                    line.quantity.to_string(),
                    line.code.clone(),
                    line.title.clone(),
                ]);
            }
        }
        let why = if why.is_empty() {
            why
        } else {
            format!("{}\n", out::plain(&why, ""))
        };
        format!("{head}\n{why}{}", out::table(&columns, &cells))
    })
}

/// What the next file would hold, of the shipments that are ready now.
fn rendered(
    session: &Session,
    row: &BatchRow,
    members: Members,
    with_addresses: bool,
) -> Result<Vec<u8>, Failure> {
    let mut accounts = session.loaded.accounts.iter();
    let account = accounts.find(|account| account.slug.as_str() == row.account);
    let Some(operations) = account.and_then(|a| a.instance.operations()) else {
        let words =
            "cannot be rendered here: its secrets are missing, or it is no longer configured";
        return Err(Failure::Refused(format!("account {} {words}", row.account)));
    };
    let mut rows = members.rows;
    if let Some(Dispatch::Wave { max_rows, .. } | Dispatch::Continuous { max_rows, .. }) =
        dispatch(session, row)
    {
        rows.truncate(usize::try_from(*max_rows).unwrap_or(usize::MAX));
    }
    if !with_addresses {
        rows.iter_mut().for_each(mask);
    }
    let policy = &session.loaded.policy;
    let name = row.warehouse.as_deref().unwrap_or_default();
    let Some(warehouse) = warehouse(session, name) else {
        let words = format!("warehouse {name} is no longer configured");
        return Err(Failure::Refused(words));
    };
    let (sealed, refused) =
        render_wave(&row.batch_name(WAVE), &rows, operations, policy, warehouse)?;
    for (id, why) in &refused {
        let of = rows.iter().find(|row| row.shipment_id == *id);
        let reference = of.map(|row| row.shipment.reference.to_string());
        let reference = reference.unwrap_or_default();
        out::note(&format!(
            "{reference} would be excluded: {}",
            out::plain(why, "")
        ));
    }
    Ok(sealed.body)
}

fn print(
    session: &Session,
    row: &BatchRow,
    bytes: &[u8],
    with_addresses: bool,
) -> Result<(), Failure> {
    if with_addresses {
        out::note("this output contains names and addresses: do not share it");
    }
    if row.sealed_at.is_none() || !with_addresses {
        out::note(
            "this is a preview: if the name of a file has a hash, it is of these bytes, and the file that is sent has another name",
        );
    }
    if let Some(at) = row.sealed_at {
        out::note(&format!(
            "sealed at {}{}; the warehouse knows it as {}",
            session.out.time(at),
            sent_at(session, row),
            row.name
        ));
    }
    let (encoding, text) = raw::decode(bytes);
    let told = json!({
        "wave": row.name, "masked": !with_addresses, "encoding": encoding,
        "raw": text.unwrap_or_else(|| hex::encode(bytes)),
    });
    session
        .out
        .one(&told, || format!("{}\n", raw::shown(bytes).1))
}

/// Names, addresses and telephones of the same shape that say nothing, so that a layout takes them as it would the
/// real ones.
fn mask(row: &mut SealRow) {
    let blank = |text: &mut String| {
        *text = text
            .chars()
            .map(|c| match c {
                c if c.is_ascii_digit() => '0',
                c if c.is_ascii_alphabetic() => 'x',
                c if c.is_alphanumeric() => '＊',
                c => c,
            })
            .collect();
    };
    let Some(personal) = &mut row.personal else {
        return;
    };
    blank(&mut personal.remarks);
    for gift in personal.gifts.values_mut() {
        let text = [&mut gift.noshi_name, &mut gift.message];
        text.into_iter().for_each(blank);
    }
    let parties = personal
        .ship_to
        .values_mut()
        .chain(personal.senders.values_mut());
    for party in std::iter::once(&mut personal.buyer).chain(parties) {
        for field in [
            &mut party.name,
            &mut party.company,
            &mut party.postal_code,
            &mut party.region,
            &mut party.city,
            &mut party.address1,
            &mut party.address2,
            &mut party.phone,
            &mut party.email,
        ] {
            blank(field);
        }
    }
}

async fn seal(session: &Session, name: &str) -> Result<(), Failure> {
    let at = match warehouse(session, name) {
        Some(warehouse) => warehouse,
        None => {
            let row = match session.store.batch(WAVE, name).await {
                Ok(row) => row,
                Err(StoreError::NotFound(_)) => return Err(no_such(session, name)),
                Err(error) => return Err(error.into()),
            };
            if !matches!(row.state.as_str(), "open" | "failing" | "missed") {
                return Err(Failure::Refused(format!(
                    "wave {} is {}: only an open or missed one can be sealed",
                    row.name, row.state
                )));
            }
            let place = row.warehouse.unwrap_or_default();
            warehouse(session, &place).ok_or_else(|| {
                Failure::NotFound(format!("warehouse {place} is no longer configured"))
            })?
        }
    };
    let directory = session.store.directory().await?;
    let place = Place {
        account_id: directory.account(&at.account)?,
        location_id: Some(directory.location(&at.name)?.id),
        kind: WAVE,
    };
    let (now, today) = (session.store.now().await?, session.today().await?);
    let slot = slot_now(&at.dispatch, session.out.zone, now);
    let actor = &session.actor;
    let write = || {
        let store = &session.store;
        store.seal_now(&directory, place, &at.name, &slot, actor, today)
    };
    let (wave, rows) = match session.store.retried("seal_now", write).await {
        Ok(sealed) => sealed,
        Err(StoreError::Refused(why)) => {
            let stops = session.store.list_stops().await?;
            let stops = stops_at(&stops, &at.name).map(|words| format!("; {words}"));
            return Err(Failure::Refused(why + &stops.unwrap_or_default()));
        }
        Err(error) => return Err(error.into()),
    };
    let told = json!({ "wave": wave, "warehouse": at.name, "rows": rows });
    session.out.one(&told, || {
        format!(
            "the daemon seals {rows} shipments of {} now, as {wave}\n",
            at.name
        )
    })
}

/// Neither a wave nor a warehouse.
fn no_such(session: &Session, name: &str) -> Failure {
    let warehouses = session.loaded.policy.warehouses.iter();
    let known: Vec<&str> = warehouses.map(|w| w.name.as_str()).collect();
    Failure::NotFound(format!(
        "there is no wave and no warehouse {name:?}; warehouses: {}; `hikiate wave list --all` shows the waves, one that was sealed early under its new name",
        known.join(", ")
    ))
}

async fn give_up(session: &Session, kind: &str, abandon: Abandon) -> Result<(), Failure> {
    let row = session.store.batch(kind, &abandon.batch).await?;
    let sent = sent(session, row.sends, row.last_sent_at);
    let what = format!(
        "batch {} ({} rows, {}): {sent}",
        row.name, row.rows, row.state
    );
    if !abandon.not_imported {
        let harm = if kind == WAVE {
            "its goods ship twice"
        } else {
            "its revenue is booked twice"
        };
        return Err(Failure::Refused(format!(
            "{what}; check {} first: if it was imported there, {harm}; once you know that it was not, add --not-imported",
            row.account
        )));
    }
    let today = session.today().await?;
    let directory = session.store.directory().await?;
    let (reason, actor) = (&abandon.reason, &session.actor);
    let write = || {
        let store = &session.store;
        store.abandon(&directory, row.id, kind, reason, actor, today)
    };
    let done = session.store.retried("abandon", write).await?;
    session.out.one(&done, || {
        let next = if kind == WAVE {
            let mut of: BTreeMap<&str, ()> = BTreeMap::new();
            of.extend(done.orders.iter().map(|order| (order.as_str(), ())));
            format!(
                "{} orders are held: `hikiate order release {} --reason TEXT` has all of them instructed again, `hikiate tasks` lists each",
                of.len(),
                done.number
            )
        } else {
            format!("the revenue of {} orders goes into the next journal", done.orders.len())
        };
        format!("{what}; abandoned and never sent again; {next}\n")
    })
}

/// What is known of its sending.
fn sent(session: &Session, sends: Option<i16>, last: Option<DateTime<Utc>>) -> String {
    match (sends, last) {
        (_, None) => "never sent".to_owned(),
        (Some(n), Some(at)) if n > 0 => format!("sent {n} times, last at {}", session.out.time(at)),
        (_, Some(at)) => format!("sent, last answered at {}", session.out.time(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_that_was_not_sent_has_no_time_of_sending() {
        let at = DateTime::UNIX_EPOCH;
        let row = |state: &str, error: Option<&str>| BatchRow {
            id: 1,
            name: "tokyo-3pl-instruct-1".to_owned(),
            number: "HB1".to_owned(),
            account: "tokyo-3pl".to_owned(),
            warehouse: Some("tokyo".to_owned()),
            period: "p".to_owned(),
            batch_no: 1,
            seal_at: at,
            sealed_at: Some(at),
            state: state.to_owned(),
            rows: 1,
            error: error.map(str::to_owned),
            kept_back: None,
            retry_at: None,
            sends: Some(1),
            last_sent_at: Some(at),
        };
        for (state, error, sent) in [
            ("sealed", Some("the folder is gone"), None),
            ("sealed", None, Some(at)),
            ("unknown", Some("the connection broke"), Some(at)),
            ("refused", Some("no such layout"), Some(at)),
            ("done", None, Some(at)),
        ] {
            let mut row = row(state, error);
            unsent(&mut row);
            assert_eq!(row.last_sent_at, sent, "{state} {error:?}");
        }
    }
}

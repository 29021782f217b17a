//! Reading shipments and stock.

use async_trait::async_trait;
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use hikiate_sdk::cursor::{stored, stored_as};
use hikiate_sdk::http::Response;
use hikiate_sdk::{
    Error, ErrorClass, ExternalId, Here, InFile, Kind, Page, Record, Source, StreamSpec,
};
use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use super::cursor::{Cursor, Step, today};
use super::{Listed, Openlogi, unreadable};
use crate::map::shipment::{Back, Ending, Seen, Stage, ours, read};
use crate::map::stock;
use crate::wire::{IDENTIFIERS, Items};

const SHIPMENTS: &str = "shipments";
const STOCK: &str = "stock";
/// Items of one question: an address that no proxy finds too long.
const CODES: usize = 50;
/// Shipments that are asked for one by one in a round, at most.
const ASKED: usize = 20;
/// Longest code of an item.
const CODE: usize = 30;

#[async_trait]
impl Source for Openlogi {
    fn streams(&self) -> Vec<StreamSpec> {
        vec![
            StreamSpec {
                name: SHIPMENTS.to_owned(),
                kind: Kind::Shipment,
                interval: self.settings.interval,
                by_code: None,
                unheard: true,
            },
            StreamSpec {
                name: STOCK.to_owned(),
                kind: Kind::Stock,
                interval: self.settings.stock_interval,
                by_code: Some(CODES),
                unheard: false,
            },
        ]
    }

    async fn page(
        &self,
        stream: &str,
        cursor: Option<&Value>,
        here: Here<'_>,
    ) -> Result<Page, Error> {
        match stream {
            SHIPMENTS => self.shipments(stored(SHIPMENTS, cursor)?, here).await,
            STOCK => self.stock(here.codes).await,
            _ => Err(Error::new(
                ErrorClass::Config,
                format!("an openlogi account has no stream {stream:?}"),
            )),
        }
    }

    fn reread(
        &self,
        stream: &str,
        _file: Option<&InFile>,
        raw: &[u8],
    ) -> Result<Vec<Record>, Error> {
        let raw = std::str::from_utf8(raw)
            .map_err(|_| Error::new(ErrorClass::Protocol, "the stored record is not text"))?;
        if stream == STOCK {
            let warehouse = self.settings.warehouse.as_deref();
            return Ok(stock::records(raw, warehouse));
        }
        if let Ok(ending) = serde_json::from_str::<Ending>(raw) {
            return Ok(vec![ending.record()]);
        }
        if let Ok(back) = serde_json::from_str::<Back>(raw) {
            return Ok(vec![back.record()]);
        }
        Ok(match read(raw) {
            Ok(seen) => seen.into_iter().map(|seen| seen.record).collect(),
            Err(bad) => vec![*bad],
        })
    }

    fn reads(&self) -> Vec<(Kind, usize)> {
        vec![(Kind::Shipment, IDENTIFIERS)]
    }

    async fn read(&self, kind: Kind, ids: &[ExternalId]) -> Result<Vec<Record>, Error> {
        if kind != Kind::Shipment {
            let why = format!("an openlogi account cannot refresh {} by id", kind.plural());
            return Err(Error::new(ErrorClass::Config, why));
        }
        let references: Vec<&str> = ids.iter().filter_map(|id| ours(id.as_str())).collect();
        if references.is_empty() {
            return Ok(Vec::new());
        }
        Ok(records(self.by_reference(&references).await?))
    }

    async fn acknowledge(&self, _ack: &Value) -> Result<(), Error> {
        Ok(())
    }

    fn rewind(&self, stream: &str, cursor: Option<&Value>, since: DateTime<Utc>) -> Option<Value> {
        if stream != SHIPMENTS {
            return None;
        }
        let mut cursor: Cursor = stored(SHIPMENTS, cursor).ok()?;
        let since = today(since);
        cursor.step = Step::Open;
        cursor.day = Some(cursor.day.map_or(since, |day| day.min(since)));
        stored_as(&cursor).ok()
    }

    fn says(&self) -> Vec<String> {
        let place = match &self.settings.warehouse {
            Some(code) => format!("warehouse {code}"),
            None => "OPENLOGI's standard warehouse".to_owned(),
        };
        vec![
            format!("shipments leave from {place}, and its stock counts: what OPENLOGI would still ship"),
            "a shipment that is gone from OPENLOGI without having been shipped counts as cancelled after two looks, if OPENLOGI also answers 404 for it alone".to_owned(),
        ]
    }
}

fn records(listed: Listed) -> Vec<Record> {
    let ours = listed.ours.into_iter().map(|seen| seen.record);
    listed.bad.into_iter().chain(ours).collect()
}

fn page(listed: Listed, endings: Vec<Record>, cursor: &Cursor, more: bool) -> Result<Page, Error> {
    let mut all = records(listed);
    all.extend(endings);
    let mut page = Page::new(all, stored_as(&cursor)?, more);
    page.waiting.clone_from(&cursor.waiting);
    Ok(page)
}

/// What OPENLOGI says of shipments that no list has.
#[derive(Default)]
struct Asked {
    there: Vec<Seen>,
    gone: Vec<String>,
    /// Neither there nor gone.
    unclear: Vec<String>,
}

impl Asked {
    /// The shipments that lists lack and that are not known to be gone, those of earlier rounds included, in words.
    fn doubtful(&self, cursor: &Cursor) -> Option<String> {
        let open = self.there.iter();
        let open = open.filter(|seen| seen.stage != Some(Stage::Shipped));
        let open = open.map(|seen| seen.reference.as_str());
        let all: Vec<&str> = open.chain(cursor.unclear()).collect();
        let first = all.first()?;
        Some(format!(
            "OPENLOGI lists {} open shipments of hikiate no longer, but does not say of each by its number that it is gone: they count as open; look for them there, beginning with {first}",
            all.len()
        ))
    }
}

/// The shipment of an answer, where it is this one.
fn there(response: &Response, reference: &str) -> Option<Seen> {
    let raw = std::str::from_utf8(&response.body).ok()?;
    let seen = read(raw).ok().flatten()?;
    (seen.reference == reference).then_some(seen)
}

/// OPENLOGI's own word for it: a 404 of something in between says nothing.
fn is_not_found(error: &Error) -> bool {
    error.class == ErrorClass::NotFound && error.code.as_deref() == Some("not_found")
}

/// What one shipment alone may be answered with: the network, the token and the budget are everybody's.
fn is_of_one(error: &Error) -> bool {
    match error.class {
        ErrorClass::NotFound
        | ErrorClass::Rejected
        | ErrorClass::Conflict
        | ErrorClass::Forbidden
        | ErrorClass::Protocol => true,
        // Without a code there was no answer.
        ErrorClass::Transient => error.code.is_some(),
        _ => false,
    }
}

impl Openlogi {
    async fn shipments(&self, cursor: Cursor, here: Here<'_>) -> Result<Page, Error> {
        let now = here.now;
        self.watched()
            .retain(|reference| !cursor.watched.contains(reference));
        match cursor.step {
            Step::Open => {
                let listed = self.list("/shipments").await?;
                let watched = self.watched().clone();
                let cursor = cursor.watching(watched).expecting(here.unheard);
                let (next, endings) = cursor.after_open(&listed.ours, now);
                page(listed, endings, &next, true)
            }
            Step::Shipped(day) => {
                let listed = self.shipped_on(day).await?;
                let (next, endings, more) = cursor.after_day(day, &listed.ours, now);
                page(listed, endings, &next, more)
            }
            Step::Missing => {
                let references: Vec<&str> = cursor.missing.keys().map(String::as_str).collect();
                let mut listed = Listed::default();
                for some in references.chunks(IDENTIFIERS) {
                    let found = self.by_reference(some).await?;
                    listed.ours.extend(found.ours);
                    listed.bad.extend(found.bad);
                    listed.unasked |= found.unasked;
                }
                let unsure = listed.is_unsure();
                let (mut next, mut endings, gone) =
                    cursor.after_missing(&listed.ours, unsure, now, self.settings.settle);
                if next.are_too_many(&gone) {
                    next.waiting = vec![format!(
                        "{} shipments at once are gone from OPENLOGI, which is not believed: check that token and account are still those of the same merchant, or record what OPENLOGI says of each, beginning with {}",
                        gone.len(),
                        gone.first().map_or("", String::as_str)
                    )];
                    return page(listed, endings, &next, false);
                }
                let asked = self.one_by_one(gone.iter().take(ASKED)).await?;
                let (mut next, more) =
                    next.after_asking(&asked.there, &asked.gone, &asked.unclear, now);
                endings.extend(more);
                next.waiting = asked.doubtful(&next).into_iter().collect();
                listed.ours.extend(asked.there);
                page(listed, endings, &next, false)
            }
        }
    }

    /// Shipments that no list has, each by itself: only a 404 of OPENLOGI's own says that one is gone.
    async fn one_by_one(&self, gone: impl Iterator<Item = &String>) -> Result<Asked, Error> {
        let mut asked = Asked::default();
        for reference in gone {
            let path = format!("/shipments/{}/{reference}", self.settings.account);
            match self.get(&path).await {
                Ok(response) => match there(&response, reference) {
                    Some(seen) => asked.there.push(seen),
                    None => asked.unclear.push(reference.clone()),
                },
                Err(error) if is_not_found(&error) => asked.gone.push(reference.clone()),
                Err(error) if is_of_one(&error) => asked.unclear.push(reference.clone()),
                Err(error) => return Err(error),
            }
        }
        self.check_account("/shipments", &asked.there)?;
        Ok(asked)
    }

    async fn shipped_on(&self, day: NaiveDate) -> Result<Listed, Error> {
        let (year, month, day) = (day.year(), day.month(), day.day());
        let path = format!("/shipments/shipped/{year:04}/{month:02}/{day:02}");
        match self.list(&path).await {
            // The document leaves open what a day without shipments answers. What is missing for it is asked for by reference.
            Err(error) if is_not_found(&error) => Ok(Listed::default()),
            listed => listed,
        }
    }

    async fn stock(&self, codes: &[String]) -> Result<Page, Error> {
        let can_be_asked = |code: &&String| {
            let fits = |b: u8| b.is_ascii_graphic() && b != b',';
            !code.is_empty() && code.len() <= CODE && code.bytes().all(fits)
        };
        let asked: Vec<String> = codes
            .iter()
            .filter(can_be_asked)
            .map(|code| byte_serialize(code.as_bytes()).collect())
            .collect();
        if asked.is_empty() {
            return Ok(Page::new(Vec::new(), Value::Null, false));
        }
        let path = format!("/items/{}", self.settings.account);
        let question = format!("{path}?code={}&stock=1", asked.join("%2C"));
        let response: Response = self.get(&question).await?;
        let list: Items<'_> =
            serde_json::from_slice(&response.body).map_err(|e| unreadable(&path, &e))?;
        let warehouse = self.settings.warehouse.as_deref();
        let records = list.items.iter();
        let records = records.flat_map(|raw| stock::records(raw.get(), warehouse));
        Ok(Page::new(records.collect(), Value::Null, false))
    }
}

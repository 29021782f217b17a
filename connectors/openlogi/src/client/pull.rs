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
use crate::map::shipment::{Back, Ending, ours, read};
use crate::map::stock;
use crate::wire::{IDENTIFIERS, Items};

const SHIPMENTS: &str = "shipments";
const STOCK: &str = "stock";
/// Items of one question: an address that no proxy finds too long.
const CODES: usize = 50;
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
            },
            StreamSpec {
                name: STOCK.to_owned(),
                kind: Kind::Stock,
                interval: self.settings.stock_interval,
                by_code: Some(CODES),
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
            SHIPMENTS => self.shipments(stored(SHIPMENTS, cursor)?, here.now).await,
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
            return Ok(stock::record(raw, warehouse).into_iter().collect());
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
            "a shipment that is gone from OPENLOGI without having been shipped counts as cancelled after two looks".to_owned(),
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
    let next = stored_as(&cursor)?;
    Ok(Page::new(all, next, more))
}

impl Openlogi {
    async fn shipments(&self, cursor: Cursor, now: DateTime<Utc>) -> Result<Page, Error> {
        match cursor.step {
            Step::Open => {
                let listed = self.list("/shipments").await?;
                let watched = std::mem::take(&mut *self.watched());
                let (next, endings) = cursor.watching(watched).after_open(&listed.ours, now);
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
                }
                let unsure = !listed.bad.is_empty();
                let (next, endings, many) =
                    cursor.after_missing(&listed.ours, unsure, now, self.settings.settle);
                let mut page = page(listed, endings, &next, false)?;
                if !many.is_empty() {
                    page.waiting.push(format!(
                        "{} shipments at once are gone from OPENLOGI, which is not believed: check that token and account are still those of the same merchant, or record what OPENLOGI says of each, beginning with {}",
                        many.len(),
                        many.first().map_or("", String::as_str)
                    ));
                }
                Ok(page)
            }
        }
    }

    async fn shipped_on(&self, day: NaiveDate) -> Result<Listed, Error> {
        let (year, month, day) = (day.year(), day.month(), day.day());
        let path = format!("/shipments/shipped/{year:04}/{month:02}/{day:02}");
        match self.list(&path).await {
            // The document leaves open what a day without shipments answers. What is missing for it is asked for by reference.
            Err(error)
                if error.class == ErrorClass::NotFound
                    && error.code.as_deref() == Some("not_found") =>
            {
                Ok(Listed::default())
            }
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
        let records = records.filter_map(|raw| stock::record(raw.get(), warehouse));
        Ok(Page::new(records.collect(), Value::Null, false))
    }
}

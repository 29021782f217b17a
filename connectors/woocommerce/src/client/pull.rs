//! Reading orders; stock has its own file.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use hikiate_sdk::cursor::{Cursor, Reach, Sort, Stamp, stored, stored_as};
use hikiate_sdk::{
    Error, ErrorClass, ExternalId, Here, InFile, Kind, Page, PaymentField, Record, Source,
    StreamSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::parents::Products;
use super::{API, WooCommerce, fresh, is_id};
use crate::config::Standing;
use crate::dialect::NO_ROUTE;
use crate::map;

const ORDERS: &str = "orders";
const STOCK: &str = "stock";
/// Orders read by id in one call: an address that no proxy finds too long.
const READS: usize = 50;
/// Enough digits that net and tax of an amount add up to it: rounded by themselves they do not.
pub(super) const DIGITS: &str = "dp=6";
/// Orders that could not be read whole and that each sweep reads again; what is beyond that, at its next change or by an operator.
const AGAIN: usize = READS;

/// Where the reading of orders stands.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Orders {
    #[serde(flatten)]
    list: Cursor,
    /// Orders that could not be read whole: each sweep reads them again, whatever their time of change is.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    unread: BTreeSet<String>,
}

impl Orders {
    /// What could not be read is kept, and what could of what was asked for is not.
    fn noting(mut self, asked: &BTreeSet<String>, unread: BTreeSet<String>) -> Self {
        self.unread.retain(|id| !asked.contains(id));
        for id in unread {
            if self.unread.len() < AGAIN {
                self.unread.insert(id);
            }
        }
        self
    }
}

#[async_trait]
impl Source for WooCommerce {
    fn streams(&self) -> Vec<StreamSpec> {
        let stream = |name: &str, kind, interval| StreamSpec {
            name: name.to_owned(),
            kind,
            interval,
            by_code: None,
            unheard: false,
        };
        vec![
            stream(ORDERS, Kind::Order, self.settings.interval),
            stream(STOCK, Kind::Stock, self.settings.stock_interval),
        ]
    }

    async fn page(
        &self,
        stream: &str,
        cursor: Option<&Value>,
        here: Here<'_>,
    ) -> Result<Page, Error> {
        match stream {
            ORDERS => self.orders(stored(stream, cursor)?, here.now).await,
            STOCK => self.stock(stored(stream, cursor)?).await,
            _ => Err(Error::new(
                ErrorClass::Config,
                format!("a woocommerce account has no stream {stream:?}"),
            )),
        }
    }

    fn rewind(&self, stream: &str, cursor: Option<&Value>, since: DateTime<Utc>) -> Option<Value> {
        if stream != ORDERS {
            return None;
        }
        // An order that was never seen has nothing to be rewound to.
        let Orders { list, unread } = stored(stream, cursor).ok()?;
        let list = Cursor {
            seen: Some(list.seen?.min(since)),
            ..Cursor::default()
        };
        let cursor = Orders { list, unread };
        serde_json::to_value(cursor).ok()
    }

    fn reread(
        &self,
        stream: &str,
        _file: Option<&InFile>,
        raw: &[u8],
    ) -> Result<Vec<Record>, Error> {
        let raw = std::str::from_utf8(raw)
            .map_err(|_| Error::new(ErrorClass::Protocol, "the stored record is not text"))?;
        Ok(if stream == STOCK {
            map::stock_record(raw).into_iter().collect()
        } else {
            vec![map::order_record(raw, &self.settings)]
        })
    }

    fn reads(&self) -> Vec<(Kind, usize)> {
        vec![(Kind::Order, READS)]
    }

    /// A list leaves out the bin, drafts, and every status that no plug-in stands for any more: only what the shop does not
    /// know by its id either is absent. An order in the bin is.
    async fn read(&self, kind: Kind, ids: &[ExternalId]) -> Result<Vec<Record>, Error> {
        if kind != Kind::Order {
            let why = format!(
                "a woocommerce account cannot refresh {} by id",
                kind.plural()
            );
            return Err(Error::new(ErrorClass::Config, why));
        }
        // What is no id of a shop is an order it does not have; without any the filter would mean all.
        let ids: BTreeSet<&str> = ids
            .iter()
            .map(ExternalId::as_str)
            .filter(|id| is_id(id))
            .collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let named: Vec<&str> = ids.iter().copied().collect();
        let path = format!(
            "{API}/orders?{DIGITS}&include={}&per_page={}&orderby=id&order=asc",
            named.join("%2C"),
            ids.len()
        );
        let list = self.list(path).await?;
        let mut found = Vec::with_capacity(ids.len());
        let mut listed: HashMap<String, Box<RawValue>> = HashMap::new();
        for raw in list.records {
            match map::id(&map::stamp(raw.get())) {
                Some(id) if ids.contains(id.as_str()) => drop(listed.insert(id, raw)),
                // Not asked for, or without an id: the engine keeps it apart.
                _ => found.push(raw),
            }
        }
        for id in ids {
            found.extend(match listed.remove(id) {
                Some(raw) => Some(raw),
                None => self.by_id(id).await?,
            });
        }
        Ok(self.all_bundled(&found).await?.0)
    }

    async fn acknowledge(&self, _ack: &Value) -> Result<(), Error> {
        Ok(())
    }

    fn payment_field(&self) -> PaymentField {
        match self.settings.payment_reference {
            Some(_) => PaymentField::Configured,
            None => PaymentField::Usual,
        }
    }

    fn says(&self) -> Vec<String> {
        let settings = &self.settings;
        let told = match settings.fulfilments {
            crate::config::Fulfilments::Auto => {
                "a shipment is reported as a fulfilment where the shop has them, else as a note"
            }
            crate::config::Fulfilments::Api => "a shipment is reported as a fulfilment",
            crate::config::Fulfilments::Note => "a shipment is reported as a note",
        };
        let mail = if settings.notify_customer {
            "and the shop mails it to the buyer: leave `mail = [\"shipped\"]` out of the channel"
        } else {
            "of which the shop mails nothing to the buyer"
        };
        let status = if settings.complete_when_shipped {
            "an order is set to completed once all of it is reported, and the shop mails that"
        } else {
            "an order's status is left alone; whatever else sets it to completed makes the shop mail that"
        };
        let configured = settings.statuses.keys().map(String::as_str);
        let words: BTreeSet<&str> = Standing::USUAL.into_iter().chain(configured).collect();
        let words = words.into_iter().filter_map(|word| {
            let standing = settings.standing(word)?;
            Some(format!("{word} = {}", standing.as_str()))
        });
        let words = words.collect::<Vec<_>>().join(", ");
        let payment = match &settings.payment_reference {
            Some(key) => format!("meta_data.{key}"),
            None => "transaction_id, as the gateway's plug-in writes it (payment_reference is not set; a gateway's plug-in may write a charge there, ch_…)".to_owned(),
        };
        vec![
            format!("{told}, {mail}"),
            status.to_owned(),
            format!("order statuses: {words}; any other one is a task, and its order is not shipped"),
            format!("the payment provider's id of an order's payment is read from {payment}"),
            "ask who runs the shop: a gateway plug-in may capture when an order is completed, and void or refund when it is cancelled or refunded. Of the plug-in and the account that captures here, one has to be off".to_owned(),
            "ask who runs the shop: a setting or plug-in that fulfils or completes paid orders by itself has to be off, or nothing is shipped (`others` and `completed` of the channel)".to_owned(),
            "the shop itself mails the buyer when an order is received, processed, completed, refunded or cancelled, as its settings say".to_owned(),
        ]
    }
}

impl WooCommerce {
    async fn orders(&self, orders: Orders, now: DateTime<Utc>) -> Result<Page, Error> {
        let Orders {
            list: cursor,
            unread,
        } = orders;
        let reach = Reach {
            overlap: self.settings.overlap,
            since: self.settings.since,
            tick: SECOND,
        };
        let query = cursor.query(&reach, now);
        let sort = match query.sort {
            Sort::Changed => "modified",
            Sort::Id => "id",
        };
        let mut path = format!(
            "{API}/orders?{DIGITS}&status=any&orderby={sort}&order=asc&per_page={}&offset={}&dates_are_gmt=true",
            self.settings.page_size, query.offset
        );
        // Both bounds of the shop exclude the second that they name.
        if let Some(from) = query.from {
            path.push_str(&format!("&modified_after={}", wire_time(from - SECOND)));
        }
        if let Some(before) = query.before {
            path.push_str(&format!("&modified_before={}", wire_time(before)));
        }
        let list = self.list(path).await?;
        let stamps: Vec<Stamp> = list.records.iter().map(|raw| stamp(raw)).collect();
        if cursor.is_ignored(&query, &stamps) {
            return Err(Error::new(
                ErrorClass::Protocol,
                format!(
                    "{API}/orders: the shop returned a different page than requested: it ignores modified_after or offset (a cache in front of it?); later orders are not fetched until the shop is fixed"
                ),
            ));
        }
        let (mut next, more) = cursor
            .after(&query, &stamps, list.total, now)
            .ok_or_else(|| {
                let why = if stamps.is_empty() {
                    format!(
                        "an empty page, although the shop counts {} orders there (X-WP-Total): it cannot load them, or a plug-in or a cache holds them back",
                        list.total
                    )
                } else {
                    "a whole page of orders without date_modified_gmt".to_owned()
                };
                Error::new(
                    ErrorClass::Protocol,
                    format!("{API}/orders: {why}; cannot continue without skipping orders"),
                )
            })?;
        if more && cursor.from.is_none() {
            next.begun = self.newest().await?.map(|newest| newest.min(now));
        }
        let mut told = list.records;
        let listed: BTreeSet<String> = stamps.into_iter().filter_map(|(id, _)| id).collect();
        let mut asked = listed.clone();
        if query.sweep {
            for id in unread.iter().filter(|id| !listed.contains(*id)) {
                match self.by_id(id).await {
                    Ok(found) => told.extend(found),
                    // It waits for the next sweep, alone.
                    Err(error) if is_of_one(&error) => continue,
                    Err(error) => return Err(error),
                }
                asked.insert(id.clone());
            }
        }
        let (records, failed) = self.all_bundled(&told).await?;
        let next = Orders { list: next, unread }.noting(&asked, failed);
        Ok(Page::new(records, stored_as(&next)?, more))
    }

    /// When the shop last changed an order.
    pub(super) async fn newest(&self) -> Result<Option<DateTime<Utc>>, Error> {
        let path = format!(
            "{API}/orders?{DIGITS}&status=any&orderby=modified&order=desc&per_page=1&offset=0"
        );
        let list = self.list(path).await?;
        Ok(list.records.first().and_then(|raw| stamp(raw).1))
    }

    /// An order by its id; `None` where the shop has none, or has it in its bin.
    async fn by_id(&self, id: &str) -> Result<Option<Box<RawValue>>, Error> {
        match self.get(format!("{API}/orders/{id}?{DIGITS}")).await {
            Ok(raw) => {
                let binned = map::stamp(raw.get()).status == map::TRASH;
                Ok(Some(raw).filter(|_| !binned))
            }
            Err(error) if error.class == ErrorClass::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Orders with what they only hint at: their refunds and fulfilments are lists of their own, and so are products. And the ids of
    /// those of which something could not be read.
    async fn all_bundled(
        &self,
        orders: &[Box<RawValue>],
    ) -> Result<(Vec<Record>, BTreeSet<String>), Error> {
        let parents = orders
            .iter()
            .flat_map(|raw| map::parents_of(&map::stamp(raw.get())));
        let parents = self.parents(parents.collect()).await?;
        let (mut records, mut failed) = (Vec::with_capacity(orders.len()), BTreeSet::new());
        for raw in orders {
            let (record, unread) = self.bundled(raw, &parents).await?;
            records.push(record);
            failed.extend(unread);
        }
        Ok((records, failed))
    }

    /// An order with its lists; its id too where one of them could not be read.
    async fn bundled(
        &self,
        raw: &RawValue,
        parents: &Products,
    ) -> Result<(Record, Option<String>), Error> {
        let stamp = map::stamp(raw.get());
        let mut text = format!("{{\"order\":{}", raw.get());
        let own = map::parents_of(&stamp);
        let mut unread = parents.unread(&own);
        if let Some(id) = map::id(&stamp) {
            let refunded = stamp.refunds.as_array().is_some_and(|all| !all.is_empty());
            if unread.is_none() && refunded {
                match self.beside(&id, refunds_path(&id)).await? {
                    Ok(told) => text.push_str(&format!(",\"refunds\":{}", told.get())),
                    Err(why) => unread = Some(why),
                }
            }
            if unread.is_none() && map::has_fulfilments(&stamp) {
                match self
                    .beside(&id, format!("{API}/orders/{id}/fulfillments"))
                    .await
                {
                    Ok(Ok(told)) => text.push_str(&format!(",\"fulfillments\":{}", told.get())),
                    Ok(Err(why)) => unread = Some(why),
                    Err(error) if error.code.as_deref() == Some(NO_ROUTE) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let own = parents.skus(&own);
        if !own.is_empty() {
            text.push_str(&format!(",\"parents\":{}", stored_as(&own)?));
        }
        let id = map::id(&stamp).filter(|_| unread.is_some());
        if let Some(why) = unread {
            text.push_str(&format!(",\"unread\":{}", Value::from(why)));
        }
        text.push('}');
        Ok((map::order_record(&text, &self.settings), id))
    }

    /// A list of an order's own; in words why it cannot be read, where that is this order's trouble alone: the shop tells the order
    /// itself, and still not the list. Its neighbours go on then.
    async fn beside(
        &self,
        order: &str,
        path: String,
    ) -> Result<Result<Box<RawValue>, String>, Error> {
        match self.get(path.clone()).await {
            Err(error) if is_of_one(&error) => {}
            told => return told.map(Ok),
        }
        if self.by_id(order).await?.is_none() {
            let why = format!("{path}: the order was deleted since it was listed");
            return Err(Error::new(ErrorClass::Transient, why));
        }
        match self.get(path).await {
            Err(error) if is_of_one(&error) => Ok(Err(error.message)),
            told => told.map(Ok),
        }
    }

    /// All refunds of an order as they are now: nobody makes more than a page of them.
    pub(super) async fn refunds_of(&self, order: &str) -> Result<Box<RawValue>, Error> {
        self.get(fresh(&refunds_path(order))).await
    }
}

/// The finest difference the shop tells.
const SECOND: Duration = Duration::seconds(1);

/// As the shop's filters take it: without a zone, which `dates_are_gmt` says.
fn wire_time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H%%3A%M%%3A%S").to_string()
}

fn refunds_path(order: &str) -> String {
    format!("{API}/orders/{order}/refunds?{DIGITS}&per_page=100")
}

/// What one order or product alone may be answered with; the host, the login and the budget are everybody's.
pub(super) fn is_of_one(error: &Error) -> bool {
    match error.class {
        ErrorClass::NotFound | ErrorClass::Rejected | ErrorClass::Protocol => true,
        ErrorClass::Transient => !matches!(
            error.code.as_deref(),
            None | Some("408" | "425" | "502" | "503" | "504")
        ),
        _ => false,
    }
}

fn stamp(raw: &RawValue) -> Stamp {
    let stamp = map::stamp(raw.get());
    (map::id(&stamp), map::changed(&stamp))
}

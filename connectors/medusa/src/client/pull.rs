//! Reading orders and stock.

use async_trait::async_trait;
use chrono::{DateTime, Duration, SecondsFormat, Utc};
use hikiate_sdk::cursor::{Cursor, Reach, Sort, stored, stored_as};
use hikiate_sdk::{
    Error, ErrorClass, ExternalId, Here, InFile, Kind, Page, PaymentField, Record, Source,
    StreamSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Medusa, is_plain, unreadable};
use crate::fields::{INVENTORY_FIELDS, ORDER_FIELDS};
use crate::map;
use crate::wire::{InventoryPage, OrderPage};

const ORDERS: &str = "orders";
const STOCK: &str = "stock";
/// Orders read by id in one call: an address that no proxy finds too long.
const READS: usize = 50;

/// Where a sweep over the stock stands.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Sweep {
    offset: usize,
    count: usize,
}

#[async_trait]
impl Source for Medusa {
    fn streams(&self) -> Vec<StreamSpec> {
        vec![
            StreamSpec {
                name: ORDERS.to_owned(),
                kind: Kind::Order,
                interval: self.settings.interval,
                by_code: None,
                unheard: false,
            },
            StreamSpec {
                name: STOCK.to_owned(),
                kind: Kind::Stock,
                interval: self.settings.stock_interval,
                by_code: None,
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
            ORDERS => self.orders(stored(stream, cursor)?, here.now).await,
            STOCK => self.stock(&stored(stream, cursor)?).await,
            _ => Err(Error::new(
                ErrorClass::Config,
                format!("a medusa account has no stream {stream:?}"),
            )),
        }
    }

    fn rewind(&self, stream: &str, cursor: Option<&Value>, since: DateTime<Utc>) -> Option<Value> {
        if stream != ORDERS {
            return None;
        }
        // An order that was never seen has nothing to be rewound to.
        let seen = stored::<Cursor>(stream, cursor).ok()?.seen?;
        let cursor = Cursor {
            seen: Some(seen.min(since)),
            ..Cursor::default()
        };
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
            map::stock_records(raw)
        } else {
            vec![map::order_record(raw, &self.settings)]
        })
    }

    fn payment_field(&self) -> PaymentField {
        match self.settings.payment_reference {
            Some(_) => PaymentField::Configured,
            None => PaymentField::Nowhere,
        }
    }

    fn reads(&self) -> Vec<(Kind, usize)> {
        vec![(Kind::Order, READS)]
    }

    async fn read(&self, kind: Kind, ids: &[ExternalId]) -> Result<Vec<Record>, Error> {
        if kind != Kind::Order {
            let why = format!("a medusa account cannot refresh {} by id", kind.plural());
            return Err(Error::new(ErrorClass::Config, why));
        }
        // What is no id of a shop is an order it does not have; without any the filter would mean all.
        let ids: Vec<&str> = ids
            .iter()
            .map(ExternalId::as_str)
            .filter(|id| is_plain(id))
            .collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut path = format!(
            "/admin/orders?fields={ORDER_FIELDS}&limit={}&offset=0",
            ids.len()
        );
        for id in &ids {
            path.push_str("&id%5B%5D=");
            path.push_str(id);
        }
        let response = self.get(path).await?;
        let page: OrderPage<'_> =
            serde_json::from_slice(&response.body).map_err(|e| unreadable("/admin/orders", &e))?;
        Ok(page
            .orders
            .iter()
            .map(|raw| map::order_record(raw.get(), &self.settings))
            .collect())
    }

    async fn acknowledge(&self, _ack: &Value) -> Result<(), Error> {
        Ok(())
    }
}

impl Medusa {
    async fn orders(&self, cursor: Cursor, now: DateTime<Utc>) -> Result<Page, Error> {
        let reach = Reach {
            overlap: self.settings.overlap,
            since: self.settings.since,
            tick: Duration::milliseconds(1),
        };
        let query = cursor.query(&reach, now);
        let order = match query.sort {
            Sort::Changed => "updated_at",
            Sort::Id => "id",
        };
        let limit = self.settings.page_size;
        let mut path = format!(
            "/admin/orders?fields={ORDER_FIELDS}&order={order}&limit={limit}&offset={}",
            query.offset
        );
        let mut bound = |name: &str, time: Option<DateTime<Utc>>| {
            if let Some(time) = time {
                path.push_str(&format!("&updated_at%5B%24{name}%5D={}", wire_time(time)));
            }
        };
        bound("gte", query.from);
        bound("lt", query.before);
        if let Some(channel) = &self.settings.sales_channel {
            path.push_str(&format!("&sales_channel_id%5B%5D={channel}"));
        }
        let response = self.get(path).await?;
        let page: OrderPage<'_> =
            serde_json::from_slice(&response.body).map_err(|e| unreadable("/admin/orders", &e))?;
        let stamps: Vec<_> = page
            .orders
            .iter()
            .map(|raw| map::stamp(raw.get()))
            .collect();
        if cursor.is_ignored(&query, &stamps) {
            return Err(Error::new(
                ErrorClass::Protocol,
                "/admin/orders: the shop returned a different page than requested: it ignores updated_at or offset; later orders are not fetched until the shop is fixed",
            ));
        }
        let (mut next, more) = cursor
            .after(&query, &stamps, page.count, now)
            .ok_or_else(|| {
                Error::new(
                    ErrorClass::Protocol,
                    "/admin/orders: a whole page of orders without updated_at; cannot continue",
                )
            })?;
        if more && cursor.from.is_none() {
            next.begun = self.newest().await?.map(|newest| newest.min(now));
        }
        let records = page
            .orders
            .iter()
            .map(|raw| map::order_record(raw.get(), &self.settings))
            .collect();
        Ok(Page::new(records, stored_as(&next)?, more))
    }

    /// When the shop last changed an order.
    async fn newest(&self) -> Result<Option<DateTime<Utc>>, Error> {
        let mut path =
            format!("/admin/orders?fields={ORDER_FIELDS}&order=-updated_at&limit=1&offset=0");
        if let Some(channel) = &self.settings.sales_channel {
            path.push_str(&format!("&sales_channel_id%5B%5D={channel}"));
        }
        let response = self.get(path).await?;
        let page: OrderPage<'_> =
            serde_json::from_slice(&response.body).map_err(|e| unreadable("/admin/orders", &e))?;
        Ok(page.orders.first().and_then(|raw| map::stamp(raw.get()).1))
    }

    async fn stock(&self, sweep: &Sweep) -> Result<Page, Error> {
        let limit = self.settings.page_size;
        let path = format!(
            "/admin/inventory-items?fields={INVENTORY_FIELDS}&order=id&limit={limit}&offset={}",
            sweep.offset
        );
        let response = self.get(path).await?;
        let page: InventoryPage<'_> = serde_json::from_slice(&response.body)
            .map_err(|e| unreadable("/admin/inventory-items", &e))?;
        // Items deleted since the last page have moved the others forward.
        let gone = sweep.count.saturating_sub(page.count);
        let read = page.inventory_items.len();
        let offset = if gone > 0 {
            sweep.offset.saturating_sub(gone)
        } else {
            sweep.offset + read
        };
        let more = offset < page.count && (read > 0 || gone > 0);
        let next = if more {
            Sweep {
                offset,
                count: page.count,
            }
        } else {
            Sweep::default()
        };
        let records = page
            .inventory_items
            .iter()
            .flat_map(|raw| map::stock_records(raw.get()))
            .collect();
        Ok(Page::new(records, stored_as(&next)?, more))
    }
}

/// As the shop's filters take it.
fn wire_time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

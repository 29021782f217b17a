//! From what a connector observed to what the store keeps. Pure.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use hikiate_sdk::{AccountSlug, Observed, Record};

use super::features::features;
use crate::facts::{FactBody, OrderFact};
use crate::number::order_number;
use crate::store::{
    Directory, IncomingBad, IncomingFact, IncomingOrder, IncomingPage, IncomingStock,
};

/// Sorts a page's records by what they are about.
#[must_use]
pub fn intake(
    records: Vec<Record>,
    account: &AccountSlug,
    account_id: i16,
    directory: &Directory,
    zone: Tz,
    asked_at: DateTime<Utc>,
) -> IncomingPage {
    let mut page = IncomingPage {
        asked_at,
        day: asked_at.with_timezone(&zone).date_naive(),
        ..IncomingPage::default()
    };
    for Record { raw, parsed } in records {
        match parsed {
            Err(bad) => page.bad.push(IncomingBad {
                external_id: bad.external_id.map(|id| id.to_string()),
                reason: bad.reason,
                raw,
            }),
            Ok(Observed::Order(order, personal)) => {
                let happened_at = order.ordered_at;
                page.orders.push(IncomingOrder {
                    external_id: order.external_id.clone(),
                    number: order_number(account, &order.external_id),
                    fact: OrderFact {
                        features: features(&order.groups, &personal),
                        order: *order,
                        personal_version: 0,
                    },
                    personal: *personal,
                    happened_at,
                    business_date: happened_at.with_timezone(&zone).date_naive(),
                    raw,
                });
            }
            Ok(Observed::InstructionReply(reply)) => {
                let at = reply.at.unwrap_or(asked_at);
                let series = reply.reference.to_string();
                page.facts.push(about(
                    series.clone(),
                    FactBody::Reply(reply),
                    series,
                    at,
                    zone,
                    raw,
                ));
            }
            Ok(Observed::CancelReply(reply)) => {
                let at = reply.at.unwrap_or(asked_at);
                let series = reply.reference.to_string();
                page.facts.push(about(
                    series.clone(),
                    FactBody::CancelReply(reply),
                    series,
                    at,
                    zone,
                    raw,
                ));
            }
            Ok(Observed::Parcel(parcel)) => {
                let series = format!("{}:{}", parcel.reference, parcel.key);
                let at = parcel.left_at;
                page.facts.push(about(
                    parcel.reference.to_string(),
                    FactBody::Parcel(parcel),
                    series,
                    at,
                    zone,
                    raw,
                ));
            }
            // A channel's own stock is not ours to allocate; only configured warehouses count.
            Ok(Observed::Stock(level)) => {
                if let Some(location_id) =
                    directory.location_of(account_id, level.location.as_deref())
                {
                    page.stock.push(IncomingStock {
                        code: level.code,
                        location_id,
                        quantity: level.quantity,
                        as_of: level.as_of,
                    });
                }
            }
        }
    }
    page
}

fn about(
    reference: String,
    body: FactBody,
    series: String,
    happened_at: DateTime<Utc>,
    zone: Tz,
    raw: Vec<u8>,
) -> IncomingFact {
    IncomingFact {
        reference,
        body,
        series,
        happened_at,
        business_date: happened_at.with_timezone(&zone).date_naive(),
        raw,
    }
}

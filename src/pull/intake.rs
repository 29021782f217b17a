//! From what a connector observed to what the store keeps. Pure.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use hikiate_sdk::{AccountSlug, Observed, Record};

use super::features::features;
use crate::facts::{FactBody, OrderFact};
use crate::number::order_number;
use crate::store::{
    Directory, IncomingBad, IncomingFact, IncomingOrder, IncomingPage, IncomingStock,
};

/// A count that is dated further ahead than clocks differ would stand until that day, whatever is counted before.
const AHEAD: Duration = Duration::days(1);

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
    for Record { raw, parsed, .. } in records {
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
                if let Some(to_come) = level.as_of.filter(|at| *at > asked_at + AHEAD) {
                    page.bad.push(IncomingBad {
                        external_id: Some(level.code),
                        reason: format!(
                            "a count dated {}, which has not come; correct its date",
                            to_come.with_timezone(&zone).format("%Y-%m-%d %H:%M")
                        ),
                        raw,
                    });
                } else if let Some(location_id) =
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

#[cfg(test)]
mod tests {
    use chrono_tz::Asia::Tokyo;
    use hikiate_sdk::StockLevel;

    use super::*;

    #[test]
    fn a_count_of_a_day_to_come_is_kept_apart_with_its_reason() {
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap_or_default();
        let count = |as_of| {
            Record::new(
                *b"PEAR,5",
                Ok(Observed::Stock(StockLevel {
                    code: "PEAR".to_owned(),
                    location: None,
                    quantity: 5,
                    free: false,
                    as_of,
                    read_at: None,
                })),
            )
        };
        let dates = [
            None,
            Some(now + Duration::hours(23)),
            Some(now + Duration::days(365)),
        ];
        let page = intake(
            dates.map(count).into(),
            &"wms".into(),
            1,
            &Directory::default(),
            Tokyo,
            now,
        );
        assert_eq!(page.bad.len(), 1);
        assert_eq!(page.bad[0].external_id.as_deref(), Some("PEAR"));
        assert!(
            page.bad[0].reason.contains("2027-11-18"),
            "{}",
            page.bad[0].reason
        );
    }
}

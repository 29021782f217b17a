//! From what a connector observed to what the store keeps. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use hikiate_sdk::{AccountSlug, BadRecord, Contents, ExternalId, Observed, Record, StockLevel};

use super::border::admit;
use super::features::features;
use crate::facts::{FactBody, OrderFact, PaymentFact};
use crate::number::order_number;
use crate::store::{
    Directory, IncomingBad, IncomingFact, IncomingOrder, IncomingPage, IncomingPayment,
    IncomingStock, Source,
};

/// How far clocks differ. A count dated further ahead would stand until then, whatever is counted before.
const AHEAD: Duration = Duration::minutes(10);

/// No shelf holds more of one code; what is more is another column's number.
const MOST: i64 = 10_000_000;

/// Sorts a page's records by what they are about.
#[must_use]
pub fn intake(
    records: Vec<Record>,
    account: &AccountSlug,
    account_id: i16,
    directory: &Directory,
    zone: Tz,
    requested_at: DateTime<Utc>,
) -> IncomingPage {
    let mut page = IncomingPage {
        requested_at,
        day: requested_at.with_timezone(&zone).date_naive(),
        ..IncomingPage::default()
    };
    let mut stock = Stock {
        account,
        account_id,
        directory,
        zone,
        requested_at,
        levels: BTreeMap::new(),
    };
    for Record {
        raw,
        file,
        excluded,
        parsed,
    } in records
    {
        let source = Source { raw, file };
        let parsed = parsed.and_then(|observed| admit(observed, source.raw.len(), zone));
        if excluded {
            page.excluded.extend(order_of(&parsed));
        }
        match parsed {
            Err(bad) => page.bad.push(IncomingBad::new(bad, source)),
            Ok(Observed::Order(order, personal)) => {
                let happened_at = order.ordered_at;
                page.orders.push(IncomingOrder {
                    external_id: order.external_id.clone(),
                    number: order_number(account, &order.external_id),
                    payments: directory.payment_names(account_id, &order),
                    fact: OrderFact {
                        features: features(&order.groups, &personal),
                        order: *order,
                        personal_version: 0,
                    },
                    personal: *personal,
                    happened_at,
                    business_date: happened_at.with_timezone(&zone).date_naive(),
                    raw: source.raw,
                });
            }
            Ok(Observed::InstructionReply(reply)) => {
                let at = reply.at.unwrap_or(requested_at);
                let series = reply.reference.to_string();
                let body = FactBody::Reply(reply);
                let parts = vec!["reply".to_owned()];
                page.facts
                    .push(about(series.clone(), body, series, parts, at, zone, source));
            }
            Ok(Observed::CancelReply(reply)) => {
                let at = reply.at.unwrap_or(requested_at);
                let series = reply.reference.to_string();
                let body = FactBody::CancelReply(reply);
                let parts = vec!["cancel".to_owned()];
                page.facts
                    .push(about(series.clone(), body, series, parts, at, zone, source));
            }
            Ok(Observed::Parcel(parcel)) => {
                let reference = parcel.reference.to_string();
                let series = format!("{reference}:{}", parcel.key);
                let at = parcel.effective_at(requested_at);
                let number = parcel.tracking.as_deref().unwrap_or_default();
                let part = |line: String| format!("parcel line {line} number {number}");
                let parts = match &parcel.contents {
                    Contents::Lines(lines) => lines.iter().map(|l| part(l.n.to_string())).collect(),
                    Contents::Codes(codes) => codes.iter().map(|l| part(l.code.clone())).collect(),
                    Contents::Whole => vec![part(String::new())],
                };
                let body = FactBody::Parcel(parcel);
                page.facts
                    .push(about(reference, body, series, parts, at, zone, source));
            }
            Ok(Observed::Payment(payment)) => page.payments.push(IncomingPayment {
                fact: PaymentFact {
                    account: account.clone(),
                    payment: *payment,
                },
                raw: source.raw,
            }),
            Ok(Observed::Stock(level)) => {
                page.bad.extend(stock.count(level, source));
            }
        }
    }
    stock.finish(&mut page);
    page
}

/// The order that a record is about, or that it could not be decoded as.
fn order_of(parsed: &Result<Observed, BadRecord>) -> Option<String> {
    match parsed {
        Ok(Observed::Order(order, _)) => Some(order.external_id.to_string()),
        Ok(_) => None,
        Err(bad) => bad.external_id.as_ref().map(ToString::to_string),
    }
}

/// Warehouse and code.
type Shelf = (i16, String);

/// A count and where it stood.
type Counted = (StockLevel, Source);

/// The counts of one page.
struct Stock<'a> {
    account: &'a AccountSlug,
    account_id: i16,
    directory: &'a Directory,
    zone: Tz,
    requested_at: DateTime<Utc>,
    levels: BTreeMap<Shelf, Vec<Counted>>,
}

impl Stock<'_> {
    fn count(&mut self, level: StockLevel, source: Source) -> Option<IncomingBad> {
        let code = ExternalId::from(level.code.as_str());
        let bad = |source, why: String, cause: &str| {
            let record = BadRecord::new(Some(code), why).because(cause);
            Some(IncomingBad::new(record, source))
        };
        if let Some(to_come) = level.as_of.filter(|at| *at > self.requested_at + AHEAD) {
            let day = to_come.with_timezone(&self.zone).format("%Y-%m-%d %H:%M");
            let why = format!("a count dated {day}, which has not come; correct its date");
            return bad(source, why, "a count of a day that has not come");
        }
        // A channel's own stock is not ours to allocate; only configured warehouses count.
        if !self.directory.has_warehouse(self.account_id) {
            return None;
        }
        let place = level.location.as_deref();
        let Some(location_id) = self.directory.location_of(self.account_id, place) else {
            let place = place.map_or("no place".to_owned(), |code| format!("place {code:?}"));
            let why = format!(
                "the row names {place}, and no warehouse of {} has that location: write it under [warehouses] or correct the file; the row was not counted",
                self.account
            );
            let cause = format!("stock of {place}, which no warehouse has");
            return bad(source, why, &cause);
        };
        if level.quantity.saturating_abs() > MOST {
            let why = format!(
                "a count of {} is no count: at most {MOST} are believed",
                level.quantity
            );
            return bad(source, why, "a count that is no count");
        }
        let key = (location_id, level.code.clone());
        self.levels.entry(key).or_default().push((level, source));
        None
    }

    /// One count of each code in each warehouse. Rows of several places that are one warehouse by the configuration are all
    /// bad: whether they are to be summed, or one of them is for damaged goods, is nothing that a program may guess.
    fn finish(self, page: &mut IncomingPage) {
        for ((location_id, _), rows) in self.levels {
            let place = rows.first().and_then(|(level, _)| level.location.clone());
            if rows.iter().any(|(level, _)| level.location != place) {
                for (level, source) in rows {
                    let code = Some(ExternalId::from(level.code.as_str()));
                    let why = format!(
                        "{} stands more than once for one warehouse of {}, which has no location code: give each place a warehouse with its location, or declare the column as lot, shelf or quality in the layout; none of the rows was counted",
                        level.code, self.account
                    );
                    let record = BadRecord::new(code, why)
                        .because("one item in several places of one warehouse");
                    page.bad.push(IncomingBad::new(record, source));
                }
                continue;
            }
            let (counts, below): (Vec<Counted>, Vec<Counted>) =
                rows.into_iter().partition(|(level, _)| level.quantity >= 0);
            page.bad.extend(below.into_iter().map(below_zero));
            page.stock.extend(counts.into_iter().map(|(level, source)| {
                let StockLevel {
                    code,
                    location: _,
                    quantity,
                    free,
                    as_of,
                    read_at,
                } = level;
                IncomingStock {
                    code,
                    location_id,
                    quantity,
                    free,
                    as_of,
                    read_at,
                    source,
                }
            }));
        }
    }
}

/// Nobody has counted fewer than none: the last count stays.
fn below_zero((level, source): Counted) -> IncomingBad {
    let place = level.location.as_deref();
    let place = place.map_or_else(String::new, |place| format!(" at place {place}"));
    let why = format!(
        "{}{place}: a count of {} is below zero; the last count stays, correct the quantity at its source",
        level.code, level.quantity
    );
    let code = ExternalId::from(level.code.as_str());
    let record = BadRecord::new(Some(code), why).because("a count below zero");
    IncomingBad::new(record, source)
}

fn about(
    reference: String,
    body: FactBody,
    series: String,
    parts: Vec<String>,
    happened_at: DateTime<Utc>,
    zone: Tz,
    source: Source,
) -> IncomingFact {
    IncomingFact {
        reference,
        body,
        series,
        parts,
        happened_at,
        business_date: happened_at.with_timezone(&zone).date_naive(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Asia::Tokyo;

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
            Some(now + Duration::minutes(9)),
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
        assert_eq!(page.bad.len(), 1, "{:?}", page.bad);
        assert_eq!(page.bad[0].external_id.as_deref(), Some("PEAR"));
        assert!(
            page.bad[0].reason.contains("2027-11-18"),
            "{}",
            page.bad[0].reason
        );
    }

    #[test]
    fn an_item_in_two_places_of_one_warehouse_is_not_counted() {
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap_or_default();
        let row = |place: &str, quantity| {
            let level = StockLevel {
                code: "VK-1".to_owned(),
                location: Some(place.to_owned()),
                quantity,
                free: false,
                as_of: None,
                read_at: None,
            };
            Record::new(
                format!("VK-1,{place},{quantity}"),
                Ok(Observed::Stock(level)),
            )
        };
        let directory = Directory::of_one_warehouse(1);
        let rows = vec![row("良品", 1), row("不良品", 9)];
        let page = intake(rows, &"wms".into(), 1, &directory, Tokyo, now);
        assert_eq!((page.stock.len(), page.bad.len()), (0, 2));
        assert!(
            page.bad[0].reason.contains("VK-1"),
            "{}",
            page.bad[0].reason
        );
        let page = intake(
            vec![row("良品", 1)],
            &"wms".into(),
            1,
            &directory,
            Tokyo,
            now,
        );
        assert_eq!(page.stock[0].quantity, 1);
    }

    #[test]
    fn a_row_of_a_place_that_no_warehouse_has_is_bad_and_names_it() {
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap_or_default();
        let row = |place: Option<&str>| {
            let level = StockLevel {
                code: "VK-1".to_owned(),
                location: place.map(str::to_owned),
                quantity: 1,
                free: false,
                as_of: None,
                read_at: None,
            };
            Record::new(*b"VK-1,1", Ok(Observed::Stock(level)))
        };
        let directory = Directory::of_one_warehouse(1).at("01");
        let rows = vec![row(Some("01")), row(Some("1")), row(None)];
        let page = intake(rows, &"wms".into(), 1, &directory, Tokyo, now);
        assert_eq!((page.stock.len(), page.bad.len()), (1, 2));
        let reasons: Vec<&str> = page.bad.iter().map(|bad| bad.reason.as_str()).collect();
        assert!(reasons[0].contains("place \"1\""), "{reasons:?}");
        assert!(reasons[1].contains("no place"), "{reasons:?}");
        assert!(reasons.iter().all(|why| why.contains("[warehouses]")));
        assert_ne!(page.bad[0].cause, page.bad[1].cause, "two tasks");
    }

    #[test]
    fn a_count_below_zero_is_kept_apart_with_its_place() {
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap_or_default();
        let row = |code: &str, quantity, free| {
            let level = StockLevel {
                code: code.to_owned(),
                location: Some("T".to_owned()),
                quantity,
                free,
                as_of: None,
                read_at: None,
            };
            Record::new(format!("{code},T,{quantity}"), Ok(Observed::Stock(level)))
        };
        let directory = Directory::of_one_warehouse(1);
        let rows = vec![
            row("PEAR-2", -7, false),
            row("APPLE", 0, false),
            row("FIG", -1, true),
        ];
        let page = intake(rows, &"wms".into(), 1, &directory, Tokyo, now);
        let counted: Vec<&str> = page.stock.iter().map(|level| level.code.as_str()).collect();
        assert_eq!(counted, ["APPLE"]);
        let reasons: Vec<&str> = page.bad.iter().map(|bad| bad.reason.as_str()).collect();
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        let why = reasons.iter().find(|why| why.contains("PEAR-2"));
        assert!(why.is_some_and(|why| why.contains("place T") && why.contains("-7 is below zero")));
        assert_eq!(page.bad[0].cause, page.bad[1].cause, "one task");
    }

    #[test]
    fn neither_another_time_nor_a_number_of_another_column_makes_a_count() {
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap_or_default();
        let row = |place: &str, quantity, minutes| {
            let level = StockLevel {
                code: "VK-1".to_owned(),
                location: Some(place.to_owned()),
                quantity,
                free: false,
                as_of: Some(now - Duration::minutes(minutes)),
                read_at: None,
            };
            Record::new(
                format!("VK-1,{place},{quantity}"),
                Ok(Observed::Stock(level)),
            )
        };
        let directory = Directory::of_one_warehouse(1);
        let read = |rows| intake(rows, &"wms".into(), 1, &directory, Tokyo, now);
        let page = read(vec![row("良品", 1, 10), row("不良品", 9, 5)]);
        assert_eq!((page.stock.len(), page.bad.len()), (0, 2));
        let page = read(vec![row("01", 4, 10), row("01", 3, 5)]);
        assert_eq!(
            (page.stock.len(), page.bad.len()),
            (2, 0),
            "two files of one place"
        );
        let page = read(vec![row("01", 4_901_234_567_801, 5)]);
        assert_eq!((page.stock.len(), page.bad.len()), (0, 1), "a JAN");
    }
}

//! What one answer of an external system brings, sorted by what it is about.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::text::{quote_value, quoted};
use hikiate_sdk::{BadRecord, ExternalId, InFile, Kind, Listing, Personal};

use super::{IncomingPayment, IncomingStock, PaymentName};
use crate::facts::{FactBody, OrderFact};

/// An order as pulled.
#[derive(Clone, Debug)]
pub struct IncomingOrder {
    /// The channel's id.
    pub external_id: ExternalId,
    /// Our number of it.
    pub number: String,
    /// The reading; its `personal_version` is set here.
    pub fact: OrderFact,
    /// Names and addresses.
    pub personal: Personal,
    /// When it happened, as told.
    pub happened_at: DateTime<Utc>,
    /// Its day in the shop's zone.
    pub business_date: NaiveDate,
    /// The bytes.
    pub raw: Vec<u8>,
    /// The names of its payments at other accounts; `None` where none of the channel's is reported elsewhere.
    pub payments: Option<BTreeSet<PaymentName>>,
}

/// A warehouse's observation about a shipment of ours.
#[derive(Clone, Debug)]
pub struct IncomingFact {
    /// The shipment.
    pub reference: String,
    /// What it says.
    pub body: FactBody,
    /// The series of observations it belongs to.
    pub series: String,
    /// What it tells of, as bad records name it.
    pub parts: Vec<String>,
    /// When it happened, as told.
    pub happened_at: DateTime<Utc>,
    /// Its day in the shop's zone.
    pub business_date: NaiveDate,
    /// Where it stood.
    pub source: Source,
}

/// Where a record stood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The bytes.
    pub raw: Vec<u8>,
    /// The file, where there is one.
    pub file: Option<InFile>,
}

impl Source {
    /// When it was told: by its file, else when it was asked for.
    pub(super) fn told(&self, requested_at: DateTime<Utc>) -> DateTime<Utc> {
        self.file.as_ref().map_or(requested_at, |file| file.told)
    }
}

/// A record that could not be understood.
#[derive(Clone, Debug)]
pub struct IncomingBad {
    /// The order's id, the shipment's reference or the item's code, where readable.
    pub external_id: Option<String>,
    /// Which part of it; a good record settles only a bad one of the same part.
    pub part: Option<String>,
    /// Why.
    pub reason: String,
    /// What it has in common with others.
    pub cause: String,
    /// Where it stood.
    pub source: Source,
    /// What it is the one record of: the newest stands for all before it, and so does what an operator said of it. `None`: its
    /// bytes are the record.
    pub one_of: Option<String>,
}

/// Everything one answer of an external system brings.
#[derive(Clone, Debug, Default)]
pub struct IncomingPage {
    /// Orders.
    pub orders: Vec<IncomingOrder>,
    /// Facts about shipments.
    pub facts: Vec<IncomingFact>,
    /// Stock levels.
    pub stock: Vec<IncomingStock>,
    /// Payments.
    pub payments: Vec<IncomingPayment>,
    /// Records that could not be understood.
    pub bad: Vec<IncomingBad>,
    /// Ids of orders in it that the account's configuration leaves out: stored only where they were stored before.
    pub excluded: BTreeSet<String>,
    /// When it was asked for, by the database's clock.
    pub requested_at: DateTime<Utc>,
    /// That day in the shop's zone.
    pub day: NaiveDate,
    /// The stock is, or is a part of, a list of all stock.
    pub listing: Option<Listing>,
    /// Orders that are older may be there although the external system does not show them.
    pub visible_from: Option<DateTime<Utc>>,
    /// The lease under which it was read: what the same reader has read before, byte for byte, is dropped. Without it
    /// readings are compared by what they say.
    pub read_by: Option<i64>,
}

impl IncomingPage {
    /// The answer certainly does not hold this, not even as a record that cannot be understood.
    pub(super) fn lacks(&self, kind: Kind, external_id: &str) -> bool {
        !self.may_be_bad(external_id) && !self.holds(kind, external_id)
    }

    /// The answer may hold this, and nothing of it was understood.
    pub(super) fn cannot_read(&self, kind: Kind, external_id: &str) -> bool {
        self.may_be_bad(external_id) && !self.holds(kind, external_id)
    }

    fn may_be_bad(&self, external_id: &str) -> bool {
        let mut named = self.bad.iter().map(|bad| bad.external_id.as_deref());
        named.any(|id| id.is_none_or(|id| id == external_id))
    }

    fn holds(&self, kind: Kind, external_id: &str) -> bool {
        match kind {
            Kind::Order => {
                let mut ids = self.orders.iter().map(|order| order.external_id.as_str());
                ids.any(|id| id == external_id)
            }
            Kind::Payment => {
                let mut keys = self.payments.iter().map(|told| &told.fact.payment.key);
                keys.any(|key| key.as_str() == external_id)
            }
            Kind::Shipment => self.facts.iter().any(|fact| fact.reference == external_id),
            Kind::Stock => self.stock.iter().any(|level| level.code == external_id),
            Kind::Payout | Kind::Return | Kind::Track | Kind::Deposit | Kind::Listing => false,
        }
    }

    /// Its counts: the codes, the warehouses, and when each was made.
    pub(super) fn counts(&self) -> (Vec<String>, Vec<i16>, Vec<DateTime<Utc>>) {
        let (mut code, mut location, mut as_of) = (Vec::new(), Vec::new(), Vec::new());
        for level in &self.stock {
            code.push(level.code.clone());
            location.push(level.location_id);
            as_of.push(level.as_of.unwrap_or(self.requested_at));
        }
        (code, location, as_of)
    }

    /// Its records one by one, each as a page; what is bad stays together.
    pub(super) fn apart(&self) -> Vec<Self> {
        let one = || Self {
            requested_at: self.requested_at,
            day: self.day,
            visible_from: self.visible_from,
            read_by: self.read_by,
            ..Self::default()
        };
        let listing = self.listing.clone().map(|listing| Listing {
            last: false,
            ..listing
        });
        let mut pages = Vec::new();
        for order in &self.orders {
            pages.push(Self {
                orders: vec![order.clone()],
                ..one()
            });
        }
        for fact in &self.facts {
            pages.push(Self {
                facts: vec![fact.clone()],
                ..one()
            });
        }
        for level in &self.stock {
            pages.push(Self {
                stock: vec![level.clone()],
                listing: listing.clone(),
                ..one()
            });
        }
        for payment in &self.payments {
            pages.push(Self {
                payments: vec![payment.clone()],
                ..one()
            });
        }
        for bad in &self.bad {
            pages.push(Self {
                bad: vec![bad.clone()],
                ..one()
            });
        }
        pages
    }

    /// The record of a page of one, as what cannot be stored.
    pub(super) fn refused(&self, why: &str) -> Vec<IncomingBad> {
        let bad = |external_id: String, source: Source| IncomingBad {
            external_id: Some(external_id),
            part: None,
            reason: why.to_owned(),
            cause: why.to_owned(),
            source,
            one_of: None,
        };
        let order = |order: &IncomingOrder| {
            let source = Source {
                raw: order.raw.clone(),
                file: None,
            };
            bad(order.external_id.to_string(), source)
        };
        let level = |level: &IncomingStock| bad(level.code.clone(), level.source.clone());
        let orders = self.orders.iter().map(order);
        let facts = self
            .facts
            .iter()
            .map(|fact| bad(fact.reference.clone(), fact.source.clone()));
        let payment = |payment: &IncomingPayment| {
            let source = Source {
                raw: payment.raw.clone(),
                file: None,
            };
            bad(payment.fact.payment.key.to_string(), source)
        };
        orders
            .chain(facts)
            .chain(self.stock.iter().map(level))
            .chain(self.payments.iter().map(payment))
            .collect()
    }

    /// True when it brings nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.orders.is_empty()
            && self.facts.is_empty()
            && self.stock.is_empty()
            && self.payments.is_empty()
            && self.bad.is_empty()
            && self.listing.is_none()
    }
}

impl IncomingBad {
    /// A record as its connector refused it.
    #[must_use]
    pub fn new(bad: BadRecord, source: Source) -> Self {
        Self {
            external_id: bad.external_id.map(|id| id.to_string()),
            part: bad.part,
            reason: bad.reason,
            cause: bad.cause,
            source,
            one_of: None,
        }
    }

    /// A count of a code that the mapping does not list, and the listed code that is most like it.
    pub(super) fn unlisted(level: &IncomingStock, like: Option<&str>) -> Self {
        let code = &level.code;
        let like = like.map_or_else(String::new, |like| format!(" ({} is listed)", quoted(like)));
        Self {
            external_id: Some(code.clone()),
            part: None,
            reason: format!(
                "{} of {} are in stock, and the mapping file does not list that code{like}: list it and restart, or dismiss the record if the item is not yours; it was not counted",
                level.quantity,
                quoted(code)
            ),
            cause: "stock of a code that the mapping file does not list".to_owned(),
            source: level.source.clone(),
            one_of: Some(format!("stock of unlisted code {code}")),
        }
    }
}

/// How far a warehouse's clock may be behind the shop's.
const CLOCKS: chrono::Duration = chrono::Duration::minutes(10);

impl IncomingFact {
    /// The shipment and the file that tells a parcel of it.
    pub(super) fn told_by(&self) -> Option<(&str, &str)> {
        let FactBody::Parcel(report) = &self.body else {
            return None;
        };
        Some((&self.reference, report.told.as_ref()?.file.as_str()))
    }

    /// Why it is kept apart: nobody knows its shipment.
    pub(super) fn unknown(&self) -> IncomingBad {
        self.refused(
            format!(
                "no shipment of this account has the reference {}",
                quote_value(&self.reference)
            ),
            "no shipment of this account has the reference",
        )
    }

    /// Why it is kept apart, where goods were shipped before their order was placed.
    pub(super) fn before(&self, placed: DateTime<Utc>) -> Option<IncomingBad> {
        let FactBody::Parcel(_) = &self.body else {
            return None;
        };
        let early = self.happened_at < placed.checked_sub_signed(CLOCKS)?;
        early.then(|| {
            let time = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M UTC");
            let why = format!(
                "{} was shipped at {}, before its order was placed ({}): have the warehouse correct the date",
                self.reference,
                time(self.happened_at),
                time(placed)
            );
            self.refused(why, "shipped before the order was placed")
        })
    }

    /// All that it tells of.
    fn all_parts(&self) -> String {
        let parts = self.parts.iter().map(String::as_str);
        let parts: Vec<&str> = parts.collect();
        parts.join("\n")
    }

    fn refused(&self, reason: String, cause: &str) -> IncomingBad {
        IncomingBad {
            external_id: Some(self.reference.clone()),
            part: (!self.parts.is_empty()).then(|| self.all_parts()),
            reason: match &self.source.file {
                Some(file) => format!("{}: {reason}", file.name),
                None => reason,
            },
            cause: cause.to_owned(),
            source: self.source.clone(),
            one_of: None,
        }
    }
}

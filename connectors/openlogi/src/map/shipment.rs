//! What a shipment of OPENLOGI says of one of ours.

use std::collections::BTreeMap;

use chrono::DateTime;
use hikiate_sdk::text::{code, whole_pairs, words};
use hikiate_sdk::{
    BadRecord, CancelReply, CancelVerdict, CodeLine, Contents, ExternalId, InstructionReply,
    NO_NUMBER, Observed, ParcelReport, Record, ReplyVerdict, ShipmentReference, Tracking,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::wire::Shipment;

/// Where a shipment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing has begun: it can be deleted.
    Open,
    /// Somebody at OPENLOGI works on it: a cancellation is a request.
    InWork,
    /// A cancellation was requested.
    CancelRequested,
    /// It has left.
    Shipped,
}

/// A status in our terms; `None` for one that the document does not have.
pub(crate) fn stage(status: &str) -> Option<Stage> {
    Some(match status {
        "backordered" | "allocating" | "waiting" | "suspended" => Stage::Open,
        "working" | "picking" | "picked" | "packed" | "modify_request" => Stage::InWork,
        "cancel_request" => Stage::CancelRequested,
        "shipped" => Stage::Shipped,
        _ => return None,
    })
}

/// Our reference, where an identifier has the form of one: `HK…-S1`.
pub(crate) fn ours(identifier: &str) -> Option<&str> {
    let (number, n) = identifier.strip_prefix("HK")?.split_once("-S")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let letters = number.len() == 13 && number.bytes().all(|b| b.is_ascii_alphanumeric());
    (letters && digits(n)).then_some(identifier)
}

/// A shipment that is ours.
pub(crate) struct Seen {
    pub(crate) reference: String,
    /// `None` where its status cannot be read, or is unknown.
    pub(crate) stage: Option<Stage>,
    pub(crate) wire: Shipment,
    pub(crate) record: Record,
}

/// Reads one shipment; `None` for one that is not ours: made by hand or by another system, or by OPENLOGI itself of a parcel that
/// came back, whatever number that one carries. `Err` is a record of which not even that can be told.
pub(crate) fn read(raw: &str) -> Result<Option<Seen>, Box<Record>> {
    let whole = whole_pairs(raw);
    // serde's own words may quote a value.
    let differs = |e: serde_json::Error| {
        format!("does not match OPENLOGI's document (column {})", e.column())
    };
    let head: Head = serde_json::from_str(&whole).map_err(|e| {
        let why = format!("a shipment {}", differs(e));
        Box::new(Record::new(raw, Err(BadRecord::new(None, why))))
    })?;
    let identifier = head.identifier.as_str().unwrap_or_default();
    let Some(reference) = ours(identifier).filter(|_| head.shipment_return != true) else {
        return Ok(None);
    };
    let (wire, parsed) = match serde_json::from_str::<Shipment>(&whole) {
        Ok(wire) => {
            let parsed = observed(&wire, reference);
            (wire, parsed)
        }
        Err(e) => (Shipment::default(), Err(differs(e))),
    };
    let stage = wire.status.as_deref().and_then(stage);
    let parsed = parsed.map_err(|why| {
        BadRecord::new(
            Some(ExternalId::from(reference)),
            format!("{reference}: {why}"),
        )
        .because(format!("a shipment whose {why}"))
    });
    Ok(Some(Seen {
        reference: reference.to_owned(),
        stage,
        wire,
        record: Record::new(raw, parsed),
    }))
}

/// The identifier of a shipment, whoever made it; empty where it tells none, `None` where not even that can be read.
pub(crate) fn identifier(raw: &str) -> Option<String> {
    let head: Head = serde_json::from_str(&whole_pairs(raw)).ok()?;
    Some(head.identifier.as_str().unwrap_or_default().to_owned())
}

/// Enough of a shipment to tell whose it is.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    identifier: Value,
    shipment_return: Value,
}

fn observed(wire: &Shipment, reference: &str) -> Result<Observed, String> {
    let status = wire.status.as_deref().ok_or("status is absent")?;
    let stage = stage(status).ok_or_else(|| {
        let status = words(status);
        format!("status {status:?} is not known to this connector")
    })?;
    if stage == Stage::Shipped {
        return parcel(wire, reference).map(Observed::Parcel);
    }
    let state = match status {
        "backordered" => "accepted; it waits for stock to arrive",
        "suspended" => {
            "accepted; it is suspended at OPENLOGI and does not ship before that is lifted there"
        }
        "modify_request" => "accepted; somebody has asked OPENLOGI for a change",
        "cancel_request" => "accepted; its cancellation was requested",
        _ if stage == Stage::InWork => "accepted; it is being picked and packed",
        _ => "accepted",
    };
    let planned = wire.assigned_shipping_date.as_deref();
    let planned =
        planned.filter(|_| !matches!(status, "backordered" | "suspended" | "cancel_request"));
    let message = match planned {
        Some(day) => format!("{state}; planned to ship on {}", words(day)),
        None => state.to_owned(),
    };
    Ok(Observed::InstructionReply(InstructionReply {
        reference: ShipmentReference::from(reference),
        verdict: ReplyVerdict::Accepted,
        message,
        at: None,
    }))
}

/// The numbers belong to the shipment, and nothing says which box holds what: it is one parcel with all its labels.
fn parcel(wire: &Shipment, reference: &str) -> Result<ParcelReport, String> {
    let key = wire
        .id
        .as_deref()
        .filter(|id| !id.is_empty())
        .ok_or("id is absent")?;
    let at = wire.shipped_at.as_deref().ok_or("shipped_at is absent")?;
    let shipped_at = DateTime::parse_from_rfc3339(at)
        .map_err(|_| "shipped_at is no time with an offset")?
        .to_utc();
    let mut numbers = Vec::new();
    let codes = wire.tracking_codes.iter().flatten();
    let single = wire
        .tracking_code
        .iter()
        .filter(|_| wire.tracking_codes.is_none());
    for number in codes.chain(single) {
        let number = match Tracking::read(number) {
            Ok(Tracking::Number(number)) => number,
            Ok(Tracking::Missing) => NO_NUMBER.to_owned(),
            Err(why) => return Err(format!("tracking_codes has one that {why}")),
        };
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    if numbers.len() > 1 {
        numbers.retain(|number| number != NO_NUMBER);
    }
    let mut numbers = numbers.into_iter();
    let service = wire.delivery_service.as_deref();
    let carrier = service.and_then(|service| service.split('-').next());
    Ok(ParcelReport {
        reference: ShipmentReference::from(reference),
        key: key.to_owned(),
        named: true,
        carrier: carrier
            .or(wire.delivery_carrier.as_deref())
            .map(str::to_owned),
        tracking: numbers.next(),
        also: numbers.collect(),
        shipped_at,
        shipped_until: None,
        contents: Contents::Codes(contents(wire)?),
        adds: false,
        told: None,
    })
}

/// So many of each code.
pub(crate) fn contents(wire: &Shipment) -> Result<Vec<CodeLine>, String> {
    let items = wire.items.as_deref().filter(|items| !items.is_empty());
    let mut sums: BTreeMap<String, u32> = BTreeMap::new();
    for item in items.ok_or("items are absent")? {
        let code = item
            .code
            .as_deref()
            .map(code)
            .filter(|code| !code.is_empty());
        let code = code.ok_or("items have one without a code")?;
        let quantity = item.quantity.ok_or("items have one without a quantity")?;
        let sum = sums.entry(code).or_default();
        *sum = sum
            .checked_add(quantity)
            .ok_or("items have a quantity out of range")?;
    }
    let line = |(code, quantity)| CodeLine { code, quantity };
    Ok(sums.into_iter().map(line).collect())
}

/// What became of a shipment between two readings: what OPENLOGI does not say in any record of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ending {
    /// Our reference.
    pub(crate) ending_of: String,
    /// Stopped, or not.
    pub(crate) verdict: CancelVerdict,
    /// In words.
    pub(crate) message: String,
    /// OPENLOGI has not said so: it no longer has the shipment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) absent: bool,
}

impl Ending {
    pub(crate) fn new(reference: &str, verdict: CancelVerdict, message: &str) -> Self {
        Self {
            ending_of: reference.to_owned(),
            verdict,
            message: message.to_owned(),
            absent: false,
        }
    }

    /// Stopped, since it is not there any more.
    pub(crate) fn gone(reference: &str) -> Self {
        let why = "OPENLOGI no longer has it and has not reported it as shipped";
        Self {
            absent: true,
            ..Self::new(reference, CancelVerdict::Accepted, why)
        }
    }

    /// As a record, from whose bytes it can be read again.
    pub(crate) fn record(self) -> Record {
        let raw = serde_json::to_vec(&self).unwrap_or_default();
        Record::new(
            raw,
            Ok(Observed::CancelReply(CancelReply {
                reference: ShipmentReference::new(self.ending_of),
                verdict: self.verdict,
                message: self.message,
                at: None,
                absent: self.absent,
            })),
        )
    }
}

/// A shipment that was reported as cancelled because it was gone, and that is open again: for a person to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Back {
    /// Our reference.
    back_again: String,
}

impl Back {
    pub(crate) fn new(reference: &str) -> Self {
        Self {
            back_again: reference.to_owned(),
        }
    }

    /// As a record, from whose bytes it can be read again.
    pub(crate) fn record(self) -> Record {
        let raw = serde_json::to_vec(&self).unwrap_or_default();
        let cause = "a shipment that was gone from OPENLOGI and counted as cancelled is open there again and may ship";
        let reason = format!(
            "{}: {cause}; cancel it there, or ship nothing else in its place",
            self.back_again
        );
        let bad = BadRecord::new(Some(ExternalId::new(self.back_again)), reason);
        // Replies about the shipment do not settle it.
        Record::new(raw, Err(bad.because(cause).of_part("back")))
    }
}

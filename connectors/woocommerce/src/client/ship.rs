//! Reporting a shipment: one fulfilment, or a key of the order's metadata and then a note; and, where it is configured, the order
//! completed. What is there of it is not written again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use hikiate_sdk::http::Request;
use hikiate_sdk::{Error, ErrorClass, Outcome};
use serde_json::{Value, json};

use super::prepared::{Ship, line_id};
use super::push::{all_of, conflict, done, told, unseen};
use super::{API, WooCommerce, fresh};
use crate::config::{Fulfilments, Standing};
use crate::map::{self, REFERENCE, SHIPPED, Shipped, TRASH};
use crate::wire::{Fulfillment, Note, Order, Refund, meta, order_of};

/// What the shop shows of an order and its shipments.
struct Seen {
    order: Order,
    /// `None` where the shop has no fulfilments, or is not to be told by them.
    fulfilments: Option<Vec<Fulfillment>>,
    /// Read only where a shipment is reported by a note.
    notes: Vec<Note>,
    /// Read only where the order is to be completed in the end.
    refunds: Vec<Refund>,
}

impl WooCommerce {
    pub(super) async fn ship(&self, ship: &Ship) -> Result<Outcome, Error> {
        let mut seen = self.see(ship).await?;
        if !self.is_reported(&seen, ship)? {
            self.may_ship(&seen, ship)?;
            match &mut seen.fulfilments {
                Some(known) => known.push(self.fulfil(ship).await?),
                None => self.note(&mut seen, ship).await?,
            }
        }
        if self.is_to_be_completed(&seen) {
            // The shop would lift an order out of a cancel that came meanwhile.
            seen.order = self.order(&ship.order).await?;
        }
        if self.is_to_be_completed(&seen) {
            let what = json!({ "status": "completed" });
            let after = self.change(&ship.order, &what).await?;
            if self.settings.standing(&after.status) == Some(Standing::Open) {
                let call = format!("PUT {API}/orders/{}", ship.order);
                return Err(unseen(&call, "the order as completed"));
            }
        }
        Ok(done(name(&seen, ship)))
    }

    /// All parts of a report are there.
    pub(super) async fn is_shipped(&self, ship: &Ship) -> Result<Option<Outcome>, Error> {
        let seen = self.see(ship).await?;
        // What somebody has changed since is not there: sent again, it is told as a conflict, and nothing is written.
        let reported = self.is_reported(&seen, ship).unwrap_or(false);
        let there = reported && !self.is_to_be_completed(&seen);
        Ok(there.then(|| done(name(&seen, ship))))
    }

    async fn see(&self, ship: &Ship) -> Result<Seen, Error> {
        let order = self.order(&ship.order).await?;
        let path = fresh(&format!("{API}/orders/{}/fulfillments", ship.order));
        // What was begun by a note goes on by one.
        let by_note = mark(&order, ship).is_some();
        let answer = match self.settings.fulfilments {
            Fulfilments::Note => None,
            Fulfilments::Auto if by_note => None,
            Fulfilments::Auto => self.get_if_offered(path).await?,
            Fulfilments::Api => Some(self.get(path).await?),
        };
        let fulfilments: Option<Vec<Fulfillment>> = answer
            .map(|answer| serde_json::from_str(answer.get()))
            .transpose()
            .map_err(|_| {
                let why = "the shop's fulfilments do not match its API";
                Error::new(ErrorClass::Protocol, format!("order {}: {why}", ship.order))
            })?;
        let known = fulfilments.iter().flatten();
        let of = known.filter_map(|one| one.entity_id.as_deref());
        all_of(&ship.order, "fulfillments", of)?;
        let mut known = fulfilments.iter().flatten();
        told(
            &ship.order,
            "fulfillments",
            known.all(Fulfillment::all_told),
        )?;
        let notes: Vec<Note> = if fulfilments.is_none() {
            let path = fresh(&format!("{API}/orders/{}/notes", ship.order));
            self.get_as(path).await?
        } else {
            Vec::new()
        };
        let of = notes.iter().filter_map(|note| order_of(&note.links));
        all_of(&ship.order, "notes", of)?;
        let refunds = if self.settings.complete_when_shipped && order.has_refunds() {
            self.recorded(&ship.order).await?
        } else {
            Vec::new()
        };
        Ok(Seen {
            order,
            fulfilments,
            notes,
            refunds,
        })
    }

    /// Whether the shipment itself is reported.
    ///
    /// # Errors
    /// A conflict where somebody has changed what was reported.
    fn is_reported(&self, seen: &Seen, ship: &Ship) -> Result<bool, Error> {
        let Some(known) = &seen.fulfilments else {
            return Ok(mark(&seen.order, ship).is_some() && is_noted(&seen.notes, ship));
        };
        let Some(ours) = known
            .iter()
            .find(|f| map::reference(f) == Some(&ship.reference))
        else {
            return Ok(false);
        };
        let what = format!("fulfilment {} ({})", ours.id, ship.reference);
        if !ours.is_fulfilled() {
            return Err(conflict(format!(
                "{what} was set back to unfulfilled in the shop"
            )));
        }
        let told = |number: &String| map::tracking(ours).any(|told| told == number);
        if !ship.shipped.tracking.iter().all(told) {
            return Err(conflict(format!(
                "{what} was given other tracking numbers in the shop"
            )));
        }
        Ok(true)
    }

    async fn fulfil(&self, ship: &Ship) -> Result<Fulfillment, Error> {
        let mut keys = vec![("_items", items(ship)?), (REFERENCE, json!(ship.reference))];
        if !ship.shipped.tracking.is_empty() {
            keys.push(("_tracking_number", json!(ship.shipped.tracking.join(", "))));
        }
        if let Some(carrier) = &ship.carrier {
            // A carrier by a name of its own: the shop's list of them is its plug-ins'.
            keys.push(("_shipment_provider", json!("other")));
            keys.push(("_provider_name", json!(carrier)));
        }
        let keys: Vec<Value> = keys
            .into_iter()
            .map(|(key, value)| json!({ "id": 0, "key": key, "value": value }))
            .collect();
        let body = json!({
            "status": "fulfilled",
            "is_fulfilled": true,
            "notify_customer": self.settings.notify_customer,
            "meta_data": keys,
        });
        let path = format!("{API}/orders/{}/fulfillments", ship.order);
        let request = Request::post_json(path.clone(), body.to_string().into_bytes());
        let made: Fulfillment = self.write(request).await?;
        if map::reference(&made) != Some(&ship.reference) || !made.is_fulfilled() {
            return Err(unseen(
                &format!("POST {path}"),
                "a fulfilment with our reference",
            ));
        }
        Ok(made)
    }

    /// The key comes first: while the note is missing, the shipment is not found, and only the note is written then.
    async fn note(&self, seen: &mut Seen, ship: &Ship) -> Result<(), Error> {
        if mark(&seen.order, ship).is_none() {
            let value = serde_json::to_string(&ship.shipped)
                .map_err(|e| Error::new(ErrorClass::Rejected, format!("lines: {e}")))?;
            let key = format!("{SHIPPED}{}", ship.reference);
            let what = json!({ "meta_data": [{ "key": key, "value": value }] });
            seen.order = self.change(&ship.order, &what).await?;
            if mark(&seen.order, ship).is_none() {
                let call = format!("PUT {API}/orders/{}", ship.order);
                return Err(unseen(&call, "the shipment in its metadata"));
            }
        }
        if !is_noted(&seen.notes, ship) {
            let body = json!({
                "note": self.text(ship),
                "customer_note": self.settings.notify_customer,
            });
            let path = format!("{API}/orders/{}/notes", ship.order);
            let request = Request::post_json(path.clone(), body.to_string().into_bytes());
            let made: Note = self.write(request).await?;
            if !made.note.contains(&ship.reference) {
                return Err(unseen(&format!("POST {path}"), "the note"));
            }
            seen.notes.push(made);
        }
        Ok(())
    }

    fn text(&self, ship: &Ship) -> String {
        let text = self
            .settings
            .shipped_note
            .replace("{carrier}", ship.carrier.as_deref().unwrap_or_default())
            .replace("{tracking}", &ship.shipped.tracking.join(", "));
        let words: Vec<&str> = text.split_whitespace().collect();
        format!("{} [{}]", words.join(" "), ship.reference)
    }

    /// Whether lines can be reported. The shop itself checks nothing of it.
    fn may_ship(&self, seen: &Seen, ship: &Ship) -> Result<(), Error> {
        let order = &seen.order;
        if order.status == TRASH || self.is_cancelled(order) {
            let state = if order.status == TRASH {
                "in the bin"
            } else {
                "cancelled"
            };
            return Err(conflict(format!("the order is {state} in the shop")));
        }
        if mark(order, ship).is_some() {
            return Ok(());
        }
        let open = seen.open().map_err(|why| {
            let why = format!(
                "order {}: the shop's answer cannot be used: {why}",
                ship.order
            );
            Error::new(ErrorClass::Protocol, why)
        })?;
        for line in &ship.shipped.lines {
            let key = line.line.as_str();
            let Some(open) = open.get(key) else {
                return Err(conflict(format!(
                    "the order no longer has line {key}: it was edited in the shop"
                )));
            };
            if i64::from(line.quantity) > *open {
                return Err(conflict(format!(
                    "line {key}: {} to report, but only {} are not reported as shipped in the shop",
                    line.quantity,
                    (*open).max(0)
                )));
            }
        }
        Ok(())
    }

    /// It is configured, the shop still shows it as open, and all of it is shipped or was refunded unsent.
    fn is_to_be_completed(&self, seen: &Seen) -> bool {
        self.settings.complete_when_shipped
            && self.settings.standing(&seen.order.status) == Some(Standing::Open)
            && seen
                .unsent()
                .is_ok_and(|unsent| unsent.values().all(|n| *n <= 0))
    }
}

/// Units by line; below zero is more than were ordered.
type Units = BTreeMap<String, i64>;

impl Seen {
    /// What is ordered.
    ///
    /// # Errors
    /// The field that cannot be read, and why.
    fn ordered(&self) -> Result<Units, String> {
        let mut ordered = Units::new();
        for line in &self.order.line_items {
            let quantity = map::whole("line_items.quantity", &line.quantity)?;
            ordered.insert(line.id.to_string(), i64::from(quantity));
        }
        Ok(ordered)
    }

    /// What is ordered and neither packed nor shipped by anybody.
    ///
    /// # Errors
    /// See [`Self::ordered`].
    fn open(&self) -> Result<Units, String> {
        let mut open = self.ordered()?;
        for sent in self.sent()? {
            take(&mut open, &sent.line, sent.units);
        }
        for packed in self
            .fulfilments
            .iter()
            .flatten()
            .filter(|f| !f.is_fulfilled())
        {
            for (line, units) in map::units(packed)? {
                take(&mut open, line.as_str(), units);
            }
        }
        Ok(open)
    }

    /// What has left, whoever shipped it.
    ///
    /// # Errors
    /// See [`Self::ordered`].
    fn sent(&self) -> Result<Vec<Sent>, String> {
        let mut sent = Vec::new();
        for fulfilment in self.fulfilments.iter().flatten() {
            let Some(at) = map::shipped_at(fulfilment, &self.order) else {
                continue;
            };
            let lines = map::units(fulfilment)?.into_iter();
            sent.extend(lines.map(|(line, units)| Sent::new(line.as_str(), units, Some(at))));
        }
        let marks = self.order.meta_data().iter();
        for mark in marks.filter(|meta| meta.key.starts_with(SHIPPED)) {
            let text = mark.value.as_str().unwrap_or_default();
            let shipped: Shipped = serde_json::from_str(text)
                .map_err(|_| format!("meta_data.{}: not as hikiate wrote it", mark.key))?;
            let lines = shipped.lines.iter();
            sent.extend(lines.map(|of| Sent::new(of.line.as_str(), of.quantity, shipped.at)));
        }
        Ok(sent)
    }

    /// What is ordered, has not left, and is not sure to have been refunded before it left. A refund does not say whether its units
    /// came back: of a line of which some had left by then, it may be of those.
    ///
    /// # Errors
    /// See [`Self::ordered`].
    fn unsent(&self) -> Result<Units, String> {
        let sent = self.sent()?;
        let mut refunds: Vec<&Refund> = self.refunds.iter().collect();
        // One without a time may be the last.
        refunds.sort_by_key(|refund| (refund.date_created_gmt.is_none(), refund.date_created_gmt));
        let (mut refunded, mut kept) = (Units::new(), Units::new());
        for refund in refunds {
            let by_then = |sent: &&Sent| match (sent.at, refund.date_created_gmt) {
                (Some(left), Some(refunded)) => left <= refunded,
                _ => true,
            };
            for (line, units) in map::refunded_units(refund)? {
                let line = line.as_str();
                let gone = sent.iter().filter(|sent| sent.line == line).filter(by_then);
                let gone: i64 = gone.map(|sent| i64::from(sent.units)).sum();
                let refunded = refunded.entry(line.to_owned()).or_default();
                *refunded += i64::from(units);
                let kept = kept.entry(line.to_owned()).or_default();
                *kept = (*kept).max(*refunded - gone);
            }
        }
        let mut unsent = self.ordered()?;
        for sent in sent {
            take(&mut unsent, &sent.line, sent.units);
        }
        for (line, units) in kept {
            if let Some(unsent) = unsent.get_mut(&line) {
                *unsent -= units;
            }
        }
        Ok(unsent)
    }
}

/// Units of a line that have left.
struct Sent {
    line: String,
    units: u32,
    /// `None` where nobody knows.
    at: Option<DateTime<Utc>>,
}

impl Sent {
    fn new(line: &str, units: u32, at: Option<DateTime<Utc>>) -> Self {
        Self {
            line: line.to_owned(),
            units,
            at,
        }
    }
}

fn take(open: &mut Units, line: &str, units: u32) {
    if let Some(open) = open.get_mut(line) {
        *open -= i64::from(units);
    }
}

/// What hikiate wrote of a shipment into the order's metadata.
fn mark<'s>(order: &'s Order, ship: &Ship) -> Option<&'s Value> {
    meta(order.meta_data(), &format!("{SHIPPED}{}", ship.reference))
}

fn is_noted(notes: &[Note], ship: &Ship) -> bool {
    let name = format!("[{}]", ship.reference);
    notes.iter().any(|note| note.note.contains(&name))
}

/// The shop's id of the report.
fn name(seen: &Seen, ship: &Ship) -> String {
    let mut known = seen.fulfilments.iter().flatten();
    let ours = known.find(|f| map::reference(f) == Some(&ship.reference));
    ours.map_or_else(|| ship.order.clone(), |ours| ours.id.to_string())
}

fn items(ship: &Ship) -> Result<Value, Error> {
    let mut items = Vec::with_capacity(ship.shipped.lines.len());
    for line in &ship.shipped.lines {
        let item = line_id(line.line.as_str())?;
        items.push(json!({ "item_id": item, "qty": line.quantity }));
    }
    Ok(Value::Array(items))
}

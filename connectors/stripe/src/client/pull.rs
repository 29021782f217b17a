//! Reading payments: events say which of them changed, and each is then read as it stands. What an event itself says is not used:
//! it is as old as the event, of the version of its time, and events come in any order.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hikiate_sdk::cursor::{stored, stored_as};
use hikiate_sdk::{
    Error, ErrorClass, ExternalId, Here, InFile, Kind, Page, PaymentIds, Record, Source, StreamSpec,
};
use serde_json::Value;

use super::cursor::{Ask, Cursor, Query};
use super::payments::expanded;
use super::reading::{Failed, is_of_one};
use super::together::together;
use super::{Endpoint, Stripe};
use crate::map;
use crate::wire::{Bundle, List, Object, intent_of, is_charge, is_intent, need};

pub(crate) const PAYMENTS: &str = "payments";
/// Payments read by id for one call of the engine, each with a call of its own.
const READS: usize = 20;

/// Events after which a payment may stand otherwise: what Stripe takes in one filter is 20 at most.
pub(crate) const TYPES: [&str; 19] = [
    "payment_intent.created",
    "payment_intent.requires_action",
    "payment_intent.processing",
    "payment_intent.partially_funded",
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.captured",
    "charge.expired",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "review.opened",
    "review.closed",
];

#[async_trait]
impl Source for Stripe {
    fn streams(&self) -> Vec<StreamSpec> {
        vec![StreamSpec {
            name: PAYMENTS.to_owned(),
            kind: Kind::Payment,
            interval: self.settings.interval,
            by_code: None,
            unheard: false,
        }]
    }

    async fn page(
        &self,
        stream: &str,
        cursor: Option<&Value>,
        here: Here<'_>,
    ) -> Result<Page, Error> {
        if stream != PAYMENTS {
            let why = format!("a stripe account has no stream {stream:?}");
            return Err(Error::new(ErrorClass::Config, why));
        }
        let cursor: Cursor = stored(PAYMENTS, cursor)?;
        match cursor.ask(here.now) {
            Ask::Begin => {
                let newest = self.newest_event().await?;
                self.listing(cursor.begin(newest, here.now), None).await
            }
            Ask::Payments { after } => self.listing(cursor, Some(&after)).await,
            Ask::Events(query) => self.changed(&cursor, &query, here.now).await,
        }
    }

    fn reread(
        &self,
        _stream: &str,
        _file: Option<&InFile>,
        raw: &[u8],
    ) -> Result<Vec<Record>, Error> {
        let bundle: Bundle = serde_json::from_slice(raw).map_err(|_| {
            Error::new(
                ErrorClass::Protocol,
                "the stored record is no payment of Stripe",
            )
        })?;
        Ok(vec![map::record(&bundle, &self.settings)])
    }

    fn reads(&self) -> Vec<(Kind, usize)> {
        vec![(Kind::Payment, READS)]
    }

    async fn read(&self, kind: Kind, ids: &[ExternalId]) -> Result<Vec<Record>, Error> {
        if kind != Kind::Payment {
            let why = format!("a stripe account cannot refresh {} by id", kind.plural());
            return Err(Error::new(ErrorClass::Config, why));
        }
        // What is no id of a PaymentIntent or a charge is none of a payment that Stripe has.
        let ids = ids.iter().map(ExternalId::as_str);
        let known = |id: &&str| is_intent(id) || is_charge(id);
        let ids: Vec<&str> = ids.filter(known).collect();
        let read = self.bundles(&ids).await?;
        Ok(read.iter().flat_map(|one| self.reported(one)).collect())
    }

    async fn acknowledge(&self, _ack: &Value) -> Result<(), Error> {
        Ok(())
    }

    fn rewind(&self, _: &str, cursor: Option<&Value>, since: DateTime<Utc>) -> Option<Value> {
        let cursor = stored::<Cursor>(PAYMENTS, cursor).ok()?.rewound(since)?;
        serde_json::to_value(cursor).ok()
    }

    fn payment_ids(&self) -> Option<PaymentIds> {
        Some(match self.settings.charges {
            true => PaymentIds {
                begin: &["pi_", "ch_", "py_"],
                all: true,
                otherwise: "Correct the id at the channel, or where the channel's account reads it (payment_reference)",
            },
            false => PaymentIds {
                begin: &["pi_"],
                all: false,
                otherwise: "If orders name charges (ch_…, py_…), set charges = true on the stripe account, or let the channel's account read the PaymentIntent's id (payment_reference)",
            },
        })
    }

    fn says(&self) -> Vec<String> {
        let mode = match self.settings.mode {
            Some(mode) => format!("The key is a {} key.", mode.as_str()),
            None => "The key does not show whether it is live or test.".to_owned(),
        };
        let since = match self.settings.since {
            Some(since) => format!("created since {}", since.format("%Y-%m-%d %H:%M UTC")),
            None => "of the account".to_owned(),
        };
        vec![
            format!(
                "{mode} The API is asked for in version {}.",
                self.settings.version
            ),
            format!(
                "The first fetch lists all PaymentIntents {since}; after that, events of the last 30 days say which of them changed. Charges without a PaymentIntent are not fetched."
            ),
        ]
    }
}

impl Stripe {
    /// When the newest event happened.
    async fn newest_event(&self) -> Result<Option<i64>, Error> {
        let path = format!("/v1/events?limit=1&{}", types());
        let page: List = self.get(path, Endpoint::EVENTS).await?;
        let event = page.data.first();
        event.map(|event| Ok(stamp(event)?.1)).transpose()
    }

    /// A page of all payments, newest first.
    async fn listing(&self, cursor: Cursor, after: Option<&str>) -> Result<Page, Error> {
        let mut path = format!("/v1/payment_intents?limit={}", self.settings.page_size);
        if let Some(since) = self.settings.since {
            path.push_str(&format!("&created%5Bgte%5D={}", since.timestamp()));
        }
        if let Some(after) = after {
            path.push_str(&format!("&starting_after={after}"));
        }
        let whole = format!("{path}&{}", expanded(true));
        let (page, is_whole): (List, bool) = match self.get(whole, Endpoint::INTENTS).await {
            // Test data was wiped meanwhile.
            Err(error) if after.is_some() && is_gone(&error) => return over(&Cursor::default()),
            // It may be for one of them: each is read by itself.
            Err(error) if is_of_one(&error) => (self.get(path, Endpoint::INTENTS).await?, false),
            page => (page?, true),
        };
        let last = page.data.last().and_then(id_of);
        let next = match (page.has_more, last) {
            (true, None) => {
                return Err(Error::new(
                    ErrorClass::Protocol,
                    "GET /v1/payment_intents: the last payment of a page has no id; cannot continue",
                ));
            }
            (true, Some(last)) => cursor.listed(Some(last)),
            (false, _) => cursor.listed(None),
        };
        let read = match is_whole {
            true => self.completed(page.data).await?,
            false => self.one_by_one(page.data).await?,
        };
        let records = read.iter().flat_map(|one| self.reported(one)).collect();
        let next = next.noting(&[], unread(&read));
        // Events follow, which tell what changed while it went on.
        Ok(Page::new(records, stored_as(&next)?, true))
    }

    /// Payments of a list, with what did not fit into it.
    async fn completed(&self, intents: Vec<Value>) -> Result<Vec<Bundle>, Error> {
        let (mut bundles, mut failed) = (Vec::with_capacity(intents.len()), Failed::new());
        let mut intents = intents.into_iter().peekable();
        while intents.peek().is_some() {
            let some = intents.by_ref().take(self.at_once());
            let (ids, some): (Vec<_>, Vec<_>) = some.map(|one| (id_of(&one), one)).unzip();
            let all = together(some.into_iter().map(|one| self.complete(one))).await;
            for (id, bundle) in ids.into_iter().zip(all) {
                match (id, bundle) {
                    (Some(id), Err(error)) if is_of_one(&error) => failed.push((id, error)),
                    (_, bundle) => bundles.push(bundle?),
                }
            }
        }
        let alone = self.alone(failed, bundles.len()).await?;
        bundles.extend(alone);
        Ok(bundles)
    }

    /// Payments of a list, each read by itself.
    async fn one_by_one(&self, intents: Vec<Value>) -> Result<Vec<Bundle>, Error> {
        let ids: Vec<String> = intents.iter().filter_map(id_of).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut bundles = self.bundles(&ids).await?;
        let nameless = intents.into_iter().filter(|intent| id_of(intent).is_none());
        bundles.extend(nameless.map(Bundle::of));
        Ok(bundles)
    }

    /// The payments that a page of events is about.
    async fn changed(
        &self,
        cursor: &Cursor,
        query: &Query,
        now: DateTime<Utc>,
    ) -> Result<Page, Error> {
        let mut path = format!("/v1/events?limit={}&{}", self.settings.page_size, types());
        if let Some(from) = query.from {
            path.push_str(&format!("&created%5Bgte%5D={from}"));
        }
        if let Some(after) = &query.after {
            path.push_str(&format!("&starting_after={after}"));
        }
        let page: List = match self.get(path, Endpoint::EVENTS).await {
            // It was older than events are kept: the round starts again.
            Err(error) if query.after.is_some() && is_gone(&error) => {
                return over(&Cursor {
                    round: None,
                    ..cursor.clone()
                });
            }
            page => page?,
        };
        let stamps = page.data.iter().map(stamp);
        let stamps = stamps.collect::<Result<Vec<_>, Error>>()?;
        if Cursor::is_ignored(query, &stamps) {
            return Err(Error::new(
                ErrorClass::Protocol,
                "GET /v1/events: Stripe returned another page than requested: it ignores created or starting_after",
            ));
        }
        let mut known = BTreeSet::new();
        let about = page.data.iter().filter_map(|event| {
            let object = event.get("data")?.get("object")?;
            intent_of(Object(object))
        });
        // What could not be read may be readable by now, which no event tells.
        let again = cursor.unread.iter().filter(|_| query.begins_sweep());
        let about = about.chain(again.map(String::as_str));
        let about: Vec<&str> = about.filter(|id| known.insert(*id)).collect();
        let read = self.bundles(&about).await?;
        let records = read.iter().flat_map(|one| self.reported(one)).collect();
        let next = cursor.after(query, &stamps, page.has_more, now);
        let next = next.noting(&about, unread(&read));
        let more = next.round.is_some();
        Ok(Page::new(records, stored_as(&next)?, more))
    }

    /// A payment as it is reported however it was found: under its charge's id too where orders know it by that. A webhook, too,
    /// names the PaymentIntent alone. Asked for by a charge, it is told under that.
    fn reported(&self, bundle: &Bundle) -> Vec<Record> {
        let is_asked_so = bundle.charge.is_some();
        let again = bundle
            .by_charge()
            .filter(|_| self.settings.charges && !is_asked_so);
        let all = [Some(bundle), again.as_ref()];
        let all = all.into_iter().flatten();
        all.map(|one| map::record(one, &self.settings)).collect()
    }
}

fn id_of(intent: &Value) -> Option<String> {
    let id = Object(intent).text("id").ok().flatten();
    id.map(str::to_owned)
}

/// The payments that could not be read.
fn unread(bundles: &[Bundle]) -> Vec<String> {
    let unread = bundles.iter().filter(|one| one.unread.is_some());
    unread.filter_map(|one| id_of(&one.intent)).collect()
}

fn types() -> String {
    let types = TYPES.map(|kind| format!("types%5B%5D={kind}"));
    types.join("&")
}

/// An event's id and time: without them the list cannot be followed.
fn stamp(event: &Value) -> Result<(String, i64), Error> {
    let object = Object(event);
    let id = object.text("id").and_then(|id| need("id", id));
    let at = object.whole("created").and_then(|at| need("created", at));
    match (id, at) {
        (Ok(id), Ok(at)) => Ok((id.to_owned(), at)),
        (Err(why), _) | (_, Err(why)) => Err(Error::new(
            ErrorClass::Protocol,
            format!("GET /v1/events: an event cannot be read: {why}"),
        )),
    }
}

/// The object that a page was to begin after is not there.
fn is_gone(error: &Error) -> bool {
    error.code.as_deref() == Some("resource_missing") && error.class != ErrorClass::Auth
}

/// A page of nothing, from which reading starts over.
fn over(cursor: &Cursor) -> Result<Page, Error> {
    Ok(Page::new(Vec::new(), stored_as(cursor)?, true))
}

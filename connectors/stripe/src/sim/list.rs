//! Lists, newest first.

use serde_json::Value;

use super::render::{self, Expand};
use super::route::Refused;
use super::state::{Payment, State};

type Query = [(String, String)];

fn one<'a>(query: &'a Query, key: &str) -> Option<&'a str> {
    let mut fields = query.iter().rev();
    fields
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.as_str())
}

fn number(query: &Query, key: &str) -> Result<Option<i64>, Refused> {
    let invalid = || Refused::parameter(key, "Invalid integer");
    one(query, key)
        .map(|text| text.parse().map_err(|_| invalid()))
        .transpose()
}

fn limit(query: &Query) -> Result<usize, Refused> {
    let limit = number(query, "limit")?.unwrap_or(10);
    let limit = usize::try_from(limit)
        .ok()
        .filter(|limit| (1..=100).contains(limit));
    limit.ok_or_else(|| Refused::parameter("limit", "This value must be between 1 and 100."))
}

pub(super) fn events(state: &State, query: &Query) -> Result<Value, Refused> {
    let limit = limit(query)?;
    let from = number(query, "created[gte]")?;
    let types: Vec<&str> = query
        .iter()
        .filter(|(name, _)| name == "types[]")
        .map(|(_, kind)| kind.as_str())
        .collect();
    if types.len() > 20 {
        return Err(Refused::parameter(
            "types",
            "You may specify at most 20 types.",
        ));
    }
    let end = match one(query, "starting_after") {
        None => state.events.len(),
        Some(id) => {
            let place = state.event_at.get(id);
            let place = *place.ok_or_else(|| Refused::missing("event", id))?;
            state
                .events
                .partition_point(|event| (event.created, event.n) < place)
        }
    };
    let older = state.events.get(..end).unwrap_or_default().iter().rev();
    let wanted = older
        .take_while(|event| from.is_none_or(|from| event.created >= from))
        .filter(|event| types.is_empty() || types.contains(&event.kind));
    let mut page: Vec<Value> = wanted
        .take(limit + 1)
        .map(|event| render::event(state, event))
        .collect();
    let more = page.len() > limit;
    page.truncate(limit);
    Ok(render::list("/v1/events", page, more))
}

pub(super) fn intents(state: &State, query: &Query) -> Result<Value, Refused> {
    let limit = limit(query)?;
    let from = number(query, "created[gte]")?.unwrap_or(i64::MIN);
    let end = match one(query, "starting_after") {
        None => (i64::MAX, usize::MAX),
        Some(id) => {
            let payment = state.payment(id).zip(state.by_id.get(id));
            let payment = payment.map(|(payment, at)| (payment.created, *at));
            payment.ok_or_else(|| Refused::missing("payment_intent", id))?
        }
    };
    if end <= (from, 0) {
        return Ok(render::list("/v1/payment_intents", Vec::new(), false));
    }
    let expand = Expand::of(query, true);
    let older = state.by_created.range((from, 0)..end).rev();
    let mut page: Vec<Value> = older
        .filter_map(|(_, at)| state.payments.get(*at))
        .take(limit + 1)
        .map(|payment| render::intent(state, payment, expand))
        .collect();
    let more = page.len() > limit;
    page.truncate(limit);
    Ok(render::list("/v1/payment_intents", page, more))
}

pub(super) fn refunds(state: &State, query: &Query) -> Result<Value, Refused> {
    let payment = of(state, query)?;
    let charge = payment.charge.iter();
    let all = charge.flat_map(|charge| charge.refunds.iter().rev());
    let all = all.map(|refund| render::refund(payment, refund));
    page("/v1/refunds", query, all.collect())
}

pub(super) fn disputes(state: &State, query: &Query) -> Result<Value, Refused> {
    let payment = of(state, query)?;
    let charge = payment.charge.iter();
    let all = charge.flat_map(|charge| charge.disputes.iter().rev());
    let all = all.map(|dispute| render::dispute(state, payment, dispute));
    page("/v1/disputes", query, all.collect())
}

fn of<'a>(state: &'a State, query: &Query) -> Result<&'a Payment, Refused> {
    let id = one(query, "payment_intent").unwrap_or_default();
    state
        .payment(id)
        .ok_or_else(|| Refused::missing("payment_intent", id))
}

fn page(url: &str, query: &Query, all: Vec<Value>) -> Result<Value, Refused> {
    let limit = limit(query)?;
    let skip = match one(query, "starting_after") {
        None => 0,
        Some(id) => {
            let at = all.iter().position(|object| object["id"] == id);
            at.ok_or_else(|| Refused::missing("object", id))? + 1
        }
    };
    let more = all.len() > skip + limit;
    let page = all.into_iter().skip(skip).take(limit).collect();
    Ok(render::list(url, page, more))
}

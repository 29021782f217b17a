//! Lists with filters, order and paging.

use std::collections::HashSet;
use std::ops::Bound;

use chrono::DateTime;
use serde_json::{Value, json};

use super::render;
use super::route::Refused;
use super::state::{Order, State};

type Query = [(String, String)];

fn one<'a>(query: &'a Query, key: &str) -> Option<&'a str> {
    query
        .iter()
        .rev()
        .find(|(k, _)| k == key)
        .map(|(_, v)| v.as_str())
}

fn many<'a>(query: &'a Query, key: &str) -> HashSet<&'a str> {
    let list = format!("{key}[]");
    query
        .iter()
        .filter(|(k, _)| k == key || *k == list)
        .map(|(_, v)| v.as_str())
        .collect()
}

fn number(query: &Query, key: &str, default: usize) -> Result<usize, Refused> {
    let invalid = || {
        Refused::invalid(format!(
            "Invalid request: Expected type: 'number' for field '{key}'"
        ))
    };
    one(query, key).map_or(Ok(default), |text| text.parse().map_err(|_| invalid()))
}

/// The real shop answers a malformed date with 500.
fn time(query: &Query, operator: &str) -> Result<Option<i64>, Refused> {
    let Some(text) = one(query, &format!("updated_at[${operator}]")) else {
        return Ok(None);
    };
    DateTime::parse_from_rfc3339(text)
        .map(|at| Some(at.timestamp_millis()))
        .map_err(|_| Refused::unknown())
}

pub(super) fn orders(state: &State, query: &Query, now: i64) -> Result<Value, Refused> {
    let lower = match (time(query, "gte")?, time(query, "gt")?) {
        (Some(at), _) => Bound::Included((at, 0)),
        (None, Some(at)) => Bound::Excluded((at, usize::MAX)),
        (None, None) => Bound::Unbounded,
    };
    let upper = match (time(query, "lt")?, time(query, "lte")?) {
        (Some(at), _) => Bound::Excluded((at, 0)),
        (None, Some(at)) => Bound::Included((at, usize::MAX)),
        (None, None) => Bound::Unbounded,
    };
    let (offset, limit) = (number(query, "offset", 0)?, number(query, "limit", 15)?);
    let (statuses, channels, ids) = (
        many(query, "status"),
        many(query, "sales_channel_id"),
        many(query, "id"),
    );
    let (lower, upper, offset) = if ids.is_empty() && now < state.first_page_until {
        (Bound::Unbounded, Bound::Unbounded, 0)
    } else {
        (lower, upper, offset)
    };
    let wanted = |order: &Order| {
        (statuses.is_empty() || statuses.contains(order.status.as_str()))
            && (channels.is_empty() || channels.contains(order.sales_channel.as_str()))
            && (!ids.is_empty() || order.hidden_until <= now)
            && !order.deleted
    };
    let order = one(query, "order").unwrap_or("id");
    let newest_first = order.starts_with('-');
    let by_updated = match order.trim_start_matches('-') {
        "updated_at" => true,
        "id" | "created_at" => false,
        _ => return Err(Refused::unknown()),
    };
    // A lower bound above the upper one matches nothing; the set itself would not take it.
    let empty = matches!((&lower, &upper), (Bound::Included(l) | Bound::Excluded(l), Bound::Included(u) | Bound::Excluded(u)) if l >= u);
    let mut found: Vec<(i64, usize)> = if empty {
        Vec::new()
    } else if ids.is_empty() {
        state.by_updated.range((lower, upper)).copied().collect()
    } else {
        let asked = ids.iter().copied().chain(state.also.as_deref());
        let places: HashSet<usize> = asked
            .filter_map(|id| state.by_id.get(id).copied())
            .collect();
        places
            .into_iter()
            .filter_map(|at| state.orders.get(at).map(|order| (order.updated, at)))
            .collect()
    };
    found.retain(|(_, at)| state.orders.get(*at).is_some_and(wanted));
    let count = found.len();
    if by_updated && newest_first {
        found.sort_unstable();
    } else if by_updated {
        found.sort_unstable();
        // Only the groups of equal times that touch the page are mixed: that is all anybody sees.
        let end = offset.saturating_add(limit).min(count);
        let last = end
            .checked_sub(1)
            .and_then(|at| found.get(at))
            .map(|(time, _)| *time);
        let reach = found.partition_point(|(time, _)| last.is_some_and(|last| *time <= last));
        found.truncate(reach);
        let salt = usize::try_from(state.requests % 64).unwrap_or(0);
        found.sort_by_key(|(time, at)| (*time, *at ^ salt));
    } else {
        found.sort_by_key(|(_, at)| *at);
    }
    if newest_first {
        found.reverse();
    }
    let page: Vec<Value> = found
        .into_iter()
        .skip(offset)
        .take(limit + usize::from(state.also.is_some() && !ids.is_empty()))
        .filter_map(|(_, at)| {
            state.orders.get(at).map(|order| match &order.older {
                Some((older, until)) if !ids.is_empty() && now < *until => older.clone(),
                _ => render::order(state, order),
            })
        })
        .collect();
    Ok(json!({ "orders": page, "count": count, "offset": offset, "limit": limit }))
}

pub(super) fn inventory(state: &State, query: &Query) -> Result<Value, Refused> {
    let (offset, limit) = (number(query, "offset", 0)?, number(query, "limit", 20)?);
    let page: Vec<Value> = state
        .inventory
        .iter()
        .skip(offset)
        .take(limit)
        .map(render::inventory)
        .collect();
    Ok(
        json!({ "inventory_items": page, "count": state.inventory.len(), "offset": offset, "limit": limit }),
    )
}

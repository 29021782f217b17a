//! Lists with filters, order and paging.

use chrono::NaiveDateTime;
use serde_json::Value;

use super::render;
use super::route::{Found, Query, Refused};
use super::state::{Order, Product, State, ZONE};

/// What of a list is asked for.
struct Page {
    limit: usize,
    offset: usize,
}

impl Page {
    fn read(query: &Query) -> Result<Self, Refused> {
        let limit = query.number("per_page", 10)?;
        if !(1..=100).contains(&limit) {
            return Err(Refused::invalid("per_page"));
        }
        let page = query.number("page", 1)?;
        let offset = query.number("offset", (page.max(1) - 1) * limit)?;
        Ok(Self { limit, offset })
    }

    fn of<T>(&self, all: Vec<T>, render: impl Fn(T) -> Value) -> Found {
        let total = all.len();
        let page = all.into_iter().skip(self.offset).take(self.limit);
        Found::List(page.map(render).collect(), total)
    }
}

/// A bound in the zone that the request says: both exclude the second that they name.
fn bound(query: &Query, name: &str) -> Result<Option<i64>, Refused> {
    let Some(text) = query.one(name) else {
        return Ok(None);
    };
    let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S")
        .map_err(|_| Refused::invalid(name))?
        .and_utc()
        .timestamp();
    let in_gmt = query.one("dates_are_gmt") == Some("true");
    Ok(Some(if in_gmt { at } else { at - ZONE }))
}

pub(super) fn orders(state: &State, query: &Query, now: i64) -> Result<Found, Refused> {
    let page = Page::read(query)?;
    let dp = query.digits()?;
    let (after, before) = (
        bound(query, "modified_after")?,
        bound(query, "modified_before")?,
    );
    let include: Vec<u64> = query.ids("include")?;
    let statuses = query.words("status", "any");
    for status in &statuses {
        let known = matches!(*status, "any" | "trash") || state.statuses.contains(*status);
        if !known {
            return Err(Refused::invalid("status"));
        }
    }
    let any = statuses.contains(&"any");
    let listed = |order: &Order| {
        let status = order.status.as_str();
        if any {
            // Neither the bin, nor drafts, nor what nobody stands for any more.
            state.statuses.contains(status) && status != "checkout-draft"
        } else {
            statuses.contains(&status)
        }
    };
    let repeats = include.is_empty() && now < state.first_page_until;
    let wanted = |order: &&Order| {
        let by_id = include.is_empty() || include.contains(&order.id);
        let in_time =
            after.is_none_or(|t| order.updated > t) && before.is_none_or(|t| order.updated < t);
        let hidden = include.is_empty() && order.hidden_until > now;
        !order.deleted && listed(order) && by_id && (in_time || repeats) && !hidden
    };
    let mut found: Vec<&Order> = state.orders.iter().filter(wanted).collect();
    match query.one("orderby").unwrap_or("date") {
        // Ties come as they like.
        "modified" => {
            let salt = state.requests % 64;
            found.sort_by_key(|order| (order.updated, order.id ^ salt));
        }
        "date" => found.sort_by_key(|order| (order.created, order.id)),
        "id" => found.sort_by_key(|order| order.id),
        _ => return Err(Refused::invalid("orderby")),
    }
    if query.one("order").unwrap_or("desc") == "desc" {
        found.reverse();
    }
    if let Some(also) = state.also.as_deref().filter(|_| !include.is_empty()) {
        found.extend(state.order(also));
    }
    let page = if repeats {
        Page { offset: 0, ..page }
    } else {
        page
    };
    Ok(page.of(found, |order| match &order.older {
        Some((older, until)) if !include.is_empty() && now < *until => older.clone(),
        _ => render::order(state, order, dp),
    }))
}

/// Products, without the variations of any.
pub(super) fn products(state: &State, query: &Query) -> Result<Found, Refused> {
    let sku = query.one("sku");
    let include: Vec<u64> = query.ids("include")?;
    for id in &include {
        state
            .product(*id)
            .map_or(Ok(()), |product| product.tells("itself"))?;
    }
    let own = |product: &&Product| {
        product.parent.is_none()
            && !product.in_bin
            && sku.is_none_or(|sku| product.sku == sku)
            && (include.is_empty() || include.contains(&product.id))
    };
    sorted(state, query, own)
}

pub(super) fn variations(state: &State, product: u64, query: &Query) -> Result<Found, Refused> {
    let known = state
        .product(product)
        .ok_or_else(|| Refused::no_such("product"))?;
    known.tells("variations")?;
    sorted(state, query, |of| of.parent == Some(product))
}

fn sorted<'s>(
    state: &'s State,
    query: &Query,
    wanted: impl Fn(&&'s Product) -> bool,
) -> Result<Found, Refused> {
    let mut page = Page::read(query)?;
    let mut found: Vec<&Product> = state.products.iter().filter(wanted).collect();
    found.sort_by_key(|product| product.id);
    if query.one("order").unwrap_or("desc") == "desc" {
        found.reverse();
    }
    if state.repeats_variations && found.iter().all(|product| product.parent.is_some()) {
        page.offset = 0;
    }
    let fields = query.one("_fields");
    Ok(page.of(found, |product| render::product(state, product, fields)))
}

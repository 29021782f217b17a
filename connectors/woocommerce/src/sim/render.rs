//! JSON as the shop writes it.

use chrono::DateTime;
use hikiate_sdk::Party;
use serde_json::{Value, json};

use super::money::{self, Micro};
use super::state::{Fee, Fulfilment, Line, Meta, Note, Order, Product, Refund, State, Way, ZONE};

/// The one rate of tax of the shop.
pub(super) const RATE_ID: u64 = 75;

fn formatted(at: i64, form: &str) -> Value {
    DateTime::from_timestamp(at, 0).map_or(Value::Null, |at| json!(at.format(form).to_string()))
}

const ISO: &str = "%Y-%m-%dT%H:%M:%S";

fn gmt(at: i64) -> Value {
    formatted(at, ISO)
}

fn local(at: i64) -> Value {
    formatted(at + ZONE, ISO)
}

/// As MySQL has it, in the shop's zone: fulfilments are told so.
pub(super) fn mysql(at: i64) -> Value {
    formatted(at + ZONE, "%Y-%m-%d %H:%M:%S")
}

fn or_null(at: Option<i64>, form: fn(i64) -> Value) -> Value {
    at.map_or(Value::Null, form)
}

fn meta(all: &[Meta]) -> Value {
    let all = all
        .iter()
        .map(|meta| json!({ "id": meta.id, "key": meta.key, "value": meta.value }));
    all.collect()
}

fn taxes(bp: u32, tax: Micro) -> Value {
    if bp == 0 {
        return json!([]);
    }
    // Whatever `dp` says, the tax of a rate is told unrounded.
    let text = money::text(tax, 6);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    json!([{ "id": RATE_ID, "total": text, "subtotal": text }])
}

pub(super) fn order(state: &State, order: &Order, dp: u32) -> Value {
    let text = |amount| money::text(amount, dp);
    let bp = order.rate_bp;
    let goods_tax: Micro = order
        .lines
        .iter()
        .map(|l| l.tax)
        .chain(order.fees.iter().map(|f| f.tax))
        .sum();
    let way_tax: Micro = order.ways.iter().map(|way| way.tax).sum();
    let discount: Micro = order.coupons.iter().map(|(_, _, discount)| *discount).sum();
    let rounded = |amount| money::round(amount, state.currency);
    let tax_lines = if bp == 0 {
        json!([])
    } else {
        json!([{
            "id": order.id + 1_000_000, "rate_code": "TAX-1", "rate_id": RATE_ID, "label": "Tax", "compound": false,
            "tax_total": text(rounded(goods_tax)), "shipping_tax_total": text(rounded(way_tax)),
            "rate_percent": hundredths(bp), "meta_data": [],
        }])
    };
    let mut value = json!({
        "id": order.id, "parent_id": 0, "number": order.id.to_string(), "order_key": format!("wc_order_{}", order.id),
        "created_via": "checkout", "version": "10.9.0", "status": order.status, "currency": state.currency.code(),
        "date_created": local(order.created), "date_created_gmt": gmt(order.created),
        "date_modified": local(order.updated), "date_modified_gmt": gmt(order.updated),
    });
    let more = json!({
        "discount_total": text(discount), "discount_tax": text(0),
        "shipping_total": text(order.ways.iter().map(|way| way.net).sum()), "shipping_tax": text(rounded(way_tax)),
        "cart_tax": text(rounded(goods_tax)), "total": text(order.total(state.currency)),
        "total_tax": text(rounded(goods_tax) + rounded(way_tax)), "prices_include_tax": order.included,
        "customer_id": 0, "customer_ip_address": "", "customer_user_agent": "", "customer_note": order.customer_note,
        "billing": billing(order), "shipping": address(order.ship_to.as_ref()),
        "payment_method": order.method, "payment_method_title": order.method, "transaction_id": order.transaction,
        "date_paid": or_null(order.paid, local), "date_paid_gmt": or_null(order.paid, gmt),
        "date_completed": or_null(order.completed, local), "date_completed_gmt": or_null(order.completed, gmt),
        "cart_hash": "", "meta_data": meta(&order.meta),
        "line_items": order.lines.iter().map(|l| line(l, bp, dp)).collect::<Value>(),
        "tax_lines": tax_lines,
        "shipping_lines": order.ways.iter().map(|w| way(w, bp, dp)).collect::<Value>(),
        "fee_lines": order.fees.iter().map(|f| fee(f, bp, dp)).collect::<Value>(),
        "coupon_lines": order.coupons.iter().map(|(id, code, discount)| json!({
            "id": id, "code": code, "discount": text(*discount), "discount_tax": text(0), "meta_data": [],
        })).collect::<Value>(),
        "refunds": order.refunds.iter().map(|refund| json!({
            "id": refund.id, "reason": refund.reason, "total": format!("-{}", text(refund.amount)),
        })).collect::<Value>(),
        "_links": { "self": [], "collection": [] },
    });
    if let (Some(fields), Value::Object(more)) = (value.as_object_mut(), more) {
        fields.extend(more);
        if let Some(field) = &order.lacking {
            fields.remove(field);
        }
    }
    value
}

/// Hundredths as a number: per cent from basis points, a price from minor units.
fn hundredths(n: u32) -> Value {
    let text = money::text(Micro::from(n) * 10_000, 2);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    serde_json::from_str(text).unwrap_or(Value::Null)
}

fn line(line: &Line, bp: u32, dp: u32) -> Value {
    let text = |amount| money::text(amount, dp);
    // Of a product that was deleted the shop does not know the code any more.
    let sku = if line.sku.is_empty() {
        Value::Null
    } else {
        json!(line.sku)
    };
    json!({
        "id": line.id, "name": line.name, "product_id": line.product, "variation_id": line.variation, "quantity": line.quantity,
        "tax_class": "", "subtotal": text(line.subtotal), "subtotal_tax": text(line.tax), "total": text(line.net),
        "total_tax": text(line.tax), "taxes": taxes(bp, line.tax), "meta_data": [], "sku": sku,
        "price": hundredths(u32::try_from(line.price / 10_000).unwrap_or(0)),
    })
}

fn way(way: &Way, bp: u32, dp: u32) -> Value {
    json!({
        "id": way.id, "method_title": way.title, "method_id": "flat_rate", "total": money::text(way.net, dp),
        "total_tax": money::text(way.tax, dp), "taxes": taxes(bp, way.tax), "meta_data": [],
    })
}

fn fee(fee: &Fee, bp: u32, dp: u32) -> Value {
    json!({
        "id": fee.id, "name": fee.name, "tax_class": "", "tax_status": "taxable", "total": money::text(fee.net, dp),
        "total_tax": money::text(fee.tax, dp), "taxes": taxes(bp, fee.tax), "meta_data": [],
    })
}

fn billing(order: &Order) -> Value {
    let mut value = address(order.bill_to.as_ref());
    if let Some(fields) = value.as_object_mut() {
        fields.insert("email".to_owned(), json!(order.email));
    }
    value
}

/// The shop keeps given and family name apart; on a Japanese label the family name comes first.
fn address(party: Option<&Party>) -> Value {
    let empty = Party::default();
    let party = party.unwrap_or(&empty);
    let (before, after) = party.name.split_once(' ').unwrap_or(("", &party.name));
    let (first, last) = if party.country == "JP" {
        (after, before)
    } else {
        (before, after)
    };
    json!({
        "first_name": first, "last_name": last, "company": party.company, "address_1": party.address1,
        "address_2": party.address2, "city": party.city, "state": party.region, "postcode": party.postal_code,
        "country": party.country, "phone": party.phone,
    })
}

pub(super) fn refund(refund: &Refund, bp: u32, dp: u32) -> Value {
    let text = |amount: Micro| money::text(-amount, dp);
    let lines = refund.lines.iter().map(|(id, of, quantity, net, tax)| {
        json!({
            "id": id, "name": "", "product_id": 0, "variation_id": 0, "quantity": -i64::from(*quantity), "tax_class": "",
            "subtotal": text(*net), "subtotal_tax": text(*tax), "total": text(*net), "total_tax": text(*tax),
            "taxes": taxes(bp, -*tax), "meta_data": [{ "id": id + 1_000_000, "key": "_refunded_item_id", "value": of.to_string() }],
            "sku": "", "price": 0,
        })
    });
    json!({
        "id": refund.id, "date_created": local(refund.at), "date_created_gmt": gmt(refund.at),
        "amount": money::text(refund.amount, dp), "reason": refund.reason, "refunded_by": 1,
        "refunded_payment": refund.moved_money, "meta_data": meta(&refund.meta), "line_items": lines.collect::<Value>(),
        "_links": { "self": [], "collection": [], "up": [] },
    })
}

pub(super) fn fulfilment(order: &Order, told: &Fulfilment) -> Value {
    json!({
        "id": told.id, "entity_type": "WC_Order", "entity_id": order.id.to_string(),
        "status": if told.fulfilled { "fulfilled" } else { "unfulfilled" }, "is_fulfilled": told.fulfilled,
        "date_updated": mysql(told.updated), "date_deleted": or_null(told.deleted, mysql), "meta_data": meta(&told.meta),
    })
}

pub(super) fn note(note: &Note) -> Value {
    json!({
        "id": note.id, "author": "hikiate", "date_created": local(note.at), "date_created_gmt": gmt(note.at),
        "note": note.text, "customer_note": note.to_customer, "_links": { "self": [], "collection": [], "up": [] },
    })
}

/// Only the fields that are asked for, where any are.
pub(super) fn product(product: &Product, fields: Option<&str>) -> Value {
    let kind = if product.variable {
        "variable"
    } else {
        "simple"
    };
    let quantity = match product.stock {
        Some(_) if product.unreadable => json!("0.5"),
        Some(stock) => json!(stock),
        None => Value::Null,
    };
    let mut value = json!({
        "id": product.id, "name": product.sku, "type": kind, "sku": product.sku, "price": money::text(product.price, 2),
        "regular_price": money::text(product.price, 2), "manage_stock": product.stock.is_some(), "stock_quantity": quantity,
        "stock_status": "instock", "status": "publish",
    });
    if let Some(all) = value.as_object_mut() {
        if product.partial {
            all.remove("stock_quantity");
        }
        if product.parent.is_some() {
            all.remove("type");
        }
        if let Some(fields) = fields {
            all.retain(|key, _| fields.split(',').any(|field| field == key));
        }
    }
    value
}

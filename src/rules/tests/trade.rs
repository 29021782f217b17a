//! Rules as merchants write them.

use super::*;

/// A hold rule and a change to a plain order that makes it hold.
type Case = (&'static str, fn(&mut RuleContext));

/// Those of the thirty hold rules of the trade that need nothing beyond the context.
const TRADE: [Case; 22] = [
    (
        r#"order.remarks != "" && !order.remarks.matches("^\\[配送日時指定:\\]\\s*$")"#,
        |o| {
            o.order.remarks = "のし希望".to_owned();
        },
    ),
    (r#"order.payment.method == "bank_transfer""#, |o| {
        o.order.payment.method = "bank_transfer".to_owned()
    }),
    ("order.total >= yen(100000)", |o| {
        o.order.total = Some(RuleMoney(100_000))
    }),
    (
        r#"order.total >= yen(100000) && order.payment.method in ["card", "prepaid"]"#,
        |o| {
            o.order.total = Some(RuleMoney(250_000));
        },
    ),
    ("lines.exists(l, l.qty >= 10)", |o| {
        o.lines.push(line("B", 10))
    }),
    ("group.receiver_differs && order.total > yen(30000)", |o| {
        o.groups[0].receiver_differs = true;
        o.order.total = Some(RuleMoney(30_001));
    }),
    ("!group.address_complete", |o| {
        o.groups[0].address_complete = false
    }),
    ("!group.phone_ok", |o| o.groups[0].phone_ok = false),
    (
        r#"group.region == "沖縄県" && order.payment.method == "card""#,
        |o| {
            o.groups[0].region = "沖縄県".to_owned();
        },
    ),
    (r#"group.country != "JP""#, |o| {
        o.groups[0].country = "DE".to_owned()
    }),
    (
        r#"group.service.contains("メール便") && lines.size() > 3"#,
        |o| {
            o.groups[0].service = "メール便".to_owned();
            o.lines = vec![line("A", 1), line("B", 1), line("C", 1), line("D", 1)];
        },
    ),
    (
        r#"lines.exists(l, l.title.contains("のし") || l.title.contains("ラッピング"))"#,
        |o| {
            o.lines[0].title = "のし（内祝）".to_owned();
        },
    ),
    ("lines.exists(l, !l.mapped)", |o| o.lines[0].mapped = false),
    ("!has(order.total)", |o| o.order.total = None),
    ("order.total == yen(0)", |o| {
        o.order.total = Some(RuleMoney(0))
    }),
    ("lines.exists(l, l.unit_price <= yen(1))", |o| {
        o.lines[0].unit_price = Some(RuleMoney(1))
    }),
    (
        r#"lines.exists(l, l.sku in ["RECALL-1", "RECALL-2"])"#,
        |o| o.lines[0].sku = "RECALL-2".to_owned(),
    ),
    (r#"lines.exists(l, l.sku.startsWith("YOYAKU-"))"#, |o| {
        o.lines[0].sku = "YOYAKU-9".to_owned()
    }),
    (
        r#"lines.exists(a, a.sku.endsWith("-COOL")) && lines.exists(b, !b.sku.endsWith("-COOL"))"#,
        |o| {
            o.lines.push(line("EBI-COOL", 1));
        },
    ),
    ("groups.size() > 1", |o| o.groups.push(group())),
    ("!order.buyer_mail", |o| o.order.buyer_mail = false),
    (
        r#"group.postal_prefix in ["100", "907"] && lines.filter(l, l.qty > 1).size() > 0"#,
        |o| {
            o.groups[0].postal_prefix = "907".to_owned();
        },
    ),
];

#[test]
fn rules_of_the_trade_hold_what_they_should_and_nothing_else() {
    for (when, change) in TRADE {
        assert_eq!(holds(when, &order()), Ok(false), "{when}");
        let mut changed = order();
        change(&mut changed);
        assert_eq!(holds(when, &changed), Ok(true), "{when}");
    }
}

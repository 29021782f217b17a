#![expect(clippy::unwrap_used, reason = "tests")]
//! Rules as merchants write them, each class of error, and text nobody would write.

mod arbitrary;
mod trade;
mod wrong;

use hikiate_sdk::Currency;

use super::*;
use crate::policy::{HoldRule, Release};

fn rule(when: &str) -> HoldRule {
    HoldRule {
        name: "r".to_owned(),
        when: when.to_owned(),
        release: Release::Manual,
    }
}

fn compile(when: &str) -> Result<RuleSet, Vec<RuleProblem>> {
    RuleSet::compile(&[rule(when)], &[Currency::JPY])
}

/// The messages of a rule that is expected to be wrong.
fn wrong(when: &str) -> String {
    compile(when)
        .err()
        .unwrap_or_default()
        .iter()
        .map(|p| p.message.clone())
        .collect::<Vec<_>>()
        .join("\n")
}

fn group() -> RuleGroup {
    RuleGroup {
        service: "宅配便".to_owned(),
        country: "JP".to_owned(),
        region: "大阪府".to_owned(),
        postal_prefix: "530".to_owned(),
        address_complete: true,
        phone_ok: true,
        receiver_differs: false,
    }
}

fn line(sku: &str, qty: i64) -> RuleLine {
    RuleLine {
        sku: sku.to_owned(),
        title: "りんごジュース".to_owned(),
        qty,
        unit_price: Some(RuleMoney(1200)),
        mapped: true,
    }
}

fn order() -> RuleContext {
    RuleContext {
        order: RuleOrder {
            channel: "shop-jp".to_owned(),
            currency: "JPY".to_owned(),
            total: Some(RuleMoney(2400)),
            remarks: String::new(),
            payment: RulePayment {
                method: "card".to_owned(),
            },
            buyer_mail: true,
        },
        lines: vec![line("APPLE-1", 2)],
        groups: vec![group()],
    }
}

fn holds(when: &str, order: &RuleContext) -> Result<bool, String> {
    compile(when).unwrap().evaluate(order).remove(0).holds
}

#[test]
fn a_rule_that_names_group_looks_at_each_group() {
    let mut two = order();
    two.groups.push(RuleGroup {
        country: "FR".to_owned(),
        ..group()
    });
    assert_eq!(
        holds(r#"group.country == "FR" && group.phone_ok"#, &two),
        Ok(true)
    );
    assert_eq!(
        holds(r#"group.country == "FR" && !group.phone_ok"#, &two),
        Ok(false)
    );
    two.groups.clear();
    assert_eq!(holds("group.phone_ok", &two), Ok(false));
    assert_eq!(
        holds(r#"groups.exists(group, group.country == "FR")"#, &two),
        Ok(false)
    );
}

#[test]
fn what_is_not_known_leaves_a_rule_undecided() {
    let mut unknown = order();
    unknown.order.total = None;
    assert_eq!(
        holds("order.total >= yen(1)", &unknown),
        Err("total is not known yet".to_owned())
    );
    assert_eq!(
        holds("order.total == yen(0)", &unknown),
        Err("total is not known yet".to_owned())
    );
    assert_eq!(
        holds("has(order.total) && order.total >= yen(1)", &unknown),
        Ok(false)
    );
    assert_eq!(
        holds("order.buyer_mail || order.total >= yen(1)", &unknown),
        Ok(true)
    );
    assert!(
        holds("lines[7].qty > 1", &order())
            .unwrap_err()
            .contains("fewer elements")
    );
    assert!(
        holds("lines[0].qty / (lines.size() - 1) > 1", &order())
            .unwrap_err()
            .contains("zero")
    );
}

#[test]
fn an_amount_is_only_compared_in_the_orders_currency() {
    let rules = [rule(r#"order.total >= money("EUR", "10.00")"#)];
    let set = RuleSet::compile(&rules, &[Currency::JPY, Currency::EUR]).unwrap();
    let mut euro = order();
    let undecided = set.evaluate(&euro).remove(0).holds.unwrap_err();
    assert_eq!(
        undecided,
        "the order is in JPY, but the rule compares with EUR"
    );
    euro.order.currency = "EUR".to_owned();
    euro.order.total = Some(RuleMoney(999));
    assert_eq!(set.evaluate(&euro).remove(0).holds, Ok(false));
    euro.order.total = Some(RuleMoney(1000));
    assert_eq!(set.evaluate(&euro).remove(0).holds, Ok(true));
}

#[test]
fn verdicts_come_in_order_with_name_and_release() {
    let rules = [
        HoldRule {
            name: "a".to_owned(),
            when: "true".to_owned(),
            release: Release::Auto,
        },
        HoldRule {
            name: "b".to_owned(),
            when: "order.total > yen(1)".to_owned(),
            release: Release::Manual,
        },
    ];
    let mut unknown = order();
    unknown.order.total = None;
    let verdicts = RuleSet::compile(&rules, &[Currency::JPY])
        .unwrap()
        .evaluate(&unknown);
    assert_eq!(verdicts.len(), 2);
    assert_eq!(
        (
            verdicts[0].rule.as_str(),
            verdicts[0].release,
            &verdicts[0].holds
        ),
        ("a", Release::Auto, &Ok(true))
    );
    assert_eq!(
        (verdicts[1].rule.as_str(), verdicts[1].release),
        ("b", Release::Manual)
    );
    assert!(verdicts[1].holds.is_err());
}

#[test]
fn all_problems_of_all_rules_are_found_at_once() {
    let rules = [
        HoldRule {
            name: "manual".to_owned(),
            when: "true".to_owned(),
            release: Release::Auto,
        },
        HoldRule {
            name: "x".to_owned(),
            when: "order.totl > 5 && order.chanel == 1".to_owned(),
            release: Release::Auto,
        },
        HoldRule {
            name: "x".to_owned(),
            when: "true".to_owned(),
            release: Release::Auto,
        },
    ];
    let found = RuleSet::compile(&rules, &[Currency::JPY]).unwrap_err();
    let places: Vec<_> = found.iter().map(|p| (p.index, p.key)).collect();
    assert_eq!(
        places,
        [(0, "name"), (1, "when"), (1, "when"), (2, "name")],
        "{found:?}"
    );
}

#[test]
fn large_and_deep_expressions_are_refused() {
    assert!(wrong(&format!("order.remarks != \"{}\"", "a".repeat(5000))).contains("bytes long"));
    assert!(
        wrong("lines.exists(a, lines.exists(b, lines.exists(c, c.qty > a.qty + b.qty)))")
            .contains("more than 2 deep")
    );
    assert!(compile("lines.exists(a, lines.exists(b, a.sku == b.sku && a.qty > b.qty))").is_ok());
    assert!(wrong(&format!("{}true{}", "(".repeat(50), ")".repeat(50))).contains("brackets"));
    for deep in [
        format!("{}true", "!".repeat(4000)),
        format!("{}1 > 0", "-".repeat(4000)),
        format!("1{} > 0", " + 1".repeat(1000)),
        format!("order{} == 1", ".a".repeat(2000)),
        format!("{}true", "true ? true : ".repeat(280)),
        format!("true{}", " && true".repeat(500)),
        format!("lines{} == 1", "[0]".repeat(1300)),
        format!("{}order", "a.b(".repeat(1000)),
    ] {
        // Read or refused, but never the end of the process.
        if let Ok(set) = compile(&deep) {
            assert!(set.evaluate(&order())[0].holds.is_ok(), "{deep}");
        }
    }
}

#[test]
fn an_order_with_too_many_lines_is_undecided() {
    let mut long = order();
    let nested = "lines.exists(a, lines.exists(b, a.qty > b.qty))";
    long.lines = (0..200).map(|n| line(&format!("S{n}"), 1)).collect();
    assert_eq!(holds(nested, &long), Ok(false));
    long.lines = (0..1000).map(|n| line(&format!("S{n}"), 1)).collect();
    assert!(
        holds(nested, &long)
            .unwrap_err()
            .contains("checks at most 200")
    );
    assert_eq!(holds("lines.exists(l, l.qty > 5)", &long), Ok(false));
    long.lines.push(line("last", 1));
    assert!(
        holds("lines.exists(l, l.qty > 5)", &long)
            .unwrap_err()
            .contains("1001 lines")
    );
}

#[test]
fn a_reason_never_quotes_the_customer() {
    let mut secret = order();
    secret.order.remarks = "電話 090-1234-5678".to_owned();
    secret.lines.clear();
    let undecided = holds("lines[0].title == order.remarks", &secret).unwrap_err();
    assert!(!undecided.contains("090"), "{undecided}");
}

#[test]
fn rules_can_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<RuleSet>();
}

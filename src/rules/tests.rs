#![expect(clippy::unwrap_used, reason = "tests")]
//! Rules as merchants write them, each class of error, and text nobody would write.

use hikiate_sdk::Currency;
use proptest::prelude::*;

use super::*;
use crate::policy::{HoldRule, Release};

fn rule(when: &str) -> HoldRule {
    HoldRule { name: "r".to_owned(), when: when.to_owned(), release: Release::Person }
}

fn compile(when: &str) -> Result<RuleSet, Vec<RuleProblem>> {
    RuleSet::compile(&[rule(when)], &[Currency::JPY])
}

/// The messages of a rule that is expected to be wrong.
fn wrong(when: &str) -> String {
    compile(when).err().unwrap_or_default().iter().map(|p| p.message.clone()).collect::<Vec<_>>().join("\n")
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
            payment: RulePayment { method: "card".to_owned() },
            buyer_mail: true,
        },
        lines: vec![line("APPLE-1", 2)],
        groups: vec![group()],
    }
}

fn holds(when: &str, order: &RuleContext) -> Result<bool, String> {
    compile(when).unwrap().evaluate(order).remove(0).holds
}

/// A hold rule and a change to a plain order that makes it hold.
type Case = (&'static str, fn(&mut RuleContext));

/// Those of the thirty hold rules of the trade that need nothing beyond the context.
const TRADE: [Case; 22] = [
    (r#"order.remarks != "" && !order.remarks.matches("^\\[配送日時指定:\\]\\s*$")"#, |o| {
        o.order.remarks = "のし希望".to_owned();
    }),
    (r#"order.payment.method == "bank_transfer""#, |o| o.order.payment.method = "bank_transfer".to_owned()),
    ("order.total >= yen(100000)", |o| o.order.total = Some(RuleMoney(100_000))),
    (r#"order.total >= yen(100000) && order.payment.method in ["card", "prepaid"]"#, |o| {
        o.order.total = Some(RuleMoney(250_000));
    }),
    ("lines.exists(l, l.qty >= 10)", |o| o.lines.push(line("B", 10))),
    ("group.receiver_differs && order.total > yen(30000)", |o| {
        o.groups[0].receiver_differs = true;
        o.order.total = Some(RuleMoney(30_001));
    }),
    ("!group.address_complete", |o| o.groups[0].address_complete = false),
    ("!group.phone_ok", |o| o.groups[0].phone_ok = false),
    (r#"group.region == "沖縄県" && order.payment.method == "card""#, |o| {
        o.groups[0].region = "沖縄県".to_owned();
    }),
    (r#"group.country != "JP""#, |o| o.groups[0].country = "DE".to_owned()),
    (r#"group.service.contains("メール便") && lines.size() > 3"#, |o| {
        o.groups[0].service = "メール便".to_owned();
        o.lines = vec![line("A", 1), line("B", 1), line("C", 1), line("D", 1)];
    }),
    (r#"lines.exists(l, l.title.contains("のし") || l.title.contains("ラッピング"))"#, |o| {
        o.lines[0].title = "のし（内祝）".to_owned();
    }),
    ("lines.exists(l, !l.mapped)", |o| o.lines[0].mapped = false),
    ("!has(order.total)", |o| o.order.total = None),
    ("order.total == yen(0)", |o| o.order.total = Some(RuleMoney(0))),
    ("lines.exists(l, l.unit_price <= yen(1))", |o| o.lines[0].unit_price = Some(RuleMoney(1))),
    (r#"lines.exists(l, l.sku in ["RECALL-1", "RECALL-2"])"#, |o| o.lines[0].sku = "RECALL-2".to_owned()),
    (r#"lines.exists(l, l.sku.startsWith("YOYAKU-"))"#, |o| o.lines[0].sku = "YOYAKU-9".to_owned()),
    (r#"lines.exists(a, a.sku.endsWith("-COOL")) && lines.exists(b, !b.sku.endsWith("-COOL"))"#, |o| {
        o.lines.push(line("EBI-COOL", 1));
    }),
    ("groups.size() > 1", |o| o.groups.push(group())),
    ("!order.buyer_mail", |o| o.order.buyer_mail = false),
    (r#"group.postal_prefix in ["100", "907"] && lines.filter(l, l.qty > 1).size() > 0"#, |o| {
        o.groups[0].postal_prefix = "907".to_owned();
    }),
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

#[test]
fn a_rule_that_names_group_looks_at_each_group() {
    let mut two = order();
    two.groups.push(RuleGroup { country: "FR".to_owned(), ..group() });
    assert_eq!(holds(r#"group.country == "FR" && group.phone_ok"#, &two), Ok(true));
    assert_eq!(holds(r#"group.country == "FR" && !group.phone_ok"#, &two), Ok(false));
    two.groups.clear();
    assert_eq!(holds("group.phone_ok", &two), Ok(false));
    assert_eq!(holds(r#"groups.exists(group, group.country == "FR")"#, &two), Ok(false));
}

#[test]
fn what_is_not_known_leaves_a_rule_undecided() {
    let mut unknown = order();
    unknown.order.total = None;
    assert_eq!(holds("order.total >= yen(1)", &unknown), Err("total is not known yet".to_owned()));
    assert_eq!(holds("order.total == yen(0)", &unknown), Err("total is not known yet".to_owned()));
    assert_eq!(holds("has(order.total) && order.total >= yen(1)", &unknown), Ok(false));
    assert_eq!(holds("order.buyer_mail || order.total >= yen(1)", &unknown), Ok(true));
    assert!(holds("lines[7].qty > 1", &order()).unwrap_err().contains("fewer elements"));
    assert!(holds("lines[0].qty / (lines.size() - 1) > 1", &order()).unwrap_err().contains("zero"));
}

#[test]
fn an_amount_is_only_compared_in_the_orders_currency() {
    let rules = [rule(r#"order.total >= money("EUR", "10.00")"#)];
    let set = RuleSet::compile(&rules, &[Currency::JPY, Currency::EUR]).unwrap();
    let mut euro = order();
    let undecided = set.evaluate(&euro).remove(0).holds.unwrap_err();
    assert_eq!(undecided, "the order is in JPY and the rule compares with EUR");
    euro.order.currency = "EUR".to_owned();
    euro.order.total = Some(RuleMoney(999));
    assert_eq!(set.evaluate(&euro).remove(0).holds, Ok(false));
    euro.order.total = Some(RuleMoney(1000));
    assert_eq!(set.evaluate(&euro).remove(0).holds, Ok(true));
}

#[test]
fn verdicts_come_in_order_with_name_and_release() {
    let rules = [
        HoldRule { name: "a".to_owned(), when: "true".to_owned(), release: Release::Auto },
        HoldRule { name: "b".to_owned(), when: "order.total > yen(1)".to_owned(), release: Release::Person },
    ];
    let mut unknown = order();
    unknown.order.total = None;
    let verdicts = RuleSet::compile(&rules, &[Currency::JPY]).unwrap().evaluate(&unknown);
    assert_eq!(verdicts.len(), 2);
    assert_eq!((verdicts[0].rule.as_str(), verdicts[0].release, &verdicts[0].holds), ("a", Release::Auto, &Ok(true)));
    assert_eq!((verdicts[1].rule.as_str(), verdicts[1].release), ("b", Release::Person));
    assert!(verdicts[1].holds.is_err());
}

/// A wrong expression and words its message must have.
const WRONG: [(&str, &str); 46] = [
    ("order.totl >= yen(1)", "order.totl: no such name; did you mean total?"),
    ("ordr.total >= yen(1)", "ordr: no such name; did you mean order?"),
    ("order.payment.methode == \"card\"", "order.payment.methode: no such name; did you mean method?"),
    ("lines.exists(l, l.qyt > 1)", "l.qyt: no such name; did you mean qty?"),
    ("lines.exists(l, x.qty > 1)", "x: no such name; known: group, groups, lines, order, l"),
    ("lines.qty > 1", "lines.qty: lines is a list; write lines.exists(x, x.qty …)"),
    ("order.remarks.text == \"\"", "order.remarks is text and has no text"),
    ("order.remarks == 5", "order.remarks is text, 5 is a number; they cannot be compared"),
    ("order.total >= 100000", "order.total is an amount and 100000 is a plain number; write yen(100000)"),
    ("100000 < order.total", "write yen(100000)"),
    ("order.total >= \"100\"", "order.total is an amount, \"100\" is text"),
    ("order.total >= money(\"EUR\", \"10.00\")", "no channel sells in EUR, but in JPY"),
    ("money(\"EUR\", \"1\") > yen(5)", "an amount in EUR is compared with an amount in JPY"),
    ("order.total >= money(\"JPY\", \"10.5\")", "JPY has 0 decimal places"),
    ("order.total >= money(\"JPYY\", \"10\")", "is no currency code"),
    ("order.total >= money(\"JPY\", \"ten\")", "is no decimal amount"),
    ("order.total >= money(\"JPY\", 10)", "money() is written money(\"EUR\", \"1000.00\")"),
    ("order.total >= yen(\"10\")", "yen(\"10\") needs a whole number"),
    ("order.total > yen(10.5)", "rules have no decimal numbers"),
    ("lines.exists(l, l.qty > 5u)", "5u: write 5"),
    ("order.total == null", "ask has(order.total)"),
    ("order.total", "order.total is an amount, but a rule has to be true or false"),
    ("lines.size()", "lines.size() is a number, but a rule has to be true or false"),
    ("order", "order is an object (order), but a rule has to be true or false"),
    ("order.remarks && true", "order.remarks is text, true or false is needed here"),
    ("!order.remarks", "order.remarks is text, true or false is needed here"),
    ("order.remarks.length() > 0", "length(): no such function"),
    ("order.remarks.startWith(\"a\")", "startWith(): no such function; did you mean startsWith?"),
    ("siz(lines) > 0", "siz(): no such function; did you mean size?"),
    ("order.remarks.matches(\"(\")", "not a regular expression"),
    ("order.remarks.matches(order.channel)", "write the pattern as text in quotes"),
    ("order.buyer_mail.contains(\"a\")", "contains() works on text, this is true or false"),
    ("order.payment.method in [\"card\", 5]", "5 in a list of text is a number"),
    ("order.payment.method in [1, 2]", "is text, but [1, 2] is a list of a number"),
    ("\"a\" in order.remarks", "write order.remarks.contains(\"a\")"),
    ("order.total in [1, 2]", "write the list with yen(…) or money(…)"),
    ("order.total + 5 > yen(5)", "5 is a plain number"),
    ("order.remarks + 5 == \"\"", "has no meaning"),
    ("order.buyer_mail > false", "true and false have no order"),
    ("order == order", "compare single fields"),
    ("order.remarks.exists(x, true)", "need a list, this is text"),
    ("lines.exists(l, l.qty)", "l.qty is a number, true or false is needed here"),
    ("{\"a\": 1}.size() > 0", "rules have no maps"),
    ("order.buyer_mail ? 1 : \"a\"", "one side is a number, the other text"),
    ("order.total >= ", "line 1, character"),
    ("   ", "the expression is empty"),
];

#[test]
fn each_class_of_error_says_what_is_wrong() {
    for (when, words) in WRONG {
        let found = wrong(when);
        assert!(found.contains(words), "{when}\n  said: {found}\n  want: {words}");
    }
}

#[test]
fn all_problems_of_all_rules_are_found_at_once() {
    let rules = [
        HoldRule { name: "manual".to_owned(), when: "true".to_owned(), release: Release::Auto },
        HoldRule { name: "x".to_owned(), when: "order.totl > 5 && order.chanel == 1".to_owned(), release: Release::Auto },
        HoldRule { name: "x".to_owned(), when: "true".to_owned(), release: Release::Auto },
    ];
    let found = RuleSet::compile(&rules, &[Currency::JPY]).unwrap_err();
    let places: Vec<_> = found.iter().map(|p| (p.index, p.key)).collect();
    assert_eq!(places, [(0, "name"), (1, "when"), (1, "when"), (2, "name")], "{found:?}");
}

#[test]
fn large_and_deep_expressions_are_refused() {
    assert!(wrong(&format!("order.remarks != \"{}\"", "a".repeat(5000))).contains("bytes long"));
    assert!(wrong("lines.exists(a, lines.exists(b, lines.exists(c, c.qty > a.qty + b.qty)))").contains("more than 2 deep"));
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
    assert!(holds(nested, &long).unwrap_err().contains("looks at 200"));
    assert_eq!(holds("lines.exists(l, l.qty > 5)", &long), Ok(false));
    long.lines.push(line("last", 1));
    assert!(holds("lines.exists(l, l.qty > 5)", &long).unwrap_err().contains("1001 lines"));
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

/// Pieces of expressions, so that arbitrary text gets past the first token.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "order", "lines", "group", "groups", ".total", ".remarks", ".payment.method", ".size()", ".exists(l, ",
            ".all(x, ", ".filter(y, ", "l.qty", "(", ")", "[", "]", "{", "}", "&&", "||", "!", "-", "+", "*", "/", "%",
            "==", "!=", ">=", "<", " in ", "?", ":", "yen(", "money(\"EUR\", ", "has(", "\"備考\"", "'", "\"", "0", "1u",
            "1.5", "9223372036854775807", "null", "true", ",", "\\", "`", "\u{0}", "🍎", "b'x'", "r\"\\d\"", "timestamp(",
            "duration(\"1s\")", "type(", "int(", "string(", ".map(z, ",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,60}") {
        if let Ok(set) = compile(&text) {
            prop_assert_eq!(set.evaluate(&order()).len(), 1);
        }
    }

    #[test]
    fn arbitrary_pieces_never_panic(pieces in prop::collection::vec(piece(), 0..24)) {
        if let Ok(set) = compile(&pieces.concat()) {
            prop_assert_eq!(set.evaluate(&order()).len(), 1);
        }
    }

    #[test]
    fn an_amount_rule_is_integer_comparison(total in any::<i64>(), limit in 0..i64::MAX) {
        let mut some = order();
        some.order.total = Some(RuleMoney(total));
        prop_assert_eq!(holds(&format!("order.total >= yen({limit})"), &some), Ok(total >= limit));
    }
}

//! Hold rules: parsed, checked, and run on an order.

use std::time::{Duration, Instant};

use hikiate::policy::{HoldRule, Release};
use hikiate::rules::{
    HoldRules, RuleContext, RuleGroup, RuleLine, RuleMoney, RuleOrder, RulePayment, RuleSet,
};
use hikiate_sdk::Currency;

/// No rule may take longer on an order of a few lines.
const SOON: Duration = Duration::from_secs(5);

/// A rule's expression.
pub(super) fn rule(bytes: &[u8]) {
    let Ok(when) = std::str::from_utf8(bytes) else {
        return;
    };
    let rule = HoldRule {
        name: "rule".to_owned(),
        when: when.to_owned(),
        release: Release::Manual,
    };
    let begun = Instant::now();
    match RuleSet::compile(&[rule], &[Currency::JPY]) {
        Ok(set) => {
            for lines in [0, 3, 40] {
                assert_eq!(set.evaluate(&context(lines)).len(), 1);
            }
        }
        Err(problems) => {
            let size: usize = problems.iter().map(|problem| problem.message.len()).sum();
            assert!(size <= 400 * (when.len() + 20), "{size} bytes of problems");
        }
    }
    assert!(
        begun.elapsed() < SOON,
        "{when:?} took {:?}",
        begun.elapsed()
    );
}

fn context(lines: usize) -> RuleContext {
    let line = |n: usize| RuleLine {
        sku: format!("SKU-{n}"),
        title: "商品".to_owned(),
        qty: n as i64,
        unit_price: n.is_multiple_of(2).then_some(RuleMoney(1980)),
        mapped: true,
    };
    RuleContext {
        order: RuleOrder {
            channel: "shop-jp".to_owned(),
            currency: "JPY".to_owned(),
            total: Some(RuleMoney(12_345)),
            remarks: "至急お願いします".repeat(20),
            payment: RulePayment {
                method: "card".to_owned(),
            },
            buyer_mail: true,
        },
        lines: (0..lines).map(line).collect(),
        groups: vec![RuleGroup {
            service: String::new(),
            country: "JP".to_owned(),
            region: "東京都".to_owned(),
            postal_prefix: "100".to_owned(),
            address_complete: true,
            phone_ok: true,
            receiver_differs: false,
        }],
    }
}

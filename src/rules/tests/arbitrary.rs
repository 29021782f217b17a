//! Text nobody would write.

use proptest::prelude::*;

use super::*;

/// Pieces of expressions, so that arbitrary text gets past the first token.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "order",
            "lines",
            "group",
            "groups",
            ".total",
            ".remarks",
            ".payment.method",
            ".size()",
            ".exists(l, ",
            ".all(x, ",
            ".filter(y, ",
            "l.qty",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "&&",
            "||",
            "!",
            "-",
            "+",
            "*",
            "/",
            "%",
            "==",
            "!=",
            ">=",
            "<",
            " in ",
            "?",
            ":",
            "yen(",
            "money(\"EUR\", ",
            "has(",
            "\"備考\"",
            "'",
            "\"",
            "0",
            "1u",
            "1.5",
            "9223372036854775807",
            "null",
            "true",
            ",",
            "\\",
            "`",
            "\u{0}",
            "🍎",
            "b'x'",
            "r\"\\d\"",
            "timestamp(",
            "duration(\"1s\")",
            "type(",
            "int(",
            "string(",
            ".map(z, ",
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

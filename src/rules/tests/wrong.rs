//! Each class of error.

use super::wrong;

/// A wrong expression and words its message must have.
const WRONG: [(&str, &str); 46] = [
    (
        "order.totl >= yen(1)",
        "order.totl: no such name; did you mean total?",
    ),
    (
        "ordr.total >= yen(1)",
        "ordr: no such name; did you mean order?",
    ),
    (
        "order.payment.methode == \"card\"",
        "order.payment.methode: no such name; did you mean method?",
    ),
    (
        "lines.exists(l, l.qyt > 1)",
        "l.qyt: no such name; did you mean qty?",
    ),
    (
        "lines.exists(l, x.qty > 1)",
        "x: no such name; known: group, groups, lines, order, l",
    ),
    (
        "lines.qty > 1",
        "lines.qty: lines is a list; write lines.exists(x, x.qty …)",
    ),
    (
        "order.remarks.text == \"\"",
        "order.remarks is text and has no text",
    ),
    (
        "order.remarks == 5",
        "order.remarks is text, 5 is a number; they cannot be compared",
    ),
    (
        "order.total >= 100000",
        "order.total is an amount and 100000 is a plain number; write yen(100000)",
    ),
    ("100000 < order.total", "write yen(100000)"),
    (
        "order.total >= \"100\"",
        "order.total is an amount, \"100\" is text",
    ),
    (
        "order.total >= money(\"EUR\", \"10.00\")",
        "no channel sells in EUR, but in JPY",
    ),
    (
        "money(\"EUR\", \"1\") > yen(5)",
        "an amount in EUR is compared with an amount in JPY",
    ),
    (
        "order.total >= money(\"JPY\", \"10.5\")",
        "JPY has 0 decimal places",
    ),
    (
        "order.total >= money(\"JPYY\", \"10\")",
        "is not a currency code",
    ),
    (
        "order.total >= money(\"JPY\", \"ten\")",
        "is not a decimal amount",
    ),
    (
        "order.total >= money(\"JPY\", 10)",
        "money() must be written money(\"EUR\", \"1000.00\")",
    ),
    (
        "order.total >= yen(\"10\")",
        "yen(\"10\") needs a whole number",
    ),
    ("order.total > yen(10.5)", "rules have no decimal numbers"),
    ("lines.exists(l, l.qty > 5u)", "5u: write 5"),
    ("order.total == null", "use has(order.total)"),
    (
        "order.total",
        "order.total is an amount, but a rule must be true or false",
    ),
    (
        "lines.size()",
        "lines.size() is a number, but a rule must be true or false",
    ),
    (
        "order",
        "order is an object (order), but a rule must be true or false",
    ),
    (
        "order.remarks && true",
        "order.remarks is text; expected true or false",
    ),
    (
        "!order.remarks",
        "order.remarks is text; expected true or false",
    ),
    ("order.remarks.length() > 0", "length(): no such function"),
    (
        "order.remarks.startWith(\"a\")",
        "startWith(): no such function; did you mean startsWith?",
    ),
    (
        "siz(lines) > 0",
        "siz(): no such function; did you mean size?",
    ),
    ("order.remarks.matches(\"(\")", "not a regular expression"),
    (
        "order.remarks.matches(order.channel)",
        "write the pattern as text in quotes",
    ),
    (
        "order.buyer_mail.contains(\"a\")",
        "contains() works on text, this is true or false",
    ),
    (
        "order.payment.method in [\"card\", 5]",
        "5 in a list of text is a number",
    ),
    (
        "order.payment.method in [1, 2]",
        "is text, but [1, 2] is a list of a number",
    ),
    (
        "\"a\" in order.remarks",
        "write order.remarks.contains(\"a\")",
    ),
    (
        "order.total in [1, 2]",
        "write the list with yen(…) or money(…)",
    ),
    ("order.total + 5 > yen(5)", "5 is a plain number"),
    ("order.remarks + 5 == \"\"", "has no meaning"),
    ("order.buyer_mail > false", "true and false have no order"),
    ("order == order", "compare single fields"),
    ("order.remarks.exists(x, true)", "need a list, this is text"),
    (
        "lines.exists(l, l.qty)",
        "l.qty is a number; expected true or false",
    ),
    ("{\"a\": 1}.size() > 0", "rules have no maps"),
    (
        "order.buyer_mail ? 1 : \"a\"",
        "one side is a number, the other text",
    ),
    ("order.total >= ", "line 1, character"),
    ("   ", "the expression is empty"),
];

#[test]
fn each_class_of_error_says_what_is_wrong() {
    for (when, words) in WRONG {
        let found = wrong(when);
        assert!(
            found.contains(words),
            "{when}\n  said: {found}\n  want: {words}"
        );
    }
}

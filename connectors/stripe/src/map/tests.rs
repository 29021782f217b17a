//! The mapping by value, over JSON in the shape of the API's documents.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use hikiate_sdk::{Observed, Parts, PaymentSnapshot, PaymentState};
use serde_json::{Value, json};

use super::record;
use crate::config::Settings;
use crate::wire::Bundle;

/// 5,000 yen on a card, authorised until 28 November 2026.
fn authorised() -> Value {
    json!({
        "id": "pi_1", "object": "payment_intent", "amount": 5000, "amount_capturable": 5000, "amount_received": 0,
        "currency": "jpy", "status": "requires_capture", "livemode": false, "created": 1_795_255_200,
        "capture_method": "manual", "metadata": { "order_id": "1001" }, "review": null, "next_action": null,
        "last_payment_error": null, "cancellation_reason": null,
        "latest_charge": {
            "id": "ch_1", "object": "charge", "amount": 5000, "amount_captured": 0, "amount_refunded": 0, "captured": false,
            "disputed": false, "refunds": { "object": "list", "data": [], "has_more": false, "url": "/v1/charges/ch_1/refunds" },
            "payment_method_details": { "type": "card", "card": {
                "capture_before": 1_795_860_000, "multicapture": { "status": "unavailable" } } },
        },
    })
}

/// The same, captured.
fn captured(amount: i64) -> Value {
    let mut intent = authorised();
    intent["status"] = json!("succeeded");
    intent["amount_capturable"] = json!(0);
    intent["amount_received"] = json!(amount);
    intent["latest_charge"]["captured"] = json!(true);
    intent["latest_charge"]["amount_captured"] = json!(amount);
    intent
}

fn refund(id: &str, amount: i64, status: &str) -> Value {
    json!({ "id": id, "object": "refund", "amount": amount, "created": 1_795_300_000, "currency": "jpy", "status": status,
        "reason": null, "metadata": {}, "balance_transaction": format!("txn_{id}") })
}

fn settings() -> Settings {
    Settings {
        reference: Some("order_id".to_owned()),
        ..Settings::default()
    }
}

fn bundle(intent: Value) -> Bundle {
    Bundle::of(intent)
}

fn told(bundle: &Bundle) -> PaymentSnapshot {
    match record(bundle, &settings()).parsed {
        Ok(Observed::Payment(payment)) => *payment,
        other => panic!("{other:?}"),
    }
}

fn with(mut intent: Value, change: impl FnOnce(&mut Value)) -> PaymentSnapshot {
    change(&mut intent);
    told(&bundle(intent))
}

#[test]
fn an_authorised_payment_by_value() {
    let stored = serde_json::to_value(told(&bundle(authorised()))).unwrap();
    let want = json!({
        "key": "pi_1", "reference": "1001", "currency": "JPY", "state": { "is": "authorised" }, "amount": 5000,
        "authorised": 5000, "captured": 0, "refunded": 0, "authorised_until": "2026-11-28T10:00:00Z", "parts": "once",
    });
    assert_eq!(stored, want);
}

#[test]
fn a_captured_payment_with_refunds_by_value() {
    let mut intent = captured(5000);
    intent["latest_charge"]["refunds"]["data"] = json!([
        refund("re_3", 400, "pending"),
        refund("re_2", 300, "requires_action"),
        refund("re_1", 200, "succeeded"),
        refund("re_0", 1000, "failed"),
        refund("re_9", 1000, "canceled"),
    ]);
    let stored = serde_json::to_value(told(&bundle(intent))).unwrap();
    let at = "2026-11-21T22:26:40Z";
    let want = json!({
        "key": "pi_1", "reference": "1001", "currency": "JPY", "state": { "is": "paid" }, "amount": 5000,
        "authorised": 5000, "captured": 5000, "refunded": 900,
        "refunds": [
            { "key": "re_1", "amount": 200, "at": at }, { "key": "re_2", "amount": 300, "at": at }, { "key": "re_3", "amount": 400, "at": at },
        ],
    });
    assert_eq!(stored, want);
}

#[test]
fn every_status_has_its_state() {
    use PaymentState::{Authorised, Cancelled, Expired, Paid, Unknown, Waiting};
    let state = |status: &str, change: &dyn Fn(&mut Value)| {
        let payment = with(authorised(), |intent| {
            intent["status"] = json!(status);
            change(intent);
        });
        (payment.state.clone(), payment)
    };
    let same: &dyn Fn(&mut Value) = &|_| {};
    for status in [
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
        "processing",
    ] {
        let (is, payment) = state(status, same);
        assert_eq!((is, payment.authorised), (Waiting, 0), "{status}");
    }
    assert_eq!(state("requires_capture", same).0, Authorised);
    assert_eq!(state("canceled", same).0, Cancelled);
    for reason in ["automatic", "expired"] {
        let (is, payment) = state("canceled", &|i| i["cancellation_reason"] = json!(reason));
        assert_eq!(
            (is, payment.authorised, payment.authorised_until),
            (Expired, 0, None)
        );
    }
    let (is, _) = state("requires_payment_method", &|i| {
        i["last_payment_error"] = json!({ "code": "payment_intent_payment_attempt_expired" });
    });
    assert_eq!(is, Expired, "nobody came to the store");
    let (is, _) = state("requires_payment_method", &|i| {
        i["last_payment_error"] = json!({ "code": "card_declined" });
    });
    assert_eq!(is, Waiting, "the customer may try another card");
    let (is, payment) = state("frozen", same);
    let raw = "frozen".to_owned();
    assert_eq!((is, payment.authorised), (Unknown { raw }, 0));
    let part = with(captured(2000), |intent| {
        intent["status"] = json!("canceled")
    });
    assert_eq!(
        (part.state, part.captured),
        (Paid, 2000),
        "a part captured, the rest released"
    );
}

#[test]
fn a_payment_under_review_says_so_until_somebody_decides() {
    let review = |open: bool| json!({ "id": "prv_1", "open": open, "reason": if open { "rule" } else { "approved" } });
    let under = with(authorised(), |intent| intent["review"] = review(true));
    let reasons = vec!["Stripe review: rule".to_owned()];
    assert_eq!(under.state, PaymentState::Review { reasons });
    assert_eq!(under.authorised, 5000);
    let done = with(authorised(), |intent| intent["review"] = review(false));
    assert_eq!(done.state, PaymentState::Authorised);
}

#[test]
fn several_captures_where_the_charge_allows_them() {
    let many = with(authorised(), |intent| {
        intent["amount_capturable"] = json!(3000);
        intent["amount_received"] = json!(2000);
        intent["latest_charge"]["payment_method_details"]["card"]["multicapture"]["status"] =
            json!("available");
    });
    assert_eq!(
        (many.authorised, many.captured, many.parts),
        (5000, 2000, Some(Parts::Many))
    );
    assert_eq!(
        with(captured(5000), |_| {}).parts,
        None,
        "nothing is left to capture"
    );
}

/// Stripe shows what a capture of a part left as refunded.
#[test]
fn what_a_capture_released_is_no_refund() {
    let release = |id: &str| {
        let mut released = refund(id, 1000, "succeeded");
        released["balance_transaction"] = Value::Null;
        released
    };
    let part = with(captured(4000), |intent| {
        intent["latest_charge"]["amount_refunded"] = json!(1000);
        intent["latest_charge"]["refunds"]["data"] = json!([release("re_1")]);
    });
    assert_eq!(
        (part.captured, part.refunded, part.refunds.len()),
        (4000, 0, 0)
    );
    let both = with(captured(4000), |intent| {
        intent["latest_charge"]["refunds"]["data"] =
            json!([refund("re_2", 1000, "succeeded"), release("re_1")]);
    });
    assert_eq!(
        (both.refunded, both.refunds.len()),
        (1000, 1),
        "one that is as large moved money"
    );
    for status in ["pending", "requires_action"] {
        let waits = with(captured(4000), |intent| {
            let mut by_hand = refund("re_2", 1000, status);
            by_hand["balance_transaction"] = Value::Null;
            intent["latest_charge"]["refunds"]["data"] = json!([by_hand, release("re_1")]);
        });
        assert_eq!((waits.refunded, waits.refunds.len()), (1000, 1), "{status}");
        assert_eq!(waits.refunds[0].key.as_str(), "re_2");
    }
    let ended = with(authorised(), |intent| {
        intent["status"] = json!("canceled");
        intent["latest_charge"]["refunds"]["data"] = json!([release("re_1")]);
    });
    assert_eq!(ended.refunded, 0);
    let expired = with(captured(2000), |intent| {
        let mut rest = refund("re_1", 3000, "succeeded");
        rest["reason"] = json!("expired_uncaptured_charge");
        intent["latest_charge"]["refunds"]["data"] = json!([rest]);
    });
    assert_eq!(expired.refunded, 0);
}

#[test]
fn refunds_beyond_the_first_ten_count_and_none_counts_twice() {
    let mut bundle = bundle(captured(5000));
    bundle.intent["latest_charge"]["refunds"]["data"] = json!([refund("re_1", 100, "succeeded")]);
    bundle.refunds = vec![
        refund("re_1", 100, "succeeded"),
        refund("re_2", 50, "succeeded"),
    ];
    let payment = told(&bundle);
    assert_eq!((payment.refunded, payment.refunds.len()), (150, 2));
}

#[test]
fn a_dispute_counts_while_it_may_take_money_or_has() {
    let disputed = |disputes: &[(&str, i64)]| {
        let mut bundle = bundle(captured(5000));
        bundle.intent["latest_charge"]["disputed"] = json!(true);
        let dispute = |(status, amount): &(&str, i64)| json!({ "id": "du_1", "amount": amount, "status": status });
        bundle.disputes = disputes.iter().map(dispute).collect();
        record(&bundle, &settings()).parsed
    };
    for (status, want) in [
        ("needs_response", 5000),
        ("under_review", 5000),
        ("warning_needs_response", 5000),
        ("warning_under_review", 5000),
        ("lost", 5000),
        ("a_new_word", 5000),
        ("won", 0),
        ("warning_closed", 0),
        ("prevented", 0),
    ] {
        match disputed(&[(status, 5000)]) {
            Ok(Observed::Payment(payment)) => assert_eq!(payment.disputed, want, "{status}"),
            other => panic!("{other:?}"),
        }
    }
    let unlisted = disputed(&[]).unwrap_err();
    assert!(
        unlisted.reason.contains("lists no dispute"),
        "{}",
        unlisted.reason
    );
}

#[test]
fn who_pays_later_is_told_until_when() {
    let later = |next: Value| {
        let payment = with(authorised(), |intent| {
            intent["status"] = json!("requires_action");
            intent["amount_capturable"] = json!(0);
            intent["latest_charge"] = Value::Null;
            intent["next_action"] = next;
        });
        (
            payment.state,
            payment.pay_by.map(|at| at.timestamp()),
            payment.captured,
        )
    };
    let konbini = json!({ "type": "konbini_display_details", "konbini_display_details": { "expires_at": 1_795_600_000, "stores": {} } });
    assert_eq!(
        later(konbini),
        (PaymentState::Waiting, Some(1_795_600_000), 0)
    );
    let voucher = json!({ "type": "oxxo_display_details", "oxxo_display_details": { "expires_after": 1_795_600_001 } });
    assert_eq!(later(voucher).1, Some(1_795_600_001));
    let bank = json!({ "type": "display_bank_transfer_instructions", "display_bank_transfer_instructions": { "amount_remaining": 3000 } });
    assert_eq!(later(bank).1, None, "a bank transfer has no end");
}

#[test]
fn amounts_of_all_currencies_are_minor_units() {
    let amount = |code: &str, stripe: i64| {
        let mut intent = authorised();
        intent["currency"] = json!(code);
        for name in ["amount", "amount_capturable"] {
            intent[name] = json!(stripe);
        }
        intent["latest_charge"]["amount"] = json!(stripe);
        let parsed = record(&bundle(intent), &settings()).parsed;
        parsed.map(|told| match told {
            Observed::Payment(payment) => (payment.amount, payment.authorised),
            other => panic!("{other:?}"),
        })
    };
    for (code, stripe, minor) in [
        ("jpy", 5000, 5000),
        ("eur", 5046, 5046),
        ("kwd", 5120, 5120),
        ("isk", 500, 5),
        ("mga", 5, 500),
    ] {
        assert_eq!(amount(code, stripe), Ok((minor, minor)), "{code}");
    }
    let half = amount("isk", 550).unwrap_err();
    assert!(half.reason.starts_with("pi_1: amount: "), "{}", half.reason);
}

/// The older version of an emulator, and whatever is left out.
#[test]
fn what_the_intent_does_not_say_is_read_off_its_charge_or_not_guessed() {
    let bare = with(captured(4000), |intent| {
        let fields = intent.as_object_mut().unwrap();
        fields.remove("amount_received");
        fields.remove("amount_capturable");
    });
    assert_eq!(bare.captured, 4000);
    let open = with(authorised(), |intent| {
        intent.as_object_mut().unwrap().remove("amount_capturable");
    });
    assert_eq!(open.authorised, 5000);
    let reason = |change: &dyn Fn(&mut Value)| {
        let mut intent = captured(5000);
        change(&mut intent);
        let bad = record(&bundle(intent), &settings()).parsed.unwrap_err();
        assert_eq!(bad.external_id.unwrap().as_str(), "pi_1");
        bad.cause
    };
    for (change, words) in [
        (
            &(|i: &mut Value| i["latest_charge"] = json!("ch_1")) as &dyn Fn(&mut Value),
            "latest_charge: not expanded",
        ),
        (
            &|i| i["latest_charge"]["refunds"] = Value::Null,
            "latest_charge.refunds: missing",
        ),
        (
            &|i| i["amount"] = json!("5000"),
            "amount: not a whole number",
        ),
        (&|i| i["amount"] = json!(50.5), "amount: not a whole number"),
        (&|i| i["status"] = Value::Null, "status: missing"),
        (&|i| i["currency"] = json!("yen!"), "currency: "),
        (
            &|i| i["latest_charge"]["refunds"]["data"] = json!([{ "id": "re_1", "created": 1 }]),
            "refund.amount: missing",
        ),
    ] {
        let said = reason(change);
        assert!(said.starts_with(words), "{said}");
    }
}

#[test]
fn what_was_stored_is_read_again_and_keeps_no_client_secret() {
    let mut whole = bundle(captured(5000));
    whole.disputes = vec![json!({ "id": "du_1", "amount": 1, "status": "won" })];
    let raw = record(&whole, &settings()).raw;
    let again: Bundle = serde_json::from_slice(&raw).unwrap();
    assert_eq!(told(&again), told(&whole));
    let settings = Settings::default();
    assert!(
        matches!(record(&again, &settings).parsed, Ok(Observed::Payment(p)) if p.reference.is_none())
    );
}

//! Calls as frozen bytes. Pure.

use hikiate_sdk::{
    Call, CaptureCall, Currency, Error, ErrorClass, Op, Prepared, RefundCall, VoidCall,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::map::{CAPTURE_MARK, REFUND_MARK, UNITS, not_expressible};
use crate::wire::{is_charge, is_intent};

/// Characters of a value in the metadata (docs.stripe.com/api/metadata).
const VALUE: usize = 500;

/// What Stripe takes as the reason of a refund; anything else is kept in the metadata. `fraudulent` also blocks the card there.
const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

/// What [`Prepared::bytes`] hold.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Frozen {
    /// Below Stripe's address.
    pub(super) path: String,
    /// The fields of the form, without those that depend on the payment as it stands when it is sent.
    pub(super) form: Vec<(String, String)>,
    /// The idempotency key.
    pub(super) key: String,
    /// How to find out whether it has happened.
    pub(super) find: Find,
}

/// What a look-up needs. Amounts are minor units of the currency.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Find {
    /// The PaymentIntent names this call as its last capture.
    Capture(Capture),
    /// Nothing of it is authorised any more.
    Void(Void),
    /// One of its refunds names this call.
    Refund(Refund),
}

/// A capture.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Capture {
    pub(super) intent: String,
    /// The name of the call.
    pub(super) mark: String,
    /// `None` for all that is left of the expected total.
    pub(super) amount: Option<i64>,
    pub(super) expected_captured_total: i64,
    pub(super) currency: Currency,
}

/// A void.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Void {
    pub(super) intent: String,
    pub(super) amount: i64,
    pub(super) currency: Currency,
}

/// A refund.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Refund {
    pub(super) intent: String,
    /// The name of the call.
    pub(super) mark: String,
    pub(super) amount: i64,
    pub(super) expected_refunded_total: i64,
    pub(super) currency: Currency,
}

impl Find {
    /// The payment that it is about.
    pub(super) fn payment(&self) -> &str {
        match self {
            Self::Capture(call) => &call.intent,
            Self::Void(call) => &call.intent,
            Self::Refund(call) => &call.intent,
        }
    }

    fn payment_mut(&mut self) -> &mut String {
        match self {
            Self::Capture(call) => &mut call.intent,
            Self::Void(call) => &mut call.intent,
            Self::Refund(call) => &mut call.intent,
        }
    }
}

impl Frozen {
    /// The charge that names its payment, where the order knows it by that.
    pub(super) fn charge(&mut self) -> Option<String> {
        let payment = self.find.payment_mut();
        is_charge(payment).then(|| payment.clone())
    }

    /// The same of the PaymentIntent itself. The idempotency key stays: one call, one key.
    pub(super) fn of_intent(mut self, charge: &str, intent: &str) -> Self {
        self.path = self.path.replace(charge, intent);
        let fields = self.form.iter_mut();
        for (_, value) in fields.filter(|(name, _)| name == "payment_intent") {
            intent.clone_into(value);
        }
        intent.clone_into(self.find.payment_mut());
        self
    }
}

/// Renders a call.
pub(super) fn prepare(call: &Call) -> Result<Prepared, Error> {
    let frozen = match call {
        Call::Capture(call) => capture(call)?,
        Call::Void(call) => void(call)?,
        Call::Refund(call) => refund(call)?,
        other => return Err(not_offered(other.op())),
    };
    let label = match &frozen.find {
        // The path does not say which.
        Find::Refund(refund) => format!("POST /v1/refunds of {}", refund.intent),
        _ => format!("POST {}", frozen.path),
    };
    Prepared::of(&frozen, label)
}

/// The error for an operation that Stripe does not have.
pub(super) fn not_offered(op: Op) -> Error {
    Error::new(
        ErrorClass::Config,
        format!("a stripe account has no operation {op}: route it to another account"),
    )
}

fn capture(call: &CaptureCall) -> Result<Frozen, Error> {
    let intent = intent(call.payment_there().as_str())?;
    let mark = mark(&call.key)?;
    let mut form = vec![field(&format!("metadata[{CAPTURE_MARK}]"), &mark)];
    if let Some(amount) = call.amount {
        form.push(field(
            "amount_to_capture",
            &wire_amount(amount, call.currency)?,
        ));
    }
    // All that is left is sent as an amount too, once it is known.
    wire_amount(call.expected_captured_total, call.currency)?;
    form.push(field("expand[]", "latest_charge"));
    Ok(Frozen {
        path: format!("/v1/payment_intents/{intent}/capture"),
        form,
        key: idempotency_key(Op::Capture, &intent, &call.key),
        find: Find::Capture(Capture {
            intent,
            mark,
            amount: call.amount,
            expected_captured_total: call.expected_captured_total,
            currency: call.currency,
        }),
    })
}

fn void(call: &VoidCall) -> Result<Frozen, Error> {
    let intent = intent(call.payment_there().as_str())?;
    Ok(Frozen {
        path: format!("/v1/payment_intents/{intent}/cancel"),
        form: vec![field("expand[]", "latest_charge")],
        key: idempotency_key(Op::Void, &intent, &call.key),
        find: Find::Void(Void {
            intent,
            amount: call.amount,
            currency: call.currency,
        }),
    })
}

fn refund(call: &RefundCall) -> Result<Frozen, Error> {
    let intent = intent(call.payment_there().as_str())?;
    let mark = mark(&call.key)?;
    let mut form = vec![
        field("payment_intent", &intent),
        field("amount", &wire_amount(call.amount, call.currency)?),
        field(&format!("metadata[{REFUND_MARK}]"), &mark),
    ];
    match call.reason.as_deref().map(str::trim) {
        None | Some("") => {}
        Some(reason) if REASONS.contains(&reason) => form.push(field("reason", reason)),
        // A note beside our own record of it, which is whole.
        Some(reason) => {
            let note: String = reason.chars().take(VALUE).collect();
            form.push(field("metadata[reason]", &note));
        }
    }
    Ok(Frozen {
        path: "/v1/refunds".to_owned(),
        form,
        key: idempotency_key(Op::Refund, &intent, &call.key),
        find: Find::Refund(Refund {
            intent,
            mark,
            amount: call.amount,
            expected_refunded_total: call.expected_refunded_total,
            currency: call.currency,
        }),
    })
}

/// Minor units as Stripe's integer, as text.
pub(super) fn wire_amount(amount: i64, currency: Currency) -> Result<String, Error> {
    if amount <= 0 {
        return Err(rejected(format!(
            "amount: {} {currency}: it must be more than zero",
            currency.format(amount)
        )));
    }
    let wire = UNITS.write(amount, currency);
    wire.map(|wire| wire.to_string())
        .map_err(|e| rejected(not_expressible(amount, currency, &e)))
}

/// The same for the same call for ever, and no other's: another installation may use the same Stripe account and the same names,
/// but not for the same payment.
fn idempotency_key(op: Op, intent: &str, key: &str) -> String {
    let digest = Sha256::digest(format!("{op}\n{intent}\n{key}"));
    format!("hikiate-{}", hex::encode(digest))
}

pub(super) fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn mark(key: &str) -> Result<String, Error> {
    if key.is_empty() || key.chars().count() > VALUE {
        return Err(rejected(format!("key: 1 to {VALUE} characters")));
    }
    Ok(key.to_owned())
}

fn intent(id: &str) -> Result<String, Error> {
    // Which payment a charge is of is asked for before it is sent.
    if is_intent(id) || is_charge(id) {
        return Ok(id.to_owned());
    }
    Err(rejected(format!(
        "payment: {id:?} is not the id of a PaymentIntent (pi_…) or a charge (ch_…, py_…): the channel has to say which one it is (payment_reference)"
    )))
}

fn rejected(message: String) -> Error {
    Error::new(ErrorClass::Rejected, message)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use hikiate_sdk::PaymentRef;

    use super::*;

    fn capture_call(amount: Option<i64>, expected: i64, currency: &str) -> Call {
        Call::Capture(CaptureCall {
            order: "order_1".into(),
            payment: "pay_1".into(),
            provider: Some(PaymentRef::by_key("pi_1")),
            key: "capture:HK1:1".to_owned(),
            amount,
            currency: currency.parse().unwrap(),
            expected_captured_total: expected,
        })
    }

    fn refund_call(amount: i64, currency: &str, reason: Option<&str>) -> Call {
        Call::Refund(RefundCall {
            order: "order_1".into(),
            payment: "pi_1".into(),
            provider: None,
            key: "refund:HK1:1".to_owned(),
            amount,
            currency: currency.parse().unwrap(),
            expected_refunded_total: amount,
            reason: reason.map(str::to_owned),
            lines: Vec::new(),
        })
    }

    fn void_call() -> Call {
        Call::Void(VoidCall {
            order: "order_1".into(),
            payment: "pi_1".into(),
            provider: None,
            key: "void:HK1:1".to_owned(),
            amount: 5046,
            currency: Currency::EUR,
        })
    }

    fn frozen(call: &Call) -> Frozen {
        prepare(call).unwrap().read::<Frozen>().unwrap()
    }

    fn form(call: &Call) -> Vec<(String, String)> {
        frozen(call).form
    }

    #[test]
    fn a_capture_names_payment_amount_and_itself() {
        let call = capture_call(Some(3046), 5046, "EUR");
        let prepared = prepare(&call).unwrap();
        assert_eq!(prepared, prepare(&call).unwrap());
        assert_eq!(prepared.label, "POST /v1/payment_intents/pi_1/capture");
        let want = [
            field("metadata[hikiate_capture]", "capture:HK1:1"),
            field("amount_to_capture", "3046"),
            field("expand[]", "latest_charge"),
        ];
        assert_eq!(form(&call), want);
        let all = capture_call(None, 5046, "EUR");
        assert!(
            !form(&all)
                .iter()
                .any(|(name, _)| name == "amount_to_capture")
        );
    }

    #[test]
    fn a_refund_names_its_call_and_a_reason_of_stripes_or_a_note() {
        let want = [
            field("payment_intent", "pi_1"),
            field("amount", "500"),
            field("metadata[hikiate]", "refund:HK1:1"),
            field("reason", "duplicate"),
        ];
        assert_eq!(form(&refund_call(500, "JPY", Some("duplicate"))), want);
        let note = form(&refund_call(500, "JPY", Some("came broken")));
        assert_eq!(
            note.last().unwrap(),
            &field("metadata[reason]", "came broken")
        );
        assert_eq!(form(&refund_call(500, "JPY", Some(" "))).len(), 3);
        let label = prepare(&refund_call(500, "JPY", None)).unwrap().label;
        assert_eq!(label, "POST /v1/refunds of pi_1");
        assert_eq!(frozen(&void_call()).path, "/v1/payment_intents/pi_1/cancel");
    }

    #[test]
    fn the_key_is_of_the_call_and_the_payment() {
        let key = |call: &Call| frozen(call).key;
        let one = key(&refund_call(500, "JPY", None));
        assert_eq!(one, key(&refund_call(500, "JPY", None)));
        assert!(one.len() <= 255 && one.starts_with("hikiate-"), "{one}");
        assert_ne!(one, key(&void_call()));
        let Call::Refund(mut other) = refund_call(500, "JPY", None) else {
            return;
        };
        other.payment = "pi_2".into();
        assert_ne!(one, key(&Call::Refund(other)), "another installation's");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_in_words() {
        let said = |call: &Call| {
            let error = prepare(call).unwrap_err();
            assert_eq!(error.class, ErrorClass::Rejected);
            error.message
        };
        for (call, words) in [
            (
                refund_call(5124, "KWD", None),
                "5.124 KWD cannot be sent: Stripe takes KWD in steps of ten (5.120 or 5.130)",
            ),
            (capture_call(Some(5124), 5124, "KWD"), "in steps of ten"),
            (capture_call(None, 5124, "KWD"), "in steps of ten"),
            (refund_call(0, "JPY", None), "more than zero"),
        ] {
            let said = said(&call);
            assert!(said.contains(words), "{said}");
        }
        let Call::Void(mut void) = void_call() else {
            return;
        };
        for id in ["", "pay_1", "pi_", "pi_1/../x", "pi_1?x"] {
            void.payment = id.into();
            assert!(
                said(&Call::Void(void.clone())).contains("payment_reference"),
                "{id}"
            );
        }
        assert_eq!(
            form(&refund_call(5120, "KWD", None))[1],
            field("amount", "5120")
        );
    }

    /// What waits in a queue while hikiate is upgraded.
    #[test]
    fn a_call_that_an_earlier_version_prepared_can_still_be_read() {
        let stored = [
            r#"{"capture":{"intent":"pi_1","mark":"k","amount":null,"expected_captured_total":5046,"currency":"EUR"}}"#,
            r#"{"void":{"intent":"pi_1","amount":5046,"currency":"EUR"}}"#,
            r#"{"refund":{"intent":"pi_1","mark":"k","amount":500,"expected_refunded_total":500,"currency":"JPY"}}"#,
        ];
        for find in stored {
            let bytes = format!(
                r#"{{"method":"POST","path":"/x","form":[["a","b"]],"key":"hikiate-1","find":{find}}}"#
            );
            let prepared = Prepared {
                bytes: bytes.into_bytes(),
                label: "POST /x".to_owned(),
            };
            let read = prepared.read::<Frozen>().unwrap();
            assert_eq!(serde_json::to_string(&read.find).unwrap(), find);
        }
    }
}

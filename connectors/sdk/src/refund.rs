//! Calls that give money back, release an authorisation, or record at a channel that money was given back elsewhere.
//!
//! A refund is made by exactly one account, the one that captured. A channel's record of it never moves money.

use serde::{Deserialize, Serialize};

use crate::{Currency, ExternalId, LineKey, PaymentRef};

/// Gives captured money back, by the account that captured it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundCall {
    /// The channel's order.
    pub order: ExternalId,
    /// The payment, by the channel's id.
    pub payment: ExternalId,
    /// How the account that captured it knows it, where that is another than the channel's; `None` is by `payment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<PaymentRef>,
    /// Names the refund; unique for ever.
    pub key: String,
    /// Minor units, above 0.
    pub amount: i64,
    /// The order's currency.
    pub currency: Currency,
    /// What is expected to have been refunded of the payment in all once this is done, minor units.
    pub expected_refunded_total: i64,
    /// A code or the operator's words, for staff: where the external system shows it to the buyer, it is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it is for, where it was asked by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<RefundedLine>,
}

/// A channel's line, and what of it is refunded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundedLine {
    /// The channel's line.
    pub line: LineKey,
    /// How many units.
    pub quantity: u32,
    /// Gross, minor units.
    pub amount: i64,
}

/// Releases what is authorised of a payment and not captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoidCall {
    /// The channel's order.
    pub order: ExternalId,
    /// The payment, by the channel's id.
    pub payment: ExternalId,
    /// How the account that authorised it knows it, where that is another than the channel's; `None` is by `payment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<PaymentRef>,
    /// Names the void; unique for ever.
    pub key: String,
    /// What is expected to be released, minor units.
    pub amount: i64,
    /// The order's currency.
    pub currency: Currency,
}

/// Records at the channel a refund that moves no money there (WooCommerce: `api_refund` and `api_restock` false).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRefundCall {
    /// The channel's order.
    pub order: ExternalId,
    /// Names the record; unique for ever.
    pub key: String,
    /// Minor units, above 0.
    pub amount: i64,
    /// The order's currency.
    pub currency: Currency,
    /// What the channel is expected to show as refunded of the order in all once this is done, minor units.
    pub expected_refunded_total: i64,
    /// A code or the operator's words, for staff: where the external system shows it to the buyer, it is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it is for, where it was asked by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<RefundedLine>,
}

impl RefundCall {
    /// The id by which the account that captured it knows the payment.
    #[must_use]
    pub fn payment_there(&self) -> &ExternalId {
        PaymentRef::there(self.provider.as_ref(), &self.payment)
    }
}

impl VoidCall {
    /// The id by which the account that authorised it knows the payment.
    #[must_use]
    pub fn payment_there(&self) -> &ExternalId {
        PaymentRef::there(self.provider.as_ref(), &self.payment)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{Call, Op};

    #[test]
    fn a_refund_names_the_payment_as_its_account_does_and_is_stored_in_few_words() {
        let mut refund = RefundCall {
            order: "order-1".into(),
            payment: "pay-1".into(),
            provider: None,
            key: "refund:shop:1".to_owned(),
            amount: 300,
            currency: Currency::JPY,
            expected_refunded_total: 300,
            reason: None,
            lines: Vec::new(),
        };
        assert_eq!(refund.payment_there().as_str(), "pay-1");
        let call = Call::Refund(refund.clone());
        assert_eq!(call.op(), Op::Refund);
        let text = serde_json::to_string(&call).unwrap();
        assert_eq!(
            text,
            r#"{"op":"refund","order":"order-1","payment":"pay-1","key":"refund:shop:1","amount":300,"currency":"JPY","expected_refunded_total":300}"#
        );
        assert_eq!(serde_json::from_str::<Call>(&text).unwrap(), call);
        refund.provider = Some(PaymentRef::by_key("pi_1"));
        assert_eq!(refund.payment_there().as_str(), "pi_1");
    }
}

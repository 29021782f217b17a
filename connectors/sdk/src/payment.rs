//! A payment as the account that holds the money reports it, whatever the channel says of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Currency, ExternalId, Parts, RefundSeen};

/// How a payment provider knows a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRef {
    /// The provider's id.
    pub key: Option<ExternalId>,
    /// What the merchant called it there.
    pub reference: Option<String>,
}

impl PaymentRef {
    /// By the provider's id alone.
    #[must_use]
    pub fn by_key(key: impl Into<ExternalId>) -> Self {
        Self {
            key: Some(key.into()),
            reference: None,
        }
    }

    /// By what the merchant called it alone.
    #[must_use]
    pub fn by_reference(reference: impl Into<String>) -> Self {
        Self {
            key: None,
            reference: Some(reference.into()),
        }
    }

    /// The id by which the account that holds the money knows a payment: its own, or the channel's where it has no other.
    #[must_use]
    pub fn there<'a>(provider: Option<&'a Self>, payment: &'a ExternalId) -> &'a ExternalId {
        provider
            .and_then(|provider| provider.key.as_ref())
            .unwrap_or(payment)
    }

    /// It names this payment, by the provider's id or by the merchant's reference.
    #[must_use]
    pub fn names(&self, key: &ExternalId, reference: Option<&str>) -> bool {
        let by_reference = self.reference.is_some() && self.reference.as_deref() == reference;
        self.key.as_ref() == Some(key) || by_reference
    }
}

/// By which ids an account reports its payments, where an id shows that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PaymentIds {
    /// How they begin.
    pub begin: &'static [&'static str],
    /// Orders name payments of the account by no other ids.
    pub all: bool,
    /// What to do about an order that names its payment by another id, without a full stop.
    pub otherwise: &'static str,
}

/// Where orders of a channel have the payment provider's id of their payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentField {
    /// Where the account's configuration says.
    Configured,
    /// Where plug-ins of the channel write one by themselves, in their form.
    Usual,
    /// Nowhere, as the account is configured.
    Nowhere,
}

impl PaymentIds {
    /// Whether a payment of the account can have this id.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.begin.iter().any(|begin| id.starts_with(*begin))
    }
}

/// One reading of a payment at the account that authorises and captures it. Amounts are minor units of `currency` and say
/// what has happened, not what ought to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentSnapshot {
    /// The provider's id of the payment.
    pub key: ExternalId,
    /// What the merchant called it there: an order number, a cart's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The provider's count or time of changes, which rises with them; `None` orders readings by when they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Of all amounts.
    pub currency: Currency,
    /// Its state.
    pub state: PaymentState,
    /// To be paid.
    pub amount: i64,
    /// Authorised and not voided; 0 while nothing is sure, whatever word the provider has for that.
    pub authorised: i64,
    /// Captured so far.
    pub captured: i64,
    /// Given back so far: refunds that failed are not in it.
    pub refunded: i64,
    /// Withdrawn by the customer's bank, or about to be.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub disputed: i64,
    /// The authorisation ends then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorised_until: Option<DateTime<Utc>>,
    /// To be paid until then, where the customer pays later (a convenience store, a bank transfer).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_by: Option<DateTime<Utc>>,
    /// In how many parts it can be captured; `None` is as the account declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// Refunds one by one, in the order they were made, those that failed left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<RefundSeen>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(amount: &i64) -> bool {
    *amount == 0
}

/// The state of a payment at its provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum PaymentState {
    /// The customer has still to pay or to confirm.
    Waiting,
    /// Somebody at the provider or the shop has to look at it first.
    Review {
        /// The provider's words.
        reasons: Vec<String>,
    },
    /// Authorised: what is captured of it is money.
    Authorised,
    /// Captured as far as it will be.
    Paid,
    /// Voided.
    Cancelled,
    /// Not paid in time, or an authorisation that ended.
    Expired,
    /// Declined.
    Refused {
        /// The provider's words.
        reason: String,
    },
    /// A state that this connector does not know; nothing is sure.
    Unknown {
        /// The provider's word.
        raw: String,
    },
}

impl PaymentState {
    /// Nothing more is to come of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Cancelled | Self::Expired | Self::Refused { .. })
    }

    /// The word, as JSON has it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Review { .. } => "review",
            Self::Authorised => "authorised",
            Self::Paid => "paid",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Refused { .. } => "refused",
            Self::Unknown { .. } => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_payment_is_named_by_its_id_or_by_its_reference() {
        let by_both = PaymentRef {
            key: Some("pi_1".into()),
            reference: Some("1001".to_owned()),
        };
        let (one, two): (ExternalId, ExternalId) = ("pi_1".into(), "pi_2".into());
        assert!(by_both.names(&one, None));
        assert!(by_both.names(&two, Some("1001")), "paid a second time");
        assert!(!by_both.names(&two, Some("1002")), "another payment");
        let by_reference = PaymentRef::by_reference("1001");
        assert!(by_reference.names(&two, Some("1001")));
        assert!(!by_reference.names(&two, Some("1002")));
        let nothing = PaymentRef {
            key: None,
            reference: None,
        };
        assert!(!nothing.names(&one, None), "no name is nobody's");
    }

    #[test]
    fn a_reading_that_tells_little_is_stored_in_few_words_and_read_back() {
        let told = PaymentSnapshot {
            key: "pi_1".into(),
            reference: None,
            version: None,
            currency: Currency::JPY,
            state: PaymentState::Waiting,
            amount: 1000,
            authorised: 0,
            captured: 0,
            refunded: 0,
            disputed: 0,
            authorised_until: None,
            pay_by: None,
            parts: None,
            refunds: Vec::new(),
        };
        let text = serde_json::to_string(&told).unwrap();
        assert_eq!(
            text,
            r#"{"key":"pi_1","currency":"JPY","state":{"is":"waiting"},"amount":1000,"authorised":0,"captured":0,"refunded":0}"#
        );
        assert_eq!(
            serde_json::from_str::<PaymentSnapshot>(&text).unwrap(),
            told
        );
    }
}

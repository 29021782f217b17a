//! Payments, each with all that belongs to it.

use hikiate_sdk::{Error, ErrorClass, same_object};
use serde_json::Value;

use super::{Endpoint, Stripe};
use crate::config::Mode;
use crate::wire::{Bundle, List, Object, intent_of};

/// What is told inside of a PaymentIntent: its charge with its latest refunds, and a review.
pub(super) const EXPANDED: [&str; 2] = ["latest_charge.refunds", "review"];
/// Objects of a list in one call: Stripe gives no more.
const PAGE: usize = 100;
/// Pages of one payment's refunds or disputes: more than any has.
const MOST: usize = 100;

/// The query that asks for it, in a list or of one.
pub(super) fn expanded(list: bool) -> String {
    let prefix = if list { "data." } else { "" };
    let fields = EXPANDED.map(|field| format!("expand%5B%5D={prefix}{field}"));
    fields.join("&")
}

/// A list, or why the key may not read it: then this payment cannot be understood, and its neighbours go on.
fn permitted(
    list: &str,
    all: Result<Vec<Value>, Error>,
) -> Result<(Vec<Value>, Option<String>), Error> {
    match all {
        Ok(all) => Ok((all, None)),
        Err(error) if error.class == ErrorClass::Forbidden => {
            let word = |b: char| !b.is_ascii_alphanumeric() && b != '_';
            let mut words = error.message.split(word);
            let named = words.find(|word| word.starts_with("rak_"));
            let named = named.map_or_else(String::new, |named| format!(" ({named})"));
            Ok((
                Vec::new(),
                Some(format!(
                    "{list}: the restricted key lacks the permission to read them{named}: grant it in the Stripe dashboard, then read the payment again"
                )),
            ))
        }
        Err(error) => Err(error),
    }
}

impl Stripe {
    /// One payment as it stands.
    pub(super) async fn payment(&self, id: &str) -> Result<Bundle, Error> {
        let path = format!("/v1/payment_intents/{id}?{}", expanded(false));
        let intent = self.get(path, Endpoint::INTENT).await?;
        self.complete(intent).await
    }

    /// The payment of a charge, to be reported under the charge's id.
    pub(super) async fn payment_of(&self, charge: &str) -> Result<Bundle, Error> {
        let told = self.charge(charge).await?;
        let bundle = match intent_of(Object(&told)) {
            Some(intent) => self.payment(intent).await?,
            None => Bundle::of(told),
        };
        Ok(Bundle {
            charge: Some(charge.to_owned()),
            ..bundle
        })
    }

    /// The PaymentIntent of a charge.
    pub(super) async fn intent_of_charge(&self, charge: &str) -> Result<String, Error> {
        let told = self.charge(charge).await?;
        let intent = intent_of(Object(&told)).map(str::to_owned);
        intent.ok_or_else(|| {
            let why = format!(
                "payment: charge {charge} was made without a PaymentIntent: do it in the Stripe dashboard"
            );
            Error::new(ErrorClass::Rejected, why)
        })
    }

    async fn charge(&self, id: &str) -> Result<Value, Error> {
        let told: Value = self
            .get(format!("/v1/charges/{id}"), Endpoint::CHARGE)
            .await?;
        let told_id = Object(&told).text("id").ok().flatten().unwrap_or_default();
        same_object(ErrorClass::Protocol, "GET /v1/charges", id, told_id)?;
        self.right_mode(&told)?;
        Ok(told)
    }

    /// A PaymentIntent that was read, with what did not fit into it.
    pub(super) async fn complete(&self, mut intent: Value) -> Result<Bundle, Error> {
        self.right_mode(&intent)?;
        // Whoever has it can pay in the customer's place; nothing here needs it.
        if let Some(fields) = intent.as_object_mut() {
            fields.remove("client_secret");
        }
        let object = Object(&intent);
        let id = object.text("id").ok().flatten().map(str::to_owned);
        let charge = object.inner("latest_charge");
        let is = |name: &str| charge.is_some_and(|charge| charge.flag(name) == Ok(Some(true)));
        let refunds = charge.and_then(|charge| charge.inner("refunds"));
        let more = refunds.is_some_and(|refunds| refunds.flag("has_more") == Ok(Some(true)));
        let disputed = is("disputed");
        let mut bundle = Bundle::of(intent);
        if let Some(id) = id {
            let of = |list: &str| format!("/v1/{list}?payment_intent={id}&limit={PAGE}");
            if more {
                let all = self.all(of("refunds"), Endpoint::REFUNDS).await;
                (bundle.refunds, bundle.refunds_unread) = permitted("refunds", all)?;
            }
            if disputed {
                let all = self.all(of("disputes"), Endpoint::DISPUTES).await;
                (bundle.disputes, bundle.disputes_unread) = permitted("disputes", all)?;
            }
        }
        Ok(bundle)
    }

    /// All pages of a list.
    async fn all(&self, path: String, endpoint: Endpoint) -> Result<Vec<Value>, Error> {
        let mut all: Vec<Value> = Vec::new();
        let mut after = String::new();
        for _ in 0..MOST {
            let page: List = self.get(format!("{path}{after}"), endpoint).await?;
            let last = page.data.last();
            let last = last.and_then(|object| Object(object).text("id").ok().flatten());
            after = match last {
                Some(last) => format!("&starting_after={last}"),
                None => String::new(),
            };
            all.extend(page.data);
            if !page.has_more {
                return Ok(all);
            }
            if after.is_empty() {
                break;
            }
        }
        let path = path.split('?').next().unwrap_or_default();
        Err(Error::new(
            ErrorClass::Protocol,
            format!("GET {path}: Stripe's list does not end"),
        ))
    }

    /// What is read must be of the mode of the key that it was asked with.
    fn right_mode(&self, intent: &Value) -> Result<(), Error> {
        let Ok(Some(live)) = Object(intent).flag("livemode") else {
            return Ok(());
        };
        let is = if live { Mode::Live } else { Mode::Test };
        match self.settings.mode.filter(|mode| *mode != is) {
            None => Ok(()),
            Some(mode) => Err(Error::new(
                ErrorClass::Auth,
                format!(
                    "Stripe answered with {} payments, but the account's secret was a {} key when hikiate started: put the right key in its place, or restart hikiate after a change on purpose",
                    is.as_str(),
                    mode.as_str()
                ),
            )),
        }
    }
}

//! Several payments at once. What Stripe answers for one of them alone costs the others nothing: that payment is a record that
//! cannot be used, and is asked for again.

use hikiate_sdk::{Error, ErrorClass};

use super::together::together;
use super::{Endpoint, Stripe};
use crate::wire::{Bundle, List, is_charge};

/// So many payments of one page that cannot be read are believed to be the trouble; of more, only if as many others can be read.
const FEW: usize = 3;

/// Payments that cannot be read, each with the error.
pub(super) type Failed = Vec<(String, Error)>;

impl Stripe {
    /// These payments as they stand, by the id of a PaymentIntent or of its charge; one that is not there is left out.
    pub(super) async fn bundles(&self, ids: &[&str]) -> Result<Vec<Bundle>, Error> {
        let (mut bundles, failed) = self.read_all(ids).await?;
        let alone = self.alone(failed, bundles.len()).await?;
        bundles.extend(alone);
        Ok(bundles)
    }

    /// What is read of payments whose first read failed. If Stripe still answers for others, and fails again for these, that is
    /// their trouble alone.
    ///
    /// # Errors
    /// What is the account's trouble and not a payment's.
    pub(super) async fn alone(&self, failed: Failed, others: usize) -> Result<Vec<Bundle>, Error> {
        let Some((_, first)) = failed.first() else {
            return Ok(Vec::new());
        };
        if failed.len() > FEW && failed.len() > others {
            return Err(first.clone());
        }
        let path = "/v1/payment_intents?limit=1".to_owned();
        let _: List = self.get(path, Endpoint::INTENTS).await?;
        let ids: Vec<&str> = failed.iter().map(|(id, _)| id.as_str()).collect();
        let (mut bundles, failed) = self.read_all(&ids).await?;
        let unread = failed.iter();
        bundles.extend(unread.map(|(id, error)| Bundle::unread(id, &why(error))));
        Ok(bundles)
    }

    async fn read_all(&self, ids: &[&str]) -> Result<(Vec<Bundle>, Failed), Error> {
        let (mut bundles, mut failed) = (Vec::with_capacity(ids.len()), Failed::new());
        let one = async |id: &str| match is_charge(id) {
            true => self.payment_of(id).await,
            false => self.payment(id).await,
        };
        for some in ids.chunks(self.at_once()) {
            let read = together(some.iter().map(|id| one(id))).await;
            for (id, read) in some.iter().zip(read) {
                match read {
                    Ok(bundle) => bundles.push(bundle),
                    Err(error) if error.class == ErrorClass::NotFound => {}
                    Err(error) if is_of_one(&error) => failed.push(((*id).to_owned(), error)),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok((bundles, failed))
    }

    /// Reads that wait for their turn together: within a second all have it.
    pub(super) fn at_once(&self) -> usize {
        let rate = usize::try_from(self.settings.rate()).unwrap_or(1);
        self.settings.concurrency.min(rate).max(1)
    }
}

/// What one payment alone may be answered with: the network, the key and the budget are everybody's.
pub(super) fn is_of_one(error: &Error) -> bool {
    match error.class {
        ErrorClass::Rejected | ErrorClass::Conflict | ErrorClass::Protocol => true,
        // Without a code there was no answer.
        ErrorClass::Transient => error.code.is_some(),
        _ => false,
    }
}

/// The same words for the same trouble: what Stripe itself says differs from one answer to the next.
fn why(error: &Error) -> String {
    let status = error.message.split("answered ").nth(1);
    let status = status.and_then(|rest| rest.get(..3));
    let status = status.filter(|status| status.bytes().all(|b| b.is_ascii_digit()));
    match status {
        Some(status) => {
            format!("Stripe answers {status} when it is read, and answers for other payments")
        }
        None => {
            "Stripe's answer about it cannot be read, and those about other payments can".to_owned()
        }
    }
}

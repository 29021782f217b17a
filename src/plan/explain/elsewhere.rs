//! What is stored beside an order's facts and only explains it: batches on their way, accounts that are paused.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate_sdk::{AccountSlug, ExternalId, ShipmentReference};

use crate::facts::FactBody;
use crate::plan::command::Wish;
use crate::plan::types::OrderInput;
use crate::policy::Policy;

/// All of it for one order.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// When the open batch of a warehouse is sealed.
    pub waves: BTreeMap<String, DateTime<Utc>>,
    /// The sealed batches of its shipments.
    pub batches: BTreeMap<ShipmentReference, SealedBatch>,
    /// Accounts that are paused, with the reason.
    pub paused: BTreeMap<AccountSlug, String>,
    /// The codes of the items that it demands.
    pub items: BTreeMap<i64, String>,
}

impl Elsewhere {
    /// What refunds and voids of a command wait for, in words: accounts that are paused.
    #[must_use]
    pub fn keeps_back(&self, wish: &Wish, input: &OrderInput, policy: &Policy) -> Vec<String> {
        let mut accounts: BTreeSet<&AccountSlug> = BTreeSet::new();
        for wished in &wish.facts {
            match &wished.body {
                FactBody::RefundWanted(fact) => {
                    accounts.extend(fact.parts.iter().filter_map(|part| part.account.as_ref()));
                }
                FactBody::VoidWanted(fact) => {
                    let payments = fact.payments.iter();
                    accounts.extend(payments.filter_map(|key| account_of(key, input, policy)));
                }
                _ => {}
            }
        }
        self.waiting_for(accounts)
    }

    /// Those of some accounts that are paused, in words.
    pub(super) fn waiting_for<'a>(
        &self,
        accounts: impl IntoIterator<Item = &'a AccountSlug>,
    ) -> Vec<String> {
        let paused = accounts.into_iter().filter_map(|account| {
            let why = self.paused.get(account)?;
            Some(format!("waits: account {account} is paused: {why}"))
        });
        paused.collect()
    }
}

/// The account that captures a payment, as the channel last showed the order.
fn account_of<'a>(
    payment: &ExternalId,
    input: &OrderInput,
    policy: &'a Policy,
) -> Option<&'a AccountSlug> {
    let mut readings = input.facts.iter().rev();
    let order = readings.find_map(|fact| match &fact.body {
        FactBody::Order(reading) => Some(&reading.order),
        _ => None,
    })?;
    let tender = order.tenders.iter().find(|tender| tender.key == *payment)?;
    let channel = policy.channels.get(&input.channel)?;
    channel.payments.get(&tender.gateway)?.account.as_ref()
}

/// A sealed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBatch {
    /// Our number of it.
    pub number: String,
    /// When it was sealed.
    pub sealed_at: DateTime<Utc>,
    /// How far its sending has come; `None` once it has ended.
    pub sending: Option<Sending>,
}

/// How far a call has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Not tried yet.
    Waits,
    /// Tried, and it did not get away.
    Fails {
        /// How often.
        tries: i16,
        /// What was said last.
        error: String,
    },
    /// Tried, and the answer was lost.
    Doubtful,
    /// Being sent at this moment.
    Now,
    /// An operator has to say whether it arrived.
    Unknown,
}

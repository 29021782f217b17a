//! A Stripe account with state that answers as its API does: idempotency keys that are honoured, replayed and refused with
//! another body, events of 30 days, lists newest first, and all that customers, staff and banks do past the API.

mod acts;
mod hooks;
mod keys;
mod list;
mod memory;
mod render;
mod route;
mod state;
mod subject;
mod words;
mod writes;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hikiate_sdk::Currency;
use hikiate_sdk::http::{Request, Response, Transport, TransportError};
use hikiate_sdk::sim::{SimClock, Simulator};
use secrecy::{ExposeSecret, SecretString};

use crate::map::UNITS;
use state::State;

pub use memory::{PaymentMemory, RefundMemory};
pub use subject::Till;
pub use words::words;

/// A simulated Stripe account.
pub struct StripeSim {
    clock: SimClock,
    authorization: Mutex<SecretString>,
    state: Mutex<State>,
}

/// What a customer pays with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A card, authorised at once.
    Card {
        /// It can be captured several times.
        many: bool,
        /// How long the authorisation lasts.
        hold: Duration,
    },
    /// A convenience store, within this time.
    Konbini {
        /// How long the customer has.
        within: Duration,
    },
    /// A bank transfer, at any time.
    BankTransfer,
}

/// A payment that a customer begins.
#[derive(Clone, Debug)]
pub struct NewPayment {
    /// Minor units.
    pub amount: i64,
    /// Its currency.
    pub currency: Currency,
    /// With what.
    pub way: Way,
    /// It is authorised, to be captured later.
    pub capture_later: bool,
    /// What the shop writes to it.
    pub metadata: Vec<(String, String)>,
    /// The customer's name and mail address.
    pub customer: (String, String),
}

impl NewPayment {
    /// A card that is authorised for a week and can be captured once.
    #[must_use]
    pub fn card(amount: i64, currency: Currency) -> Self {
        Self {
            amount,
            currency,
            way: Way::Card {
                many: false,
                hold: Duration::from_secs(7 * 86_400),
            },
            capture_later: true,
            metadata: Vec::new(),
            customer: ("A Customer".to_owned(), "customer@example.test".to_owned()),
        }
    }

    /// A card that is charged at once.
    #[must_use]
    pub fn paid(amount: i64, currency: Currency) -> Self {
        Self {
            capture_later: false,
            ..Self::card(amount, currency)
        }
    }

    /// With another way to pay.
    #[must_use]
    pub fn by(self, way: Way) -> Self {
        let capture_later = self.capture_later && matches!(way, Way::Card { .. });
        Self {
            way,
            capture_later,
            ..self
        }
    }
}

/// What Stripe itself does wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The next write ends in a 500, which is stored under its key; before that it was carried out, or not.
    StoredError {
        /// It was.
        after: bool,
    },
    /// The next write finds its key in use by another call.
    KeyInFlight,
    /// The next write finds its object in use by another call.
    Locked,
    /// The next write is declined by the bank.
    Declined,
}

impl StripeSim {
    /// An account without payments whose API key is `key`; it is live where the key is.
    #[must_use]
    pub fn new(clock: SimClock, key: &str) -> Self {
        Self {
            clock,
            authorization: Mutex::new(bearer(key)),
            state: Mutex::new(State::new(key.contains("_live_"))),
        }
    }

    /// A customer begins to pay. Returns the payment's id. An amount that Stripe cannot express counts as zero.
    pub fn pay(&self, new: NewPayment) -> String {
        let amount = UNITS.write(new.amount, new.currency).unwrap_or(0);
        let now = self.now();
        self.state().pay(new, amount, now, None)
    }

    /// The same with a field missing whenever it is told, as an answer with partial fields has it.
    pub fn pay_partial(&self, new: NewPayment, lacking: &str) -> String {
        let amount = UNITS.write(new.amount, new.currency).unwrap_or(0);
        let now = self.now();
        self.state().pay(new, amount, now, Some(lacking.to_owned()))
    }

    /// The next write meets this, and after it as many more as were asked for.
    pub fn trouble(&self, trouble: Trouble) {
        self.state().troubles.push_back(trouble);
    }

    /// From now on the API key lacks this permission (`rak_refund_write`, `rak_payment_intent_read`, …).
    pub fn forbid(&self, permission: &str) {
        self.state().forbidden.insert(permission.to_owned());
    }

    /// The API key is given a permission that it lacked.
    pub fn permit(&self, permission: &str) {
        self.state().forbidden.remove(permission);
    }

    /// From now on whatever is read with this in its address (a payment's id, a part of a query) ends in an error of this status.
    pub fn break_reads(&self, address: &str, status: u16) {
        self.state().broken.insert(address.to_owned(), status);
    }

    /// What could not be read can be read again.
    pub fn mend_reads(&self) {
        self.state().broken.clear();
    }

    /// From now on Stripe knows this key and no other, as after a roll.
    pub fn exchange_key(&self, key: &str) {
        *self.key() = bearer(key);
    }

    /// All payments of test mode are deleted: whoever asks for one is told that it is not there.
    pub fn wipe(&self) {
        self.state().wipe();
    }

    fn key(&self) -> MutexGuard<'_, SecretString> {
        self.authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reaches this account in process, with its own key where the request brings none.
    #[must_use]
    pub fn transport(self: &Arc<Self>) -> Arc<dyn Transport> {
        Arc::new(InProcess(Arc::clone(self)))
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp()
    }

    /// As it is now: what has run out has ended.
    fn state(&self) -> MutexGuard<'_, State> {
        let now = self.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.run_out(now);
        state
    }
}

fn bearer(key: &str) -> SecretString {
    SecretString::from(format!("Bearer {key}"))
}

impl Simulator for StripeSim {
    fn handle(&self, request: Request) -> Response {
        let mut headers = request.headers.iter();
        let given = headers.find(|(name, _)| name == "authorization");
        if given.map(|(_, value)| value.as_str()) != Some(self.key().expose_secret()) {
            return route::unauthorized();
        }
        let now = self.now();
        route::handle(&mut self.state(), &request, now)
    }
}

struct InProcess(Arc<StripeSim>);

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        if !request
            .headers
            .iter()
            .any(|(name, _)| name == "authorization")
        {
            let key = self.0.key().expose_secret().to_owned();
            request.headers.push(("authorization".to_owned(), key));
        }
        Ok(self.0.handle(request))
    }
}

//! OPENLOGI with state, as its document of v1.5 has it, and with staff: they pick, ship, delete, decline, move dates, count, receive
//! goods and send returns out again. Names over 15 characters are cut without a word, as there.

mod render;
mod route;
mod staff;
mod state;
mod subject;
mod words;
mod writes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hikiate_sdk::http::{Request, Response, Transport, TransportError};
use hikiate_sdk::sim::{SimClock, Simulator};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use state::State;

pub use route::can;
pub use subject::Warehouse;
pub use words::words;

/// The warehouse that ships where a shipment names none.
pub const STANDARD: &str = "OPL";

/// A simulated OPENLOGI.
pub struct OpenlogiSim {
    clock: SimClock,
    token: Mutex<SecretString>,
    state: Mutex<State>,
}

/// A shipment as whoever judges a world sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct SimShipment {
    /// OPENLOGI's id.
    pub id: String,
    /// Our reference, or whatever else it was created under.
    pub identifier: String,
    /// Its status now.
    pub status: String,
    /// How many of each code.
    pub items: BTreeMap<String, u32>,
    /// The warehouse's code.
    pub warehouse: String,
    /// What was asked for, after OPENLOGI has cut what it cuts.
    pub body: Value,
    /// When it left.
    pub shipped_at: Option<DateTime<Utc>>,
    /// The numbers on its labels.
    pub tracking: Vec<String>,
    /// It was deleted, or cancelled on request.
    pub gone: bool,
    /// OPENLOGI made it of a parcel that came back.
    pub is_return: bool,
    /// Cancellations that were requested of it by the interface.
    pub cancel_requests: usize,
}

impl OpenlogiSim {
    /// An OPENLOGI without goods whose one merchant has this account code and access token.
    #[must_use]
    pub fn new(clock: SimClock, token: &str, account: &str) -> Self {
        Self {
            clock,
            token: Mutex::new(SecretString::from(token.to_owned())),
            state: Mutex::new(State::new(account)),
        }
    }

    /// Permits so many calls a minute from now on, counted from the first; no limit with `None`.
    pub fn limit(&self, calls: Option<u32>) {
        self.state().limit = calls;
    }

    /// While it is on, every call is answered by a page in HTML, 503.
    pub fn maintain(&self, on: bool) {
        self.state().maintenance = on;
    }

    /// Whether the merchant has registered a way of paying: without one no shipment is created.
    pub fn pays(&self, on: bool) {
        self.state().pays = on;
    }

    /// While it is on, lists of shipments are answered empty, whatever is there.
    pub fn hide(&self, on: bool) {
        self.state().hides = on;
    }

    /// While it is on, lists of shipments have an entry that nobody can read.
    pub fn garble(&self, on: bool) {
        self.state().garbles = on;
    }

    /// While it is on, what is refused of a shipment is told with the name, address and phone number of its recipient.
    pub fn repeats_names(&self, on: bool) {
        self.state().repeats_names = on;
    }

    /// From now on look-ups show all that was done, whatever was to be shown late.
    pub fn catch_up(&self) {
        let mut state = self.state();
        let all = state.shipments.iter_mut();
        all.for_each(|shipment| shipment.late = None);
    }

    /// From now on it knows this token and no other.
    pub fn exchange_token(&self, token: &str) {
        *self.token() = SecretString::from(token.to_owned());
    }

    /// Every shipment that was ever created, oldest first.
    #[must_use]
    pub fn shipments(&self) -> Vec<SimShipment> {
        self.state()
            .shipments
            .iter()
            .map(state::Shipment::seen)
            .collect()
    }

    /// The newest shipment under an identifier, whatever became of it; none that OPENLOGI made of a return.
    #[must_use]
    pub fn shipment(&self, identifier: &str) -> Option<SimShipment> {
        let state = self.state();
        state.find(identifier).map(|at| state.shipments[at].seen())
    }

    /// How often a shipment was created under an identifier.
    #[must_use]
    pub fn created(&self, identifier: &str) -> usize {
        let state = self.state();
        let all = state.shipments.iter().filter(|s| !s.is_return);
        all.filter(|s| s.identifier == identifier).count()
    }

    /// The codes of all items.
    #[must_use]
    pub fn codes(&self) -> Vec<String> {
        self.state().items.keys().cloned().collect()
    }

    /// How many of an item are on the shelf of a warehouse, set aside or not.
    #[must_use]
    pub fn on_shelf(&self, code: &str, warehouse: &str) -> i64 {
        self.state().on_shelf(code, warehouse)
    }

    /// Calls so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Calls that were one too many in their minute.
    #[must_use]
    pub fn throttled(&self) -> u64 {
        self.state().throttled
    }

    /// Reaches it in process, with its own token where the request brings none.
    #[must_use]
    pub fn transport(self: &Arc<Self>) -> Arc<dyn Transport> {
        Arc::new(InProcess(Arc::clone(self)))
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.token().expose_secret())
    }

    fn token(&self) -> MutexGuard<'_, SecretString> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Simulator for OpenlogiSim {
    fn handle(&self, request: Request) -> Response {
        let header = |name: &str| {
            let mut all = request.headers.iter();
            all.find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        let known = header("authorization") == Some(&self.authorization());
        let version = header("x-api-version") == Some("1.5");
        route::handle(
            &mut self.state(),
            &request,
            (known, version),
            self.clock.now(),
        )
    }
}

struct InProcess(Arc<OpenlogiSim>);

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        if !request
            .headers
            .iter()
            .any(|(name, _)| name == "authorization")
        {
            let own = ("authorization".to_owned(), self.0.authorization());
            request.headers.push(own);
        }
        Ok(self.0.handle(request))
    }
}

//! A shop with state that speaks the Admin API as the real one was seen to, quirks included: no idempotency keys,
//! unrounded totals, ties in any order, captures that leave `updated_at` alone, 200 for captures that do nothing.

mod hooks;
mod late;
mod list;
mod memory;
mod money;
mod render;
mod route;
mod staff;
mod state;
mod subject;
mod words;
mod writes;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use hikiate_sdk::http::{Request, Response, Transport, TransportError};
use hikiate_sdk::sim::{SimClock, Simulator};
use hikiate_sdk::{Currency, Party};
use secrecy::{ExposeSecret, SecretString};

use crate::kind::basic;
use state::State;

pub use late::can;
pub use memory::{FulfilmentMemory, OrderMemory};
pub use subject::Shop;
pub use words::words;

/// The sales channel that orders of a simulated shop come through until they are moved.
pub const SALES_CHANNEL: &str = "sc_01SIM";

/// A simulated shop.
pub struct MedusaSim {
    clock: SimClock,
    authorization: Mutex<SecretString>,
    state: Mutex<State>,
}

/// An order a customer places.
#[derive(Clone)]
pub struct NewOrder {
    /// SKU, quantity, price of one without tax as decimal text. The SKU need not be in stock: the shop sells on backorder.
    pub lines: Vec<(String, u32, String)>,
    /// Price of the shipping without tax as decimal text; `"0"` for free.
    pub shipping: String,
    /// Tax on everything, per cent as decimal text.
    pub tax_percent: String,
    /// `pp_…`
    pub provider_id: String,
    /// True when the payment was authorised, false when nothing has been paid yet.
    pub authorised: bool,
    /// Where to; `None` for an order without an address.
    pub address: Option<Party>,
    /// Buyer's mail address.
    pub email: String,
    /// Stored as `metadata.remarks` unless empty.
    pub remarks: String,
}

impl MedusaSim {
    /// An empty shop whose secret API key is `token`.
    #[must_use]
    pub fn new(clock: SimClock, token: &str, currency: Currency) -> Self {
        let authorization = basic(&SecretString::from(token.to_owned()));
        Self {
            clock,
            authorization: Mutex::new(authorization),
            state: Mutex::new(State::new(currency)),
        }
    }

    /// Puts stock of a SKU at a location; both come into being with the first call. Returns the inventory item's id.
    pub fn add_sku(&self, sku: &str, location_id: &str, stocked: i64) -> String {
        self.state().add_sku(sku, location_id, stocked)
    }

    /// Adds a SKU whose quantity cannot be read.
    pub fn add_unreadable_sku(&self, sku: &str, location_id: &str) {
        self.state().add_unreadable_sku(sku, location_id);
    }

    /// Places an order and returns its id. Prices that are no decimal numbers count as zero.
    pub fn place_order(&self, order: NewOrder) -> String {
        self.state().place(order, self.now(), None)
    }

    /// Places an order that no connector can decode: it has no currency.
    pub fn place_undecodable_order(&self) -> String {
        let order = NewOrder {
            lines: vec![("UNREADABLE".to_owned(), 1, "1".to_owned())],
            shipping: "0".to_owned(),
            tax_percent: "0".to_owned(),
            provider_id: "pp_system_default".to_owned(),
            authorised: false,
            address: None,
            email: String::new(),
            remarks: String::new(),
        };
        self.place_partial_order(order, "currency_code")
    }

    /// Places an order that is told without one of its fields.
    pub fn place_partial_order(&self, order: NewOrder, lacking: &str) -> String {
        self.state()
            .place(order, self.now(), Some(lacking.to_owned()))
    }

    /// Adds a SKU that is told without its quantity.
    pub fn add_partial_sku(&self, sku: &str, location_id: &str) {
        self.state().add_partial_sku(sku, location_id);
    }

    /// Cancels an order as the shop's staff would. False when the shop refuses: unknown, cancelled already, fulfilled.
    pub fn cancel_order(&self, id: &str) -> bool {
        let now = self.now();
        writes::cancel(&mut self.state(), id, now).is_ok()
    }

    /// Edits something unimportant: only the time of the last change moves.
    pub fn touch_order(&self, id: &str) {
        let now = self.now();
        self.state().touch(id, now);
    }

    /// Dates the last change of an order ahead, as an import does, or a clock that was wrong for a moment.
    pub fn date_ahead(&self, id: &str, seconds: i64) {
        let then = self.now() + seconds * 1000;
        self.state().touch(id, then);
    }

    /// Leaves an order out of lists for a while, as a shop does whose replica lags; by its id it is found.
    pub fn hide_from_lists(&self, id: &str, seconds: i64) {
        let until = self.now() + seconds * 1000;
        if let Some(order) = self.state().order_mut(id) {
            order.hidden_until = until;
        }
    }

    /// Shows the first page of all orders for a while, whatever page or time is asked for: its paging is broken.
    pub fn repeat_first_page(&self, seconds: i64) {
        let until = self.now() + seconds * 1000;
        self.state().first_page_until = until;
    }

    /// From now on each answer by id also holds this order, as a shop's does that passes over what it is asked for.
    pub fn answer_also(&self, id: Option<&str>) {
        self.state().also = id.map(str::to_owned);
    }

    /// While it is on, what is refused of an order or its payment is told with the name, address and phone number of its customer.
    pub fn repeats_names(&self, on: bool) {
        self.state().repeats_names = on;
    }

    /// An order as it is shown now, for [`Self::show_older`].
    pub fn shown(&self, id: &str) -> Option<serde_json::Value> {
        let state = self.state();
        state.order(id).map(|order| render::order(&state, order))
    }

    /// Answers reads by id with an order as it was for a while, as a replica or a cache does that lags.
    pub fn show_older(&self, id: &str, older: serde_json::Value, seconds: i64) {
        let until = self.now() + seconds * 1000;
        if let Some(order) = self.state().order_mut(id) {
            order.older = Some((older, until));
        }
    }

    /// From now on look-ups show all that was done, whatever was to be shown late.
    pub fn catch_up(&self) {
        let mut state = self.state();
        state.orders.iter_mut().for_each(|order| order.late = None);
    }

    /// Captures all of an order's payment as the shop's staff would. False when the shop refuses.
    pub fn capture_all(&self, payment: &str) -> bool {
        writes::capture(&mut self.state(), payment, &serde_json::json!({}), true).is_ok()
    }

    /// Gives an order a status, known to the real shop or not.
    pub fn set_status(&self, id: &str, status: &str) {
        let now = self.now();
        let mut state = self.state();
        if let Some(order) = state.order_mut(id) {
            order.status = status.to_owned();
        }
        state.touch(id, now);
    }

    /// From now on the shop knows this key and no other, as after its staff have exchanged it.
    pub fn exchange_key(&self, token: &str) {
        let key = basic(&SecretString::from(token.to_owned()));
        *self.key() = key;
    }

    fn key(&self) -> MutexGuard<'_, SecretString> {
        self.authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reaches this shop in process, with its own key where the request brings none.
    #[must_use]
    pub fn transport(self: &Arc<Self>) -> Arc<dyn Transport> {
        Arc::new(InProcess(Arc::clone(self)))
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Simulator for MedusaSim {
    fn handle(&self, request: Request) -> Response {
        let given = request
            .headers
            .iter()
            .find(|(name, _)| name == "authorization")
            .map(|(_, value)| value.as_str());
        if given != Some(self.key().expose_secret()) {
            return route::unauthorized();
        }
        let now = self.now();
        route::handle(&mut self.state(), &request, now)
    }
}

struct InProcess(Arc<MedusaSim>);

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

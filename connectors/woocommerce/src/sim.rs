//! A shop with state that speaks the REST API v3 as its source and its documents have it, quirks included: no idempotency keys,
//! times to the second, dates in the shop's zone beside those in GMT, net amounts, refunds that are only totals in the order, fulfilments
//! of which nothing is checked, a bin.

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
use hikiate_sdk::http::{Method, Request, Response, Transport, TransportError};
use hikiate_sdk::sim::{SimClock, Simulator};
use hikiate_sdk::{Currency, Party};
use secrecy::{ExposeSecret, SecretString};

use crate::login::basic;
use state::State;

pub use late::can;
pub use memory::{FulfilmentMemory, OrderMemory, RefundMemory};
pub use subject::Shop;
pub use words::words;

/// A simulated shop.
pub struct WooSim {
    clock: SimClock,
    authorization: Mutex<SecretString>,
    state: Mutex<State>,
    /// See [`Self::after_next_write`].
    act: Mutex<Option<(When, Act)>>,
}

enum When {
    Written,
    /// So many requests were answered.
    Asked(u64),
}

type Act = Box<dyn FnOnce(&WooSim) + Send>;

/// An order a customer places.
#[derive(Clone)]
pub struct NewOrder {
    /// SKU, quantity, price of one as decimal text. A SKU that the shop does not have comes into being, without managed stock.
    pub lines: Vec<(String, u32, String)>,
    /// Price of the shipping as decimal text; `"0"` for free.
    pub shipping: String,
    /// Tax on everything, per cent as decimal text.
    pub tax_percent: String,
    /// Whether the prices above have the tax in them.
    pub prices_include_tax: bool,
    /// The gateway's id: `bacs`, `cod`, `cheque`.
    pub payment_method: String,
    /// What the gateway writes into `transaction_id`; empty for nothing.
    pub transaction_id: String,
    /// The status that the gateway gives it: `processing` once paid, `on-hold`, `pending`.
    pub status: String,
    /// Where to; `None` for an order without an address.
    pub address: Option<Party>,
    /// Buyer's mail address.
    pub email: String,
    /// What the customer wrote.
    pub customer_note: String,
}

impl WooSim {
    /// An empty shop with a REST API key. Its zone is nine hours ahead of GMT, and it has fulfilments.
    #[must_use]
    pub fn new(clock: SimClock, key: &str, secret: &str, currency: Currency) -> Self {
        Self {
            clock,
            authorization: Mutex::new(login(key, secret)),
            state: Mutex::new(State::new(currency)),
            act: Mutex::default(),
        }
    }

    /// Turns the shop's fulfilments on or off.
    pub fn offer_fulfilments(&self, offered: bool) {
        self.state().fulfilments_offered = offered;
    }

    /// From now on orders that are made over the API are taxed: per cent as decimal text, and whether prices have it in them.
    pub fn tax(&self, percent: &str, included: bool) {
        self.state().tax = (money::basis_points(percent), included);
    }

    /// From now on the shop believes in TLS only where a proxy says so: `X-Forwarded-Proto: https`.
    pub fn stand_behind_proxy(&self) {
        self.state().behind_proxy = true;
    }

    /// From now on the host removes the `Authorization` header.
    pub fn strip_authorization(&self) {
        self.state().strips_authorization = true;
    }

    /// Adds a product with managed stock. Returns its id.
    pub fn add_product(&self, sku: &str, stock: i64) -> u64 {
        self.state().add_product(sku, Some(stock))
    }

    /// Adds a product whose stock is on its variations: SKU and quantity. Returns the product's id.
    pub fn add_variable_product(&self, sku: &str, variations: &[(&str, i64)]) -> u64 {
        self.state().add_variable(sku, variations)
    }

    /// Adds a variation that has no SKU of its own, so that the shop tells that of its product. Returns its id.
    pub fn add_variation_without_sku(&self, product: u64, stock: i64) -> u64 {
        let mut state = self.state();
        state.new_product("", Some(product), Some(stock))
    }

    /// Adds a product whose quantity cannot be read: half a piece.
    pub fn add_unreadable_product(&self, sku: &str) {
        self.state().add_odd(sku, false);
    }

    /// Adds a product that is told without its quantity.
    pub fn add_partial_product(&self, sku: &str) {
        self.state().add_odd(sku, true);
    }

    /// Places an order and returns its id. Prices that are no decimal numbers count as zero.
    pub fn place_order(&self, order: NewOrder) -> String {
        let now = self.now();
        self.state().place(&order, now, None)
    }

    /// Places an order that is told without one of its fields.
    pub fn place_partial_order(&self, order: NewOrder, lacking: &str) -> String {
        let now = self.now();
        self.state().place(&order, now, Some(lacking.to_owned()))
    }

    /// Leaves an order out of lists for a while, as a shop does whose cache lags; by its id it is found.
    pub fn hide_from_lists(&self, id: &str, seconds: i64) {
        let until = self.now() + seconds;
        if let Some(order) = self.state().order_mut(id) {
            order.hidden_until = until;
        }
    }

    /// Dates the last change of an order ahead, as an import does, or a clock that was wrong for a moment.
    pub fn date_ahead(&self, id: &str, seconds: i64) {
        let then = self.now() + seconds;
        self.state().touch(id, then);
    }

    /// Edits something unimportant: only the time of the last change moves.
    pub fn touch_order(&self, id: &str) {
        let now = self.now();
        self.state().touch(id, now);
    }

    /// Shows the first page of all orders for a while, whatever page or time is asked for: a cache in front of it is broken.
    pub fn repeat_first_page(&self, seconds: i64) {
        let until = self.now() + seconds;
        self.state().first_page_until = until;
    }

    /// From now on each answer by id also holds this order, as a shop's does that passes over what it is asked for.
    pub fn answer_also(&self, id: Option<&str>) {
        self.state().also = id.map(str::to_owned);
    }

    /// An order as it is shown now, for [`Self::show_older`].
    #[must_use]
    pub fn shown(&self, id: &str) -> Option<serde_json::Value> {
        let state = self.state();
        state.order(id).map(|order| render::order(&state, order, 6))
    }

    /// From now on the shop cannot tell a list of an order, `refunds` or `fulfillments`, or the order `itself`: it answers with this
    /// status. A list that would hold such an order is answered so too, unless no content is asked for. `None` mends it.
    pub fn break_list(&self, id: &str, list: &'static str, status: Option<u16>) {
        if let Some(order) = self.state().order_mut(id) {
            order.broken.remove(list);
            order.broken.extend(status.map(|status| (list, status)));
        }
    }

    /// From now on the shop cannot tell a part of a product, `itself` or its `variations`: every answer that would hold it has this
    /// status; the list of all products goes on. `None` mends it.
    pub fn break_product(&self, id: u64, part: &'static str, status: Option<u16>) {
        let mut state = self.state();
        if let Some(product) = state.products.iter_mut().find(|of| of.id == id) {
            product.broken.remove(part);
            product.broken.extend(status.map(|status| (part, status)));
        }
    }

    /// From now on, or no longer, each list of products or variations is its first page, whatever page is asked for.
    pub fn repeat_products(&self, repeats: bool) {
        self.state().repeats_products = repeats;
    }

    /// Answers everything with 500 for a while.
    pub fn break_down(&self, seconds: i64) {
        let until = self.now() + seconds;
        self.state().down_until = until;
    }

    /// From now on a plug-in throws once a fulfilment is saved: it is there, and the shop answers 400 with the exception's number.
    pub fn throw_after_fulfilments(&self) {
        self.state().throws_after_fulfilment = true;
    }

    /// From now on orders are posts, as in a shop without high-performance order storage: neither fulfilments nor refunds that are
    /// deleted move an order's time of change.
    pub fn keep_orders_as_posts(&self) {
        self.state().orders_are_posts = true;
    }

    /// While it is on, what is refused of an order is told with the name, address and phone number of its customer.
    pub fn repeats_names(&self, on: bool) {
        self.state().repeats_names = on;
    }

    /// Has staff do something once the next write was answered.
    pub fn after_next_write(&self, act: impl FnOnce(&Self) + Send + 'static) {
        *self.next_act() = Some((When::Written, Box::new(act)));
    }

    /// Has somebody do something, or something happen, once so many more requests were answered.
    pub fn after_requests(&self, count: u64, act: impl FnOnce(&Self) + Send + 'static) {
        let asked = self.requests() + count;
        *self.next_act() = Some((When::Asked(asked), Box::new(act)));
    }

    /// What is due after a request, if anything is.
    fn due_act(&self, method: Method) -> Option<Act> {
        let asked = self.requests();
        let mut next = self.next_act();
        let due = next.take_if(|(when, _)| match when {
            When::Written => method != Method::Get,
            When::Asked(count) => asked >= *count,
        });
        due.map(|(_, act)| act)
    }

    fn next_act(&self) -> MutexGuard<'_, Option<(When, Act)>> {
        self.act.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers reads of an order by its id as it was for a while, as a replica or a cache does that lags.
    pub fn show_older(&self, id: &str, older: serde_json::Value, seconds: i64) {
        let until = self.now() + seconds;
        if let Some(order) = self.state().order_mut(id) {
            order.older = Some((older, until));
        }
    }

    /// From now on look-ups show all that was done, whatever was to be shown late.
    pub fn catch_up(&self) {
        let mut state = self.state();
        state.orders.iter_mut().for_each(|order| order.late = None);
    }

    /// From now on the shop knows this key and no other, as after its staff have exchanged it.
    pub fn exchange_key(&self, key: &str, secret: &str) {
        *self.login() = login(key, secret);
    }

    /// Reaches this shop in process, with its own key where the request brings none.
    #[must_use]
    pub fn transport(self: &Arc<Self>) -> Arc<dyn Transport> {
        Arc::new(InProcess(Arc::clone(self)))
    }

    fn login(&self) -> MutexGuard<'_, SecretString> {
        self.authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn login(key: &str, secret: &str) -> SecretString {
    basic(&key.to_owned().into(), &secret.to_owned().into())
}

impl Simulator for WooSim {
    fn handle(&self, request: Request) -> Response {
        let header = |wanted: &str| {
            let mut all = request.headers.iter();
            all.find(|(name, _)| name == wanted)
                .map(|(_, value)| value.as_str())
        };
        let mut state = self.state();
        let forwarded = header("x-forwarded-proto") == Some("https");
        let heard = !state.strips_authorization && (forwarded || !state.behind_proxy);
        match header("authorization").filter(|_| heard) {
            None => return route::unseen(),
            Some(given) if given != self.login().expose_secret() => return route::unauthorized(),
            Some(_) => {}
        }
        let now = self.now();
        let answer = route::handle(&mut state, &request, now);
        drop(state);
        if let Some(act) = self.due_act(request.method) {
            act(self);
        }
        answer
    }
}

struct InProcess(Arc<WooSim>);

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        if !request
            .headers
            .iter()
            .any(|(name, _)| name == "authorization")
        {
            let login = self.0.login().expose_secret().to_owned();
            request.headers.push(("authorization".to_owned(), login));
        }
        Ok(self.0.handle(request))
    }
}

//! A shop of the world, whatever it runs on: customers order in it, staff work in it, and it is asked what it remembers.

mod medusa;
mod woo;

use std::sync::Arc;

use hikiate::demo::merchant::ShopSim;
use hikiate_sdk::Party;
use hikiate_sdk::conformance::{HookCase, SentHook};
use hikiate_sdk::sim::SimClock;
use hikiate_stripe::sim::StripeSim;
use serde_json::Value;

use super::orders::Wish;
use super::seen::Seen;

pub(super) use woo::{CardTerms, PAYMENT, STATUSES, WooShop, halts};

/// What a shop runs on, with whoever has the money of its cards. Each act says whether it was possible.
pub(super) trait Software {
    /// It sells items of which its own stock never runs out, and remembers what changes for its hooks.
    fn open(&self, codes: &[&str]);

    /// A customer orders; the shop's id of the order.
    fn place(&self, wish: &Wish) -> String;

    /// An order that nobody can decode.
    fn place_undecodable(&self, wish: &Wish) -> String;

    /// What it remembers of an order.
    fn order(&self, id: &str) -> Seen;

    /// The customer or the shop cancels it.
    fn cancel(&self, id: &str) -> bool;

    /// Lists leave it out for a while.
    fn hide_from_lists(&self, id: &str, seconds: i64);

    /// Lists are their first page for a while.
    fn repeat_first_page(&self, seconds: i64);

    /// Its last change is dated ahead.
    fn date_ahead(&self, id: &str, seconds: i64);

    /// Something unimportant is edited.
    fn touch(&self, id: &str);

    /// As it is shown now, for [`Self::show_older`].
    fn shown(&self, id: &str) -> Option<Value>;

    /// Readings by its id get what it was, for a while.
    fn show_older(&self, id: &str, older: Value, seconds: i64);

    /// Look-ups see all that was done, whatever was to be shown late.
    fn catch_up(&self);

    /// The orders that changed since this was last asked.
    fn take_changes(&self) -> Vec<String>;

    /// What it posts about an order.
    fn hook(&self, id: &str, case: HookCase) -> SentHook;

    /// Its webhooks carry the time, so that old ones are refused.
    fn dates_hooks(&self) -> bool;

    /// Another quantity on a line.
    fn edit_quantity(&self, id: &str, line: &str, n: u32) -> bool;

    /// Another line, at a price of one without tax; its id.
    fn add_line(&self, id: &str, code: &str, n: u32, price: &str) -> Option<String>;

    /// Another address.
    fn edit_address(&self, id: &str, to: Party) -> bool;

    /// Writes into the note of a hold, or deletes it.
    fn edit_note(&self, id: &str, text: Option<&str>) -> bool;

    /// It vanishes from lists, and can come back.
    fn delete(&self, id: &str) -> bool;

    /// It comes back.
    fn restore(&self, id: &str) -> bool;

    /// Staff complete it.
    fn complete(&self, id: &str) -> bool;

    /// Staff put a completed order away, where the shop knows that.
    fn archive(&self, id: &str) -> bool;

    /// Staff pack lines, at a place where the shop knows places; the fulfilment's id.
    fn pack(&self, id: &str, lines: &[(&str, u32)], at: Option<&str>) -> Option<String>;

    /// Staff mark a packed fulfilment as shipped.
    fn ship(&self, id: &str, fulfilment: &str, number: &str) -> bool;

    /// Staff take back a fulfilment that is only packed.
    fn unpack(&self, id: &str, fulfilment: &str) -> bool;

    /// Staff take back one that is shipped.
    fn unship(&self, id: &str, fulfilment: &str) -> bool;

    /// Staff correct the number of a shipped fulfilment; its id from then on.
    fn correct(&self, id: &str, fulfilment: &str, number: &str) -> Option<String>;

    /// Staff capture in the console of whoever has the money: an amount, or all of the payment.
    fn capture(&self, id: &str, amount: Option<i64>) -> bool;

    /// Staff give captured money back, and whoever is to know of it does.
    fn refund(&self, id: &str, amount: i64) -> bool;

    /// Somebody gives back what is too much, where the money is.
    fn give_back(&self, id: &str, amount: i64) -> bool;

    /// Staff void the payment that stands.
    fn void(&self, id: &str) -> bool;

    /// What was authorised has run out, or was released.
    fn lapsed(&self, id: &str) -> bool;

    /// The customer pays what is asked for; the payment's id.
    fn pay_again(&self, id: &str) -> Option<String>;
}

/// A shop.
#[derive(Clone)]
pub(super) struct Shop {
    /// Its account and channel.
    pub(super) account: &'static str,
    software: Arc<dyn Software>,
    /// It, where it runs on WooCommerce, which can do more.
    pub(super) woo: Option<Arc<WooShop>>,
}

impl std::ops::Deref for Shop {
    type Target = dyn Software;

    fn deref(&self) -> &Self::Target {
        &*self.software
    }
}

impl Shop {
    /// A shop on a simulator; a provider has the cards of one that has none itself.
    pub(super) fn new(
        account: &'static str,
        sim: ShopSim,
        provider: Option<Arc<StripeSim>>,
        clock: &SimClock,
    ) -> Self {
        match sim {
            ShopSim::Medusa(sim) => Self {
                account,
                software: Arc::new(medusa::MedusaShop(sim)),
                woo: None,
            },
            ShopSim::WooCommerce(sim) => {
                let provider = provider.expect("its cards are somewhere");
                let shop = Arc::new(WooShop::new(sim, provider, clock.clone()));
                Self {
                    account,
                    software: Arc::clone(&shop) as _,
                    woo: Some(shop),
                }
            }
        }
    }
}

//! A shop to test with.

use std::sync::Arc;

use hikiate_sdk::budget::Clock;
use hikiate_sdk::http::Transport;
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::{Currency, Link, Party};

use secrecy::SecretString;

use crate::config::Settings;
use crate::sim::{MedusaSim, NewOrder};
use crate::{Medusa, site};

pub(super) const TOKEN: &str = "sk_hunter2";
pub(super) const LOCATION: &str = "sloc_01SIM";

pub(super) fn shop(clock: &SimClock, currency: Currency) -> Arc<MedusaSim> {
    let sim = Arc::new(MedusaSim::new(clock.clone(), TOKEN, currency));
    sim.add_sku("MUG", LOCATION, 100);
    sim
}

pub(super) fn account(transport: Arc<dyn Transport>, settings: Settings) -> Medusa {
    let token = SecretString::from(TOKEN.to_owned());
    let link = Link::new(Clock::default()).over(transport);
    let http = link.http(site("https://shop.example", token.into()));
    Medusa::new(http.unwrap(), settings)
}

/// Two mugs at 12.50 and shipping at 4.90, 19 %: 35.581.
pub(super) fn mugs() -> NewOrder {
    NewOrder {
        lines: vec![("MUG".to_owned(), 2, "12.5".to_owned())],
        shipping: "4.9".to_owned(),
        tax_percent: "19".to_owned(),
        provider_id: "pp_system_default".to_owned(),
        authorised: true,
        address: Some(Party {
            name: "Taro Yamada".to_owned(),
            country: "DE".to_owned(),
            city: "Hidden Town".to_owned(),
            ..Party::default()
        }),
        email: "taro@example.test".to_owned(),
        remarks: "leave at the secret door".to_owned(),
    }
}

//! The configuration that the demo's daemon runs with: an ordinary one, with short times.

use std::path::Path;

use super::merchant::{Addresses, Merchant, ShopTerms, WarehouseTerms};
use super::orders;

/// Who runs with a configuration; their database, sizes and times differ.
#[derive(Clone, Copy, Debug)]
pub enum Reader<'a> {
    /// The demo's daemon, with `wide`.
    Demo,
    /// The benchmark's: sizes for many orders.
    Bench,
    /// One of several daemons on a database that somebody else keeps.
    Shared {
        /// Its state directory.
        state: &'a Path,
        /// The file with the database's address.
        url: &'a Path,
    },
}

/// The shops on Medusa, in order.
pub(super) const SHOPS: [&str; 2] = ["shop-a", "shop-b"];
/// The shop on WooCommerce, which only the demo has.
pub(super) const WOO_SHOP: &str = "shop-c";
/// The warehouses that exchange files, in order.
pub(super) const WAREHOUSES: [&str; 2] = ["tokyo", "osaka"];

/// File and value of the WooCommerce shop's key.
pub(super) const WOO_KEY: (&str, &str) = ("woo-key", "ck_sim");
/// And of its secret.
pub(super) const WOO_SECRET: (&str, &str) = ("woo-secret", "cs_sim");
/// And of the API key at Stripe.
pub(super) const STRIPE_KEY: (&str, &str) = ("stripe-key", "sk_test_sim");
/// And of the token at OPENLOGI.
pub(super) const OPENLOGI_TOKEN: (&str, &str) = ("openlogi-token", "token-sim");
/// The file of the SKU mapping.
const ITEMS: &str = "items.csv";
/// OPENLOGI's code of the merchant.
pub(super) const OPENLOGI_ACCOUNT: &str = "SIM01";
/// Calls a minute that it takes.
pub(super) const PER_MINUTE: u32 = 60;

/// Where the systems listen that only the demo has.
#[derive(Clone, Debug)]
pub(super) struct WideAddresses {
    /// Of the WooCommerce shop.
    pub(super) shop: String,
    /// Of Stripe.
    pub(super) provider: String,
    /// Of OPENLOGI.
    pub(super) warehouse: String,
}

/// A path as a TOML value.
fn quoted(path: &Path) -> String {
    toml::Value::String(path.display().to_string()).to_string()
}

/// The demo's merchant; everything lies below `root`.
#[must_use]
pub fn merchant(root: &Path, reader: Reader<'_>) -> Merchant {
    let bench = matches!(reader, Reader::Bench);
    let (pull, overlap, close, level) = match reader {
        Reader::Demo => ("1s", "3s", "2s", "info"),
        Reader::Bench => ("2s", "2s", "5s", "warn"),
        Reader::Shared { .. } => ("1s", "5s", "7s", "info"),
    };
    let (page, calls, plan, connections) = if bench {
        (100, 16, 200, 16)
    } else {
        (50, 8, 100, 10)
    };
    let osaka = match reader {
        Reader::Demo => r#"{ mode = "wave", cutoffs = ["09:00", "13:00"], max_rows = 3000 }"#,
        // Small batches: a batch is in memory as a whole while it is sealed.
        Reader::Bench => r#"{ mode = "continuous", grace = "0s", max_rows = 500 }"#,
        Reader::Shared { .. } => r#"{ mode = "continuous", grace = "2s", max_rows = 100 }"#,
    };
    let (state, shared, lease) = match reader {
        Reader::Demo | Reader::Bench => (quoted(&root.join("state")), String::new(), "60s"),
        // Another daemon takes over soon, and no call of these external systems takes nearly as long.
        Reader::Shared { state, url } => (
            quoted(state),
            format!("url = {{ file = {} }}\n", quoted(url)),
            "15s",
        ),
    };
    let (nagoya, place) = match reader {
        Reader::Demo => (", \"nagoya\"", ", nagoya = \"sloc_nagoya\""),
        Reader::Bench | Reader::Shared { .. } => ("", ""),
    };
    // Its staff ship within seconds, which a shop that fulfils by itself does too.
    let others = match reader {
        Reader::Demo | Reader::Bench => "",
        Reader::Shared { .. } => "others = \"believe\"\n",
    };
    let shop = |account, capture| ShopTerms {
        account,
        more: format!(
            "interval = \"{pull}\"\noverlap = \"{overlap}\"\nsettle = \"1s\"\npage_size = {page}\nconcurrency = {calls}"
        ),
        channel: format!(
            "begin = \"all\"\n{others}capture = \"{capture}\"\nlocations = {{ tokyo = \"sloc_tokyo\", osaka = \"sloc_osaka\"{place} }}"
        ),
    };
    let warehouse = |name, layout, dispatch: &str| WarehouseTerms {
        name,
        layout,
        more: "interval = \"500ms\"\nstable_for = \"100ms\"".to_owned(),
        dispatch: dispatch.to_owned(),
    };
    Merchant {
        name: "見本市",
        process: format!(
            "[database]\nstate_dir = {state}\n{shared}connections = {connections}\n[log]\nformat = \"pretty\"\nlevel = \"{level}\"\n\
             [engine]\nplan_batch = {plan}\npush_batch = 100\nlease = \"{lease}\"\nlongest_idle = \"500ms\""
        ),
        root: root.to_owned(),
        shops: vec![
            shop(SHOPS[0], "each-shipment"),
            shop(SHOPS[1], "on-complete"),
        ],
        warehouses: vec![
            warehouse(
                WAREHOUSES[0],
                "japanese-3pl-utf8",
                r#"{ mode = "continuous", grace = "0s", max_rows = 500 }"#,
            ),
            warehouse(WAREHOUSES[1], "japanese-3pl-cp932", osaka),
        ],
        mail: format!("concurrency = {calls}"),
        close,
        more: format!(
            r#"[allocation]
prefer = ["tokyo", "osaka"{nagoya}]
split = true
partial = "ship-ready"
[delivery]
presume = "1s"
[[hold]]
name = "high-value"
when = 'order.total >= yen(100000)'
"#
        ),
    }
}

/// The text of the demo's `hikiate.toml`: the merchant's, a shop on WooCommerce whose cards are at Stripe, and OPENLOGI.
#[must_use]
pub(super) fn wide(root: &Path, addresses: &Addresses, wide: &WideAddresses) -> String {
    let file = |(name, _): (&str, &str)| quoted(&root.join(name));
    let text = toml(root, Reader::Demo, addresses);
    format!(
        r#"{text}
[accounts.{WOO_SHOP}]
connector = "woocommerce"
url = "{shop}"
key = {{ file = {key} }}
secret = {{ file = {secret} }}
interval = "1s"
overlap = "3s"
settle = "1s"
page_size = 50
concurrency = 8
statuses = {{ on-hold = "open" }}
[accounts.stripe]
connector = "stripe"
url = "{provider}"
secret = {{ file = {stripe} }}
interval = "1s"
page_size = 100
per_second = 50
[channels.{WOO_SHOP}]
mail = ["shipped"]
begin = "all"
capture = "on-complete"
[channels.{WOO_SHOP}.payments]
"stripe" = {{ method = "card", account = "stripe" }}
"konbini" = {{ method = "prepaid" }}
"bacs" = {{ method = "bank_transfer" }}
[accounts.nagoya-3pl]
connector = "openlogi"
url = "{warehouse}"
token = {{ file = {token} }}
account = "{OPENLOGI_ACCOUNT}"
interval = "5s"
stock_interval = "8s"
settle = "1s"
per_minute = {PER_MINUTE}
[warehouses.nagoya]
account = "nagoya-3pl"
dispatch = {{ mode = "continuous", grace = "2s" }}
reply_within = "never"
services = {{ "Standard" = "", "Flat rate" = "" }}
[catalogue]
mapping = "listed"
file = {items}
"#,
        shop = wide.shop,
        key = file(WOO_KEY),
        secret = file(WOO_SECRET),
        provider = wide.provider,
        stripe = file(STRIPE_KEY),
        warehouse = wide.warehouse,
        token = file(OPENLOGI_TOKEN),
        items = quoted(&root.join(ITEMS)),
    )
}

/// Writes the files that [`wide`] names: the secrets and the items.
///
/// # Errors
/// The file system's.
pub(super) fn write_files(root: &Path) -> std::io::Result<()> {
    for (name, value) in [WOO_KEY, WOO_SECRET, STRIPE_KEY, OPENLOGI_TOKEN] {
        std::fs::write(root.join(name), value)?;
    }
    std::fs::write(root.join(ITEMS), items())
}

/// The SKU mapping: OPENLOGI tells the stock of codes that it is asked for, so they must be known before.
fn items() -> String {
    let files = orders::stock().into_iter().map(|(code, tokyo, osaka)| {
        let has = [tokyo, osaka].into_iter().zip(WAREHOUSES);
        let names: Vec<&str> = has.filter_map(|(has, name)| has.then_some(name)).collect();
        (code, names)
    });
    let nagoya = orders::NAGOYA
        .into_iter()
        .map(|(code, _)| (code, vec!["nagoya"]));
    let nobody = [(orders::SOLD_OUT, WAREHOUSES.to_vec())];
    let all = files.chain(nagoya).chain(nobody);
    let mut text = "item,account,code,multiplier\n".to_owned();
    for (code, warehouses) in all {
        let warehouses = warehouses.into_iter().map(|name| format!("{name}-3pl"));
        let shops = SHOPS.into_iter().chain([WOO_SHOP]).map(str::to_owned);
        for account in shops.chain(warehouses) {
            text += &format!("{code},{account},{code},1\n");
        }
    }
    text
}

/// The text of `hikiate.toml`.
#[must_use]
pub fn toml(root: &Path, reader: Reader<'_>, addresses: &Addresses) -> String {
    merchant(root, reader).toml(addresses)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Surroundings, load};
    use crate::registry::CONNECTORS;

    #[test]
    fn every_configuration_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let (state, url) = (dir.path().join("state-1"), dir.path().join("url"));
        std::fs::write(&url, "postgres://localhost/x").unwrap();
        let shared = Reader::Shared {
            state: &state,
            url: &url,
        };
        for reader in [Reader::Demo, Reader::Bench, shared] {
            let addresses = Addresses {
                shops: vec![
                    "http://127.0.0.1:1".to_owned(),
                    "http://127.0.0.1:2".to_owned(),
                ],
                mail_port: 25,
            };
            let beside = WideAddresses {
                shop: "http://127.0.0.1:3".to_owned(),
                provider: "http://127.0.0.1:4".to_owned(),
                warehouse: "http://127.0.0.1:5".to_owned(),
            };
            write_files(dir.path()).unwrap();
            let text = match reader {
                Reader::Demo => wide(dir.path(), &addresses, &beside),
                _ => toml(dir.path(), reader, &addresses),
            };
            let path = dir.path().join("hikiate.toml");
            std::fs::write(&path, text).unwrap();
            std::fs::write(dir.path().join("token"), "sk_demo").unwrap();
            let surroundings = Surroundings {
                variables: BTreeMap::new(),
                allow_missing_secrets: false,
                allow_bad_mapping: false,
            };
            load(Some(&path), &surroundings, CONNECTORS).unwrap();
        }
    }
}

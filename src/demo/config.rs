//! The configuration that the demo's daemon runs with: an ordinary one, with short times.

use std::path::Path;

use super::merchant::{
    Addresses, Merchant, ProviderTerms, ShopOn, ShopTerms, WarehouseBy, WarehouseTerms,
};
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

/// Where its cards are.
pub(super) const PROVIDER: &str = "stripe";
/// The warehouse of OPENLOGI, which only the demo has.
const THIRD: &str = "nagoya";
/// The file of the SKU mapping.
const ITEMS: &str = "items.csv";
/// Calls a minute that it takes.
pub(super) const PER_MINUTE: u32 = 60;

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
    let (page, calls, connections) = if bench { (100, 16, 16) } else { (50, 8, 10) };
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
        on: ShopOn::Medusa,
        more: format!(
            "interval = \"{pull}\"\noverlap = \"{overlap}\"\nsettle = \"1s\"\npage_size = {page}\nconcurrency = {calls}"
        ),
        channel: format!(
            "begin = \"all\"\n{others}capture = \"{capture}\"\nlocations = {{ tokyo = \"sloc_tokyo\", osaka = \"sloc_osaka\"{place} }}"
        ),
    };
    let warehouse = |name, layout, dispatch: &str| WarehouseTerms {
        name,
        by: WarehouseBy::Files { layout },
        more: "interval = \"500ms\"\nstable_for = \"100ms\"".to_owned(),
        dispatch: dispatch.to_owned(),
    };
    let mut merchant = Merchant {
        name: "見本市",
        process: format!(
            "[database]\nstate_dir = {state}\n{shared}connections = {connections}\n[log]\nformat = \"pretty\"\nlevel = \"{level}\"\n\
             [engine]\npush_batch = 100\nlease = \"{lease}\"\nlongest_idle = \"500ms\""
        ),
        root: root.to_owned(),
        shops: vec![
            shop(SHOPS[0], "each-shipment"),
            shop(SHOPS[1], "on-complete"),
        ],
        providers: Vec::new(),
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
    };
    if matches!(reader, Reader::Demo) {
        widen(&mut merchant);
    }
    merchant
}

/// Adds what only the demo has: a shop on WooCommerce whose cards are at Stripe, and OPENLOGI.
fn widen(merchant: &mut Merchant) {
    merchant.shops.push(ShopTerms {
        account: WOO_SHOP,
        on: ShopOn::WooCommerce { cards: PROVIDER },
        more:
            "interval = \"1s\"\noverlap = \"3s\"\nsettle = \"1s\"\npage_size = 50\nconcurrency = 8"
                .to_owned(),
        channel: "begin = \"all\"\ncapture = \"on-complete\"".to_owned(),
    });
    merchant.providers.push(ProviderTerms {
        account: PROVIDER,
        more: "interval = \"1s\"\npage_size = 100\nper_second = 50".to_owned(),
    });
    merchant.warehouses.push(WarehouseTerms {
        name: THIRD,
        by: WarehouseBy::Openlogi,
        more: format!(
            "interval = \"5s\"\nstock_interval = \"8s\"\nsettle = \"1s\"\nper_minute = {PER_MINUTE}"
        ),
        dispatch: r#"{ mode = "continuous", grace = "2s" }"#.to_owned(),
    });
    let items = quoted(&merchant.root.join(ITEMS));
    merchant.more += &format!("[catalogue]\nmapping = \"listed\"\nfile = {items}\n");
}

/// Writes the file of items.
///
/// # Errors
/// The file system's.
pub(super) fn write_items(root: &Path) -> std::io::Result<()> {
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
        .map(|(code, _)| (code, vec![THIRD]));
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
    use crate::demo::merchant::write_secrets;
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
            let port = |n| format!("http://127.0.0.1:{n}");
            let addresses = Addresses {
                shops: vec![port(1), port(2), port(3)],
                providers: vec![port(4)],
                warehouses: vec![String::new(), String::new(), port(5)],
                mail_port: 25,
            };
            write_secrets(dir.path()).unwrap();
            write_items(dir.path()).unwrap();
            let text = toml(dir.path(), reader, &addresses);
            let path = dir.path().join("hikiate.toml");
            std::fs::write(&path, text).unwrap();
            let surroundings = Surroundings {
                variables: BTreeMap::new(),
                allow_missing_secrets: false,
                allow_bad_mapping: false,
            };
            load(Some(&path), &surroundings, CONNECTORS).unwrap();
        }
    }
}

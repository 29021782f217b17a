//! The configuration that the demo's daemon runs with: an ordinary one, with short times.

use std::path::Path;

use super::merchant::{Addresses, Merchant, ShopTerms, WarehouseTerms};

/// Who runs with a configuration; their database, sizes and times differ.
#[derive(Clone, Copy, Debug)]
pub enum Reader<'a> {
    /// The demo's daemon.
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

/// The shops, in order.
pub(super) const SHOPS: [&str; 2] = ["shop-a", "shop-b"];
/// The warehouses, in order.
pub(super) const WAREHOUSES: [&str; 2] = ["tokyo", "osaka"];

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
            "begin = \"all\"\n{others}capture = \"{capture}\"\nlocations = {{ tokyo = \"sloc_tokyo\", osaka = \"sloc_osaka\" }}"
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
             [engine]\nplan_batch = {plan}\npush_batch = 100\nlease = \"{lease}\""
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
        more: r#"[allocation]
prefer = ["tokyo", "osaka"]
split = true
partial = "ship-ready"
[delivery]
presume = "1s"
[[hold]]
name = "high-value"
when = 'order.total >= yen(100000)'
"#
        .to_owned(),
    }
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
            let text = toml(dir.path(), reader, &addresses);
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

//! The configuration that the demo's daemon runs with: an ordinary one, with short times.

use std::path::Path;

/// Where the journal debits what customers owe.
pub(super) const RECEIVABLE: &str = "Assets:Receivable";
/// Where it debits what they paid before shipping.
pub(super) const ADVANCES: &str = "Liabilities:Advances";

/// What the configuration names.
#[derive(Clone, Debug)]
pub(super) struct Places<'a> {
    /// Everything of the demo is below it.
    pub(super) root: &'a Path,
    /// Addresses of the two shops.
    pub(super) shops: [String; 2],
    /// Port of the mail server.
    pub(super) mail_port: u16,
    /// Sizes for many orders; without it the demo's.
    pub(super) bench: bool,
}

/// A path as a TOML value.
fn quoted(path: &Path) -> String {
    toml::Value::String(path.display().to_string()).to_string()
}

impl Places<'_> {
    /// The text of `hikiate.toml`.
    pub(super) fn toml(&self) -> String {
        let at = |name: &str| quoted(&self.root.join(name));
        let (pull, overlap, close, level) = if self.bench {
            ("2s", "2s", "5s", "warn")
        } else {
            ("1s", "3s", "2s", "info")
        };
        let (page, calls, plan, connections) = if self.bench {
            (100, 16, 200, 16)
        } else {
            (50, 8, 100, 10)
        };
        let osaka = if self.bench {
            // Small batches: a batch is in memory as a whole while it is sealed.
            r#"{ mode = "continuous", grace = "0s", max_rows = 500 }"#
        } else {
            r#"{ mode = "wave", cutoffs = ["09:00", "13:00"], max_rows = 3000 }"#
        };
        let shop = |n: usize| {
            format!(
                "[accounts.shop-{name}]\nconnector = \"medusa\"\nurl = \"{url}\"\ntoken = {{ file = {token} }}\n\
                 interval = \"{pull}\"\noverlap = \"{overlap}\"\nsettle = \"1s\"\npage_size = {page}\nconcurrency = {calls}\n",
                name = ["a", "b"][n],
                url = self.shops[n],
                token = at("token"),
            )
        };
        let warehouse = |name: &str, layout: &str| {
            format!(
                "[accounts.{name}-3pl]\nconnector = \"files\"\nfolder = {}\nlayout = \"{layout}\"\ninterval = \"500ms\"\nstable_for = \"100ms\"\n",
                at(name)
            )
        };
        let payments = |n: usize| {
            format!(
                "\"pp_system_default\" = {{ method = \"card\", account = \"shop-{}\" }}\n\"pp_paid\" = {{ method = \"prepaid\" }}\n\
                 \"pp_bank_transfer\" = {{ method = \"bank_transfer\" }}\n",
                ["a", "b"][n]
            )
        };
        format!(
            r#"# Written by `hikiate demo`: two shops, two warehouses that work with files, mails and books.

[shop]
name = "見本市"
timezone = "Asia/Tokyo"
currency = "JPY"

[database]
state_dir = {state}
connections = {connections}

[log]
format = "pretty"
level = "{level}"

[http]
listen = "off"

[engine]
plan_batch = {plan}
push_batch = 100

{shop_a}
{shop_b}
{tokyo}
{osaka_account}
[accounts.post]
connector = "smtp"
host = "127.0.0.1"
port = {mail_port}
tls = "none"
from = "見本市 <shop@example.jp>"
concurrency = {calls}

[accounts.books]
connector = "files"
folder = {books}
layout = "hledger"
[accounts.books.titles]
"売上高" = "Income:Sales"
"売掛金" = "{RECEIVABLE}"
"仮受消費税" = "Liabilities:Consumption tax"
"雑損益" = "Expenses:Rounding"
"前受金" = "{ADVANCES}"

[channels.shop-a]
mail = ["shipped"]
capture = "each-shipment"
locations = {{ tokyo = "sloc_tokyo", osaka = "sloc_osaka" }}
[channels.shop-a.payments]
{payments_a}
[channels.shop-b]
mail = ["shipped"]
capture = "on-complete"
locations = {{ tokyo = "sloc_tokyo", osaka = "sloc_osaka" }}
[channels.shop-b.payments]
{payments_b}
[warehouses.tokyo]
account = "tokyo-3pl"
dispatch = {{ mode = "continuous", grace = "0s", max_rows = 500 }}

[warehouses.osaka]
account = "osaka-3pl"
dispatch = {osaka}

[allocation]
prefer = ["tokyo", "osaka"]
split = true
partial = "ship-ready"

[delivery]
presume = "1s"

[mail]
account = "post"

[[hold]]
name = "high-value"
when = 'order.total >= yen(100000)'

[booking]
recognise = "shipped"
account = "books"
close = {{ every = "{close}" }}
"#,
            state = at("state"),
            shop_a = shop(0),
            shop_b = shop(1),
            tokyo = warehouse("tokyo", "japanese-3pl-utf8"),
            osaka_account = warehouse("osaka", "japanese-3pl-cp932"),
            mail_port = self.mail_port,
            books = at("books"),
            payments_a = payments(0),
            payments_b = payments(1),
        )
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Surroundings, load};
    use crate::registry::CONNECTORS;

    #[test]
    fn both_configurations_are_accepted() {
        let dir = tempfile::tempdir().unwrap();
        for bench in [false, true] {
            let shops = [
                "http://127.0.0.1:1".to_owned(),
                "http://127.0.0.1:2".to_owned(),
            ];
            let text = Places {
                root: dir.path(),
                shops,
                mail_port: 25,
                bench,
            }
            .toml();
            let path = dir.path().join("hikiate.toml");
            std::fs::write(&path, text).unwrap();
            std::fs::write(dir.path().join("token"), "sk_demo").unwrap();
            let surroundings = Surroundings {
                variables: BTreeMap::new(),
                allow_missing_secrets: false,
            };
            load(Some(&path), &surroundings, CONNECTORS).unwrap();
        }
    }
}

//! The configuration that the demo's daemon runs with: an ordinary one, with short times.

use std::path::Path;

/// Where the journal debits what customers owe.
pub const RECEIVABLE: &str = "Assets:Receivable";
/// Where it debits what they paid before shipping.
pub const ADVANCES: &str = "Liabilities:Advances";

/// What the configuration names.
#[derive(Clone, Debug)]
pub struct Places<'a> {
    /// Everything of the demo is below it.
    pub root: &'a Path,
    /// Addresses of the two shops.
    pub shops: [String; 2],
    /// Port of the mail server.
    pub mail_port: u16,
    /// Who reads it.
    pub reader: Reader<'a>,
}

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

/// A path as a TOML value.
fn quoted(path: &Path) -> String {
    toml::Value::String(path.display().to_string()).to_string()
}

impl Places<'_> {
    /// The text of `hikiate.toml`.
    #[must_use]
    pub fn toml(&self) -> String {
        let at = |name: &str| quoted(&self.root.join(name));
        let bench = matches!(self.reader, Reader::Bench);
        let (pull, overlap, close, level) = match self.reader {
            Reader::Demo => ("1s", "3s", "2s", "info"),
            Reader::Bench => ("2s", "2s", "5s", "warn"),
            Reader::Shared { .. } => ("1s", "5s", "7s", "info"),
        };
        let (page, calls, plan, connections) = if bench {
            (100, 16, 200, 16)
        } else {
            (50, 8, 100, 10)
        };
        let osaka = match self.reader {
            Reader::Demo => r#"{ mode = "wave", cutoffs = ["09:00", "13:00"], max_rows = 3000 }"#,
            // Small batches: a batch is in memory as a whole while it is sealed.
            Reader::Bench => r#"{ mode = "continuous", grace = "0s", max_rows = 500 }"#,
            Reader::Shared { .. } => r#"{ mode = "continuous", grace = "2s", max_rows = 100 }"#,
        };
        let (state, shared, lease) = match self.reader {
            Reader::Demo | Reader::Bench => (at("state"), String::new(), "60s"),
            // Another daemon takes over soon, and no call of these far sides takes nearly as long.
            Reader::Shared { state, url } => (
                quoted(state),
                format!("url = {{ file = {} }}\n", quoted(url)),
                "15s",
            ),
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
            r#"# Written for simulated far sides: two shops, two warehouses that work with files, mails and books.

[shop]
name = "見本市"
timezone = "Asia/Tokyo"
currency = "JPY"

[database]
state_dir = {state}
{shared}connections = {connections}

[log]
format = "pretty"
level = "{level}"

[http]
listen = "off"

[engine]
plan_batch = {plan}
push_batch = 100
lease = "{lease}"

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
begin = "all"
mail = ["shipped"]
capture = "each-shipment"
locations = {{ tokyo = "sloc_tokyo", osaka = "sloc_osaka" }}
[channels.shop-a.payments]
{payments_a}
[channels.shop-b]
begin = "all"
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
    fn every_configuration_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let (state, url) = (dir.path().join("state-1"), dir.path().join("url"));
        std::fs::write(&url, "postgres://localhost/x").unwrap();
        let shared = Reader::Shared {
            state: &state,
            url: &url,
        };
        for reader in [Reader::Demo, Reader::Bench, shared] {
            let shops = [
                "http://127.0.0.1:1".to_owned(),
                "http://127.0.0.1:2".to_owned(),
            ];
            let text = Places {
                root: dir.path(),
                shops,
                mail_port: 25,
                reader,
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

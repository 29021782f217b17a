//! What differs between worlds: the merchant's configuration and the far sides' habits.

use chrono::{DateTime, Duration, Utc};

use super::dice::Dice;

/// 11:00 in Tokyo, in front of the cut-offs.
pub(super) fn start() -> DateTime<Utc> {
    "2026-11-20T02:00:00Z".parse().unwrap()
}

/// Sold everywhere, in the order of abundance.
pub(super) const ITEMS: [&str; 3] = ["TEA", "CUP", "TRAY"];

/// In no warehouse until somebody counts it.
pub(super) const UNKNOWN_ITEM: &str = "PEAR";

/// What a seed draws before anything happens.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) tokyo_waves: bool,
    pub(super) osaka_waves: bool,
    pub(super) grace: u64,
    pub(super) on_complete: bool,
    pub(super) split: bool,
    pub(super) partial_wait: bool,
    pub(super) expire_unpaid: bool,
    pub(super) hold_remarks: bool,
    /// How the warehouses write: a last row that says END, or no sign at all.
    pub(super) trailer: bool,
    /// The warehouses move our files away once they have read them.
    pub(super) moved: bool,
    pub(super) page_size: usize,
    pub(super) two_daemons: bool,
    /// Of the shop's clock, the warehouses' clocks, in seconds against ours.
    pub(super) skew: [i64; 3],
    pub(super) stock: [[i64; 3]; 2],
    pub(super) actions: u64,
    pub(super) orders: u64,
}

impl Terms {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let mut skew = || {
            let seconds = i64::try_from(dice.range(0..=600)).unwrap() - 300;
            if dice.percent(50) { seconds } else { 0 }
        };
        let skew = [skew(), skew(), skew()];
        let mut stock = || {
            let most = *dice.pick(&[2, 4, 20]);
            i64::try_from(dice.range(0..=most)).unwrap()
        };
        let stock = [[stock(), stock(), stock()], [stock(), stock(), stock()]];
        Self {
            tokyo_waves: dice.percent(25),
            osaka_waves: dice.percent(50),
            grace: *dice.pick(&[0, 0, 30]),
            on_complete: dice.percent(30),
            split: dice.percent(70),
            partial_wait: dice.percent(30),
            expire_unpaid: dice.percent(30),
            hold_remarks: dice.percent(50),
            trailer: dice.percent(50),
            moved: dice.percent(50),
            page_size: usize::try_from(*dice.pick(&[1, 2, 3, 50])).unwrap(),
            two_daemons: dice.percent(40),
            skew,
            stock,
            actions: dice.range(15..=40),
            orders: dice.range(1..=4),
        }
    }

    pub(super) fn skew(&self, at: usize) -> Duration {
        Duration::seconds(self.skew[at])
    }

    /// The layout that both warehouses work by.
    pub(super) fn layout(&self) -> String {
        let mut text = include_str!("../../../config/layouts/japanese-3pl-utf8.toml").to_owned();
        if self.trailer {
            text = text.replace("whole = \"stable\"", "whole = { trailer = \"END\" }");
        }
        if self.moved {
            text = text.replace("picked_up = \"kept\"", "picked_up = \"moved\"");
        }
        text
    }

    /// The merchant's file.
    pub(super) fn toml(&self, mail_port: u16) -> String {
        let dispatch = |waves: bool| {
            if waves {
                r#"{ mode = "wave", cutoffs = ["11:02", "11:10", "12:00", "15:00", "20:00"] }"#
                    .to_owned()
            } else {
                format!(r#"{{ mode = "continuous", grace = "{}s" }}"#, self.grace)
            }
        };
        let warehouse = |name: &str| {
            let moved = if self.moved {
                "picked_up_to = \"picked-up\"\n"
            } else {
                ""
            };
            format!(
                "[accounts.{name}-3pl]\nconnector = \"files\"\nfolder = \"{name}\"\nlayout = \"./3pl.toml\"\ninterval = \"20s\"\nstable_for = \"0s\"\n{moved}"
            )
        };
        let hold = if self.hold_remarks {
            "[[hold]]\nname = \"remarks\"\nwhen = 'order.remarks != \"\"'\nrelease = \"person\"\n"
        } else {
            ""
        };
        format!(
            r#"
[shop]
name = "りんご屋"
timezone = "Asia/Tokyo"
currency = "JPY"
[engine]
lease = "30s"
[accounts.shop]
connector = "medusa"
url = "http://127.0.0.1:1"
{tokyo}
{osaka}
[accounts.post]
connector = "smtp"
host = "127.0.0.1"
port = {mail_port}
tls = "none"
from = "shop@example.jp"
concurrency = 1
[accounts.books]
connector = "files"
folder = "books"
layout = "hledger"
[accounts.books.titles]
"売上高" = "Income:Sales"
"売掛金" = "Assets:Receivable"
"仮受消費税" = "Liabilities:Tax"
"雑損益" = "Expenses:Rounding"
"前受金" = "Liabilities:Advances"
[channels.shop]
begin = "all"
mail = ["shipped"]
capture = "{capture}"
reread = "15m"
[channels.shop.payments]
"pp_system_default" = {{ method = "card", account = "shop" }}
"pp_bank" = {{ method = "bank_transfer" }}
"pp_paid" = {{ method = "prepaid" }}
[warehouses.tokyo]
account = "tokyo-3pl"
dispatch = {tokyo_dispatch}
[warehouses.osaka]
account = "osaka-3pl"
dispatch = {osaka_dispatch}
[allocation]
prefer = ["tokyo", "osaka"]
split = {split}
partial = "{partial}"
expire_unpaid = "{expire}"
[delivery]
presume = "1m"
[mail]
account = "post"
[booking]
recognise = "shipped"
account = "books"
close = {{ every = "2m" }}
{hold}
"#,
            tokyo = warehouse("tokyo"),
            osaka = warehouse("osaka"),
            capture = if self.on_complete {
                "on-complete"
            } else {
                "each-shipment"
            },
            tokyo_dispatch = dispatch(self.tokyo_waves),
            osaka_dispatch = dispatch(self.osaka_waves),
            split = self.split,
            partial = if self.partial_wait {
                "wait"
            } else {
                "ship-ready"
            },
            expire = if self.expire_unpaid { "20m" } else { "never" },
        )
    }
}

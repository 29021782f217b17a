//! What differs between worlds: the merchant's configuration and the external systems' habits.

use std::path::Path;

use chrono::{DateTime, Duration, Utc};
use hikiate::demo::merchant::{
    Merchant, ProviderTerms, ShopOn, ShopTerms, WarehouseBy, WarehouseTerms,
};
use hikiate_sdk::faulty::SHOWN_AFTER;

use super::dice::Dice;
use super::shop::PAYMENT;

/// 11:00 in Tokyo, in front of the cut-offs.
pub(super) fn start() -> DateTime<Utc> {
    "2026-11-20T02:00:00Z".parse().unwrap()
}

/// The layout that the warehouses with files work by, in the world's folder.
pub(super) const LAYOUT: &str = "3pl.toml";

/// The first shop, which runs on Medusa and is in every world.
pub(super) const SHOP: &str = "shop";

/// The second one, on WooCommerce, and the account at Stripe that has its cards.
const WEB: &str = "web";
pub(super) const CARDS: &str = "stripe";

/// The SKU mapping, in the world's folder.
const CATALOGUE: &str = "items.csv";

/// When look-ups show a call at the latest, in seconds: what is shown late is shown before.
const SETTLE: u64 = SHOWN_AFTER.as_secs() + 1;

/// Sold everywhere, in the order of abundance.
pub(super) const ITEMS: [&str; 3] = ["TEA", "CUP", "TRAY"];

/// In no warehouse until somebody counts it.
pub(super) const UNKNOWN_ITEM: &str = "PEAR";

/// The shop's code of our first warehouse.
pub(super) const TOKYO: &str = "sloc_tokyo";

/// A place of the shop that is no warehouse of ours.
pub(super) const STORE: &str = "sloc_store";

/// Where goods came from that staff ship without naming a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OthersFrom {
    /// Nobody says.
    Unknown,
    /// Our second warehouse.
    Osaka,
    /// No warehouse of ours.
    Elsewhere,
}

/// What a seed draws before anything happens.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) tokyo_waves: bool,
    pub(super) osaka_waves: bool,
    pub(super) grace: u64,
    /// The first shop's cards are captured when nothing is left to ship.
    on_complete: bool,
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
    /// Staff and operators act on orders by hand.
    pub(super) people: bool,
    pub(super) others_from: OthersFrom,
    /// There is a second shop, on WooCommerce, with its cards at Stripe.
    pub(super) web: bool,
    /// It has fulfilments; otherwise it is told by notes.
    pub(super) fulfilments: bool,
    /// A third warehouse is OPENLOGI's, before or behind the others in the order of preference.
    pub(super) third: Option<bool>,
    /// Of the clock of all that is reached over HTTP, and the warehouses' clocks, in seconds against ours.
    pub(super) skew: [i64; 3],
    pub(super) stock: [[i64; 3]; 3],
    pub(super) actions: u64,
    pub(super) orders: u64,
    /// The shop's staff are shown which holds are open.
    pub(super) annotate: bool,
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
        let mut shelf = || [stock(), stock(), stock()];
        let stock = [shelf(), shelf(), shelf()];
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
            people: dice.percent(70),
            others_from: *dice.pick(&[
                OthersFrom::Unknown,
                OthersFrom::Osaka,
                OthersFrom::Elsewhere,
            ]),
            web: dice.percent(45),
            fulfilments: dice.percent(75),
            third: dice.percent(40).then(|| dice.percent(50)),
            skew,
            stock,
            actions: dice.range(15..=40),
            orders: dice.range(1..=4),
            annotate: dice.percent(50),
        }
    }

    /// Whether a shop's cards are captured when nothing is left to ship: at Stripe a first capture may release the rest.
    pub(super) fn on_complete(&self, account: &str) -> bool {
        self.on_complete || account != SHOP
    }

    /// The first clock is that of all that is reached over HTTP, the others are the warehouses' with files.
    pub(super) fn skew(&self, at: usize) -> Duration {
        let own = self.skew.get(at);
        Duration::seconds(own.copied().unwrap_or(self.skew[0]))
    }

    /// The layout that the warehouses with files work by.
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

    /// The merchant; everything is reached in process, and the files that its configuration names are below `dir`.
    pub(super) fn merchant(&self, dir: &Path) -> Merchant {
        let hold = if self.hold_remarks {
            "[[hold]]\nname = \"remarks\"\nwhen = 'order.remarks != \"\"'\nrelease = \"manual\"\n"
        } else {
            ""
        };
        let partial = if self.partial_wait {
            "wait"
        } else {
            "ship-ready"
        };
        let expire = if self.expire_unpaid { "20m" } else { "never" };
        let prefer = match self.third {
            None => r#""tokyo", "osaka""#,
            Some(false) => r#""tokyo", "osaka", "nagoya""#,
            Some(true) => r#""nagoya", "tokyo", "osaka""#,
        };
        let shops: Vec<ShopTerms> = self.shops().collect();
        let warehouses: Vec<WarehouseTerms> = self.warehouses().collect();
        let mut more = format!(
            "[allocation]\nprefer = [{prefer}]\nsplit = {split}\npartial = \"{partial}\"\nexpire_unpaid = \"{expire}\"\n\
             [delivery]\npresume = \"1m\"\n{hold}",
            split = self.split,
        );
        if self.third.is_some() {
            let shops = shops.iter().map(|shop| shop.account.to_owned());
            let there = warehouses.iter().map(|terms| format!("{}-3pl", terms.name));
            std::fs::write(dir.join(CATALOGUE), catalogue(shops.chain(there))).unwrap();
            more += &format!("[catalogue]\nmapping = \"listed\"\nfile = \"{CATALOGUE}\"\n");
        }
        Merchant {
            name: "りんご屋",
            process: "[engine]\nlease = \"30s\"".to_owned(),
            root: std::path::PathBuf::new(),
            shops,
            providers: self.providers().collect(),
            warehouses,
            mail: "concurrency = 1".to_owned(),
            close: "2m",
            more,
        }
    }

    fn shops(&self) -> impl Iterator<Item = ShopTerms> {
        let others = match self.others_from {
            OthersFrom::Unknown => "",
            OthersFrom::Osaka => "others_ship_from = \"osaka\"",
            OthersFrom::Elsewhere => "others_ship_from = \"elsewhere\"",
        };
        let annotate = if self.annotate { "holds" } else { "never" };
        let shop = move |account, on, account_more: &str, more: &str, page_size| ShopTerms {
            account,
            on,
            more: format!(
                "interval = \"10s\"\noverlap = \"60s\"\npage_size = {page_size}\nsettle = \"{SETTLE}s\"\nconcurrency = 2\n\
                 hook_secret = {{ file = \"hook-secret\" }}\n{account_more}"
            ),
            channel: format!(
                "begin = \"all\"\ncapture = \"{capture}\"\nrefresh = \"15m\"\nannotate = \"{annotate}\"\n{others}\n{more}",
                capture = if self.on_complete(account) {
                    "on-complete"
                } else {
                    "each-shipment"
                },
            ),
        };
        let places = format!("locations = {{ tokyo = \"{TOKYO}\" }}");
        let first = shop(SHOP, ShopOn::Medusa, "", &places, self.page_size);
        let payment = format!("payment_reference = \"meta_data.{PAYMENT}\"");
        let on = ShopOn::WooCommerce { cards: CARDS };
        let second = self
            .web
            .then(|| shop(WEB, on, &payment, "", self.page_size));
        [first].into_iter().chain(second)
    }

    fn providers(&self) -> impl Iterator<Item = ProviderTerms> {
        let terms = self.web.then(|| ProviderTerms {
            account: CARDS,
            more: format!(
                "interval = \"10s\"\npage_size = {}\nper_second = 100\nhook_secret = {{ file = \"hook-secret\" }}",
                self.page_size
            ),
        });
        terms.into_iter()
    }

    fn warehouses(&self) -> impl Iterator<Item = WarehouseTerms> {
        let dispatch = |waves: bool| {
            if waves {
                r#"{ mode = "wave", cutoffs = ["11:02", "11:10", "12:00", "15:00", "20:00"] }"#
                    .to_owned()
            } else {
                format!(r#"{{ mode = "continuous", grace = "{}s" }}"#, self.grace)
            }
        };
        let moved = if self.moved {
            "picked_up_to = \"picked-up\""
        } else {
            ""
        };
        let by_files = |name, waves| WarehouseTerms {
            name,
            by: WarehouseBy::Files {
                layout: "./3pl.toml",
            },
            more: format!("interval = \"20s\"\nstable_for = \"0s\"\n{moved}"),
            dispatch: dispatch(waves),
        };
        let third = self.third.map(|_| WarehouseTerms {
            name: "nagoya",
            by: WarehouseBy::Openlogi,
            more: format!(
                "interval = \"20s\"\nstock_interval = \"30s\"\nsettle = \"{SETTLE}s\"\nper_minute = 6000"
            ),
            dispatch: dispatch(false),
        });
        let first = [
            by_files("tokyo", self.tokyo_waves),
            by_files("osaka", self.osaka_waves),
        ];
        first.into_iter().chain(third)
    }
}

/// Every item has the same code everywhere.
fn catalogue(accounts: impl Iterator<Item = String> + Clone) -> String {
    let mut text = "item,account,code,multiplier\n".to_owned();
    for code in ITEMS.into_iter().chain([UNKNOWN_ITEM]) {
        for account in accounts.clone() {
            text += &format!("{code},{account},{code},1\n");
        }
    }
    text
}

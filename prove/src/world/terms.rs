//! What differs between worlds: the merchant's configuration and the external systems' habits.

use std::path::PathBuf;

use chrono::{DateTime, Duration, Utc};
use hikiate::demo::merchant::{Merchant, ShopTerms, WarehouseTerms};

use super::dice::Dice;

/// 11:00 in Tokyo, in front of the cut-offs.
pub(super) fn start() -> DateTime<Utc> {
    "2026-11-20T02:00:00Z".parse().unwrap()
}

/// The layout that both warehouses work by, in the world's folder.
pub(super) const LAYOUT: &str = "./3pl.toml";

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
    /// Staff and operators act on orders by hand.
    pub(super) people: bool,
    pub(super) others_from: OthersFrom,
    /// Of the shop's clock, the warehouses' clocks, in seconds against ours.
    pub(super) skew: [i64; 3],
    pub(super) stock: [[i64; 3]; 2],
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
            people: dice.percent(70),
            others_from: *dice.pick(&[
                OthersFrom::Unknown,
                OthersFrom::Osaka,
                OthersFrom::Elsewhere,
            ]),
            skew,
            stock,
            actions: dice.range(15..=40),
            orders: dice.range(1..=4),
            annotate: dice.percent(50),
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

    /// The merchant; the shop's account is read by its own transport, and folders are in memory.
    pub(super) fn merchant(&self) -> Merchant {
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
        let warehouse = |name, waves| WarehouseTerms {
            name,
            layout: LAYOUT,
            more: format!("interval = \"20s\"\nstable_for = \"0s\"\n{moved}"),
            dispatch: dispatch(waves),
        };
        let hold = if self.hold_remarks {
            "[[hold]]\nname = \"remarks\"\nwhen = 'order.remarks != \"\"'\nrelease = \"manual\"\n"
        } else {
            ""
        };
        let capture = if self.on_complete {
            "on-complete"
        } else {
            "each-shipment"
        };
        let partial = if self.partial_wait {
            "wait"
        } else {
            "ship-ready"
        };
        let others = match self.others_from {
            OthersFrom::Unknown => "",
            OthersFrom::Osaka => "others_ship_from = \"osaka\"",
            OthersFrom::Elsewhere => "others_ship_from = \"elsewhere\"",
        };
        let annotate = if self.annotate { "holds" } else { "never" };
        let expire = if self.expire_unpaid { "20m" } else { "never" };
        Merchant {
            name: "りんご屋",
            process: "[engine]\nlease = \"30s\"".to_owned(),
            root: PathBuf::new(),
            shops: vec![ShopTerms {
                account: "shop",
                more: String::new(),
                channel: format!(
                    "begin = \"all\"\ncapture = \"{capture}\"\nrefresh = \"15m\"\nlocations = {{ tokyo = \"{TOKYO}\" }}\nannotate = \"{annotate}\"\n{others}"
                ),
            }],
            warehouses: vec![
                warehouse("tokyo", self.tokyo_waves),
                warehouse("osaka", self.osaka_waves),
            ],
            mail: "concurrency = 1".to_owned(),
            close: "2m",
            more: format!(
                "[allocation]\nprefer = [\"tokyo\", \"osaka\"]\nsplit = {split}\npartial = \"{partial}\"\nexpire_unpaid = \"{expire}\"\n\
                 [delivery]\npresume = \"1m\"\n{hold}",
                split = self.split,
            ),
        }
    }
}

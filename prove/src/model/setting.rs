//! The merchant of a run: policy and rules, drawn from the seed.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, TimeZone, Utc};
use hikiate::calendar::Term;
use hikiate::plan::types::ItemRef;
use hikiate::policy::{
    Allocation, Annotate, Booking, CancelBy, CaptureRule, Catalogue, Change, ChangeRules, Channel,
    Close, Completed, Dispatch, MailKind, OthersShipFrom, Partial, PaymentMethod, PaymentRoute,
    Policy, Presume, Recognise, Release, ReplyTerm, Shop, Titles, Warehouse,
};
use hikiate::rules::{HoldRules, RuleContext, RuleVerdict};
use hikiate_sdk::{AccountSlug, Currency};

use super::rng::Rng;

/// The channel.
pub(super) const SHOP: &str = "shop-jp";
/// The shop's zone.
pub(super) const ZONE: chrono_tz::Tz = chrono_tz::Asia::Tokyo;
/// Warehouses in order of preference, with their accounts.
pub(super) const PLACES: [(&str, &str); 2] = [("tokyo", "wms-tokyo"), ("osaka", "osaka-3pl")];
/// Codes of the channel: item, items in one, whether it leaves a warehouse.
pub(super) const CODES: [(&str, i64, u32, bool); 5] = [
    ("A", 1, 1, true),
    ("B", 2, 1, true),
    ("B12", 2, 12, true),
    ("C", 3, 1, true),
    ("WRAP", 4, 1, false),
];

/// The first moment, 21 November 2026 10:00 in Tokyo.
#[must_use]
pub(super) fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 21, 1, 0, 0).unwrap()
}

/// What a run is made under.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// The merchant's policy.
    pub(super) policy: Policy,
    /// Hold rules are on.
    pub(super) rules: Rules,
    /// The channel numbers its readings.
    pub(super) versions: bool,
    /// Orders are planned when a command says so, not after each new input.
    pub(super) lazy: bool,
    /// Staff and operators act.
    pub(super) people: bool,
    /// The channel has begun before the first order.
    pub(super) begun: bool,
}

/// Two hold rules as functions: many units of a line (lets go by itself), a high total (needs an operator).
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules(pub bool);

impl HoldRules for Rules {
    fn evaluate(&self, context: &RuleContext) -> Vec<RuleVerdict> {
        if !self.0 {
            return Vec::new();
        }
        let many = context.lines.iter().any(|line| line.qty >= 5);
        let high = context.order.total.is_some_and(|total| total.0 > 9000);
        let verdict = |rule: &str, release, holds| RuleVerdict {
            rule: rule.to_owned(),
            release,
            holds: Ok(holds),
        };
        vec![
            verdict("many", Release::Auto, many),
            verdict("high", Release::Manual, high),
        ]
    }
}

impl Setting {
    /// Draws one.
    pub(super) fn random(rng: &mut Rng) -> Self {
        let mut policy = policy();
        policy.allocation.split = rng.chance(60);
        if rng.chance(40) {
            policy.allocation.partial = Partial::ShipReady;
        }
        if let Some(channel) = policy.channels.values_mut().next() {
            if rng.chance(30) {
                channel.capture = CaptureRule::OnComplete;
            }
            channel.shipping_notice = rng.chance(85);
            if rng.chance(50) {
                channel.annotate = Annotate::Holds;
            }
        }
        if let Some(booking) = &mut policy.booking
            && rng.chance(40)
        {
            booking.recognise = Recognise::Delivered;
        }
        let people = rng.chance(65);
        if people {
            by_people(&mut policy, rng);
        }
        Self {
            policy,
            rules: Rules(rng.chance(40)),
            versions: rng.chance(50),
            lazy: rng.chance(30),
            begun: !people || rng.chance(80),
            people,
        }
    }
}

/// What the merchant says about what people do.
fn by_people(policy: &mut Policy, rng: &mut Rng) {
    for channel in policy.channels.values_mut() {
        if rng.chance(50) {
            let code = |(name, _): (&str, &str)| (name.to_owned(), format!("loc-{name}"));
            channel.locations = PLACES.into_iter().map(code).collect();
        }
        channel.others_ship_from = match rng.below(6) {
            0..4 => None,
            4 => Some(OthersShipFrom::Warehouse(PLACES[1].0.to_owned())),
            _ => Some(OthersShipFrom::Elsewhere),
        };
        if rng.chance(20) {
            channel.completed = Completed::Ended;
        }
    }
    for warehouse in &mut policy.warehouses {
        let rule = |rng: &mut Rng| {
            if rng.chance(50) {
                Change::Recall
            } else {
                Change::Ask
            }
        };
        if rng.chance(50) {
            warehouse.change = ChangeRules {
                cancel: Change::Recall,
                quantity_down: rule(rng),
                address: rule(rng),
                date: Change::Ask,
                service: rule(rng),
                cod: Change::Recall,
            };
        }
        if rng.chance(15) {
            warehouse.cancel = CancelBy::Phone;
        }
    }
}

/// Items by code.
#[must_use]
pub(super) fn items() -> BTreeMap<String, ItemRef> {
    CODES
        .iter()
        .map(|(code, item_id, multiplier, stocked)| {
            let item = ItemRef {
                item_id: *item_id,
                multiplier: *multiplier,
                stocked: *stocked,
            };
            ((*code).to_owned(), item)
        })
        .collect()
}

/// Every rule is active from before the first order.
#[must_use]
pub(super) fn epochs() -> BTreeMap<(String, AccountSlug), DateTime<Utc>> {
    let at = start() - Duration::days(1);
    [
        ("notice", SHOP),
        ("annotate", SHOP),
        ("capture", SHOP),
        ("mail:shipped", "smtp"),
        ("booking", "books"),
        ("instruct", PLACES[0].1),
        ("instruct", PLACES[1].1),
    ]
    .into_iter()
    .map(|(rule, account)| ((rule.to_owned(), AccountSlug::new(account)), at))
    .collect()
}

fn policy() -> Policy {
    let route = |method, account: Option<&str>| PaymentRoute {
        method,
        account: account.map(AccountSlug::new),
        parts: hikiate_sdk::Parts::Many,
        reads: false,
        ids: None,
        refunds: true,
        voids: true,
    };
    let channel = Channel {
        payments: BTreeMap::from([
            ("card".to_owned(), route(PaymentMethod::Card, Some(SHOP))),
            ("points".to_owned(), route(PaymentMethod::Prepaid, None)),
            ("bank".to_owned(), route(PaymentMethod::BankTransfer, None)),
        ]),
        shipping_notice: true,
        annotate: Annotate::Never,
        capture: CaptureRule::EachShipment,
        mail: vec![MailKind::Shipped],
        locations: BTreeMap::new(),
        carriers: BTreeMap::new(),
        others_ship_from: None,
        completed: Default::default(),
        completed_hold: Some(Duration::hours(72)),
        others: Default::default(),
        refresh: Some(Duration::minutes(30)),
        begun: true,
        zombie: Duration::days(90),
        recheck: None,
        recheck_required: false,
        vanished_after: Some(Duration::hours(72)),
        default_tax: None,
        records_refunds: false,
    };
    let warehouse = |at: usize, dispatch| Warehouse {
        name: PLACES[at].0.to_owned(),
        account: AccountSlug::new(PLACES[at].1),
        location: None,
        dispatch,
        reply_within: Some(ReplyTerm::Within(Duration::minutes(60))),
        change: Default::default(),
        cancel: Default::default(),
        services: Default::default(),
        slots: Default::default(),
    };
    let grace = Dispatch::Continuous {
        grace: Duration::minutes(30),
        max_rows: 100,
    };
    let wave = Dispatch::Wave {
        cutoffs: Vec::new(),
        max_rows: 100,
        files_per_cutoff: None,
    };
    Policy {
        shop: Shop {
            name: "Shop".to_owned(),
            timezone: ZONE,
            country: "JP".to_owned(),
            currency: Currency::JPY,
            tax_rounding: None,
            invoice: Default::default(),
            calendar: Default::default(),
        },
        channels: BTreeMap::from([(AccountSlug::new(SHOP), channel)]),
        warehouses: vec![warehouse(0, grace), warehouse(1, wave)],
        allocation: Allocation {
            split: true,
            partial: Partial::Wait,
            expire_unpaid: Some(Term::Span(Duration::days(7))),
        },
        payments: Default::default(),
        presume_delivered: Presume {
            home: Some(Duration::days(2)),
            abroad: Some(Duration::days(10)),
            ..Presume::default()
        },
        notice: hikiate::policy::Notice {
            wait_for_number: Duration::zero(),
            ..Default::default()
        },
        mail: Some(AccountSlug::new("smtp")),
        holds: Vec::new(),
        booking: Some(Booking {
            recognise: Recognise::Shipped,
            digital: Default::default(),
            account: AccountSlug::new("books"),
            close: Close::Every(Duration::hours(24)),
            titles: Titles {
                returns: "returns".to_owned(),
                receivables: BTreeMap::new(),
                sales: "sales".to_owned(),
                receivable: "receivable".to_owned(),
                tax: "tax".to_owned(),
                rounding: "rounding".to_owned(),
                advance: "advance".to_owned(),
                deposits: None,
            },
        }),
        catalogue: Catalogue::SameCode,
    }
}

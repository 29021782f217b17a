//! What the customers buy: the same three hundred orders in every run.

use hikiate_sdk::Party;
use hikiate_sdk::faulty::Prng;

use super::amounts::{Basket, Sold};
use super::evidence::{End, Pay};

/// Items that only Tokyo has, only Osaka has, and both have; code and yen without tax.
const TOKYO: [(&str, i64); 6] = [
    ("TEA-SENCHA", 1248),
    ("TEA-HOJICHA", 894),
    ("TEA-GYOKURO", 3656),
    ("CUP-WHITE", 1520),
    ("CUP-BLACK", 1583),
    ("WHISK-80", 2417),
];
const OSAKA: [(&str, i64); 5] = [
    ("SALT-NOTO", 486),
    ("SALT-YUZU", 673),
    ("SOY-KIOKE", 1187),
    ("MISO-3Y", 1364),
    ("VINEGAR-BLACK", 968),
];
const BOTH: [(&str, i64); 4] = [
    ("RICE-5KG", 3241),
    ("RICE-2KG", 1439),
    ("NORI-50", 798),
    ("KELP-RISHIRI", 2755),
];
/// Items that only Nagoya has.
pub(super) const NAGOYA: [(&str, i64); 3] = [
    ("FAN-SENSU", 2135),
    ("TOWEL-TENUGUI", 1184),
    ("PLATE-SETO", 1653),
];
/// No warehouse has any.
pub const SOLD_OUT: &str = "MATCHA-2026";
/// Items that a run may have few of: in Tokyo, in Osaka, in both. No order of the demo has one.
pub const RARE: [(&str, i64); 3] = [
    ("POT-TOKONAME", 2860),
    ("BOWL-RAKU", 3120),
    ("TRAY-URUSHI", 1980),
];
/// Stands in the high-value order.
const KETTLE: (&str, i64) = ("KETTLE-IRON", 38_600);

/// The part an order plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Bought, paid, shipped.
    Plain,
    /// Leaves from both warehouses.
    Split,
    /// A line has no stock.
    Short,
    /// Held by the rule for high values until somebody releases it.
    Held,
    /// Waits for a deposit.
    Deposit,
    /// The customer cancels while it waits for the wave.
    CancelEarly,
    /// The customer cancels after the warehouse has accepted it.
    CancelLate,
    /// The shop tells it without a currency.
    Unreadable,
}

/// An order to place.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What it is for.
    pub part: Part,
    /// Which shop, from 0.
    pub shop: usize,
    /// How it is paid.
    pub pay: Pay,
    /// What is bought.
    pub basket: Basket,
    /// Who buys, from 1.
    pub customer: usize,
    /// Placed before the daemon starts: it must be in Osaka's wave, or takes long.
    pub early: bool,
}

/// Everything that a warehouse has: code and whether Tokyo and Osaka have it.
#[must_use]
pub fn stock() -> Vec<(&'static str, bool, bool)> {
    let mut stock = Vec::new();
    stock.extend(TOKYO.iter().map(|(code, _)| (*code, true, false)));
    stock.extend(OSAKA.iter().map(|(code, _)| (*code, false, true)));
    stock.extend(BOTH.iter().map(|(code, _)| (*code, true, true)));
    stock.push((KETTLE.0, true, false));
    stock.push((RARE[0].0, true, false));
    stock.push((RARE[1].0, false, true));
    stock.push((RARE[2].0, true, true));
    stock
}

/// The orders of a demo: every part is played, the rest is plain. A sixth is placed in the third shop, and a few leave from the
/// third warehouse, whose interface takes 60 calls a minute.
#[must_use]
pub fn wishes(count: usize) -> Vec<Wish> {
    let mut chance = Prng::new(2026);
    let parts = [
        Part::Unreadable,
        Part::Short,
        Part::Held,
        Part::CancelEarly,
        Part::CancelLate,
        Part::Deposit,
        Part::Deposit,
        Part::Split,
        Part::Split,
    ];
    (0..count)
        .map(|at| {
            let part = parts.get(at).copied().unwrap_or(Part::Plain);
            let mut wish = wish(at, part, count, &mut chance);
            // One deposit and one order from two warehouses are among them.
            if at == 6 || at == 8 || part == Part::Plain && at % 6 == 3 {
                wish.shop = 2;
                wish.basket.by_line = true;
            }
            if wish.pay == Pay::Card && at > 8 && at % 36 == 9 {
                wish.pay = Pay::Prepaid;
            }
            if part == Part::Plain && at % 29 == 11 && wish.pay != Pay::Zero {
                wish.basket.lines = some(&NAGOYA, &mut chance);
                wish.early = at < count * 6 / 10;
            }
            wish
        })
        .collect()
}

/// The orders of a benchmark: plain, on cards.
#[must_use]
pub fn plain(count: usize) -> Vec<Wish> {
    let mut chance = Prng::new(2026);
    (0..count)
        .map(|at| Wish {
            pay: Pay::Card,
            early: true,
            ..wish(at + 1, Part::Plain, count, &mut chance)
        })
        .map(|wish| Wish {
            basket: paid(wish.basket),
            ..wish
        })
        .collect()
}

fn paid(mut basket: Basket) -> Basket {
    for line in &mut basket.lines {
        line.price = line.price.max(100);
    }
    basket
}

/// The order of a part: the `at`-th of `count`.
pub fn wish(at: usize, part: Part, count: usize, chance: &mut Prng) -> Wish {
    let mut lines = match part {
        Part::Plain => match chance.below(10) {
            0..=4 => some(&TOKYO, chance),
            5..=6 => some(&OSAKA, chance),
            7..=8 => some(&BOTH, chance),
            _ => [one(&TOKYO, chance), one(&OSAKA, chance)].concat(),
        },
        Part::Split => [one(&TOKYO, chance), one(&OSAKA, chance)].concat(),
        Part::Short => vec![sold(TOKYO[0], 2), sold((SOLD_OUT, 4321), 1)],
        Part::Held => vec![sold(KETTLE, 3)],
        Part::CancelEarly => some(&OSAKA, chance),
        Part::CancelLate | Part::Deposit => some(&TOKYO, chance),
        Part::Unreadable => Vec::new(),
    };
    let pay = match part {
        Part::Deposit => Pay::Bank,
        Part::Plain if at % 50 == 17 => Pay::Zero,
        Part::Plain if at % 12 == 5 => Pay::Prepaid,
        _ => Pay::Card,
    };
    // 0, 350 or 780 yen; a free order has free postage.
    let mut postage = [0, 350, 780, 350][usize::try_from(chance.below(4)).unwrap_or(0)];
    if pay == Pay::Zero || part == Part::Unreadable {
        postage = 0;
        lines.iter_mut().for_each(|line| line.price = 0);
    }
    let osaka = lines
        .iter()
        .any(|line| OSAKA.iter().any(|(code, _)| *code == line.code));
    let percent = if chance.per_mille(600) { 8 } else { 10 };
    Wish {
        part,
        shop: if part == Part::Plain { at % 2 } else { 0 },
        pay,
        basket: Basket {
            lines,
            postage,
            percent,
            by_line: false,
        },
        customer: at + 1,
        early: osaka || part != Part::Plain || at < count * 6 / 10,
    }
}

fn sold((code, price): (&str, i64), quantity: u32) -> Sold {
    Sold {
        code: code.to_owned(),
        quantity,
        price,
    }
}

fn one(items: &[(&str, i64)], chance: &mut Prng) -> Vec<Sold> {
    let at = usize::try_from(chance.below(u64::try_from(items.len()).unwrap_or(1))).unwrap_or(0);
    let quantity = 1 + u32::try_from(chance.below(3)).unwrap_or(0);
    items
        .get(at)
        .map(|item| sold(*item, quantity))
        .into_iter()
        .collect()
}

/// One to three lines with different codes.
fn some(items: &[(&str, i64)], chance: &mut Prng) -> Vec<Sold> {
    let mut lines: Vec<Sold> = Vec::new();
    for _ in 0..=chance.below(3) {
        let more = one(items, chance)
            .into_iter()
            .filter(|new| !lines.iter().any(|line| line.code == new.code));
        let more: Vec<Sold> = more.collect();
        lines.extend(more);
    }
    lines
}

impl Wish {
    /// To whom the mail goes.
    #[must_use]
    pub fn email(&self) -> String {
        format!("customer-{}@example.jp", self.customer)
    }

    /// How it has to end.
    #[must_use]
    pub fn end(&self) -> End {
        match self.part {
            Part::Plain | Part::Split | Part::Held | Part::Deposit => End::Booked,
            Part::Short => End::Backordered,
            Part::CancelEarly | Part::CancelLate => End::Cancelled,
            Part::Unreadable => End::Unreadable,
        }
    }

    /// Code, pieces and the price of one as decimal text.
    pub(super) fn lines(&self) -> Vec<(String, u32, String)> {
        let line = |sold: &Sold| (sold.code.clone(), sold.quantity, sold.price.to_string());
        self.basket.lines.iter().map(line).collect()
    }

    /// Where it goes.
    #[must_use]
    pub fn address(&self) -> Party {
        let places = [
            ("100-0001", "東京都", "千代田区", "千代田"),
            ("530-0001", "大阪府", "大阪市北区", "梅田"),
            ("010-0001", "秋田県", "秋田市", "中通"),
        ];
        let (code, region, city, street) = places[self.customer % places.len()];
        Party {
            name: format!("見本 客{}", self.customer),
            country: "JP".to_owned(),
            postal_code: code.to_owned(),
            region: region.to_owned(),
            city: city.to_owned(),
            // A minus sign that the warehouse's encoding has under another character.
            address1: format!(
                "{street}{}\u{2212}{}",
                self.customer % 9 + 1,
                self.customer % 30 + 1
            ),
            phone: format!("03-0000-{:04}", self.customer % 10_000),
            ..Party::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_played_and_only_one_order_is_of_high_value() {
        for count in [20, 300] {
            let wishes = wishes(count);
            assert_eq!(wishes.len(), count);
            for part in [
                Part::Short,
                Part::Held,
                Part::Deposit,
                Part::CancelEarly,
                Part::CancelLate,
                Part::Unreadable,
                Part::Split,
            ] {
                assert!(wishes.iter().any(|wish| wish.part == part), "{part:?}");
            }
            let high: Vec<_> = wishes
                .iter()
                .filter(|wish| wish.basket.total() >= 100_000)
                .collect();
            assert!(high.len() == 1 && high[0].part == Part::Held);
        }
        let wishes = wishes(300);
        for pay in [Pay::Card, Pay::Prepaid, Pay::Bank, Pay::Zero] {
            assert!(wishes.iter().any(|wish| wish.pay == pay), "{pay:?}");
        }
        assert!(wishes.iter().all(|wish| (wish.basket.total() == 0)
            == (wish.pay == Pay::Zero || wish.part == Part::Unreadable)));
        assert!(wishes.iter().any(|wish| !wish.early));
        let of = |shop| wishes.iter().filter(move |wish| wish.shop == shop);
        assert_eq!((of(0).count() + of(1).count(), of(2).count()), (249, 51));
        for pay in [Pay::Card, Pay::Prepaid, Pay::Bank, Pay::Zero] {
            assert!(of(2).any(|wish| wish.pay == pay), "{pay:?}");
        }
        let nagoya = |wish: &&Wish| {
            let mut lines = wish.basket.lines.iter();
            lines.any(|line| NAGOYA.iter().any(|(code, _)| *code == line.code))
        };
        let shops: Vec<usize> = wishes.iter().filter(nagoya).map(|wish| wish.shop).collect();
        assert_eq!(shops.len(), 10);
        assert!((0..3).all(|shop| shops.contains(&shop)));
    }

    #[test]
    fn a_code_stands_once_in_an_order() {
        for wish in wishes(300).iter().chain(&plain(300)) {
            let mut codes: Vec<&str> = wish
                .basket
                .lines
                .iter()
                .map(|line| line.code.as_str())
                .collect();
            codes.sort_unstable();
            codes.dedup();
            assert_eq!(codes.len(), wish.basket.lines.len());
        }
    }
}

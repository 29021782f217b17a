//! What customers order, and what each order is worth: prices are whole with tax, so that shares are exact.

use std::collections::{BTreeMap, BTreeSet};

use hikiate::number::order_number;
use hikiate_sdk::{AccountSlug, ExternalId, Party};

use super::dice::Dice;
use super::seen::Seen;
use super::shop::CardTerms;
use super::terms::{ITEMS, UNKNOWN_ITEM};

/// Postage with tax.
const POSTAGE: i64 = 550;

/// Pieces by code.
pub(super) type Goods = BTreeMap<String, u32>;

/// Of whom every order is: in no fact and in no log line.
pub(super) const NAMES: [&str; 4] = ["花子", "千代田1-1", "03-1234-5678", "@customer"];

/// How an order is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pay {
    Card,
    Bank,
    Prepaid,
    Zero,
}

/// What people did to an order, where it changes what is right in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    /// Staff packed or shipped goods themselves.
    Fulfilled,
    /// Staff cancelled a fulfilment, theirs or ours.
    Unfulfilled,
    /// Staff completed or archived it.
    Completed,
    /// Staff changed its lines or its address.
    Edited,
    /// It was gone from the shop for a while.
    Deleted,
    /// Staff gave money back.
    Refunded,
    /// Its payment was voided, and asked for anew.
    Voided,
    /// An operator ended it.
    Ended,
}

/// A fulfilment that staff marked as shipped.
#[derive(Clone, Debug)]
pub(super) struct ByStaff {
    /// Its id; that of the one that replaced it, after a correction.
    pub(super) id: String,
    pub(super) goods: Goods,
    /// The warehouse whose shelf they came from; `None` for a place that is not ours or that nobody named.
    pub(super) from: Option<usize>,
    /// Nobody named the place.
    pub(super) place_unknown: bool,
    /// It carries the number of a parcel of ours: it is that parcel.
    pub(super) parcel: bool,
    /// Cancelled again, and nothing replaced it.
    pub(super) undone: bool,
}

/// Adds goods to others.
pub(super) fn join(goods: &mut Goods, more: &Goods) {
    for (code, n) in more {
        *goods.entry(code.clone()).or_default() += n;
    }
}

/// Of each no more than so many.
fn within(goods: &Goods, most: &Goods) -> Goods {
    let part = |(code, n): (&String, &u32)| {
        let most = most.get(code).copied().unwrap_or(0);
        (code.clone(), (*n).min(most))
    };
    goods.iter().map(part).collect()
}

/// An order as it was placed, and what people did to it past hikiate.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// Which of the shops it is in, and that shop's account.
    pub(super) shop: usize,
    pub(super) account: &'static str,
    pub(super) id: String,
    pub(super) number: String,
    pub(super) email: String,
    pub(super) pay: Pay,
    pub(super) undecodable: bool,
    /// As the shop has it now.
    pub(super) goods: Goods,
    /// The most of each that was ever ordered.
    pub(super) most: Goods,
    pub(super) acts: BTreeSet<Act>,
    /// Staff wrote over the note of its holds, or deleted it.
    pub(super) note_by_staff: bool,
    pub(super) by_staff_shipped: Vec<ByStaff>,
    /// Shipped by an operator's hand, past every instruction.
    pub(super) by_hand: Goods,
    /// Completed at a time when nothing of it ships.
    pub(super) completed_empty: bool,
    /// Items that were on more than one of its lines: staff may have moved them.
    pub(super) moved: BTreeSet<String>,
    /// Moved items that an operator let go on top of what had been sent.
    pub(super) let_go: BTreeSet<String>,
    /// All that staff ever marked as shipped under a number that is not ours.
    pub(super) ever_marked: Goods,
    pub(super) prices: BTreeMap<String, i64>,
    /// Captured in the shop's console.
    pub(super) by_staff: i64,
    /// Yen that operators asked hikiate to give back.
    pub(super) asked_back: i64,
    /// Staff gave money back, or recorded that.
    pub(super) refunded_by_staff: bool,
    /// An operator asked for the void of its payment.
    pub(super) void_wanted: bool,
    /// An operator gave up a refund or void that was asked for.
    pub(super) dropped: bool,
    /// Deposits told so far.
    pub(super) paid: i64,
    pub(super) deposits: u32,
    /// An operator asked for its cancel.
    pub(super) cancel_wanted: bool,
    /// The customer or the shop cancelled it there.
    pub(super) cancelled_there: bool,
}

impl Placed {
    pub(super) fn total(&self) -> i64 {
        self.due(&self.goods)
    }

    /// What is due for goods that have left, at least and at the most. `None` where that is not known: its lines were changed.
    /// Where it is not sure how much was given back of what is charged, each bound takes what is worse for it.
    pub(super) fn due_between(&self, left: &Goods, credit: (i64, i64)) -> Option<(i64, i64)> {
        let (little, much) = credit;
        let (least, _) = self.due_after(left, much)?;
        let (_, most) = self.due_after(left, little)?;
        Some((least, most))
    }

    /// What is due for goods that have left, at the most, when so much of all was given back: each amount bears its part,
    /// and is rounded. `None` where that is not known: its lines were changed.
    fn due_after(&self, left: &Goods, credit: i64) -> Option<(i64, i64)> {
        if self.acts.contains(&Act::Edited) {
            return None;
        }
        let (due, total) = (self.due_at_most(left), self.total());
        if due == 0 || due >= total || credit == 0 {
            let after = if due == 0 { 0 } else { due - credit };
            return Some((after, after));
        }
        let mid = due * (total - credit) / total;
        // Each line and the postage, in each of two steps.
        let off = 16;
        // What was given back is taken off what had left by then, as far as it goes; the rest bears its part.
        let first = mid.min((due - credit).max(0));
        Some((first - off, mid + off))
    }

    /// What is due for goods that have left.
    pub(super) fn due(&self, left: &Goods) -> i64 {
        if left.values().all(|n| *n == 0) || self.pay == Pay::Zero {
            return 0;
        }
        self.worth(left) + POSTAGE
    }

    /// The most that can be due: each piece as often as it was ever ordered.
    pub(super) fn due_at_most(&self, left: &Goods) -> i64 {
        let fee = i64::from(self.completed_empty) * POSTAGE;
        self.due(&within(left, &self.most)).max(fee)
    }

    /// The most that may leave of an item.
    pub(super) fn may_leave(&self, code: &str) -> u32 {
        let most = self.most.get(code).copied().unwrap_or(0);
        most * if self.let_go.contains(code) { 2 } else { 1 }
    }

    /// An operator releases a task of what was sent beyond a line: what another line wants of it goes as well.
    pub(super) fn lets_go(&mut self, rule: &str) {
        if rule.starts_with("changed:") || rule == "over_shipped" || rule == "shipped_twice" {
            self.let_go.extend(self.moved.iter().cloned());
        }
    }

    fn worth(&self, goods: &Goods) -> i64 {
        let each = goods
            .iter()
            .map(|(code, n)| self.prices.get(code).copied().unwrap_or(0) * i64::from(*n));
        each.sum()
    }

    /// The price of one without tax, as the shop wants it written.
    pub(super) fn price_without_tax(&self, code: &str) -> String {
        price_without_tax(self.pay, &self.prices, code)
    }

    /// What was taken off its price, as far as its shop tells it, and at most: what an operator pays back by hand may or may
    /// not count yet.
    pub(super) fn credit(&self, seen: &Seen) -> (i64, i64) {
        let by_hand = if self.pay == Pay::Card {
            0
        } else {
            self.asked_back
        };
        (seen.credit.0, seen.credit.1.max(by_hand))
    }

    /// Its shop's account and its id there, as operators type it.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.account, self.id)
    }

    /// Takes over what the shop has now: code and quantity of its lines.
    pub(super) fn ordered(&mut self, lines: &[(String, String, u32, u32)]) {
        self.goods.clear();
        for (_, code, quantity, _) in lines {
            *self.goods.entry(code.clone()).or_default() += quantity;
        }
        // One without goods that the shop completes is paid as the shop has it, whatever becomes of it later.
        let nothing = self.goods.values().all(|n| *n == 0) && self.pay != Pay::Zero;
        self.completed_empty |= nothing && self.acts.contains(&Act::Completed);
        for (code, n) in &self.goods {
            let most = self.most.entry(code.clone()).or_default();
            *most = (*most).max(*n);
        }
    }

    /// What left past every warehouse, as far as it stands.
    pub(super) fn by_others(&self) -> Goods {
        let mut goods = Goods::new();
        let staff = self.by_staff_shipped.iter();
        for shipped in staff.filter(|f| !f.parcel && !f.undone) {
            join(&mut goods, &shipped.goods);
        }
        goods
    }

    /// What left a warehouse, and what staff ever marked as shipped, whether it stands or not.
    pub(super) fn ever_left(&self, left: &Goods) -> Goods {
        let mut goods = left.clone();
        join(&mut goods, &self.ever_marked);
        goods
    }

    /// What left a warehouse, and what staff shipped as far as it stands.
    pub(super) fn in_all(&self, left: &Goods) -> Goods {
        let mut goods = left.clone();
        join(&mut goods, &self.by_others());
        goods
    }

    /// Nothing is left to ship.
    pub(super) fn all_in(&self, left: &Goods) -> bool {
        self.goods
            .iter()
            .all(|(code, n)| left.get(code).copied().unwrap_or(0) >= *n)
    }
}

fn goods_on_many_lines(lines: &[(String, u32)]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let codes = lines.iter().map(|(code, _)| code);
    codes.filter(|code| !seen.insert(*code)).cloned().collect()
}

/// What a customer wants, before any shop has it.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// Code and quantity; the same item may stand on two lines.
    lines: Vec<(String, u32)>,
    prices: BTreeMap<String, i64>,
    pub(super) pay: Pay,
    /// How the card may be captured, where the shop does not decide it.
    pub(super) card: CardTerms,
    pub(super) address: Party,
    pub(super) email: String,
    pub(super) remarks: String,
}

impl Wish {
    /// The lines, each with its price of one without tax.
    pub(super) fn priced(&self) -> Vec<(String, u32, String)> {
        let price = |code: &str| price_without_tax(self.pay, &self.prices, code);
        let lines = self.lines.iter();
        lines
            .map(|(code, quantity)| (code.clone(), *quantity, price(code)))
            .collect()
    }

    /// The price of the shipping without tax.
    pub(super) fn postage(&self) -> &'static str {
        if self.pay == Pay::Zero { "0" } else { "500" }
    }
}

/// The price of one without tax, as a shop wants it written.
fn price_without_tax(pay: Pay, prices: &BTreeMap<String, i64>, code: &str) -> String {
    let with_tax = match pay {
        Pay::Zero => 0,
        _ => prices.get(code).copied().unwrap_or(0),
    };
    (with_tax * 10 / 11).to_string()
}

/// Draws an order.
pub(super) fn draw(dice: &mut Dice, n: usize) -> (Wish, Placed) {
    let pay = *dice.pick(&[
        Pay::Card,
        Pay::Card,
        Pay::Card,
        Pay::Card,
        Pay::Bank,
        Pay::Prepaid,
        Pay::Zero,
    ]);
    let prices = BTreeMap::from([
        (ITEMS[0].to_owned(), 1_100),
        (ITEMS[1].to_owned(), 2_200),
        (ITEMS[2].to_owned(), 330),
        (UNKNOWN_ITEM.to_owned(), 880),
    ]);
    let mut lines: Vec<(String, u32)> = Vec::new();
    for _ in 0..*dice.pick(&[1, 1, 1, 2, 3]) {
        let code = if dice.percent(5) {
            UNKNOWN_ITEM
        } else {
            *dice.pick(&ITEMS)
        };
        lines.push((code.to_owned(), u32::try_from(dice.range(1..=3)).unwrap()));
    }
    let mut goods = Goods::new();
    for (code, quantity) in &lines {
        *goods.entry(code.clone()).or_default() += quantity;
    }
    let email = format!("c{n}@customer.example");
    let hours = *dice.pick(&[1, 20, 168, 168, 168, 168, 168, 168]);
    let new = Wish {
        prices: prices.clone(),
        pay,
        card: CardTerms {
            many: dice.percent(50),
            hold: std::time::Duration::from_secs(hours * 3_600),
        },
        address: Party {
            name: "山田 花子".into(),
            country: "JP".into(),
            postal_code: "100-0001".into(),
            region: "東京都".into(),
            city: "千代田区".into(),
            address1: "千代田1-1".into(),
            phone: "03-1234-5678".into(),
            ..Party::default()
        },
        email: email.clone(),
        remarks: if dice.percent(15) {
            "のし希望".to_owned()
        } else {
            String::new()
        },
        lines: lines.clone(),
    };
    let placed = Placed {
        shop: 0,
        account: "",
        id: String::new(),
        number: String::new(),
        email,
        pay,
        undecodable: false,
        most: goods.clone(),
        goods,
        acts: BTreeSet::new(),
        note_by_staff: false,
        by_staff_shipped: Vec::new(),
        by_hand: Goods::new(),
        completed_empty: false,
        moved: goods_on_many_lines(&lines),
        let_go: BTreeSet::new(),
        ever_marked: Goods::new(),
        prices,
        by_staff: 0,
        asked_back: 0,
        refunded_by_staff: false,
        void_wanted: false,
        dropped: false,
        paid: 0,
        deposits: 0,
        cancel_wanted: false,
        cancelled_there: false,
    };
    (new, placed)
}

impl Placed {
    /// The same, once a shop has named it.
    pub(super) fn named(self, shop: usize, account: &'static str, id: String) -> Self {
        let number = order_number(&AccountSlug::new(account), &ExternalId::new(id.clone()));
        Self {
            shop,
            account,
            id,
            number,
            ..self
        }
    }
}

//! What an order is worth, reckoned from what the customer bought and nothing else: whole yen, one tax
//! rate, and the demo's own arithmetic, so that a mistake in the program is not repeated by its judge.

use std::collections::BTreeMap;

/// A line as the customer bought it; a code stands once in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold {
    /// The item's code, the same in shop and warehouse.
    pub code: String,
    /// Pieces.
    pub quantity: u32,
    /// Yen for one, without tax.
    pub price: i64,
}

/// The goods and the postage of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basket {
    /// What was bought.
    pub lines: Vec<Sold>,
    /// Yen, without tax.
    pub postage: i64,
    /// Tax on everything, per cent.
    pub percent: i64,
    /// The shop rounds the tax of each line and of the postage; otherwise only that of the sum.
    pub by_line: bool,
}

/// Pieces by code.
pub type Goods = BTreeMap<String, u32>;

/// Whole yen from hundredths that are not negative, rounded half up.
fn yen(hundredths: i64) -> i64 {
    (hundredths + 50) / 100
}

impl Basket {
    /// Hundredths of a yen with tax.
    fn taxed(&self, net: i64) -> i64 {
        net * (100 + self.percent)
    }

    fn goods_net(line: &Sold) -> i64 {
        line.price * i64::from(line.quantity)
    }

    /// The lines with tax, each rounded.
    fn parts(&self) -> i64 {
        let lines = self.lines.iter();
        lines
            .map(|line| yen(self.taxed(Self::goods_net(line))))
            .sum()
    }

    /// The whole order with tax: the exact sum, rounded once, or the sum of what the shop has rounded.
    #[must_use]
    pub fn total(&self) -> i64 {
        if self.by_line {
            return self.parts() + yen(self.taxed(self.postage));
        }
        let goods: i64 = self.lines.iter().map(Self::goods_net).sum();
        yen(self.taxed(goods + self.postage))
    }

    /// True once every piece has left.
    #[must_use]
    pub fn all_in(&self, shipped: &Goods) -> bool {
        self.lines
            .iter()
            .all(|line| shipped.get(&line.code).copied().unwrap_or(0) >= line.quantity)
    }

    /// What is due once these goods have left. Goods in proportion; postage, and what rounding the lines
    /// one by one has moved, with the first piece.
    #[must_use]
    pub fn due(&self, shipped: &Goods) -> i64 {
        let left = |line: &Sold| {
            shipped
                .get(&line.code)
                .copied()
                .unwrap_or(0)
                .min(line.quantity)
        };
        if self.lines.iter().all(|line| left(line) == 0) {
            return 0;
        }
        let gross = |net: i64| yen(self.taxed(net));
        let moved = self.total() - self.parts() - gross(self.postage);
        let goods: i64 = self
            .lines
            .iter()
            .map(|line| share(gross(Self::goods_net(line)), left(line), line.quantity))
            .sum();
        (goods + gross(self.postage) + moved).clamp(0, self.total())
    }
}

/// `amount × part / whole`, rounded half up; `whole` is at least 1.
fn share(amount: i64, part: u32, whole: u32) -> i64 {
    let (part, whole) = (i64::from(part), i64::from(whole.max(1)));
    (2 * amount * part + whole) / (2 * whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sold(code: &str, quantity: u32, price: i64) -> Sold {
        Sold {
            code: code.to_owned(),
            quantity,
            price,
        }
    }

    fn goods(rows: &[(&str, u32)]) -> Goods {
        rows.iter()
            .map(|(code, n)| ((*code).to_owned(), *n))
            .collect()
    }

    #[test]
    fn fees_and_rounding_are_due_with_the_first_piece_and_the_last_makes_it_whole() {
        // 535.68 + 535.68 + 0 postage: each rounds to 536, the sum to 1071.
        let basket = Basket {
            lines: vec![sold("A", 2, 248), sold("B", 1, 496)],
            postage: 0,
            percent: 8,
            by_line: false,
        };
        let rounded = Basket {
            by_line: true,
            ..basket.clone()
        };
        assert_eq!((basket.total(), rounded.total()), (1071, 1072));
        assert_eq!(rounded.due(&goods(&[("A", 1)])), 268);
        assert_eq!(rounded.due(&goods(&[("A", 2), ("B", 1)])), 1072);
        assert_eq!(basket.due(&goods(&[])), 0);
        assert_eq!(basket.due(&goods(&[("A", 1)])), 268 - 1);
        assert_eq!(basket.due(&goods(&[("A", 2)])), 536 - 1);
        assert_eq!(basket.due(&goods(&[("A", 2), ("B", 1)])), 1071);
        assert!(
            basket.all_in(&goods(&[("A", 2), ("B", 1)])) && !basket.all_in(&goods(&[("A", 2)]))
        );
    }

    #[test]
    fn postage_is_due_once() {
        let basket = Basket {
            lines: vec![sold("A", 3, 1000)],
            postage: 500,
            percent: 10,
            by_line: false,
        };
        assert_eq!(basket.total(), 3850);
        assert_eq!(basket.due(&goods(&[("A", 1)])), 1100 + 550);
        assert_eq!(basket.due(&goods(&[("A", 9)])), 3850);
    }
}

//! What a layout's choices mean, in words, a sentence each.

use super::incoming::{Absent, Bucket, Count, Exports, Quantities, Says, Shipped, Stock};
use super::model::Layout;

impl Layout {
    /// What the quantities of 出荷実績 and 在庫 mean.
    #[must_use]
    pub fn quantities_in_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(self.shipped.as_ref().map(shipped));
        words.extend(self.stock.iter().flat_map(stock));
        words
    }
}

fn shipped(of: &Shipped) -> String {
    let of_what = match Says::of(&of.columns) {
        Says::Lines => "line",
        Says::Codes => "code",
        Says::Whole => "",
    };
    let quantities = match of.quantities {
        Quantities::Total if of_what.is_empty() => {
            "a row covers all units of its shipment that are in no other parcel (whole)".to_owned()
        }
        Quantities::Total => {
            format!("a quantity replaces earlier reports for the same parcel and {of_what} (total)")
        }
        Quantities::Delta => format!(
            "a quantity is added to earlier reports for the same parcel and {of_what}, once per file with new content (delta)"
        ),
    };
    let exports = match of.exports {
        Exports::New => "a file contains what shipped since the previous file (new)",
        Exports::Cumulative => "later files of a day repeat the earlier ones (cumulative)",
    };
    format!("shipped: {quantities}; {exports}")
}

fn stock(of: &Stock) -> Vec<String> {
    let count = match of.count {
        Count::OnHand => {
            "a quantity is stock on hand, including instructed units that have not shipped (on-hand)"
        }
        Count::Free => "a quantity excludes instructed units that have not shipped (free)",
    };
    let absent = match of.absent {
        Absent::Unknown => "an item missing from a file keeps its last count (unknown)",
        Absent::Zero => {
            "an item missing from a file has no stock at the locations in that file (zero)"
        }
    };
    let mut words = vec![format!("stock: {count}; {absent}")];
    if !of.quality.is_empty() {
        let with = |bucket: Bucket| {
            let words = of.quality.iter().filter(|(_, of)| **of == bucket);
            words
                .map(|(word, _)| word.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let rest = [
            (Bucket::Damaged, "damaged"),
            (Bucket::Held, "held"),
            (Bucket::Other, "other"),
        ];
        let rest = rest.map(|(bucket, name)| (with(bucket), name));
        let rest = rest.iter().filter(|(words, _)| !words.is_empty());
        let rest: Vec<String> = rest
            .map(|(words, name)| format!("{words} ({name})"))
            .collect();
        let not = if rest.is_empty() {
            String::new()
        } else {
            format!(", {} do not", rest.join(", "))
        };
        words.push(format!(
            "stock: goods of quality {} count{not}; a row with any other word goes to quarantine",
            with(Bucket::Sellable)
        ));
    }
    words
}

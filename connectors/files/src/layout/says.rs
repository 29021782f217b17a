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
            "a row is everything of its shipment that is in no other parcel (whole)".to_owned()
        }
        Quantities::Total => format!(
            "a quantity stands instead of what earlier files told of its parcel and {of_what} (total)"
        ),
        Quantities::Delta => format!(
            "a quantity is added to what earlier files told of its parcel and {of_what}, by each file with new content (delta)"
        ),
    };
    let exports = match of.exports {
        Exports::New => "a file holds what left since the one before (new)",
        Exports::Cumulative => "later files of a day repeat the earlier ones (cumulative)",
    };
    format!("shipped: {quantities}; {exports}")
}

fn stock(of: &Stock) -> Vec<String> {
    let count = match of.count {
        Count::OnHand => {
            "a quantity is what lies on the shelf, instructed and not yet shipped included (on-hand)"
        }
        Count::Free => {
            "from a quantity what is instructed and not yet shipped is taken off already (free)"
        }
    };
    let absent = match of.absent {
        Absent::Unknown => {
            "an item that a file does not name is as it was counted before (unknown)"
        }
        Absent::Zero => {
            "an item that a file does not name is gone from the places that the file names (zero)"
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
            "stock: goods of quality {} count{not}; a row with any other word is bad",
            with(Bucket::Sellable)
        ));
    }
    words
}

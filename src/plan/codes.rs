//! Which item a row of a report means: the line that it names and the code beside it must agree.

use unicode_normalization::UnicodeNormalization as _;

use super::types::OrderInput;
use crate::facts::ShipmentFact;

/// A code in one width and one case, without blanks around it.
fn plain(code: &str) -> String {
    let narrow: String = code.nfkc().flat_map(char::to_uppercase).collect();
    narrow.trim().to_owned()
}

/// The code of a row certainly means another item than the line it names. A code that nobody knows does not.
pub(super) fn other_item(input: &OrderInput, shipment: &ShipmentFact, n: u32, code: &str) -> bool {
    let Some(line) = shipment.lines.iter().find(|line| line.n == n) else {
        return false;
    };
    let code = plain(code);
    let known = input.codes.iter();
    let mut means = known
        .filter(|((account, known), _)| *account == shipment.account && plain(known) == code)
        .map(|(_, item)| *item)
        .peekable();
    means.peek().is_some() && means.all(|item| item != line.item_id)
}

/// The warehouse's code that a line was instructed by, where it is known.
pub(super) fn instructed_as<'a>(
    input: &'a OrderInput,
    shipment: &ShipmentFact,
    n: u32,
) -> Option<&'a str> {
    let line = shipment.lines.iter().find(|line| line.n == n)?;
    let mut known = input.codes.iter();
    let is = |(account, item): (&hikiate_sdk::AccountSlug, i64)| {
        *account == shipment.account && item == line.item_id
    };
    let ((_, code), _) = known.find(|((account, _), item)| is((account, **item)))?;
    Some(code)
}

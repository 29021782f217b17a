//! Which item a row of a report means: the line that it names and the code beside it must agree.

use unicode_normalization::UnicodeNormalization as _;

use super::fold::Reading;
use super::shipment::Shipment;
use super::types::OrderInput;

/// A code in one width and one case, without blanks around it.
fn plain(code: &str) -> String {
    let narrow: String = code.nfkc().flat_map(char::to_uppercase).collect();
    narrow.trim().to_owned()
}

/// How many items one of a code is, in a row that names a line; `None` where the code is not that line's. Instructions name
/// a code of one item. Which one those of older versions named is not known: then a code that nobody knows is no contradiction.
pub(super) fn items_of_code(
    input: &OrderInput,
    readings: &[Reading<'_>],
    shipment: &Shipment<'_>,
    n: u32,
    code: &str,
) -> Option<u32> {
    let Some(line) = shipment.fact.lines.iter().find(|line| line.n == n) else {
        return Some(1);
    };
    let code = plain(code);
    let instructed = shipment.code_of(n);
    if instructed.is_some_and(|own| plain(own) == code) {
        return Some(1);
    }
    let account = &shipment.fact.account;
    let known = input.codes.iter();
    let mut means = known
        .filter(|((at, known), _)| at == account && plain(known) == code)
        .map(|(_, item)| item)
        .peekable();
    if means.peek().is_some() {
        let own = means.find(|item| item.item_id == line.item_id)?;
        return Some(own.multiplier.max(1));
    }
    let mut ordered = readings
        .iter()
        .flat_map(|reading| &reading.fact.order.lines);
    let by_channel = ordered.any(|ordered| {
        let sku = ordered.sku.as_deref();
        ordered.key == line.line && sku.is_some_and(|sku| plain(sku) == code)
    });
    (by_channel || instructed.is_none()).then_some(1)
}

/// The warehouse's code that a line was instructed by, where it is known.
pub(super) fn instructed_as<'a>(
    input: &'a OrderInput,
    shipment: &Shipment<'a>,
    n: u32,
) -> Option<&'a str> {
    let line = shipment.fact.lines.iter().find(|line| line.n == n)?;
    let mut known = input.codes.iter();
    let listed = known.find(|((account, _), item)| {
        *account == shipment.fact.account && item.item_id == line.item_id
    });
    let listed = listed.map(|((_, code), _)| code.as_str());
    shipment.code_of(n).or(listed)
}

/// The warehouse's list has this code.
pub(super) fn is_listed(input: &OrderInput, shipment: &Shipment<'_>, code: &str) -> bool {
    let code = plain(code);
    let mut known = input.codes.keys();
    known.any(|(account, known)| *account == shipment.fact.account && plain(known) == code)
}

//! Amounts, currencies and spans of time as text.

use hikiate_sdk::{Currency, Decimal, duration, to_minor};

/// Any text, as each of them.
pub(super) fn amounts(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let currency: Currency = text.parse().unwrap_or(Currency::EUR);
    for currency in [currency, Currency::JPY] {
        if let Ok(minor) = to_minor(text, currency) {
            let again = to_minor(&currency.format(minor), currency);
            assert_eq!(again.ok(), Some(minor), "{text:?} in {currency}");
        }
    }
    if let Ok(decimal) = text.parse::<Decimal>() {
        let _any = decimal.checked_add(decimal);
        let _any = decimal.to_basis_points();
        if let Ok((minor, exact)) = decimal.to_minor(Currency::EUR)
            && exact
        {
            let _any = Currency::EUR.format(minor);
        }
    }
    let _any = duration::parse(text);
}

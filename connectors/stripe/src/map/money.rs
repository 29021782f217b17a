//! Stripe's integers.

use hikiate_sdk::{Currency, MinorUnit, MinorUnits, MoneyError};

const fn unit(code: [u8; 3], digits: u32, step: i64) -> MinorUnit {
    MinorUnit {
        currency: Currency::of(code),
        digits,
        step,
    }
}

/// Where they are not as ISO 4217 has them (docs.stripe.com/currencies): króna and Uganda shilling have no minor unit any more
/// and are still written with two digits, both 0; the ariary has none at Stripe; the last of three digits is always 0.
pub(crate) const UNITS: MinorUnits = MinorUnits(&[
    unit(*b"ISK", 2, 100),
    unit(*b"UGX", 2, 100),
    unit(*b"MGA", 0, 1),
    unit(*b"BHD", 3, 10),
    unit(*b"JOD", 3, 10),
    unit(*b"KWD", 3, 10),
    unit(*b"OMR", 3, 10),
    unit(*b"TND", 3, 10),
]);

/// Why an amount cannot be written, and what to do.
pub(crate) fn not_expressible(amount: i64, currency: Currency, error: &MoneyError) -> String {
    let text = format!("amount: {} {currency}", currency.format(amount));
    match error {
        MoneyError::Fraction(_) if currency.exponent() == 3 => {
            let down = amount - amount.rem_euclid(10);
            format!(
                "{text} cannot be sent: Stripe takes {currency} in steps of ten ({} or {}); choose one of them",
                currency.format(down),
                currency.format(down.saturating_add(10))
            )
        }
        MoneyError::Fraction(_) => {
            format!("{text} cannot be sent: Stripe takes {currency} without a fraction")
        }
        _ => format!("{text} cannot be sent: {error}"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn amounts_are_written_as_stripe_has_them_or_refused() {
        let of = |code: &str| code.parse::<Currency>().unwrap();
        for (code, minor, stripe) in [
            ("JPY", 5046, 5046),
            ("EUR", 5046, 5046),
            ("KWD", 5120, 5120),
            ("ISK", 5, 500),
            ("UGX", 5, 500),
            ("MGA", 500, 5),
        ] {
            assert_eq!(UNITS.write(minor, of(code)), Ok(stripe), "{code}");
            assert_eq!(UNITS.read(stripe, of(code)), Ok(minor), "{code}");
        }
        for (code, minor, words) in [
            ("KWD", 5124, "in steps of ten (5.120 or 5.130)"),
            ("MGA", 501, "without a fraction"),
        ] {
            let error = UNITS.write(minor, of(code)).unwrap_err();
            let said = not_expressible(minor, of(code), &error);
            assert!(said.contains(words), "{said}");
        }
        assert!(UNITS.read(550, of("ISK")).is_err(), "half a króna");
    }
}

//! Whether an order is paid to the carrier (代引). No method of ours is that, and a channel says so in its own words only.

use hikiate_sdk::{ChargeKind, OrderSnapshot};

/// What ways of paying and of shipping are called that are paid on delivery, without blanks and marks.
const CALLED: [&str; 6] = [
    "代引",
    "代金引換",
    "代金引き換え",
    "cashondelivery",
    "daibiki",
    "nachnahme",
];

/// The order has a charge for cash on delivery, or its way of paying or of shipping is called that.
pub(crate) fn paid_on_delivery(order: &OrderSnapshot) -> bool {
    let mut charges = order.charges.iter();
    let mut tenders = order.tenders.iter().filter(|tender| !tender.cancelled);
    let mut groups = order.groups.iter();
    charges.any(|charge| charge.kind == ChargeKind::CodFee && charge.gross != Some(0))
        || tenders.any(|tender| is_called_so(&tender.gateway))
        || groups.any(|group| group.service.as_deref().is_some_and(is_called_so))
}

fn is_called_so(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut words = name.split(|c: char| !c.is_alphanumeric());
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    words.any(|word| word == "cod") || CALLED.iter().any(|called| plain.contains(called))
}

#[cfg(test)]
mod tests {
    use super::is_called_so;

    #[test]
    fn names_of_cash_on_delivery_are_known() {
        for name in [
            "cod",
            "pp_cod_cod",
            "COD",
            "cash-on-delivery",
            "Cash on Delivery",
            "代引き",
            "宅急便（代金引換）",
            "yamato_daibiki",
        ] {
            assert!(is_called_so(name), "{name}");
        }
        for name in [
            "card",
            "code39",
            "codabar-pay",
            "bank_transfer",
            "宅急便",
            "",
        ] {
            assert!(!is_called_so(name), "{name}");
        }
    }
}

//! Whether an order is paid to the carrier (代引). No method of ours is that, and a channel says so in its own words only.

use hikiate_sdk::{ChargeKind, OrderSnapshot};
use unicode_normalization::UnicodeNormalization as _;

/// What ways of paying and of shipping are called that are paid on delivery, in one width and case, without blanks and
/// marks; 宅急便コレクト and コレクト便 are Yamato's.
const CALLED: [&str; 10] = [
    "代引",
    "代金引換",
    "代金引き換え",
    "代金引替",
    "代金引き替え",
    "宅急便コレクト",
    "コレクト便",
    "cashondelivery",
    "daibiki",
    "nachnahme",
];

/// What is called after it because it cannot be paid so.
const REFUSED: [&str; 8] = [
    "代引不可",
    "代引き不可",
    "代引ng",
    "代引きng",
    "代引対象外",
    "代引き対象外",
    "代引利用不可",
    "代引き利用不可",
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
    let name: String = name.nfkc().flat_map(char::to_lowercase).collect();
    let mut words = name.split(|c: char| !c.is_alphanumeric());
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    if REFUSED.iter().any(|refused| plain.contains(refused)) {
        return false;
    }
    words.any(|word| word == "cod")
        || plain == "cod"
        || CALLED.iter().any(|called| plain.contains(called))
        || is_e_collect(&name)
}

/// What Sagawa calls it, e-コレクト. The letter stands by itself: whoever lets people collect what they ordered (クリック＆
/// コレクト, Click & Collect) is paid before.
fn is_e_collect(name: &str) -> bool {
    name.match_indices("コレクト").any(|(at, _)| {
        let before = name.get(..at).unwrap_or_default();
        let before = before.trim_end_matches(|c: char| !c.is_alphanumeric());
        let letter = before.strip_suffix('e');
        letter.is_some_and(|rest| !rest.ends_with(|c: char| c.is_ascii_alphanumeric()))
    })
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
            "代金引替",
            "代引",
            "ＣＯＤ",
            "C.O.D.",
            "宅急便コレクト",
            "宅急便 ｺﾚｸﾄ",
            "ヤマト運輸 コレクト便",
            "e-コレクト",
            "eコレクト",
            "ｅ－コレクト（佐川急便）",
            "佐川急便Eコレクト",
        ] {
            assert!(is_called_so(name), "{name}");
        }
        for name in [
            "card",
            "code39",
            "codabar-pay",
            "bank_transfer",
            "宅急便",
            "Click & Collect",
            "click_collect",
            "クリック＆コレクト",
            "Store コレクト",
            "codename",
            "encoded",
            "ネコポス（代引不可）",
            "クリックポスト (代引き不可)",
            "メール便・代引NG",
            "",
        ] {
            assert!(!is_called_so(name), "{name}");
        }
    }
}

//! Whether an order is paid to the carrier (代引): by its method, or by what its channel calls it where that is mapped otherwise.

use hikiate_sdk::{ChargeKind, Cod, OrderSnapshot};
use unicode_normalization::UnicodeNormalization as _;

use super::asks::cod_of;
use super::view::View;
use crate::policy::PaymentMethod;

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

impl View<'_> {
    /// What the carrier is to collect.
    pub(crate) fn cod(&self) -> Option<Cod> {
        self.cod_in(self.order)
    }

    /// What it was to collect by a reading of the order.
    pub(crate) fn cod_in(&self, order: &OrderSnapshot) -> Option<Cod> {
        let route = |gateway: &str| self.channel.payments.get(gateway);
        cod_of(order, |gateway| {
            route(gateway).is_some_and(|route| route.method == PaymentMethod::Cod)
        })
    }
}

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

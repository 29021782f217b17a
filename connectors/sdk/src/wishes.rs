//! What a buyer asks of a delivery beyond its address: date, slot, temperature, sender, gift, cash on delivery.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Currency, Party};

/// What is asked of the delivery of a group, as the channel shows it. Words and names that are personal are in
/// [`crate::Personal`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wishes {
    /// The day of delivery (配達希望日).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrive_on: Option<NaiveDate>,
    /// The time of day (時間帯) by the channel's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// How it is carried; `None` where the channel does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Temperature>,
    /// Another sender than the shop is named; who, is in [`crate::Personal::senders`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sender: bool,
    /// A wrapping, a noshi or a message is asked for; which, is in [`crate::Personal::gifts`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gift: bool,
    /// What the channel shows but cannot be parsed; it holds the order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadWish>,
}

impl Wishes {
    /// Nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A field of an order that is filled with something that is no value of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadWish {
    /// The field, by its name in the account's configuration.
    pub field: String,
    /// What is wrong with it and what would be right, without the text itself.
    pub why: String,
}

/// How goods are carried.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Temperature {
    /// 常温.
    Ambient,
    /// 冷蔵.
    Chilled,
    /// 冷凍.
    Frozen,
}

impl Temperature {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ambient => "ambient",
            Self::Chilled => "chilled",
            Self::Frozen => "frozen",
        }
    }

    /// From our word or the Japanese one.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        match word.trim() {
            "ambient" | "常温" => Some(Self::Ambient),
            "chilled" | "冷蔵" => Some(Self::Chilled),
            "frozen" | "冷凍" => Some(Self::Frozen),
            _ => None,
        }
    }
}

/// What makes a gift of a delivery. Empty means not asked for; all of it is personal.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gift {
    /// Kind of noshi (のし), for example 内祝.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub noshi: String,
    /// The name on it (名入れ).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub noshi_name: String,
    /// The wrapping.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub wrapping: String,
    /// The card's words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Gift {
    /// Nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Debug for Gift {
    /// Never shows what somebody wrote.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gift").finish_non_exhaustive()
    }
}

/// What customs ask of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Customs {
    /// Its code in the Harmonised System, digits alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hs_code: Option<String>,
    /// Where it was made, ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Its value, minor units of the order's currency for one; `None` where its price is its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
}

impl Customs {
    /// Nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What an instruction asks of its shipment beyond goods and address. The default asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asks {
    /// See [`Wishes::arrive_on`].
    pub arrive_on: Option<NaiveDate>,
    /// The time of day, by the warehouse's word where the configuration maps it.
    pub slot: Option<String>,
    /// See [`Wishes::temperature`].
    pub temperature: Option<Temperature>,
    /// Who is named as its sender in place of the shop.
    pub sender: Option<Party>,
    /// See [`Gift`].
    pub gift: Gift,
    /// What the carrier collects.
    pub cod: Option<Cod>,
    /// Amounts for the slip; `None` where the channel has not fixed them.
    pub prices: Option<SlipPrices>,
}

/// Cash on delivery (代引), in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cod {
    /// The order's.
    pub currency: Currency,
    /// What is to be collected, tax included.
    pub amount: i64,
    /// The tax in it; `None` where it is not stated for the whole of it.
    pub tax: Option<i64>,
}

/// Amounts of an order for its slip, tax included, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlipPrices {
    /// The currency.
    pub currency: Currency,
    /// Goods, before reductions.
    pub goods: i64,
    /// 送料.
    pub postage: i64,
    /// Fees for the way of paying, wrapping and the like.
    pub fees: i64,
    /// Discounts and coupons; zero or less.
    pub discount: i64,
    /// All of it.
    pub total: i64,
}

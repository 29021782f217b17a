//! What an order may ask of a shipment, and a layout may write.

use serde::Deserialize;

/// One such thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// The day of delivery.
    ArriveOn,
    /// The time of day.
    Slot,
    /// Chilled or frozen.
    Temperature,
    /// Another sender than the shop.
    Sender,
    /// The kind of noshi.
    Noshi,
    /// The name on it.
    NoshiName,
    /// The wrapping.
    Wrapping,
    /// The card's words.
    Message,
    /// Cash on delivery.
    Cod,
}

impl Ask {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::ArriveOn,
        Self::Slot,
        Self::Temperature,
        Self::Sender,
        Self::Noshi,
        Self::NoshiName,
        Self::Wrapping,
        Self::Message,
        Self::Cod,
    ];

    /// In words, and the value of a row that writes it.
    #[must_use]
    pub fn says(self) -> (&'static str, &'static str) {
        match self {
            Self::ArriveOn => ("a delivery date", "row.arrive_on"),
            Self::Slot => ("a time of day", "row.slot"),
            Self::Temperature => ("a chilled or frozen parcel", "row.temperature"),
            Self::Sender => ("another sender", "row.sender.name"),
            Self::Noshi => ("a noshi", "row.gift.noshi"),
            Self::NoshiName => ("a name on the noshi", "row.gift.noshi_name"),
            Self::Wrapping => ("a wrapping", "row.gift.wrapping"),
            Self::Message => ("a gift message", "row.gift.message"),
            Self::Cod => ("cash on delivery", "row.cod_amount"),
        }
    }
}

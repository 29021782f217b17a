//! Newtypes for the names that cross a boundary. Internal row ids never do.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

text_id!(
    /// The name of an account in the configuration (`[accounts.NAME]`); never reused.
    AccountSlug
);
text_id!(
    /// An external system's own id for something, unique per account and kind.
    ExternalId
);
text_id!(
    /// An external system's id of an order line; lines are never matched by SKU.
    LineKey
);
text_id!(
    /// An external system's id of a delivery group (one ship-to); `"1"` where the external system has no groups.
    GroupKey
);
text_id!(
    /// Our reference of a shipment, for example `HK0123456789ABC-S1`; at most 20 characters, stable over retries.
    ShipmentReference
);

//! The TOML as serde types; values with a syntax of their own (times, zones, lengths) are still text here.

mod channel;
mod instance;
mod policy;
mod warehouse;

pub use channel::{BeginWord, ChannelTable, PaymentTable};
pub use instance::{
    DatabaseTable, EngineTable, HooksTable, HttpTable, LogTable, RetentionTable, ShopTable,
};
pub use policy::{
    BookingTable, CatalogueTable, CloseTable, DeliveryTable, HoldTable, MailTable, Mapping,
    NoticeTable, PaymentsTable, TitlesTable,
};
pub use warehouse::{AllocationTable, DispatchMode, DispatchTable, WarehouseTable};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// The whole file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The merchant.
    pub shop: ShopTable,
    /// Where state is kept.
    pub database: DatabaseTable,
    /// Logging.
    pub log: LogTable,
    /// Health and metrics.
    pub http: HttpTable,
    /// Sizes and times of the loops.
    pub engine: EngineTable,
    /// How long names and addresses are kept.
    pub retention: RetentionTable,
    /// External systems; each table has `connector` and that connector's own keys.
    #[serde(default)]
    pub accounts: BTreeMap<String, AccountTable>,
    /// What is done with the orders of an account; the name is the account's.
    #[serde(default)]
    pub channels: BTreeMap<String, ChannelTable>,
    /// Places goods leave from.
    #[serde(default)]
    pub warehouses: BTreeMap<String, WarehouseTable>,
    /// How stock is given out.
    pub allocation: AllocationTable,
    /// What counts as paid.
    pub payments: PaymentsTable,
    /// How codes become items.
    pub catalogue: CatalogueTable,
    /// When a parcel counts as delivered.
    pub delivery: DeliveryTable,
    /// What channels and customers are told of what shipped.
    pub notice: NoticeTable,
    /// Mails to customers.
    pub mail: MailTable,
    /// Rules that hold an order.
    #[serde(default)]
    pub hold: Vec<HoldTable>,
    /// Revenue and the journal.
    #[serde(default)]
    pub booking: Option<BookingTable>,
}

/// An account: `connector` beside the connector's own keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct AccountTable {
    /// The kind of external system.
    pub connector: String,
}

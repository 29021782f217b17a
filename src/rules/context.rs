//! What a hold rule can see. Its field table (by `schemars`) is what `hikiate check` holds expressions
//! against, so a new field here is a new name in rules. It is also a new field under hashes that releases rest on:
//! it goes into [`ADDED`].

use schemars::JsonSchema;
use serde::Serialize;

/// A field that the first version did not have.
#[derive(Clone, Copy, Debug)]
pub struct Added {
    /// The version that brought it, from 2.
    pub version: u32,
    /// From the top, without numbers of elements: `order.tags`, `lines.gift`.
    pub path: &'static str,
}

/// Every field that came after the first version.
pub const ADDED: &[Added] = &[];

/// The variables of a rule: `order`, `lines`, and `group` for each delivery group in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RuleContext {
    /// The order.
    pub order: RuleOrder,
    /// Its lines.
    pub lines: Vec<RuleLine>,
    /// Its delivery groups; a rule that names `group` holds when it is true for one of them.
    pub groups: Vec<RuleGroup>,
}

/// An amount in a rule: minor units at run time, a type of its own for the checker; compare it with
/// `yen(100000)` or `money("EUR", "1000.00")`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RuleMoney(pub i64);

/// `order`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RuleOrder {
    /// The channel's account name.
    pub channel: String,
    /// ISO 4217.
    pub currency: String,
    /// The channel's total; a rule that needs it while it is unknown waits as held.
    pub total: Option<RuleMoney>,
    /// What the customer wrote; empty once purged.
    pub remarks: String,
    /// Payment.
    pub payment: RulePayment,
    /// The buyer's mail address looks like one.
    pub buyer_mail: bool,
}

/// `order.payment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RulePayment {
    /// The only tender's method, `mixed`, `zero` or `unknown`.
    pub method: String,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RuleLine {
    /// The channel's code; empty when it told none.
    pub sku: String,
    /// What the customer reads.
    pub title: String,
    /// Ordered.
    pub qty: i64,
    /// Tax included.
    pub unit_price: Option<RuleMoney>,
    /// An item of ours is behind the code.
    pub mapped: bool,
}

/// A delivery group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RuleGroup {
    /// The way of shipping by the channel's name.
    pub service: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// 都道府県, state.
    pub region: String,
    /// First three characters of the postal code.
    pub postal_prefix: String,
    /// The address has all it needs.
    pub address_complete: bool,
    /// At least nine digits.
    pub phone_ok: bool,
    /// The receiver is not the buyer.
    pub receiver_differs: bool,
}

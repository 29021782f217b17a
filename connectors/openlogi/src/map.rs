//! From OPENLOGI's shipments and items to the SDK's types, and back. Pure.

pub(crate) mod address;
pub(crate) mod instruction;
pub(crate) mod shipment;
pub(crate) mod stock;

#[cfg(test)]
mod tests;

//! The `fields=` of each request: what the wire types read, and nothing else.

/// `fields=` of an order: everything [`crate::wire::Order`] reads, in one call.
pub(crate) const ORDER_FIELDS: &str = "id,display_id,status,email,currency_code,created_at,updated_at,canceled_at,is_draft_order,\
sales_channel_id,total,credit_line_total,metadata,items.id,items.title,items.subtitle,items.variant_sku,items.requires_shipping,items.metadata,items.quantity,\
items.total,items.tax_total,items.detail.quantity,items.tax_lines.rate,shipping_methods.id,\
shipping_methods.name,shipping_methods.total,shipping_methods.tax_total,shipping_methods.tax_lines.rate,*shipping_address,\
*billing_address,payment_collections.id,payment_collections.status,payment_collections.amount,\
payment_collections.payment_sessions.provider_id,payment_collections.payment_sessions.status,payment_collections.payments.id,\
payment_collections.payments.provider_id,payment_collections.payments.amount,payment_collections.payments.canceled_at,\
payment_collections.payments.captures.id,payment_collections.payments.captures.amount,\
payment_collections.payments.refunds.id,payment_collections.payments.refunds.amount,\
payment_collections.payments.refunds.created_at,fulfillments.id,fulfillments.metadata,fulfillments.location_id,\
fulfillments.shipped_at,fulfillments.canceled_at,fulfillments.items.line_item_id,fulfillments.items.quantity,fulfillments.labels.tracking_number";

/// `fields=` of an order read before or after a write: [`crate::wire::OrderBrief`].
pub(crate) const BRIEF_FIELDS: &str = "id,status,canceled_at,metadata,items.id,items.detail.quantity,items.detail.fulfilled_quantity,fulfillments.id,\
fulfillments.metadata,fulfillments.shipped_at,fulfillments.canceled_at,fulfillments.items.line_item_id,\
fulfillments.items.quantity,fulfillments.labels.tracking_number";

/// `fields=` of a payment: [`crate::wire::Payment`].
pub(crate) const PAYMENT_FIELDS: &str = "id,provider_id,amount,canceled_at,captures.id,captures.amount,refunds.id,refunds.amount,refunds.note";

/// `fields=` of an inventory item: [`crate::wire::InventoryItem`].
pub(crate) const INVENTORY_FIELDS: &str =
    "id,sku,location_levels.location_id,location_levels.stocked_quantity";

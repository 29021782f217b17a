//! The code of what was sold. The shop tells a variation without a SKU of its own by its product's, which several may share.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::{Line, Stamp};

/// SKUs of products by their ids, as far as they are known; `None` is a product without one.
pub(crate) type Parents = BTreeMap<u64, Option<String>>;

/// The products whose variations an order has: their SKUs have to be known.
pub(crate) fn parents_of(stamp: &Stamp) -> BTreeSet<u64> {
    let lines = stamp.line_items.as_array().into_iter().flatten();
    let parents = lines.filter_map(|line| {
        let id = |name: &str| line.get(name)?.as_u64().filter(|id| *id > 0);
        id("variation_id").and_then(|_| id("product_id"))
    });
    parents.collect()
}

/// The SKU of a line. A variation with its product's, or whose product is not known, gets a code that names the variation beside it:
/// no item has such a code unless somebody maps it, so the order is held as unmapped and tells why.
pub(super) fn of(line: &Line, parents: &Parents) -> Option<String> {
    let sku = line.sku.clone()?;
    let Some(variation) = line.variation_id else {
        return Some(sku);
    };
    let parent = line.product_id.and_then(|product| parents.get(&product));
    let own = parent.is_some_and(|parent| parent.as_deref() != Some(&sku));
    Some(if own {
        sku
    } else {
        format!("{sku} (variation {variation} without its own SKU)")
    })
}

//! The SKUs of the products whose variations orders have: without them, a variation's own is not told from its product's.

use std::collections::{BTreeMap, BTreeSet};

use hikiate_sdk::{Error, ErrorClass, same_object};

use super::pull::is_of_one;
use super::{API, WooCommerce};
use crate::map::Parents;
use crate::wire::ProductCode;

/// Products whose SKUs are asked for in one call.
const PARENTS: usize = 100;
/// What an order needs of a product.
const CODE_FIELDS: &str = "_fields=id,sku";

/// What the shop tells of the products of a page of orders.
#[derive(Default)]
pub(super) struct Products {
    skus: Parents,
    /// Why one cannot be read, although the shop tells others.
    unread: BTreeMap<u64, String>,
}

impl Products {
    /// The SKUs of these.
    pub(super) fn skus(&self, own: &BTreeSet<u64>) -> BTreeMap<u64, Option<&str>> {
        let own = self.skus.iter().filter(|(id, _)| own.contains(id));
        own.map(|(id, sku)| (*id, sku.as_deref())).collect()
    }

    /// In words why one of these cannot be read.
    pub(super) fn unread(&self, own: &BTreeSet<u64>) -> Option<String> {
        let (id, why) = own.iter().find_map(|id| self.unread.get_key_value(id))?;
        Some(format!(
            "line_items: the SKU of product {id} cannot be read, so a line with a variation of it is not known: {why}"
        ))
    }
}

impl WooCommerce {
    /// The SKUs of products. A list leaves out the bin, so one that is missing there is asked for by itself; and where a list fails,
    /// its parts are asked for, until the product is found for which it does.
    pub(super) async fn parents(&self, ids: BTreeSet<u64>) -> Result<Products, Error> {
        let ids: Vec<u64> = ids.into_iter().collect();
        let mut told = Products::default();
        let mut parts: Vec<&[u64]> = ids.chunks(PARENTS).collect();
        let mut whole = true;
        while let Some(some) = parts.pop() {
            match self.codes_of(some).await {
                Ok(listed) => told.skus.extend(listed),
                Err(error) if is_of_one(&error) => {
                    if std::mem::take(&mut whole) {
                        self.newest().await?;
                    }
                    if some.len() > 1 {
                        parts.extend(<[_; 2]>::from(some.split_at(some.len() / 2)));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let missing: Vec<u64> = ids
            .into_iter()
            .filter(|id| !told.skus.contains_key(id))
            .collect();
        let mut failed = Vec::new();
        for id in missing {
            match self.code_of(id).await {
                Ok(product) => told.skus.extend(product),
                Err(error) if is_of_one(&error) => failed.push(id),
                Err(error) => return Err(error),
            }
        }
        if !failed.is_empty() {
            // If the shop still tells of orders, what fails once more is these products' own trouble.
            self.newest().await?;
        }
        for id in failed {
            match self.code_of(id).await {
                Ok(product) => told.skus.extend(product),
                Err(error) if is_of_one(&error) => drop(told.unread.insert(id, error.message)),
                Err(error) => return Err(error),
            }
        }
        Ok(told)
    }

    /// The SKUs of a list of products.
    async fn codes_of(&self, ids: &[u64]) -> Result<Parents, Error> {
        let named: Vec<String> = ids.iter().map(u64::to_string).collect();
        let path = format!(
            "{API}/products?{CODE_FIELDS}&include={}&per_page={}&orderby=id&order=asc",
            named.join("%2C"),
            ids.len()
        );
        let told: Vec<ProductCode> = self.get_as(path).await?;
        Ok(told.into_iter().map(|one| (one.id, one.sku)).collect())
    }

    /// The same of one by its id; `None` where the shop does not know it.
    pub(super) async fn code_of(&self, id: u64) -> Result<Option<(u64, Option<String>)>, Error> {
        let path = format!("{API}/products/{id}?{CODE_FIELDS}");
        match self.get_as::<ProductCode>(path).await {
            Ok(product) => {
                let label = format!("{API}/products/{id}");
                let (asked, told) = (id.to_string(), product.id.to_string());
                same_object(ErrorClass::Protocol, &label, &asked, &told)?;
                Ok(Some((product.id, product.sku)))
            }
            Err(error) if error.class == ErrorClass::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

//! Reading stock: a sweep over all products and the variations of variable ones.

use std::collections::{BTreeMap, BTreeSet};

use hikiate_sdk::cursor::stored_as;
use hikiate_sdk::{Error, ErrorClass, Page};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::pull::is_of_one;
use super::{API, List, WooCommerce};
use crate::map;
use crate::wire::ProductKind;

/// What the shop gives of variations in one call at the most.
const VARIATIONS: usize = 100;
/// Pages of the variations of one product: more than any has.
const MOST: usize = 100;
/// What a stock record needs of a product.
const STOCK_FIELDS: &str = "_fields=id,type,sku,manage_stock,stock_quantity";
/// So many products whose variations cannot be read are named.
const NAMED: usize = 20;

/// Products whose variations cannot be read, in words.
type Unread = BTreeMap<u64, String>;

/// Where a sweep over the products stands.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sweep {
    offset: usize,
    count: usize,
    /// Which sweep it is, since the stream began.
    n: u64,
    /// What this sweep could not read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unread: Unread,
    /// What the sweep before could not read and this one has not come to: a task lasts until a page without it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    before: Unread,
}

impl Sweep {
    /// After a page, which the next one begins behind; none ends the sweep.
    fn after(mut self, place: Option<(usize, usize)>) -> Self {
        match place {
            Some((offset, count)) => (self.offset, self.count) = (offset, count),
            None => {
                self = Self {
                    before: self.unread,
                    n: self.n.wrapping_add(1),
                    ..Self::default()
                }
            }
        }
        self
    }

    /// The variations of a product could be read, or why not.
    fn noting(&mut self, product: u64, unread: Option<String>) {
        self.before.remove(&product);
        self.unread.remove(&product);
        if let Some(why) = unread.filter(|_| self.unread.len() < NAMED) {
            self.unread.insert(product, why);
        }
    }

    fn waiting(&self) -> Vec<String> {
        self.unread
            .values()
            .chain(self.before.values())
            .cloned()
            .collect()
    }
}

impl WooCommerce {
    pub(super) async fn stock(&self, mut sweep: Sweep) -> Result<Page, Error> {
        let path = format!(
            "{API}/products?{STOCK_FIELDS}&orderby=id&order=asc&per_page={}&offset={}",
            self.settings.page_size, sweep.offset
        );
        let List { records, total } = self.list(path).await?;
        // Products deleted since the last page have moved the others forward.
        let gone = sweep.count.saturating_sub(total);
        let read = records.len();
        let offset = if gone > 0 {
            sweep.offset.saturating_sub(gone)
        } else {
            sweep.offset + read
        };
        let more = offset < total && (read > 0 || gone > 0);
        let mut told = Vec::with_capacity(read);
        for raw in records {
            let product: ProductKind = serde_json::from_str(raw.get()).unwrap_or_default();
            let sku = map::number(&product.sku);
            let variations = if product.r#type == "variable" {
                match self.variations(product.id).await? {
                    Ok(variations) => {
                        sweep.noting(product.id, None);
                        variations
                    }
                    // Whether one of them has its code is not known either, so it is not counted itself.
                    Err(why) => {
                        let why = unread(product.id, sku.as_deref(), &why);
                        sweep.noting(product.id, Some(why));
                        continue;
                    }
                }
            } else {
                Vec::new()
            };
            told.push((raw, None));
            let inherited = (product.id, sku);
            told.extend(
                variations
                    .into_iter()
                    .map(|raw| (raw, Some(inherited.clone()))),
            );
        }
        let mut codes = self.codes.lock().await;
        codes.begin(sweep.n);
        let id = |raw: &RawValue| map::stamp(raw.get()).id.as_u64();
        for (raw, _) in &told {
            if let Some((code, id)) = map::stock_code(raw.get()).zip(id(raw)) {
                codes.saw(&code, id);
            }
        }
        let records = told.iter().filter_map(|(raw, inherited)| {
            let code = map::stock_code(raw.get()).unwrap_or_default();
            let others = id(raw).map(|id| codes.others(&code, id));
            let mut others = others.unwrap_or_default();
            let parent = inherited
                .as_ref()
                .filter(|(_, sku)| sku.as_ref() == Some(&code));
            others.extend(parent.map(|(id, _)| *id));
            map::stock_record_of(raw.get(), &others)
        });
        let next = sweep.after(more.then_some((offset, total)));
        let mut page = Page::new(records.collect(), stored_as(&next)?, more);
        page.waiting = next.waiting();
        Ok(page)
    }

    /// The variations of a product; in words why they cannot be read, where that is this product's trouble alone: the shop tells
    /// the product itself, or orders, and still not the list. A product that is gone by now has none.
    async fn variations(&self, product: u64) -> Result<Result<Vec<Box<RawValue>>, String>, Error> {
        match self.all_variations(product).await {
            Err(error) if is_of_one(&error) => {}
            told => return told.map(Ok),
        }
        match self.code_of(product).await {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Ok(Vec::new())),
            Err(error) if is_of_one(&error) => {
                self.newest().await?;
            }
            Err(error) => return Err(error),
        }
        match self.all_variations(product).await {
            Err(error) if is_of_one(&error) => Ok(Err(error.message)),
            told => told.map(Ok),
        }
    }

    async fn all_variations(&self, product: u64) -> Result<Vec<Box<RawValue>>, Error> {
        let (mut told, mut known) = (Vec::new(), BTreeSet::new());
        for page in 1..=MOST {
            let path = format!(
                "{API}/products/{product}/variations?{STOCK_FIELDS}&orderby=id&order=asc&per_page={VARIATIONS}&page={page}"
            );
            let list = self.list(path).await?;
            let none = list.records.is_empty();
            let ids = list
                .records
                .iter()
                .map(|raw| map::stamp(raw.get()).id.as_u64());
            let new = ids.filter(|id| known.insert(*id)).count();
            if new == 0 && !none {
                let why = format!(
                    "{API}/products/{product}/variations: the shop returned variations again that it has told: it ignores page (a cache in front of it?)"
                );
                return Err(Error::new(ErrorClass::Protocol, why));
            }
            told.extend(list.records);
            // A plug-in may give fewer of them in a page than are asked for.
            if none || told.len() >= list.total {
                return Ok(told);
            }
        }
        let why = format!("{API}/products/{product}/variations: the shop's list does not end");
        Err(Error::new(ErrorClass::Protocol, why))
    }
}

/// In words that nothing is known of a product's stock.
fn unread(product: u64, sku: Option<&str>, why: &str) -> String {
    let sku = sku.filter(|sku| !sku.is_empty());
    let sku = sku.map_or_else(String::new, |sku| format!(" ({sku})"));
    format!(
        "the stock of product {product}{sku} and its variations is not counted, because its variations cannot be read: {why}; see to this product in the shop"
    )
}

//! What was placed, and what everybody remembers of it in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use hikiate_sdk::{AccountSlug, ExternalId};

use super::amounts::Goods;
use super::evidence::{Evidence, MailSeen, OrderSeen, ParcelSeen, ShipmentSeen};
use super::journal;
use super::orders::{Part, Wish};
use super::world::World;
use crate::number::order_number;
use crate::store::Store;
use crate::store::read::{OrderFilter, OrderRow};

/// An order that a shop has taken.
#[derive(Clone, Debug)]
pub struct Placed {
    /// What was wished for.
    pub wish: Wish,
    /// The shop's account.
    pub account: &'static str,
    /// The shop's id.
    pub id: String,
    /// Our number, which follows from the two.
    pub number: String,
}

/// Places an order.
pub fn place(world: &World, wish: &Wish) -> Placed {
    let shop = &world.shops[wish.shop.min(world.shops.len() - 1)];
    let id = shop.place(wish);
    let number = order_number(
        &AccountSlug::new(shop.account),
        &ExternalId::new(id.clone()),
    );
    if wish.part == Part::CancelLate {
        world.go_slow(&number);
    }
    Placed {
        wish: wish.clone(),
        account: shop.account,
        id,
        number,
    }
}

/// The orders in the database, by account and the shop's id.
///
/// # Errors
/// The database's.
pub async fn rows(
    store: &Store,
    most: usize,
) -> anyhow::Result<BTreeMap<(String, String), OrderRow>> {
    let filter = OrderFilter {
        limit: i64::try_from(most + 100)?,
        ..OrderFilter::default()
    };
    let rows = store.list_orders(&filter).await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.channel.clone(), row.external_id.clone()), row))
        .collect())
}

/// Gathers everything for the judge.
///
/// # Errors
/// The database's; books that cannot be read.
pub async fn gather(
    world: &World,
    store: &Store,
    placed: &[Placed],
    root: &Path,
) -> anyhow::Result<Evidence> {
    let rows = rows(store, placed.len()).await?;
    let quarantine: BTreeSet<(String, String)> = store
        .list_quarantine()
        .await?
        .into_iter()
        .filter_map(|row| Some((row.account, row.external_id?)))
        .collect();
    let mut evidence = Evidence {
        tasks: store.list_tasks().await?,
        troubles: world.troubles(),
        ..Evidence::default()
    };
    let mut known: BTreeMap<(String, String), &Placed> = placed
        .iter()
        .map(|p| ((p.account.to_owned(), p.id.clone()), p))
        .collect();
    for shop in &world.shops {
        for memory in shop.orders() {
            let key = (shop.account.to_owned(), memory.id.clone());
            let Some(order) = known.remove(&key) else {
                evidence.troubles.push(format!(
                    "{}/{} was not placed by the demo",
                    shop.account, memory.id
                ));
                continue;
            };
            evidence.orders.push(OrderSeen {
                account: shop.account.to_owned(),
                number: order.number.clone(),
                email: order.wish.email(),
                end: order.wish.end(),
                pay: order.wish.pay,
                capture: shop.capture,
                basket: order.wish.basket.clone(),
                shop: memory,
                status: rows.get(&key).map(|row| row.status.clone()),
                quarantined: quarantine.contains(&key),
            });
        }
    }
    evidence.troubles.extend(
        known
            .into_values()
            .map(|p| format!("{}/{} is gone from its shop", p.account, p.id)),
    );
    evidence.shipments = shipments(world);
    evidence.mails = mails(world);
    for (file, text) in books(root)? {
        match journal::read(&file, &text) {
            Ok(entries) => evidence.journal.extend(entries),
            Err(why) => evidence.troubles.push(why),
        }
    }
    Ok(evidence)
}

fn shipments(world: &World) -> Vec<ShipmentSeen> {
    let mut seen = Vec::new();
    for warehouse in &world.warehouses {
        let files = warehouse.sim.instructions();
        let mut shipped = warehouse.sim.shipped();
        for (reference, told) in warehouse.sim.shipments() {
            let mut parcels = Vec::new();
            for parcel in shipped.remove(&reference).unwrap_or_default() {
                let mut goods = Goods::new();
                for line in parcel.lines {
                    *goods.entry(line.code).or_default() += line.quantity;
                }
                parcels.push(ParcelSeen {
                    tracking: parcel.tracking,
                    shipped_at: parcel.shipped_at,
                    goods,
                });
            }
            let files = files.get(&reference).copied().unwrap_or_default();
            seen.push(ShipmentSeen {
                reference,
                order_number: told.order_number,
                told: files,
                parcels,
            });
        }
    }
    seen.extend(world.nagoya.iter().flat_map(|nagoya| nagoya.shipments()));
    seen
}

fn mails(world: &World) -> Vec<MailSeen> {
    let mut seen = Vec::new();
    for mail in world.mail.mails() {
        seen.extend(mail.to.into_iter().map(|to| MailSeen {
            message_id: mail.message_id.clone(),
            to,
        }));
    }
    seen
}

fn books(root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for file in std::fs::read_dir(root.join("books/outgoing")).context("look into the books")? {
        let path = file?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "journal")
        {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            files.push((
                name,
                std::fs::read_to_string(&path).context("read the books")?,
            ));
        }
    }
    files.sort();
    Ok(files)
}

//! Wherever the rejection of a credential is met, and whatever fails before its pause is stored: it becomes a pause with its task,
//! and the account goes on after it.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use hikiate::account::Account;
use hikiate::daemon::purge_step;
use hikiate::pull::pull_account;
use hikiate_sdk::budget::Budget;
use hikiate_sdk::faulty::{Fault, When};
use hikiate_sdk::{
    Connector, Error, ErrorClass, Here, InFile, Operations, Page, Record, Source, StreamSpec,
};
use serde_json::Value;

use super::world::{Setup, World, order};

/// An external system that rejects the credentials, whatever it is asked for.
struct Rejecting;

fn rejected() -> Error {
    Error::new(ErrorClass::Auth, "401")
}

impl Connector for Rejecting {
    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }

    fn operations(&self) -> Option<&dyn Operations> {
        None
    }

    fn budgets(&self) -> Vec<Budget> {
        Vec::new()
    }
}

#[async_trait]
impl Source for Rejecting {
    fn streams(&self) -> Vec<StreamSpec> {
        Vec::new()
    }

    async fn page(&self, _: &str, _: Option<&Value>, _: Here<'_>) -> Result<Page, Error> {
        Err(rejected())
    }

    fn reread(&self, _: &str, _: Option<&InFile>, _: &[u8]) -> Result<Vec<Record>, Error> {
        Err(rejected())
    }

    async fn acknowledge(&self, _: &Value) -> Result<(), Error> {
        Err(rejected())
    }

    async fn clear_old(&self, _: DateTime<Utc>, _: &[String]) -> Result<usize, Error> {
        Err(rejected())
    }
}

async fn stocked() -> World {
    let mut world = World::new(Setup::default()).await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    world
}

fn account<'a>(world: &'a mut World, slug: &str) -> &'a mut Account {
    let mut accounts = world.engine.accounts.values_mut();
    accounts.find(|a| a.slug.as_str() == slug).unwrap()
}

async fn is_paused(world: &World) -> bool {
    world.tasks().await.contains(&"account_paused".to_owned())
}

/// The pause ends, and an order goes all the way.
async fn goes_on(world: &mut World, id: &str) {
    for _ in 0..20 {
        world.advance(Duration::seconds(30)).await;
        world.rounds(2).await;
    }
    assert!(!is_paused(world).await);
    let seen = world.shop.order(id).unwrap();
    assert!(seen.is_shipped(), "{:?}", world.status(id).await);
    assert_eq!(seen.captures, 1);
}

#[tokio::test]
async fn a_credential_that_is_rejected_as_archived_files_are_deleted_pauses_its_account() {
    let mut world = stocked().await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    let warehouse = account(&mut world, "tokyo-3pl");
    let real = std::mem::replace(&mut warehouse.connector, Arc::new(Rejecting));
    purge_step(&world.engine).await.unwrap();
    let warehouse = account(&mut world, "tokyo-3pl");
    assert!(!warehouse.calls());
    warehouse.connector = real;
    world.round().await;
    assert!(is_paused(&world).await, "the next round stores it");
    goes_on(&mut world, &id).await;
}

#[tokio::test]
async fn a_pause_that_could_not_be_stored_is_stored_by_a_later_round() {
    let mut world = stocked().await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    let pool = world.engine.store.pool().clone();
    let run = async |sql: &'static str| sqlx::query(sql).execute(&pool).await.unwrap();
    run("ALTER TABLE accounts ADD CONSTRAINT no_pause CHECK (paused IS NULL)").await;
    world
        .faults
        .inject_when(When::default(), Fault::Unauthorised);
    world.advance(Duration::seconds(2)).await;
    let owned = world.owned.iter().find(|owned| owned.slug == "shop");
    let owned = owned.cloned().unwrap();
    let shop = &world.engine.accounts[&owned.id];
    // Whether this round fails or goes on with another stream is its own matter.
    let _ended = pull_account(&world.engine, shop, &owned).await;
    assert!(!shop.calls());
    let again = pull_account(&world.engine, shop, &owned).await;
    assert!(again.is_err(), "a round that cannot store it says so");
    assert!(!is_paused(&world).await);
    run("ALTER TABLE accounts DROP CONSTRAINT no_pause").await;
    world.round().await;
    assert!(is_paused(&world).await);
    goes_on(&mut world, &id).await;
}

//! Archived files are deleted by whoever owns the account, while it is read.

use chrono::Duration;
use hikiate::daemon::purge_step;
use hikiate::engine::Engine;
use hikiate::store::Paused;

use super::world::{Setup, World};

#[tokio::test]
async fn only_the_owner_of_an_account_deletes_its_archived_files_and_only_while_it_is_read() {
    let mut world = World::new(Setup::default()).await;
    let kept = "stable_for = \"0s\"\narchive_for = \"1d\"";
    world
        .restart(|toml| toml.replace("stable_for = \"0s\"", kept))
        .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.rounds(2).await;
    let other = world.daemon("two").await;
    world.advance(Duration::days(3)).await;
    let files = async |engine: &Engine| purge_step(engine).await.unwrap().files;
    assert_eq!(files(&other).await, 0, "it owns nothing");
    let store = &world.engine.store;
    for account in world.engine.accounts.values() {
        let slug = account.slug.as_str();
        let pause = store.pause_by_operator(slug, Paused::Reads, "they move house", "ops");
        pause.await.unwrap();
    }
    assert_eq!(files(&world.engine).await, 0, "paused");
    for account in world.engine.accounts.values() {
        let slug = account.slug.as_str();
        store.resume_by_operator(slug, None).await.unwrap();
    }
    assert!(files(&world.engine).await > 0);
}

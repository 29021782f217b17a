//! From a placed order to a balanced journal.

use hikiate::plan::types::Status;

use super::world::{Setup, World, order};

#[tokio::test]
async fn an_order_goes_from_the_shop_to_the_books() {
    let mut world = World::new(Setup {
        more: "[delivery]\npresume = \"0s\"\n",
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    world.round().await;
    let id = world.shop.place_order(order(&[("APPLE", 2, "1000")]));
    world.rounds(8).await;
    assert!(world.is(&id, Status::Delivered).await || world.is(&id, Status::Booked).await);
    world.rounds(15).await;
    assert!(world.is(&id, Status::Booked).await);

    let seen = world.shop.order(&id).unwrap();
    assert!(seen.is_shipped());
    assert_eq!((seen.total, seen.captured, seen.captures), (2750, 2750, 1));
    assert_eq!(seen.repeated(), 0);
    assert!(world.tokyo.duplicates().is_empty());
    assert_eq!(world.mails.mails().len(), 1);
    assert_eq!(world.journal_total(), 2750);
    assert_eq!(world.free("APPLE", "tokyo").await, 8);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
}

//! One process owns an account.

use hikiate::store::{DayCounts, Instance, OwnedAccount, ToSend};
use hikiate_sdk::budget::DayCount;

use crate::support::shop::{Shop, at};
use crate::support::turns::{ended, session, start_blocked};

#[tokio::test]
async fn another_process_owns_it_once_the_lease_has_run_out() {
    let shop = Shop::open().await;
    let one = shop.own("shop", "one").await.unwrap();
    assert!(one.taken);
    assert_eq!(shop.own("shop", "two").await, None);
    shop.clock(1).await;
    assert_eq!(shop.own("shop", "two").await, None, "to its very end");
    shop.clock(2).await;
    let two = shop.own("shop", "two").await.unwrap();
    assert!(two.taken && two.token > one.token, "{two:?}");
    assert_eq!(shop.own("shop", "one").await, None);
}

#[tokio::test]
async fn its_owner_renews_it_and_takes_it_back_after_a_crash() {
    let shop = Shop::open().await;
    let one = shop.owned("shop").await;
    let renewed = shop.owned("shop").await;
    assert_eq!(
        renewed,
        OwnedAccount {
            taken: false,
            ..one.clone()
        }
    );
    let instance = Instance("one".to_owned());
    let ids = [one.id];
    let fresh = shop
        .store()
        .own_accounts(&instance, &ids, 60, true)
        .await
        .unwrap();
    assert!(fresh[0].taken && fresh[0].token > one.token, "{fresh:?}");
    // What the dead process left in the air is fenced.
    let none = shop.store().mark_sending(&one, &[], 60).await.unwrap();
    assert_eq!(none.round, None);
}

#[tokio::test]
async fn a_lease_given_back_is_free_at_once() {
    let shop = Shop::open().await;
    let one = shop.owned("shop").await;
    let old = OwnedAccount {
        token: one.token - 1,
        ..one.clone()
    };
    shop.store().release_accounts(&[old]).await.unwrap();
    assert_eq!(
        shop.own("shop", "two").await,
        None,
        "a stranger's token gives nothing back"
    );
    shop.store().release_accounts(&[one]).await.unwrap();
    assert!(shop.own("shop", "two").await.is_some());
}

/// A renewal that meets a page or a send waits for it. Passing by would leave the account without an
/// owner in this process until the next renewal.
#[tokio::test]
async fn a_renewal_waits_for_whoever_uses_the_account() {
    let shop = Shop::open().await;
    let one = shop.owned("shop").await;
    let mut using = shop.pool().begin().await.unwrap();
    let holder = session(&mut using).await;
    sqlx::query("SELECT id FROM accounts WHERE id = $1 FOR NO KEY UPDATE")
        .bind(one.id)
        .execute(&mut *using)
        .await
        .unwrap();
    let (store, id) = (shop.store().clone(), one.id);
    let renewing = start_blocked(shop.pool(), holder, async move {
        store
            .own_accounts(&Instance("one".to_owned()), &[id], 60, false)
            .await
    })
    .await;
    using.commit().await.unwrap();
    let renewed = ended(renewing).await.unwrap();
    assert_eq!(
        renewed,
        [OwnedAccount {
            taken: false,
            ..one
        }]
    );
}

#[tokio::test]
async fn a_pause_ends_by_itself() {
    let shop = Shop::open().await;
    let one = shop.owned("shop").await;
    shop.store()
        .pause_account(one.id, "credentials were refused", 60)
        .await
        .unwrap();
    assert_eq!(
        shop.owned("shop").await.paused.as_deref(),
        Some("credentials were refused")
    );
    let since = async || {
        let tasks = shop.store().list_tasks().await.unwrap();
        let task = tasks.iter().find(|task| task.kind == "account_paused");
        task.map(|task| task.since)
    };
    assert_eq!(since().await, Some(at(0)), "not the time of the next try");
    shop.clock(1).await;
    assert_eq!(shop.owned("shop").await.paused, None);
    // Tried again and refused again: it is the same pause.
    let again = async || {
        let pause = shop.store().pause_account(one.id, "refused again", 60);
        pause.await.unwrap();
    };
    again().await;
    assert_eq!(since().await, Some(at(0)));
    shop.clock(60).await;
    again().await;
    assert_eq!(since().await, Some(at(60)));
}

#[tokio::test]
async fn a_lost_lease_sends_nothing() {
    let shop = Shop::open().await;
    shop.shipped("A").await;
    let one = shop.owned("shop").await;
    let claimed = shop.store().claim_effects(&one, 10, 600).await.unwrap();
    let send = [ToSend {
        id: claimed[0].id,
        token: claimed[0].token,
        body: b"x".to_vec(),
        label: "x".to_owned(),
    }];
    shop.clock(5).await;
    assert!(shop.own("shop", "two").await.unwrap().taken);
    assert!(
        shop.store()
            .mark_sending(&one, &send, 60)
            .await
            .unwrap()
            .bytes
            .is_empty()
    );
    assert_eq!(
        shop.number("SELECT count(*) FROM effects WHERE state = 'sending'")
            .await,
        0
    );
    assert!(
        shop.store()
            .claim_effects(&one, 10, 60)
            .await
            .unwrap()
            .is_empty()
    );
}

/// Pull and push write a day's calls ahead at once: the smaller block, written last, takes nothing back. What was made does.
#[tokio::test]
async fn the_larger_of_two_counts_that_are_written_ahead_holds() {
    let shop = Shop::open().await;
    let owned = shop.owned("shop").await;
    let mut held = Vec::new();
    let written = [
        (DayCounts::Ahead, 70),
        (DayCounts::Ahead, 50),
        (DayCounts::Made, 20),
    ];
    for (what, used) in written {
        let count = DayCount {
            class: "account".to_owned(),
            day: at(0).date_naive(),
            used,
        };
        let store = shop.store();
        store
            .write_budget_days(&owned, &[count], what)
            .await
            .unwrap();
        held.push(store.budget_days(owned.id).await.unwrap()[0].used);
    }
    assert_eq!(held, [70, 70, 20]);
}

//! A backup is restored under the program: everything that was sent since is out in the world, and the database
//! does not know it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use hikiate::daemon::seal_step;
use hikiate::plan::types::Status;
use hikiate::push::push_account;
use hikiate::store::Phase;
use hikiate::store::witness::{Kept, ServerState, Witness};

use super::world::{Setup, World, order};

/// What external systems have seen in all: captures, fulfilments, instructions, mails.
fn seen(world: &World) -> (u64, usize, usize) {
    let captures = world.shop.orders().iter().map(|o| o.captures as u64).sum();
    let instructed = world.tokyo.instructions().values().sum::<usize>()
        + world.osaka.instructions().values().sum::<usize>();
    (captures, instructed, world.mails.mails().len())
}

pub(super) async fn phase(world: &World) -> Phase {
    world.engine.store.recovery().await.unwrap().phase
}

pub(super) async fn recover(world: &World, since: DateTime<Utc>) {
    let accounts: Vec<String> = world
        .engine
        .accounts
        .values()
        .map(|a| a.slug.to_string())
        .collect();
    let begun = world
        .engine
        .store
        .begin_recovery(since, &accounts, "restored", "tester", false)
        .await
        .unwrap();
    assert!(begun.streams >= 5, "{begun:?}");
}

/// Every order captured once and in full, instructed once, told once, mailed once.
fn nothing_twice_and_nothing_lost(world: &World, orders: &[String]) {
    let mut mails: BTreeMap<String, usize> = BTreeMap::new();
    for mail in world.mails.mails() {
        *mails.entry(mail.message_id).or_default() += 1;
    }
    assert_eq!(mails.len(), orders.len(), "{mails:?}");
    assert!(mails.values().all(|n| *n == 1), "{mails:?}");
    for id in orders {
        let seen = world.shop.order(id).unwrap();
        assert_eq!((seen.captured, seen.captures), (seen.total, 1), "{id}");
        assert!(seen.is_shipped() && seen.repeated() == 0, "{id}");
    }
    let mut references = BTreeSet::new();
    for sim in [&world.tokyo, &world.osaka] {
        assert!(sim.duplicates().is_empty(), "{:?}", sim.duplicates());
        for (reference, n) in sim.instructions() {
            let number = reference.split_once("-S").unwrap().0.to_owned();
            assert_eq!(n, 1, "{reference}");
            assert!(references.insert(number), "{reference} is a second one");
        }
    }
    assert_eq!(references.len(), orders.len());
}

/// Names of waves that their warehouses and the books have seen, without what tells files of one name apart.
fn names_outside(world: &World) -> Vec<String> {
    let folders = [
        "tokyo/outgoing",
        "tokyo/picked-up",
        "osaka/outgoing",
        "osaka/picked-up",
        "books/outgoing",
    ];
    let mut names = Vec::new();
    for folder in folders {
        let files = std::fs::read_dir(world.dir.path().join(folder));
        for file in files.into_iter().flatten() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let (wave, _hash) = name.rsplit_once('-').unwrap();
            names.push(wave.to_owned());
        }
    }
    names
}

/// Forty apples in Tokyo, counted; what ships is delivered at once.
async fn stocked() -> World {
    let mut world = World::new(Setup {
        more: "[delivery]\npresume = \"0s\"\n",
        ..Setup::default()
    })
    .await;
    world.tokyo.set_stock("APPLE", 40);
    world.count_stock().await;
    world.round().await;
    world
}

fn place(world: &World, apples: u32) -> String {
    world.shop.place_order(order(&[("APPLE", apples, "1000")]))
}

#[tokio::test]
async fn a_restored_backup_is_noticed_and_nothing_is_done_twice() {
    let mut world = stocked().await;
    // One is through, one is half way, one was just placed when the backup is made.
    let mut orders = vec![place(&world, 1)];
    world.rounds(20).await;
    orders.push(place(&world, 2));
    world.rounds(2).await;
    orders.push(place(&world, 3));
    let backed_up = world.now();
    let copy = world.back_up().await;

    // The lost window: two more orders, all are shipped, captured, mailed and booked.
    world.rounds(1).await;
    orders.push(place(&world, 1));
    orders.push(place(&world, 2));
    world.rounds(20).await;
    nothing_twice_and_nothing_lost(&world, &orders);
    // The last is just instructed when it ends, and one has not been read yet.
    orders.push(place(&world, 4));
    world.round().await;
    let late = order(&[("APPLE", 1, "1000")]);
    orders.push(world.shop.place_order(late));

    world.restore(&copy).await;
    let before = seen(&world);
    world.round().await;
    world.round().await;
    assert_eq!(phase(&world).await, Phase::Suspected);
    assert!(
        world
            .tasks()
            .await
            .contains(&"database_data_loss".to_owned())
    );
    assert_eq!(seen(&world), before, "nothing is sent");
    assert_eq!(seal_step(&world.engine).await.unwrap(), 0);
    for owned in &world.owned {
        let account = &world.engine.accounts[&owned.id];
        assert_eq!(
            push_account(&world.engine, account, owned).await.unwrap(),
            0
        );
    }

    recover(&world, backed_up).await;
    world.rounds(40).await;
    assert_eq!(
        phase(&world).await,
        Phase::None,
        "{:?}",
        world.tasks().await
    );
    // One parcel left within minutes of the restore: nobody but an operator can say whether its mail went out.
    let store = &world.engine.store;
    let unknown = store.list_effects(true, 10).await.unwrap();
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert_eq!(unknown[0].op, "mail");
    let number = unknown[0].subject.to_ascii_lowercase();
    let mailed = |world: &World| {
        let mails = world.mails.mails();
        mails
            .iter()
            .filter(|m| m.message_id.contains(&number))
            .count()
    };
    assert_eq!(mailed(&world), 0);
    let today = world.engine.today(world.now());
    store
        .resolve_effect(
            unknown[0].id,
            false,
            "not in the server's log",
            "tester",
            today,
        )
        .await
        .unwrap();
    world.advance(Duration::minutes(10)).await;
    world.rounds(10).await;
    assert_eq!(mailed(&world), 1);
    nothing_twice_and_nothing_lost(&world, &orders);

    // No name of the lost window stands for something else.
    let names = names_outside(&world);
    let different: BTreeSet<&String> = names.iter().collect();
    assert!(names.len() > 6, "{names:?}");
    assert_eq!(different.len(), names.len(), "{names:?}");

    // The journals of the lost window stand in the books: an operator takes them out, and all is booked anew.
    assert_eq!(world.tasks().await, ["unrecorded_journal"]);
    let lost = world.engine.store.release_books().await.unwrap();
    assert!(!lost.is_empty());
    for name in lost {
        std::fs::remove_file(world.dir.path().join("books/outgoing").join(name)).unwrap();
    }
    world.rounds(30).await;
    let owed: i64 = orders
        .iter()
        .map(|id| world.shop.order(id).unwrap().total)
        .sum();
    assert_eq!(world.journal_total(), owed);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
    for id in &orders {
        assert_eq!(world.status(id).await.0, "booked", "{id}");
    }
    // The file has followed: nothing is suspected any more.
    assert!(matches!(world.engine.witness.kept(), Some(Kept::Record(r)) if r.epoch == 1));
}

/// One round of calls of Tokyo's account; says how many were due.
async fn push_tokyo(world: &World) -> usize {
    let mut owned = world.owned.iter();
    let owned = owned.find(|owned| owned.slug == "tokyo-3pl").unwrap();
    let account = &world.engine.accounts[&owned.id];
    push_account(&world.engine, account, owned).await.unwrap()
}

/// A dump that is restored into the live database leaves its sessions, and the server's log goes on. To count the next round makes up
/// for the one that is lost, so that from then on both know of the same number.
#[tokio::test]
async fn a_database_that_lost_one_round_of_calls_is_noticed_by_the_next_one() {
    let mut world = stocked().await;
    place(&world, 1);
    world.rounds(20).await;
    let Some(Kept::Record(record)) = world.engine.witness.kept() else {
        panic!("there is no record")
    };
    let sent = record.sent["tokyo-3pl"];
    assert!(sent > 0);
    // An instruction is due.
    place(&world, 2);
    for _ in 0..5 {
        world.advance(Duration::seconds(1)).await;
        world.pull().await;
        world.plan().await;
        seal_step(&world.engine).await.unwrap();
        world.plan().await;
    }
    sqlx::query("UPDATE accounts SET send_seq = $1 WHERE slug = 'tokyo-3pl'")
        .bind(sent - 1)
        .execute(world.engine.store.pool())
        .await
        .unwrap();
    let before = names_outside(&world).len();
    assert!(push_tokyo(&world).await > 0);
    let store = world.engine.store.clone();
    let recovery = store.recovery().await.unwrap();
    assert_eq!(recovery.phase, Phase::Suspected);
    let known = sent - 1;
    assert_eq!(
        recovery.proven_loss,
        Some(format!(
            "tokyo-3pl was sent to {sent} times, the database knows of {known}"
        ))
    );
    world.advance(Duration::minutes(1)).await;
    assert_eq!(push_tokyo(&world).await, 0);
    store.watch_now(&world.engine.witness).await.unwrap();
    assert_eq!(phase(&world).await, Phase::Suspected);
    assert_eq!(names_outside(&world).len(), before, "nothing is sent");

    // A look of before the operator's answer does not undo it.
    let kept = world.engine.witness.kept().unwrap();
    let since = world.now() - Duration::minutes(30);
    recover(&world, since).await;
    store
        .watch_round(&world.engine.witness, &kept, "tokyo-3pl", sent)
        .await
        .unwrap();
    assert_eq!(phase(&world).await, Phase::Orders);
}

/// The database server that the witness file knows becomes another one, and the database knows all that it knew.
fn switched(witness: &Witness) {
    let Some(Kept::Record(record)) = witness.kept() else {
        panic!("there is no record")
    };
    let elsewhere = ServerState {
        epoch: record.epoch,
        system: record.system,
        timeline: record.timeline.map(|timeline| timeline + 7),
        flushed: record.flushed,
        sent: record.sent,
        ..ServerState::default()
    };
    witness.follow(&elsewhere).unwrap();
}

/// A synchronous standby was promoted: what was queued was not sent, and a mail that counted as sent would never go out.
#[tokio::test]
async fn a_switch_that_lost_nothing_goes_on_as_it_was() {
    let mut world = stocked().await;
    let mut orders = vec![place(&world, 1)];
    world.rounds(20).await;
    orders.push(place(&world, 2));
    for _ in 0..3 {
        world.round().await;
    }
    assert!(world.is(&orders[1], Status::Instructed).await);
    switched(&world.engine.witness);
    world.round().await;
    assert_eq!(phase(&world).await, Phase::Suspected);
    // It ships while nothing is sent.
    let before = seen(&world);
    world.rounds(10).await;
    assert!(world.is(&orders[1], Status::Delivered).await);
    // The warehouse has taken what lay in its folder; nothing else went out.
    let (captures, instructed, mails) = seen(&world);
    assert_eq!((captures, mails), (before.0, before.2));
    assert_eq!(instructed, 2);

    let store = world.engine.store.clone();
    store.deny_loss("promoted", "tester", true).await.unwrap();
    assert_eq!(phase(&world).await, Phase::Suspected, "it was a dry run");
    store.deny_loss("promoted", "tester", false).await.unwrap();
    world.rounds(20).await;
    assert_eq!(phase(&world).await, Phase::None);
    orders.push(place(&world, 3));
    world.rounds(30).await;
    nothing_twice_and_nothing_lost(&world, &orders);
    assert!(world.tasks().await.is_empty(), "{:?}", world.tasks().await);
    for id in &orders {
        assert_eq!(world.status(id).await.0, "booked", "{id}");
    }
    assert!(matches!(world.engine.witness.kept(), Some(Kept::Record(r)) if r.epoch == 1));
    let again = store.deny_loss("again", "tester", false).await.unwrap_err();
    assert!(again.to_string().contains("no daemon suspects"), "{again}");
}

/// Another daemon may have sent what the first one knows nothing of.
#[tokio::test]
async fn nobody_may_say_that_nothing_was_lost_where_a_daemon_has_sent_more_than_is_known() {
    let mut world = World::new(Setup::default()).await;
    let other = world.daemon("other").await;
    switched(&world.engine.witness);
    world.round().await;
    assert_eq!(phase(&world).await, Phase::Suspected);
    other.witness.sending("shop", 1_000).unwrap();
    world.engine.store.watch_now(&other.witness).await.unwrap();
    let store = &world.engine.store;
    let proven = store.recovery().await.unwrap().proven_loss.unwrap();
    assert!(proven.contains("shop was sent to 1000 times"), "{proven}");
    let refused = store.deny_loss("promoted", "tester", false).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains(&proven), "{refused}");
    assert_eq!(phase(&world).await, Phase::Suspected);
    // A recovery that is interrupted by a switch has its own loss.
    let since = world.now() - Duration::minutes(5);
    recover(&world, since).await;
    for mine in [&world.engine.witness, &other.witness] {
        world.engine.store.watch_now(mine).await.unwrap();
    }
    switched(&world.engine.witness);
    world
        .engine
        .store
        .watch_now(&world.engine.witness)
        .await
        .unwrap();
    assert_eq!(store.recovery().await.unwrap().proven_loss, None);
    let refused = store.deny_loss("promoted", "tester", false).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("interrupted"), "{refused}");
}

#[tokio::test]
async fn without_a_restore_nothing_is_suspected() {
    let mut world = World::new(Setup::default()).await;
    world.tokyo.set_stock("APPLE", 10);
    world.count_stock().await;
    let id = world.shop.place_order(order(&[("APPLE", 1, "1000")]));
    world.rounds(8).await;
    assert_eq!(world.shop.order(&id).unwrap().captures, 1);
    let Some(Kept::Record(record)) = world.engine.witness.kept() else {
        panic!("there is no record")
    };
    assert!(record.sent["shop"] > 0 && record.sent["tokyo-3pl"] > 0);
    assert!(record.system.is_some() && record.timeline.is_some());
    let url = world.database().to_owned();
    world.restore(&url).await;
    world.rounds(2).await;
    assert_eq!(phase(&world).await, Phase::None);
}

/// The operator's word and a look that began before it: the look has seen the old epoch and waits for the row.
#[tokio::test]
async fn a_position_far_ahead_stops_push_and_a_recovery_is_not_undone_by_an_older_look() {
    let world = World::new(Setup::default()).await;
    let (store, witness) = (&world.engine.store, &world.engine.witness);
    let Some(Kept::Record(record)) = witness.kept() else {
        panic!("there is no record")
    };
    let far = ServerState {
        flushed: record.flushed.map(|at| at + 1_000_000_000),
        ..ServerState::default()
    };
    let _ = witness.saw(&far);
    let recovering = async |tx: &mut sqlx::PgConnection| {
        sqlx::query("UPDATE recovery SET epoch = epoch + 1, phase = 'orders', lost_since = hk_now(), lost_until = hk_now(), begun_at = hk_now()")
            .execute(tx)
            .await
            .unwrap();
    };
    let mut tx = store.pool().begin().await.unwrap();
    recovering(&mut tx).await;
    let (looking, with) = (store.clone(), witness.clone());
    let look = tokio::spawn(async move { looking.watch_now(&with).await });
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
    loop {
        // Not in that transaction: it keeps its first picture of who waits.
        let waits: bool = sqlx::query_scalar(waits)
            .fetch_one(store.pool())
            .await
            .unwrap();
        if waits {
            break;
        }
        assert!(!look.is_finished(), "it did not wait");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    tx.commit().await.unwrap();
    look.await.unwrap().unwrap();
    assert_eq!(phase(&world).await, Phase::Orders);
    store.watch_now(witness).await.unwrap();
    assert_eq!(phase(&world).await, Phase::Orders, "the file has followed");

    // Without an operator's word it stops what is sent.
    let far = ServerState { epoch: 1, ..far };
    let _ = witness.saw(&far);
    sqlx::query("UPDATE recovery SET phase = 'none'")
        .execute(store.pool())
        .await
        .unwrap();
    store.watch_now(witness).await.unwrap();
    assert_eq!(phase(&world).await, Phase::Suspected);
    let stopped: bool = sqlx::query_scalar("SELECT hk_stopped()")
        .fetch_one(store.pool())
        .await
        .unwrap();
    assert!(stopped);
}

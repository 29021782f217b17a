//! Deposits as they are typed, and in the books.

use hikiate::plan::types::Status;
use hikiate_medusa::sim::NewOrder;
use serde_json::json;

use super::orders::{number_of, run, world};
use crate::flow::world::{World, order};

/// Titles under which deposits are booked; appended to `[booking]`.
const BOOKS: &str = "titles = { bank = \"Assets:Bank\", suspense = \"Liabilities:Suspense\", deposit_rest = \"Expenses:Fees\" }\n[payments]\ndeposit_tolerance = \"500\"\n";

/// An order of 1,650 yen by bank transfer.
async fn by_bank(world: &mut World) -> (String, String) {
    let bank = NewOrder {
        provider_id: "pp_bank".to_owned(),
        authorised: false,
        ..order(&[("APPLE", 1, "1000")])
    };
    let id = world.shop.place_order(bank);
    world.rounds(1).await;
    let number = number_of(world, &id);
    (id, number)
}

/// What the journal has under a title, in yen, by the words of its entries.
fn journal(world: &World, title: &str) -> Vec<(String, i64)> {
    let mut found = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(world.dir.path().join("books/outgoing"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let mut entry = String::new();
        for line in std::fs::read_to_string(file).unwrap().lines() {
            if !line.starts_with(' ') {
                line.clone_into(&mut entry);
            } else if line.trim_start().starts_with(title) {
                let plain = line.split(';').next().unwrap();
                let amount = plain
                    .split_whitespace()
                    .rev()
                    .find_map(|word| word.parse().ok());
                found.push((entry.clone(), amount.unwrap_or_else(|| panic!("{line}"))));
            }
        }
    }
    found
}

#[tokio::test]
async fn a_deposit_of_nobody_is_listed_matched_moved_and_voided() {
    let mut world = world("").await;
    let (id, first) = by_bank(&mut world).await;
    let (_, second) = by_bank(&mut world).await;
    run(
        &world,
        &[
            "deposit",
            "add",
            "-",
            "3300",
            "--reference",
            "F1",
            "--currency",
            "XYZ1",
        ],
    )
    .refused(2, "not a currency");
    let added = run(
        &world,
        &["deposit", "add", "-", "3300", "--reference", "F1", "--json"],
    )
    .json();
    let deposit = added["deposit"].as_str().unwrap().to_owned();
    assert_eq!(added["order"], json!(null));
    let tasks = run(&world, &["tasks"]).ended(0).to_owned();
    assert!(
        tasks.contains("deposit_unmatched") && tasks.contains("deposit list --unmatched"),
        "{tasks}"
    );
    run(&world, &["deposit", "match", "F1", &first, "4000"]).refused(5, "3300 JPY");
    run(
        &world,
        &["deposit", "match", "F1", &first, "1650", "--dry-run"],
    )
    .ended(0);
    let told = run(&world, &["deposit", "match", "F1", &second, "1650"])
        .ended(0)
        .to_owned();
    assert!(
        told.contains(&second) && told.contains("1650 JPY of it is matched to no order"),
        "{told}"
    );
    // It was the other order's.
    let told = run(&world, &["deposit", "move", &deposit, &second, &first])
        .ended(0)
        .to_owned();
    assert!(
        told.contains(&format!("pays order {first} and no longer {second}")),
        "{told}"
    );
    let listed = run(&world, &["deposit", "list", "--order", &first, "--json"]).json();
    assert_eq!(
        (&listed[0]["left"], &listed[0]["matches"]),
        (&json!(1650), &json!([{ "order": first, "amount": 1650 }]))
    );
    assert_eq!(
        run(&world, &["deposit", "list", "--order", &second, "--json"]).json(),
        json!([])
    );
    world.rounds(5).await;
    assert!(world.shop.order(&id).unwrap().is_shipped());
    run(
        &world,
        &["deposit", "void", "F1", "--reason", "the bank took it back"],
    )
    .ended(0);
    world.rounds(2).await;
    let tasks = run(&world, &["tasks"]).ended(0).to_owned();
    assert!(
        tasks.contains("deposit_underpaid") && tasks.contains(&first),
        "{tasks}"
    );
    assert!(!tasks.contains("deposit_unmatched"), "{tasks}");
    run(&world, &["deposit", "match", "F1", &first]).refused(5, "was voided");
    run(&world, &["deposit", "list"]).ended(0);
    run(&world, &["deposit", "void", "F9", "--reason", "x"]).refused(4, "no deposit");
}

#[tokio::test]
async fn a_file_is_imported_whole_or_not_at_all_and_once() {
    let mut world = world("").await;
    let (id, number) = by_bank(&mut world).await;
    let file = world.dir.path().join("bank.csv");
    let path = file.to_str().unwrap().to_owned();
    let import = |world: &World, more: &[&str]| {
        let fixed = ["deposit", "import", &path];
        run(
            world,
            &fixed
                .iter()
                .copied()
                .chain(more.iter().copied())
                .collect::<Vec<_>>(),
        )
    };
    let good = format!(
        "date,amount,reference,payer,order\n2026-11-19,\"1,650\",F1,ヤマダ タロウ,{number}\n2026/11/20,300,F2,,\n"
    );
    std::fs::write(
        &file,
        good.replace("2026/11/20", "26/11/20")
            .replace(&number, "HK404"),
    )
    .unwrap();
    let bad = import(&world, &[]);
    bad.refused(5, &format!("{path}:3: date"));
    // All mistakes at once: of the rows as written, of what they name, and of the options.
    assert!(bad.err.contains(&format!("{path}:2: no order")), "{bad:?}");
    let nowhere = import(&world, &["--channel", "nope"]);
    for words in [
        "--channel: there is no channel \"nope\"".to_owned(),
        format!("{path}:2: no order"),
        format!("{path}:3: date"),
    ] {
        assert!(nowhere.err.contains(&words), "{words:?} {nowhere:?}");
    }
    std::fs::write(&file, good.replace(&number, "HK404")).unwrap();
    import(&world, &[]).refused(5, &format!("{path}:2: no order"));
    assert_eq!(
        run(&world, &["deposit", "list", "--json"]).json(),
        json!([])
    );
    let (cp932, _, _) = encoding_rs::SHIFT_JIS.encode(&good);
    std::fs::write(&file, &cp932).unwrap();
    let would = import(&world, &["--dry-run"]).ended(0).to_owned();
    assert!(would.contains("2 deposits would be added"), "{would}");
    assert_eq!(
        run(&world, &["deposit", "list", "--json"]).json(),
        json!([])
    );
    let told = import(&world, &["--json"]).json();
    assert_eq!(
        (
            told["added"].as_array().unwrap().len(),
            &told["known"],
            &told["unmatched"]
        ),
        (2, &json!(0), &json!(1))
    );
    let again = import(&world, &["--json"]).json();
    assert_eq!((&again["added"], &again["known"]), (&json!([]), &json!(2)));
    // The row of nobody names its order later: it adds nothing, and says what to type.
    std::fs::write(&file, good.replace("F2,,", &format!("F2,,{number}"))).unwrap();
    let told = import(&world, &[]).ended(0).to_owned();
    assert!(told.contains(&format!("{path}:3: HD")), "{told}");
    assert!(told.contains("pays no order"), "{told}");
    assert!(told.contains("hikiate deposit match HD"), "{told}");
    std::fs::write(&file, good.replace("300", "400")).unwrap();
    import(&world, &[]).refused(5, &format!("{path}:3: a deposit with reference"));
    world.rounds(5).await;
    assert!(world.shop.order(&id).unwrap().is_shipped());
    // A payer's name is kept nowhere.
    let facts: i64 =
        sqlx::query_scalar("SELECT count(*) FROM facts WHERE body::text LIKE '%ヤマダ%'")
            .fetch_one(world.engine.store.pool())
            .await
            .unwrap();
    assert_eq!(facts, 0);
}

#[tokio::test]
async fn a_deposit_goes_through_the_books_to_what_the_tolerance_leaves_and_back() {
    let mut world = world(BOOKS).await;
    let (id, number) = by_bank(&mut world).await;
    run(
        &world,
        &[
            "deposit",
            "add",
            &number,
            "1350",
            "--reference",
            "F1",
            "--date",
            "2026-11-19",
        ],
    )
    .ended(0);
    for _ in 0..4 {
        world.rounds(4).await;
        world.advance(chrono::Duration::seconds(15)).await;
    }
    assert!(
        world.shop.order(&id).unwrap().is_shipped(),
        "300 less is within the tolerance"
    );
    assert!(world.is(&id, Status::Booked).await || world.is(&id, Status::Shipped).await);
    let sum = |title: &str| {
        journal(&world, title)
            .iter()
            .map(|(_, amount)| amount)
            .sum::<i64>()
    };
    let bank = journal(&world, "Assets:Bank");
    assert!(
        bank.len() == 1 && bank[0].0.starts_with("2026-11-19") && bank[0].1 == 1350,
        "{bank:?}"
    );
    assert_eq!(
        (sum("Liabilities:Suspense"), sum("Expenses:Fees")),
        (0, 300)
    );
    assert!(journal(&world, hikiate::demo::merchant::ADVANCES).is_empty());
    assert_eq!(
        sum(hikiate::demo::merchant::RECEIVABLE),
        0,
        "nothing is owed"
    );
    run(
        &world,
        &["deposit", "void", "F1", "--reason", "the bank took it back"],
    )
    .ended(0);
    for _ in 0..3 {
        world.rounds(2).await;
        world.advance(chrono::Duration::seconds(15)).await;
    }
    let sum = |title: &str| {
        journal(&world, title)
            .iter()
            .map(|(_, amount)| amount)
            .sum::<i64>()
    };
    assert_eq!(
        (
            sum("Assets:Bank"),
            sum("Liabilities:Suspense"),
            sum("Expenses:Fees")
        ),
        (0, 0, 0)
    );
    assert_eq!(
        sum(hikiate::demo::merchant::RECEIVABLE),
        1650,
        "all of it is owed again"
    );
    let open: i64 =
        sqlx::query_scalar("SELECT count(*) FROM deposit_postings WHERE batch_id IS NULL")
            .fetch_one(world.engine.store.pool())
            .await
            .unwrap();
    assert_eq!(open, 0);
}

#[tokio::test]
async fn what_came_before_its_titles_were_set_goes_on_as_an_advance() {
    let mut world = world("").await;
    let (id, number) = by_bank(&mut world).await;
    run(
        &world,
        &["deposit", "add", &number, "1650", "--reference", "F1"],
    )
    .ended(0);
    world.restart(|toml| format!("{toml}\n{BOOKS}")).await;
    for _ in 0..4 {
        world.rounds(4).await;
        world.advance(chrono::Duration::seconds(15)).await;
    }
    assert!(world.shop.order(&id).unwrap().is_shipped());
    let sum = |title: &str| {
        let lines = journal(&world, title);
        lines.iter().map(|(_, amount)| amount).sum::<i64>()
    };
    assert_eq!(sum(hikiate::demo::merchant::ADVANCES), 1650);
    assert_eq!(sum(hikiate::demo::merchant::RECEIVABLE), 0);
    assert!(journal(&world, "Assets:Bank").is_empty());
}

#[tokio::test]
async fn check_says_whether_deposits_are_booked() {
    let plain = world("").await;
    let said = run(&plain, &["check"]).ended(0).to_owned();
    assert!(
        said.contains("deposits are not booked (titles.bank is not set)"),
        "{said}"
    );
    let booked = world(BOOKS).await;
    let said = run(&booked, &["check"]).ended(0).to_owned();
    assert!(
        said.contains("deposits are booked: Assets:Bank to Liabilities:Suspense"),
        "{said}"
    );
}

#[tokio::test]
async fn a_journal_that_is_given_up_frees_the_postings_for_the_next() {
    let mut world = world(BOOKS).await;
    let (_, number) = by_bank(&mut world).await;
    run(
        &world,
        &["deposit", "add", &number, "1000", "--reference", "F1"],
    )
    .ended(0);
    world.rounds(2).await;
    world.advance(chrono::Duration::seconds(15)).await;
    world.rounds(3).await;
    let batches =
        "SELECT count(DISTINCT batch_id) FROM deposit_postings WHERE batch_id IS NOT NULL";
    let count = |world: &World| {
        let pool = world.engine.store.pool().clone();
        async move {
            sqlx::query_scalar::<_, i64>(batches)
                .fetch_one(&pool)
                .await
                .unwrap()
        }
    };
    assert_eq!(count(&world).await, 1);
    let listed = run(&world, &["books", "list", "--all", "--json"]).json();
    let name = listed[0]["name"].as_str().unwrap().to_owned();
    assert_eq!(listed[0]["rows"], json!(2));
    run(
        &world,
        &[
            "books",
            "abandon",
            &name,
            "--not-imported",
            "--reason",
            "lost",
        ],
    )
    .ended(0);
    assert_eq!(count(&world).await, 0);
    world.rounds(2).await;
    world.advance(chrono::Duration::seconds(15)).await;
    world.rounds(3).await;
    assert_eq!(count(&world).await, 1);
}

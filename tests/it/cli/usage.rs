//! Usage, configuration, a database that is away or empty.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use hikiate_sdk::sim::skipped;
use serde_json::json;

use super::{Ran, Shop};
use crate::support::db;

#[test]
fn wrong_usage_is_2_and_help_is_not_wrong() {
    let shop = Shop::new(None);
    for wrong in [
        &["frobnicate"][..],
        &[],
        &["order", "hold", "HK1"],
        &["order", "hold", "--reason", "x"],
        &["order", "cancel", "HK1", "--reason", "  "],
        &["order", "list", "--status", "sold"],
        &["effect", "resolve", "1", "maybe", "--reason", "x"],
        &["tasks", "--actor", ""],
    ] {
        let ran = shop.run(wrong);
        assert_eq!(ran.code, Some(2), "{wrong:?}: {ran:?}");
    }
    let help = shop.run(&["--help"]);
    assert!(
        help.ended(0).contains("75  database unavailable"),
        "{help:?}"
    );
    shop.run(&["order", "cancel", "HK1", "--reason", "x", "--actor", "plan"])
        .refused(2, "--actor plan");
}

#[test]
fn a_wrong_configuration_is_3_with_every_problem() {
    let shop = Shop::new(None);
    let text = std::fs::read_to_string(shop.config()).unwrap();
    let text = text
        .replace("continuous", "sometimes")
        .replace("[shop]", "[shop]\ntimezone = \"Mars\"");
    std::fs::write(shop.config(), text).unwrap();
    for command in [&["tasks"][..], &["run"], &["check"], &["migrate"]] {
        let ran = shop.run(command);
        assert_eq!(ran.code, Some(3), "{command:?}: {ran:?}");
        for place in ["hikiate.toml:3: shop.timezone", "warehouses.tokyo"] {
            assert!(
                ran.err.contains(place),
                "{command:?}: {place} is not in {ran:?}"
            );
        }
    }
    let ran = shop.run(&["check", "--json"]);
    let problems: serde_json::Value = serde_json::from_str(ran.ended(3)).unwrap();
    assert!(
        problems["problems"].as_array().unwrap().len() >= 2,
        "{problems}"
    );
}

/// Of two accounts that read one folder, each would get a part of the files; a slip of the copied lines.
#[test]
fn two_accounts_that_read_one_folder_are_refused() {
    let shop = Shop::new(None);
    let good = std::fs::read_to_string(shop.config()).unwrap();
    let second = |folder: &str| {
        let more = format!(
            "[accounts.wh2]\nconnector = \"files\"\nfolder = {folder:?}\nlayout = \"japanese-3pl-utf8\"\n[warehouses.osaka]\naccount = \"wh2\"\ndispatch = {{ mode = \"continuous\" }}\nreply_within = \"never\"\n"
        );
        std::fs::write(shop.config(), format!("{good}{more}")).unwrap();
        shop.run(&["check", "--allow-missing-secrets"])
    };
    for same in ["wh", "./wh", "other/../wh"] {
        std::fs::create_dir_all(shop.dir.path().join("other")).unwrap();
        let said = second(same);
        said.refused(3, "accounts.wh2: reads ");
        assert!(said.err.contains("so does accounts.wh:"), "{said:?}");
    }
    let said = second("wh2");
    assert!(
        said.ended(0)
            .contains("which does not exist on this machine now"),
        "{said:?}"
    );
}

/// Journals would go to the warehouse that reads the folder; another spelling or a link is the same folder.
#[test]
fn two_accounts_that_write_into_one_folder_are_refused() {
    let shop = Shop::new(None);
    let good = std::fs::read_to_string(shop.config()).unwrap();
    let books = |keys: &str| {
        let more =
            format!("[accounts.ledger]\nconnector = \"files\"\nlayout = \"hledger\"\n{keys}\n");
        std::fs::write(shop.config(), format!("{good}{more}")).unwrap();
        shop.run(&["check", "--allow-missing-secrets"])
    };
    let at = |path: &str| shop.dir.path().join(path);
    std::fs::create_dir_all(at("wh/outgoing")).unwrap();
    std::fs::create_dir_all(at("other")).unwrap();
    std::os::unix::fs::symlink(at("wh/outgoing"), at("other/linked")).unwrap();
    for keys in [
        "folder = \"wh\"",
        "folder = \"./other/../wh\"",
        "folder = \"other\"\noutgoing = \"linked\"",
    ] {
        let said = books(keys);
        said.refused(3, ": writes its files into ");
        let both = |text: &str| text.contains("accounts.wh") && text.contains("accounts.ledger");
        assert!(said.err.lines().any(both), "{said:?}");
    }
    for keys in [
        "folder = \"other\"",
        "folder = \"wh\"\noutgoing = \"books\"",
    ] {
        let said = books(keys);
        assert!(!said.err.contains("writes its files into"), "{said:?}");
    }
}

#[test]
fn root_is_refused_unless_root_is_meant() {
    // Another user's daemon would start: `tests/it/cli/daemon.rs`.
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return skipped("root_is_refused_unless_root_is_meant", "not root");
    }
    let shop = Shop::new(None);
    let mut command = shop.command(&["run"]);
    command.env("SHOP_TOKEN", "sk");
    let ran = Ran::of(command);
    let line = format!(
        "`hikiate run --as-root --config {}`",
        shop.config().display()
    );
    ran.refused(2, &line);
    assert!(!shop.dir.path().join("state/instance").exists(), "{ran:?}");
}

#[test]
fn secrets_are_asked_for_where_they_are_needed_only() {
    let shop = Shop::new(None);
    shop.run(&["check"]).refused(3, "SHOP_TOKEN");
    shop.run(&["run"]).refused(3, "SHOP_TOKEN");
    shop.run(&["check", "--allow-missing-secrets"]).ended(0);
    let mut with = shop.command(&["check"]);
    with.env("SHOP_TOKEN", "sk");
    assert!(Ran::of(with).ended(0).contains("warehouse tokyo"));
}

#[test]
fn a_database_that_is_away_is_75_and_one_that_cannot_be_named_is_3() {
    let away = Shop::new(Some("postgres://nobody@127.0.0.1:1/none"));
    away.run(&["order", "list"])
        .refused(75, "the database is unavailable");
    away.run(&["migrate"])
        .refused(75, "the database is unavailable");
    Shop::new(Some("not a url"))
        .run(&["tasks"])
        .refused(3, "URL");
    let mysql = Shop::new(Some("mysql://hk@127.0.0.1/x"));
    let mut other = mysql.command(&["check"]);
    other.env("SHOP_TOKEN", "sk");
    Ran::of(other).refused(3, "database.url");
    let alone = Shop::new(None);
    alone.run(&["tasks"]).refused(75, "start `hikiate run`");
    assert!(
        !alone.dir.path().join("state").exists(),
        "a question makes nothing"
    );
}

/// As HAProxy does while no server is behind it.
#[test]
fn a_proxy_that_hangs_up_is_a_database_that_is_away() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = proxy.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in proxy.incoming() {
            let mut asked = [0; 8];
            // Unread, the connection would be reset, which is told in another way.
            let _hung_up = client.and_then(|mut client| client.read_exact(&mut asked));
        }
    });
    let shop = Shop::new(Some(&format!("postgres://nobody@{at}/none")));
    for command in [&["tasks"][..], &["migrate"]] {
        let ran = shop.run(command);
        assert_eq!(ran.code, Some(75), "{command:?}: {ran:?}");
        assert!(ran.err.contains("the database is unavailable"), "{ran:?}");
        assert_eq!(ran.err.matches("SSLRequest").count(), 1, "{ran:?}");
    }
}

#[tokio::test]
async fn an_empty_database_is_migrated_once() {
    let db = db().await;
    for statement in ["DROP SCHEMA public CASCADE", "CREATE SCHEMA public"] {
        sqlx::query(statement).execute(&db.pool).await.unwrap();
    }
    let shop = Shop::new(Some(&db.url));
    shop.run(&["order", "list"]).refused(5, "hikiate migrate");
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    let number = |file: std::fs::DirEntry| file.file_name().to_string_lossy()[..4].parse::<u32>();
    let mut all: Vec<u32> = files.map(|file| number(file.unwrap()).unwrap()).collect();
    all.sort_unstable();
    let newest = *all.last().unwrap();
    assert_eq!(
        shop.run(&["migrate", "--json"]).json(),
        json!({ "applied": all, "schema": newest })
    );
    assert_eq!(
        shop.run(&["migrate", "--wait"]).ended(0),
        format!("nothing to do: the schema is at version {newest}\n")
    );
    assert_eq!(shop.run(&["order", "list"]).ended(0), "no such orders\n");
    for list in [
        &["order", "list"][..],
        &["tasks"],
        &["stock", "show"],
        &["stream", "list"],
        &["effect", "list"],
        &["quarantine", "list"],
    ] {
        let with_json: Vec<&str> = list.iter().copied().chain(["--json"]).collect();
        assert_eq!(shop.run(&with_json).json(), json!([]), "{list:?}");
    }
    sqlx::query("UPDATE gate SET min_code = 1000")
        .execute(&db.pool)
        .await
        .unwrap();
    shop.run(&["order", "list"]).refused(5, "newer version");
}

#[tokio::test]
async fn what_is_not_there_is_4() {
    let db = db().await;
    let shop = Shop::new(Some(&db.url));
    for command in [
        &["order", "show", "HK404"][..],
        &["order", "explain", "shop/404"],
        &["order", "hold", "HK404", "shop/405", "--reason", "x"],
        &["stock", "show", "NOTHING"],
        &["effect", "resolve", "404", "done", "--reason", "x"],
        &["quarantine", "show", "404"],
        &["quarantine", "retry", "404"],
        &["deposit", "add", "HK404", "100", "--reference", "r"],
    ] {
        let ran = shop.run(command);
        assert_eq!(ran.code, Some(4), "{command:?}: {ran:?}");
    }
    let both = shop.run(&["order", "cancel", "HK404", "shop/405", "--reason", "x"]);
    assert!(
        both.err.contains("HK404") && both.err.contains("shop/405"),
        "{both:?}"
    );
}

#[tokio::test]
async fn a_reader_that_has_gone_away_is_no_failure() {
    let db = db().await;
    let shop = Shop::new(Some(&db.url));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = shop
        .command(&["order", "list"])
        .stdout(writer)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_bad_row_of_the_mapping_file_keeps_no_operator_from_stopping_what_is_shipped() {
    let db = db().await;
    let shop = Shop::new(Some(&db.url));
    let same = shop.run(&["item", "unmapped", "--csv", "codes.csv"]);
    same.refused(5, "all their counts would be lost");
    let text = std::fs::read_to_string(shop.config()).unwrap();
    let listed = "[catalogue]\nmapping = \"listed\"\nfile = \"items.csv\"\n";
    std::fs::write(shop.config(), text + listed).unwrap();
    let items = shop.dir.path().join("items.csv");
    std::fs::write(items, "item,account,code,multiplier\nAPPLE,shop,A,none\n").unwrap();
    let stopped = shop.run(&["stop-shipping", "--reason", "x"]);
    stopped.ended(0);
    assert!(
        stopped.err.contains("items.csv:2: multiplier \"none\"")
            && stopped.err.contains("hikiate run will not start"),
        "{stopped:?}"
    );
    let checked = shop.run(&["check", "--allow-missing-secrets"]);
    checked.refused(3, "items.csv:2: multiplier");
}

#[tokio::test]
async fn quarantined_bytes_are_shown_as_what_they_are() {
    let db = db().await;
    sqlx::query("INSERT INTO accounts (slug, connector) VALUES ('wh', 'files')")
        .execute(&db.pool)
        .await
        .unwrap();
    for (hash, raw) in [
        ("a", &b"\x92\x8d\x95\xb6,1\x1b[2J"[..]),
        ("b", b"\xff\x00\xfe"),
    ] {
        sqlx::query(
            "INSERT INTO quarantine (account_id, stream, hash, raw, reason, first_at, last_at)
             SELECT id, 'shipments', $1, $2, 'row 3: no such column', hk_now(), hk_now() FROM accounts",
        )
        .bind(hash.as_bytes())
        .bind(raw)
        .execute(&db.pool)
        .await
        .unwrap();
    }
    let shop = Shop::new(Some(&db.url));
    let rows = shop.run(&["quarantine", "list", "--json"]).json();
    assert_eq!(
        (&rows[0]["account"], &rows[0]["seen"]),
        (&json!("wh"), &json!(1))
    );
    let id = rows[0]["id"].to_string();
    let shown = shop.run(&["quarantine", "show", &id]);
    assert!(shown.ended(0).contains("注文,1\\u{1b}[2J"), "{shown:?}");
    assert!(
        shown.out.contains("row 3: no such column") && shown.err.contains("names and addresses")
    );
    let value = shop
        .run(&["quarantine", "show", &rows[1]["id"].to_string(), "--json"])
        .json();
    assert_eq!(
        (&value["encoding"], &value["raw"]),
        (&json!("hex"), &json!("ff00fe"))
    );
    let retried = shop.run(&["quarantine", "retry", &id]);
    for words in [
        "will be read again by the daemon".to_owned(),
        format!("see `hikiate quarantine show {id}`"),
    ] {
        assert!(retried.ended(0).contains(&words), "{words:?} {retried:?}");
    }
    let dismiss = ["quarantine", "dismiss", &id, "--reason", "typed by hand"];
    assert!(
        shop.run(&dismiss)
            .ended(0)
            .contains("is out of quarantine: ")
    );
    let shown = shop.run(&["quarantine", "show", &id]);
    assert!(shown.ended(0).contains("dismissed "), "{shown:?}");
    shop.run(&dismiss).refused(5, "already");
    shop.run(&["quarantine", "retry", &id]).ended(0);
    shop.run(&dismiss).ended(0);
}

//! Accounts and layouts that are wrong, each problem with its key.

use std::fs::{Permissions, create_dir, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use hikiate_files::{Files, SHIPPED, load_layout};
use hikiate_sdk::{AccountConfig, AccountSlug, Connector, ConnectorKind, Problem};
use serde_json::{Value, json};

fn build(dir: &Path, settings: &Value) -> Result<Arc<dyn Connector>, Vec<Problem>> {
    Files.build(&AccountConfig {
        slug: &AccountSlug::from("osaka"),
        settings,
        base_dir: dir,
        timezone: "Asia/Tokyo",
        link: &hikiate_sdk::Link::new(hikiate_sdk::budget::Clock::default()),
    })
}

fn problems(settings: &Value) -> Vec<(String, String)> {
    let dir = tempfile::tempdir().unwrap();
    match build(dir.path(), settings) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|p| (p.key, p.message)).collect(),
    }
}

#[test]
fn the_layouts_that_come_with_the_program_build_an_account() {
    for (name, _) in SHIPPED {
        assert_eq!(
            problems(&json!({ "folder": "x", "layout": name })),
            [],
            "{name}"
        );
    }
    assert_eq!(Files.name(), "files");
    assert!(
        serde_json::to_string(&Files.schema())
            .unwrap()
            .contains("stable_for")
    );
}

#[test]
fn every_wrong_key_is_told_at_once() {
    let found = problems(&json!({
        "folder": "x", "sftp": {}, "layout": "nonesuch", "interval": "soon", "stable_for": 5,
        "incoming": "same", "outgoing": "same", "archive": "../up", "colour": "red",
    }));
    let keys: Vec<_> = found.iter().map(|(k, _)| k.as_str()).collect();
    for key in [
        "folder",
        "layout",
        "interval",
        "stable_for",
        "incoming",
        "archive",
        "colour",
    ] {
        assert!(keys.contains(&key), "{key} in {found:?}");
    }
    assert!(
        found
            .iter()
            .any(|(k, m)| k == "layout" && m.contains("japanese-3pl-cp932")),
        "{found:?}"
    );
    assert_eq!(
        problems(&json!({}))
            .iter()
            .map(|(k, _)| k.as_str())
            .collect::<Vec<_>>(),
        ["layout", "folder"]
    );
    assert_eq!(problems(&json!([])).len(), 1);
}

#[test]
fn a_key_that_cannot_be_read_is_not_missing() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("moved.toml");
    let text = SHIPPED.iter().find(|(n, _)| *n == "japanese-3pl-utf8");
    let text = text.unwrap().1;
    let moved = text.replace("picked_up = \"kept\"", "picked_up = \"moved\"");
    std::fs::write(&layout, moved).unwrap();
    let settings = json!({ "folder": "x", "layout": layout, "picked_up_to": "../up" });
    let found = problems(&settings);
    assert!(
        found.len() == 1 && found[0].1.contains("must be a folder below"),
        "{found:?}"
    );
}

/// No mistake of the configuration: a command may run on another machine than the daemon, and as another user.
#[test]
fn a_folder_that_files_cannot_be_written_into_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let settings = json!({ "folder": "books", "layout": "hledger" });
    let told = || {
        let account = build(dir.path(), &settings).unwrap();
        assert!(account.source().is_none());
        let told = account.operations().unwrap().destination();
        assert!(told[1].contains("outgoing files have the mode"), "{told:?}");
        told[0].clone()
    };
    let books = dir.path().join("books");
    let no_root = told();
    assert!(
        no_root
            .ends_with("books, which does not exist on this machine now: files wait until it does"),
        "{no_root}"
    );
    create_dir(&books).unwrap();
    let no_folder = told();
    assert!(
        no_folder.contains("books; outgoing does not exist on this machine now"),
        "{no_folder}"
    );
    // Who reads, too, says it where it tells what it reads.
    let both = json!({ "folder": "books", "layout": "japanese-3pl-utf8" });
    let both = build(dir.path(), &both).unwrap();
    let says = both.source().unwrap().says();
    assert!(
        says.iter().any(|s| s.contains("; outgoing does not exist")),
        "{says:?}"
    );
    assert!(both.operations().unwrap().destination().is_empty());
    let outgoing = books.join("outgoing");
    create_dir(&outgoing).unwrap();
    let good = told();
    assert!(
        good.starts_with("its folder outgoing is in ") && good.ends_with("books"),
        "{good}"
    );
    set_permissions(&outgoing, Permissions::from_mode(0o555)).unwrap();
    // root may write anywhere.
    let refused = !nix::unistd::geteuid().is_root();
    let read_only = told();
    assert_eq!(
        read_only.contains("; outgoing cannot be written to by this user"),
        refused,
        "{read_only}"
    );
}

#[test]
fn modes_groups_and_budgets_are_checked() {
    let of = |key: &str, value: Value| {
        let mut settings = json!({ "folder": "x", "layout": "hledger" });
        settings[key] = value;
        problems(&settings)
    };
    for mode in ["0640", "640", "0660", "0600", "0777"] {
        assert_eq!(of("mode", json!(mode)), [], "{mode}");
    }
    for (mode, why) in [
        ("rw-r-----", "is not a file mode"),
        ("0o640", "is not a file mode"),
        ("4755", "is not a file mode"),
        ("64", "is not a file mode"),
        ("0689", "is not a file mode"),
        ("0440", "would lock hikiate out of its own files"),
    ] {
        let found = of("mode", json!(mode));
        assert_eq!(found.len(), 1, "{mode}");
        assert!(
            found[0].0 == "mode" && found[0].1.contains(why),
            "{found:?}"
        );
    }
    let budget = json!({ "records": 0, "bytes": 10, "row_bytes": 1, "listing": 0, "idle": "0s" });
    let keys: Vec<_> = of("budget", budget).into_iter().map(|(k, _)| k).collect();
    let of_budget = ["records", "bytes", "row_bytes", "listing", "idle"];
    assert_eq!(keys, of_budget.map(|k| format!("budget.{k}")));
    assert_eq!(of("budget", json!({ "rows": 5 })).len(), 1);
    let rows = json!({ "bytes": 65_536, "row_bytes": 70_000 });
    let found = of("budget", rows);
    assert!(
        found.len() == 1
            && found[0].0 == "budget.row_bytes"
            && found[0]
                .1
                .contains("is 70000, more than budget.bytes (65536)"),
        "{found:?}"
    );
    assert_eq!(of("budget", json!({ "bytes": 65_536 })), []);
    // A command may run on another machine than the daemon.
    assert_eq!(of("group", json!("no-such-group-here")), []);
    assert_eq!(of("group", json!("root")), []);
    assert_eq!(of("budget", json!({ "records": 500, "idle": "30s" })), []);
    assert_eq!(of("unended_after", json!("soon")).len(), 1);
    let sftp = problems(&json!({ "layout": "hledger", "group": "wms", "sftp": {} }));
    assert!(
        sftp.iter()
            .any(|(k, m)| k == "group" && m.contains("folder on this machine only")),
        "{sftp:?}"
    );
}

#[test]
fn an_sftp_account_needs_a_pinned_host_key_and_a_key_file() {
    let found = problems(
        &json!({ "layout": "hledger", "sftp": { "host": "h", "user": "u", "host_key": "MD5:00", "key": { "file": "missing" }, "password": "x" } }),
    );
    let keys: Vec<_> = found.iter().map(|(k, _)| k.as_str()).collect();
    assert_eq!(keys, ["sftp.password", "sftp.host_key", "sftp.key"]);
    let found = problems(&json!({ "layout": "hledger", "sftp": {} }));
    let keys: Vec<_> = found.iter().map(|(k, _)| k.as_str()).collect();
    assert_eq!(
        keys,
        ["sftp.host", "sftp.user", "sftp.host_key", "sftp.key"]
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "not a key: hunter2").unwrap();
    let pin = format!("SHA256:{}", "A".repeat(43));
    let found = problems(
        &json!({ "layout": "hledger", "sftp": { "host": "h", "user": "u", "host_key": pin, "key": { "file": file } } }),
    );
    assert_eq!(found.len(), 1);
    assert!(
        found[0].1.contains("ssh-keygen") && !found[0].1.contains("hunter2"),
        "{found:?}"
    );
}

#[test]
fn a_wrong_layout_is_told_with_its_places() {
    let dir = tempfile::tempdir().unwrap();
    let check = |change: &dyn Fn(&str) -> String| {
        std::fs::write(dir.path().join("l.toml"), change(SHIPPED[0].1)).unwrap();
        let slug = AccountSlug::from("osaka");
        let settings = json!({ "folder": "x", "layout": "l.toml" });
        let config = AccountConfig {
            slug: &slug,
            settings: &settings,
            base_dir: dir.path(),
            timezone: "Asia/Tokyo",
            link: &hikiate_sdk::Link::new(hikiate_sdk::budget::Clock::default()),
        };
        Files
            .build(&config)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|p| p.message)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(check(&str::to_owned), "");
    for (from, to, want) in [
        (
            "row.display",
            "row.dislay",
            "instruct.columns \"注文番号\": undefined value",
        ),
        (
            "{{ row.display }}",
            "{{ row.display",
            "instruct.columns \"注文番号\": syntax error",
        ),
        ("'%Y/%m/%d'", "'%Q'", "is not a strftime format"),
        (
            "field = \"verdict\"",
            "",
            "reply.columns: the field \"verdict\" is missing",
        ),
        (
            "field = \"tracking\"",
            "field = \"verdict\"",
            "shipped.columns \"送り状番号\": these files have no field \"verdict\"",
        ),
        (
            "rejected = [\"NG\"",
            "rejected = [\"OK\"",
            "reply.verdicts.rejected: \"OK\" is listed twice",
        ),
        (
            "separator = \",\"",
            "separator = \"x\"",
            "instruct: the separator 'x'",
        ),
        (
            "quote = \"minimal\"",
            "quote = \"some\"",
            "unknown variant `some`",
        ),
        (
            "files = \"jisseki-*.csv\"",
            "files = \"uketsuke-*.csv\"",
            "two kinds have the same pattern",
        ),
        (
            "name = \"数量\"",
            "name = \"商品名\"",
            "instruct.columns \"商品名\": this name is used twice",
        ),
        (
            "name = \"数量\"",
            "name = \"数量😀\"",
            "cannot be written in the file's encoding",
        ),
        (
            "picked_up = \"kept\"",
            "picked_up = \"moved\"",
            "set the folder that hikiate's files are moved to",
        ),
        (
            "[cancel_reply]",
            "[cancel_replies]",
            "unknown field `cancel_replies`",
        ),
        (
            "[cancel_reply]",
            "zone = \"Mars\"\n[cancel_reply]",
            "unknown field `zone`",
        ),
        (
            "[cancel]\naccept = \"file\"",
            "[cancel]\naccept = \"phone\"",
            "cancel.columns: with accept = \"phone\" no file is written",
        ),
        (
            "[instruct]\naccept = \"file\"",
            "[instruct]\naccept = \"phone\"",
            "instruct.accept: only cancellations are requested by phone",
        ),
        (
            "field = \"shipped_at\", format = \"%Y",
            "field = \"shipped_at\", format = \"%y",
            "has a two-digit year, which is ambiguous: use %Y",
        ),
        (
            "field = \"as_of\", format = \"%Y/%m/%d %H:%M:%S\"",
            "field = \"as_of\", format = \"%H:%M:%S\"",
            "does not name year, month and day",
        ),
        (
            "field = \"as_of\", format",
            "field = \"as_of\", planned = true, format",
            "only the field \"shipped_at\" can be planned",
        ),
        (
            "{ name = \"倉庫コード\", field = \"location\" }",
            "{ name = \"区分\", field = \"quality\" }",
            "stock.quality: define the words",
        ),
        (
            "[stock]\n",
            "[stock]\nquality = { \"良品\" = \"sellable\" }\n",
            "stock.quality: no column has the field \"quality\"",
        ),
        (
            "[stock]\n",
            "[stock]\nas_of_lag = \"2d\"\n",
            "stock.as_of_lag: must be at most one day",
        ),
        (
            "[stock]\n",
            "[stock]\nabsent = \"none\"\n",
            "unknown variant `none`",
        ),
        (
            "[shipped]\n",
            "[shipped]\nquantities = \"delta\"\nexports = \"cumulative\"\n",
            "shipped.quantities: \"delta\" counts units twice",
        ),
        (
            "field = \"shipped_at\", format = \"%Y/%m/%d %H",
            "field = \"shipped_at\", format = \"%Y/%m/%d %I",
            "a 12-hour time without am or pm",
        ),
        (
            "field = \"shipped_at\", format = \"%Y/%m/%d %H:%M:%S\"",
            "field = \"shipped_at\", format = \"%Y/%m/%d %H:%M:%S %Z\"",
            "a time zone name (%Z), which is not parsed",
        ),
        (
            "files = \"jisseki-*.csv\"",
            "files = \"*.csv\"",
            "stock.files: \"zaiko-*.csv\" and shipped.files (\"*.csv\") both match \"zaiko-.csv\"",
        ),
        (
            "name = \"送り状番号\"",
            "name = \"出荷 数量\"",
            "shipped.columns \"出荷 数量\": this name is used twice",
        ),
        (
            "files = \"jisseki-*.csv\"",
            "files = \"UKETSUKE-*.csv\"",
            "two kinds have the same pattern",
        ),
        (
            "title = ",
            "zone = \"Mars/Base\"\ntitle = ",
            "\"Mars/Base\" is not a time zone",
        ),
    ] {
        assert!(SHIPPED[0].1.contains(from), "{from}");
        let got = check(&|t| t.replace(from, to));
        assert!(got.contains(want), "{from} → {to}: {got}");
    }
    let several = check(&|t| {
        t.replace("field = \"shipped_at\"", "field = \"as_of\"")
            .replace("bytes = 2 }", "bytes = 0 }")
    });
    assert!(several.lines().count() >= 3, "{several}");
    let damaged = check(&|t| {
        t.replace(
            "[stock]\n",
            "[stock]\nquality = { \"不良品\" = \"damaged\" }\n",
        )
        .replace(
            "name = \"倉庫コード\", field = \"location\"",
            "name = \"区分\", field = \"quality\"",
        )
    });
    assert!(damaged.contains("no word is \"sellable\""), "{damaged}");
    let adds = |format: &str, carrier: &str| {
        check(&|t| {
            t.replace("[shipped]\n", "[shipped]\nquantities = \"delta\"\n")
                .replace(
                    "field = \"shipped_at\", format = \"%Y/%m/%d %H:%M:%S\"",
                    &format!("field = \"shipped_at\", format = \"{format}\""),
                )
                .replace("field = \"carrier\"", &format!("field = \"{carrier}\""))
        })
    };
    let days = adds("%Y/%m/%d", "carrier");
    assert!(
        days.contains("shipped.quantities: \"delta\" must know whether a row was already reported")
            && days.contains("give shipped_at a time of day"),
        "{days}"
    );
    assert_eq!(adds("%Y/%m/%d", "parcel"), "");
    assert_eq!(adds("%Y/%m/%d %H:%M", "carrier"), "");
    assert!(load_layout("nonesuch", dir.path()).is_err());
}

/// `hikiate check` says in words what each choice means.
#[test]
fn what_a_layout_and_an_account_choose_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let says = |change: &dyn Fn(&str) -> String, keys: Value| {
        std::fs::write(dir.path().join("l.toml"), change(SHIPPED[0].1)).unwrap();
        let slug = AccountSlug::from("osaka");
        let mut settings = json!({ "folder": "x", "layout": "l.toml" });
        for (key, value) in keys.as_object().unwrap() {
            settings[key] = value.clone();
        }
        let config = AccountConfig {
            slug: &slug,
            settings: &settings,
            base_dir: dir.path(),
            timezone: "Asia/Tokyo",
            link: &hikiate_sdk::Link::new(hikiate_sdk::budget::Clock::default()),
        };
        let account = Files.build(&config).ok().unwrap();
        account.source().unwrap().says().join("\n")
    };
    let plain = says(&str::to_owned, json!({}));
    for word in [
        "(total)",
        "(new)",
        "(on-hand)",
        "(unknown)",
        "10000 records",
        "4194304 bytes",
        "the mode from the process's umask",
    ] {
        assert!(plain.contains(word), "{word} in {plain}");
    }
    let other = says(
        &|t| {
            t.replace("[shipped]\n", "[shipped]\nquantities = \"delta\"\n")
                .replace(
                    "[stock]\n",
                    "[stock]\ncount = \"free\"\nabsent = \"zero\"\nquality = { \"良品\" = \"sellable\", \"不良品\" = \"damaged\", \"検品\" = \"held\" }\n",
                )
                .replace(
                    "name = \"倉庫コード\", field = \"location\"",
                    "name = \"区分\", field = \"quality\"",
                )
                .replace(
                    "field = \"shipped_at\", format = \"%Y/%m/%d %H:%M:%S\"",
                    "field = \"shipped_at\", format = \"%Y-%m-%dT%H:%M:%S%:z\"",
                )
        },
        json!({ "mode": "0640", "group": "root", "budget": { "records": 50, "idle": "30s" } }),
    );
    for word in [
        "(delta)",
        "(free)",
        "(zero)",
        "quality 良品 count, 不良品 (damaged), 検品 (held) do not",
        "a time with its UTC offset in the cell (%Y-%m-%dT%H:%M:%S%:z)",
        "mode 0640 and the group root",
        "at most 50 records",
        "times out 30s after",
    ] {
        assert!(other.contains(word), "{word} in {other}");
    }
}

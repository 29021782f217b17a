#![expect(clippy::unwrap_used, reason = "tests")]
//! Loading as a whole, with a connector of the tests that offers what its account says.

mod connector;
mod hooks;
mod mistakes;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use hikiate_sdk::{AccountSlug, ConnectorKind};
use serde_json::Value;
use tempfile::TempDir;

use self::connector::Test;
use super::*;
use crate::calendar::Term;
use crate::cli::check;
use crate::policy::{CancelBy, CaptureRule, Catalogue, Close, Dispatch, PaymentMethod, ReplyTerm};
use crate::rules::HoldRules as _;

const KINDS: &[&dyn ConnectorKind] = &[&Test];

const GOOD: &str = r#"
[shop]
name = "りんご屋"

[accounts.shop-jp]
connector = "test"
offers = ["orders", "fulfil", "ship", "capture"]
token = { file = "token" }
[accounts.three-pl]
connector = "test"
offers = ["shipments", "stock", "instruct", "cancel_instruction", "replies"]
[accounts.post]
connector = "test"
offers = ["mail"]
[accounts.books]
connector = "test"
offers = ["post_journal"]

[channels.shop-jp]
mail = ["shipped"]
payments = { "pp_system_default" = { method = "card", account = "shop-jp" }, "bank.transfer" = { method = "bank_transfer" } }
locations = { zzz-first = "sloc_1" }

[warehouses.zzz-first]
account = "three-pl"
location = "A"
dispatch = { mode = "wave", cutoffs = ["09:00", "13:00"] }
expect = ["12:00", "18:30"]
[warehouses.aaa-second]
account = "three-pl"
location = "B"
dispatch = { mode = "continuous", grace = "30m", max_rows = 10 }
reply_within = "30m"

[mail]
account = "post"

[[hold]]
name = "high-value"
when = 'order.total >= yen(100000)'

[booking]
recognise = "shipped"
account = "books"
close = { at = "02:00" }
"#;

/// A folder with a configuration and a token.
struct Folder(TempDir);

impl Folder {
    fn new(text: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("hikiate.toml"), text).unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "tok").unwrap();
        // Of one that others can read there is a warning.
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("hikiate.toml")
    }

    fn load_with(&self, surroundings: &Surroundings) -> Result<Loaded, Vec<ConfigProblem>> {
        load(Some(&self.path()), surroundings, KINDS)
    }

    fn load(&self) -> Result<Loaded, Vec<ConfigProblem>> {
        self.load_with(&Surroundings::default())
    }

    /// Problems as printed, the folder's name taken off.
    fn problems(&self) -> Vec<String> {
        let problems = self.load().err().unwrap_or_default();
        let prefix = format!("{}/", self.0.path().display());
        problems
            .iter()
            .map(|p| p.to_string().replace(&prefix, ""))
            .collect()
    }
}

fn variables(pairs: &[(&str, &str)]) -> Surroundings {
    let variables = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Surroundings {
        variables,
        allow_missing_secrets: false,
        allow_bad_mapping: false,
    }
}

/// The good configuration with one change.
fn changed(from: &str, to: &str) -> Folder {
    assert!(GOOD.contains(from), "{from}");
    Folder::new(&GOOD.replace(from, to))
}

#[test]
fn what_is_written_under_a_name_of_before_works_and_is_named() {
    let text = GOOD
        .replace(
            "[channels.shop-jp]",
            "[engine]\nrule_burst = 7\n[channels.shop-jp]\nreread = \"20m\"",
        )
        .replace(
            "name = \"high-value\"",
            "name = \"high-value\"\nrelease = \"person\"",
        );
    let folder = Folder::new(&text);
    let loaded = folder.load().unwrap();
    let channel = &loaded.policy.channels[&AccountSlug::from("shop-jp")];
    assert_eq!(channel.refresh, Some(chrono::Duration::minutes(20)));
    assert_eq!(loaded.settings.engine.automation_burst, 7);
    let notes: Vec<_> = loaded
        .renamed
        .iter()
        .map(|n| (n.line > 0, &*n.key))
        .collect();
    assert_eq!(
        notes,
        [
            (true, "channels.shop-jp.reread"),
            (true, "engine.rule_burst"),
            (true, "hold[1].release")
        ]
    );
    let words = loaded.renamed[0].to_string();
    assert!(
        words.ends_with("is now called refresh; the old name still works"),
        "{words}"
    );
}

#[test]
fn payments_count_as_the_account_that_holds_them_reports_them() {
    let reads = |offers: &str, route: &str| {
        let text = GOOD
            .replace("offers = [\"mail\"]", offers)
            .replace("account = \"shop-jp\" }", route);
        let loaded = Folder::new(&text).load().unwrap();
        let channel = &loaded.policy.channels[&AccountSlug::from("shop-jp")];
        let route = &channel.payments["pp_system_default"];
        route.elsewhere().map(ToString::to_string)
    };
    let there = "account = \"post\" }";
    let all = "offers = [\"mail\", \"capture\", \"payments\"]";
    assert_eq!(reads(all, there).as_deref(), Some("post"));
    let here = "account = \"shop-jp\" }";
    assert_eq!(reads(all, here), None, "the channel itself");
}

#[test]
fn the_ids_that_a_payment_provider_goes_by_are_known_and_told() {
    let text = GOOD
        .replace(
            "offers = [\"mail\"]",
            "offers = [\"mail\", \"capture\", \"payments\", \"ids\"]",
        )
        .replace("account = \"shop-jp\" }", "account = \"post\" }");
    let loaded = Folder::new(&text).load().unwrap();
    let channel = &loaded.policy.channels[&AccountSlug::from("shop-jp")];
    let ids = channel.payments["pp_system_default"].ids.unwrap();
    assert!(ids.has("pi_1") && !ids.has("ch_1"));
    let told = "payment provider post (test)\n  payments are fetched every 30 s\n  an order has to name its payment by an id that begins with pi_. Name the PaymentIntent\n";
    assert!(loaded.summary.contains(told), "{}", loaded.summary);
    let own = Folder::new(GOOD).load().unwrap();
    assert!(!own.summary.contains("payment provider"), "{}", own.summary);
    let warned = |field: &str| {
        let offers = format!("offers = [\"orders\", \"{field}\"");
        let text = text.replace("offers = [\"orders\"", &offers);
        let summary = Folder::new(&text).load().unwrap().summary;
        let warning = "WARNING: account shop-jp does not set where its orders have the id of their payment at post";
        let line = summary.lines().find(|line| line.contains(warning));
        line.map(str::to_owned)
    };
    assert_eq!(warned("configured"), None);
    assert!(warned("no-field").is_some_and(|line| line.ends_with("they have none")));
    let usual = warned("usual-field");
    assert!(usual.is_some_and(|line| {
        line.ends_with("begin with pi_ are found there. Name the PaymentIntent")
    }));
}

#[test]
fn a_second_look_and_the_end_of_a_vanished_order_s_stock_can_be_switched_off() {
    let keys = "mail = [\"shipped\"]\nrecheck = \"off\"\nvanished_after = \"never\"";
    let loaded = changed("mail = [\"shipped\"]", keys).load().unwrap();
    let channel = &loaded.policy.channels[&AccountSlug::from("shop-jp")];
    assert_eq!((channel.recheck, channel.vanished_after), (None, None));
}

#[test]
fn a_missing_reply_can_be_no_task_and_is_none_where_no_replies_come() {
    let terms = |folder: &Folder| -> Vec<Option<ReplyTerm>> {
        let policy = folder.load().unwrap().policy;
        (policy.warehouses.iter())
            .map(|warehouse| warehouse.reply_within.clone())
            .collect()
    };
    let minutes = chrono::Duration::minutes(30);
    let never = changed(
        "expect = [\"12:00\", \"18:30\"]",
        "reply_within = \"never\"",
    );
    assert_eq!(terms(&never), [None, Some(ReplyTerm::Within(minutes))]);
    let quiet = GOOD
        .replace(", \"replies\"", "")
        .replace("expect = [\"12:00\", \"18:30\"]\n", "");
    let said = Folder::new(&quiet).problems();
    assert_eq!(
        said,
        [
            "hikiate.toml:32: warehouses.aaa-second.reply_within: account three-pl sends no replies (accept = \"delivered\"), so none can be missing; remove it"
        ]
    );
    let quiet = quiet.replace("reply_within = \"30m\"\n", "");
    assert_eq!(terms(&Folder::new(&quiet)), [None, None]);
}

#[test]
fn parcels_abroad_and_by_a_service_of_their_own_are_presumed_delivered_at_other_times() {
    let presume = |lines: &str| {
        let text = format!("[delivery]\n{lines}\n[booking]");
        let policy = changed("[booking]", &text).load().unwrap().policy;
        policy.presume_delivered
    };
    let days = |days| Some(chrono::Duration::days(days));
    let own = presume(
        "presume = \"2d\"\npresume_by_service = { \"ゆうパケット\" = \"5d\", \"代引\" = \"never\" }",
    );
    assert_eq!(own.after(Some("宅急便"), false), days(2));
    assert_eq!(own.after(None, true), days(10));
    assert_eq!(own.after(Some("ゆうパケット"), true), days(5));
    assert_eq!(own.after(Some("代引"), false), None);
    assert_eq!(presume("presume = \"14d\"").after(None, true), days(14));
    assert_eq!(presume("presume = \"never\"").after(None, true), None);
    let abroad = presume("presume = \"3d\"\npresume_abroad = \"7d\"");
    assert_eq!(abroad.after(None, true), days(7));
}

#[test]
fn a_good_configuration_becomes_a_policy() {
    let loaded = Folder::new(GOOD).load().unwrap();
    let policy = &loaded.policy;
    let channel = &policy.channels[&AccountSlug::from("shop-jp")];
    assert_eq!(
        channel.payments["pp_system_default"].method,
        PaymentMethod::Card
    );
    assert_eq!(channel.payments["bank.transfer"].account, None);
    assert_eq!(channel.refresh, Some(chrono::Duration::minutes(15)));
    assert_eq!(channel.recheck, Some(chrono::Duration::minutes(10)));
    assert!(!channel.recheck_required);
    assert_eq!(channel.vanished_after, Some(chrono::Duration::hours(72)));
    let names: Vec<&str> = policy.warehouses.iter().map(|w| w.name.as_str()).collect();
    assert_eq!(names, ["zzz-first", "aaa-second"], "the order of the file");
    assert!(
        matches!(&policy.warehouses[0].dispatch, Dispatch::Wave { cutoffs, max_rows: 3000, files_per_cutoff: None } if cutoffs.len() == 2)
    );
    assert_eq!(
        policy.warehouses[1].dispatch,
        Dispatch::Continuous {
            grace: chrono::Duration::minutes(30),
            max_rows: 10
        }
    );
    assert_eq!(
        policy.allocation.expire_unpaid,
        Some(Term::Span(chrono::Duration::days(7)))
    );
    let booking = policy.booking.as_ref().unwrap();
    assert!(matches!(booking.close, Close::At(_)));
    assert_eq!(booking.titles.sales, "売上高");
    assert_eq!(loaded.rules.len(), 1);
    assert_eq!(loaded.accounts.len(), 4);
    assert_eq!(loaded.settings.engine.plan_batch, 80);
    assert_eq!(
        loaded.settings.http.listen,
        Some("127.0.0.1:9464".parse().unwrap())
    );
    assert!(loaded.settings.templates.shipped.subject.contains("発送"));
}

#[test]
fn the_rules_that_come_out_hold_orders() {
    let loaded = Folder::new(GOOD).load().unwrap();
    let order: crate::rules::RuleContext = crate::rules::RuleContext {
        order: crate::rules::RuleOrder {
            channel: "shop-jp".to_owned(),
            currency: "JPY".to_owned(),
            total: Some(crate::rules::RuleMoney(100_000)),
            remarks: String::new(),
            payment: crate::rules::RulePayment {
                method: "card".to_owned(),
            },
            buyer_mail: true,
        },
        lines: Vec::new(),
        groups: Vec::new(),
    };
    assert_eq!(loaded.rules.evaluate(&order)[0].holds, Ok(true));
}

#[test]
fn the_defaults_alone_lack_only_a_channel_and_a_warehouse() {
    let problems = load(None, &Surroundings::default(), KINDS).unwrap_err();
    let messages: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "no channel: add at least one table [channels.NAME]",
            "no warehouse: add at least one table [warehouses.NAME]",
        ]
    );
    assert_eq!(problems[0].file, "built-in defaults");
}

/// All property names of a schema.
fn keys(schema: &Value, found: &mut BTreeMap<String, ()>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        properties.keys().for_each(|key| {
            found.insert(key.clone(), ());
        });
    }
    match schema {
        Value::Object(map) => map.values().for_each(|below| keys(below, found)),
        Value::Array(items) => items.iter().for_each(|below| keys(below, found)),
        _ => {}
    }
}

#[test]
fn what_is_kept_how_long_is_told_and_wrong_times_are_mistakes() {
    let said = Folder::new(GOOD).load().unwrap().summary;
    for words in [
        "names, addresses and the bytes of instructions are kept 180 days after the end of their order",
        "raw bytes of readings are kept 30 days after they were read",
        "records in quarantine are kept 90 days after they were settled",
    ] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    let with = |keys: &str| Folder::new(&format!("{GOOD}\n[retention]\n{keys}\n")).load();
    let own = with("raw = \"never\"\npersonal = \"36h\"").unwrap();
    assert_eq!(own.settings.retention.raw, None);
    assert_eq!(
        own.settings.retention.personal,
        Some(chrono::Duration::hours(36))
    );
    for words in [
        "raw bytes of readings are kept as long as the names and addresses of their order",
        "WARNING: retention.raw is longer than retention.personal",
    ] {
        assert!(own.summary.contains(words), "{}", own.summary);
    }
    let longer = with("raw = \"400d\"\npersonal = \"180d\"").unwrap();
    for words in [
        "raw bytes of readings are kept 400 days after they were read, once their order has ended, and no longer than the names and addresses",
        "WARNING: retention.raw is longer than retention.personal",
    ] {
        assert!(longer.summary.contains(words), "{}", longer.summary);
    }
    for keys in [
        "raw = \"400d\"\npersonal = \"never\"",
        "raw = \"180d\"\npersonal = \"180d\"",
    ] {
        let good = with(keys).unwrap().summary;
        assert!(!good.contains("WARNING: retention"), "{good}");
    }
    let both = with("raw = \"never\"\npersonal = \"never\"").unwrap();
    assert!(
        both.summary
            .contains("raw bytes of readings are kept for ever")
    );
    for (keys, message) in [
        ("raw = \"5m\"", "too short"),
        ("personal = \"half a year\"", "is not a duration"),
        ("quarantine = 90", "expected text in quotes"),
        ("journals = \"1d\"", "no such key"),
    ] {
        let problems = with(keys).unwrap_err();
        let told: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
        assert!(told.iter().any(|m| m.contains(message)), "{keys}: {told:?}");
    }
}

#[test]
fn every_key_is_documented() {
    let mut found = BTreeMap::new();
    keys(&schemars::schema_for!(model::File).to_value(), &mut found);
    assert!(found.len() > 40, "{found:?}");
    for key in found.keys() {
        let written = DEFAULTS.lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ']);
            line.starts_with(&format!("{key} "))
                || line.contains(&format!("{key} = "))
                || line.starts_with(&format!("[{key}]"))
                || line.starts_with(&format!("[{key}."))
                || line.starts_with(&format!("[[{key}]]"))
                || line.contains(&format!(".{key}]"))
        });
        assert!(written, "{key} is not in config/hikiate.toml");
    }
}

#[test]
fn all_mistakes_are_found_at_once_in_the_order_of_the_file() {
    let text = GOOD
        .replace("name = \"りんご屋\"", "name = 5\ncurrency = \"XXXX\"")
        .replace("offers = [\"mail\"]", "offers = [\"mail\"]\nfoo = 1")
        .replace("\"13:00\"", "\"25:00\"")
        .replace("yen(100000)", "100000")
        .replace("recognise = \"shipped\"", "recognise = \"later\"");
    let problems = Folder::new(&text).load().unwrap_err();
    let keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "shop.name",
            "shop.currency",
            "accounts.post.foo",
            "warehouses.zzz-first.dispatch.cutoffs[2]",
            "hold[1].when",
            "booking.recognise",
        ],
        "{problems:#?}"
    );
    let lines: Vec<usize> = problems.iter().map(|p| p.line).collect();
    assert!(lines.is_sorted() && lines[0] == 3, "{lines:?}");
}

#[test]
fn toml_that_cannot_be_parsed_names_every_line() {
    let problems = Folder::new("[shop]\nname = \ncurrency = \"JPY\n[x\n").problems();
    assert!(
        problems.len() > 1 && problems[0].starts_with("hikiate.toml:2: this is not TOML"),
        "{problems:?}"
    );
    let missing = load(
        Some(std::path::Path::new("/nowhere/h.toml")),
        &Surroundings::default(),
        KINDS,
    )
    .unwrap_err();
    assert!(
        missing[0]
            .to_string()
            .starts_with("/nowhere/h.toml: cannot be read"),
        "{missing:?}"
    );
}

#[test]
fn a_file_in_another_encoding_is_to_be_saved_as_utf_8() {
    let folder = Folder::new(GOOD);
    let file = folder.0.path().join("cp932.toml");
    std::fs::write(&file, b"[shop]\nname = \"\x93\xfa\x96{\"\n").unwrap();
    let problems = load(Some(&file), &Surroundings::default(), KINDS).unwrap_err();
    let said = &problems[0].message;
    assert!(
        problems.len() == 1 && said.contains("save it as UTF-8") && !said.contains("--config"),
        "{problems:?}"
    );
}

#[test]
fn a_database_over_a_network_needs_a_verified_certificate_or_an_operator_who_trusts_it() {
    let folder = Folder::new(GOOD);
    let url = (
        "DATABASE_URL",
        "postgres://u:topsecret@db.example/d?sslmode=require",
    );
    let problems = folder.load_with(&variables(&[url])).unwrap_err();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    for part in [
        "database.url",
        "DATABASE_URL leads over a network to db.example with sslmode=require",
        "sslmode=verify-full",
        "database.allow_insecure = true",
    ] {
        assert!(said[0].contains(part), "{part} is not in {said:?}");
    }
    assert!(!said[0].contains("topsecret"), "{said:?}");

    let trusted = folder.load_with(&variables(&[
        url,
        ("HIKIATE__DATABASE__ALLOW_INSECURE", "true"),
    ]));
    let trusted = trusted.unwrap();
    assert!(
        trusted.summary.contains("WARNING: allow_insecure"),
        "{}",
        trusted.summary
    );
    let local = ("DATABASE_URL", "postgres://u@127.0.0.1/d");
    let local = folder.load_with(&variables(&[local])).unwrap();
    assert!(
        !local.summary.contains("allow_insecure"),
        "{}",
        local.summary
    );
}

#[test]
fn a_database_url_that_no_connection_takes_is_a_problem_with_its_key() {
    let folder = Folder::new(GOOD);
    for (url, why) in [
        ("host=10.1.2.3 dbname=x", "relative URL without a base"),
        ("postgres://hk:topsecret@/x", "empty host"),
        (
            "mysql://hk:topsecret@127.0.0.1/x",
            "not a URL of PostgreSQL",
        ),
    ] {
        let problems = folder
            .load_with(&variables(&[("DATABASE_URL", url)]))
            .unwrap_err();
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 1, "{said:?}");
        for part in ["database.url", "DATABASE_URL cannot be used", why] {
            assert!(said[0].contains(part), "{part} is not in {said:?}");
        }
        assert!(!said[0].contains("topsecret"), "{said:?}");
    }
}

#[test]
fn the_environment_wins_and_is_named_in_problems() {
    let folder = Folder::new(GOOD);
    let given = variables(&[
        ("HIKIATE__HTTP__LISTEN", "127.0.0.1:9999"),
        ("HIKIATE__ENGINE__PLAN_BATCH", "7"),
        ("HIKIATE__SHOP__NAME", "123"),
        ("HIKIATE__ALLOCATION__PREFER", "aaa-second, zzz-first"),
        ("HIKIATE__ALLOCATION__SPLIT", "false"),
        ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"),
        (
            "DATABASE_URL",
            "postgres://u:topsecret@h/d?sslmode=verify-full",
        ),
    ]);
    let loaded = folder.load_with(&given).unwrap();
    assert_eq!(
        loaded.settings.http.listen,
        Some("127.0.0.1:9999".parse().unwrap())
    );
    assert_eq!(loaded.settings.engine.plan_batch, 7);
    assert_eq!(loaded.policy.shop.name, "123");
    assert_eq!(loaded.policy.warehouses[0].name, "aaa-second");
    assert!(!loaded.policy.allocation.split);
    assert_eq!(
        loaded.settings.database.state_dir,
        PathBuf::from("/var/lib/a")
    );
    // What `hikiate health` reads of a file that may not load at all.
    let read = |written: &str, given: &Surroundings| {
        let folder = Folder::new(&format!("{written}\n[nonsense]\n"));
        let dir = state_dir(Some(&folder.path()), given).unwrap();
        let below = dir.strip_prefix(folder.0.path()).map(PathBuf::from);
        below.unwrap_or(dir)
    };
    assert_eq!(read("", &given), PathBuf::from("/var/lib/a"));
    let none = Surroundings::default();
    assert_eq!(read("", &none), PathBuf::from("/var/lib/hikiate"));
    let own = "[database]\nstate_dir = \"state\"";
    assert_eq!(read(own, &given), PathBuf::from("state"));
    assert!(loaded.settings.database.url.is_some());
    assert!(!format!("{loaded:?}").contains("topsecret"));
    assert!(!loaded.summary.contains("topsecret"));

    let problems = folder
        .load_with(&variables(&[
            ("HIKIATE__HTTP__LISTEN", "nonsense"),
            ("HIKIATE__LOG__LEVL", "info"),
        ]))
        .unwrap_err();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(
        said[0].starts_with(
            "environment variable HIKIATE__HTTP__LISTEN: http.listen: \"nonsense\" is not an address"
        ),
        "{said:?}"
    );
    assert!(
        said[1].starts_with(
            "environment variable HIKIATE__LOG__LEVL: log.levl: no such key; did you mean level?"
        ),
        "{said:?}"
    );
}

#[test]
fn missing_secrets_are_a_problem_unless_allowed() {
    let folder = changed(
        "token = { file = \"token\" }",
        "token = { env = \"HIKIATE_TEST_NO_SUCH_SECRET\" }",
    );
    assert!(folder.problems()[0].contains(
        "accounts.shop-jp.token: the environment variable HIKIATE_TEST_NO_SUCH_SECRET is not set"
    ));
    let allowed = Surroundings {
        allow_missing_secrets: true,
        allow_bad_mapping: false,
        ..Surroundings::default()
    };
    let loaded = folder.load_with(&allowed).unwrap();
    assert_eq!(loaded.accounts.len(), 4);
    assert_eq!(
        loaded.policy_document["accounts"]["shop-jp"]["token"]["env"],
        "HIKIATE_TEST_NO_SUCH_SECRET"
    );
}

#[test]
fn the_hash_is_of_what_decides_and_of_nothing_else() {
    let hash = |text: &str| Folder::new(text).load().unwrap().policy_hash;
    let base = hash(GOOD);
    assert_eq!(
        base,
        hash(&format!("# a remark\n{GOOD}\n[log]\nlevel = \"debug\"\n"))
    );
    assert_ne!(base, hash(&GOOD.replace("100000", "100001")));
    assert_ne!(base, hash(&GOOD.replace("\"13:00\"", "\"14:00\"")));
    assert_ne!(
        base,
        hash(&GOOD.replace(
            "offers = [\"mail\"]",
            "offers = [\"mail\"]\nurl = \"https://x\""
        ))
    );
    // Two daemons that keep addresses for another time are not of one mind.
    let kept = |raw: &str| hash(&format!("{GOOD}\n[retention]\nraw = \"{raw}\"\n"));
    assert_eq!(base, kept("30d"), "what is kept without a word");
    assert_ne!(base, kept("7d"));
    assert_ne!(base, kept("never"));
}

#[test]
fn the_mapping_file_is_read_with_line_numbers() {
    let folder = changed(
        "[mail]",
        "[catalogue]\nmapping = \"listed\"\nfile = \"items.csv\"\n[mail]",
    );
    let write = |text: &str| std::fs::write(folder.0.path().join("items.csv"), text).unwrap();
    assert!(
        folder.problems()[0].contains("catalogue.file: ")
            && folder.problems()[0].contains("cannot be read")
    );
    write("item,account,code,multiplier\nAPPLE,shop-jp,\"りんご, 箱\",12\nAPPLE,three-pl,A-1,1\n");
    let Catalogue::Listed(rows) = folder.load().unwrap().policy.catalogue else {
        unreachable!()
    };
    assert_eq!(
        (rows.len(), rows[0].code.as_str(), rows[0].multiplier),
        (2, "りんご, 箱", 12)
    );
    write("item,account,code,multiplier,like,orders\nAPPLE,shop-jp,APLE,1,APPLE,12\n");
    let Catalogue::Listed(rows) = folder.load().unwrap().policy.catalogue else {
        unreachable!()
    };
    assert_eq!(
        rows[0].item, "APPLE",
        "what helps to fill it in is left out"
    );
    write("item,account,code,multiplier,like,orders\n,shop-jp,APLE,1,APPLE,12\n");
    let said = folder.problems();
    assert!(
        said[0].contains("item and code must not be empty"),
        "{said:?}"
    );
    write(
        "item,account,code,multiplier\nAPPLE,shop-jp,A,0\nAPPLE,shop-j,A,1\nAPPLE,shop-jp,B\n\nP,shop-jp,C,1\nQ,shop-jp,C,1\n,shop-jp,D,1\nA,shop-jp,\"x,1\n",
    );
    let said = folder.problems();
    let want = [
        "items.csv:2: multiplier \"0\"",
        "items.csv:3: there is no account \"shop-j\"; did you mean shop-jp?",
        "items.csv:4: 3 columns",
        "items.csv:7: code \"C\" of shop-jp is already in an earlier line",
        "items.csv:8: item and code",
        "items.csv:9: a quote is not closed",
    ];
    assert_eq!(said.len(), want.len(), "{said:?}");
    said.iter()
        .zip(want)
        .for_each(|(said, want)| assert!(said.starts_with(want), "{said} / {want}"));
}

#[test]
fn a_command_beside_the_daemon_loads_without_the_rows_that_are_wrong() {
    let folder = changed(
        "[mail]",
        "[catalogue]\nmapping = \"listed\"\nfile = \"items.csv\"\n[mail]",
    );
    let beside = Surroundings {
        allow_bad_mapping: true,
        ..Surroundings::default()
    };
    let without_file = folder.load_with(&beside).unwrap().mapping_problems;
    assert!(without_file[0].message.contains("cannot be read"));
    let file = folder.0.path().join("items.csv");
    std::fs::write(
        &file,
        "item,account,code,multiplier\nAPPLE,shop-jp,A,0\nAPPLE,shop-jp,B,1\n",
    )
    .unwrap();
    let loaded = folder.load_with(&beside).unwrap();
    let place = |p: &ConfigProblem| (p.file == file.display().to_string(), p.line);
    let places: Vec<_> = loaded.mapping_problems.iter().map(place).collect();
    assert_eq!(places, [(true, 2)]);
    assert_eq!(loaded.mapping_file, Some(file));
    assert!(matches!(loaded.policy.catalogue, Catalogue::Listed(rows) if rows.len() == 1));
    assert_eq!(folder.problems().len(), 1, "the daemon does not start");
    let other = folder.0.path().join("hikiate.toml");
    let text = std::fs::read_to_string(&other).unwrap();
    std::fs::write(other, text.replace("\"listed\"", "\"lsited\"")).unwrap();
    assert!(folder.load_with(&beside).is_err(), "no other mistake");
}

#[test]
fn codes_of_the_mapping_file_are_read_as_codes_of_orders_are() {
    let folder = changed(
        "[mail]",
        "[catalogue]\nmapping = \"listed\"\nfile = \"items.csv\"\n[mail]",
    );
    let write = |rows: &str| {
        let text = format!("item,account,code,multiplier\n{rows}");
        std::fs::write(folder.0.path().join("items.csv"), text).unwrap();
    };
    let long = "9".repeat(300);
    write(&format!(
        "A,shop-jp,\" VK-1\u{3000}\",1\nB,shop-jp,'=1+1,1\nC,shop-jp,''=1+1,1\nD,shop-jp,'90s,1\nE,shop-jp,{long},1\n"
    ));
    let Catalogue::Listed(rows) = folder.load().unwrap().policy.catalogue else {
        unreachable!()
    };
    let codes: Vec<&str> = rows.iter().map(|row| row.code.as_str()).collect();
    let long = hikiate_sdk::text::code(&long);
    assert_eq!(codes, ["VK-1", "=1+1", "'=1+1", "'90s", &long]);
    let marked = |code| mapping_cell(code);
    assert_eq!(
        ["=1+1", "'=1+1", "'90s"].map(marked),
        ["'=1+1", "''=1+1", "'90s"]
    );
    write("A,shop-jp,4.90124E+12,1\n");
    assert!(
        folder.problems()[0]
            .contains("items.csv:2: \"4.90124E+12\" is a number rounded by a spreadsheet")
    );
}

#[test]
fn templates_of_ones_own_are_tried_out() {
    let folder = changed(
        "account = \"post\"",
        "account = \"post\"\ntemplates = \"mails\"",
    );
    assert!(folder.problems()[0].contains("mail.templates: "));
    std::fs::create_dir(folder.0.path().join("mails")).unwrap();
    let file = folder.0.path().join("mails/shipped.txt");
    std::fs::write(&file, "Subject: {{ order }}\n\nHello {{ nmae }}\n").unwrap();
    assert!(
        folder.problems()[0].starts_with("mails/shipped.txt:3: "),
        "{:?}",
        folder.problems()
    );
    std::fs::write(&file, "Subject: {{ order }}\r\n\r\nHello {{ name }}\r\n").unwrap();
    let loaded = folder.load().unwrap();
    assert_eq!(
        loaded.settings.templates.shipped,
        MailTemplate {
            subject: "{{ order }}".to_owned(),
            text: "Hello {{ name }}\n".to_owned()
        }
    );
}

#[test]
fn check_finds_the_filter_of_the_log_that_run_would_refuse() {
    let folder = Folder::new(GOOD);
    let checked = |filter: &str| {
        let surroundings = variables(&[("HIKIATE_LOG", filter)]);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let path = folder.path();
        let code = check::run(Some(&path), &surroundings, KINDS, &mut out, &mut err).unwrap();
        (code, String::from_utf8(err).unwrap())
    };
    assert_eq!(checked("info,hikiate::push=debug"), (0, String::new()));
    assert_eq!(checked(""), (0, String::new()));
    let (code, said) = checked("hikiate=loud");
    assert_eq!(code, 3);
    let words = "environment variable HIKIATE_LOG: the log filter \"hikiate=loud\" is invalid";
    assert!(said.contains(words), "{said}");
}

#[test]
fn check_prints_a_summary_or_all_problems() {
    let run = |folder: &Folder| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = check::run(
            Some(&folder.path()),
            &Surroundings::default(),
            KINDS,
            &mut out,
            &mut err,
        )
        .unwrap();
        (
            code,
            String::from_utf8(out).unwrap(),
            String::from_utf8(err).unwrap(),
        )
    };
    let (code, out, err) = run(&Folder::new(GOOD));
    assert_eq!((code, err.as_str()), (0, ""));
    for words in [
        "りんご屋: days and cut-offs in Asia/Tokyo, books in JPY",
        "channel shop-jp (test)",
        "orders are fetched every 30 s",
        "open orders are refreshed every 15 min",
        "payments pp_system_default are card, captured at shop-jp on each shipment, for what shipped",
        "capture: does capture; cannot be undone; an unknown outcome is looked up by reference",
        "mail: does mail; cannot be undone; an unknown outcome waits for an operator",
        "payments bank.transfer are bank transfers",
        "instructions are sealed and sent at 09:00 and 13:00, at most 3000 in a batch",
        "instructions are sent 30 min after allocation, at most 10 in a batch",
        "a task opens when a reply is missing after the next 12:00 or 18:30 plus 30 min",
        "a task opens when a reply is missing after 30 min",
        "any other parcel in JP counts as delivered 3 days after it shipped",
        "one abroad counts as delivered 10 days after it shipped",
        "hold high-value: when order.total >= yen(100000); release: manual",
        "revenue is booked when goods ship (出荷基準); a journal batch closes daily at 02:00 and goes to books (test)",
        "policy ",
    ] {
        assert!(out.contains(words), "{words}\n{out}");
    }
    let (code, out, err) = run(&changed("yen(100000)", "100000"));
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(
        err.contains("hikiate.toml:40: hold[1].when: order.total is an amount")
            && err.ends_with("1 problem; nothing was started\n"),
        "{err}"
    );
}

#[test]
fn what_commands_and_refunds_do_is_told_before_they_do_it() {
    let text = GOOD
        .replace(
            "\"ship\", \"capture\"]",
            "\"ship\", \"cancel_order\", \"record_refund\"]",
        )
        .replace(
            "offers = [\"mail\"]",
            "offers = [\"mail\", \"payments\", \"capture\", \"refund\", \"void\"]",
        )
        .replace("account = \"shop-jp\" }", "account = \"post\" }");
    let summary = Folder::new(&text).load().unwrap().summary;
    for words in [
        "    refund: does something; an unknown outcome is looked up by reference\n",
        "    void: does something; an unknown outcome is looked up by reference\n",
        "  `order cancel` cancels orders there\n    cancel_order: does something;",
        "  gets a record of each refund that a payment provider makes\n    record_refund: does something;",
    ] {
        assert!(summary.contains(words), "{words}\n{summary}");
    }
    let own = Folder::new(GOOD).load().unwrap().summary;
    for op in ["refund", "void", "cancel_order"] {
        assert!(!own.contains(&format!("{op}: does")), "{op}\n{own}");
    }
}

#[test]
fn what_is_missing_where_journals_go_is_told() {
    let text = GOOD.replace("\"post_journal\"", "\"post_journal\", \"no-folder\"");
    let summary = Folder::new(&text).load().unwrap().summary;
    let told = "    post_journal: does something; an unknown outcome is looked up by reference\n    its folder is missing\n";
    assert!(summary.contains(told), "{summary}");
}

#[test]
fn a_title_that_the_books_cannot_write_is_refused_at_its_key() {
    let titles = "close = { at = \"02:00\" }\ntitles = { sales = \"売上;高\", receivables = { card = \"売掛金;カード\" } }";
    let problems = changed("close = { at = \"02:00\" }", titles).problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    for (said, key) in problems.iter().zip(["receivables.card", "sales"]) {
        assert!(
            said.starts_with("hikiate.toml:")
                && said.contains(&format!(
                    ": booking.titles.{key}: account books cannot write"
                ))
                && said.contains("(account: contains \";\")"),
            "{said}"
        );
    }
}

/// The good configuration with an account of these abilities.
fn able(keys: &str, rule: &str) -> String {
    let offers = "offers = [\"orders\", \"fulfil\", \"ship\", \"capture\"]";
    let text = GOOD.replacen(offers, &format!("{offers}\n{keys}"), 1);
    text.replacen(
        "[channels.shop-jp]",
        &format!("[channels.shop-jp]\n{rule}"),
        1,
    )
}

#[test]
fn when_money_is_captured_is_what_its_account_can() {
    let rule = |keys, rule| {
        let folder = Folder::new(&able(keys, rule));
        let policy = folder.load().unwrap().policy;
        let channel = policy.channels.values().next().map(|c| c.capture);
        channel.unwrap()
    };
    assert_eq!(rule("", ""), CaptureRule::EachShipment);
    for single in ["captures = \"once\"", "captures = \"whole\""] {
        assert_eq!(rule(single, ""), CaptureRule::OnComplete);
        assert_eq!(
            rule(single, "capture = \"on-complete\""),
            CaptureRule::OnComplete
        );
    }
    for (single, why) in [
        (
            "captures = \"once\"",
            "capture: \"each-shipment\", but account shop-jp releases the rest of a payment with its first capture: use \"on-complete\"",
        ),
        (
            "captures = \"whole\"",
            "capture: \"each-shipment\", but account shop-jp captures a payment as a whole only: use \"on-complete\"",
        ),
    ] {
        let folder = Folder::new(&able(single, "capture = \"each-shipment\""));
        let problems = folder.problems();
        assert!(problems.iter().any(|p| p.contains(why)), "{problems:?}");
    }
}

#[test]
fn a_warehouse_that_reports_only_what_it_is_asked_for_needs_a_list_of_codes() {
    let by_code = GOOD.replace("\"stock\"", "\"stock-by-code\"");
    let said = Folder::new(&by_code).problems();
    assert_eq!(said.len(), 2, "{said:?}");
    for (said, name) in said.iter().zip(["zzz-first", "aaa-second"]) {
        assert!(
            said.contains(&format!("warehouses.{name}.account: account three-pl"))
                && said.contains("mapping = \"listed\""),
            "{said}"
        );
    }
    let listed = "[catalogue]\nmapping = \"listed\"\nfile = \"items.csv\"\n[mail]";
    let folder = Folder::new(&by_code.replace("[mail]", listed));
    let rows = "item,account,code,multiplier\nAPPLE,three-pl,A-1,1\n";
    std::fs::write(folder.0.path().join("items.csv"), rows).unwrap();
    assert!(!folder.load().unwrap().summary.contains("stays unknown"));
    // Another warehouse reports codes by itself.
    let other = "[accounts.other]\nconnector = \"test\"\noffers = [\"shipments\", \"stock\", \"instruct\", \"cancel_instruction\", \"replies\"]\n[warehouses.other]\naccount = \"other\"\ndispatch = { mode = \"continuous\" }\nreply_within = \"30m\"\n[mail]";
    let summary = Folder::new(&by_code.replace("[mail]", other))
        .load()
        .unwrap()
        .summary;
    let warning = "WARNING: an item that only aaa-second has stays unknown";
    assert!(summary.contains(warning), "{summary}");
    assert!(
        !summary.contains("an item that only other has"),
        "{summary}"
    );
}

#[test]
fn a_word_that_a_warehouse_does_not_take_is_a_mistake() {
    let closed = GOOD.replace("\"replies\"]", "\"replies\", \"closed-words\"]");
    let with = |keys: &str| {
        let keys = format!("location = \"B\"\n{keys}");
        Folder::new(&closed.replace("location = \"B\"", &keys))
    };
    let said = with(
        "services = { \"宅配便\" = \"KURONEKO\", \"箱\" = \"box yamato\", \"普通\" = \"\" }\nslots = { \"午前\" = \"am\", \"夜\" = \"0812\" }",
    )
    .problems();
    assert_eq!(said.len(), 2, "{said:?}");
    for (said, want) in said.iter().zip([
        "services.\"宅配便\": \"KURONEKO\" is no word that account three-pl takes; known: YAMATO, YAMATO BOX;",
        "slots.\"夜\": \"0812\" is no word that account three-pl takes; known: AM, 12;",
    ]) {
        assert!(said.contains(want), "{said} / {want}");
    }
    let warnings = |folder: Folder| {
        let summary = folder.load().unwrap().summary;
        summary.matches("WARNING: no services are mapped").count()
    };
    assert_eq!(warnings(with("")), 2);
    assert_eq!(warnings(with("services = { \"箱\" = \"YAMATO\" }")), 1);
    assert_eq!(warnings(Folder::new(GOOD)), 0);
}

#[test]
fn what_is_configured_and_does_harm_or_nothing_is_a_warning() {
    let summary = |text: &str| Folder::new(text).load().unwrap().summary;
    let warnings = |text: &str| -> Vec<String> {
        let summary = summary(text);
        let lines = summary.lines().filter(|line| line.contains("WARNING"));
        lines.map(|line| line.trim().to_owned()).collect()
    };
    let before = warnings(GOOD);
    let more = |from: &str, to: &str| {
        let mut warnings = warnings(&GOOD.replacen(from, to, 1));
        warnings.retain(|warning| !before.contains(warning));
        warnings
    };
    let two_mails = more("\"capture\"]", "\"capture\", \"mails-shipments\"]");
    assert!(
        two_mails.len() == 1 && two_mails[0].contains("buyers get two mails"),
        "{two_mails:?}"
    );
    let places = more("\"fulfil\", \"ship\"", "\"ship\"");
    assert!(
        places.len() == 1 && places[0].contains("locations are not used"),
        "{places:?}"
    );
    let shared = more(
        "locations = { zzz-first = \"sloc_1\" }",
        "locations = { zzz-first = \"sloc_1\", aaa-second = \"sloc_1\" }",
    );
    assert_eq!(
        shared,
        [
            "WARNING: aaa-second, zzz-first have one location code, sloc_1: what others ship from there is taken off the stock of aaa-second alone"
        ]
    );
    let idle = more(
        "[channels.shop-jp]",
        "[accounts.spare]\nconnector = \"test\"\noffers = [\"payments\", \"capture\"]\n[channels.shop-jp]",
    );
    assert_eq!(
        idle,
        ["WARNING: nothing uses account spare (test): route something to it, or remove it"]
    );
}

#[test]
fn a_batch_is_as_long_as_its_account_takes() {
    let offers =
        "offers = [\"shipments\", \"stock\", \"instruct\", \"cancel_instruction\", \"replies\"]";
    let text = GOOD.replacen(offers, &format!("{offers}\nmembers = 1\ntogether = 50"), 1);
    let loaded = Folder::new(&text).load().unwrap();
    let told = "at most 1 in a batch\n    batches that are due together go in one call, at most 50 of them\n";
    assert!(loaded.summary.contains(told), "{}", loaded.summary);
    let policy = loaded.policy;
    let rows = policy.warehouses.iter().map(|w| match w.dispatch {
        Dispatch::Wave { max_rows, .. } | Dispatch::Continuous { max_rows, .. } => max_rows,
    });
    assert_eq!(rows.collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_warehouse_that_cannot_be_asked_to_stop_a_shipment_is_called() {
    let text = GOOD.replace(
        ", \"cancel_instruction\", \"replies\"]",
        ", \"replies\"]\ncancels = \"never\"",
    );
    let policy = Folder::new(&text).load().unwrap().policy;
    assert!(
        policy
            .warehouses
            .iter()
            .all(|w| w.cancel == CancelBy::Phone)
    );
}

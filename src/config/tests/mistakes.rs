//! One mistake at a time, and many.

use super::{Folder, GOOD, changed};

/// A change to the good configuration, and what is said about it.
const WRONG: [(&str, &str, &str); 53] = [
    (
        "mail = [\"shipped\"]",
        "mail = [\"shipped\"]\nrecheck = \"never\"",
        "channels.shop-jp.recheck: \"never\" is not a duration",
    ),
    (
        "mail = [\"shipped\"]",
        "mail = [\"shipped\"]\nrecheck = \"5s\"",
        "use at least \"60s\", or \"off\"",
    ),
    (
        "name = \"りんご屋\"",
        "name = \"x\"\ntimezon = \"UTC\"",
        "hikiate.toml:4: shop.timezon: no such key; did you mean timezone?",
    ),
    (
        "name = \"high-value\"",
        "name = \"capture\"",
        "hikiate.toml:39: hold[1].name: \"capture\" is a name that hikiate uses",
    ),
    (
        "name = \"high-value\"",
        "name = \"lost-1\"",
        "hikiate.toml:39: hold[1].name: \"lost-1\" is a name that hikiate uses",
    ),
    (
        "name = \"りんご屋\"",
        "name = 5",
        "hikiate.toml:3: shop.name: expected text in quotes, found a number",
    ),
    (
        "name = \"りんご屋\"",
        "name = \"\"",
        "hikiate.toml:3: shop.name: missing: mails to customers show it",
    ),
    (
        "name = \"りんご屋\"",
        "name = \"x\"\ntimezone = \"Tokyo\"",
        "\"Tokyo\" is not a time zone",
    ),
    (
        "name = \"りんご屋\"",
        "name = \"x\"\ncurrency = \"yen!\"",
        "is not a currency code",
    ),
    (
        "name = \"りんご屋\"",
        "name = \"x\"\ncurrency = \"YEN\"",
        "shop.currency: \"YEN\" is no currency of ISO 4217",
    ),
    (
        "name = \"りんご屋\"",
        "name = \"x\"\ncurrency = \"JYP\"",
        "did you mean JPY?",
    ),
    (
        "mail = [\"shipped\"]",
        "mail = [\"shipped\"]\ncurrency = \"YEN\"",
        "channels.shop-jp.currency: \"YEN\" is no currency of ISO 4217",
    ),
    (
        "method = \"card\", account = \"shop-jp\" }, \"bank.transfer\" = { method = \"bank_transfer\" } }\nlocations = { zzz-first = \"sloc_1\" }",
        "method = \"card\", account = \"pay\" }, \"bank.transfer\" = { method = \"bank_transfer\" } }\nlocations = { zzz-first = \"sloc_1\" }\n[accounts.pay]\nconnector = \"test\"\noffers = [\"capture\"]",
        "channels.shop-jp.payments.pp_system_default.account: account pay does not know the payments of shop-jp",
    ),
    (
        "[shop]",
        "[shop]\ncountry = \"Japan\"",
        "shop.country: \"Japan\" is not a country; use its two-letter code in capitals",
    ),
    (
        "[booking]",
        "[delivery]\npresume_by_service = { \"EMS\" = \"5\" }\n[booking]",
        "delivery.presume_by_service.EMS: \"5\"",
    ),
    (
        "[channels.shop-jp]",
        "[channels.shop-jp]\nreread = \"15m\"\nrefresh = \"15m\"",
        "channels.shop-jp.reread: no such key",
    ),
    (
        "[shop]",
        "[shp]",
        "hikiate.toml:2: shp: no such key; did you mean shop?",
    ),
    (
        "connector = \"test\"\noffers = [\"mail\"]",
        "connector = \"tset\"",
        "accounts.post.connector: unknown connector \"tset\"; did you mean test?",
    ),
    (
        "token = { file = \"token\" }",
        "port = 65536",
        "hikiate.toml:8: accounts.shop-jp.port: 65536 is out of range",
    ),
    (
        "token = { file = \"token\" }",
        "tokn = 1",
        "hikiate.toml:8: accounts.shop-jp.tokn: no such key; did you mean token?",
    ),
    (
        "token = { file = \"token\" }",
        "token = { file = \"none\" }",
        "accounts.shop-jp.token: cannot read the secret file",
    ),
    (
        "token = { file = \"token\" }",
        "token = \"sk_live_1\"",
        "accounts.shop-jp.token: expected a table, found text; write { env = \"NAME\" } or { file = \"/path\" }",
    ),
    (
        "token = { file = \"token\" }",
        "url = \"https://u:pass@h\"",
        "accounts.shop-jp.url: the URL contains a password",
    ),
    (
        "[accounts.post]",
        "[accounts.Post]",
        "accounts.Post: \"Post\" is not a valid name",
    ),
    (
        "account = \"post\"",
        "account = \"pst\"",
        "mail.account: there is no account \"pst\"; did you mean post?",
    ),
    (
        "account = \"post\"",
        "account = \"books\"",
        "mail.account: sending mails needs mail, which account books (test) does not offer; it offers post_journal",
    ),
    (
        "[mail]\naccount = \"post\"",
        "",
        "mail.account: missing: a channel sends mails",
    ),
    (
        "\"ship\", \"capture\"",
        "\"ship\"",
        "payments.pp_system_default.account: capturing needs capture",
    ),
    (
        "\"fulfil\", \"ship\"",
        "\"fulfil\"",
        "channels.shop-jp.shipping_notice: shipping_notice = true needs ship",
    ),
    (
        "[channels.shop-jp]",
        "[channels.shop-jp]\nannotate = \"holds\"",
        "channels.shop-jp.annotate: annotate = \"holds\" needs annotate, which account shop-jp (test) does not offer",
    ),
    (
        "\"orders\", ",
        "",
        "channels.shop-jp: a channel needs a stream of orders",
    ),
    (
        "\"shipments\", \"stock\"",
        "\"stock\"",
        "warehouses.zzz-first.account: a warehouse needs a stream of shipments",
    ),
    (
        "\"instruct\", \"cancel_instruction\"",
        "\"instruct\"",
        "a warehouse needs cancel_instruction",
    ),
    (
        "\"fulfil\", \"ship\", \"capture\"]",
        "\"fulfil\", \"ship\", \"capture\"]\nships = \"line\"",
        "channels.shop-jp.shipping_notice: account shop-jp takes ship line by line, but hikiate reports each shipment: set shipping_notice = false",
    ),
    (
        "\"fulfil\", \"ship\", \"capture\"]",
        "\"fulfil\", \"ship\", \"capture\"]\nships = \"complete\"",
        "account shop-jp takes ship only once everything has shipped",
    ),
    (
        "\"post_journal\"",
        "\"mail\"",
        "booking.account: booking needs post_journal",
    ),
    (
        "method = \"card\", account = \"shop-jp\"",
        "method = \"card\"",
        "payments.pp_system_default.account: missing: the account that captures",
    ),
    (
        "method = \"card\"",
        "method = \"crad\"",
        "payments.pp_system_default.method: \"crad\" is not one of \"card\", \"prepaid\", \"bank_transfer\", \"cod\"; did you mean \"card\"?",
    ),
    (
        "{ method = \"bank_transfer\" }",
        "{ method = \"prepaid\", account = \"books\" }",
        "nothing is captured with method = \"prepaid\"",
    ),
    (
        "locations = { zzz-first",
        "locations = { zzz-frst",
        "there is no warehouse \"zzz-frst\"; did you mean zzz-first?",
    ),
    (
        "[\"09:00\", \"13:00\"]",
        "[\"13:00\", \"09:00\"]",
        "dispatch.cutoffs[2]: \"09:00\" is not later than the one before",
    ),
    (
        "[\"09:00\", \"13:00\"]",
        "[\"9 o'clock\"]",
        "is not a time of day",
    ),
    (
        "grace = \"30m\"",
        "grace = \"30 minutes\"",
        "warehouses.aaa-second.dispatch.grace: \"30 minutes\" is not a duration",
    ),
    (
        "expect = [\"12:00\", \"18:30\"]\n",
        "",
        "hikiate.toml:24: warehouses.zzz-first.reply_within: missing: set when a reply",
    ),
    (
        "reply_within = \"30m\"",
        "reply_within = \"30m\"\nexpect = [\"18:30\"]",
        "warehouses.aaa-second.expect: set together with reply_within",
    ),
    (
        "[\"12:00\", \"18:30\"]",
        "[\"18:30\", \"12:00\"]",
        "warehouses.zzz-first.expect[2]: \"12:00\" is not later than the one before",
    ),
    (
        "[\"12:00\", \"18:30\"]",
        "[]",
        "warehouses.zzz-first.expect: no time",
    ),
    (
        "location = \"B\"",
        "location = \"A\"",
        "warehouses.aaa-second.location: warehouse zzz-first uses the same account",
    ),
    (
        "[mail]",
        "[allocation]\nprefer = [\"zzz-first\"]\n[mail]",
        "allocation.prefer: aaa-second missing",
    ),
    (
        "order.total >= yen(100000)",
        "order.totl >= yen(100000)",
        "hikiate.toml:40: hold[1].when: order.totl: no such name; did you mean total?",
    ),
    (
        "order.total >= yen(100000)",
        "order.total >= money(\"EUR\", \"5.00\")",
        "hold[1].when: money(\"EUR\", \"5.00\"): no channel sells in EUR, but in JPY",
    ),
    (
        "close = { at = \"02:00\" }",
        "close = { at = \"02:00\", every = \"10s\" }",
        "booking.close: use one of",
    ),
    (
        "[shop]",
        "[http]\nlisten = \"0.0.0.0:9464\"\n[shop]",
        "http.listen: 0.0.0.0:9464 is reachable from other machines",
    ),
];

#[test]
fn each_mistake_is_named_with_its_place() {
    for (from, to, want) in WRONG {
        let found = changed(from, to).problems();
        assert!(
            found.iter().any(|p| p.contains(want)),
            "{from} → {to}\n  want: {want}\n  said: {found:#?}"
        );
        assert!(
            found
                .iter()
                .all(|p| !p.contains("sk_live_1") && !p.contains("pass@")),
            "{found:?}"
        );
    }
}

#[test]
fn one_mistake_is_one_problem() {
    // Each of these breaks two things at once; none of the others may set off followers.
    let follow_ups: Vec<_> = WRONG
        .iter()
        .filter(|(from, to, _)| changed(from, to).problems().len() > 1)
        .map(|(_, to, _)| *to)
        .collect();
    assert_eq!(
        follow_ups,
        ["[shp]", "[accounts.Post]", "\"stock\"", "\"instruct\""]
    );
}

/// Several mistakes in one table, and what is said about each, in the order of the file.
const MANY: [(&str, &str, &[&str]); 6] = [
    (
        "token = { file = \"token\" }",
        "port = \"x\"\nwait = \"1 minute\"\ncolour = 1",
        &[
            "accounts.shop-jp.port: expected a whole number",
            "accounts.shop-jp.wait: ",
            "accounts.shop-jp.colour: no such key",
        ],
    ),
    (
        "mail = [\"shipped\"]",
        "mail = [\"shiped\"]\nzombie_days = \"x\"\nrefresh = \"often\"\ncapture = \"sometimes\"\ncolour = 1\nothers_ship_from = \"nowhere\"",
        &[
            "channels.shop-jp.mail[1]: \"shiped\" is not one of",
            "channels.shop-jp.zombie_days: expected a whole number",
            "channels.shop-jp.refresh: \"often\" is not a duration",
            "channels.shop-jp.capture: \"sometimes\" is not one of",
            "channels.shop-jp.colour: no such key",
            "channels.shop-jp.others_ship_from: there is no warehouse \"nowhere\"",
        ],
    ),
    (
        "location = \"B\"\ndispatch = { mode = \"continuous\", grace = \"30m\", max_rows = 10 }\nreply_within = \"30m\"",
        "location = 5\ndispatch = { mode = \"continuos\", grace = \"30 minutes\", max_rows = -1 }\nreply_within = \"soon\"\nslots = 3",
        &[
            "warehouses.aaa-second.location: expected text",
            "warehouses.aaa-second.dispatch.grace: \"30 minutes\" is not a duration",
            "warehouses.aaa-second.dispatch.max_rows: -1 is out of range",
            "warehouses.aaa-second.dispatch.mode: \"continuos\" is not one of",
            "warehouses.aaa-second.reply_within: \"soon\" is not a duration",
            "warehouses.aaa-second.slots: expected a table",
        ],
    ),
    (
        "name = \"high-value\"\nwhen = 'order.total >= yen(100000)'",
        "name = 5\nwhen = 'order.totl >= yen(100000)'\nrelease = \"never\"",
        &[
            "hold[1].name: expected text",
            "hold[1].when: order.totl: no such name",
            "hold[1].release: \"never\" is not one of",
        ],
    ),
    (
        "recognise = \"shipped\"\naccount = \"books\"\nclose = { at = \"02:00\" }",
        "recognise = \"later\"\naccount = \"boks\"\nclose = { at = \"25:00\" }\ntitles = { tax = \"\", colour = \"red\" }",
        &[
            "booking.recognise: \"later\" is not one of",
            "booking.account: there is no account \"boks\"",
            "booking.close.at: \"25:00\" is not a time of day",
            "booking.titles.colour: no such key",
            "booking.titles.tax: may not be empty",
        ],
    ),
    (
        "[mail]",
        "[engine]\nidle = 5\nlease = \"x\"\nplan_batch = 0\ncolour = 1\n[mail]",
        &[
            "engine.idle: expected text",
            "engine.lease: \"x\" is not a duration",
            "engine.plan_batch: 0 is out of range",
            "engine.colour: no such key",
        ],
    ),
];

#[test]
fn one_value_that_cannot_be_read_hides_no_other_mistake_of_its_table() {
    for (from, to, want) in MANY {
        let found = changed(from, to).problems();
        assert_eq!(found.len(), want.len(), "{to}\n  said: {found:#?}");
        for (said, want) in found.iter().zip(want) {
            assert!(said.contains(want), "want: {want}\n  said: {found:#?}");
        }
    }
}

/// A value that cannot be read, beside keys that are held against it.
const ALONE: [(&str, &str, &str); 15] = [
    (
        "expect = [\"12:00\", \"18:30\"]",
        "expect = [5]",
        "warehouses.zzz-first.expect[1]: expected text",
    ),
    (
        "location = \"A\"",
        "location = 5",
        "warehouses.zzz-first.location: expected text",
    ),
    (
        "mode = \"wave\"",
        "mode = \"wavy\"",
        "warehouses.zzz-first.dispatch.mode: \"wavy\" is not one of",
    ),
    (
        "account = \"books\"\nclose",
        "acount = \"books\"\nclose",
        "booking.acount: no such key; did you mean account?",
    ),
    (
        "{ at = \"02:00\" }",
        "{ at = 2 }",
        "booking.close.at: expected text",
    ),
    (
        "{ at = \"02:00\" }",
        "{ et = \"02:00\" }",
        "booking.close.et: no such key; did you mean at?",
    ),
    (
        "{ at = \"02:00\" }",
        "{ at = \"02:00\" }\ntitles = { sales = 5, receivable = \"売上高\" }",
        "booking.titles.sales: expected text",
    ),
    (
        "{ method = \"card\", account = \"shop-jp\" }",
        "{ metod = \"card\" }",
        "pp_system_default.metod: no such key; did you mean method?",
    ),
    (
        "[mail]\naccount",
        "[mail]\nacount",
        "mail.acount: no such key; did you mean account?",
    ),
    (
        "[mail]",
        "[catalogue]\nmapping = \"lsited\"\nfile = \"items.csv\"\n[mail]",
        "catalogue.mapping: \"lsited\" is not one of",
    ),
    (
        "[shop]",
        "[http]\nlisten = \"0.0.0.0:9464\"\nallow_remote = \"yes\"\n[shop]",
        "http.allow_remote: expected true or false",
    ),
    (
        "[shop]",
        "[database]\nurl = { env = 5 }\n[shop]",
        "database.url.env: expected text",
    ),
    (
        "[channels.shop-jp]",
        "[chanels.shop-jp]",
        "chanels: no such key; did you mean channels?",
    ),
    (
        "token = { file = \"token\" }",
        "token = { file = 5 }",
        "accounts.shop-jp.token.file: expected text",
    ),
    (
        "name = \"りんご屋\"",
        "name = \"りんご屋\"\ntimezone = 9",
        "shop.timezone: expected text",
    ),
];

#[test]
fn nothing_is_said_of_what_only_follows_from_a_value_that_cannot_be_read() {
    for (from, to, want) in ALONE {
        let found = changed(from, to).problems();
        assert!(
            found.len() == 1 && found[0].contains(want),
            "{from} → {to}\n  want: {want}\n  said: {found:#?}"
        );
    }
    // The rule may be about the currency that was meant.
    let euro = GOOD.replace("yen(100000)", "money(\"EUR\", \"5.00\")");
    for currency in ["5", "\"EUX\""] {
        let key = format!("mail = [\"shipped\"]\ncurrency = {currency}");
        let found = Folder::new(&euro.replace("mail = [\"shipped\"]", &key)).problems();
        assert!(
            found.len() == 1 && found[0].contains("channels.shop-jp.currency"),
            "{found:#?}"
        );
    }
}

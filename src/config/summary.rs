//! What a configuration will do, in words.

use std::collections::{BTreeMap, BTreeSet};

use hikiate_sdk::hooks::HookTrust;
use hikiate_sdk::{AccountSlug, Op, PaymentField, Source};

use super::accounts::AccountBuilt;
use super::settings::Settings;
use super::words::{chrono_span, line, span, unknown};
use crate::calendar::Term;
use crate::operations::{ANNOTATE, CAPTURE, MAIL, NOTICE, Role, of_role, of_rule};
use crate::policy::{
    CancelBy, CaptureRule, Catalogue, Channel, Close, Dispatch, Invoice, Partial, PaymentMethod,
    PaymentRoute, Policy, Recognise, Release, ReplyTerm, Retention, TaxRounding, Warehouse,
};

/// The summary, a paragraph for each thing there is.
pub(super) fn summary(policy: &Policy, settings: &Settings, accounts: &[AccountBuilt]) -> String {
    let teller = Teller { policy, accounts };
    let mut text = String::new();
    let name = if policy.shop.name.is_empty() {
        "the shop"
    } else {
        &policy.shop.name
    };
    line(
        &mut text,
        0,
        &format!(
            "{name}: days and cut-offs in {}, books in {}",
            policy.shop.timezone, policy.shop.currency
        ),
    );
    let database = match &settings.database.url {
        Some(_) => "state: the PostgreSQL database at the configured URL".to_owned(),
        None => format!(
            "state: a private PostgreSQL under {}",
            settings.database.state_dir.display()
        ),
    };
    line(&mut text, 0, &database);
    if let Some(host) = &settings.database.unverified {
        let warning =
            "WARNING: allow_insecure reaches it over a network without a verified certificate";
        line(&mut text, 1, &format!("{warning} ({host})"));
    }
    policy
        .channels
        .iter()
        .for_each(|(account, channel)| teller.channel(&mut text, account, channel));
    let channels = policy.channels.values();
    let routes = channels.flat_map(|channel| channel.payments.values());
    let providers: BTreeSet<&AccountSlug> = routes.filter_map(PaymentRoute::elsewhere).collect();
    for account in providers {
        teller.provider(&mut text, account);
    }
    for (n, warehouse) in policy.warehouses.iter().enumerate() {
        teller.warehouse(&mut text, n, warehouse);
    }
    teller.allocation(&mut text);
    teller.holds(&mut text);
    teller.booking(&mut text);
    teller.retention(&mut text, settings);
    teller.hooks(&mut text, settings);
    teller.unused(&mut text);
    text
}

struct Teller<'a> {
    policy: &'a Policy,
    accounts: &'a [AccountBuilt],
}

impl Teller<'_> {
    fn account(&self, slug: &AccountSlug) -> Option<&AccountBuilt> {
        self.accounts.iter().find(|account| account.slug == *slug)
    }

    fn kind(&self, slug: &AccountSlug) -> &str {
        self.account(slug)
            .map_or("not checked: its secret is missing here", |account| {
                account.connector
            })
    }

    fn streams(&self, text: &mut String, slug: &AccountSlug) {
        let streams = self
            .account(slug)
            .and_then(|a| a.instance.source().map(|s| s.streams()))
            .unwrap_or_default();
        for stream in streams {
            line(
                text,
                1,
                &format!(
                    "{} are fetched every {}",
                    stream.kind.plural(),
                    span(stream.interval)
                ),
            );
        }
        let source = self.account(slug).and_then(|a| a.instance.source());
        for says in source.map(|source| source.says()).unwrap_or_default() {
            line(text, 2, &says);
        }
    }

    fn offers(&self, slug: &AccountSlug, op: Op) -> bool {
        let operations = self.account(slug).and_then(|a| a.instance.operations());
        operations.is_some_and(|operations| {
            let mut specs = operations.operations().into_iter();
            specs.any(|spec| spec.op == op)
        })
    }

    /// `verb: what the connector says it does; what happens after a lost reply`.
    fn operations(&self, text: &mut String, slug: &AccountSlug, ops: &[Op]) {
        let specs = self
            .account(slug)
            .and_then(|a| a.instance.operations().map(|o| o.operations()))
            .unwrap_or_default();
        for spec in ops
            .iter()
            .filter_map(|op| specs.iter().find(|spec| spec.op == *op))
        {
            let (op, summary) = (spec.op, spec.summary);
            line(
                text,
                2,
                &format!("{op}: {summary}; an unknown outcome {}", unknown(spec)),
            );
        }
    }

    fn beginning(&self, text: &mut String, slug: &AccountSlug, channel: &Channel) {
        if channel.begun {
            let warning = "WARNING: begin = \"all\" acts on every open order, however old; it is only for tests and demos. Remove it and run";
            line(text, 1, &format!("{warning} `hikiate begin {slug}`"));
            return;
        }
        line(
            text,
            1,
            &format!(
                "until you run `hikiate begin {slug}`, its orders are only fetched, planned and reserved"
            ),
        );
        line(
            text,
            1,
            &format!(
                "until then, orders older than {} days reserve no stock",
                channel.zombie.num_days()
            ),
        );
    }

    fn channel(&self, text: &mut String, slug: &AccountSlug, channel: &Channel) {
        line(text, 0, &format!("channel {slug} ({})", self.kind(slug)));
        self.beginning(text, slug, channel);
        self.streams(text, slug);
        match channel.refresh {
            Some(every) => line(
                text,
                1,
                &format!(
                    "open orders are refreshed every {}, less often the longer nothing changes",
                    chrono_span(every)
                ),
            ),
            None => line(text, 1, "open orders are not refreshed automatically"),
        }
        match channel.recheck {
            Some(before) => line(
                text,
                1,
                &format!(
                    "an order last refreshed more than {} before its batch is sealed is refreshed first; one that cannot be refreshed {}",
                    chrono_span(before),
                    if channel.recheck_required {
                        "waits for the next batch"
                    } else {
                        "is sent anyway, with a task"
                    }
                ),
            ),
            None => line(text, 1, "orders are not refreshed before sealing"),
        }
        line(
            text,
            1,
            &match channel.vanished_after {
                Some(after) => format!(
                    "an order that the channel no longer shows is held and keeps its stock for {}",
                    chrono_span(after)
                ),
                None => "an order that the channel no longer shows is held and keeps its stock indefinitely"
                    .to_owned(),
            },
        );
        for (gateway, route) in &channel.payments {
            match (route.method, &route.account) {
                (PaymentMethod::Card, Some(account)) => {
                    let when = match channel.capture {
                        CaptureRule::EachShipment => "on each shipment, for what shipped",
                        CaptureRule::OnComplete => "once, when everything has shipped",
                    };
                    line(
                        text,
                        1,
                        &format!("payments {gateway} are card, captured at {account} {when}"),
                    );
                    self.operations(text, account, &of_rule(CAPTURE));
                    self.operations(text, account, &[Op::Refund, Op::Void]);
                    if route.elsewhere().is_some() {
                        let what = "payments are read from this provider; what it reports counts, not what the channel shows";
                        line(text, 2, what);
                        self.unnamed(text, slug, account);
                    }
                }
                (PaymentMethod::Prepaid, _) => line(
                    text,
                    1,
                    &format!("payments {gateway} are prepaid; nothing is captured"),
                ),
                (PaymentMethod::BankTransfer, _) => line(
                    text,
                    1,
                    &format!(
                        "payments {gateway} are bank transfers: orders wait until deposits cover them"
                    ),
                ),
                (PaymentMethod::Cod, _) => line(
                    text,
                    1,
                    &format!(
                        "payments {gateway} are collected by the carrier: the amount is on the instruction, and the order ships in one parcel"
                    ),
                ),
                (PaymentMethod::Card, None) => line(
                    text,
                    1,
                    &format!("payments {gateway} are card and are never captured"),
                ),
            }
        }
        line(text, 1, "orders with any other payment method are held");
        if channel.shipping_notice {
            line(text, 1, "gets shipping notices with tracking numbers");
            self.operations(text, slug, &of_rule(NOTICE));
        } else {
            line(text, 1, "gets no shipping notices");
        }
        if self.offers(slug, Op::CancelOrder) {
            line(text, 1, "`order cancel` cancels orders there");
            self.operations(text, slug, &[Op::CancelOrder]);
        }
        let mut routes = channel.payments.values();
        if channel.records_refunds && routes.any(|route| route.elsewhere().is_some()) {
            let what = "gets a record of each refund that a payment provider makes";
            line(text, 1, what);
            self.operations(text, slug, &[Op::RecordRefund]);
        }
        if !channel.annotate.is_never() {
            line(text, 1, "shows open holds to its staff");
            self.operations(text, slug, &of_rule(ANNOTATE));
        }
        match (&self.policy.mail, channel.mail.is_empty()) {
            (Some(account), false) => {
                let kinds: Vec<&str> = channel.mail.iter().map(|kind| kind.as_str()).collect();
                line(
                    text,
                    1,
                    &format!(
                        "customers get mails from {account} ({}): {}",
                        self.kind(account),
                        kinds.join(", ")
                    ),
                );
                self.operations(text, account, &of_rule(MAIL));
                let operations = self.account(slug).and_then(|a| a.instance.operations());
                let mails = operations.is_some_and(|operations| operations.mails_shipments());
                if mails && channel.shipping_notice {
                    let what = format!(
                        "WARNING: {slug} mails the buyer what it is told of a shipment, too, so buyers get two mails: remove \"shipped\" from mail, or switch off the mails of account {slug}"
                    );
                    line(text, 2, &what);
                }
            }
            _ => line(text, 1, "customers get no mails from hikiate"),
        }
        if !self.offers(slug, Op::Fulfil)
            && self.account(slug).is_some()
            && !channel.locations.is_empty()
        {
            let what = format!(
                "WARNING: locations are not used, since {slug} is not told where goods ship from: remove them"
            );
            line(text, 1, &what);
        }
        let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (warehouse, code) in &channel.locations {
            places.entry(code).or_default().push(warehouse);
        }
        for (code, warehouses) in places {
            if let [first, _, ..] = warehouses.as_slice() {
                let what = format!(
                    "WARNING: {} have one location code, {code}: what others ship from there is taken off the stock of {first} alone",
                    warehouses.join(", ")
                );
                line(text, 1, &what);
            }
        }
    }

    fn source(&self, slug: &AccountSlug) -> Option<&dyn Source> {
        self.account(slug)?.instance.source()
    }

    /// A warning where orders of a channel may not name payments as their provider does.
    fn unnamed(&self, text: &mut String, channel: &AccountSlug, provider: &AccountSlug) {
        let field = self.source(channel).map(|source| source.payment_field());
        let ids = self
            .source(provider)
            .and_then(|source| source.payment_ids());
        let why = match (field, ids) {
            (Some(PaymentField::Nowhere), _) => "they have none".to_owned(),
            (Some(PaymentField::Usual), Some(ids)) if !ids.all => format!(
                "they have what a plug-in of the shop wrote, and only ids that begin with {} are found there. {}",
                ids.begin.join(", "),
                ids.otherwise
            ),
            _ => return,
        };
        let what = format!(
            "WARNING: account {channel} does not set where its orders have the id of their payment at {provider} (payment_reference): {why}"
        );
        line(text, 2, &what);
    }

    /// An account whose payments count in place of what channels show.
    fn provider(&self, text: &mut String, slug: &AccountSlug) {
        let what = format!("payment provider {slug} ({})", self.kind(slug));
        line(text, 0, &what);
        self.streams(text, slug);
        let source = self.account(slug).and_then(|a| a.instance.source());
        if let Some(ids) = source.and_then(|source| source.payment_ids()) {
            let begin = ids.begin.join(", ");
            let what = format!(
                "an order has to name its payment by an id that begins with {begin}. {}",
                ids.otherwise
            );
            line(text, 1, &what);
        }
    }

    fn warehouse(&self, text: &mut String, n: usize, warehouse: &Warehouse) {
        let slug = &warehouse.account;
        let place = warehouse
            .location
            .as_ref()
            .map(|place| format!(", location {place}"))
            .unwrap_or_default();
        line(
            text,
            0,
            &format!(
                "warehouse {} (no. {} by preference; account {slug}, {}{place})",
                warehouse.name,
                n + 1,
                self.kind(slug)
            ),
        );
        let when = match &warehouse.dispatch {
            Dispatch::Wave {
                cutoffs,
                max_rows,
                files_per_cutoff,
            } => {
                let times: Vec<String> = cutoffs
                    .iter()
                    .map(|time| time.format("%H:%M").to_string())
                    .collect();
                let rest = match files_per_cutoff {
                    None => "a further batch at the same cut-off".to_owned(),
                    Some(most) => format!(
                        "further batches at the same cut-off, at most {most} in total, then the next cut-off"
                    ),
                };
                format!(
                    "instructions are sealed and sent at {}, at most {max_rows} in a batch; the rest goes with {rest}",
                    times.join(" and ")
                )
            }
            Dispatch::Continuous { grace, max_rows } if grace.is_zero() => {
                format!("instructions are sent at once, at most {max_rows} in a batch")
            }
            Dispatch::Continuous { grace, max_rows } => {
                format!(
                    "instructions are sent {} after allocation, at most {max_rows} in a batch",
                    chrono_span(*grace)
                )
            }
        };
        line(text, 1, &when);
        let operations = self.account(slug).and_then(|a| a.instance.operations());
        let specs = operations.map(|operations| operations.operations());
        let mut specs = specs.unwrap_or_default().into_iter();
        let instruct = specs.find(|spec| spec.op == Op::Instruct);
        if let Some(spec) = instruct.filter(|spec| spec.together > 1) {
            let what = format!(
                "batches that are due together go in one call, at most {} of them",
                spec.together
            );
            line(text, 2, &what);
        }
        self.operations(text, slug, &of_role(Role::Warehouse));
        let words = operations.and_then(|operations| operations.service_words());
        if let Some(words) = words.filter(|_| warehouse.services.is_empty()) {
            let (name, words) = (&warehouse.name, words.join(", "));
            let what = format!(
                "WARNING: no services are mapped, and {slug} takes only {words}: an order with any other shipping method is held. Add [warehouses.{name}.services]"
            );
            line(text, 2, &what);
        }
        if warehouse.cancel == CancelBy::Phone {
            line(
                text,
                2,
                "cancellations are by phone: a task asks an operator to call the warehouse and record the answer",
            );
        }
        let overdue = match &warehouse.reply_within {
            Some(ReplyTerm::Within(within)) => Some(chrono_span(*within)),
            Some(ReplyTerm::At(times)) => {
                let times: Vec<String> = (times.iter())
                    .map(|time| time.format("%H:%M").to_string())
                    .collect();
                Some(format!(
                    "the next {} plus {}",
                    times.join(" or "),
                    chrono_span(ReplyTerm::GRACE)
                ))
            }
            None => None,
        };
        let what = match overdue {
            Some(overdue) => format!("a task opens when a reply is missing after {overdue}"),
            None => "no task opens when a reply is missing".to_owned(),
        };
        line(text, 1, &what);
        self.streams(text, slug);
    }

    fn allocation(&self, text: &mut String) {
        let policy = self.policy;
        line(text, 0, "stock");
        line(
            text,
            1,
            "is reserved as soon as an order is known, also while it is held or unpaid",
        );
        line(
            text,
            1,
            if policy.allocation.split {
                "an order may ship from several warehouses"
            } else {
                "an order ships from one warehouse only"
            },
        );
        line(
            text,
            1,
            match policy.allocation.partial {
                Partial::Wait => "a partly stocked order waits until all of it has stock",
                Partial::ShipReady => "a partly stocked order ships what it has; the rest follows",
            },
        );
        match policy.allocation.expire_unpaid {
            Some(Term::Span(after)) => line(
                text,
                1,
                &format!("an unpaid order keeps its stock for {}", chrono_span(after)),
            ),
            Some(Term::WorkingDays(days)) => {
                let what = format!("an unpaid order keeps its stock for {days} working days");
                line(text, 1, &what);
                line(text, 2, &self.closed());
            }
            None => line(text, 1, "an unpaid order keeps its stock indefinitely"),
        }
        let tolerance = policy.payments.deposit_tolerance;
        if tolerance > 0 {
            let currency = policy.shop.currency;
            let what = format!(
                "deposits within {} {currency} of the amount due count as full payment",
                currency.format(tolerance)
            );
            line(text, 1, &what);
        }
        match &policy.catalogue {
            Catalogue::SameCode => {
                line(
                    text,
                    1,
                    "a channel's SKU is the item's code, once a warehouse has reported an item with that code",
                );
                for warehouse in &policy.warehouses {
                    let account = self.account(&warehouse.account);
                    if account.is_some_and(AccountBuilt::reports_stock_by_code) {
                        let name = &warehouse.name;
                        let what = format!(
                            "WARNING: an item that only {name} has stays unknown, since {name} reports only SKUs that it is asked for; set mapping = \"listed\" with a file of the SKUs"
                        );
                        line(text, 2, &what);
                    }
                }
            }
            Catalogue::Listed(rows) => line(
                text,
                1,
                &format!(
                    "SKUs are mapped to items by the mapping file ({} rows); any other SKU holds the order",
                    rows.len()
                ),
            ),
        }
        let presume = &policy.presume_delivered;
        let services = presume.by_service.iter();
        let services = services.map(|(name, after)| (format!("a parcel by {name:?}"), *after));
        let home = format!("any other parcel in {}", policy.shop.country);
        let parcels = [
            (home, presume.home),
            ("one abroad".to_owned(), presume.abroad),
        ];
        for (parcel, after) in services.chain(parcels) {
            let when = match after {
                Some(after) if after.is_zero() => "when it ships".to_owned(),
                Some(after) => format!("{} after it shipped", chrono_span(after)),
                None => "only when delivery is reported".to_owned(),
            };
            line(text, 1, &format!("{parcel} counts as delivered {when}"));
        }
        let wait = policy.notice.wait_for_number;
        if !wait.is_zero() {
            line(
                text,
                1,
                &format!(
                    "a parcel without a tracking number is reported and mailed once its number arrives, after {} at the latest",
                    chrono_span(wait)
                ),
            );
        }
    }

    /// Accounts that nothing is routed to.
    fn unused(&self, text: &mut String) {
        let policy = self.policy;
        let channels = policy.channels.iter().flat_map(|(slug, channel)| {
            let routes = channel.payments.values();
            let payments = routes.filter_map(|route| route.account.as_ref());
            payments.chain([slug])
        });
        let warehouses = policy.warehouses.iter().map(|warehouse| &warehouse.account);
        let books = policy.booking.as_ref().map(|booking| &booking.account);
        let used: BTreeSet<&AccountSlug> = channels
            .chain(warehouses)
            .chain(books)
            .chain(&policy.mail)
            .collect();
        for account in self.accounts {
            if !used.contains(&account.slug) {
                let what = format!(
                    "WARNING: nothing uses account {} ({}): route something to it, or remove it",
                    account.slug, account.connector
                );
                line(text, 0, &what);
            }
        }
    }

    /// What names somebody, how long, and where else it is.
    fn retention(&self, text: &mut String, settings: &Settings) {
        const READ: &str = "after they were read, once their order has ended";
        const AT_MOST: &str = "and no longer than the names and addresses of their order";
        const AS_LONG: &str = "as long as the names and addresses of their order";

        let Retention {
            raw,
            personal,
            quarantine,
        } = settings.retention;
        let kept = |length: Option<chrono::Duration>, since: &str| match length {
            Some(length) => format!("{} {since}", chrono_span(length)),
            None => "for ever".to_owned(),
        };
        line(
            text,
            0,
            "names and addresses are deleted; nothing of an open order is:",
        );
        for (what, kept) in [
            (
                "names, addresses and the bytes of instructions",
                kept(personal, "after the end of their order"),
            ),
            (
                "raw bytes of readings",
                match (raw, personal) {
                    (None, None) => "for ever".to_owned(),
                    (None, Some(_)) => AS_LONG.to_owned(),
                    (Some(_), None) => kept(raw, READ),
                    (Some(_), Some(_)) => format!("{}, {AT_MOST}", kept(raw, READ)),
                },
            ),
            (
                "records in quarantine",
                kept(quarantine, "after they were settled"),
            ),
        ] {
            line(text, 1, &format!("{what} are kept {kept}"));
        }
        let longer = personal.is_some_and(|personal| raw.is_none_or(|raw| raw > personal));
        if longer {
            line(
                text,
                1,
                "WARNING: retention.raw is longer than retention.personal: raw bytes go with the names and addresses of their order, so lower it, or raise the other",
            );
        }
        line(
            text,
            1,
            "facts, ids, hashes and journals, which hold none, are kept for ever",
        );
        for account in self.accounts {
            for says in account.instance.keeps() {
                line(text, 1, &format!("{}: {says}", account.slug));
            }
        }
    }

    /// What to register where, for each webhook.
    fn hooks(&self, text: &mut String, settings: &Settings) {
        let hooks = self.accounts.iter().flat_map(|account| {
            let hooks = account.instance.hooks().map(|hooks| hooks.hooks());
            let hooks = hooks.unwrap_or_default().into_iter();
            hooks.map(move |hook| (account.slug.as_str(), hook))
        });
        let mut hooks = hooks.peekable();
        let Some(open) = &settings.http.hooks else {
            if hooks.peek().is_some() {
                let accounts: BTreeSet<&str> = hooks.map(|(account, _)| account).collect();
                let accounts: Vec<&str> = accounts.into_iter().collect();
                line(
                    text,
                    0,
                    &format!(
                        "webhooks are off, although {} could send them: add [http.hooks]",
                        accounts.join(", ")
                    ),
                );
            }
            return;
        };
        line(
            text,
            0,
            &format!(
                "webhooks: listening on {}, public URL {}",
                open.listen, open.public_url
            ),
        );
        if hooks.peek().is_none() {
            line(
                text,
                1,
                "no account has a hook: set a hook's secret to enable it",
            );
        }
        for (account, hook) in hooks {
            line(text, 1, &open.address(account, &hook.name));
            line(text, 2, &format!("to register: {}", hook.register));
            if hook.trust == HookTrust::SenderCannotSign {
                line(
                    text,
                    2,
                    "it is not signed: it only refreshes what is already known",
                );
            }
        }
    }

    fn holds(&self, text: &mut String) {
        if self.policy.holds.is_empty() {
            line(
                text,
                0,
                "no hold rules; the built-in checks still hold orders",
            );
        }
        for hold in &self.policy.holds {
            let release = match hold.release {
                Release::Manual => "manual",
                Release::Auto => "automatic",
            };
            let when = hold.when.split_whitespace().collect::<Vec<_>>().join(" ");
            line(
                text,
                0,
                &format!("hold {}: when {when}; release: {release}", hold.name),
            );
        }
    }

    fn booking(&self, text: &mut String) {
        let Some(booking) = &self.policy.booking else {
            line(text, 0, "no booking: the last status is delivered");
            return;
        };
        let event = match booking.recognise {
            Recognise::Shipped => "when goods ship (出荷基準)",
            Recognise::Delivered => "when goods are delivered (着荷基準)",
        };
        let close = match booking.close {
            Close::At(time) => format!("daily at {}", time.format("%H:%M")),
            Close::Every(span) => format!("{} after opening", chrono_span(span)),
        };
        let (slug, titles) = (&booking.account, &booking.titles);
        line(
            text,
            0,
            &format!(
                "revenue is booked {event}; a journal batch closes {close} and goes to {slug} ({})",
                self.kind(slug)
            ),
        );
        line(
            text,
            1,
            &format!(
                "ledger accounts: {}, {}, {}, {}, {}",
                titles.sales, titles.receivable, titles.tax, titles.rounding, titles.advance
            ),
        );
        let mut owed = titles.receivables.iter().peekable();
        if owed.peek().is_some() {
            let owed: Vec<String> = owed
                .map(|(payer, title)| format!("{payer}: {title}"))
                .collect();
            line(
                text,
                1,
                &format!("separate receivables: {}", owed.join(", ")),
            );
        }
        let returns = if titles.returns == titles.sales {
            "returns reduce the sales account; set titles.returns to book them separately"
                .to_owned()
        } else {
            format!("returns: {}", titles.returns)
        };
        line(text, 1, &returns);
        self.deposits(text);
        self.tax(text);
        self.operations(text, slug, &of_role(Role::Books));
        let operations = self.account(slug).and_then(|a| a.instance.operations());
        for says in operations.map(|o| o.destination()).unwrap_or_default() {
            line(text, 2, &says);
        }
    }

    /// When the shop is closed.
    fn closed(&self) -> String {
        let calendar = &self.policy.shop.calendar;
        let mut closed: Vec<String> = calendar
            .closed_weekdays
            .iter()
            .map(ToString::to_string)
            .collect();
        match (calendar.closed_dates.len(), calendar.closed_dates.last()) {
            (0, _) | (_, None) => {}
            (1, Some(day)) => closed.push(day.to_string()),
            (n, Some(last)) => closed.push(format!("{n} dates, the last one {last}")),
        }
        if calendar.closed_dates.is_empty() {
            closed.push(
                "and on no dates, so holidays count as working days (closed_dates)".to_owned(),
            );
        }
        format!("the shop is closed on {}", closed.join(", "))
    }

    fn deposits(&self, text: &mut String) {
        let Some(booking) = &self.policy.booking else {
            return;
        };
        let mut routes = self
            .policy
            .channels
            .values()
            .flat_map(|c| c.payments.values());
        let transfers = routes.any(|route| route.method == PaymentMethod::BankTransfer);
        match &booking.titles.deposits {
            Some(titles) => line(
                text,
                1,
                &format!(
                    "deposits are booked: {} to {}, to the receivable when matched, differences within the tolerance to {}",
                    titles.bank, titles.suspense, titles.rest
                ),
            ),
            None if transfers => line(text, 1, "deposits are not booked (titles.bank is not set)"),
            None => {}
        }
    }

    fn tax(&self, text: &mut String) {
        let shop = &self.policy.shop;
        let once = match shop.invoice {
            Invoice::Order => "order",
            Invoice::Shipment => "shipment",
        };
        let how = match shop.tax_rounding {
            Some(TaxRounding::Floor) => "down (切り捨て)",
            Some(TaxRounding::HalfUp) => "half up (四捨五入)",
            Some(TaxRounding::Ceiling) => "up (切り上げ)",
            None => {
                "half up. WARNING: tax_rounding is not set; set \"floor\", \"half-up\" or \"ceiling\" in [shop]"
            }
        };
        line(
            text,
            1,
            &format!(
                "tax that the channel does not state is rounded once per {once}, country, rate and class, {how}"
            ),
        );
        for (slug, channel) in &self.policy.channels {
            if let Some(rate) = channel.default_tax {
                let (whole, part) = (rate / 100, rate % 100);
                line(
                    text,
                    1,
                    &format!(
                        "amounts that {slug} reports without a tax rate are taxed at {whole}.{part:02} %"
                    ),
                );
            }
        }
    }
}

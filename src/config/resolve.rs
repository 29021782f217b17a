//! From the TOML's tables to the policy; everything that does not fit together is noted.

use std::collections::BTreeMap;
use std::path::Path;

use hikiate_sdk::{AccountSlug, Kind, Op, Parts};

use super::model::{BeginWord, BookingTable, ChannelTable, File, HoldTable, ShopTable};
use super::report::Problems;
use super::routes::Routes;
use super::titles::{titles, written};
use super::units::{
    amount, country, currency, date, per_cent, slug, span, span_or, span_or_never, term_or_never,
    time, weekday,
};
use super::{catalogue, delivery};
use crate::calendar::Calendar;
use crate::operations::{ANNOTATE, CAPTURE, MAIL, NOTICE, Role, of_role, of_rule};
use crate::policy::{
    Allocation, Booking, CaptureRule, Channel, Close, Notice, OthersShipFrom, PaymentMethod,
    PaymentRoute, Payments, Policy, Shop,
};
use crate::suggest;

/// What resolving needs beside the tables.
pub(super) struct Resolving<'a> {
    pub(super) routes: &'a Routes<'a>,
    pub(super) base_dir: &'a Path,
    /// All warehouse names that were written, also those with problems.
    pub(super) warehouse_names: Vec<&'a str>,
}

impl Resolving<'_> {
    /// The policy; `None` only together with a problem.
    pub(super) fn policy(
        &self,
        file: &File,
        p: &mut Problems<'_>,
        mapping: &mut Problems<'_>,
    ) -> Option<Policy> {
        let timezone = p.value(
            &["shop", "timezone"],
            file.shop.timezone.parse::<chrono_tz::Tz>().map_err(|_| {
                format!(
                    "{:?} is not a time zone; use an IANA name, for example \"Asia/Tokyo\"",
                    file.shop.timezone
                )
            }),
        );
        let currency = p.value(&["shop", "currency"], currency(&file.shop.currency));
        let mails = file
            .channels
            .values()
            .any(|channel| !channel.mail.is_empty());
        if mails && file.shop.name.trim().is_empty() {
            p.at(&["shop", "name"], "missing: mails to customers show it");
        }
        let channels = file
            .channels
            .iter()
            .map(|(name, table)| {
                (
                    AccountSlug::from(name.as_str()),
                    self.channel(name, table, p),
                )
            })
            .collect();
        let warehouses = self.warehouses(file, p);
        let allocation = Allocation {
            split: file.allocation.split,
            partial: file.allocation.partial,
            expire_unpaid: p
                .value(
                    &["allocation", "expire_unpaid"],
                    term_or_never(&file.allocation.expire_unpaid, 60),
                )
                .flatten(),
        };
        let presume_delivered = delivery::presume(&file.delivery, p);
        let country = p.value(&["shop", "country"], country(&file.shop.country));
        let wait_for_number = p.value(
            &["notice", "wait_for_number"],
            span(&file.notice.wait_for_number, 0),
        );
        let notice = Notice {
            wait_for_number: wait_for_number.unwrap_or_default(),
            corrected_number: file.notice.corrected_number,
        };
        let deposit_tolerance = currency
            .and_then(|currency| {
                p.value(
                    &["payments", "deposit_tolerance"],
                    amount(&file.payments.deposit_tolerance, currency),
                )
            })
            .unwrap_or(0);
        let calendar = calendar(&file.shop, p);
        let mail = self.mail(file, mails, p);
        let booking = file.booking.as_ref().map(|table| self.booking(table, p));
        let catalogue = catalogue::read(&file.catalogue, self.base_dir, self.routes, p, mapping);
        for (n, hold) in file.hold.iter().enumerate() {
            p.value(&["hold", &format!("#{n}"), "name"], slug(&hold.name));
        }
        let holds = file.hold.iter().map(HoldTable::rule).collect();
        Some(Policy {
            shop: Shop {
                name: file.shop.name.clone(),
                timezone: timezone?,
                country: country?,
                currency: currency?,
                tax_rounding: file.shop.tax_rounding,
                invoice: file.shop.invoice,
                calendar,
            },
            channels,
            warehouses,
            allocation,
            payments: Payments { deposit_tolerance },
            presume_delivered,
            notice,
            mail,
            holds,
            booking: booking.flatten(),
            catalogue,
        })
    }

    fn offers(&self, account: Option<&AccountSlug>, op: Op) -> bool {
        account.is_some_and(|account| self.routes.offered(account.as_str(), op).is_some())
    }

    fn channel(&self, name: &str, table: &ChannelTable, p: &mut Problems<'_>) -> Channel {
        let path = ["channels", name];
        if self.routes.account(name, &path, p).is_some() {
            self.routes
                .needs_streams(name, &[Kind::Order], "a channel", &path, p);
            if table.shipping_notice {
                self.routes
                    .reports_departures(name, &["channels", name, "shipping_notice"], p);
                self.routes.needs(
                    name,
                    &of_rule(NOTICE),
                    "shipping_notice = true",
                    &["channels", name, "shipping_notice"],
                    p,
                );
            }
        }
        if !table.annotate.is_never() {
            let path = ["channels", name, "annotate"];
            let needed = of_rule(ANNOTATE);
            self.routes
                .needs(name, &needed, "annotate = \"holds\"", &path, p);
        }
        if table.payments.is_empty() {
            p.at(&["channels", name, "payments"], "no payment method is mapped, so every order would be held; set payments = { \"NAME AT THE CHANNEL\" = { method = \"card\", account = \"…\" } }");
        }
        let payments = table.payments.iter().map(|(gateway, payment)| {
            let path = ["channels", name, "payments", gateway, "account"];
            let unread = p.is_unread(&["channels", name, "payments", gateway, "method"]);
            let account = match (payment.method, &payment.account) {
                // What it is for is not known.
                (_, account) if unread => {
                    if let Some(account) = account {
                        self.routes.account(account, &path, p);
                    }
                    None
                }
                (PaymentMethod::Card, None) => {
                    p.at(&path, "missing: the account that captures the payment");
                    None
                }
                (PaymentMethod::Card, Some(account)) => {
                    let found = self.routes.account(account, &path, p);
                    self.routes
                        .needs(account, &of_rule(CAPTURE), "capturing", &path, p);
                    self.routes.knows_payments(account, name, &path, p);
                    found
                }
                (method, Some(_)) => {
                    p.at(
                        &path,
                        format!(
                            "nothing is captured with method = {:?}; remove account",
                            method.as_str()
                        ),
                    );
                    None
                }
                (_, None) => None,
            };
            (
                gateway.clone(),
                PaymentRoute {
                    method: payment.method,
                    parts: account
                        .as_ref()
                        .map_or(Parts::Many, |a| self.routes.parts(a.as_str())),
                    reads: account.as_ref().is_some_and(|account| {
                        let elsewhere = account.as_str() != name;
                        elsewhere && self.routes.reads(account.as_str(), Kind::Payment)
                    }),
                    ids: account
                        .as_ref()
                        .filter(|account| account.as_str() != name)
                        .and_then(|account| self.routes.payment_ids(account.as_str())),
                    refunds: self.offers(account.as_ref(), Op::Refund),
                    voids: self.offers(account.as_ref(), Op::Void),
                    account,
                },
            )
        });
        let payments: BTreeMap<_, _> = payments.collect();
        let capture = capture(name, table.capture, &payments, p);
        for warehouse in table
            .locations
            .keys()
            .filter(|w| !self.warehouse_names.contains(&w.as_str()))
        {
            p.at(
                &["channels", name, "locations", warehouse],
                format!(
                    "there is no warehouse {warehouse:?}{}",
                    suggest::hint(warehouse, &self.warehouse_names)
                ),
            );
        }
        if let Some(currency) = &table.currency {
            p.value(
                &["channels", name, "currency"],
                super::units::currency(currency),
            );
        }
        let others_ship_from = table.others_ship_from.as_deref().map(|place| {
            if place != "elsewhere" && !self.warehouse_names.contains(&place) {
                p.at(
                    &["channels", name, "others_ship_from"],
                    format!(
                        "there is no warehouse {place:?}{}; name one, or \"elsewhere\"",
                        suggest::hint(place, &self.warehouse_names)
                    ),
                );
            }
            match place {
                "elsewhere" => OthersShipFrom::Elsewhere,
                name => OthersShipFrom::Warehouse(name.to_owned()),
            }
        });
        Channel {
            others_ship_from,
            completed: table.completed,
            completed_hold: p
                .value(
                    &["channels", name, "completed_hold"],
                    span_or_never(&table.completed_hold, 1),
                )
                .flatten(),
            others: table.others,
            payments,
            records_refunds: self.routes.offered(name, Op::RecordRefund).is_some(),
            shipping_notice: table.shipping_notice,
            annotate: table.annotate,
            capture,
            mail: table.mail.clone(),
            locations: table.locations.clone(),
            carriers: table.carriers.clone(),
            refresh: p
                .value(
                    &["channels", name, "refresh"],
                    span_or_never(&table.refresh, 1),
                )
                .flatten(),
            begun: table.begin == Some(BeginWord::All),
            zombie: chrono::Duration::days(i64::from(table.zombie_days)),
            recheck: p
                .value(
                    &["channels", name, "recheck"],
                    span_or(&table.recheck, 60, "off"),
                )
                .flatten(),
            recheck_required: table.recheck_required,
            vanished_after: p
                .value(
                    &["channels", name, "vanished_after"],
                    span_or_never(&table.vanished_after, 60),
                )
                .flatten(),
            default_tax: table
                .default_tax
                .as_deref()
                .and_then(|rate| p.value(&["channels", name, "default_tax"], per_cent(rate))),
        }
    }

    fn mail(&self, file: &File, wanted: bool, p: &mut Problems<'_>) -> Option<AccountSlug> {
        let path = ["mail", "account"];
        match &file.mail.account {
            Some(account) => {
                self.routes
                    .needs(account, &of_rule(MAIL), "sending mails", &path, p);
                self.routes.account(account, &path, p)
            }
            None if wanted => {
                p.at(
                    &path,
                    "missing: a channel sends mails; name the account that sends them",
                );
                None
            }
            None => None,
        }
    }

    fn booking(&self, table: &BookingTable, p: &mut Problems<'_>) -> Option<Booking> {
        let path = ["booking", "account"];
        let account = self.routes.account(&table.account, &path, p);
        self.routes
            .needs(&table.account, &of_role(Role::Books), "booking", &path, p);
        let close = match (&table.close.at, &table.close.every) {
            (Some(at), None) => p
                .value(&["booking", "close", "at"], time(at))
                .map(Close::At),
            (None, Some(every)) => p
                .value(&["booking", "close", "every"], span(every, 1))
                .map(Close::Every),
            _ if p.is_unread(&["booking", "close"]) => None,
            _ => {
                p.at(
                    &["booking", "close"],
                    "use one of { at = \"02:00\" } and { every = \"10s\" }",
                );
                None
            }
        };
        let titles = titles(&table.titles, p);
        if let Some(books) = self.routes.operations(&table.account) {
            written(&table.titles, &table.account, books, p);
        }
        Some(Booking {
            recognise: table.recognise,
            digital: table.digital,
            account: account?,
            close: close?,
            titles,
        })
    }
}

/// When the shop is closed.
fn calendar(shop: &ShopTable, p: &mut Problems<'_>) -> Calendar {
    let mut closed_weekdays: Vec<_> = shop
        .closed_weekdays
        .iter()
        .filter_map(|text| p.value(&["shop", "closed_weekdays"], weekday(text)))
        .collect();
    closed_weekdays.sort_by_key(|day| day.num_days_from_monday());
    closed_weekdays.dedup();
    if closed_weekdays.len() == 7 {
        p.at(
            &["shop", "closed_weekdays"],
            "every weekday is closed, so there would be no working days; remove at least one",
        );
    }
    let mut closed_dates: Vec<_> = shop
        .closed_dates
        .iter()
        .filter_map(|text| p.value(&["shop", "closed_dates"], date(text)))
        .collect();
    closed_dates.sort_unstable();
    closed_dates.dedup();
    Calendar {
        closed_weekdays,
        closed_dates,
    }
}

/// When money is captured. An account that captures a payment once would keep the rest of it from the later parcels.
fn capture(
    channel: &str,
    written: Option<CaptureRule>,
    payments: &BTreeMap<String, PaymentRoute>,
    p: &mut Problems<'_>,
) -> CaptureRule {
    let single = payments.values().filter(|route| route.parts.is_single());
    let single = single.filter_map(|route| Some((route.account.as_ref()?, route.parts)));
    match (written, single.min_by_key(|(account, _)| *account)) {
        (Some(CaptureRule::OnComplete), _) | (None, Some(_)) => CaptureRule::OnComplete,
        (None, None) | (Some(CaptureRule::EachShipment), None) => CaptureRule::EachShipment,
        (Some(CaptureRule::EachShipment), Some((account, parts))) => {
            let why = match parts {
                Parts::Whole => "captures a payment as a whole only",
                Parts::Once | Parts::Many => {
                    "releases the rest of a payment with its first capture"
                }
            };
            p.at(
                &["channels", channel, "capture"],
                format!("\"each-shipment\", but account {account} {why}: use \"on-complete\", or remove the line, as that is the default here"),
            );
            CaptureRule::OnComplete
        }
    }
}

//! From the TOML's tables to the policy; everything that does not fit together is noted.

use std::collections::BTreeMap;
use std::path::Path;

use hikiate_sdk::{AccountSlug, Currency, Op, StreamKind};

use super::catalogue;
use super::model::{BookingTable, ChannelTable, DispatchMode, DispatchTable, File, HoldTable, WarehouseTable};
use super::report::Problems;
use super::routes::Routes;
use super::units::{slug, span, span_or_never, time};
use crate::policy::{
    Allocation, Booking, Channel, Close, Dispatch, PaymentMethod, PaymentRoute, Policy, Shop, Titles, Warehouse,
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
    pub(super) fn policy(&self, file: &File, holds: &[(usize, HoldTable)], p: &mut Problems<'_>) -> Option<Policy> {
        let timezone = p.value(&["shop", "timezone"], file.shop.timezone.parse::<chrono_tz::Tz>().map_err(|_| {
            format!("{:?} is no time zone; write an IANA name, for example \"Asia/Tokyo\"", file.shop.timezone)
        }));
        let currency = p.value(&["shop", "currency"], file.shop.currency.parse::<Currency>());
        let mails = file.channels.values().any(|channel| !channel.mail.is_empty());
        if mails && file.shop.name.trim().is_empty() {
            p.at(&["shop", "name"], "missing: mails to customers show it");
        }
        let channels = file.channels.iter().map(|(name, table)| (AccountSlug::from(name.as_str()), self.channel(name, table, p))).collect();
        let warehouses = self.warehouses(file, p);
        let allocation = Allocation {
            split: file.allocation.split,
            partial: file.allocation.partial,
            expire_unpaid: p.value(&["allocation", "expire_unpaid"], span_or_never(&file.allocation.expire_unpaid, 60)).flatten(),
        };
        let presume_delivered = p.value(&["delivery", "presume"], span_or_never(&file.delivery.presume, 0)).flatten();
        let mail = self.mail(file, mails, p);
        let booking = file.booking.as_ref().map(|table| self.booking(table, p));
        let catalogue = catalogue::read(&file.catalogue, self.base_dir, self.routes, p);
        for (n, hold) in holds {
            p.value(&["hold", &format!("#{n}"), "name"], slug(&hold.name));
        }
        let holds = holds.iter().map(|(_, hold)| hold.rule()).collect();
        Some(Policy {
            shop: Shop { name: file.shop.name.clone(), timezone: timezone?, currency: currency? },
            channels,
            warehouses,
            allocation,
            presume_delivered,
            mail,
            holds,
            booking: booking.flatten(),
            catalogue,
        })
    }

    fn channel(&self, name: &str, table: &ChannelTable, p: &mut Problems<'_>) -> Channel {
        let path = ["channels", name];
        if self.routes.account(name, &path, p).is_some() {
            self.routes.needs_streams(name, &[StreamKind::Orders], "a channel", &path, p);
            if table.notify {
                self.routes.needs(name, &[Op::Fulfil, Op::Ship], "notify = true", &["channels", name, "notify"], p);
            }
        }
        if table.payments.is_empty() {
            p.at(&["channels", name, "payments"], "no way of paying is mapped, so every order would be held; write payments = { \"NAME AT THE CHANNEL\" = { method = \"card\", account = \"…\" } }");
        }
        let payments = table.payments.iter().map(|(gateway, payment)| {
            let path = ["channels", name, "payments", gateway, "account"];
            let account = match (payment.method, &payment.account) {
                (PaymentMethod::Card, None) => {
                    p.at(&path, "missing: the account that captures the payment");
                    None
                }
                (PaymentMethod::Card, Some(account)) => {
                    let found = self.routes.account(account, &path, p);
                    self.routes.needs(account, &[Op::Capture], "capturing", &path, p);
                    found
                }
                (method, Some(_)) => {
                    p.at(&path, format!("nothing is captured with method = {:?}; take account out", method.as_str()));
                    None
                }
                (_, None) => None,
            };
            (gateway.clone(), PaymentRoute { method: payment.method, account })
        });
        let payments: BTreeMap<_, _> = payments.collect();
        for warehouse in table.locations.keys().filter(|w| !self.warehouse_names.contains(&w.as_str())) {
            p.at(&["channels", name, "locations", warehouse], format!("there is no warehouse {warehouse:?}{}", suggest::hint(warehouse, &self.warehouse_names)));
        }
        if let Some(currency) = &table.currency {
            p.value(&["channels", name, "currency"], currency.parse::<Currency>());
        }
        Channel {
            payments,
            notify: table.notify,
            capture: table.capture,
            mail: table.mail.clone(),
            locations: table.locations.clone(),
            reread: p.value(&["channels", name, "reread"], span_or_never(&table.reread, 1)).flatten(),
        }
    }

    fn warehouses(&self, file: &File, p: &mut Problems<'_>) -> Vec<Warehouse> {
        let mut names: Vec<&String> = file.warehouses.keys().collect();
        let prefer = &file.allocation.prefer;
        if prefer.is_empty() {
            names.sort_by_key(|name| p.sources().line(&["warehouses", name]).unwrap_or(usize::MAX));
        } else {
            for (n, name) in prefer.iter().enumerate() {
                let at = format!("#{n}");
                if !self.warehouse_names.contains(&name.as_str()) {
                    p.at(&["allocation", "prefer", &at], format!("there is no warehouse {name:?}{}", suggest::hint(name, &self.warehouse_names)));
                } else if prefer[..n].contains(name) {
                    p.at(&["allocation", "prefer", &at], format!("{name:?} stands here twice"));
                }
            }
            let absent: Vec<&str> = self.warehouse_names.iter().copied().filter(|w| !prefer.iter().any(|name| name == w)).collect();
            if !absent.is_empty() {
                p.at(&["allocation", "prefer"], format!("{} missing; name every warehouse once, the preferred one first", absent.join(", ")));
            }
            names.sort_by_key(|name| prefer.iter().position(|other| other == *name).unwrap_or(usize::MAX));
        }
        let mut found: Vec<Warehouse> = Vec::new();
        for name in names {
            let Some(table) = file.warehouses.get(name) else { continue };
            let Some(warehouse) = self.warehouse(name, table, p) else { continue };
            let shared = found.iter().find(|other| other.account == warehouse.account && (other.location == warehouse.location || other.location.is_none() || warehouse.location.is_none()));
            if let Some(other) = shared {
                p.at(&["warehouses", name, "location"], format!("warehouse {} has the same account; give each its own location", other.name));
            }
            found.push(warehouse);
        }
        found
    }

    fn warehouse(&self, name: &str, table: &WarehouseTable, p: &mut Problems<'_>) -> Option<Warehouse> {
        p.value(&["warehouses", name], slug(name));
        let path = ["warehouses", name, "account"];
        let account = self.routes.account(&table.account, &path, p);
        self.routes.needs(&table.account, &[Op::Instruct, Op::CancelInstruction], "a warehouse", &path, p);
        self.routes.needs_streams(&table.account, &[StreamKind::Shipments, StreamKind::Stock], "a warehouse", &path, p);
        let dispatch = dispatch(name, &table.dispatch, p);
        let reply_within = table.reply_within.as_ref().and_then(|text| p.value(&["warehouses", name, "reply_within"], span(text, 1)));
        Some(Warehouse { name: name.to_owned(), account: account?, location: table.location.clone(), dispatch: dispatch?, reply_within })
    }

    fn mail(&self, file: &File, wanted: bool, p: &mut Problems<'_>) -> Option<AccountSlug> {
        let path = ["mail", "account"];
        match &file.mail.account {
            Some(account) => {
                self.routes.needs(account, &[Op::Mail], "sending mails", &path, p);
                self.routes.account(account, &path, p)
            }
            None if wanted => {
                p.at(&path, "missing: a channel sends mails; name the account that sends them");
                None
            }
            None => None,
        }
    }

    fn booking(&self, table: &BookingTable, p: &mut Problems<'_>) -> Option<Booking> {
        let path = ["booking", "account"];
        let account = self.routes.account(&table.account, &path, p);
        self.routes.needs(&table.account, &[Op::PostJournal], "booking", &path, p);
        let close = match (&table.close.at, &table.close.every) {
            (Some(at), None) => p.value(&["booking", "close", "at"], time(at)).map(Close::At),
            (None, Some(every)) => p.value(&["booking", "close", "every"], span(every, 1)).map(Close::Every),
            _ => {
                p.at(&["booking", "close"], "write one of { at = \"02:00\" } and { every = \"10s\" }");
                None
            }
        };
        let t = &table.titles;
        let titles = [("sales", &t.sales), ("receivable", &t.receivable), ("tax", &t.tax), ("rounding", &t.rounding), ("advance", &t.advance)];
        for (n, (key, title)) in titles.iter().enumerate() {
            if title.trim().is_empty() {
                p.at(&["booking", "titles", key], "may not be empty");
            } else if let Some((other, _)) = titles[..n].iter().find(|(_, same)| same == title) {
                p.at(&["booking", "titles", key], format!("{title:?} is the title of {other} too; they have to differ"));
            }
        }
        let titles = Titles { sales: t.sales.clone(), receivable: t.receivable.clone(), tax: t.tax.clone(), rounding: t.rounding.clone(), advance: t.advance.clone() };
        Some(Booking { recognise: table.recognise, account: account?, close: close?, titles })
    }
}

fn dispatch(name: &str, table: &DispatchTable, p: &mut Problems<'_>) -> Option<Dispatch> {
    let path = |key| ["warehouses", name, "dispatch", key];
    if table.max_rows == 0 {
        p.at(&path("max_rows"), "0 rows would send nothing; write at least 1");
    }
    match table.mode {
        DispatchMode::Wave => {
            if table.grace.is_some() {
                p.at(&path("grace"), "belongs to mode = \"continuous\"; a wave goes out at its cut-offs");
            }
            let Some(texts) = table.cutoffs.as_ref().filter(|texts| !texts.is_empty()) else {
                p.at(&path("cutoffs"), "missing: write the local times waves go out at, for example [\"09:00\", \"13:00\"]");
                return None;
            };
            let mut cutoffs = Vec::new();
            for (n, text) in texts.iter().enumerate() {
                let at = format!("#{n}");
                let Some(time) = p.value(&["warehouses", name, "dispatch", "cutoffs", &at], time(text)) else { continue };
                if cutoffs.last().is_some_and(|before| *before >= time) {
                    p.at(&["warehouses", name, "dispatch", "cutoffs", &at], format!("{text:?} does not come after the one before; write them in order, each once"));
                }
                cutoffs.push(time);
            }
            Some(Dispatch::Wave { cutoffs, max_rows: table.max_rows })
        }
        DispatchMode::Continuous => {
            if table.cutoffs.is_some() {
                p.at(&path("cutoffs"), "belongs to mode = \"wave\"; instructions go out by themselves here");
            }
            let grace = table.grace.as_deref().unwrap_or("0s");
            let grace = p.value(&path("grace"), span(grace, 0))?;
            Some(Dispatch::Continuous { grace, max_rows: table.max_rows })
        }
    }
}

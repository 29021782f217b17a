//! Warehouses: in order of preference, each with its account and the times instructions go out.

use chrono::NaiveTime;
use hikiate_sdk::Kind;

use super::model::{DispatchMode, DispatchTable, File, Mapping, WarehouseTable};
use super::report::Problems;
use super::resolve::Resolving;
use super::routes::Answers;
use super::units::{slug, span, span_or_never, time};
use crate::policy::{Dispatch, ReplyTerm, Warehouse};
use crate::suggest;

impl Resolving<'_> {
    /// All warehouses, the preferred one first.
    pub(super) fn warehouses(&self, file: &File, p: &mut Problems<'_>) -> Vec<Warehouse> {
        let mut names: Vec<&String> = file.warehouses.keys().collect();
        let prefer = &file.allocation.prefer;
        if prefer.is_empty() {
            names.sort_by_key(|name| {
                p.sources()
                    .line(&["warehouses", name])
                    .unwrap_or(usize::MAX)
            });
        } else {
            for (n, name) in prefer.iter().enumerate() {
                let at = format!("#{n}");
                if !self.warehouse_names.contains(&name.as_str()) {
                    p.at(
                        &["allocation", "prefer", &at],
                        format!(
                            "there is no warehouse {name:?}{}",
                            suggest::hint(name, &self.warehouse_names)
                        ),
                    );
                } else if prefer[..n].contains(name) {
                    p.at(
                        &["allocation", "prefer", &at],
                        format!("{name:?} appears twice"),
                    );
                }
            }
            let absent: Vec<&str> = self
                .warehouse_names
                .iter()
                .copied()
                .filter(|w| !prefer.iter().any(|name| name == w))
                .collect();
            if !absent.is_empty() {
                p.at(
                    &["allocation", "prefer"],
                    format!(
                        "{} missing; name every warehouse once, the preferred one first",
                        absent.join(", ")
                    ),
                );
            }
            names.sort_by_key(|name| {
                prefer
                    .iter()
                    .position(|other| other == *name)
                    .unwrap_or(usize::MAX)
            });
        }
        let mut found: Vec<Warehouse> = Vec::new();
        for name in names {
            let Some(table) = file.warehouses.get(name) else {
                continue;
            };
            let Some(warehouse) = self.warehouse(name, table, p) else {
                continue;
            };
            let unread = |name: &str| p.is_unread(&["warehouses", name, "location"]);
            let shared = found.iter().find(|other| {
                other.account == warehouse.account
                    && !unread(name)
                    && !unread(&other.name)
                    && (other.location == warehouse.location
                        || other.location.is_none()
                        || warehouse.location.is_none())
            });
            if let Some(other) = shared {
                p.at(
                    &["warehouses", name, "location"],
                    format!(
                        "warehouse {} uses the same account; give each its own location",
                        other.name
                    ),
                );
            }
            found.push(warehouse);
        }
        self.learns_codes(file, p);
        found
    }

    /// Notes warehouses that report only codes that they are asked for, where no other one makes a code known.
    fn learns_codes(&self, file: &File, p: &mut Problems<'_>) {
        let by_code = |table: &WarehouseTable| self.routes.reports_stock_by_code(&table.account);
        let known =
            file.catalogue.mapping == Mapping::Listed || p.is_unread(&["catalogue", "mapping"]);
        if known || !file.warehouses.values().all(by_code) {
            return;
        }
        for (name, table) in &file.warehouses {
            p.at(
                &["warehouses", name, "account"],
                format!(
                    "account {} reports stock only of SKUs that it is asked for, and with mapping = \"same-code\" a SKU becomes known only once a warehouse reports it, so no order would ship: set [catalogue] mapping = \"listed\" with a file of the SKUs",
                    table.account
                ),
            );
        }
    }

    fn warehouse(
        &self,
        name: &str,
        table: &WarehouseTable,
        p: &mut Problems<'_>,
    ) -> Option<Warehouse> {
        p.value(&["warehouses", name], slug(name));
        let path = ["warehouses", name, "account"];
        let account = self.routes.account(&table.account, &path, p);
        self.routes.needs(
            &table.account,
            &self.routes.of_warehouse(&table.account),
            "a warehouse",
            &path,
            p,
        );
        self.routes.needs_streams(
            &table.account,
            &[Kind::Shipment, Kind::Stock],
            "a warehouse",
            &path,
            p,
        );
        self.words(name, table, p);
        let members = self.routes.members(&table.account);
        let dispatch = dispatch(name, &table.dispatch, members, p);
        let reply_within = self.reply_term(name, table, p);
        Some(Warehouse {
            name: name.to_owned(),
            account: account?,
            location: table.location.clone(),
            dispatch: dispatch?,
            reply_within,
            change: table.change,
            cancel: self.routes.cancel(&table.account),
            services: table.services.clone(),
            slots: table.slots.clone(),
        })
    }
}

impl Resolving<'_> {
    /// Notes words for shipping methods and times of day that the warehouse's account does not take.
    fn words(&self, name: &str, table: &WarehouseTable, p: &mut Problems<'_>) {
        let Some(operations) = self.routes.operations(&table.account) else {
            return;
        };
        let tables = [
            ("services", &table.services, operations.service_words()),
            ("slots", &table.slots, operations.slot_words()),
        ];
        for (key, words, known) in tables {
            let Some(known) = known else { continue };
            for (from, word) in words.iter().filter(|(_, word)| !is_word(word, known)) {
                p.at(
                    &["warehouses", name, key, from],
                    format!(
                        "{word:?} is no word that account {} takes{}; an empty string leaves it out",
                        table.account,
                        suggest::hint(word, known)
                    ),
                );
            }
        }
    }

    /// When a reply is overdue. Nobody but the warehouse knows, so there is no default where replies are read.
    fn reply_term(
        &self,
        name: &str,
        table: &WarehouseTable,
        p: &mut Problems<'_>,
    ) -> Option<ReplyTerm> {
        let path = |key| ["warehouses", name, key];
        let answers = self.routes.answers(&table.account);
        let given = match (&table.reply_within, &table.expect) {
            (Some(_), Some(_)) => {
                p.at(
                    &path("expect"),
                    "set together with reply_within: use only one of the two",
                );
                return None;
            }
            (Some(text), None) => p
                .value(&path("reply_within"), span_or_never(text, 1))
                .flatten()
                .map(ReplyTerm::Within),
            (None, Some(texts)) => Some(ReplyTerm::At(times(&path("expect"), texts, p))),
            (None, None) if p.is_unread(&path("expect")) => return None,
            (None, None) if answers == Some(Answers::Always) => {
                p.at(
                    &path("reply_within"),
                    "missing: set when a reply of the warehouse is overdue (\"45m\"), or the times at which its replies arrive: expect = [\"18:30\"]; \"never\" opens no task",
                );
                return None;
            }
            (None, None) => return None,
        };
        if given.is_some() && answers == Some(Answers::Never) {
            let key = if table.expect.is_some() {
                "expect"
            } else {
                "reply_within"
            };
            p.at(
                &path(key),
                format!(
                    "account {} sends no replies (accept = \"delivered\"), so none can be missing; remove it",
                    table.account
                ),
            );
        }
        given
    }
}

/// Whether a word is one of a closed list, its parts in any order and case; an empty one always is.
fn is_word(word: &str, known: &[&str]) -> bool {
    let of_word = parts(word);
    of_word.is_empty() || known.iter().any(|known| parts(known) == of_word)
}

fn parts(word: &str) -> Vec<String> {
    let parts = word.split_whitespace();
    let mut parts: Vec<String> = parts.map(str::to_ascii_uppercase).collect();
    parts.sort_unstable();
    parts
}

/// Local times in order, each once.
fn times(path: &[&str], texts: &[String], p: &mut Problems<'_>) -> Vec<NaiveTime> {
    let mut times: Vec<NaiveTime> = Vec::new();
    if texts.is_empty() {
        p.at(path, "no time: add at least one, for example [\"18:30\"]");
    }
    for (n, text) in texts.iter().enumerate() {
        let item = format!("#{n}");
        let at: Vec<&str> = path.iter().copied().chain([item.as_str()]).collect();
        let Some(time) = p.value(&at, time(text)) else {
            continue;
        };
        if times.last().is_some_and(|before| *before >= time) {
            p.at(
                &at,
                format!("{text:?} is not later than the one before; list them in order, each once"),
            );
        }
        times.push(time);
    }
    times
}

fn dispatch(
    name: &str,
    table: &DispatchTable,
    members: u32,
    p: &mut Problems<'_>,
) -> Option<Dispatch> {
    let path = |key| ["warehouses", name, "dispatch", key];
    if table.max_rows == 0 {
        p.at(
            &path("max_rows"),
            "0 rows would send nothing; use at least 1",
        );
    }
    if table.files_per_cutoff == Some(0) {
        p.at(
            &path("files_per_cutoff"),
            "0 files would send nothing; use at least 1, or remove it",
        );
    }
    if p.is_unread(&path("mode")) {
        // Which of the keys belong to it is not known.
        if let Some(texts) = &table.cutoffs {
            times(&path("cutoffs"), texts, p);
        }
        if let Some(grace) = &table.grace {
            p.value(&path("grace"), span(grace, 0));
        }
        return None;
    }
    match table.mode {
        DispatchMode::Wave => {
            if table.grace.is_some() {
                p.at(
                    &path("grace"),
                    "belongs to mode = \"continuous\"; a wave is sent at its cut-offs",
                );
            }
            let Some(texts) = table.cutoffs.as_ref().filter(|texts| !texts.is_empty()) else {
                p.at(&path("cutoffs"), "missing: set the local times at which waves are sent, for example [\"09:00\", \"13:00\"]");
                return None;
            };
            let cutoffs = times(&path("cutoffs"), texts, p);
            Some(Dispatch::Wave {
                cutoffs,
                max_rows: table.max_rows.min(members),
                files_per_cutoff: table.files_per_cutoff,
            })
        }
        DispatchMode::Continuous => {
            if table.files_per_cutoff.is_some() {
                p.at(
                    &path("files_per_cutoff"),
                    "belongs to mode = \"wave\"; there are no cut-offs here",
                );
            }
            if table.cutoffs.is_some() {
                p.at(
                    &path("cutoffs"),
                    "belongs to mode = \"wave\"; instructions are sent individually here",
                );
            }
            let grace = table.grace.as_deref().unwrap_or("0s");
            let grace = p.value(&path("grace"), span(grace, 0))?;
            Some(Dispatch::Continuous {
                grace,
                max_rows: table.max_rows.min(members),
            })
        }
    }
}

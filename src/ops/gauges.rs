//! What the loops and the housekeeping tell the metrics.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use hikiate_sdk::budget::Counts;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::metrics::{
    AccountLabel, AutomationLabel, CurrencyLabel, HookLabel, HookOutcome, Metrics, StatusLabel,
    StreamLabel, TaskLabel, WarehouseLabel,
};
use crate::names::bounded_kind;
use crate::store::read::StreamRow;
use crate::store::{
    AutomationRow, Figures, HookBacklog, MoneyFigures, QueueFigures, SlowFigures, TaskFigures,
    WaveFigures,
};

impl Metrics {
    /// Counts facts that a page brought.
    pub fn pulled(&self, account: &str, stream: &str, n: usize) {
        let label = StreamLabel {
            account: account.to_owned(),
            stream: stream.to_owned(),
        };
        self.facts.get_or_create(&label).inc_by(n as u64);
    }

    /// Counts subjects that were planned.
    pub fn planned(&self, n: usize) {
        self.plans.inc_by(n as u64);
    }

    /// Counts subjects that could not be planned.
    pub fn plan_failed(&self, n: usize) {
        self.plan_failures.inc_by(n as u64);
    }

    /// Says whether an account rests because calls to it keep failing.
    pub fn circuit_breaker_open(&self, account: &str, rests: bool) {
        let label = AccountLabel {
            account: account.to_owned(),
        };
        self.circuit_breaker_open
            .get_or_create(&label)
            .set(i64::from(rests));
    }

    /// Sets what the budget of an account has counted.
    pub fn budget(&self, account: &str, counts: Counts) {
        let label = AccountLabel {
            account: account.to_owned(),
        };
        for (family, count) in [
            (&self.budget_calls, counts.calls),
            (&self.budget_put_off, counts.put_off),
            (&self.budget_throttled, counts.throttled),
        ] {
            let counter = family.get_or_create(&label);
            counter.inner().fetch_max(count, Ordering::Relaxed);
        }
    }

    /// Says that a rule has paused itself.
    pub fn automation_paused(&self, automation: &str, account: &str) {
        let label = AutomationLabel {
            automation: automation.to_owned(),
            account: account.to_owned(),
        };
        self.automation_paused.get_or_create(&label).set(1);
    }

    /// Sets which rules are paused.
    pub fn set_automations(&self, rules: &[AutomationRow]) {
        let rows = rules.iter().map(|row| {
            let label = AutomationLabel {
                automation: row.automation.clone(),
                account: row.account.clone(),
            };
            (label, i64::from(row.paused_at.is_some()))
        });
        self.replace(&self.automation_paused, rows.collect());
    }

    /// Sets the queues of the accounts.
    pub fn set_queues(&self, queues: &[QueueFigures]) {
        let each = |value: fn(&QueueFigures) -> i64| {
            let label = |row: &QueueFigures| AccountLabel {
                account: row.account.clone(),
            };
            let rows = queues.iter().map(|row| (label(row), value(row)));
            rows.collect::<Vec<_>>()
        };
        self.replace(&self.effects_unresolved, each(|row| row.unresolved));
        self.replace(&self.effects_queued, each(|row| row.queued));
        self.replace(&self.due_effect_age, each(|row| row.due_seconds.max(0)));
        self.replace(&self.account_paused, each(|row| i64::from(row.paused)));
    }

    /// Sets what waits to be planned, orders by status and waves by warehouse.
    pub fn set_figures(&self, figures: &Figures) {
        self.due_plan_age.set(figures.plan_seconds.max(0));
        let label = |status: &String| StatusLabel {
            status: status.clone(),
        };
        let orders = figures.orders.iter();
        let orders = orders.map(|(status, n)| (label(status), *n));
        self.replace(&self.orders_open, orders.collect());
        let waves = |value: fn(&WaveFigures) -> i64| {
            let rows = figures.waves.iter();
            rows.map(|row| (warehouse(&row.warehouse), value(row)))
                .collect()
        };
        self.replace(&self.waves_open, waves(|row| row.open));
        self.replace(&self.waves_overdue, waves(|row| row.overdue));
    }

    /// Sets the age of the warehouses' counts, and the money.
    pub fn set_slow_figures(&self, figures: &SlowFigures) {
        let stock = figures.stock.iter();
        let stock = stock.map(|(name, seconds)| (warehouse(name), *seconds));
        self.replace(&self.stock_age, stock.collect());
        let money = |value: fn(&MoneyFigures) -> i64| {
            let label = |row: &MoneyFigures| CurrencyLabel {
                currency: row.currency.clone(),
            };
            let rows = figures.money.iter();
            rows.map(|row| (label(row), value(row))).collect()
        };
        self.replace(&self.owed, money(|row| row.owed));
        self.replace(&self.owed_captured, money(|row| row.captured));
    }

    /// Sets the age of each stream. One that was never read is as old as the first look at it.
    pub fn set_streams(&self, streams: &[StreamRow], now: DateTime<Utc>) {
        let since = *self.since.get_or_init(|| now);
        let ages = streams.iter().map(|row| {
            let label = StreamLabel {
                account: row.account.clone(),
                stream: row.stream.clone(),
            };
            (
                label,
                (now - row.page_at.unwrap_or(since)).num_seconds().max(0),
            )
        });
        self.replace(&self.stream_age, ages.collect());
    }

    /// Sets how many tasks are open by kind and for how long, and how many records are in quarantine by account. Kinds that differ
    /// only in what they are about are one.
    pub fn set_tasks(&self, kinds: &[TaskFigures], quarantined: &[(String, i64)]) {
        let mut bounded: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for row in kinds {
            let (count, age) = bounded.entry(bounded_kind(&row.kind)).or_default();
            *count += row.count;
            *age = (*age).max(row.age_seconds);
        }
        let each = |value: fn(&(i64, i64)) -> i64| {
            let label = |kind: &str| TaskLabel {
                kind: kind.to_owned(),
            };
            let rows = bounded.iter();
            rows.map(|(kind, row)| (label(kind), value(row))).collect()
        };
        self.replace(&self.tasks_open, each(|row| row.0));
        self.replace(&self.task_age, each(|row| row.1));
        let quarantined = quarantined.iter().map(|(account, n)| {
            let account = account.clone();
            (AccountLabel { account }, *n)
        });
        self.replace(&self.quarantine_open, quarantined.collect());
    }

    /// Counts a request to a webhook.
    pub fn hook(&self, account: &str, hook: &str, outcome: HookOutcome) {
        self.count_hook(account, hook, outcome.word());
    }

    /// Counts a request to a webhook that does not exist. What was asked for is no label: anybody may ask for anything.
    pub fn hook_unknown(&self) {
        self.count_hook("", "", "unknown");
    }

    fn count_hook(&self, account: &str, hook: &str, outcome: &'static str) {
        let label = HookLabel {
            account: account.to_owned(),
            hook: hook.to_owned(),
            outcome,
        };
        self.hooks.get_or_create(&label).inc();
    }

    /// Counts webhooks that were worked.
    pub fn hooks_worked(&self, account: &str, n: usize) {
        let label = AccountLabel {
            account: account.to_owned(),
        };
        self.hooks_worked.get_or_create(&label).inc_by(n as u64);
    }

    /// Sets how many webhooks wait and for how long, for every account that has some or may have.
    pub fn set_hooks(&self, accounts: &[String], backlogs: &[HookBacklog]) {
        let each = |value: fn(&HookBacklog) -> i64| {
            let mut rows: BTreeMap<&str, i64> = accounts
                .iter()
                .map(|account| (account.as_str(), 0))
                .collect();
            rows.extend(
                backlogs
                    .iter()
                    .map(|row| (row.account.as_str(), value(row))),
            );
            let label = |account: &str| AccountLabel {
                account: account.to_owned(),
            };
            let rows = rows.into_iter();
            rows.map(|(account, n)| (label(account), n)).collect()
        };
        self.replace(&self.hooks_waiting, each(|row| row.waiting));
        self.replace(&self.hooks_waiting_age, each(|row| row.age_seconds));
    }

    /// Sets the number of transactions repeated since the start.
    pub fn set_retries(&self, n: u64) {
        self.transaction_retries
            .inner()
            .fetch_max(n, Ordering::Relaxed);
    }

    /// Makes a family exactly these, so that what has vanished is not shown any more; no scrape sees it half done.
    fn replace<L>(&self, family: &Family<L, Gauge>, values: Vec<(L, i64)>)
    where
        L: Clone + Eq + std::hash::Hash,
    {
        let _whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        family.clear();
        for (label, value) in values {
            family.get_or_create(&label).set(value);
        }
    }
}

fn warehouse(name: &str) -> WarehouseLabel {
    WarehouseLabel {
        warehouse: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn stream(name: &str, page_at: Option<DateTime<Utc>>) -> StreamRow {
        StreamRow {
            account: "shop".to_owned(),
            stream: name.to_owned(),
            page_at,
            due_at: DateTime::UNIX_EPOCH,
            fails: 0,
            error: None,
            waiting: None,
            owner: None,
            paused: None,
        }
    }

    fn has(metrics: &Metrics, line: &str) -> bool {
        metrics.render().unwrap().lines().any(|found| found == line)
    }

    #[test]
    fn a_task_that_has_vanished_is_not_counted_any_more() {
        let metrics = Metrics::new();
        metrics.set_tasks(
            &[tasks("hold:large", 2, 90), tasks("quarantine", 1, 7)],
            &[("shop".into(), 300)],
        );
        assert!(has(&metrics, r#"hikiate_tasks_open{kind="hold:large"} 2"#));
        assert!(has(
            &metrics,
            r#"hikiate_task_age_seconds{kind="hold:large"} 90"#
        ));
        assert!(has(
            &metrics,
            r#"hikiate_quarantine_open{account="shop"} 300"#
        ));
        metrics.set_tasks(&[tasks("quarantine", 1, 8)], &[("shop".into(), 1)]);
        assert!(!metrics.render().unwrap().contains("hold:large"));
        metrics.set_tasks(&[], &[]);
        assert!(
            !metrics
                .render()
                .unwrap()
                .contains("hikiate_quarantine_open{")
        );
    }

    #[test]
    fn tasks_about_single_shipments_make_one_series() {
        let metrics = Metrics::new();
        let kinds = [
            tasks("hold:recalled:HKTZR0MKGT97NAP-S1", 1, 90),
            tasks("hold:recalled:HKTZR0MKGT97NAP-S2", 2, 30),
            tasks("hold:large", 4, 7),
        ];
        metrics.set_tasks(&kinds, &[]);
        for line in [
            r#"hikiate_tasks_open{kind="hold:recalled"} 3"#,
            r#"hikiate_task_age_seconds{kind="hold:recalled"} 90"#,
            r#"hikiate_tasks_open{kind="hold:large"} 4"#,
        ] {
            assert!(has(&metrics, line), "{line}");
        }
        assert!(!metrics.render().unwrap().contains("HKTZR0MKGT97NAP"));
    }

    fn tasks(kind: &str, count: i64, age_seconds: i64) -> TaskFigures {
        TaskFigures {
            kind: kind.to_owned(),
            count,
            age_seconds,
        }
    }

    #[test]
    fn figures_of_the_database_are_shown() {
        let metrics = Metrics::new();
        let wave = WaveFigures {
            warehouse: "tokyo".to_owned(),
            open: 2,
            overdue: 1,
        };
        metrics.set_figures(&Figures {
            plan_seconds: 3,
            orders: [("backordered".to_owned(), 7)].into(),
            waves: vec![wave],
        });
        let yen = MoneyFigures {
            currency: "JPY".to_owned(),
            owed: 5_000,
            captured: 3_000,
        };
        metrics.set_slow_figures(&SlowFigures {
            stock: vec![("tokyo".to_owned(), 86_400)],
            money: vec![yen],
        });
        metrics.budget(
            "shop",
            Counts {
                calls: 9,
                put_off: 1,
                throttled: 2,
            },
        );
        for line in [
            "hikiate_due_plan_age_seconds 3",
            r#"hikiate_orders_open{status="backordered"} 7"#,
            r#"hikiate_waves_open{warehouse="tokyo"} 2"#,
            r#"hikiate_waves_overdue{warehouse="tokyo"} 1"#,
            r#"hikiate_stock_age_seconds{warehouse="tokyo"} 86400"#,
            r#"hikiate_owed_minor_units{currency="JPY"} 5000"#,
            r#"hikiate_owed_captured_minor_units{currency="JPY"} 3000"#,
            r#"hikiate_budget_calls_total{account="shop"} 9"#,
            r#"hikiate_budget_throttled_total{account="shop"} 2"#,
        ] {
            assert!(has(&metrics, line), "{line}");
        }
        metrics.set_figures(&Figures::default());
        assert!(has(&metrics, "hikiate_due_plan_age_seconds 0"));
    }

    #[test]
    fn queues_are_shown_per_account() {
        let metrics = Metrics::new();
        let queue = |account: &str| QueueFigures {
            account: account.to_owned(),
            ..QueueFigures::default()
        };
        let shop = QueueFigures {
            unresolved: 1,
            queued: 5,
            due_seconds: 12,
            ..queue("shop")
        };
        let mail = QueueFigures {
            paused: true,
            ..queue("mail")
        };
        metrics.set_queues(&[shop, mail]);
        assert!(has(
            &metrics,
            r#"hikiate_due_effect_age_seconds{account="shop"} 12"#
        ));
        assert!(has(
            &metrics,
            r#"hikiate_effects_unresolved{account="shop"} 1"#
        ));
        assert!(has(&metrics, r#"hikiate_effects_queued{account="shop"} 5"#));
        assert!(has(&metrics, r#"hikiate_account_paused{account="mail"} 1"#));
        metrics.set_queues(&[queue("shop")]);
        assert!(has(
            &metrics,
            r#"hikiate_effects_unresolved{account="shop"} 0"#
        ));
        assert!(!metrics.render().unwrap().contains("mail"));
    }

    #[test]
    fn a_stream_that_was_never_read_ages_from_the_first_look() {
        let metrics = Metrics::new();
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let rows = [stream("orders", Some(at(940))), stream("stock", None)];
        metrics.set_streams(&rows, at(1000));
        metrics.set_streams(&rows, at(1030));
        assert!(has(
            &metrics,
            r#"hikiate_stream_age_seconds{account="shop",stream="orders"} 90"#
        ));
        assert!(has(
            &metrics,
            r#"hikiate_stream_age_seconds{account="shop",stream="stock"} 30"#
        ));
    }

    #[test]
    fn webhooks_are_counted_by_outcome_and_shown_while_they_wait() {
        let metrics = Metrics::new();
        metrics.hook("shop", "orders", HookOutcome::Stored);
        metrics.hook("shop", "orders", HookOutcome::Stored);
        metrics.hook("shop", "orders", HookOutcome::Refused);
        metrics.hook_unknown();
        metrics.hooks_worked("shop", 2);
        let backlog = HookBacklog {
            account: "shop".to_owned(),
            waiting: 3,
            age_seconds: 70,
        };
        metrics.set_hooks(&["shop".to_owned(), "other".to_owned()], &[backlog]);
        for line in [
            r#"hikiate_hooks_total{account="shop",hook="orders",outcome="stored"} 2"#,
            r#"hikiate_hooks_total{account="shop",hook="orders",outcome="refused"} 1"#,
            r#"hikiate_hooks_total{account="",hook="",outcome="unknown"} 1"#,
            r#"hikiate_hooks_worked_total{account="shop"} 2"#,
            r#"hikiate_hooks_waiting{account="shop"} 3"#,
            r#"hikiate_hooks_waiting{account="other"} 0"#,
            r#"hikiate_hooks_waiting_age_seconds{account="shop"} 70"#,
        ] {
            assert!(has(&metrics, line), "{line}");
        }
        metrics.set_hooks(&["shop".to_owned()], &[]);
        assert!(has(&metrics, r#"hikiate_hooks_waiting{account="shop"} 0"#));
    }

    #[test]
    fn counters_only_rise() {
        let metrics = Metrics::new();
        metrics.pulled("shop", "orders", 3);
        metrics.pulled("shop", "orders", 0);
        metrics.planned(4);
        metrics.plan_failed(1);
        metrics.set_retries(5);
        metrics.set_retries(2);
        for line in [
            r#"hikiate_facts_total{account="shop",stream="orders"} 3"#,
            "hikiate_plans_total 4",
            "hikiate_plan_failures_total 1",
            "hikiate_transaction_retries_total 5",
        ] {
            assert!(has(&metrics, line), "{line}");
        }
    }
}

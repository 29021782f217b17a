//! What Prometheus reads. The alert rules in `config/alerts.yml` stand on these names.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::store::{Purged, Store};

/// Upper bounds of an external system's answering time, in seconds.
const CALL_SECONDS: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Of one account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AccountLabel {
    /// The account's name in the configuration.
    pub account: String,
}

/// Of one stream of an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StreamLabel {
    /// The account's name in the configuration.
    pub account: String,
    /// The stream's kind.
    pub stream: String,
}

/// Of one kind of task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TaskLabel {
    /// The task's kind.
    pub kind: String,
}

/// Of one warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WarehouseLabel {
    /// The warehouse's name in the configuration.
    pub warehouse: String,
}

/// Of orders in one status.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StatusLabel {
    /// The status.
    pub status: String,
}

/// Of one currency.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CurrencyLabel {
    /// ISO 4217.
    pub currency: String,
}

/// Of the program that runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BuildLabel {
    /// The program's version.
    pub version: &'static str,
    /// The level of the schema's gate that it has.
    pub code_level: i32,
}

/// Of one rule on an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AutomationLabel {
    /// The rule's name.
    pub automation: String,
    /// The account's name in the configuration.
    pub account: String,
}

/// Of one kind of call and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabel {
    /// The account's name in the configuration.
    pub account: String,
    /// The operation.
    pub operation: String,
    /// What became of it: a verdict, or the word of what is done next.
    pub outcome: String,
}

/// Of one webhook and what became of a request to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HookLabel {
    /// The account's name in the configuration; empty for an address that does not exist.
    pub account: String,
    /// The hook's name; empty for an address that does not exist.
    pub hook: String,
    /// See [`HookOutcome`].
    pub outcome: &'static str,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PurgeLabel {
    /// See [`Purged::kinds`].
    pub what: &'static str,
}

/// What became of a request to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookOutcome {
    /// Stored.
    Stored,
    /// Stored before, or an equal one waits.
    Known,
    /// Answered and not stored: a ping, a topic of no interest.
    Answered,
    /// Not genuine, or too old.
    Refused,
    /// Too large.
    TooLarge,
    /// Too many of its account wait: the sender repeats it.
    Full,
    /// It could not be stored: the sender repeats it.
    Unavailable,
}

impl HookOutcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Known => "known",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::Full => "full",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Every metric of the daemon; cheap to clone and shared by all loops.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Held while families are replaced or rendered.
    pub(super) whole: Arc<Mutex<()>>,
    /// When streams were first looked at.
    pub(super) since: Arc<OnceLock<DateTime<Utc>>>,
    /// `hikiate_effects_unresolved`: calls whose outcome nobody knows.
    pub effects_unresolved: Family<AccountLabel, Gauge>,
    /// `hikiate_effects_queued`: calls planned and not yet made.
    pub effects_queued: Family<AccountLabel, Gauge>,
    /// `hikiate_push_stopped`: 1 while nothing is sent because the database lost recent commits.
    pub push_stopped: Gauge,
    /// `hikiate_account_paused`: 1 while the external system refuses our credentials.
    pub account_paused: Family<AccountLabel, Gauge>,
    /// `hikiate_circuit_breaker_open`: 1 while calls to an account keep failing and it is tried only now and then.
    pub circuit_breaker_open: Family<AccountLabel, Gauge>,
    /// `hikiate_budget_calls_total`: calls to an account.
    pub budget_calls: Family<AccountLabel, Counter>,
    /// `hikiate_budget_put_off_total`: calls that had to come back later because the account's budget was used up.
    pub budget_put_off: Family<AccountLabel, Counter>,
    /// `hikiate_budget_throttled_total`: answers of an account that said to slow down.
    pub budget_throttled: Family<AccountLabel, Counter>,
    /// `hikiate_automation_paused`: 1 while an automation has paused itself.
    pub automation_paused: Family<AutomationLabel, Gauge>,
    /// `hikiate_stream_age_seconds`: since a page of the stream was last stored.
    pub stream_age: Family<StreamLabel, Gauge>,
    /// `hikiate_facts_total`: facts stored, by stream.
    pub facts: Family<StreamLabel, Counter>,
    /// `hikiate_plans_total`: subjects planned.
    pub plans: Counter,
    /// `hikiate_plan_failures_total`: subjects that could not be planned.
    pub plan_failures: Counter,
    /// `hikiate_quarantine_open`: records that could not be read.
    pub quarantine_open: Family<AccountLabel, Gauge>,
    /// `hikiate_tasks_open`: what waits for an operator.
    pub tasks_open: Family<TaskLabel, Gauge>,
    /// `hikiate_calls_total`: calls to external systems.
    pub calls: Family<CallLabel, Counter>,
    /// `hikiate_call_seconds`: how long an external system takes to answer.
    pub call_seconds: Family<AccountLabel, Histogram, fn() -> Histogram>,
    /// `hikiate_hooks_total`: requests to webhooks.
    pub hooks: Family<HookLabel, Counter>,
    /// `hikiate_hooks_worked_total`: webhooks that were worked.
    pub hooks_worked: Family<AccountLabel, Counter>,
    /// `hikiate_hooks_waiting`: webhooks stored and not worked yet.
    pub hooks_waiting: Family<AccountLabel, Gauge>,
    /// `hikiate_hooks_waiting_age_seconds`: since the oldest of them came.
    pub hooks_waiting_age: Family<AccountLabel, Gauge>,
    /// `hikiate_purged_total`: rows deleted because they are no longer kept.
    pub purged: Family<PurgeLabel, Counter>,
    /// `hikiate_build_info`: 1, with the program's version.
    pub build_info: Family<BuildLabel, Gauge>,
    /// `hikiate_due_plan_age_seconds`: since the oldest due order was due to be planned.
    pub due_plan_age: Gauge,
    /// `hikiate_due_effect_age_seconds`: since the oldest due call of an account was due.
    pub due_effect_age: Family<AccountLabel, Gauge>,
    /// `hikiate_task_age_seconds`: since the oldest task of a kind was opened.
    pub task_age: Family<TaskLabel, Gauge>,
    /// `hikiate_stock_age_seconds`: since the newest count of a warehouse.
    pub stock_age: Family<WarehouseLabel, Gauge>,
    /// `hikiate_orders_open`: orders that are not closed, by status.
    pub orders_open: Family<StatusLabel, Gauge>,
    /// `hikiate_waves_open`: waves that were not sealed yet.
    pub waves_open: Family<WarehouseLabel, Gauge>,
    /// `hikiate_waves_overdue`: of them, those past their time.
    pub waves_overdue: Family<WarehouseLabel, Gauge>,
    /// `hikiate_owed_minor_units`: what shipped of open orders comes to.
    pub owed: Family<CurrencyLabel, Gauge>,
    /// `hikiate_owed_captured_minor_units`: what was captured of that.
    pub owed_captured: Family<CurrencyLabel, Gauge>,
    /// `hikiate_transaction_retries_total`: transactions repeated after a deadlock or serialization failure.
    pub transaction_retries: Counter<u64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// All metrics at zero; families without a label value do not show yet.
    pub fn new() -> Self {
        let mut all = Registry::with_prefix("hikiate");
        let call_seconds: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(CALL_SECONDS));
        let help = "Response time of an external system, and the wait for the budget";
        all.register_with_unit("call", help, Unit::Seconds, call_seconds.clone());
        let metrics = Self {
            whole: Arc::default(),
            since: Arc::default(),
            call_seconds,
            effects_unresolved: shown(
                &mut all,
                "effects_unresolved",
                "Calls with an unknown outcome",
            ),
            effects_queued: shown(&mut all, "effects_queued", "Calls planned, not yet sent"),
            push_stopped: shown(
                &mut all,
                "push_stopped",
                "1 while nothing is sent because the database lost recent commits",
            ),
            account_paused: shown(
                &mut all,
                "account_paused",
                "1 while credentials are rejected",
            ),
            circuit_breaker_open: shown(
                &mut all,
                "circuit_breaker_open",
                "1 while its circuit breaker is open",
            ),
            budget_calls: shown(&mut all, "budget_calls", "Calls to the account"),
            budget_put_off: shown(
                &mut all,
                "budget_put_off",
                "Calls deferred because the budget was used up",
            ),
            budget_throttled: shown(
                &mut all,
                "budget_throttled",
                "Responses that asked to slow down",
            ),
            automation_paused: shown(
                &mut all,
                "automation_paused",
                "1 while an automation has paused itself",
            ),
            stream_age: seconds(&mut all, "stream_age", "Since a page was last stored"),
            facts: shown(&mut all, "facts", "Facts stored"),
            plans: shown(&mut all, "plans", "Subjects planned"),
            plan_failures: shown(
                &mut all,
                "plan_failures",
                "Subjects that could not be planned",
            ),
            quarantine_open: shown(&mut all, "quarantine_open", "Unreadable records"),
            tasks_open: shown(&mut all, "tasks_open", "Tasks for an operator"),
            calls: shown(&mut all, "calls", "Calls to external systems"),
            hooks: shown(&mut all, "hooks", "Requests to webhooks"),
            hooks_worked: shown(&mut all, "hooks_worked", "Webhooks worked"),
            hooks_waiting: shown(&mut all, "hooks_waiting", "Webhooks not processed yet"),
            hooks_waiting_age: seconds(
                &mut all,
                "hooks_waiting_age",
                "Age of the oldest unprocessed webhook",
            ),
            purged: shown(
                &mut all,
                "purged",
                "Rows deleted because they are no longer kept",
            ),
            build_info: shown(&mut all, "build_info", "1, with the version that runs"),
            due_plan_age: seconds(
                &mut all,
                "due_plan_age",
                "Since the oldest due order was due to be planned",
            ),
            due_effect_age: seconds(
                &mut all,
                "due_effect_age",
                "Since the oldest due call was due",
            ),
            task_age: seconds(
                &mut all,
                "task_age",
                "Since the oldest task of the kind was opened",
            ),
            stock_age: seconds(
                &mut all,
                "stock_age",
                "Since the newest count of the warehouse",
            ),
            orders_open: shown(&mut all, "orders_open", "Orders that are not closed"),
            waves_open: shown(&mut all, "waves_open", "Waves not sealed yet"),
            waves_overdue: shown(
                &mut all,
                "waves_overdue",
                "Waves more than five minutes past their cut-off and not sealed",
            ),
            owed: shown(
                &mut all,
                "owed_minor_units",
                "What shipped of open orders comes to, in the minor unit of the currency",
            ),
            owed_captured: shown(
                &mut all,
                "owed_captured_minor_units",
                "What was captured of that, in the minor unit of the currency",
            ),
            transaction_retries: shown(&mut all, "transaction_retries", "Transactions repeated"),
            registry: Arc::new(all),
        };
        let build = BuildLabel {
            version: env!("CARGO_PKG_VERSION"),
            code_level: Store::code_level(),
        };
        metrics.build_info.get_or_create(&build).set(1);
        metrics
    }

    /// Says whether nothing is sent because the database lost recent commits.
    pub fn stopped(&self, stopped: bool) {
        self.push_stopped.set(i64::from(stopped));
    }

    /// Counts what was deleted.
    pub fn count_purged(&self, purged: &Purged) {
        for (what, rows) in purged.kinds() {
            self.purged.get_or_create(&PurgeLabel { what }).inc_by(rows);
        }
    }

    /// Counts a call, its outcome and its time.
    pub fn called(&self, account: &str, operation: &str, outcome: &str, took: Duration) {
        self.calls
            .get_or_create(&CallLabel {
                account: account.to_owned(),
                operation: operation.to_owned(),
                outcome: outcome.to_owned(),
            })
            .inc();
        self.call_seconds
            .get_or_create(&AccountLabel {
                account: account.to_owned(),
            })
            .observe(took.as_secs_f64());
    }

    /// The same in the text format of Prometheus, for who does not ask for OpenMetrics: there a counter's description has the name of
    /// its samples, and there are no units and no end.
    ///
    /// # Errors
    /// Only if a metric cannot be written to memory.
    pub fn render_text(&self) -> Result<String, fmt::Error> {
        let text = self.render()?;
        let of_counter = |line: &str| {
            let name = line.strip_prefix("# TYPE ")?.strip_suffix(" counter")?;
            Some(name.to_owned())
        };
        let counters: BTreeSet<String> = text.lines().filter_map(of_counter).collect();
        let mut plain = String::with_capacity(text.len());
        for line in text.lines() {
            let described = ["# HELP ", "# TYPE "]
                .iter()
                .find_map(|start| Some((start, line.strip_prefix(start)?.split_once(' ')?)));
            match described {
                Some((start, (name, rest))) if counters.contains(name) => {
                    writeln!(plain, "{start}{name}_total {rest}")?;
                }
                None if line.starts_with("# ") => {}
                _ => writeln!(plain, "{line}")?,
            }
        }
        Ok(plain)
    }

    /// The text Prometheus scrapes (OpenMetrics).
    ///
    /// # Errors
    /// Only if a metric cannot be written to memory.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let _whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A metric at zero, under its name.
fn shown<M: Metric + Clone + Default>(all: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    all.register(name, help, metric.clone());
    metric
}

/// The same of one in seconds.
fn seconds<M: Metric + Clone + Default>(all: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    all.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_is_counted_is_rendered_with_labels_escaped() {
        let metrics = Metrics::new();
        metrics.plan_failures.inc();
        metrics.called("shop\"jp", "capture", "done", Duration::from_millis(20));
        metrics
            .stream_age
            .get_or_create(&StreamLabel {
                account: "shop-jp".into(),
                stream: "orders".into(),
            })
            .set(12);
        let text = metrics.render().unwrap();
        for line in [
            "hikiate_plan_failures_total 1",
            r#"hikiate_calls_total{account="shop\"jp",operation="capture",outcome="done"} 1"#,
            r#"hikiate_stream_age_seconds{account="shop-jp",stream="orders"} 12"#,
            r#"hikiate_call_seconds_bucket{le="0.05",account="shop\"jp"} 1"#,
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} not in\n{text}"
            );
        }
        assert!(text.ends_with("# EOF\n"));
    }

    /// Every family with a value.
    fn filled() -> Metrics {
        let metrics = Metrics::new();
        let account = AccountLabel {
            account: "a".into(),
        };
        let stream = StreamLabel {
            account: "a".into(),
            stream: "s".into(),
        };
        let task = TaskLabel { kind: "k".into() };
        let warehouse = WarehouseLabel {
            warehouse: "w".into(),
        };
        let yen = CurrencyLabel {
            currency: "JPY".into(),
        };
        let status = StatusLabel {
            status: "backordered".into(),
        };
        for family in [
            &metrics.effects_unresolved,
            &metrics.effects_queued,
            &metrics.account_paused,
            &metrics.quarantine_open,
            &metrics.hooks_waiting,
            &metrics.hooks_waiting_age,
            &metrics.due_effect_age,
        ] {
            family.get_or_create(&account).set(1);
        }
        for family in [
            &metrics.budget_calls,
            &metrics.budget_put_off,
            &metrics.budget_throttled,
            &metrics.hooks_worked,
        ] {
            family.get_or_create(&account).inc();
        }
        for family in [&metrics.tasks_open, &metrics.task_age] {
            family.get_or_create(&task).set(1);
        }
        for family in [
            &metrics.stock_age,
            &metrics.waves_open,
            &metrics.waves_overdue,
        ] {
            family.get_or_create(&warehouse).set(1);
        }
        for family in [&metrics.owed, &metrics.owed_captured] {
            family.get_or_create(&yen).set(1);
        }
        metrics.orders_open.get_or_create(&status).set(1);
        metrics.stream_age.get_or_create(&stream).set(1);
        metrics.facts.get_or_create(&stream).inc();
        metrics.circuit_breaker_open("a", true);
        metrics.automation_paused("r", "a");
        metrics.called("a", "capture", "done", Duration::from_millis(20));
        metrics.hook("a", "h", HookOutcome::Refused);
        metrics.count_purged(&Purged::default());
        metrics
    }

    #[test]
    fn no_metric_is_left_out_of_these_tests() {
        let source = include_str!("metrics.rs").split("#[cfg(test)]").next();
        // The answering time is registered by hand.
        let registered = source.unwrap().matches("&mut all,").count() + 1;
        let text = filled().render_text().unwrap();
        let shown = text.lines().filter(|line| line.starts_with("# TYPE "));
        assert_eq!(shown.count(), registered);
    }

    #[test]
    fn every_metric_in_the_alert_rules_exists() {
        let rules = include_str!("../../config/alerts.yml");
        let text = filled().render().unwrap();
        let named: Vec<&str> = rules
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .filter(|word| word.starts_with("hikiate_"))
            .collect();
        assert!(named.len() >= 6, "{named:?}");
        for name in named {
            let found = text
                .lines()
                .any(|line| line.split(['{', ' ']).next() == Some(name));
            assert!(found, "{name} not in\n{text}");
        }
    }

    #[test]
    fn the_document_describes_every_metric() {
        let document = include_str!("../../docs/operations.md");
        let text = filled().render_text().unwrap();
        let names = text.lines().filter_map(|line| {
            let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
            Some((name, kind))
        });
        for (name, kind) in names {
            assert!(document.contains(name), "{name} ({kind}) is not described");
        }
    }

    #[test]
    fn in_the_text_format_a_counter_is_described_by_the_name_of_its_samples() {
        let text = filled().render_text().unwrap();
        for line in [
            "# TYPE hikiate_facts_total counter",
            r#"hikiate_facts_total{account="a",stream="s"} 1"#,
            "# TYPE hikiate_call_seconds histogram",
            "# TYPE hikiate_stream_age_seconds gauge",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} not in\n{text}"
            );
        }
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"));
    }

    /// What Prometheus' own checker says.
    #[test]
    fn promtool_finds_nothing_wrong() {
        let child = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match child {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                hikiate_sdk::sim::skipped(
                    "ops::metrics::promtool_finds_nothing_wrong",
                    "promtool is not installed",
                );
                return;
            }
            child => child.unwrap(),
        };
        let text = filled().render_text().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, text.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
    }
}

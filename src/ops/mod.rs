//! Running it: logs, metrics, health, signals, systemd.

mod gauges;
pub mod health;
pub(crate) mod listener;
pub mod metrics;
pub mod notify;
pub mod shutdown;
pub mod telemetry;

//! Running it: logs, metrics, health, signals, systemd.

mod gauges;
pub mod health;
pub mod metrics;
pub mod notify;
pub mod shutdown;
pub mod telemetry;

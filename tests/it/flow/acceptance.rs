//! Acceptance tests of the trade.

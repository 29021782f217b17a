//! What goes wrong when two transactions meet, each shown twice: the program under the interleaving that
//! hurts, and beside it a broken way of doing the same, which fails, so that the test is known to see.

mod fresh_claim;
mod in_flight;
mod intents;
mod key_share;
mod lock_order;
mod observations;
mod observed_excess;
mod orphans;
mod overlapping_pages;
mod stale_cursor;
mod starting;
mod stock_order;
mod torn_reading;
mod vacuum;

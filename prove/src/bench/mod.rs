//! Each connector by itself, without daemon and database: what an order costs it against its simulator, and what it makes of a
//! budget of calls that it declares.

mod budget;
mod rate;

use std::time::Duration;

use hikiate::registry::CONNECTORS;

pub use budget::{Share, kept, share, strict};
pub use rate::{Rate, rate};

/// What `hikiate-prove bench` takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct BenchArgs {
    /// Orders of each connector
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    orders: u32,
    /// Minutes on a virtual clock for each budget
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    minutes: u32,
}

/// Measures all connectors, one after the other, and prints a line for each. True when every call ended well and every declared
/// budget was used and kept.
#[must_use]
pub fn run(args: &BenchArgs) -> bool {
    let per = Duration::from_secs(60 * u64::from(args.minutes));
    let orders = usize::try_from(args.orders).unwrap_or(1_000);
    let mut well = true;
    for subject in CONNECTORS.iter().flat_map(|kind| kind.subjects()) {
        let name = subject.name();
        let rate = on(true, rate(&*subject, orders));
        let used = on(false, share(&*subject, per));
        let (rate, budget) = match (rate, used) {
            (Ok(rate), Ok(used)) => {
                well &= used.as_ref().is_none_or(kept);
                (
                    rate.to_string(),
                    used.map_or("none".to_owned(), |used| used.to_string()),
                )
            }
            (rate, used) => {
                well = false;
                let words = |end: Option<String>| end.unwrap_or_else(|| "ok".to_owned());
                (words(rate.err()), words(used.err()))
            }
        };
        println!("bench: connector={name:?} {rate} budget={budget}");
    }
    well
}

/// Runs one measurement on a runtime of its own: by the machine's clock, or by a virtual one.
fn on<T>(real: bool, measurement: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let builder = builder.enable_all().start_paused(!real);
    builder.build().unwrap().block_on(measurement)
}

//! How many of the interleavings are tried.

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One of each set that differs only by swapping steps that cannot meet.
    Reduced,
    /// All there are.
    Every,
    /// Only those that switch between transactions: what a serial database could do.
    Atomic,
}

//! Bytes of files: characters, cells and rows. Nothing here knows what a cell means.

pub(crate) mod delimited;
pub(crate) mod encoding;
pub(crate) mod envelope;
pub(crate) mod formula;
pub(crate) mod scan;

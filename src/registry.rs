//! The connectors there are: the one list, and the only place in the program that names them.

use hikiate_sdk::ConnectorKind;

/// All connectors, in the order they are shown.
pub static CONNECTORS: &[&dyn ConnectorKind] = &[];

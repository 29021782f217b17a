//! A Medusa shop whose connector is wrapped: another connector with the same configuration.

use std::sync::Arc;

use hikiate::registry::CONNECTORS;
use hikiate_sdk::{AccountConfig, Connector, ConnectorKind, Problem};

/// Makes the connector out of Medusa's.
pub(super) struct Around(pub(super) fn(Arc<dyn Connector>) -> Arc<dyn Connector>);

fn medusa() -> &'static dyn ConnectorKind {
    *CONNECTORS
        .iter()
        .find(|kind| kind.name() == "medusa")
        .unwrap()
}

impl Around {
    /// It in Medusa's place, and all others.
    pub(super) fn with_others(&'static self) -> &'static [&'static dyn ConnectorKind] {
        let mut connectors: Vec<&'static dyn ConnectorKind> = vec![self];
        connectors.extend(CONNECTORS.iter().filter(|kind| kind.name() != "medusa"));
        connectors.leak()
    }
}

impl ConnectorKind for Around {
    fn name(&self) -> &'static str {
        medusa().name()
    }

    fn title(&self) -> &'static str {
        medusa().title()
    }

    fn schema(&self) -> schemars::Schema {
        medusa().schema()
    }

    fn build(&self, account: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>> {
        Ok((self.0)(medusa().build(account)?))
    }
}

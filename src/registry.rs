//! The connectors there are: the one list, and the only place in the program that names them.

use hikiate_sdk::ConnectorKind;

/// All connectors, in the order they are shown.
pub static CONNECTORS: &[&dyn ConnectorKind] = &[
    &hikiate_medusa::MedusaKind,
    &hikiate_files::Files,
    &hikiate_smtp::Smtp,
    &hikiate_woocommerce::WooCommerceKind,
    &hikiate_stripe::StripeKind,
    &hikiate_openlogi::OpenlogiKind,
];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use super::*;
    use crate::cli::check;
    use crate::config::Surroundings;

    #[test]
    fn names_are_different() {
        let mut names: Vec<&str> = CONNECTORS.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn every_example_passes_the_check() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
        let away = Surroundings {
            allow_missing_secrets: true,
            allow_bad_mapping: false,
            ..Surroundings::default()
        };
        let mut checked = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap().path();
            if file.is_dir() {
                continue;
            }
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let code = check::run(Some(&file), &away, CONNECTORS, &mut out, &mut err).unwrap();
            assert_eq!(code, check::GOOD, "{}", String::from_utf8_lossy(&err));
            let said = String::from_utf8(out).unwrap();
            assert!(
                said.contains("orders are fetched every") && said.contains("policy "),
                "{said}"
            );
            checked += 1;
        }
        assert!(checked >= 3);
    }
}

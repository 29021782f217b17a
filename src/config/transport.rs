//! How a database is reached: over a network only if its certificate is verified, or an operator trusts the network.

use std::net::IpAddr;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// The host and the mode of a URL that leads over a network without a verified certificate. One that cannot be read is for the
/// connection to refuse.
pub(super) fn unverified(url: &SecretString) -> Option<(String, &'static str)> {
    let options: PgConnectOptions = url.expose_secret().parse().ok()?;
    let host = options.get_host();
    if options.get_socket().is_some() || host.starts_with('/') || is_loopback(host) {
        return None;
    }
    let mode = match options.get_ssl_mode() {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => return None,
    };
    Some((host.to_owned(), mode))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(url: &str) -> Option<(String, &'static str)> {
        unverified(&SecretString::from(url.to_owned()))
    }

    #[test]
    fn only_a_verified_certificate_is_enough_over_a_network() {
        for (mode, word) in [
            ("?sslmode=disable", "disable"),
            ("?sslmode=allow", "allow"),
            ("?sslmode=prefer", "prefer"),
            ("?sslmode=require", "require"),
            ("?sslmode=verify-ca", "verify-ca"),
        ] {
            for host in ["db.example", "10.0.0.5", "[2001:db8::1]"] {
                let found = judged(&format!("postgres://u:p@{host}/d{mode}"));
                assert_eq!(found.map(|(_, mode)| mode), Some(word), "{host}{mode}");
            }
        }
        assert!(judged("postgres://u:p@db.example:6432/d").is_some());
        assert!(judged("postgres:///d?host=db.example&sslmode=require").is_some());
        assert_eq!(
            judged("postgres://u:p@db.example/d?sslmode=verify-full"),
            None
        );
    }

    #[test]
    fn what_does_not_leave_the_machine_needs_none() {
        for url in [
            "postgres://u@localhost/d",
            "postgres://u@LocalHost:5433/d",
            "postgres://u@127.0.0.1/d?sslmode=disable",
            "postgres://u@127.8.8.8/d",
            "postgres://u@[::1]/d",
            "postgres://u@%2Fvar%2Frun%2Fpostgresql/d",
            "postgres://u@localhost/d?host=/var/run/postgresql",
            "postgres:///d?host=/run/pg&sslmode=prefer",
        ] {
            assert_eq!(judged(url), None, "{url}");
        }
        assert_eq!(judged("no url"), None);
    }
}

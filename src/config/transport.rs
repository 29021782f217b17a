//! How a database is reached: over a network only if its certificate is verified, or an operator trusts the network.

use std::net::IpAddr;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Schemes of a PostgreSQL URL; the driver itself takes any.
const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// What a URL says of the connection.
///
/// # Errors
/// Why the connection would refuse the URL, without repeating it.
pub(super) fn read(url: &SecretString) -> Result<PgConnectOptions, String> {
    let text = url.expose_secret();
    let options = text
        .parse::<PgConnectOptions>()
        .map_err(|error| match error {
            sqlx::Error::Configuration(why) => why.to_string(),
            other => other.to_string(),
        })?;
    let scheme = text.trim_start().split(':').next().unwrap_or_default();
    if SCHEMES
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        Ok(options)
    } else {
        Err("it is not a URL of PostgreSQL".to_owned())
    }
}

/// The host and the mode of a URL that leads over a network without a verified certificate.
pub(super) fn unverified(options: &PgConnectOptions) -> Option<(String, &'static str)> {
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
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn parsed(url: &str) -> Result<PgConnectOptions, String> {
        read(&SecretString::from(url.to_owned()))
    }

    fn judged(url: &str) -> Option<(String, &'static str)> {
        unverified(&parsed(url).unwrap())
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
    }

    #[test]
    fn what_the_connection_would_refuse_is_refused() {
        for (url, why) in [
            ("no url", "relative URL without a base"),
            ("host=10.1.2.3 dbname=x", "relative URL without a base"),
            ("postgres://hk:geheim@/x", "empty host"),
            ("postgres://hk:geheim@h:port/x", "invalid port number"),
            ("mysql://hk:geheim@127.0.0.1/x", "not a URL of PostgreSQL"),
            ("https://hk:geheim@127.0.0.1/x", "not a URL of PostgreSQL"),
        ] {
            let refused = parsed(url).map(drop).unwrap_err();
            assert!(refused.contains(why), "{url}: {refused}");
            assert!(!refused.contains("geheim"), "{refused}");
        }
        for url in ["postgresql://u@127.0.0.1/d", "Postgres://u@127.0.0.1/d"] {
            assert!(parsed(url).is_ok(), "{url}");
        }
    }
}

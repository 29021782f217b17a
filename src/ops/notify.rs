//! Tells systemd how the daemon does, over the socket in `NOTIFY_SOCKET`; silent without one.

use std::env;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Speaks to the supervisor, if there is one.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    ///
    /// # Errors
    /// When a socket is named but cannot be reached.
    pub fn from_env() -> io::Result<Self> {
        let text = |name| env::var(name).ok();
        let watchdog = interval(
            text("WATCHDOG_USEC").as_deref(),
            text("WATCHDOG_PID").as_deref(),
            std::process::id(),
        );
        match text("NOTIFY_SOCKET").filter(|name| !name.is_empty()) {
            Some(name) => Self::to(&name, watchdog),
            None => Ok(Self {
                socket: None,
                watchdog: None,
            }),
        }
    }

    fn to(name: &str, watchdog: Option<Duration>) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address(name)?)?;
        // A stuck supervisor must not stop the daemon.
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: Some(socket),
            watchdog,
        })
    }

    /// The daemon does its work: configuration read, schema checked, loops started.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// The daemon drains.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// One line for `systemctl status`; no personal data.
    pub fn status(&self, text: &str) {
        self.say(&format!("STATUS={}", text.replace('\n', " ")));
    }

    /// Gives a sign of life twice per `WatchdogSec=` until `stop` is cancelled, so that a runtime that
    /// hangs gets the daemon restarted. Run it until the drain has ended; returns at once where no
    /// watchdog is set.
    pub async fn keep_alive(&self, stop: CancellationToken) {
        let Some(every) = self.watchdog else { return };
        let mut ticks = tokio::time::interval(every);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => self.say("WATCHDOG=1"),
            }
        }
    }

    fn say(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::warn!(%error, state, "could not notify systemd");
        }
    }
}

/// Half of the supervisor's patience, if it watches this process.
fn interval(usec: Option<&str>, pid: Option<&str>, ours: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(ours)) {
        return None;
    }
    let usec: u64 = usec?.parse().ok()?;
    (usec > 1).then(|| Duration::from_micros(usec / 2))
}

#[cfg(target_os = "linux")]
fn address(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    match name.strip_prefix('@') {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
        None => SocketAddr::from_pathname(name),
    }
}

#[cfg(not(target_os = "linux"))]
fn address(name: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(name)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 200];
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn states_arrive_over_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.to_str().unwrap(), None).unwrap();
        notifier.ready();
        assert_eq!(heard(&socket), "READY=1");
        notifier.status("draining\n3 calls");
        assert_eq!(heard(&socket), "STATUS=draining 3 calls");
        notifier.stopping();
        assert_eq!(heard(&socket), "STOPPING=1");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn signs_of_life_arrive_over_an_abstract_socket() {
        let name = format!("@hikiate-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&address(&name).unwrap()).unwrap();
        let notifier = Notifier::to(&name, Some(Duration::from_millis(5))).unwrap();
        let stop = CancellationToken::new();
        let socket = tokio::task::spawn_blocking(move || [heard(&socket), heard(&socket)]);
        tokio::select! {
            () = notifier.keep_alive(stop) => unreachable!("it goes on until it is stopped"),
            told = socket => assert_eq!(told.unwrap(), ["WATCHDOG=1", "WATCHDOG=1"]),
        }
    }

    #[test]
    fn the_watchdog_is_of_this_process_or_of_none() {
        let half = Some(Duration::from_secs(1));
        assert_eq!(interval(Some("2000000"), None, 7), half);
        assert_eq!(interval(Some("2000000"), Some("7"), 7), half);
        assert_eq!(interval(Some("2000000"), Some("8"), 7), None);
        assert_eq!(interval(None, None, 7), None);
        assert_eq!(interval(Some("soon"), None, 7), None);
    }

    #[tokio::test]
    async fn without_a_supervisor_it_is_silent() {
        let notifier = Notifier {
            socket: None,
            watchdog: None,
        };
        notifier.ready();
        notifier.keep_alive(CancellationToken::new()).await;
        assert!(notifier.socket.is_none());
    }
}

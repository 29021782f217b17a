//! Faults on the way of an HTTP request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Fault, FaultSeam, Prng, RETRY_AFTER, Target};
use crate::http::{Method, Request, Response, Transport, TransportError};

/// Which requests a scripted fault waits for; everything that is `None` or empty matches.
#[derive(Clone, Debug, Default)]
pub struct When {
    /// Its method.
    pub method: Option<Method>,
    /// A part of its path.
    pub path: String,
    /// A GET is a read, the others are writes.
    pub target: Option<Target>,
    /// So many that match pass first.
    pub after: usize,
}

impl When {
    /// Requests of a method whose path contains this.
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method: Some(method),
            path: path.into(),
            ..Self::default()
        }
    }

    fn matches(&self, request: &Request) -> bool {
        self.method.is_none_or(|m| m == request.method)
            && self.target.is_none_or(|t| t == target(request))
            && request.path.contains(&self.path)
    }
}

fn target(request: &Request) -> Target {
    if request.method == Method::Get {
        Target::Read
    } else {
        Target::Write
    }
}

/// Wraps a transport. Scripted faults come first, each once; then, where a seed was given, drawn ones.
pub struct FaultyTransport {
    inner: Arc<dyn Transport>,
    echo: String,
    words: Words,
    can: Option<Can>,
    state: Mutex<State>,
}

/// The answer of one external system where it throttles, refuses credentials or refuses a call, in its own words; `None` where
/// it has none of its own. The text is to be repeated somewhere in it.
pub type Words = fn(Fault, &str) -> Option<Response>;

/// Whether the simulator behind a transport can [be asked](Fault::is_asked_for) for a fault of this request.
pub type Can = fn(Fault, &Request) -> bool;

/// The header in which a simulator is asked for a fault. No connector sends it.
const ASKED: &str = "x-simulated-fault";

/// The fault that a simulator is asked for.
#[must_use]
pub fn asked(request: &Request) -> Option<Fault> {
    let mut headers = request.headers.iter();
    let (_, words) = headers.find(|(name, _)| name == ASKED)?;
    Fault::ALL.into_iter().find(|fault| fault.as_str() == words)
}

fn asking(mut request: Request, fault: Fault) -> Request {
    let header = (ASKED.to_owned(), fault.as_str().to_owned());
    request.headers.push(header);
    request
}

#[derive(Default)]
struct State {
    delay: Duration,
    arrivals: Vec<Instant>,
    script: Vec<(When, Fault)>,
    drawn: Option<Drawn>,
    injected: BTreeMap<Fault, u64>,
    /// Taken back before any of their kind had happened.
    missed: Vec<Fault>,
}

impl State {
    fn take_back(&mut self) {
        let left = self.script.drain(..).map(|(_, fault)| fault);
        let never = left.filter(|fault| !self.injected.contains_key(fault));
        self.missed.extend(never);
    }
}

struct Drawn {
    prng: Prng,
    per_mille: u64,
    faults: Vec<Fault>,
}

impl FaultyTransport {
    /// Without any fault yet.
    #[must_use]
    pub fn new(inner: Arc<dyn Transport>) -> Self {
        Self {
            inner,
            echo: String::new(),
            words: |_, _| None,
            can: None,
            state: Mutex::default(),
        }
    }

    /// Draws faults from a seed: each request meets one of `faults` this many times out of a thousand.
    #[must_use]
    pub fn seeded(self, seed: u64, per_mille: u64, faults: Vec<Fault>) -> Self {
        self.draw(seed, per_mille, faults);
        self
    }

    /// The same from now on, for a transport that is in use already.
    pub fn draw(&self, seed: u64, per_mille: u64, faults: Vec<Fault>) {
        self.state().drawn = Some(Drawn {
            prng: Prng::new(seed),
            per_mille,
            faults,
        });
    }

    /// No more faults, neither drawn nor scripted.
    pub fn calm(&self) {
        let mut state = self.state();
        state.drawn = None;
        state.take_back();
    }

    /// Text that every error body repeats, as careless external systems do with credentials and addresses.
    #[must_use]
    pub fn echoing(mut self, text: impl Into<String>) -> Self {
        self.echo = text.into();
        self
    }

    /// Throttles and refuses in the words of one external system.
    #[must_use]
    pub fn speaking(mut self, words: Words) -> Self {
        self.words = words;
        self
    }

    /// Asks the simulator behind it for what only an external system itself can do, where it can.
    #[must_use]
    pub fn asking(mut self, can: Can) -> Self {
        self.can = Some(can);
        self
    }

    /// Orders a fault for the next request that matches.
    pub fn inject_when(&self, when: When, fault: Fault) {
        self.state().script.push((when, fault));
    }

    /// Takes back every ordered fault that no request has met. One of a kind that never happened stays
    /// [unmet](FaultSeam::unmet).
    pub fn heal(&self) {
        self.state().take_back();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request may meet the fault. One that it cannot meet waits for another.
    fn fits(&self, fault: Fault, request: &Request) -> bool {
        !fault.is_asked_for() || self.can.is_some_and(|can| can(fault, request))
    }

    fn next(&self, request: &Request) -> Option<Fault> {
        let mut state = self.state();
        state.arrivals.push(Instant::now());
        let fault = match state
            .script
            .iter()
            .position(|(when, fault)| when.matches(request) && self.fits(*fault, request))
        {
            Some(at) => match state.script.get_mut(at) {
                Some((when, _)) if when.after > 0 => {
                    when.after -= 1;
                    None
                }
                _ => Some(state.script.remove(at).1),
            },
            None => {
                let drawn = state.drawn.as_mut().and_then(Drawn::draw);
                drawn.filter(|fault| self.fits(*fault, request))
            }
        };
        if let Some(fault) = fault {
            *state.injected.entry(fault).or_default() += 1;
        }
        fault
    }

    fn answer(&self, status: u16, headers: Vec<(String, String)>) -> Response {
        let body = serde_json::json!({ "type": "error", "message": format!("simulated fault {}", self.echo) });
        Response {
            status,
            headers,
            body: body.to_string().into_bytes(),
        }
    }
}

impl Drawn {
    fn draw(&mut self) -> Option<Fault> {
        if !self.prng.per_mille(self.per_mille) {
            return None;
        }
        let count = u64::try_from(self.faults.len()).unwrap_or(0);
        let at = usize::try_from(self.prng.below(count)).unwrap_or(0);
        self.faults.get(at).copied()
    }
}

#[async_trait]
impl Transport for FaultyTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let lost = |why: &str| Err(TransportError::NoAnswer(why.to_owned()));
        let fault = self.next(&request);
        let delay = self.state().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let Some(fault) = fault else {
            return self.inner.send(request).await;
        };
        if let Some(answer) = (self.words)(fault, &self.echo) {
            return Ok(answer);
        }
        match fault {
            Fault::NotSent => Err(TransportError::NotSent(
                "simulated: connection refused".to_owned(),
            )),
            Fault::ErrorBefore => Ok(self.answer(500, Vec::new())),
            Fault::Unauthorised => Ok(self.answer(401, Vec::new())),
            Fault::Forbidden => Ok(self.answer(403, Vec::new())),
            Fault::Refused => Ok(self.answer(422, Vec::new())),
            Fault::ErrorInOk => Ok(self.answer(200, Vec::new())),
            Fault::RateLimited => {
                let after = RETRY_AFTER.as_secs().to_string();
                Ok(self.answer(429, vec![("retry-after".to_owned(), after)]))
            }
            Fault::RateLimitedSilently => Ok(self.answer(429, Vec::new())),
            // Only in words that somebody knows: see `supported`.
            Fault::SlowDown => Ok(self.answer(403, Vec::new())),
            Fault::RateLimitedInOk => Ok(self.answer(200, Vec::new())),
            Fault::LostReply => {
                self.inner.send(request).await?;
                lost("simulated: connection reset")
            }
            Fault::Slow => {
                self.inner.send(request).await?;
                lost("simulated: timed out")
            }
            Fault::ErrorAfter => {
                self.inner.send(request).await?;
                Ok(self.answer(502, Vec::new()))
            }
            Fault::Garbage => {
                let mut answer = self.inner.send(request).await?;
                answer.body = format!("<html>\u{fffd} simulated {}</html>", self.echo).into_bytes();
                Ok(answer)
            }
            Fault::Truncated => {
                let mut answer = self.inner.send(request).await?;
                if answer.body.len() < 2 {
                    return lost("simulated: cut short");
                }
                answer.body.truncate(answer.body.len() / 2);
                Ok(answer)
            }
            Fault::Duplicate => {
                let first = self.inner.send(request.clone()).await?;
                self.inner.send(request).await?;
                Ok(first)
            }
            Fault::ShownLate | Fault::Swallowed => self.inner.send(asking(request, fault)).await,
            Fault::LostAndLate => {
                self.inner.send(asking(request, fault)).await?;
                lost("simulated: connection reset")
            }
        }
    }
}

impl FaultSeam for FaultyTransport {
    /// A throttle in a 403 or a 200 only where the external system has words for it, and what it is asked for only where it can be.
    fn supported(&self) -> Vec<Fault> {
        let spoken = |fault: &Fault| {
            !matches!(fault, Fault::SlowDown | Fault::RateLimitedInOk)
                || (self.words)(*fault, "").is_some()
        };
        let heard = |fault: &Fault| !fault.is_asked_for() || self.can.is_some();
        let all = Fault::ALL.into_iter().filter(spoken);
        all.filter(heard).collect()
    }

    fn inject(&self, target: Target, fault: Fault) {
        self.inject_after(0, target, fault);
    }

    fn inject_after(&self, others: usize, target: Target, fault: Fault) {
        self.inject_when(
            When {
                target: Some(target),
                after: others,
                ..When::default()
            },
            fault,
        );
    }

    fn injected(&self) -> BTreeMap<Fault, u64> {
        self.state().injected.clone()
    }

    fn unmet(&self) -> Vec<Fault> {
        let state = self.state();
        let waiting = state.script.iter().map(|(_, fault)| *fault);
        waiting.chain(state.missed.iter().copied()).collect()
    }

    fn answer_after(&self, delay: Duration) -> bool {
        self.state().delay = delay;
        true
    }

    fn arrivals(&self) -> Option<Vec<Instant>> {
        Some(self.state().arrivals.clone())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::AllMet;
    use super::*;
    use crate::sim::{SimTransport, Simulator};

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Simulator for Counting {
        fn handle(&self, request: Request) -> Response {
            let acts = asked(&request) != Some(Fault::Swallowed);
            let n = self.0.fetch_add(usize::from(acts), Ordering::SeqCst);
            Response {
                status: 200,
                headers: Vec::new(),
                body: format!("[{n:04}]").into_bytes(),
            }
        }
    }

    fn faulty() -> (Arc<Counting>, FaultyTransport) {
        let sim = Arc::new(Counting::default());
        (
            sim.clone(),
            FaultyTransport::new(Arc::new(SimTransport(sim))),
        )
    }

    /// The same before a simulator that can be asked about posts.
    fn obedient() -> (Arc<Counting>, FaultyTransport) {
        let (sim, plain) = faulty();
        (
            sim,
            plain.asking(|_, request| request.method == Method::Post),
        )
    }

    #[tokio::test]
    async fn each_fault_has_its_answer_and_its_effect() {
        for fault in Fault::ALL {
            let (sim, transport) = obedient();
            transport.inject(Target::Write, fault);
            let answer = transport.send(Request::post_json("/x", Vec::new())).await;
            let status = answer.as_ref().map(|r| r.status).ok();
            let (want_status, want_effects) = match fault {
                Fault::LostReply | Fault::Slow | Fault::LostAndLate => (None, 1),
                Fault::NotSent => (None, 0),
                Fault::ErrorBefore => (Some(500), 0),
                Fault::ErrorAfter => (Some(502), 1),
                Fault::RateLimited | Fault::RateLimitedSilently => (Some(429), 0),
                Fault::SlowDown => (Some(403), 0),
                Fault::RateLimitedInOk => (Some(200), 0),
                Fault::Unauthorised => (Some(401), 0),
                Fault::Forbidden => (Some(403), 0),
                Fault::Refused => (Some(422), 0),
                Fault::Garbage | Fault::Truncated | Fault::ShownLate => (Some(200), 1),
                Fault::ErrorInOk | Fault::Swallowed => (Some(200), 0),
                Fault::Duplicate => (Some(200), 2),
            };
            assert_eq!(
                (status, sim.0.load(Ordering::SeqCst)),
                (want_status, want_effects),
                "{fault}"
            );
            assert_eq!(transport.injected(), BTreeMap::from([(fault, 1)]));
            assert_eq!(
                matches!(answer, Err(TransportError::NotSent(_))),
                fault == Fault::NotSent
            );
        }
    }

    #[tokio::test]
    async fn calm_ends_drawn_and_scripted_faults() {
        let (_, transport) = faulty();
        transport.draw(1, 1000, vec![Fault::NotSent]);
        assert!(transport.send(Request::get("/x")).await.is_err());
        transport.inject(Target::Read, Fault::NotSent);
        transport.calm();
        assert!(transport.send(Request::get("/x")).await.is_ok());
    }

    #[tokio::test]
    async fn a_scripted_fault_waits_for_its_request_and_happens_once() {
        let (sim, transport) = faulty();
        transport.inject_when(When::new(Method::Post, "/capture"), Fault::LostReply);
        assert!(transport.send(Request::get("/capture")).await.is_ok());
        assert!(
            transport
                .send(Request::post_json("/ship", Vec::new()))
                .await
                .is_ok()
        );
        assert!(
            transport
                .send(Request::post_json("/p/1/capture", Vec::new()))
                .await
                .is_err()
        );
        assert_eq!(
            transport
                .send(Request::post_json("/p/1/capture", Vec::new()))
                .await
                .unwrap()
                .body,
            b"[0003]"
        );
        assert_eq!(sim.0.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn a_fault_can_let_others_pass_first() {
        let (_, transport) = faulty();
        transport.inject_after(2, Target::Write, Fault::NotSent);
        let mut failed = Vec::new();
        for _ in 0..4 {
            transport.send(Request::get("/x")).await.unwrap();
            let answer = transport.send(Request::put_json("/x", Vec::new())).await;
            failed.push(answer.is_err());
        }
        assert_eq!(failed, [false, false, true, false]);
    }

    #[tokio::test]
    async fn what_only_the_external_system_can_do_waits_for_a_request_of_which_it_can() {
        let (sim, transport) = obedient();
        transport.inject(Target::Write, Fault::Swallowed);
        transport.inject(Target::Write, Fault::NotSent);
        // It holds up no other.
        let put = || transport.send(Request::put_json("/x", Vec::new()));
        assert!(put().await.is_err());
        assert!(put().await.is_ok());
        assert_eq!(transport.unmet(), [Fault::Swallowed]);
        let post = Request::post_json("/x", Vec::new());
        assert_eq!(asked(&post), None);
        transport.send(post).await.unwrap();
        assert_eq!(sim.0.load(Ordering::SeqCst), 1);
        assert!(transport.unmet().is_empty());
        assert!(transport.supported().contains(&Fault::ShownLate));

        let (_, deaf) = faulty();
        deaf.inject(Target::Write, Fault::Swallowed);
        let post = Request::post_json("/x", Vec::new());
        deaf.send(post).await.unwrap();
        assert_eq!(deaf.unmet(), [Fault::Swallowed]);
        assert!(!deaf.supported().contains(&Fault::Swallowed));
    }

    #[tokio::test]
    async fn a_fault_that_no_request_met_fails_its_test() {
        let (_, transport) = faulty();
        let transport = Arc::new(transport);
        transport.inject_when(When::new(Method::Post, "/capture"), Fault::LostReply);
        transport.send(Request::get("/capture")).await.unwrap();
        assert_eq!(transport.unmet(), [Fault::LostReply]);
        let seam = transport.clone();
        let ends = std::thread::spawn(move || drop(AllMet::of(vec![seam])));
        assert!(ends.join().is_err());
        // Taken back, it is not forgotten: none of its kind has happened.
        transport.heal();
        assert_eq!(transport.unmet(), [Fault::LostReply]);

        let (_, transport) = faulty();
        for _ in 0..3 {
            transport.inject(Target::Read, Fault::Refused);
        }
        transport.send(Request::get("/x")).await.unwrap();
        assert_eq!(transport.unmet().len(), 2);
        transport.heal();
        drop(AllMet::of(vec![Arc::new(transport)]));
    }

    #[test]
    fn a_throttle_in_other_words_is_promised_only_where_there_are_words() {
        let (_, plain) = faulty();
        let promised = plain.supported();
        assert!(promised.contains(&Fault::RateLimitedSilently));
        assert!(!promised.contains(&Fault::SlowDown));
        let spoken = plain.speaking(|fault, echo| {
            (fault == Fault::SlowDown).then(|| Response {
                status: 403,
                headers: Vec::new(),
                body: echo.as_bytes().to_vec(),
            })
        });
        assert!(spoken.supported().contains(&Fault::SlowDown));
        assert!(!spoken.supported().contains(&Fault::RateLimitedInOk));
    }

    #[tokio::test]
    async fn a_seed_replays() {
        let mut runs = Vec::new();
        for seed in [3, 3, 4] {
            let (_, plain) = faulty();
            let transport = plain.seeded(seed, 300, Fault::ALL.to_vec());
            for _ in 0..200 {
                transport.send(Request::get("/x")).await.ok();
            }
            runs.push(transport.injected());
        }
        assert_eq!(runs[0], runs[1]);
        assert_ne!(runs[0], runs[2]);
        assert!(
            (30..90).contains(&runs[0].values().sum::<u64>()),
            "{:?}",
            runs[0]
        );
    }
}

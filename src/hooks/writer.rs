//! Stores hooks in groups: whatever waits while one commit is under way goes with the next.

use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::store::{HookKept, NewHook, Store};

/// Hooks that may wait for a commit in memory, of all accounts.
const QUEUE: usize = 1024;
/// Hooks of one commit, at the most.
const GROUP: usize = 256;

type Waiting = (NewHook, oneshot::Sender<Option<HookKept>>);

/// Hands hooks to the one task that stores them; the task ends with the last of these.
#[derive(Clone, Debug)]
pub(super) struct Writer(mpsc::Sender<Waiting>);

impl Writer {
    /// Starts the task.
    pub(super) fn start(store: Store) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(write(store, receiver));
        Self(sender)
    }

    /// Stores a hook. `None`: it could not be stored, or too many wait in this process.
    pub(super) async fn keep(&self, hook: NewHook) -> Option<HookKept> {
        let (answer, kept) = oneshot::channel();
        self.0.try_send((hook, answer)).ok()?;
        kept.await.ok().flatten()
    }
}

async fn write(store: Store, mut receiver: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(GROUP);
    let mut away = false;
    while receiver.recv_many(&mut group, GROUP).await > 0 {
        let (hooks, answers): (Vec<_>, Vec<_>) = group.drain(..).unzip();
        let stored = store
            .retried("keep_hooks", || store.keep_hooks(&hooks))
            .await;
        match stored {
            Ok(kept) => {
                away = false;
                for (answer, kept) in answers.into_iter().zip(kept) {
                    // Whoever asked may have gone away; it is stored all the same.
                    let _ = answer.send(Some(kept));
                }
                // A daemon that is not told polls.
                let _told = store.tell_of_work(None).await;
            }
            Err(error) => {
                if !away {
                    warn!(%error, hooks = hooks.len(), "webhooks cannot be stored: their senders are asked to repeat them");
                }
                away = true;
                answers.into_iter().for_each(|answer| {
                    let _ = answer.send(None);
                });
            }
        }
    }
}

//! A round: what a client sends until it waits for the server, and what came of it.

use std::collections::BTreeMap;

use super::frames::Frame;

/// What a client sends before it waits: one simple query, or messages up to a Sync.
#[derive(Clone, Debug)]
pub struct Round {
    /// Counts the connections of a wire.
    pub connection: usize,
    /// The server's process of the connection.
    pub pid: i32,
    /// What is executed, as the server gets it. A round that only prepares has none.
    pub statements: Vec<String>,
}

/// Where a connection stands after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxState {
    /// In no transaction.
    Idle,
    /// In a transaction.
    Open,
    /// In one that failed and waits for its rollback.
    Failed,
}

impl TxState {
    pub(super) fn of(byte: Option<&u8>) -> Self {
        match byte {
            Some(b'T') => Self::Open,
            Some(b'E') => Self::Failed,
            _ => Self::Idle,
        }
    }
}

/// The server's answer to a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where the connection stands now.
    pub state: TxState,
    /// The code of an error.
    pub error: Option<String>,
}

/// Names that a connection gave to its statements and portals.
#[derive(Debug, Default)]
pub(super) struct Names {
    statements: BTreeMap<String, String>,
    portals: BTreeMap<String, String>,
}

/// A round on its way to the server.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    pub(super) statements: Vec<String>,
}

impl Outgoing {
    /// Takes a client's message; true when the client waits now.
    pub(super) fn take(
        &mut self,
        mut frame: Frame,
        names: &mut Names,
        rewrite: impl Fn(&str) -> Option<String>,
    ) -> bool {
        match frame.tag {
            b'Q' => {
                let (mut sql, _) = frame.text(0);
                if let Some(other) = rewrite(&sql) {
                    frame.body = [other.as_bytes(), &[0]].concat();
                    sql = other;
                }
                self.statements.push(sql);
            }
            b'P' => {
                let (name, at) = frame.text(0);
                let (mut sql, rest) = frame.text(at);
                if let Some(other) = rewrite(&sql) {
                    let types = frame.body.get(rest..).unwrap_or_default();
                    frame.body = [name.as_bytes(), &[0], other.as_bytes(), &[0], types].concat();
                    sql = other;
                }
                names.statements.insert(name, sql);
            }
            b'B' => {
                let (portal, at) = frame.text(0);
                let (name, _) = frame.text(at);
                let sql = names.statements.get(&name).cloned().unwrap_or_default();
                names.portals.insert(portal, sql);
            }
            b'E' => {
                let (portal, _) = frame.text(0);
                self.statements
                    .push(names.portals.get(&portal).cloned().unwrap_or_default());
            }
            _ => {}
        }
        frame.write(&mut self.bytes);
        matches!(frame.tag, b'Q' | b'S' | b'X')
    }
}

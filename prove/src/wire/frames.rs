//! Messages of PostgreSQL's protocol, version 3: a tag, a length, a body.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) tag: u8,
    pub(super) body: Vec<u8>,
}

impl Frame {
    /// The next message, or none at the end of the stream.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let tag = match from.read_u8().await {
            Ok(tag) => tag,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        let body = read_body(from).await?;
        Ok(Some(Self { tag, body }))
    }

    /// As it goes over the wire.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.tag);
        write_body(&self.body, out);
    }

    /// The zero-terminated text at a place, and the place behind it.
    pub(super) fn text(&self, at: usize) -> (String, usize) {
        let rest = self.body.get(at..).unwrap_or_default();
        let end = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
        let text = String::from_utf8_lossy(&rest[..end]).into_owned();
        (text, at + end + 1)
    }

    /// The four bytes at the beginning as a number.
    pub(super) fn number(&self) -> i32 {
        let four: Option<[u8; 4]> = self.body.get(..4).and_then(|b| b.try_into().ok());
        four.map_or(0, i32::from_be_bytes)
    }

    /// The code in an error's fields.
    pub(super) fn code(&self) -> Option<String> {
        let mut at = 0;
        while let Some(field) = self.body.get(at).filter(|f| **f != 0) {
            let (text, next) = self.text(at + 1);
            if *field == b'C' {
                return Some(text);
            }
            at = next;
        }
        None
    }
}

/// A length and what it counts; the first message of a connection has no tag.
pub(super) async fn read_body(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut body = vec![0; (length as usize).saturating_sub(4)];
    from.read_exact(&mut body).await?;
    Ok(body)
}

pub(super) fn write_body(body: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(body);
}

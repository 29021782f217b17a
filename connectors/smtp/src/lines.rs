//! A connection that gives out what has arrived one line at a time. Whoever reads the answer to STARTTLS then holds nothing of
//! what came after it: a line that somebody put behind the answer stays where the TLS handshake meets it, and fails (RFC 3207,
//! section 6). lettre alone would keep it and take it for the server's first answer over TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The longest piece that is given out at once.
const PIECE: usize = 4096;

/// The connection.
#[derive(Debug)]
pub(crate) struct Lines(TcpStream);

impl Lines {
    /// Over a connection that nothing was read from yet.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self(stream)
    }
}

impl AsyncRead for Lines {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut piece = [0; PIECE];
        let room = into.remaining().min(PIECE);
        let mut seen = ReadBuf::new(&mut piece[..room]);
        ready!(self.0.poll_peek(context, &mut seen))?;
        let seen = seen.filled();
        let end = seen.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(seen.len(), |at| at + 1);
        if length == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut taken = ReadBuf::new(&mut piece[..length]);
        ready!(Pin::new(&mut self.0).poll_read(context, &mut taken))?;
        into.put_slice(taken.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Lines {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Lines {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_read_ends_with_its_line_and_nothing_is_lost() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut lines = Lines::over(TcpStream::connect(address).await.unwrap());
        let (mut server, _) = listener.accept().await.unwrap();
        let long = "x".repeat(PIECE + 7);
        let text = format!("220 go\r\n250 put behind it\r\n\n{long}\nrest");
        server.write_all(text.as_bytes()).await.unwrap();
        drop(server);
        let mut room = vec![0; 3 * PIECE];
        let mut pieces = Vec::new();
        loop {
            let n = lines.read(&mut room).await.unwrap();
            if n == 0 {
                break;
            }
            pieces.push(String::from_utf8(room[..n].to_vec()).unwrap());
        }
        assert_eq!(pieces[..3], ["220 go\r\n", "250 put behind it\r\n", "\n"]);
        assert_eq!(pieces.concat(), text);
        let one_line = |piece: &String| piece.trim_end_matches('\n').find('\n').is_none();
        assert!(pieces.iter().all(one_line), "{pieces:?}");
    }
}

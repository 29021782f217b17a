//! Bytes near a seed: cut, flipped, spliced, repeated.

use crate::model::Rng;

/// Pieces that parsers trip over.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b",",
    b"{",
    b"[",
    b"\r\n",
    b"\t",
    b"\0",
    b"\xff",
    b"\x81",
    b"\x81\x40",
    b"\xef\xbb\xbf",
    b"null",
    b"-1",
    b"0",
    b"1e400",
    b"99999999999999999999",
    b"-9223372036854775808",
    b"0.00000000000000000001",
    b"9999-12-31T23:59:59Z",
    b"-262143-01-01T00:00:00Z",
    b"+262142-12-31T23:59:59Z",
    b"{{",
    b"%}",
    "\u{202e}𠮷".as_bytes(),
];

/// A seed, or nothing, changed one to eight times; never longer than `most`.
#[must_use]
pub fn mutated(seeds: &[Vec<u8>], rng: &mut Rng, most: usize) -> Vec<u8> {
    let pick = |rng: &mut Rng| match seeds.len() {
        0 => Vec::new(),
        n => seeds[rng.below(n as u64) as usize].clone(),
    };
    let mut bytes = pick(rng);
    if rng.chance(3) {
        bytes = (0..rng.below(64)).map(|_| rng.next() as u8).collect();
    }
    for _ in 0..=rng.below(8) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        let end = (at + 1 + rng.below(24) as usize).min(bytes.len());
        match rng.below(8) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            2 if at < bytes.len() => bytes[at] = rng.next() as u8,
            3 => drop(bytes.drain(at.min(end)..end)),
            4 => {
                let piece = PIECES[rng.below(PIECES.len() as u64) as usize];
                bytes.splice(at..at, piece.iter().copied());
            }
            5 => {
                let piece = PIECES[rng.below(PIECES.len() as u64) as usize];
                bytes.splice(at.min(end)..end, piece.iter().copied());
            }
            6 => {
                let other = pick(rng);
                let from = rng.below(other.len() as u64 + 1) as usize;
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let chunk = bytes[at.min(end)..end].to_vec();
                for _ in 0..rng.below(60) {
                    bytes.splice(at..at, chunk.iter().copied());
                }
            }
        }
        bytes.truncate(most);
    }
    bytes
}

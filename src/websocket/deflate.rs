//! Compressed messages (RFC 7692, 7.2). The windows are made with the first message that needs them: they are most of the memory of a
//! WebSocket that has any.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::{reserve, Window};
use crate::error::{Error, Result};

/// What ends every compressed message and is not sent.
pub const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Memory is reserved in pieces of this.
const PIECE: usize = 4096;

/// The other side's messages.
pub struct Inflate {
    window: Window,
    state: Option<Box<Decompress>>,
}

impl Inflate {
    /// For messages that were compressed like this.
    pub fn new(window: Window) -> Inflate {
        Inflate { window, state: None }
    }

    /// Inflates a piece of a message onto the end of `out`, which may not grow beyond `max`: -EMSGSIZE. -EILSEQ: it cannot be inflated.
    pub fn take(&mut self, mut piece: &[u8], out: &mut Vec<u8>, max: u64) -> Result<()> {
        let bits = self.window.bits;
        let state = self.state.get_or_insert_with(|| Box::new(Decompress::new_with_window_bits(false, bits)));
        loop {
            let most = max.saturating_sub(out.len() as u64);
            // One byte more than there may be: whoever fills it has too many.
            reserve(out, PIECE.min(usize::try_from(most).unwrap_or(PIECE).saturating_add(1)))?;
            let (before, room) = (state.total_in(), out.capacity() - out.len());
            let status = state.decompress_vec(piece, out, FlushDecompress::Sync);
            let taken = (state.total_in() - before) as usize;
            piece = &piece[taken..];
            if out.len() as u64 > max {
                return Err(Error::new(libc::EMSGSIZE));
            }
            match status {
                Ok(Status::StreamEnd) => {
                    // The other side ended its stream instead of flushing it: a new one begins.
                    state.reset(false);
                    if piece.is_empty() {
                        return Ok(());
                    }
                }
                Ok(_) if out.capacity() > out.len() && piece.is_empty() => return Ok(()),
                Ok(_) if taken == 0 && out.capacity() - out.len() == room => return Err(Error::new(libc::EILSEQ)),
                Ok(_) => {}
                Err(_) => return Err(Error::new(libc::EILSEQ)),
            }
        }
    }

    /// The message ends here.
    pub fn end(&mut self, out: &mut Vec<u8>, max: u64) -> Result<()> {
        self.take(&TAIL, out, max)?;
        if self.window.alone {
            self.state = None;
        }
        Ok(())
    }
}

/// This side's messages.
pub struct Deflate {
    window: Window,
    level: u32,
    state: Option<Box<Compress>>,
}

impl Deflate {
    /// For messages that are to be compressed like this.
    pub fn new(window: Window, level: u32) -> Deflate {
        Deflate { window, level, state: None }
    }

    /// The last message was not sent: later ones may not refer to it, so they begin anew, which the other side need not know.
    pub fn forget(&mut self) {
        self.state = None;
    }

    /// Compresses a message onto the end of `out`.
    pub fn message(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.fragment(message, out)?;
        self.end();
        Ok(())
    }

    /// Compresses a fragment of a message onto the end of `out`, without the four bytes that it ends with: [`TAIL`] comes before the next
    /// fragment instead, so that whichever turns out to be the last lacks them (RFC 7692, 7.2.1).
    pub fn fragment(&mut self, fragment: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let (bits, level) = (self.window.bits, Compression::new(self.level));
        let state = self.state.get_or_insert_with(|| Box::new(Compress::new_with_window_bits(level, false, bits)));
        let mut rest = fragment;
        loop {
            reserve(out, (rest.len() / 2 + 64).min(16 * PIECE))?;
            let before = state.total_in();
            let done = state.compress_vec(rest, out, FlushCompress::Sync).map_err(|_| Error::new(libc::EIO))?;
            rest = &rest[(state.total_in() - before) as usize..];
            if rest.is_empty() && (out.capacity() > out.len() || done == Status::BufError) {
                break;
            }
        }
        if out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        Ok(())
    }

    /// The message ends here.
    pub fn end(&mut self) {
        if self.window.alone {
            self.state = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(bits: u8, alone: bool) -> (Deflate, Inflate) {
        let window = Window { bits, alone };
        (Deflate::new(window, 6), Inflate::new(window))
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn messages_come_out_as_they_went_in() {
        for bits in 9..=15 {
            for alone in [false, true] {
                let (mut deflate, mut inflate) = both(bits, alone);
                for message in [b"hello".to_vec(), noise(100_000), vec![7; 300_000], noise(3), b"hello".to_vec()] {
                    let (mut packed, mut out) = (Vec::new(), Vec::new());
                    deflate.message(&message, &mut packed).unwrap();
                    for piece in packed.chunks(1000) {
                        inflate.take(piece, &mut out, 1 << 20).unwrap();
                    }
                    inflate.end(&mut out, 1 << 20).unwrap();
                    assert!(out == message, "{bits} {alone} {}", message.len());
                }
            }
        }
    }

    #[test]
    fn a_message_behind_one_that_was_not_sent_is_understood() {
        let (mut deflate, mut inflate) = both(15, false);
        let (mut packed, mut out) = (Vec::new(), Vec::new());
        for (message, sent) in [(noise(1000), true), (vec![7; 1000], false), (vec![7; 1000], true), (noise(1000), true)]
        {
            packed.clear();
            deflate.message(&message, &mut packed).unwrap();
            if !sent {
                deflate.forget();
                continue;
            }
            out.clear();
            inflate.take(&packed, &mut out, 1 << 20).unwrap();
            inflate.end(&mut out, 1 << 20).unwrap();
            assert!(out == message);
        }
    }

    #[test]
    fn a_message_that_repeats_the_last_one_is_short_unless_each_stands_alone() {
        let sizes = [false, true].map(|alone| {
            let (mut deflate, _) = both(15, alone);
            let (mut first, mut second) = (Vec::new(), Vec::new());
            deflate.message(&noise(1000), &mut first).unwrap();
            deflate.message(&noise(1000), &mut second).unwrap();
            second.len()
        });
        assert!(sizes[0] < 50 && sizes[1] > 900, "{sizes:?}");
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let (mut deflate, mut inflate) = both(15, false);
        let mut packed = Vec::new();
        deflate.message(&vec![0; 50_000_000], &mut packed).unwrap();
        assert!(packed.len() < 100_000);
        let mut out = Vec::new();
        assert_eq!(inflate.take(&packed, &mut out, 10_000), Err(Error::new(libc::EMSGSIZE)));
        assert!(out.capacity() < 40_000, "{}", out.capacity());
    }

    #[test]
    fn the_limit_itself_may_be_reached() {
        let (mut deflate, mut inflate) = both(15, false);
        for length in [0, 1, 4095, 4096, 4097, 10_000] {
            let (mut packed, mut out) = (Vec::new(), Vec::new());
            deflate.message(&vec![b'x'; length], &mut packed).unwrap();
            inflate.take(&packed, &mut out, length as u64).unwrap();
            inflate.end(&mut out, length as u64).unwrap();
            assert_eq!(out.len(), length);
        }
    }

    #[test]
    fn what_is_no_deflate_is_refused() {
        let (_, mut inflate) = both(15, false);
        assert_eq!(inflate.take(b"\xff\xff\xff\xff", &mut Vec::new(), 1000), Err(Error::new(libc::EILSEQ)));
    }

    #[test]
    fn a_stream_that_ends_is_followed_by_another() {
        let (_, mut inflate) = both(15, false);
        let mut packed = Vec::new();
        Compress::new(Compression::new(6), false)
            .compress_vec(b"", &mut packed, FlushCompress::Finish)
            .map(drop)
            .unwrap_or_default();
        packed.reserve(100);
        let mut compress = Compress::new(Compression::new(6), false);
        compress.compress_vec(b"hello", &mut packed, FlushCompress::Finish).unwrap();
        packed.push(0);
        for _ in 0..2 {
            let mut out = Vec::new();
            inflate.take(&packed, &mut out, 1000).unwrap();
            inflate.end(&mut out, 1000).unwrap();
            assert_eq!(out, b"hello");
        }
    }
}

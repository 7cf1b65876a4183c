//! From bytes to messages.
//!
//! A message of one frame that is there as a whole, which is nearly every message, is unmasked where it lies and shown there. What
//! comes in pieces is gathered in `message`.

use std::ops::Range;

use super::deflate::Inflate;
use super::frame::{broken, mask, Head};
use super::text::{whole, Text};
use super::{empty, may_close_with, reserve, Options, CLOSE, CONTINUATION, TEXT};
use crate::error::{Error, Result};

/// A message or a control frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event<'a> {
    /// TEXT, BINARY, CLOSE, PING or PONG.
    pub kind: u8,
    /// Why it was closed: 1005 when the frame does not say.
    pub code: u16,
    /// The message; the reason of a close.
    pub data: &'a [u8],
}

/// Where an event's data lies.
enum Place {
    Pending(Range<usize>),
    Message,
}

/// What the other side sends.
pub struct Receiver {
    options: Options,
    inflate: Option<Inflate>,
    /// What was fed; all before `at` is done with.
    pending: Vec<u8>,
    at: usize,
    /// The frame that has begun, and how much of its payload is done with.
    frame: Option<(Head, u64)>,
    /// The kind of the message that has begun; CONTINUATION: none.
    kind: u8,
    compressed: bool,
    message: Vec<u8>,
    text: Text,
    /// The message is what was shown last.
    shown: bool,
    /// A close frame came: nothing follows it.
    closed: bool,
    failed: Option<Error>,
}

impl Receiver {
    /// The receiving side of a WebSocket.
    pub fn new(options: &Options) -> Receiver {
        Receiver {
            options: *options,
            inflate: options.theirs.map(Inflate::new),
            pending: Vec::new(),
            at: 0,
            frame: None,
            kind: CONTINUATION,
            compressed: false,
            message: Vec::new(),
            text: Text::default(),
            shown: false,
            closed: false,
            failed: None,
        }
    }

    /// Takes bytes that came. -ENOMEM, and nothing was taken. After a close frame or an error they are dropped.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        if self.closed || self.failed.is_some() {
            return Ok(());
        }
        if self.at == self.pending.len() {
            self.at = 0;
            empty(&mut self.pending);
        } else if self.at > 0 {
            self.pending.drain(..self.at);
            self.at = 0;
        }
        reserve(&mut self.pending, bytes.len())?;
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    /// What comes next; None: more bytes are needed, or none will come after a close frame. Its data stays until the next call.
    /// -EBADMSG, -EILSEQ, -EMSGSIZE: the other side broke the protocol, sent what is no text or cannot be inflated, or too much; the
    /// answer stays the same from then on.
    pub fn next(&mut self) -> Result<Option<Event<'_>>> {
        if std::mem::take(&mut self.shown) {
            empty(&mut self.message);
        }
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.closed {
            return Ok(None);
        }
        let (kind, code, place) = match self.step() {
            Ok(Some(found)) => found,
            Ok(None) => {
                if self.at == self.pending.len() {
                    self.at = 0;
                    empty(&mut self.pending);
                }
                return Ok(None);
            }
            Err(error) => {
                self.failed = Some(error);
                (self.pending, self.message, self.at) = (Vec::new(), Vec::new(), 0);
                return Err(error);
            }
        };
        let data = match place {
            Place::Pending(range) => &self.pending[range],
            Place::Message => {
                self.shown = true;
                &self.message
            }
        };
        Ok(Some(Event { kind, code, data }))
    }

    fn step(&mut self) -> Result<Option<(u8, u16, Place)>> {
        loop {
            let (head, done) = match self.frame {
                Some(begun) => begun,
                None => match self.begin()? {
                    Some(head) => (head, 0),
                    None => return Ok(None),
                },
            };
            let left = head.length - done;
            let here = self.at;
            let have = usize::try_from(left).map_or(usize::MAX, |left| left).min(self.pending.len() - here);
            let whole_frame = have as u64 == left;
            if head.is_control() {
                if !whole_frame {
                    return Ok(None);
                }
                (self.at, self.frame) = (here + have, None);
                let payload = &mut self.pending[here..here + have];
                mask(payload, head.key, 0);
                return self.control(head.opcode, here..here + have).map(Some);
            }
            self.at += have;
            self.frame = if whole_frame { None } else { Some((head, done + have as u64)) };
            let piece = &mut self.pending[here..here + have];
            mask(piece, head.key, done);
            if whole_frame && head.last && done == 0 && head.opcode != CONTINUATION && !self.compressed {
                if head.opcode == TEXT {
                    whole(piece)?;
                }
                self.kind = CONTINUATION;
                return Ok(Some((head.opcode, 0, Place::Pending(here..here + have))));
            }
            self.gather(here..here + have)?;
            if !whole_frame {
                return Ok(None);
            }
            if head.last {
                return self.end().map(Some);
            }
        }
    }

    /// The head of the next frame, if it has come.
    fn begin(&mut self) -> Result<Option<Head>> {
        let read = Head::read(&self.pending[self.at..], self.options.role, self.inflate.is_some())?;
        let Some((head, length)) = read else { return Ok(None) };
        if !head.is_control() {
            if (head.opcode == CONTINUATION) != (self.kind != CONTINUATION) {
                return Err(broken());
            }
            if head.opcode != CONTINUATION {
                (self.kind, self.compressed) = (head.opcode, head.compressed);
            }
            // What is compressed is held against the limit when it is inflated.
            if !self.compressed && head.length > self.options.max.saturating_sub(self.message.len() as u64) {
                return Err(Error::new(libc::EMSGSIZE));
            }
        }
        self.at += length;
        self.frame = Some((head, 0));
        Ok(Some(head))
    }

    /// A piece of a message, unmasked.
    fn gather(&mut self, range: Range<usize>) -> Result<()> {
        let (piece, before) = (&self.pending[range], self.message.len());
        match &mut self.inflate {
            Some(inflate) if self.compressed => inflate.take(piece, &mut self.message, self.options.max)?,
            _ => {
                reserve(&mut self.message, piece.len())?;
                self.message.extend_from_slice(piece);
            }
        }
        if self.kind == TEXT {
            self.text.take(&self.message[before..])?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(u8, u16, Place)> {
        let before = self.message.len();
        if let Some(inflate) = self.inflate.as_mut().filter(|_| self.compressed) {
            inflate.end(&mut self.message, self.options.max)?;
        }
        if self.kind == TEXT {
            self.text.take(&self.message[before..])?;
            self.text.end()?;
        }
        self.compressed = false;
        Ok((std::mem::replace(&mut self.kind, CONTINUATION), 0, Place::Message))
    }

    /// A control frame, unmasked.
    fn control(&mut self, opcode: u8, range: Range<usize>) -> Result<(u8, u16, Place)> {
        if opcode != CLOSE {
            return Ok((opcode, 0, Place::Pending(range)));
        }
        let (code, reason) = match &self.pending[range.clone()] {
            [] => (1005, range),
            &[high, low, ..] if may_close_with(u16::from_be_bytes([high, low])) => {
                (u16::from_be_bytes([high, low]), range.start + 2..range.end)
            }
            _ => return Err(broken()),
        };
        whole(&self.pending[reason.clone()])?;
        self.closed = true;
        Ok((CLOSE, code, Place::Pending(reason)))
    }
}

#[cfg(test)]
mod tests;

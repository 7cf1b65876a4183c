//! From messages to bytes. What was said waits in one buffer until the caller has written it: several frames may leave together, and a
//! write that stops in the middle is gone on with where it stopped.

use super::deflate::{Deflate, TAIL};
use super::frame::{mask, Head};
use super::text::{whole, Text};
use super::{empty, may_close_with, reserve, Options, Role};
use super::{BINARY, CLOSE, CONTINUATION, CONTROL, PING, PONG, TEXT};
use crate::error::{Error, Result};
use crate::sys::random;

/// What this side sends.
pub struct Sender {
    role: Role,
    deflate: Option<Deflate>,
    /// What is to be written; all before `at` was.
    out: Vec<u8>,
    at: usize,
    /// Masks to come.
    masks: [u8; 64],
    left: usize,
    /// A message of which not all fragments were given.
    begun: Option<Begun>,
}

/// A message in fragments, as far as it has come.
#[derive(Clone, Default)]
struct Begun {
    /// TEXT or BINARY.
    kind: u8,
    text: Text,
    /// Were bytes of it compressed? Then [`TAIL`] comes before the next ones.
    packed: bool,
}

impl Sender {
    /// The sending side of a WebSocket.
    pub fn new(options: &Options) -> Sender {
        let deflate = options.ours.map(|window| Deflate::new(window, options.level));
        Sender { role: options.role, deflate, out: Vec::new(), at: 0, masks: [0; 64], left: 0, begun: None }
    }

    /// Adds a message or a control frame to what is to be written. -EINVAL: no such kind, a control frame of more than 125 bytes, or a
    /// close with a code that may not be sent; -EILSEQ: TEXT, or the reason of a close, that is no UTF-8; -EBUSY: a message between the
    /// fragments of another (RFC 6455, 5.4: only control frames may stand there); -ENOMEM.
    pub fn put(&mut self, kind: u8, data: &[u8]) -> Result<()> {
        match kind {
            TEXT | BINARY if self.begun.is_some() => return Err(Error::new(libc::EBUSY)),
            TEXT => whole(data)?,
            BINARY => {}
            CLOSE | PING | PONG if data.len() > CONTROL => return Err(Error::new(libc::EINVAL)),
            CLOSE => match data {
                [] => {}
                &[high, low, ref reason @ ..] if may_close_with(u16::from_be_bytes([high, low])) => whole(reason)?,
                _ => return Err(Error::new(libc::EINVAL)),
            },
            PING | PONG => {}
            _ => return Err(Error::new(libc::EINVAL)),
        }
        let key = self.key()?;
        let mut head = Head { last: true, compressed: false, opcode: kind, key, length: data.len() as u64 };
        let masked = self.role == Role::Client;
        if let Some(deflate) = self.deflate.as_mut().filter(|_| matches!(kind, TEXT | BINARY) && !data.is_empty()) {
            let mut packed = Vec::new();
            let done = deflate.message(data, &mut packed);
            (head.compressed, head.length) = (true, packed.len() as u64);
            let done = done.and_then(|()| self.add(&head, masked, &packed));
            if let (Err(_), Some(deflate)) = (done, &mut self.deflate) {
                deflate.forget();
            }
            return done;
        }
        self.add(&head, masked, data)
    }

    /// Adds a fragment of a message of `kind`, TEXT or BINARY; the fragment that is `last` ends it. -EINVAL: no such kind, or not that of
    /// the fragments before; -EILSEQ: TEXT that is no UTF-8, where a character may be cut by the end of a fragment; -ENOMEM. After an error
    /// nothing was added.
    pub fn put_fragment(&mut self, kind: u8, data: &[u8], last: bool) -> Result<()> {
        let first = self.begun.is_none();
        let mut begun = self.begun.clone().unwrap_or(Begun { kind, ..Begun::default() });
        if !matches!(kind, TEXT | BINARY) || kind != begun.kind {
            return Err(Error::new(libc::EINVAL));
        }
        if kind == TEXT {
            begun.text.take(data)?;
            if last {
                begun.text.end()?;
            }
        }
        let opcode = if first { kind } else { CONTINUATION };
        let mut head = Head { last, compressed: false, opcode, key: self.key()?, length: data.len() as u64 };
        let masked = self.role == Role::Client;
        if self.deflate.is_some() {
            let mut packed = Vec::new();
            let done = self.pack(&mut begun, data, last, &mut packed);
            // Only the first frame says it (RFC 7692, 6.1).
            (head.compressed, head.length) = (first, packed.len() as u64);
            let done = done.and_then(|()| self.add(&head, masked, &packed));
            if let Some(deflate) = &mut self.deflate {
                match done {
                    Ok(()) if last => deflate.end(),
                    Ok(()) => {}
                    Err(_) => deflate.forget(),
                }
            }
            done?;
        } else {
            self.add(&head, masked, data)?;
        }
        self.begun = (!last).then_some(begun);
        Ok(())
    }

    /// Compresses a fragment.
    fn pack(&mut self, begun: &mut Begun, data: &[u8], last: bool, packed: &mut Vec<u8>) -> Result<()> {
        let Some(deflate) = &mut self.deflate else { return Ok(()) };
        if !data.is_empty() {
            if begun.packed {
                reserve(packed, TAIL.len())?;
                packed.extend_from_slice(&TAIL);
            }
            deflate.fragment(data, packed)?;
            begun.packed = true;
        } else if last && !begun.packed {
            // A message of nothing is an empty block (RFC 7692, 7.2.3.6).
            reserve(packed, 1)?;
            packed.push(0);
        }
        Ok(())
    }

    fn add(&mut self, head: &Head, masked: bool, payload: &[u8]) -> Result<()> {
        if self.at == self.out.len() {
            self.at = 0;
            empty(&mut self.out);
        }
        reserve(&mut self.out, payload.len().saturating_add(14))?;
        head.write(masked, &mut self.out);
        let begin = self.out.len();
        self.out.extend_from_slice(payload);
        if masked {
            mask(&mut self.out[begin..], head.key, 0);
        }
        Ok(())
    }

    /// A mask that nobody can foresee (RFC 6455, 5.3); zeroes for a server.
    fn key(&mut self) -> Result<[u8; 4]> {
        let mut key = [0; 4];
        if self.role == Role::Client {
            if self.left == 0 {
                random::fill(&mut self.masks)?;
                self.left = self.masks.len();
            }
            self.left -= key.len();
            key.copy_from_slice(&self.masks[self.left..self.left + 4]);
        }
        Ok(key)
    }

    /// What is to be written. It stays until the next call of `put` or `written`.
    pub fn output(&self) -> &[u8] {
        &self.out[self.at..]
    }

    /// So many bytes of it were written. -EINVAL: there are not so many.
    pub fn written(&mut self, count: usize) -> Result<()> {
        if count > self.out.len() - self.at {
            return Err(Error::new(libc::EINVAL));
        }
        self.at += count;
        if self.at == self.out.len() {
            self.at = 0;
            empty(&mut self.out);
        }
        Ok(())
    }
}

//! From messages to bytes. What was said waits in one buffer until the caller has written it: several frames may leave together, and a
//! write that stops in the middle is gone on with where it stopped.

use super::deflate::Deflate;
use super::frame::{mask, Head};
use super::text::whole;
use super::{empty, may_close_with, reserve, Options, Role, BINARY, CLOSE, CONTROL, PING, PONG, TEXT};
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
}

impl Sender {
    /// The sending side of a WebSocket.
    pub fn new(options: &Options) -> Sender {
        let deflate = options.ours.map(|window| Deflate::new(window, options.level));
        Sender { role: options.role, deflate, out: Vec::new(), at: 0, masks: [0; 64], left: 0 }
    }

    /// Adds a message or a control frame to what is to be written. -EINVAL: no such kind, a control frame of more than 125 bytes, or a
    /// close with a code that may not be sent; -EILSEQ: TEXT, or the reason of a close, that is no UTF-8; -ENOMEM.
    pub fn put(&mut self, kind: u8, data: &[u8]) -> Result<()> {
        match kind {
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
        if self.at == self.out.len() {
            self.at = 0;
            empty(&mut self.out);
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

    fn add(&mut self, head: &Head, masked: bool, payload: &[u8]) -> Result<()> {
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

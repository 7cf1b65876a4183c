//! Answers: whole ones in one write, streamed ones in pieces, files, and the way out of HTTP.

use super::conn::{Conn, Phase, READ_PAST};
use super::message::{self, chunk_line, Fields, Framing, Stays};
use super::transport::{Then, Transport};
use crate::error::{Error, Result};
use crate::io::transfer;
use crate::offload::file;
use crate::sched::Scheduler;
use crate::sys;

/// Up to so many bytes are copied behind the head, which is cheaper than a second vector.
const COPIED: usize = 2 << 10;
/// The same, where each write is a record of its own.
const COPIED_ELSEWHERE: usize = 16 << 10;
/// An `out` that grew beyond this is given back.
const LARGE: usize = 32 << 10;
/// Bytes of a file between two looks at the clock.
const PIECE: usize = 256 << 10;

fn invalid() -> Error {
    Error::new(libc::EINVAL)
}

impl Conn {
    /// Whether an answer of that status has no body at all (RFC 9112, 6.3, rule 1).
    fn is_bodiless(&self, status: u16) -> bool {
        self.head.is_head || status == 204 || status == 304
    }

    /// The rest of a head: framing, and what becomes of the connection.
    fn end_head(&mut self) {
        if self.awaited || self.given.close() || self.framing == Framing::Close {
            self.keep = false; // RFC 9110, 10.1.1: a body that was not asked for may come, or not
        }
        let stays = match (self.keep, self.head.minor) {
            (false, _) => Stays::No,
            (true, 0) => Stays::Told,
            (true, _) => Stays::Yes,
        };
        message::end(&mut self.out, &self.given, self.framing, stays);
    }

    fn begin(&mut self, status: u16, reason: Option<&[u8]>, fields: Fields<'_>) -> Result<()> {
        // RFC 9112, 6.3, rule 2: after such an answer the connection is a tunnel.
        let tunnel = self.head.is_connect && (200..300).contains(&status);
        if self.phase != Phase::Asked || status < 200 || tunnel {
            return Err(invalid());
        }
        self.given = message::look(fields)?;
        message::head(&mut self.out, status, reason, fields, &self.given, self.date.now())
    }

    /// Answers as a whole.
    pub fn respond(
        &mut self,
        s: &'static Scheduler,
        status: u16,
        reason: Option<&[u8]>,
        fields: Fields<'_>,
        body: &[u8],
    ) -> Result<()> {
        self.begin(status, reason, fields)?;
        let len = body.len() as u64;
        let bodiless = self.is_bodiless(status);
        self.framing = match self.given.length {
            Some(said) if said != len && !bodiless => return Err(invalid()),
            Some(_) if status == 204 => return Err(invalid()), // RFC 9110, 8.6
            Some(said) => Framing::Said(said),
            None if status == 204 || status == 304 => Framing::Nothing,
            None => Framing::Length(len),
        };
        if self.body.rest().is_some_and(|rest| rest > READ_PAST + self.early().len() as u64) {
            self.keep = false;
        }
        let body = if bodiless { &[][..] } else { body };
        self.end_head();
        self.status = status;
        self.send(s, &[body], Then::Done, Phase::Answered)
    }

    /// Begins an answer that comes in pieces. Its head goes out with the first of them.
    pub fn start(&mut self, status: u16, reason: Option<&[u8]>, fields: Fields<'_>) -> Result<()> {
        self.begin(status, reason, fields)?;
        self.framing = match self.given.length {
            Some(_) if status == 204 => return Err(invalid()),
            Some(said) => Framing::Said(said),
            None if self.is_bodiless(status) => Framing::Nothing,
            None if self.head.minor == 0 => Framing::Close, // RFC 9112, 6.1: no chunks to HTTP/1.0
            None => Framing::Chunked,
        };
        self.status = status;
        self.phase = Phase::Held;
        Ok(())
    }

    /// Sends what is in `out`, if the head is still there, and then the parts. `body` bytes of them are the body's.
    fn send(&mut self, s: &'static Scheduler, parts: &[&[u8]], then: Then, after: Phase) -> Result<()> {
        let all: usize = parts.iter().map(|p| p.len()).sum();
        let copied = if self.transport.is_socket() { COPIED } else { COPIED_ELSEWHERE };
        let head = self.out.len();
        let mut sent = 0;
        let result = if all <= copied && self.out.try_reserve(all).is_ok() {
            parts.iter().for_each(|part| self.out.extend_from_slice(part));
            self.transport.write(s, &[&self.out], then, self.limits.write, &mut sent)
        } else {
            let mut four = [&self.out[..], &[], &[], &[]];
            four[1..=parts.len()].copy_from_slice(parts);
            self.transport.write(s, &four[..=parts.len()], then, self.limits.write, &mut sent)
        };
        self.sent += sent.saturating_sub(head) as u64;
        match result {
            Ok(()) => {
                self.phase = after;
                if self.out.capacity() > LARGE {
                    self.out = Vec::new();
                }
                self.out.clear();
                Ok(())
            }
            Err(e) if sent == 0 && matches!(e.errno(), libc::ECANCELED | libc::EINTR) => {
                self.out.truncate(head);
                Err(e)
            }
            Err(e) => Err(self.unsent(e, sent)),
        }
    }

    /// Sends a piece of the body.
    pub fn write(&mut self, s: &'static Scheduler, data: &[u8]) -> Result<()> {
        let framing = self.piece(data.len() as u64)?;
        let was = self.out.len();
        if self.phase == Phase::Held {
            self.end_head();
        }
        let (line, at) = chunk_line(data.len());
        let result = match framing {
            _ if data.is_empty() || self.is_bodiless(self.status) => match self.out.is_empty() {
                true => s.check(),
                false => self.send(s, &[], Then::Done, Phase::Streaming),
            },
            Framing::Chunked => {
                let before = self.sent;
                let sent = self.send(s, &[&line[at..], data, b"\r\n"], Then::Done, Phase::Streaming);
                // The line and the CRLF are no data.
                self.sent =
                    before + (self.sent - before).saturating_sub((line.len() - at) as u64).min(data.len() as u64);
                sent
            }
            _ => self.send(s, &[data], Then::Done, Phase::Streaming),
        };
        if result.is_err() && self.phase != Phase::Over {
            self.out.truncate(was);
        } else {
            self.count(framing, data.len() as u64);
        }
        result
    }

    /// Whether so many bytes may come next; how they are framed.
    fn piece(&self, n: u64) -> Result<Framing> {
        match (self.phase, self.framing) {
            (Phase::Held | Phase::Streaming, Framing::Said(left)) if n > left => Err(Error::new(libc::EMSGSIZE)),
            (Phase::Held | Phase::Streaming, framing) => Ok(framing),
            _ => Err(invalid()),
        }
    }

    fn count(&mut self, framing: Framing, n: u64) {
        if let Framing::Said(left) = framing {
            self.framing = Framing::Said(left.saturating_sub(n));
        }
    }

    /// Ends an answer that came in pieces.
    pub fn finish(&mut self, s: &'static Scheduler) -> Result<()> {
        let framing = self.piece(0)?;
        let bodiless = self.is_bodiless(self.status);
        if matches!(framing, Framing::Said(left) if left > 0) && !bodiless {
            // The other end waits for bytes that do not come: it must see that they do not.
            self.abort();
            return Err(Error::new(libc::EMSGSIZE));
        }
        let held = self.phase == Phase::Held;
        if held && framing == Framing::Chunked {
            self.framing = Framing::Length(0);
        }
        let was = self.out.len();
        if held {
            self.end_head();
        }
        let result = match (held, framing) {
            (false, Framing::Chunked) if !bodiless => {
                let before = self.sent;
                let sent = self.send(s, &[b"0\r\n\r\n"], Then::Done, Phase::Answered);
                self.sent = before;
                sent
            }
            (false, _) => {
                self.phase = Phase::Answered;
                Ok(())
            }
            (true, _) => self.send(s, &[], Then::Done, Phase::Answered),
        };
        if result.is_err() && self.phase != Phase::Over {
            self.out.truncate(was);
            self.framing = framing;
        }
        result
    }

    /// Sends bytes of a file; fewer only at its end. How many.
    pub fn sendfile(&mut self, s: &'static Scheduler, input: i32, offset: i64, count: usize) -> Result<usize> {
        self.piece(0)?;
        let there = length(input)?.saturating_sub(offset);
        let count = count.min(usize::try_from(there).unwrap_or(0));
        let framing = self.piece(count as u64)?;
        if count == 0 || self.is_bodiless(self.status) {
            self.write(s, &[])?;
            self.count(framing, count as u64);
            return Ok(count);
        }
        let was = self.out.len();
        if self.phase == Phase::Held {
            self.end_head();
        }
        let (line, at) = chunk_line(count);
        let line = if framing == Framing::Chunked { &line[at..] } else { &[] };
        if !self.out.is_empty() || !line.is_empty() {
            let before = self.sent;
            let sent = self.send(s, &[line], Then::More, Phase::Streaming);
            self.sent = before;
            if let Err(e) = sent {
                if self.phase != Phase::Over {
                    self.out.truncate(was);
                }
                return Err(e);
            }
        }
        let moved = self.send_file(s, input, offset, count);
        self.count(framing, count as u64);
        // A promise was made of so many bytes.
        moved.map_err(|e| self.unsent(e, 1))?;
        if framing == Framing::Chunked {
            let before = self.sent;
            let sent = self.send(s, &[b"\r\n"], Then::Done, Phase::Streaming);
            self.sent = before;
            sent.map_err(|e| self.unsent(e, 1))?;
        }
        Ok(count)
    }

    fn send_file(&mut self, s: &'static Scheduler, input: i32, mut offset: i64, count: usize) -> Result<()> {
        let mut left = count;
        let mut buffer = Vec::new();
        while left > 0 {
            let piece = left.min(PIECE);
            let moved = match self.transport {
                Transport::Socket(fd) => {
                    let until = super::limits::from_now(self.limits.write);
                    match transfer::sendfile(s, fd, input, Some(&mut offset), piece, until) {
                        (0, Err(e)) => return Err(e),
                        (moved, Err(e)) if e.errno() != libc::ETIMEDOUT => {
                            self.sent += moved as u64;
                            return Err(e);
                        }
                        (moved, _) => moved,
                    }
                }
                Transport::Functions { .. } => {
                    if buffer.is_empty() {
                        buffer.try_reserve_exact(COPIED_ELSEWHERE).map_err(|_| Error::new(libc::ENOMEM))?;
                        buffer.resize(COPIED_ELSEWHERE, 0);
                    }
                    let into = &mut buffer[..piece.min(COPIED_ELSEWHERE)];
                    // SAFETY: the buffer is writable.
                    let n = unsafe { file::pread(s, input, into.as_mut_ptr(), into.len(), offset, sys::clock::NEVER)? };
                    let mut sent = 0;
                    self.transport.write(s, &[&into[..n]], Then::Done, self.limits.write, &mut sent)?;
                    offset += n as i64;
                    n
                }
            };
            if moved == 0 {
                return Err(Error::new(libc::EIO)); // the file has become shorter
            }
            self.sent += moved as u64;
            left -= moved;
        }
        Ok(())
    }

    /// Sends an interim answer (RFC 9110, 15.2). False: HTTP/1.0 knows none.
    pub fn inform(&mut self, s: &'static Scheduler, status: u16, fields: Fields<'_>) -> Result<bool> {
        let interim = (100..200).contains(&status) && status != 101;
        if !interim || !matches!(self.phase, Phase::Asked | Phase::Held) {
            return Err(invalid());
        }
        let given = message::look(fields)?;
        if given.length.is_some() || given.close() {
            return Err(invalid()); // RFC 9110, 8.6; and whether it ends, the answer says
        }
        if self.head.minor == 0 {
            return Ok(false);
        }
        let mut head = Vec::new(); // that of the answer may lie in `out`
        message::head(&mut head, status, None, fields, &given, &[])?;
        message::end(&mut head, &given, Framing::Nothing, Stays::Yes);
        let mut sent = 0;
        let written = self.transport.write(s, &[&head], Then::Done, self.limits.write, &mut sent);
        written.map_err(|e| self.unsent(e, sent))?;
        self.awaited &= status != 100;
        Ok(true)
    }

    /// Leaves HTTP. `status` 0: nothing is sent, the program will do it.
    pub fn upgrade(&mut self, s: &'static Scheduler, status: u16, fields: Fields<'_>) -> Result<&[u8]> {
        let tunnel = self.head.is_connect && (200..300).contains(&status);
        // RFC 9110, 7.8: not from HTTP/1.0, and what was sent before counts as HTTP.
        let switch = status == 101 && self.head.minor > 0;
        if self.phase != Phase::Asked || !(status == 0 || switch || tunnel) || !self.body.is_done() {
            return Err(invalid());
        }
        if status > 0 {
            let given = message::look(fields)?;
            if given.length.is_some() {
                return Err(invalid());
            }
            message::head(&mut self.out, status, None, fields, &given, self.date.now())?;
            message::end(&mut self.out, &given, Framing::Nothing, if tunnel { Stays::Yes } else { Stays::Upgraded });
            self.send(s, &[], Then::Done, Phase::Upgraded)?;
        }
        self.status = status;
        self.phase = Phase::Upgraded;
        self.keep = false;
        Ok(self.early())
    }

    /// Gives an answer up. What was sent of it must not look whole.
    pub fn abort(&mut self) {
        if self.phase == Phase::Streaming && self.framing == Framing::Close {
            self.transport.reset();
        }
        self.out.clear();
        self.keep = false;
        self.phase = Phase::Over;
    }
}

/// How long a regular file is.
fn length(fd: i32) -> Result<i64> {
    // SAFETY: all zeroes is a valid stat.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `stat` is a valid place to write to.
    sys::check(unsafe { libc::fstat(fd, &mut stat) } as isize)?;
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => Ok(stat.st_size),
        _ => Err(invalid()),
    }
}

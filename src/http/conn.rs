//! A connection: requests come out of it one after the other.

use super::body::{Body, Length, Sink};
use super::date::Date;
use super::limits::{from_now, Limits};
use super::message::Framing;
use super::parse::{self, Field, Head};
use super::transport::{Then, Transport};
use super::{message, Refusal, Stop};
use crate::error::{Error, Result};
use crate::sched::Scheduler;
use crate::sys::clock::{coarse, passed};

/// The first size of the buffer. Most heads fit.
const BUFFER: usize = 4096;
/// A buffer that grew beyond this is given back between requests.
const LARGE: usize = 16 << 10;
/// What is left of the buffer behind a head, at least, for the lines of chunks.
const ROOM: usize = 1024;
/// So much of a body that the program did not read is read past, so that the connection stays.
pub(super) const READ_PAST: u64 = 256 << 10;
/// At the end of a connection the other end is heard for so long, and for so many bytes.
const LINGER: i64 = 2_000_000_000;
const LINGER_BYTES: usize = 8 << 20;

/// What a connection is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Between requests.
    Idle,
    /// A request was handed out.
    Asked,
    /// Its answer has begun; the head lies in `out`.
    Held,
    /// The answer's head was sent.
    Streaming,
    /// The answer was sent.
    Answered,
    /// Nothing more comes or goes.
    Over,
    /// It is no HTTP any more.
    Upgraded,
}

/// One connection.
pub struct Conn {
    pub(super) transport: Transport,
    pub(super) limits: Limits,
    pub(super) phase: Phase,
    buf: Vec<u8>,
    /// P1.
    base: usize,
    pos: usize,
    end: usize,
    /// When the head that has begun, then the whole body, has to be there; 0: it was not waited for yet.
    whole_by: i64,
    /// Whether the line that may be empty before a request (RFC 9112, 2.2) was there; and that there was a request.
    skipped: bool,
    later: bool,
    /// How much of an unfinished head was searched for its end, and how much of it was read.
    searched: usize,
    read: usize,
    pub(super) head: Head,
    fields: Vec<Field>,
    pub(super) body: Body,
    /// 100 (Continue) was asked for, and neither it nor the body has come.
    pub(super) awaited: bool,
    /// The connection may stay after the present answer.
    pub(super) keep: bool,
    pub(super) out: Vec<u8>,
    pub(super) framing: Framing,
    pub(super) given: message::Given,
    pub(super) date: Date,
    pub(super) status: u16,
    pub(super) sent: u64,
}

impl Conn {
    /// A new one.
    pub fn new(transport: Transport, limits: Limits) -> Conn {
        Conn {
            transport,
            limits,
            phase: Phase::Idle,
            buf: Vec::new(),
            base: 0,
            pos: 0,
            end: 0,
            whole_by: 0,
            skipped: false,
            later: false,
            searched: 0,
            read: 0,
            head: Head::none(),
            fields: Vec::new(),
            body: Body::none(),
            awaited: false,
            keep: true,
            out: Vec::new(),
            framing: Framing::Nothing,
            given: message::Given::default(),
            date: Date::new(),
            status: 0,
            sent: 0,
        }
    }

    /// The present request, and its header lines.
    pub fn request(&self) -> (&Head, &[Field]) {
        (&self.head, &self.fields)
    }

    /// The status of the present answer, or of the one that is due; 0: none.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Bytes of the present answer's body that were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether another request may follow the present one.
    pub fn keeps_alive(&self) -> bool {
        self.keep && !matches!(self.phase, Phase::Over | Phase::Upgraded)
    }

    /// Whether an answer to the present request may have begun to go out.
    pub fn has_begun(&self) -> bool {
        matches!(self.phase, Phase::Streaming | Phase::Answered)
    }

    /// Waits for a request. False: there will be none.
    pub fn next(&mut self, s: &'static Scheduler) -> Result<bool> {
        match self.phase {
            Phase::Idle => {}
            Phase::Answered => {
                if !self.get_past(s)? {
                    return Ok(false);
                }
            }
            Phase::Over => return Ok(false),
            Phase::Asked | Phase::Held | Phase::Streaming | Phase::Upgraded => return Err(Error::new(libc::EINVAL)),
        }
        (self.status, self.sent) = (0, 0);
        if self.pos < self.end {
            s.check()?; // what has come already is no way around a cancel
        }
        loop {
            match self.take_head() {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(Stop::Refused(refusal)) => return Err(self.refuse(s, refusal)),
                Err(Stop::Failed(e)) => return Err(e),
            }
            let begun = self.pos < self.end;
            if begun && self.whole_by == 0 {
                self.whole_by = from_now(self.limits.head_time);
            }
            let deadline = match self.whole_by {
                0 if self.later => from_now(self.limits.idle),
                0 => from_now(self.limits.first_byte),
                by => by,
            };
            match self.fill(s, deadline) {
                Ok(0) if begun => {
                    self.read = 0; // one last look at what there is
                    if let Err(Stop::Refused(refusal)) = self.take_head() {
                        return Err(self.refuse(s, refusal));
                    }
                    return Err(self.lost(libc::ECONNRESET));
                }
                Ok(0) => return Ok(self.over()),
                Ok(_) => {}
                Err(e) => match e.errno() {
                    libc::ETIMEDOUT if passed(deadline) => {
                        if begun {
                            return Err(
                                self.refuse(s, Refusal { status: 408, why: "the request did not come in time" })
                            );
                        }
                        return Ok(self.over());
                    }
                    libc::ECANCELED | libc::EINTR | libc::ETIMEDOUT | libc::ENOMEM => return Err(e),
                    libc::ECONNRESET | libc::EPIPE if !begun => return Ok(self.over()),
                    e => return Err(self.lost(e)),
                },
            }
        }
    }

    /// Takes a head out of what was received. False: there is none yet.
    fn take_head(&mut self) -> std::result::Result<bool, Stop> {
        // RFC 9112, 2.2: an empty line before a request is passed over; one.
        match self.buf[self.pos..self.end] {
            [] | [b'\r'] => return Ok(false),
            [b'\r', b'\n', ..] if !self.skipped => {
                self.skipped = true;
                self.pos += 2;
                return self.take_head();
            }
            _ => {}
        }
        // Bytes that come one by one are not read again and again: the end is looked for first, unless there are twice as many.
        if self.searched > 0 && !self.search() && self.end - self.pos < 2 * self.read {
            parse::may_go_on(&self.buf[self.pos..self.end], &self.limits)?;
            return Ok(false);
        }
        let bytes = &self.buf[self.pos..self.end];
        let Some((len, head)) = parse::head(bytes, &self.limits, &mut self.fields)? else {
            (self.searched, self.read) = (bytes.len(), bytes.len());
            parse::may_go_on(bytes, &self.limits)?;
            return Ok(false);
        };
        if head.length == Length::Chunked && self.buf.len() - self.pos - len < ROOM {
            self.make_room(self.pos + len + ROOM)?;
            return self.take_head();
        }
        self.pos += len;
        self.base = self.pos; // P1
        self.head = head;
        self.body = Body::new(head.length, &self.limits);
        self.awaited = head.expect && self.pos == self.end;
        self.keep = head.keep_alive;
        (self.whole_by, self.skipped, self.later, self.searched) = (0, false, true, 0);
        self.phase = Phase::Asked;
        Ok(true)
    }

    /// Looks for the end of a head in what has come since the last time: an empty line, however its lines end.
    fn search(&mut self) -> bool {
        let bytes = &self.buf[self.pos..self.end];
        let from = self.searched.saturating_sub(3);
        self.searched = bytes.len();
        bytes[from..].windows(2).any(|w| w == b"\n\n") || bytes[from..].windows(3).any(|w| w == b"\n\r\n")
    }

    /// The buffer gets that size at least. Its contents stay where they are in it.
    fn make_room(&mut self, size: usize) -> Result<()> {
        let more = size.saturating_sub(self.buf.len());
        self.buf.try_reserve_exact(more).map_err(|_| Error::new(libc::ENOMEM))?;
        self.buf.resize(self.buf.len() + more, 0);
        Ok(())
    }

    /// Between requests: reads more.
    #[inline(always)]
    fn fill(&mut self, s: &'static Scheduler, deadline: i64) -> Result<usize> {
        if self.pos == self.end {
            (self.base, self.pos, self.end) = (0, 0, 0);
            if self.buf.len() > LARGE {
                self.buf = Vec::new();
            }
        }
        if self.end == self.buf.len() {
            if self.pos > 0 {
                self.buf.copy_within(self.pos..self.end, 0);
                (self.base, self.pos, self.end) = (0, 0, self.end - self.pos);
            } else {
                self.make_room((2 * self.buf.len()).max(BUFFER))?;
            }
        }
        let n = self.transport.read(s, &mut self.buf[self.end..], deadline)?;
        self.end += n;
        Ok(n)
    }

    /// Reads from the body; 0 at its end.
    pub fn read(&mut self, s: &'static Scheduler, out: &mut [u8]) -> Result<usize> {
        if !matches!(self.phase, Phase::Asked | Phase::Held | Phase::Streaming | Phase::Answered) {
            return Err(Error::new(libc::EINVAL));
        }
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let (used, got) =
                self.body.decode(&self.buf[self.pos..self.end], Sink::Into(out)).map_err(|r| self.bad_body(r))?;
            self.pos += used;
            if got > 0 || self.body.is_done() {
                return Ok(got);
            }
            if self.awaited {
                self.go_on(s)?;
            }
            // Large pieces go where they are wanted, small ones come by way of the buffer.
            let sure = usize::try_from(self.body.data()).unwrap_or(usize::MAX);
            let straight = sure.min(out.len());
            if straight > 0 && (straight >= ROOM || straight == sure || self.room() < ROOM) {
                let n = self.receive(s, Some(&mut out[..straight]))?;
                self.body.took(n);
                return Ok(n);
            }
            self.receive(s, None)?;
        }
    }

    /// 100 (Continue): the program wants the body, so the other end may send it (RFC 9110, 10.1.1). Not after an answer has begun.
    #[cold]
    fn go_on(&mut self, s: &'static Scheduler) -> Result<()> {
        if matches!(self.phase, Phase::Asked | Phase::Held) {
            let mut sent = 0;
            let told = [&b"HTTP/1.1 100 Continue\r\n\r\n"[..]];
            let written = self.transport.write(s, &told, Then::Done, self.limits.write, &mut sent);
            written.map_err(|e| match e.errno() {
                // For a reader it is gone. No byte was sent, so whoever answers all the same is told -EPIPE.
                libc::EPIPE | libc::ECONNRESET if sent == 0 => self.cut(0, libc::ECONNRESET),
                _ => self.unsent(e, sent),
            })?;
        }
        self.awaited = false;
        Ok(())
    }

    fn room(&self) -> usize {
        self.buf.len() - self.base
    }

    /// Reads bytes of the body, into the buffer if nowhere else.
    fn receive(&mut self, s: &'static Scheduler, into: Option<&mut [u8]>) -> Result<usize> {
        if self.whole_by == 0 {
            self.whole_by = from_now(self.limits.body_total);
        }
        let deadline = from_now(self.limits.body_time).min(self.whole_by);
        let received = match into {
            Some(into) => self.transport.read(s, into, deadline),
            None => {
                (self.pos, self.end) = (self.base, self.base); // all of it was used
                let n = self.transport.read(s, &mut self.buf[self.base..], deadline);
                self.end += n.unwrap_or(0);
                n
            }
        };
        match received {
            Ok(0) => Err(self.cut(0, libc::ECONNRESET)),
            Ok(n) => Ok(n),
            Err(e) => Err(match e.errno() {
                libc::ETIMEDOUT if passed(deadline) => self.cut(408, libc::ETIMEDOUT),
                libc::ECANCELED | libc::EINTR | libc::ETIMEDOUT | libc::ENOMEM => e,
                e => self.cut(0, e),
            }),
        }
    }

    /// The body does not come to its end. An answer may still be sent.
    fn cut(&mut self, status: u16, errno: i32) -> Error {
        self.keep = false;
        if self.phase == Phase::Asked {
            self.status = status;
        }
        Error::new(errno)
    }

    fn bad_body(&mut self, refusal: Refusal) -> Error {
        self.cut(refusal.status, refusal.error().errno())
    }

    /// After an answer: goes past what the program has not read of the body. False: the connection has ended.
    fn get_past(&mut self, s: &'static Scheduler) -> Result<bool> {
        let mut past = 0;
        while self.keep && !self.body.is_done() {
            match self.body.decode(&self.buf[self.pos..self.end], Sink::Nowhere) {
                Ok((used, _)) => {
                    self.pos += used;
                    past += used as u64;
                }
                Err(_) => self.keep = false,
            }
            if self.body.is_done() {
                break;
            }
            if self.awaited || past > READ_PAST || self.body.rest().is_some_and(|rest| rest > READ_PAST) {
                self.keep = false;
            } else if self.keep {
                if self.room() < ROOM {
                    // Nobody looks at the head any more.
                    (self.base, self.pos, self.end) = (0, 0, 0);
                    self.make_room(BUFFER)?;
                }
                match self.receive(s, None) {
                    Err(e) if self.keep => return Err(e), // it can be asked again
                    _ => {}
                }
            }
        }
        if !self.keep {
            self.part(s);
            return Ok(false);
        }
        (self.phase, self.whole_by) = (Phase::Idle, 0);
        Ok(true)
    }

    /// Answers a request that is none, and ends the connection.
    #[cold]
    fn refuse(&mut self, s: &'static Scheduler, refusal: Refusal) -> Error {
        self.status = refusal.status;
        self.keep = false;
        let text =
            [Field { name: parse::Text::of(b"Content-Type"), value: parse::Text::of(b"text/plain; charset=utf-8") }];
        // SAFETY: both texts are static.
        let fields = unsafe { message::Fields::new(&text) };
        let written = message::look(fields).and_then(|given| {
            message::head(&mut self.out, refusal.status, None, fields, &given, self.date.now())?;
            message::end(&mut self.out, &given, Framing::Length(refusal.why.len() as u64 + 1), message::Stays::No);
            Ok(())
        });
        if written.is_ok() {
            let parts = [&self.out[..], refusal.why.as_bytes(), b"\n"];
            let mut sent = 0;
            let delivered = s.delivered_interrupts();
            // Whoever sends such things may not listen.
            let _ = self.transport.write(s, &parts, Then::Done, self.limits.write.min(LINGER), &mut sent);
            s.keep_interrupts(delivered);
            self.sent = sent.saturating_sub(self.out.len()) as u64;
        }
        self.body = Body::new(Length::Chunked, &self.limits); // something may still come
        self.part(s);
        refusal.error()
    }

    /// Ends the connection. If bytes of the other end's lie unread when a socket is closed, it is reset, and an answer that was not
    /// read yet is lost. So if there may be such, the other end is told that no more comes, and heard for a while
    /// (RFC 9112, 9.6).
    fn part(&mut self, s: &'static Scheduler) {
        self.phase = Phase::Over;
        if self.body.is_done() && self.pos == self.end {
            return;
        }
        self.transport.half_close(s);
        let until = from_now(LINGER);
        let mut heard = 0;
        let delivered = s.delivered_interrupts();
        while heard < LINGER_BYTES && coarse() < until {
            match self.transport.read(s, &mut self.buf, until) {
                Ok(n) if n > 0 => heard += n,
                _ => break,
            }
        }
        // What ended this early is for the program's next wait.
        s.keep_interrupts(delivered);
    }

    fn over(&mut self) -> bool {
        self.phase = Phase::Over;
        false
    }

    fn lost(&mut self, errno: i32) -> Error {
        self.over();
        Error::new(errno)
    }

    /// An error of a write, after so many bytes: P2.
    pub(super) fn unsent(&mut self, error: Error, sent: usize) -> Error {
        if sent > 0 || !matches!(error.errno(), libc::ECANCELED | libc::EINTR) {
            self.keep = false;
            self.phase = Phase::Over;
        }
        error
    }

    /// Received bytes that belong to no request.
    pub(super) fn early(&self) -> &[u8] {
        &self.buf[self.pos..self.end]
    }
}

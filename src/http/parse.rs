//! The head of a request: what httparse takes for one, and everything of RFC 9112 that it leaves to its caller.

use std::mem::MaybeUninit;

use httparse::{Header, Request, Status};

use super::body::Length;
use super::limits::Limits;
use super::{bad, message, Refusal, Stop};
use crate::error::Error;

/// So many headers find room on the stack.
const FEW: usize = 64;
/// " HTTP/1.1"
const VERSION: usize = 9;

/// Bytes somewhere: in the connection's buffer, or static.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    /// Where; null for none.
    pub at: *const u8,
    /// How many.
    pub len: usize,
}

impl Text {
    /// None.
    pub const NONE: Text = Text { at: std::ptr::null(), len: 0 };

    /// Those bytes.
    pub fn of(bytes: &[u8]) -> Text {
        Text { at: bytes.as_ptr(), len: bytes.len() }
    }
}

/// A header line.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Field {
    /// As it came.
    pub name: Text,
    /// Without the space around it.
    pub value: Text,
}

/// What a head says, its header lines apart.
#[derive(Clone, Copy)]
pub struct Head {
    /// The method.
    pub method: Text,
    /// The target as it came.
    pub target: Text,
    /// The target's path, undecoded.
    pub path: Text,
    /// What follows its question mark, if there is one.
    pub query: Text,
    /// The host that is meant, with its port if there is one.
    pub host: Text,
    /// 0 or 1.
    pub minor: u8,
    /// Of the body.
    pub length: Length,
    /// The connection may stay.
    pub keep_alive: bool,
    /// The other end waits for 100 (Continue).
    pub expect: bool,
    /// The other end wants to leave HTTP.
    pub upgrade: bool,
    /// HEAD: an answer has no body.
    pub is_head: bool,
    /// CONNECT.
    pub is_connect: bool,
}

impl Head {
    /// No request.
    pub const fn none() -> Head {
        let none = Text::NONE;
        Head {
            method: none,
            target: none,
            path: none,
            query: none,
            host: none,
            minor: 1,
            length: Length::Bytes(0),
            keep_alive: false,
            expect: false,
            upgrade: false,
            is_head: false,
            is_connect: false,
        }
    }
}

/// Reads a head at the beginning of the bytes: its length and what it says, or None if more is needed. Its header lines go into
/// `fields`, and everything points into `bytes`.
pub fn head(bytes: &[u8], limits: &Limits, fields: &mut Vec<Field>) -> Result<Option<(usize, Head)>, Stop> {
    if let Some(b'\r' | b'\n') = bytes.first() {
        return Err(bad("empty lines").into()); // httparse goes past any number of them
    }
    let mut few = [const { MaybeUninit::uninit() }; FEW];
    let some = limits.headers.min(FEW);
    match attempt(bytes, &mut few[..some], limits, fields) {
        Err(Stop::Refused(TOO_MANY)) if limits.headers > FEW => {
            let mut many = Vec::new();
            many.try_reserve_exact(limits.headers).map_err(|_| Error::new(libc::ENOMEM))?;
            many.resize_with(limits.headers, MaybeUninit::uninit);
            attempt(bytes, &mut many, limits, fields)
        }
        other => other,
    }
}

const TOO_MANY: Refusal = Refusal { status: 431, why: "too many headers" };
const LONG_LINE: Refusal = Refusal { status: 414, why: "the request line is too long" };
const LONG_HEADER: Refusal = Refusal { status: 431, why: "a header is too long" };
const LONG_HEAD: Refusal = Refusal { status: 431, why: "the headers are too long" };

/// Whether more bytes can still make a head of what is not one yet: the limits, asked early.
pub fn may_go_on(bytes: &[u8], limits: &Limits) -> Result<(), Refusal> {
    if bytes.len() > limits.line && !bytes[..=limits.line].contains(&b'\n') {
        return Err(LONG_LINE);
    }
    if bytes.len() > limits.head {
        return Err(LONG_HEAD);
    }
    Ok(())
}

fn attempt<'b>(
    bytes: &'b [u8],
    room: &mut [MaybeUninit<Header<'b>>],
    limits: &Limits,
    fields: &mut Vec<Field>,
) -> Result<Option<(usize, Head)>, Stop> {
    let mut request = Request::new(&mut []);
    let len = match request.parse_with_uninit_headers(bytes, room) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) => return Ok(None),
        Err(e) => return refusal(e, bytes, request.path).map_or(Ok(None), |refusal| Err(refusal.into())),
    };
    if len > limits.head {
        return Err(LONG_HEAD.into());
    }
    fields.clear();
    fields.try_reserve(request.headers.len()).map_err(|_| Error::new(libc::ENOMEM))?;
    let mut found = Found::default();
    let target = request.path.unwrap_or_default().as_bytes();
    let mut next = line_end(bytes, place(bytes, target) + target.len() + VERSION)?;
    if next > limits.line {
        return Err(LONG_LINE.into());
    }
    for header in request.headers.iter() {
        let mut end = place(bytes, header.value) + header.value.len();
        while matches!(bytes.get(end), Some(b' ' | b'\t')) {
            end += 1;
        }
        let after = line_end(bytes, end)?;
        if after - next > limits.line {
            return Err(LONG_HEADER.into());
        }
        next = after;
        found.header(header.name.as_bytes(), header.value)?;
        // No more than was reserved.
        fields.push(Field { name: Text::of(header.name.as_bytes()), value: Text::of(header.value) });
    }
    if line_end(bytes, next)? != len {
        return Err(bad("bad header").into());
    }
    let method = request.method.unwrap_or_default().as_bytes();
    let head = found.head(method, target, request.version.unwrap_or_default(), limits)?;
    Ok(Some((len, head)))
}

fn place(bytes: &[u8], part: &[u8]) -> usize {
    part.as_ptr() as usize - bytes.as_ptr() as usize
}

/// Behind the line that ends there. A line ends with CRLF; httparse takes a bare LF too, and a server in front may not
/// (RFC 9112, 2.2).
fn line_end(bytes: &[u8], at: usize) -> Result<usize, Refusal> {
    match bytes.get(at..at + 2) {
        Some(b"\r\n") => Ok(at + 2),
        _ => Err(bad("a line without CRLF")),
    }
}

/// Why it is none; None: that cannot be told yet.
#[cold]
fn refusal(error: httparse::Error, bytes: &[u8], target: Option<&str>) -> Option<Refusal> {
    Some(match error {
        httparse::Error::TooManyHeaders => TOO_MANY,
        httparse::Error::Version => {
            let at = target.map_or(0, |t| place(bytes, t.as_bytes()) + t.len() + 1);
            let version = &bytes[at..bytes.len().min(at + VERSION)];
            let digit = u8::is_ascii_digit;
            let is_one = version.iter().zip(b"HTTP/0.0\r").all(|(b, like)| b == like || (*like == b'0' && digit(b)));
            match is_one {
                true if version.len() < VERSION => return None,
                // RFC 9110, 15.6.6, for what is a version at least (RFC 9112, 2.3).
                true => Refusal { status: 505, why: "HTTP/1.0 and HTTP/1.1 only" },
                false => bad("bad request line"),
            }
        }
        httparse::Error::HeaderName => bad("bad header name"), // also space before a colon (RFC 9112, 5.1), a folded line (5.2)
        httparse::Error::HeaderValue => bad("bad header value"), // also NUL and a bare CR (RFC 9110, 5.5)
        httparse::Error::NewLine => bad("bad line end"),
        _ => bad("bad request line"),
    })
}

/// What the header lines say that matters here.
#[derive(Default)]
struct Found<'a> {
    host: Option<&'a [u8]>,
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    close: bool,
    keep_alive: bool,
    wants_upgrade: bool,
    upgrade: bool,
    expect: bool,
}

impl<'a> Found<'a> {
    fn header(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), Refusal> {
        let twice = match name.len() {
            // RFC 9112, 3.2.
            4 if name.eq_ignore_ascii_case(b"host") => self.host.replace(value).map(|_| "more than one Host"),
            // RFC 9112, 6.3, rule 5 allows the same length twice; nobody needs it.
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                self.length.replace(value).map(|_| "more than one Content-Length")
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.coding.replace(value).map(|_| "more than one Transfer-Encoding")
            }
            6 if name.eq_ignore_ascii_case(b"expect") => {
                self.expect |= value.eq_ignore_ascii_case(b"100-continue");
                None
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = true;
                None
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|&b| b == b',') {
                    let option = option.trim_ascii();
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    self.wants_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
                }
                None
            }
            _ => None,
        };
        twice.map_or(Ok(()), |why| Err(bad(why)))
    }

    fn head(self, method: &'a [u8], target: &'a [u8], minor: u8, limits: &Limits) -> Result<Head, Refusal> {
        let length = match (self.length, self.coding) {
            (None, None) => Length::Bytes(0),
            (Some(length), None) => Length::Bytes(bytes_of(length, limits)?),
            // RFC 9112, 6.1: refused, as a request that may have been smuggled.
            (Some(_), Some(_)) => return Err(bad("Content-Length and Transfer-Encoding")),
            // RFC 9112, 6.1: HTTP/1.0 has no codings; its framing is taken for faulty.
            (None, Some(_)) if minor == 0 => return Err(bad("Transfer-Encoding in HTTP/1.0")),
            (None, Some(coding)) => chunked(coding)?,
        };
        let mut head = Head {
            method: Text::of(method),
            target: Text::of(target),
            minor,
            length,
            // RFC 9112, 9.3.
            keep_alive: !self.close && (minor > 0 || self.keep_alive),
            // RFC 9110, 10.1.1: not from HTTP/1.0, and not where there is no body.
            expect: self.expect && minor > 0 && length != Length::Bytes(0),
            upgrade: self.upgrade && self.wants_upgrade && minor > 0, // RFC 9110, 7.8
            is_head: method == b"HEAD",
            is_connect: method == b"CONNECT",
            ..Head::none()
        };
        // RFC 9112, 3.2.
        match self.host {
            None if minor > 0 && !limits.hostless => return Err(bad("no Host")),
            None => {}
            Some(host) if !is_host(host) => return Err(bad("bad Host")),
            Some(host) => head.host = Text::of(host),
        }
        aim(&mut head, method, target)?;
        Ok(head)
    }
}

/// Content-Length: digits and nothing else (RFC 9110, 8.6).
fn bytes_of(value: &[u8], limits: &Limits) -> Result<u64, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(bad("bad Content-Length"));
    }
    let number = value.iter().try_fold(0u64, |n, b| n.checked_mul(10)?.checked_add(u64::from(b - b'0')));
    match number {
        Some(n) if n <= limits.body && n <= i64::MAX as u64 => Ok(n),
        _ => Err(Refusal { status: 413, why: "the body is too large" }),
    }
}

/// Transfer-Encoding: chunked, and nothing else.
fn chunked(value: &[u8]) -> Result<Length, Refusal> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(Length::Chunked);
    }
    let is_chunked = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
    let mut codings = value.rsplit(|&b| b == b',');
    // RFC 9112, 6.3, rule 4: without chunked at its end nobody knows where the body ends.
    if !codings.next().is_some_and(is_chunked) {
        return Err(bad("Transfer-Encoding does not end with chunked"));
    }
    // RFC 9112, 7: chunked once only.
    if codings.any(is_chunked) {
        return Err(bad("chunked twice"));
    }
    Err(Refusal { status: 501, why: "unknown Transfer-Encoding" }) // RFC 9112, 6.1
}

/// The target in its four forms (RFC 9112, 3.2).
fn aim(head: &mut Head, method: &[u8], target: &[u8]) -> Result<(), Refusal> {
    // RFC 3986 has no other characters, and a fragment is not sent (RFC 9110, 7.1).
    if target.iter().fold(false, |bad, &b| bad | !(0x21..=0x7e).contains(&b) | (b == b'#')) {
        return Err(bad("bad target"));
    }
    let rest = match target {
        _ if head.is_connect => {
            // RFC 9112, 3.2.3: host and port.
            let colon = target.iter().rposition(|&b| b == b':').ok_or(bad("bad target"))?;
            let (host, port) = (&target[..colon], &target[colon + 1..]);
            if host.is_empty() || port.is_empty() || !is_host(host) || !port.iter().all(u8::is_ascii_digit) {
                return Err(bad("bad target"));
            }
            head.host = Text::of(target);
            return Ok(());
        }
        [b'/', ..] => target,
        b"*" if method == b"OPTIONS" => target, // RFC 9112, 3.2.4
        _ => {
            // RFC 9112, 3.2.2: a whole URI. What it says of the host counts, whatever Host says.
            let at = ["http://".len(), "https://".len()].into_iter().zip([&b"http://"[..], b"https://"]);
            let mut at = at.filter(|(n, scheme)| target.get(..*n).is_some_and(|t| t.eq_ignore_ascii_case(scheme)));
            let (start, _) = at.next().ok_or(bad("bad target"))?;
            let rest = &target[start..];
            let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
            // RFC 9110, 4.2.4: no userinfo; `is_host` knows no @.
            if end == 0 || !is_host(&rest[..end]) {
                return Err(bad("bad target"));
            }
            head.host = Text::of(&rest[..end]);
            &rest[end..]
        }
    };
    let mark = rest.iter().position(|&b| b == b'?');
    let path = &rest[..mark.unwrap_or(rest.len())];
    head.path = Text::of(if path.is_empty() { b"/" } else { path });
    head.query = mark.map_or(Text::NONE, |mark| Text::of(&rest[mark + 1..]));
    Ok(())
}

const HOST: [bool; 256] = message::table(b"-._~%!$&'()*+,;=:[]");

/// Whether all characters may stand in a host and port (RFC 3986, 3.2.2). No host at all is one (RFC 9112, 3.2).
fn is_host(host: &[u8]) -> bool {
    host.iter().all(|&b| HOST[b as usize])
}

#[cfg(test)]
pub(super) mod tests;

//! The head of an answer.

use super::parse::Field;
use crate::error::{Error, Result};

/// Room for what is added to the lines that are given.
const ADDED: usize = 256;

/// Header lines of an answer.
#[derive(Clone, Copy)]
pub struct Fields<'a>(&'a [Field]);

impl<'a> Fields<'a> {
    /// Those lines.
    ///
    /// # Safety
    /// Each text is readable as long as `'a` lasts, or empty.
    pub unsafe fn new(fields: &'a [Field]) -> Fields<'a> {
        Fields(fields)
    }

    fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.0.iter().map(|field| {
            let (name, value) = (field.name, field.value);
            // SAFETY: by the maker of `self`: not empty, so readable.
            let bytes = |at: *const u8, len: usize| match len {
                0 => &[][..],
                // SAFETY: as above.
                _ => unsafe { std::slice::from_raw_parts(at, len) },
            };
            (bytes(name.at, name.len), bytes(value.at, value.len))
        })
    }
}

/// What the given lines say that matters here.
#[derive(Default)]
pub struct Given {
    date: bool,
    server: bool,
    connection_close: bool,
    connection_keep: bool,
    connection_upgrade: bool,
    bytes: usize,
    /// Content-Length.
    pub length: Option<u64>,
}

impl Given {
    /// Whether the connection is to end.
    pub fn close(&self) -> bool {
        self.connection_close
    }
}

/// How the end of an answer is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// It has no body, and nothing is said about one.
    Nothing,
    /// A length of so many bytes; `left` of them are to come.
    Length(u64),
    /// The same, and the program has said it itself.
    Said(u64),
    /// In chunks.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// How the answer's head speaks of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stays {
    /// It stays, as is usual in HTTP/1.1.
    Yes,
    /// It stays, which HTTP/1.0 has to be told.
    Told,
    /// It ends.
    No,
    /// It leaves HTTP.
    Upgraded,
}

/// Letters, digits, and those.
pub(super) const fn table(more: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    let mut i = 0;
    while i < more.len() {
        table[more[i] as usize] = true;
        i += 1;
    }
    table
}

/// RFC 9110, 5.6.2.
const TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");

/// Whether a byte may stand in a header's name.
pub fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Whether the bytes may stand in a header's value, or in a reason: no controls but the tab (RFC 9110, 5.5). A CR or LF would let
/// whoever has chosen the value write header lines, or answers, of his own.
fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |good, &b| good & ((b >= 0x20) | (b == b'\t')) & (b != 0x7f))
}

/// Looks through header lines. -EINVAL: a name or value that is none, a Content-Length that is no number or stands there twice, a
/// transfer coding other than chunked.
pub fn look(fields: Fields<'_>) -> Result<Given> {
    let invalid = Error::new(libc::EINVAL);
    let mut given = Given::default();
    for (name, value) in fields.iter() {
        if name.is_empty() || !name.iter().all(|&b| is_token(b)) || !is_value(value) {
            return Err(invalid);
        }
        given.bytes += name.len() + value.len() + 4;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"date") => given.date = true,
            6 if name.eq_ignore_ascii_case(b"server") => given.server = true,
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|&b| b == b',') {
                    let option = option.trim_ascii();
                    given.connection_close |= option.eq_ignore_ascii_case(b"close");
                    given.connection_keep |= option.eq_ignore_ascii_case(b"keep-alive");
                    given.connection_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let number = std::str::from_utf8(value).ok().filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
                let number = number.and_then(|v| v.parse().ok()).ok_or(invalid)?;
                if given.length.replace(number).is_some() {
                    return Err(invalid);
                }
            }
            // Chunks are made here; that the program asks for them changes nothing.
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") && !value.eq_ignore_ascii_case(b"chunked") => {
                return Err(invalid)
            }
            _ => {}
        }
    }
    Ok(given)
}

/// Writes a head without its end, over what was in `out`. There is room for [`end`] then. -EINVAL: a bad status or reason.
pub fn head(
    out: &mut Vec<u8>,
    status: u16,
    reason: Option<&[u8]>,
    fields: Fields<'_>,
    given: &Given,
    date: &[u8],
) -> Result<()> {
    if !(100..=999).contains(&status) || !reason.is_none_or(is_value) {
        return Err(Error::new(libc::EINVAL));
    }
    let reason = reason.unwrap_or_else(|| self::reason(status).as_bytes());
    out.clear();
    out.try_reserve(given.bytes + reason.len() + ADDED).map_err(|_| Error::new(libc::ENOMEM))?;
    out.extend_from_slice(b"HTTP/1.1 ");
    let digit = |n: u16| b'0' + (n % 10) as u8;
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status), b' ']);
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
    if status >= 200 {
        // RFC 9110, 6.6.1.
        if !given.date {
            out.extend_from_slice(b"Date: ");
            out.extend_from_slice(date);
            out.extend_from_slice(b"\r\n");
        }
        if !given.server {
            out.extend_from_slice(b"Server: greenrt\r\n");
        }
    }
    for (name, value) in fields.iter() {
        if name.len() == 17 && name.eq_ignore_ascii_case(b"transfer-encoding") {
            continue;
        }
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    Ok(())
}

/// Writes the rest of a head.
pub fn end(out: &mut Vec<u8>, given: &Given, framing: Framing, stays: Stays) {
    match framing {
        Framing::Length(n) => {
            out.extend_from_slice(b"Content-Length: ");
            decimal(out, n);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::Nothing | Framing::Said(_) | Framing::Close => {}
    }
    match stays {
        Stays::No if !given.connection_close => out.extend_from_slice(b"Connection: close\r\n"),
        Stays::Told if !given.connection_keep => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        Stays::Upgraded if !given.connection_upgrade => out.extend_from_slice(b"Connection: Upgrade\r\n"),
        _ => {}
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal.
fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The line before a chunk (RFC 9112, 7.1): its size in hexadecimal. The line is `line[at..]`.
pub fn chunk_line(mut size: usize) -> ([u8; 18], usize) {
    let mut line = [0; 18];
    line[16..].copy_from_slice(b"\r\n");
    let mut at = 16;
    loop {
        at -= 1;
        line[at] = b"0123456789abcdef"[size & 15];
        size >>= 4;
        if size == 0 {
            return (line, at);
        }
    }
}

/// What a status is called (RFC 9110, 15).
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

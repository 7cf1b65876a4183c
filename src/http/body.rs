//! Where a body ends, and which of its bytes are data (RFC 9112, 6 and 7.1). Bytes in, data out, in pieces of any size.

use super::limits::Limits;
use super::{bad, Refusal};

/// Digits of a chunk's size, leading zeroes included.
const DIGITS: u32 = 16;
/// Bytes of extensions behind the sizes of one body's chunks, all together: RFC 9112, 7.1.1 asks for a limit.
const EXTENSIONS: usize = 4096;

/// How a request says the length of its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// In bytes; 0 also when nothing is said (RFC 9112, 6.3, rule 7).
    Bytes(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// All of it has been read.
    Done,
    /// `left` bytes of a body whose length was said.
    Plain,
    /// Digits of a chunk's size; so many were there.
    Size(u32),
    /// An extension behind it.
    Extension,
    /// The LF behind it.
    SizeEnd,
    /// `left` bytes of a chunk.
    Data,
    /// The CR behind it.
    DataCr,
    /// The LF behind that.
    DataLf,
    /// The beginning of a trailer line, or of the empty line.
    Trailer,
    /// A trailer's name.
    Name,
    /// A trailer's value.
    Value,
    /// The LF behind it.
    ValueEnd,
    /// The LF of the empty line.
    LastLf,
}

/// The body of one request.
pub struct Body {
    stage: Stage,
    left: u64,
    /// Data bytes that may still come.
    may: u64,
    /// Bytes that extensions may still have.
    extensions: usize,
    /// Bytes and lines that trailers may still have.
    trailers: usize,
    lines: usize,
}

/// Where the data goes.
pub enum Sink<'a> {
    /// There.
    Into(&'a mut [u8]),
    /// Nowhere.
    Nowhere,
}

impl Body {
    /// None.
    pub const fn none() -> Body {
        Body { stage: Stage::Done, left: 0, may: 0, extensions: 0, trailers: 0, lines: 0 }
    }

    /// A body of that length.
    pub fn new(length: Length, limits: &Limits) -> Body {
        let (stage, left) = match length {
            Length::Bytes(0) => (Stage::Done, 0),
            Length::Bytes(n) => (Stage::Plain, n),
            Length::Chunked => (Stage::Size(0), 0),
        };
        Body { stage, left, may: limits.body, extensions: EXTENSIONS, trailers: limits.head, lines: limits.headers }
    }

    /// Whether all of it has been read.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// How many bytes there are until its end; None: that is not known.
    pub fn rest(&self) -> Option<u64> {
        match self.stage {
            Stage::Done => Some(0),
            Stage::Plain => Some(self.left),
            _ => None,
        }
    }

    /// How many of the next bytes are data for sure.
    pub fn data(&self) -> u64 {
        match self.stage {
            Stage::Plain | Stage::Data => self.left,
            _ => 0,
        }
    }

    /// So many bytes of [`Body::data`] were read past this.
    pub fn took(&mut self, n: usize) {
        self.left -= n as u64;
        if self.left == 0 {
            self.stage = if self.stage == Stage::Plain { Stage::Done } else { Stage::DataCr };
        }
    }

    /// Goes through received bytes until they end, the body ends, or the sink is full. How many were used, and how many went into
    /// the sink.
    pub fn decode(&mut self, input: &[u8], mut sink: Sink<'_>) -> Result<(usize, usize), Refusal> {
        let (mut used, mut got) = (0, 0);
        while used < input.len() && self.stage != Stage::Done {
            let data = self.data();
            if data == 0 {
                self.step(input[used])?;
                used += 1;
                continue;
            }
            let mut n = (input.len() - used).min(usize::try_from(data).unwrap_or(usize::MAX));
            if let Sink::Into(out) = &mut sink {
                n = n.min(out.len() - got);
                out[got..got + n].copy_from_slice(&input[used..used + n]);
                got += n;
            }
            if n == 0 {
                break;
            }
            used += n;
            self.took(n);
        }
        Ok((used, got))
    }

    /// One byte that is not data.
    fn step(&mut self, byte: u8) -> Result<(), Refusal> {
        self.stage = match self.stage {
            Stage::Size(digits) => match byte {
                b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' if digits < DIGITS => {
                    let digit = (byte as char).to_digit(16).unwrap_or_default();
                    // 16 digits fit; what is above the limit is refused at the end of the line.
                    self.left = self.left << 4 | u64::from(digit);
                    Stage::Size(digits + 1)
                }
                // RFC 9112, 7.1.1: an extension. Space before it is for old senders, and not accepted.
                b';' if digits > 0 => Stage::Extension,
                b'\r' if digits > 0 => Stage::SizeEnd,
                _ => return Err(bad("bad chunk size")), // RFC 9112, 7.1
            },
            Stage::Extension => match byte {
                b'\r' => Stage::SizeEnd,
                // A bare LF here is a line's end for some and not for others (RFC 9112, 2.2).
                b'\t' | b' '..=b'~' | 0x80.. if self.extensions > 0 => {
                    self.extensions -= 1;
                    Stage::Extension
                }
                _ => return Err(bad("bad chunk extension")),
            },
            Stage::SizeEnd if byte == b'\n' => {
                if self.left > self.may {
                    return Err(Refusal { status: 413, why: "the body is too large" });
                }
                self.may -= self.left;
                if self.left == 0 {
                    Stage::Trailer // RFC 9112, 7.1: the last chunk
                } else {
                    Stage::Data
                }
            }
            Stage::SizeEnd => return Err(bad("a chunk size without CRLF")),
            Stage::DataCr if byte == b'\r' => Stage::DataLf,
            Stage::DataLf if byte == b'\n' => Stage::Size(0),
            Stage::DataCr | Stage::DataLf => return Err(bad("a chunk of another length than it says")),
            // RFC 9112, 7.1.2: trailers are read past. What they say is not for us.
            Stage::Trailer if byte == b'\r' => Stage::LastLf,
            Stage::Trailer if self.lines == 0 => return Err(TRAILERS),
            Stage::Trailer => {
                self.lines -= 1;
                self.name(byte, true)?
            }
            Stage::Name => self.name(byte, false)?,
            Stage::Value => match byte {
                b'\r' => Stage::ValueEnd,
                b'\t' | b' '..=b'~' | 0x80.. => Stage::Value,
                _ => return Err(bad("bad trailer")),
            },
            Stage::ValueEnd if byte == b'\n' => Stage::Trailer,
            Stage::LastLf if byte == b'\n' => Stage::Done,
            Stage::ValueEnd | Stage::LastLf => return Err(bad("a trailer without CRLF")),
            stage @ (Stage::Done | Stage::Plain | Stage::Data) => stage,
        };
        if matches!(self.stage, Stage::Name | Stage::Value) {
            self.trailers = self.trailers.checked_sub(1).ok_or(TRAILERS)?;
        }
        Ok(())
    }

    fn name(&self, byte: u8, first: bool) -> Result<Stage, Refusal> {
        match byte {
            b':' if !first => Ok(Stage::Value),
            _ if super::message::is_token(byte) => Ok(Stage::Name),
            _ => Err(bad("bad trailer")),
        }
    }
}

const TRAILERS: Refusal = Refusal { status: 431, why: "the trailers are too large" };

#[cfg(test)]
mod tests;

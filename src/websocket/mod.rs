//! The frames of a WebSocket (RFC 6455), with permessage-deflate (RFC 7692), as a machine over bytes: what the other side sent goes in,
//! messages come out; what this side says goes in, bytes come out. No descriptor, no task and no clock here; the handshake
//! before it is HTTP's matter.
//!
//! | file | what it holds |
//! |---|---|
//! | frame.rs | the head of a frame, and the mask |
//! | text.rs | UTF-8 that comes in pieces |
//! | deflate.rs | compressed messages, with a bound on what comes out |
//! | receive.rs | from bytes to messages |
//! | send.rs | from messages to bytes |
//!
//! Every length that the other side announces is held against the limit before anything is reserved for it, and what is reserved is
//! what has come, not what was announced.

mod deflate;
mod frame;
mod receive;
mod send;
mod text;

pub use receive::Receiver;
pub use send::Sender;

/// A piece of a message that was begun before.
pub const CONTINUATION: u8 = 0;
/// A message of text.
pub const TEXT: u8 = 1;
/// A message of bytes.
pub const BINARY: u8 = 2;
/// The end.
pub const CLOSE: u8 = 8;
/// Asks for a pong.
pub const PING: u8 = 9;
/// Answers a ping.
pub const PONG: u8 = 10;

/// The longest payload of a control frame.
pub const CONTROL: usize = 125;
/// Bytes of a message when nothing else was said.
pub const MAX_SIZE: u64 = 1 << 20;

/// Which side this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It was connected to: what it receives is masked.
    Server,
    /// It connected: what it sends is masked.
    Client,
}

/// One direction of permessage-deflate, as agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// How far back a message may refer: 2 to the power of this, 9 to 15.
    pub bits: u8,
    /// Each message is compressed by itself.
    pub alone: bool,
}

/// What both sides agreed on, and the limits of this one.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Which side this is.
    pub role: Role,
    /// The most bytes of one message, inflated.
    pub max: u64,
    /// How the other side compresses; None: it does not.
    pub theirs: Option<Window>,
    /// How this side compresses; None: it does not.
    pub ours: Option<Window>,
    /// How hard this side tries, 0 to 9.
    pub level: u32,
}

/// Whether a close frame may carry this code (RFC 6455, 7.4, and the registry that it opened).
pub const fn may_close_with(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Room for so many bytes more, or -ENOMEM.
fn reserve(bytes: &mut Vec<u8>, more: usize) -> crate::error::Result<()> {
    bytes.try_reserve(more).map_err(|_| crate::error::Error::new(libc::ENOMEM))
}

/// Empties a buffer, and gives its memory back if it is large: a WebSocket that waits has none.
fn empty(bytes: &mut Vec<u8>) {
    const KEPT: usize = 512;
    bytes.clear();
    if bytes.capacity() > KEPT {
        *bytes = Vec::new();
    }
}

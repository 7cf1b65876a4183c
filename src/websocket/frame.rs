//! The head of a frame, and the mask (RFC 6455, 5.2 and 5.3).

use super::{Role, BINARY, CLOSE, CONTINUATION, CONTROL, PING, PONG, TEXT};
use crate::error::{Error, Result};

/// The other side broke the protocol.
pub const fn broken() -> Error {
    Error::new(libc::EBADMSG)
}

/// What stands before a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The message ends with this frame.
    pub last: bool,
    /// The message that begins here is compressed.
    pub compressed: bool,
    /// CONTINUATION, TEXT and the like.
    pub opcode: u8,
    /// The mask of the payload, zeroes where there is none.
    pub key: [u8; 4],
    /// Bytes of the payload.
    pub length: u64,
}

impl Head {
    /// Whether it is a control frame, which may stand between the pieces of a message.
    pub const fn is_control(&self) -> bool {
        self.opcode & 8 != 0
    }

    /// The head at the beginning of `bytes` and its own length; None: it has not come whole. What cannot be right any more is refused with
    /// the first byte that shows it.
    pub fn read(bytes: &[u8], receiver: Role, deflated: bool) -> Result<Option<(Head, usize)>> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let (last, compressed, opcode) = (first & 0x80 != 0, first & 0x40 != 0, first & 0x0f);
        let control = opcode & 8 != 0;
        if first & 0x30 != 0
            || !matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG)
            || (compressed && !(deflated && matches!(opcode, TEXT | BINARY)))
            || (control && !last)
        {
            return Err(broken());
        }
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let (masked, short) = (second & 0x80 != 0, second & 0x7f);
        if masked != (receiver == Role::Server) || (control && short as usize > CONTROL) {
            return Err(broken());
        }
        let (length, at) = match short {
            126 => {
                let Some(&[a, b]) = bytes.get(2..4) else { return Ok(None) };
                (u64::from(u16::from_be_bytes([a, b])), 4)
            }
            127 => {
                let Some(long) = bytes.get(2..10) else { return Ok(None) };
                let mut eight = [0; 8];
                eight.copy_from_slice(long);
                (u64::from_be_bytes(eight), 10)
            }
            short => (short.into(), 2),
        };
        // The shortest form that fits, and 63 bits.
        if (at == 4 && length < 126) || (at == 10 && (length <= 0xffff || length >> 63 != 0)) {
            return Err(broken());
        }
        let mut key = [0; 4];
        let end = at + if masked { 4 } else { 0 };
        if masked {
            let Some(found) = bytes.get(at..end) else { return Ok(None) };
            key.copy_from_slice(found);
        }
        Ok(Some((Head { last, compressed, opcode, key, length }, end)))
    }

    /// The head in bytes, at the end of `out`, where there is room for 14 of them.
    pub fn write(&self, masked: bool, out: &mut Vec<u8>) {
        out.push((self.last as u8) << 7 | (self.compressed as u8) << 6 | self.opcode);
        let mask = (masked as u8) << 7;
        match self.length {
            short @ 0..=125 => out.push(mask | short as u8),
            medium @ 126..=0xffff => {
                out.push(mask | 126);
                out.extend_from_slice(&(medium as u16).to_be_bytes());
            }
            long => {
                out.push(mask | 127);
                out.extend_from_slice(&long.to_be_bytes());
            }
        }
        if masked {
            out.extend_from_slice(&self.key);
        }
    }
}

/// Puts the mask on, or takes it off, where `data` begins that far into the payload.
pub fn mask(data: &mut [u8], key: [u8; 4], offset: u64) {
    let word = u32::from_ne_bytes(key);
    if word == 0 {
        return;
    }
    let mut turned = key;
    turned.rotate_left((offset % 4) as usize);
    let word = u32::from_ne_bytes(turned);
    let wide = u64::from(word) << 32 | u64::from(word);
    let mut chunks = data.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(eight) ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(turned.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_they_were_written() {
        for length in [0, 1, 125, 126, 127, 0xffff, 0x10000, (1 << 63) - 1] {
            for (role, masked) in [(Role::Server, true), (Role::Client, false)] {
                let key = if masked { [1, 2, 3, 4] } else { [0; 4] };
                let head = Head { last: true, compressed: false, opcode: BINARY, key, length };
                let mut bytes = Vec::new();
                head.write(masked, &mut bytes);
                for cut in 0..bytes.len() {
                    assert_eq!(Head::read(&bytes[..cut], role, false), Ok(None));
                }
                assert_eq!(Head::read(&bytes, role, false), Ok(Some((head, bytes.len()))));
            }
        }
    }

    #[test]
    fn what_may_not_be_is_refused_at_its_first_byte() {
        let wrong: [&[u8]; 12] = [
            b"\x91",
            b"\xa1",
            b"\xc1",
            b"\x83",
            b"\x87",
            b"\x8b",
            b"\x8f",
            b"\x08",
            b"\x09",
            b"\x81\x01",
            b"\x89\xfe",
            b"\x81\xfe\x00\x7d",
        ];
        for bytes in wrong {
            assert_eq!(Head::read(bytes, Role::Server, false), Err(broken()), "{bytes:x?}");
        }
        assert_eq!(Head::read(b"\xc1", Role::Server, true), Ok(None));
        assert_eq!(Head::read(b"\xc0", Role::Server, true), Err(broken()), "a later piece says nothing of compression");
        assert_eq!(Head::read(b"\xc9", Role::Server, true), Err(broken()));
        assert_eq!(Head::read(b"\x82\xff\x80\0\0\0\0\0\0\0", Role::Server, false), Err(broken()));
        assert_eq!(Head::read(b"\x82\xff\0\0\0\0\0\0\xff\xff", Role::Server, false), Err(broken()));
    }

    #[test]
    fn a_mask_in_pieces_is_the_mask_of_the_whole() {
        let plain: Vec<u8> = (0..100).collect();
        let mut whole = plain.clone();
        mask(&mut whole, [9, 8, 7, 6], 0);
        for (i, (masked, byte)) in whole.iter().zip(&plain).enumerate() {
            assert_eq!(masked ^ byte, [9, 8, 7, 6][i % 4]);
        }
        for cut in 0..=100 {
            let mut pieces = plain.clone();
            let (a, b) = pieces.split_at_mut(cut);
            mask(a, [9, 8, 7, 6], 0);
            mask(b, [9, 8, 7, 6], cut as u64);
            assert_eq!(pieces, whole);
        }
    }
}

//! UTF-8 that comes in pieces: refused with the first byte that cannot be right, as soon as it is there (RFC 6455, 8.1).

use crate::error::{Error, Result};

/// A character that has not come whole.
#[derive(Clone, Default)]
pub struct Text {
    begun: [u8; 4],
    have: usize,
}

const fn no_text() -> Error {
    Error::new(libc::EILSEQ)
}

impl Text {
    /// Takes the next piece.
    pub fn take(&mut self, mut piece: &[u8]) -> Result<()> {
        while self.have > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            self.begun[self.have] = byte;
            self.have += 1;
            match std::str::from_utf8(&self.begun[..self.have]) {
                Ok(_) => self.have = 0,
                Err(error) if error.error_len().is_some() => return Err(no_text()),
                Err(_) => {}
            }
        }
        let Err(error) = std::str::from_utf8(piece) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(no_text());
        }
        let rest = &piece[error.valid_up_to()..];
        self.begun[..rest.len()].copy_from_slice(rest);
        self.have = rest.len();
        Ok(())
    }

    /// The text ends here.
    pub fn end(&mut self) -> Result<()> {
        match std::mem::take(&mut self.have) {
            0 => Ok(()),
            _ => Err(no_text()),
        }
    }
}

/// A text that is there as a whole.
pub fn whole(text: &[u8]) -> Result<()> {
    std::str::from_utf8(text).map(drop).map_err(|_| no_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_of_a_text_is_the_same_text() {
        let text = "aé€😀z".as_bytes();
        for a in 0..=text.len() {
            for b in a..=text.len() {
                let mut state = Text::default();
                for piece in [&text[..a], &text[a..b], &text[b..]] {
                    state.take(piece).unwrap();
                }
                state.end().unwrap();
            }
        }
    }

    #[test]
    fn the_first_wrong_byte_is_refused() {
        for (good, bad) in [
            (&b"\xce\xba\xe1\xbd\xb9"[..], &b"\xed\xa0"[..]),
            (b"\xf4", b"\x90"),
            (b"\xe0", b"\x80"),
            (b"\xf0", b"\x8f"),
            (b"a", b"\xff"),
            (b"", b"\xc0"),
            (b"\xe2\x82", b"a"),
        ] {
            let mut state = Text::default();
            for byte in good {
                state.take(&[*byte]).unwrap();
            }
            assert!(state.take(bad).is_err(), "{good:x?} {bad:x?}");
        }
    }

    #[test]
    fn a_text_that_ends_in_the_middle_of_a_character_is_none() {
        let mut state = Text::default();
        state.take(b"\xf0\x9f\x98").unwrap();
        assert!(state.end().is_err());
    }
}

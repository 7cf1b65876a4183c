//! Bytes that nobody can foresee.

use crate::error::{Error, Result};

/// Fills `bytes`.
pub fn fill(bytes: &mut [u8]) -> Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        let rest = &mut bytes[done..];
        // SAFETY: the buffer is as long as said.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(got) {
            Ok(got) => done += got,
            Err(_) if Error::last().errno() == libc::EINTR => {}
            Err(_) => return Err(Error::last()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_filled_and_differs() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        super::fill(&mut a).unwrap();
        super::fill(&mut b).unwrap();
        assert!(a != b && a != [0; 32]);
    }
}

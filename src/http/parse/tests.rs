use super::*;

/// Numbers that look random, the same each time.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

fn read(bytes: &[u8]) -> Result<Option<usize>, u16> {
    let mut fields = Vec::new();
    match head(bytes, &Limits::default(), &mut fields) {
        Ok(found) => Ok(found.map(|(len, _)| len)),
        Err(Stop::Refused(refusal)) => Err(refusal.status),
        Err(Stop::Failed(_)) => panic!("out of memory"),
    }
}

const WHOLE: &[u8] =
    b"POST /a?b HTTP/1.1\r\nHost: h:80\r\nX-Y: \x80 z\t\r\nContent-Length: 5\r\nConnection: a,close\r\n\r\n";

#[test]
fn a_head_is_a_head_only_with_its_last_byte() {
    for end in 0..WHOLE.len() {
        assert_eq!(read(&WHOLE[..end]), Ok(None));
    }
    assert_eq!(read(WHOLE), Ok(Some(WHOLE.len())));
}

/// Whatever comes, nothing panics, and what is taken for a head ends its lines with CRLF and has no NUL.
#[test]
fn random_bytes_are_no_danger() {
    let mut dice = Dice(42);
    let some = b"\r\n \t:,\0\x7f\x80\xffaA0/*#?@[]HTP.;";
    let mut taken = 0;
    for round in 0..60_000 {
        let mut bytes = WHOLE.to_vec();
        for _ in 0..1 + dice.below(3) {
            let at = dice.below(bytes.len());
            match dice.below(3) {
                0 => bytes[at] = some[dice.below(some.len())],
                1 => bytes.insert(at, some[dice.below(some.len())]),
                _ => drop(bytes.remove(at)),
            }
        }
        if round % 3 == 0 {
            bytes = (0..dice.below(200)).map(|_| some[dice.below(some.len())]).collect();
        }
        if let Ok(Some(len)) = read(&bytes) {
            taken += 1;
            let head = &bytes[..len];
            assert!(head.ends_with(b"\r\n\r\n") && !head.contains(&0));
            assert!((0..len).all(|i| (head[i] == b'\n') == (i > 0 && head[i - 1] == b'\r')));
            // More bytes behind it change nothing.
            assert_eq!(read(&[head, b"\r\n x"].concat()), Ok(Some(len)));
        }
    }
    assert!(taken > 100, "{taken}");
}

#[test]
fn many_headers_find_room() {
    let lines = |n: usize| [b"GET / HTTP/1.1\r\nHost:a\r\n".as_slice(), &b"a:b\r\n".repeat(n - 1), b"\r\n"].concat();
    for n in [1, 63, 64, 65, 100] {
        assert_eq!(read(&lines(n)), Ok(Some(lines(n).len())), "{n}");
    }
    assert_eq!(read(&lines(101)), Err(431));
}

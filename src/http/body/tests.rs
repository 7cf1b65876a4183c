use super::*;

const CHUNKED: &[u8] = b"5;a=\"b\"\r\nhello\r\n00a\r\n0123456789\r\n0\r\nA: b\r\nC:\r\n\r\nrest";

fn whole(body: &mut Body, input: &[u8], piece: usize, room: usize) -> Result<(Vec<u8>, usize), Refusal> {
    let (mut data, mut at, mut end) = (Vec::new(), 0, piece.min(input.len()));
    let mut out = vec![0; room];
    while !body.is_done() {
        let (used, got) = body.decode(&input[at..end], Sink::Into(&mut out))?;
        assert!(got <= room && at + used <= end);
        data.extend_from_slice(&out[..got]);
        at += used;
        if used == 0 && got == 0 {
            if end == input.len() {
                break;
            }
            end = (end + piece).min(input.len());
        }
    }
    Ok((data, at))
}

#[test]
fn chunks_are_the_same_in_pieces_of_any_size() {
    for piece in 1..=CHUNKED.len() {
        for room in [1, 2, 7, 100] {
            let mut body = Body::new(Length::Chunked, &Limits::default());
            let (data, used) = whole(&mut body, CHUNKED, piece, room).unwrap();
            assert_eq!((data.as_slice(), used), (&b"hello0123456789"[..], CHUNKED.len() - 4));
        }
    }
}

#[test]
fn what_is_no_chunk_is_refused() {
    let limits = Limits { body: 100, head: 40, headers: 2, ..Limits::default() };
    let long = [b"1;".as_slice(), &[b'x'; EXTENSIONS + 1], b"\r\n"].concat();
    for (input, status) in [
        (&b"x\r\n"[..], 400),
        (b"\r\n", 400),
        (b";\r\n", 400),
        (b"-1\r\n", 400),
        (b"0x5\r\n", 400),
        (b"5 \r\n", 400),
        (b" 5\r\n", 400),
        (b"5\n", 400),
        (b"5\r\r\n", 400),
        (b"5\rx", 400),
        (b"5;a\nb\r\n", 400),
        (b"5;a\rb", 400),
        (b"5;a\0", 400),
        (b"00000000000000005\r\n", 400),
        (b"1\r\nab", 400),
        (b"1\r\na\n", 400),
        (b"1\r\na\r\r", 400),
        (b"0\r\n:x\r\n", 400),
        (b"0\r\n x\r\n", 400),
        (b"0\r\na b: c\r\n", 400),
        (b"0\r\na\r\n", 400),
        (b"0\r\na: \0\r\n", 400),
        (b"0\r\na: b\n\r\n", 400),
        (b"0\r\n\n", 400),
        (b"0\r\n\rx", 400),
        (&long, 400),
        (b"65\r\n", 413),
        (b"ffffffffffffffff\r\n", 413),
        (b"1\r\na\r\n64\r\n", 413),
        (b"0\r\na:b\r\na:b\r\na:b\r\n", 431),
        (b"0\r\na: 01234567890123456789012345678901234567890\r\n", 431),
    ] {
        for piece in 1..=input.len() {
            let got = whole(&mut Body::new(Length::Chunked, &limits), input, piece, 64).map(|_| ());
            assert_eq!(got.map_err(|r| r.status), Err(status), "{:?}", String::from_utf8_lossy(input));
        }
    }
}

#[test]
fn random_bytes_are_data_or_refused() {
    let mut dice = super::super::parse::tests::Dice(7);
    for _ in 0..20_000 {
        let mut input = CHUNKED.to_vec();
        for _ in 0..dice.below(4) {
            let at = dice.below(input.len());
            input[at] = b"\r\n 0;:\0xf"[dice.below(9)];
        }
        let piece = 1 + dice.below(input.len());
        let one = whole(&mut Body::new(Length::Chunked, &Limits::default()), &input, piece, 64);
        let other = whole(&mut Body::new(Length::Chunked, &Limits::default()), &input, input.len(), 3);
        assert_eq!(one.map_err(|r| r.status), other.map_err(|r| r.status), "{:?}", String::from_utf8_lossy(&input));
    }
}

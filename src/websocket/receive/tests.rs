//! What a receiver makes of bytes, however they are cut.

use super::super::{Role, Sender, Window, BINARY, PING, PONG};
use super::*;

const PLAIN: Options = Options { role: Role::Server, max: 1000, theirs: None, ours: None, level: 6 };
type Found = (u8, u16, Vec<u8>);

/// A frame as a client may send it, with the mask 1 2 3 4.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let head =
        Head { last: first & 0x80 != 0, compressed: false, opcode: first & 0xf, key, length: payload.len() as u64 };
    let mut out = Vec::new();
    head.write(true, &mut out);
    out[0] = first;
    let begin = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[begin..], key, 0);
    out
}

/// All events, and the error if there is one, when the bytes come in these pieces.
fn events(options: &Options, pieces: &[&[u8]]) -> (Vec<Found>, Option<Error>) {
    let (mut receiver, mut found) = (Receiver::new(options), Vec::new());
    for piece in pieces {
        receiver.feed(piece).unwrap();
        loop {
            match receiver.next() {
                Ok(Some(event)) => found.push((event.kind, event.code, event.data.to_vec())),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

fn at_once(options: &Options, bytes: &[u8]) -> (Vec<Found>, Option<Error>) {
    let whole = events(options, &[bytes]);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(events(options, &single), whole, "byte by byte");
    for cut in 1..bytes.len() {
        assert_eq!(events(options, &[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
    }
    whole
}

#[test]
fn messages_control_frames_and_pieces_come_out_in_order() {
    let bytes = [
        frame(0x81, b"hi"),
        frame(0x82, &[0xff; 300]),
        frame(0x01, "Grü".as_bytes()),
        frame(0x89, b"ping"),
        frame(0x00, b"\xc3"),
        frame(0x8a, b""),
        frame(0x80, b"\x9fe"),
        frame(0x81, b""),
        frame(0x88, b"\x03\xe8bye"),
        frame(0x81, b"too late"),
    ]
    .concat();
    let (found, error) = at_once(&PLAIN, &bytes);
    assert_eq!(error, None);
    assert_eq!(
        found,
        [
            (TEXT, 0, b"hi".to_vec()),
            (BINARY, 0, vec![0xff; 300]),
            (PING, 0, b"ping".to_vec()),
            (PONG, 0, vec![]),
            (TEXT, 0, "Grüße".as_bytes().to_vec()),
            (TEXT, 0, vec![]),
            (CLOSE, 1000, b"bye".to_vec()),
        ]
    );
}

#[test]
fn the_order_of_pieces_is_checked() {
    for wrong in [frame(0x80, b"x"), [frame(0x01, b"a"), frame(0x81, b"b")].concat()] {
        assert_eq!(at_once(&PLAIN, &wrong), (vec![], Some(broken())));
    }
}

#[test]
fn a_size_is_refused_before_anything_of_it_has_come() {
    let too_much = Some(Error::new(libc::EMSGSIZE));
    assert_eq!(at_once(&PLAIN, b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), (vec![], too_much));
    assert_eq!(at_once(&PLAIN, &frame(0x82, &[0; 1001])).1, too_much);
    assert_eq!(at_once(&PLAIN, &frame(0x82, &[0; 1000])).1, None);
    let pieces = [frame(0x02, &[0; 600]), frame(0x80, &[0; 401])].concat();
    assert_eq!(events(&PLAIN, &[&pieces]).1, too_much);
}

#[test]
fn closes_are_checked() {
    for (payload, code) in [(&b""[..], 1005), (b"\x03\xe8", 1000), (b"\x0b\xb8\xc3\xbc", 3000)] {
        let found = at_once(&PLAIN, &frame(0x88, payload));
        assert_eq!(found, (vec![(CLOSE, code, payload.get(2..).unwrap_or_default().to_vec())], None));
    }
    for payload in [&b"\x03"[..], b"\x03\xe7", b"\x03\xed", b"\x03\xee", b"\x03\xf7", b"\x07\xd0", b"\x13\x88", b"\0\0"]
    {
        assert_eq!(at_once(&PLAIN, &frame(0x88, payload)).1, Some(broken()), "{payload:x?}");
    }
    assert_eq!(at_once(&PLAIN, &frame(0x88, b"\x03\xe8\xff")).1, Some(Error::new(libc::EILSEQ)));
}

#[test]
fn text_fails_with_the_byte_that_is_wrong_although_more_is_to_come() {
    let whole = frame(0x81, b"ab\xffcdefgh");
    let mut receiver = Receiver::new(&PLAIN);
    receiver.feed(&whole[..6 + 2]).unwrap();
    assert_eq!(receiver.next(), Ok(None));
    receiver.feed(&whole[8..9]).unwrap();
    assert_eq!(receiver.next(), Err(Error::new(libc::EILSEQ)));
    assert_eq!(receiver.next(), Err(Error::new(libc::EILSEQ)), "it stays");
}

#[test]
fn what_a_sender_writes_is_received() {
    let mut seed = 42u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    for round in 0..60 {
        let window = (round % 3 > 0).then_some(Window { bits: 9 + round % 7, alone: round % 2 == 0 });
        let role = [Role::Server, Role::Client][random(2)];
        let theirs = if role == Role::Server { Role::Client } else { Role::Server };
        let options = Options { role, max: 200_000, theirs: window, ours: window, level: 1 + round as u32 % 9 };
        let (mut sender, mut sent) = (Sender::new(&options), Vec::new());
        for _ in 0..10 {
            let size = [0, 1, 125, 126, 1000, 65535, 65536, 150_000][random(8)];
            let data: Vec<u8> = (0..size).map(|i| b'a' + (i % (1 + random(20))) as u8 % 26).collect();
            let kind = [TEXT, BINARY, PING, PONG][random(4)];
            let data = if kind >= PING { data[..size.min(125)].to_vec() } else { data };
            sender.put(kind, &data).unwrap();
            sent.push((kind, 0, data));
        }
        let bytes = sender.output().to_vec();
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(rest.len().min(1 + random(40_000)));
            pieces.push(piece);
            rest = more;
        }
        let found = events(&Options { role: theirs, ..options }, &pieces);
        assert!(found == (sent, None), "round {round}");
        sender.written(bytes.len()).unwrap();
        assert!(sender.output().is_empty() && sender.written(1).is_err());
    }
}

#[test]
fn bytes_at_random_never_panic_and_are_cut_at_will() {
    let mut seed = 7u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 40) as u8
    };
    let window = Some(Window { bits: 15, alone: false });
    for round in 0..3000 {
        let mut bytes: Vec<u8> = (0..random() % 64).map(|_| random()).collect();
        if round % 2 == 0 {
            // A head that is right, so that the rest is looked at.
            let kinds = [0x81, 0x82, 0x01, 0x02, 0x80, 0xc1, 0x41, 0x89, 0x88];
            bytes = frame(kinds[random() as usize % kinds.len()], &bytes);
        }
        let options = Options { role: Role::Server, max: 100, theirs: window, ours: window, level: 6 };
        // Which of two faults is found first depends on the pieces.
        let fault = |(found, error): (Vec<Found>, Option<Error>)| (found, error.is_some());
        let whole = fault(events(&options, &[&bytes]));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(fault(events(&options, &single)), whole, "{bytes:x?}");
        let (a, b) = bytes.split_at(bytes.len() / 2);
        assert_eq!(fault(events(&options, &[a, b])), whole, "{bytes:x?}");
    }
}

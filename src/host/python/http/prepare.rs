//! From a status line and a list of headers to what the engine takes: a number, texts, and pointers into them.

use core::ffi::{c_char, c_int};
use core::ptr::null_mut;

use super::super::api::{api, drop_ref, new_ref, raise, type_of, Obj, Ssize};
use super::super::gt;

/// What start_response() was given, or any other beginning of an answer. Pointers go into the objects that are held.
#[derive(Default)]
pub struct Prepared {
    /// The number of the status; 0: nothing is prepared.
    code: c_int,
    reason: usize,
    fields: Vec<Field>,
    held: Vec<Obj>,
    /// The two arguments, while they have not been looked at in general.
    given: Option<(Obj, Obj)>,
    /// What the header Content-Length says, plus one; 0: it is not there, or says nothing that can be true.
    length: u64,
}

/// As `gt_http_header_t`, and of the same form in memory.
type Field = gt::HttpHeader;

/// How preparing ended.
#[derive(PartialEq, Eq)]
pub enum Outcome {
    /// It can be sent.
    Done,
    /// It is not as usual: somebody else has to look. No exception is set, and nothing is prepared.
    Unusual,
    /// A Python exception is set.
    Raised,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.forget();
    }
}

/// The bytes of a token (RFC 9110, 5.6.2).
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut index = 0;
    while index < marks.len() {
        table[marks[index] as usize] = true;
        index += 1;
    }
    table
};

/// The names whose headers are not the application's alone, or need a look, by their length.
fn needs_a_look(name: &[u8]) -> bool {
    let any = |known: &[&[u8]]| known.iter().any(|known| known.eq_ignore_ascii_case(name));
    match name.len() {
        2 => any(&[b"te"]),
        7 => any(&[b"trailer", b"upgrade"]),
        10 => any(&[b"connection", b"keep-alive"]),
        16 => any(&[b"proxy-connection"]),
        17 => any(&[b"transfer-encoding"]),
        _ => false,
    }
}

/// Printable ASCII, and tabs.
fn plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte == b'\t')
}

impl Prepared {
    /// Nothing is prepared any more.
    pub fn forget(&mut self) {
        self.code = 0;
        self.length = 0;
        self.fields.clear();
        // SAFETY: owned references; GIL held, as wherever this room runs. The list was emptied before: what is dropped may run code.
        unsafe {
            let mut held = core::mem::take(&mut self.held);
            let given = self.given.take();
            held.drain(..).for_each(|object| drop_ref(object));
            if self.held.is_empty() {
                self.held = held; // its memory
            }
            if let Some((status, headers)) = given {
                drop_ref(status);
                drop_ref(headers);
            }
        }
    }

    /// Is anything?
    pub fn is_ready(&self) -> bool {
        self.code != 0
    }

    /// The list that start_response() was given, for the collector; NULL for none.
    pub fn headers(&self) -> Obj {
        self.given.map_or(null_mut(), |(_, headers)| headers)
    }

    /// What Content-Length says, of what start_response() was given.
    pub fn length(&self) -> Option<u64> {
        self.length.checked_sub(1)
    }

    /// What start_response() was given, without the list of what was made of it. The references are the caller's.
    pub fn take(&mut self) -> Option<(Obj, Obj)> {
        let given = self.given.take();
        self.forget();
        given
    }

    /// Number, reason, headers and their count, for the engine. `close` adds the header that says so.
    pub fn told(&mut self, close: bool) -> (c_int, *const c_char, *const Field, usize) {
        if close {
            let (name, value) = (c"Connection", c"close");
            self.fields.push(Field { name: name.as_ptr(), name_len: 10, value: value.as_ptr(), value_len: 5 });
        }
        (self.code, self.reason as *const c_char, self.fields.as_ptr(), self.fields.len())
    }

    /// For the usual call: a str, and a list of pairs of str, all of printable ASCII, and no header that needs a look.
    ///
    /// # Safety
    /// GIL held; live objects.
    #[inline(always)]
    pub unsafe fn usual(&mut self, status: Obj, headers: Obj) -> Outcome {
        let api = api();
        // SAFETY: the caller's promise. Exact types only, so that no code runs; the texts of a str live as long as it does, and the str as
        // long as the tuple that is held.
        unsafe {
            if type_of(status) != api.unicode_type || type_of(headers) != api.list_type || self.is_ready() {
                return Outcome::Unusual;
            }
            let Some(line) = text(status) else { return Outcome::Unusual };
            let Some(code) = code_of(line).filter(|code| is_final(*code)) else { return Outcome::Unusual };
            for index in 0..(api.PyList_Size)(headers) {
                let pair = (api.PyList_GetItem)(headers, index);
                if type_of(pair) != api.tuple_type || (api.PyTuple_Size)(pair) != 2 {
                    return self.unusual();
                }
                let (name, value) = ((api.PyTuple_GetItem)(pair, 0), (api.PyTuple_GetItem)(pair, 1));
                let (Some(name), Some(value)) = (text(name), text(value)) else { return self.unusual() };
                let token = !name.is_empty() && name.iter().all(|byte| TOKEN[*byte as usize]);
                if !token || needs_a_look(name) || !plain(value) {
                    return self.unusual();
                }
                if name.len() == 14 && name.eq_ignore_ascii_case(b"content-length") {
                    self.length = number(value).map_or(0, |length| length + 1);
                }
                self.held.push(new_ref(pair));
                self.fields.push(field(name, value));
            }
            self.code = code;
            self.reason = line.as_ptr().add(4) as usize;
            self.given = Some((new_ref(status), new_ref(headers)));
        }
        Outcome::Done
    }

    fn unusual(&mut self) -> Outcome {
        self.forget();
        Outcome::Unusual
    }

    /// For any call: what cannot be sent is a ValueError or a TypeError. The engine checks the texts. `fits`: of the status.
    ///
    /// # Safety
    /// GIL held; live objects.
    pub unsafe fn any(&mut self, status: Obj, headers: Obj, fits: fn(c_int) -> bool) -> Outcome {
        let api = api();
        self.forget();
        // SAFETY: the caller's promise; what is made is held until forget(). Taking a sequence apart may run code: the instance is not
        // looked at meanwhile by anybody else, as it was moved out (HP2).
        unsafe {
            let line = self.latin(status);
            let Some(line) = line else { return Outcome::Raised };
            let Some(code) = code_of(line).filter(|code| fits(*code)) else {
                raise(api.PyExc_ValueError, c"a status is three digits and a reason, like 200 OK");
                return Outcome::Raised;
            };
            self.reason = line.as_ptr().add(4) as usize;
            let list = (api.PySequence_Tuple)(headers);
            if list.is_null() {
                return Outcome::Raised;
            }
            self.held.push(list);
            for index in 0..(api.PyTuple_Size)(list) {
                let pair = (api.PySequence_Tuple)((api.PyTuple_GetItem)(list, index));
                if pair.is_null() {
                    return Outcome::Raised;
                }
                self.held.push(pair);
                if (api.PyTuple_Size)(pair) != 2 {
                    raise(api.PyExc_TypeError, c"a header is a pair of str");
                    return Outcome::Raised;
                }
                let Some(name) = self.latin((api.PyTuple_GetItem)(pair, 0)) else { return Outcome::Raised };
                let Some(value) = self.latin((api.PyTuple_GetItem)(pair, 1)) else { return Outcome::Raised };
                self.fields.push(field(name, value));
            }
            self.code = code;
        }
        Outcome::Done
    }

    /// The latin-1 bytes of a str, held. None: a Python exception is set.
    unsafe fn latin<'a>(&mut self, object: Obj) -> Option<&'a [u8]> {
        let api = api();
        // SAFETY: GIL held; a live object. The bytes live as long as the object that is held.
        unsafe {
            if (api.PyObject_IsInstance)(object, api.unicode_type) != 1 {
                raise(api.PyExc_TypeError, c"a status and the names and values of headers are str");
                return None;
            }
            let bytes = (api.PyUnicode_AsLatin1String)(object);
            if bytes.is_null() {
                return None;
            }
            self.held.push(bytes);
            let length = (api.PyObject_Size)(bytes) as usize;
            Some(core::slice::from_raw_parts((api.PyBytes_AsString)(bytes).cast(), length))
        }
    }
}

fn field(name: &[u8], value: &[u8]) -> Field {
    Field { name: name.as_ptr().cast(), name_len: name.len(), value: value.as_ptr().cast(), value_len: value.len() }
}

/// The UTF-8 of an exact str, which ends in NUL; None for anything else.
#[inline(always)]
unsafe fn text<'a>(object: Obj) -> Option<&'a [u8]> {
    let api = api();
    // SAFETY: GIL held; a live object, which the caller keeps.
    unsafe {
        if type_of(object) != api.unicode_type {
            return None;
        }
        let mut length: Ssize = 0;
        let start = (api.PyUnicode_AsUTF8AndSize)(object, &mut length);
        if start.is_null() {
            (api.PyErr_Clear)();
            return None;
        }
        Some(core::slice::from_raw_parts(start.cast(), length as usize))
    }
}

/// A number of at most 18 digits, and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0, |sum: u64, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

/// Whether a status is that of an answer after which no other comes.
pub fn is_final(code: c_int) -> bool {
    code >= 200 || code == 101
}

/// The number of a status line "200 OK", of printable ASCII. Its reason begins at the fifth byte, and ends in NUL.
fn code_of(line: &[u8]) -> Option<c_int> {
    match line {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', reason @ ..] if plain(reason) => {
            let digit = |byte: &u8| c_int::from(byte - b'0');
            Some(digit(a) * 100 + digit(b) * 10 + digit(c))
        }
        _ => None,
    }
}

//! From a request to an environ.
//!
//! A client mostly says the same thing again. So each connection remembers the texts of its last request, and of a head that came twice in
//! the same bytes the whole environ; then a new environ is a copy of it.

use core::ffi::c_void;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::super::api::{api, drop_ref, Borrowed, New, Obj, PyObject, Ssize};
use super::super::gt;
use super::{open, Connection};

/// Heads longer than this are not remembered as a whole.
const LONGEST: usize = 2048;

/// A name or a value, with the object made of it.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    object: Option<Reference>,
}

/// An owned reference.
struct Reference(Obj);

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: owned; GIL held, as wherever this room runs. Only texts and environs are kept here.
        unsafe { drop_ref(self.0) };
    }
}

impl Text {
    /// The object for these bytes: the one of before, or one that `make` makes. NULL with a Python exception set, or where `make` said so.
    #[inline(always)]
    unsafe fn of(&mut self, bytes: &[u8], make: impl FnOnce(&[u8]) -> New) -> Borrowed {
        match &self.object {
            Some(kept) if self.bytes == bytes => kept.0,
            _ => {
                let made = make(bytes);
                self.bytes.clear();
                self.bytes.extend_from_slice(bytes);
                self.object = (!made.is_null()).then_some(Reference(made));
                made
            }
        }
    }
}

/// What a connection remembers of its last request.
#[derive(Default)]
pub struct Memory {
    method: Text,
    path: Text,
    query: Text,
    fields: Vec<(Text, Text)>,
    head: Vec<u8>,
    template: Option<Reference>,
    texts: Texts,
}

/// Where the engine has the texts of the present request that are asked for later; all zeroes: there is none.
#[derive(Clone, Copy, Default)]
pub struct Texts {
    target: (usize, usize),
    headers: usize,
    count: usize,
}

impl Memory {
    /// The environ that is copied; NULL for none.
    pub fn template(&self) -> Obj {
        self.template.as_ref().map_or(null_mut(), |kept| kept.0)
    }

    /// Nobody looks at the texts of the present request from now on: the engine is about to use their place (HP3).
    pub fn hide(&mut self) -> Texts {
        core::mem::take(&mut self.texts)
    }

    /// They are as they were.
    pub fn show(&mut self, texts: Texts) {
        self.texts = texts;
    }
}

/// Keys that every environ has, and header names that are in most requests, as CPython's interned texts.
macro_rules! keys {
    ($($index:ident = $text:literal),* $(,)?) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "the names are those of the keys")]
        #[derive(Clone, Copy)]
        enum Key { $($index),*, COUNT }
        static TEXTS: [&core::ffi::CStr; Key::COUNT as usize] = [$($text),*];
    };
}
keys!(
    REQUEST_METHOD = c"REQUEST_METHOD",
    PATH_INFO = c"PATH_INFO",
    QUERY_STRING = c"QUERY_STRING",
    SERVER_PROTOCOL = c"SERVER_PROTOCOL",
    SCRIPT_NAME = c"SCRIPT_NAME",
    HTTP_1_0 = c"HTTP/1.0",
    HTTP_1_1 = c"HTTP/1.1",
    EMPTY = c"",
    COMMA = c",",
    SEMICOLON = c"; ",
    HTTP_COOKIE = c"HTTP_COOKIE",
    HTTP_HOST = c"HTTP_HOST",
);
static KEYS: [AtomicPtr<PyObject>; Key::COUNT as usize] = [const { AtomicPtr::new(null_mut()) }; Key::COUNT as usize];

#[inline(always)]
fn key(key: Key) -> Borrowed {
    KEYS[key as usize].load(Ordering::Relaxed)
}

/// # Safety
/// GIL held; called once.
pub unsafe fn prepare() -> bool {
    // SAFETY: NUL-terminated constants.
    TEXTS.iter().zip(&KEYS).all(|(text, place)| unsafe {
        let made = (api().PyUnicode_InternFromString)(text.as_ptr());
        place.store(made, Ordering::Relaxed);
        !made.is_null()
    })
}

/// # Safety
/// Readable, or NULL with 0.
#[inline(always)]
unsafe fn slice<'a>(start: *const core::ffi::c_char, len: usize) -> &'a [u8] {
    match len {
        0 => &[],
        // SAFETY: the caller's promise.
        _ => unsafe { core::slice::from_raw_parts(start.cast(), len) },
    }
}

/// A str of bytes, one character each.
fn latin(bytes: &[u8]) -> New {
    // SAFETY: readable; GIL held, as wherever this room runs.
    unsafe { (api().PyUnicode_DecodeLatin1)(bytes.as_ptr().cast(), bytes.len() as Ssize, core::ptr::null()) }
}

/// A path without its %XX. What is no such thing stays.
fn decoded(path: &[u8]) -> New {
    if !path.contains(&b'%') {
        return latin(path);
    }
    let digit = |at: usize| path.get(at).and_then(|byte| (*byte as char).to_digit(16));
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        match (path[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    latin(&out)
}

/// The key of a header, NULL when it is left out: with an underscore it would pass for another one, and `Proxy` for a variable that
/// programs read from their environment.
fn key_of(name: &[u8]) -> New {
    if name.contains(&b'_') || name.eq_ignore_ascii_case(b"proxy") {
        return null_mut();
    }
    let bare = name.eq_ignore_ascii_case(b"content-type") || name.eq_ignore_ascii_case(b"content-length");
    let mut text = Vec::with_capacity(name.len() + 6);
    if !bare {
        text.extend_from_slice(b"HTTP_");
    }
    text.extend(name.iter().map(|byte| if *byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }));
    text.push(0);
    // Names that programs ask for are interned, so that they find them quickly. Those of strangers are not: they might stay for ever.
    let common = matches!(name.len(), 4 | 6 | 7 | 10 | 12 | 13 | 14 | 15 | 16)
        && COMMON.iter().any(|known| known.eq_ignore_ascii_case(name));
    if common {
        // SAFETY: NUL-terminated; GIL held, as wherever this room runs.
        return unsafe { (api().PyUnicode_InternFromString)(text.as_ptr().cast()) };
    }
    latin(&text[..text.len() - 1])
}

const COMMON: [&[u8]; 16] = [
    b"host",
    b"accept",
    b"cookie",
    b"origin",
    b"referer",
    b"upgrade",
    b"connection",
    b"user-agent",
    b"content-type",
    b"authorization",
    b"cache-control",
    b"content-length",
    b"accept-encoding",
    b"accept-language",
    b"x-forwarded-for",
    b"x-requested-with",
];

/// A fresh environ for the request; NULL with a Python exception set.
///
/// # Safety
/// GIL held; an open connection whose engine has just given out `request`.
pub unsafe fn of(me: *mut Connection, request: &gt::HttpRequest) -> New {
    // SAFETY: HP3. Nothing here switches: texts are made, and a dict of texts is filled.
    unsafe {
        let memory = &mut *(*me).memory;
        memory.texts = Texts {
            target: (request.target as usize, request.target_len),
            headers: request.headers as usize,
            count: request.header_count,
        };
        let head = whole(request);
        let again = !head.is_empty() && memory.head == head;
        if again {
            let template = memory.template();
            if !template.is_null() {
                return (api().PyDict_Copy)(template);
            }
        } else {
            memory.template = None;
            memory.head.clear();
            memory.head.extend_from_slice(head);
        }
        let dict = (api().PyDict_Copy)((*me).environ);
        if dict.is_null() || !fill(dict, memory, request) {
            drop_ref(dict);
            return null_mut();
        }
        if again {
            let copy = (api().PyDict_Copy)(dict);
            if copy.is_null() {
                drop_ref(dict);
                return null_mut();
            }
            memory.template = Some(Reference(copy));
        }
        dict
    }
}

/// The bytes of the head, from its method to the end of its last value: they lie one after the other. Nothing for long ones, and
/// for one without headers.
unsafe fn whole(request: &gt::HttpRequest) -> &[u8] {
    // SAFETY: HP3.
    unsafe {
        if request.header_count == 0 {
            return &[];
        }
        let last = &*request.headers.add(request.header_count - 1);
        match (last.value as usize + last.value_len).checked_sub(request.method as usize) {
            Some(length) if length <= LONGEST => core::slice::from_raw_parts(request.method.cast(), length),
            _ => &[],
        }
    }
}

/// Puts what a request says into a dict. False: a Python exception is set.
unsafe fn fill(dict: Obj, memory: &mut Memory, request: &gt::HttpRequest) -> bool {
    let api = api();
    // SAFETY: HP3; GIL held.
    unsafe {
        let put = |key: Obj, value: Obj| !value.is_null() && (api.PyDict_SetItem)(dict, key, value) == 0;
        let protocol = if request.minor == 0 { Key::HTTP_1_0 } else { Key::HTTP_1_1 };
        let query = match request.query_len {
            0 => key(Key::EMPTY),
            len => memory.query.of(slice(request.query, len), latin),
        };
        if !put(key(Key::REQUEST_METHOD), memory.method.of(slice(request.method, request.method_len), latin))
            || !put(key(Key::SCRIPT_NAME), key(Key::EMPTY))
            || !put(key(Key::PATH_INFO), memory.path.of(slice(request.path, request.path_len), decoded))
            || !put(key(Key::QUERY_STRING), query)
            || !put(key(Key::SERVER_PROTOCOL), key(protocol))
        {
            return false;
        }
        let count = request.header_count;
        memory.fields.resize_with(count.max(memory.fields.len().min(32)), Default::default);
        // Which kinds of names were seen: only of those one may have come before.
        let mut seen = 0u64;
        for index in 0..count {
            let header = &*request.headers.add(index);
            let (name_text, value_text) = &mut memory.fields[index];
            let name = slice(header.name, header.name_len);
            let name_object = name_text.of(name, key_of);
            if name_object.is_null() {
                if !(api.PyErr_Occurred)().is_null() {
                    return false;
                }
                continue;
            }
            let mut value = slice(header.value, header.value_len);
            if name_object == key(Key::HTTP_HOST) && request.host_len > 0 {
                value = slice(request.host, request.host_len); // a target that names the host is right
            }
            let value_object = value_text.of(value, latin);
            let kind = 1u64
                << ((name.len() * 7 + usize::from(name[0] & 0x1f) * 3 + usize::from(name[name.len() - 1] & 0x1f)) & 63);
            if seen & kind != 0 {
                if !put_again(dict, name_object, value_object) {
                    return false;
                }
            } else if !put(name_object, value_object) {
                return false;
            }
            seen |= kind;
        }
    }
    true
}

/// As PyDict_SetItem, for a header that may have come before: both values, in one.
#[cold]
unsafe fn put_again(dict: Obj, name: Obj, value: Obj) -> bool {
    let api = api();
    // SAFETY: GIL held; live objects, or NULL with an exception set.
    unsafe {
        if value.is_null() {
            return false;
        }
        let old = (api.PyDict_GetItemWithError)(dict, name);
        if old.is_null() {
            return (api.PyErr_Occurred)().is_null() && (api.PyDict_SetItem)(dict, name, value) == 0;
        }
        let mut length = 0;
        let text = (api.PyUnicode_AsUTF8AndSize)(name, &mut length);
        if !text.is_null() && slice(text, length as usize).starts_with(b"CONTENT_") {
            return (api.PyDict_SetItem)(dict, name, value) == 0;
        }
        // RFC 6265, 5.4: cookies are put together otherwise.
        let between = if name == key(Key::HTTP_COOKIE) { key(Key::SEMICOLON) } else { key(Key::COMMA) };
        let first = (api.PyUnicode_Concat)(old, between);
        let both = if first.is_null() { first } else { (api.PyUnicode_Concat)(first, value) };
        let fine = !both.is_null() && (api.PyDict_SetItem)(dict, name, both) == 0;
        drop_ref(first);
        drop_ref(both);
        fine
    }
}

/// `target`: what stands between the method and the version.
///
/// # Safety
/// Called by CPython on a connection.
pub unsafe extern "C" fn target(this: Obj, _closure: *mut c_void) -> New {
    // SAFETY: HP3: the engine has not been asked for another request since.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        let (start, len) = (*(*me).memory).texts.target;
        latin(slice(start as *const core::ffi::c_char, len))
    }
}

/// `headers()`: the headers of the present request as they came.
///
/// # Safety
/// Called by CPython on a connection.
pub unsafe extern "C" fn headers(this: Obj, _unused: Obj) -> New {
    let api = api();
    // SAFETY: HP3: the engine has not been asked for another request since.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        let list = (api.PyList_New)(0);
        let Texts { headers, count, .. } = (*(*me).memory).texts;
        let start = headers as *const gt::HttpHeader;
        for index in 0..count {
            if list.is_null() {
                break;
            }
            let header = &*start.add(index);
            let name = latin(slice(header.name, header.name_len));
            let value = latin(slice(header.value, header.value_len));
            let pair = super::super::patch::values::pack(&[name, value]);
            if pair.is_null() || (api.PyList_Append)(list, pair) < 0 {
                drop_ref(pair);
                drop_ref(list);
                return null_mut();
            }
            drop_ref(pair);
        }
        list
    }
}

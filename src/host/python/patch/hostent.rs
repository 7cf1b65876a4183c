//! gethostbyname(3) and gethostbyaddr(3), the reentrant forms, on a thread of the runtime's pool.
//!
//! The question goes to the job, the answer comes back in a place that both hold: a task that is interrupted leaves, and
//! the job puts its answer where nobody looks.

use super::super::api::{api, drop_ref, raise_errno, New};
use super::super::gt;
use super::names::{answered, numeric, raise_h};
use super::values::pack;
use core::ffi::{c_char, c_int, c_void, CStr};
use std::ffi::CString;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// As large as CPython's own.
const ROOM: usize = 16384 - 1;

/// What is asked.
pub enum Question {
    /// The addresses of a name (IPv4).
    Name(CString),
    /// The name of an address.
    Address(IpAddr),
}

/// What came back.
enum Answer {
    /// `h_errno`
    Failed(c_int),
    Found {
        family: c_int,
        name: CString,
        aliases: Vec<CString>,
        addresses: Vec<[u8; 16]>,
    },
}

type Place = Arc<Mutex<Option<Answer>>>;

struct Job {
    question: Question,
    place: Place,
}

extern "C" {
    fn gethostbyname_r(
        name: *const c_char,
        entry: *mut libc::hostent,
        room: *mut c_char,
        size: usize,
        found: *mut *mut libc::hostent,
        code: *mut c_int,
    ) -> c_int;
    fn gethostbyaddr_r(
        address: *const c_void,
        size: libc::socklen_t,
        family: c_int,
        entry: *mut libc::hostent,
        room: *mut c_char,
        size: usize,
        found: *mut *mut libc::hostent,
        code: *mut c_int,
    ) -> c_int;
}

/// The texts or addresses of a list that ends in NULL.
///
/// # Safety
/// Such a list, or NULL.
unsafe fn each<T>(list: *mut *mut c_char, make: impl Fn(*mut c_char) -> T) -> Vec<T> {
    let mut all = Vec::new();
    // SAFETY: the caller's promise.
    unsafe {
        let mut at = list;
        while !at.is_null() && !(*at).is_null() {
            all.push(make(*at));
            at = at.add(1);
        }
    }
    all
}

fn ask(question: &Question) -> Answer {
    // SAFETY: an all-zero hostent is one; the room and the places outlive the call; results are copied before they go.
    unsafe {
        let mut entry: libc::hostent = core::mem::zeroed();
        let mut room = vec![0 as c_char; ROOM];
        let (mut found, mut code) = (core::ptr::null_mut(), 0);
        match question {
            Question::Name(name) => {
                gethostbyname_r(name.as_ptr(), &mut entry, room.as_mut_ptr(), ROOM, &mut found, &mut code);
            }
            Question::Address(address) => {
                let mut bytes = [0u8; 16];
                let (family, size) = match address {
                    IpAddr::V4(four) => {
                        bytes[..4].copy_from_slice(&four.octets());
                        (libc::AF_INET, 4)
                    }
                    IpAddr::V6(six) => {
                        bytes = six.octets();
                        (libc::AF_INET6, 16)
                    }
                };
                let start = bytes.as_ptr().cast();
                let room = room.as_mut_ptr();
                gethostbyaddr_r(start, size, family, &mut entry, room, ROOM, &mut found, &mut code);
            }
        }
        let Some(found) = found.as_ref() else { return Answer::Failed(code) };
        let size = (found.h_length as usize).min(16);
        Answer::Found {
            family: found.h_addrtype,
            name: CStr::from_ptr(found.h_name).to_owned(),
            aliases: each(found.h_aliases, |text| CStr::from_ptr(text).to_owned()),
            addresses: each(found.h_addr_list, |start| {
                let mut bytes = [0u8; 16];
                core::ptr::copy_nonoverlapping(start.cast::<u8>(), bytes.as_mut_ptr(), size);
                bytes
            }),
        }
    }
}

/// On the pool's thread: no GIL, no Python.
unsafe extern "C" fn work(job: *mut c_void) -> i64 {
    // SAFETY: the job is kept until `release`.
    let job = unsafe { &*job.cast::<Job>() };
    let answer = ask(&job.question);
    *job.place.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(answer);
    0
}

unsafe extern "C" fn release(job: *mut c_void) {
    // SAFETY: made by `look_up`, released once.
    drop(unsafe { Box::from_raw(job.cast::<Job>()) });
}

/// One address as text.
unsafe fn text(family: c_int, bytes: &[u8; 16]) -> New {
    // SAFETY: GIL held by the caller; an all-zero address of either family is valid.
    unsafe {
        if family == libc::AF_INET {
            let mut four: libc::sockaddr_in = core::mem::zeroed();
            four.sin_family = family as libc::sa_family_t;
            four.sin_addr.s_addr = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            return numeric((&raw const four).cast());
        }
        let mut six: libc::sockaddr_in6 = core::mem::zeroed();
        six.sin6_family = family as libc::sa_family_t;
        six.sin6_addr.s6_addr = *bytes;
        numeric((&raw const six).cast())
    }
}

/// A list of new references (taken over). NULL when one of them is.
unsafe fn list(parts: impl Iterator<Item = New>) -> New {
    let api = api();
    // SAFETY: GIL held by the caller; owned references.
    unsafe {
        let list = (api.PyList_New)(0);
        for part in parts {
            let fine = !list.is_null() && !part.is_null() && (api.PyList_Append)(list, part) == 0;
            drop_ref(part);
            if !fine {
                drop_ref(list);
                return core::ptr::null_mut();
            }
        }
        list
    }
}

/// Asks and shows the answer: `(name, aliases, addresses)`, or `socket.herror`.
///
/// # Safety
/// GIL held, on a task. May switch.
pub unsafe fn look_up(question: Question, family: c_int) -> New {
    let api = api();
    let place: Place = Arc::new(Mutex::new(None));
    let again = |question: &Question| match question {
        Question::Name(name) => Question::Name(name.clone()),
        Question::Address(address) => Question::Address(*address),
    };
    // SAFETY: each job owns its question and a hold on the place; GIL held by the caller.
    unsafe {
        let fine = answered(|| {
            let job = Box::new(Job { question: again(&question), place: place.clone() });
            (gt::gt_offload_owned(Some(work), Box::into_raw(job).cast(), Some(release)), 0)
        });
        if !fine {
            return core::ptr::null_mut();
        }
        let answer = place.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        match answer {
            None => raise_errno(-i64::from(libc::EIO)),
            Some(Answer::Failed(code)) => raise_h(code),
            Some(Answer::Found { family: theirs, .. }) if theirs != family => {
                raise_errno(-i64::from(libc::EAFNOSUPPORT))
            }
            Some(Answer::Found { name, aliases, addresses, .. }) => pack(&[
                (api.PyUnicode_DecodeFSDefault)(name.as_ptr()),
                list(aliases.iter().map(|alias| (api.PyUnicode_FromString)(alias.as_ptr()))),
                list(addresses.iter().map(|bytes| text(family, bytes))),
            ]),
        }
    }
}

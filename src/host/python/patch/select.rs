//! `select.select`, `poll` and `epoll` objects: CPython's own functions are asked with no timeout before and after a
//! wait of the task, so that arguments, errors and results are theirs.

use super::super::api::{api, drop_ref, new_ref, raise_errno, type_of, New, Obj};
use super::super::gt::{self, NEVER};
use super::super::host;
use super::call::{apply, Args};
use super::seconds::{from_now, millis, seconds, Span};
use super::shapes::{self, read};
use super::time::{give_way, until_answered, yield_shielded, Waited};
use super::values::pack;
use core::ffi::c_int;

/// `(timeout argument or NULL)` to a deadline; `None` where CPython's own function must say what is wrong. A negative time
/// waits for ever in poll and epoll, and is an error in select.
unsafe fn deadline(timeout: Obj, unit: unsafe fn(Obj) -> Span, negative: Option<i64>) -> Option<i64> {
    // SAFETY: a live object; GIL held by the caller.
    unsafe {
        if timeout.is_null() || timeout == api().none {
            return Some(NEVER);
        }
        match unit(timeout) {
            Span::Nanos(0) => Some(0),
            // poll and epoll count milliseconds in an int, and say so.
            Span::Nanos(nanos) if negative.is_some() && nanos / 1_000_000 > i64::from(c_int::MAX) => None,
            Span::Nanos(nanos) => Some(from_now(nanos)),
            Span::Negative => negative,
            Span::Bad => None,
        }
    }
}

/// Asks, waits, asks again, until `ready` says that the answer is one or the deadline has come.
///
/// `ask` calls CPython's function with no timeout; `wait` parks until something may have changed.
unsafe fn ask_and_wait(
    deadline: i64,
    ask: &dyn Fn() -> New,
    ready: &dyn Fn(Obj) -> bool,
    wait: &mut dyn FnMut() -> i64,
) -> New {
    // SAFETY: GIL held by the caller; results are owned.
    unsafe {
        if deadline == 0 {
            if !give_way() {
                return core::ptr::null_mut();
            }
        } else {
            // Who always finds something to do here is an event loop, and tasks that it has started have their turn.
            yield_shielded();
        }
        let mut last = false;
        let mut failed = 0;
        loop {
            let answer = ask();
            if answer.is_null() || last || deadline == 0 || ready(answer) {
                return answer;
            }
            drop_ref(answer);
            if failed < 0 {
                return raise_errno(failed);
            }
            match until_answered(&mut *wait) {
                Waited::Raised => return core::ptr::null_mut(),
                Waited::TimedOut => last = true,
                // A descriptor that cannot be waited for is CPython's to complain about, in its next answer.
                Waited::Done(rc) => failed = rc.min(0),
            }
        }
    }
}

unsafe fn length(list: Obj) -> isize {
    // SAFETY: CPython's functions answer with lists.
    unsafe { (api().PyList_Size)(list) }
}

/// A list or tuple as it is (it may change while its `fileno` methods run, and CPython looks then); anything else, which
/// can perhaps be read only once, as a tuple. NULL with an exception set when it is not a sequence.
unsafe fn keep(sequence: Obj) -> New {
    /// Py_TPFLAGS_LIST_SUBCLASS and Py_TPFLAGS_TUPLE_SUBCLASS
    const LIST_OR_TUPLE: core::ffi::c_ulong = 1 << 25 | 1 << 26;
    // SAFETY: a live object.
    unsafe {
        if (api().PyType_GetFlags)(type_of(sequence)) & LIST_OR_TUPLE != 0 {
            return new_ref(sequence);
        }
        (api().PySequence_Tuple)(sequence)
    }
}

/// The descriptors of one of select's sequences, with the events that stand for it. False with an exception set.
unsafe fn gather(sequence: Obj, events: i16, into: &mut Vec<libc::pollfd>) -> bool {
    let api = api();
    // SAFETY: a tuple of our own.
    unsafe {
        let copy = (api.PySequence_Tuple)(sequence);
        if copy.is_null() {
            return false;
        }
        let fine = (0..(api.PyTuple_Size)(copy)).all(|index| {
            let fd = (api.PyObject_AsFileDescriptor)((api.PyTuple_GetItem)(copy, index));
            into.push(libc::pollfd { fd, events, revents: 0 });
            fd >= 0
        });
        drop_ref(copy);
        fine
    }
}

/// What select(2) makes of poll(2)'s answers, for its three lists (its manual page, "Correspondence between select() and
/// poll() notifications").
const KINDS: [(i16, i16); 3] = [
    (libc::POLLIN, libc::POLLIN | libc::POLLHUP | libc::POLLERR),
    (libc::POLLOUT, libc::POLLOUT | libc::POLLERR),
    (libc::POLLPRI, libc::POLLPRI),
];

/// CPython refuses what does not fit into an `fd_set`: more than 1,024 descriptors, or one of 1,024 and more. Tasks have that
/// many, so then poll(2) is asked. To be called with the exception set that CPython's function raised; NULL with one set.
unsafe fn beyond(lists: &[New; 3]) -> New {
    let api = api();
    // SAFETY: GIL held by the caller; the lists are live, and answers are ours.
    unsafe {
        if (api.PyErr_ExceptionMatches)(api.PyExc_ValueError) == 0 {
            return core::ptr::null_mut();
        }
        let (mut kind, mut value, mut trace) = (core::ptr::null_mut(), core::ptr::null_mut(), core::ptr::null_mut());
        (api.PyErr_Fetch)(&mut kind, &mut value, &mut trace);
        let mut entries = Vec::new();
        let copies = lists.map(|list| (api.PySequence_Tuple)(list));
        let fine =
            copies.iter().zip(KINDS).all(|(copy, (events, _))| !copy.is_null() && gather(*copy, events, &mut entries));
        let large =
            entries.len() > libc::FD_SETSIZE || entries.iter().any(|entry| entry.fd >= libc::FD_SETSIZE as c_int);
        if !fine || !large {
            // It was something else, a `fileno` method perhaps.
            (api.PyErr_Restore)(kind, value, trace);
            copies.iter().for_each(|copy| drop_ref(*copy));
            return core::ptr::null_mut();
        }
        [kind, value, trace].iter().for_each(|part| drop_ref(*part));
        let found = libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, 0);
        let closed = entries.iter().any(|entry| entry.revents & libc::POLLNVAL != 0);
        let answer = if found < 0 || closed {
            raise_errno(if closed { -i64::from(libc::EBADF) } else { -i64::from(*libc::__errno_location()) })
        } else {
            let mut at = entries.iter();
            pack(&[0, 1, 2].map(|kind: usize| {
                let (copy, list) = (copies[kind], (api.PyList_New)(0));
                for index in 0..(api.PyTuple_Size)(copy) {
                    let hit = at.next().is_some_and(|entry| entry.revents & KINDS[kind].1 != 0);
                    if hit && !list.is_null() {
                        (api.PyList_Append)(list, (api.PyTuple_GetItem)(copy, index));
                    }
                }
                list
            }))
        };
        copies.iter().for_each(|copy| drop_ref(*copy));
        answer
    }
}

/// `select(rlist, wlist, xlist, timeout=None)`; descriptors may be as many and as large as there are.
///
/// # Safety
/// Called by CPython.
pub unsafe fn select(args: &Args) -> New {
    let api = api();
    // SAFETY: the arguments are the caller's; ours are owned.
    unsafe {
        if !host::home() || !(3..=4).contains(&args.positional()) || args.keywords() != 0 {
            return args.original();
        }
        let Some(deadline) = deadline(args.at(3), seconds, None) else { return args.original() };
        let lists = [0, 1, 2].map(|index| keep(args.at(index)));
        if lists.iter().any(|list| list.is_null()) {
            (api.PyErr_Clear)();
            lists.iter().for_each(|list| drop_ref(*list));
            return args.original();
        }
        let zero = (api.PyLong_FromLong)(0);
        let arguments = pack(&[new_ref(lists[0]), new_ref(lists[1]), new_ref(lists[2]), zero]);
        let mut entries = Vec::new();
        let result = if arguments.is_null() {
            core::ptr::null_mut()
        } else {
            ask_and_wait(
                deadline,
                &|| match apply(args.row, args.this, arguments, None) {
                    answer if answer.is_null() => beyond(&lists),
                    answer => answer,
                },
                &|answer| (0..3).any(|index| length((api.PyTuple_GetItem)(answer, index)) != 0),
                &mut || {
                    entries.clear();
                    let fine = lists.iter().zip(KINDS).all(|(list, (events, _))| gather(*list, events, &mut entries));
                    if !fine {
                        // The next question raises what is wrong.
                        (api.PyErr_Clear)();
                        return 0;
                    }
                    gt::gt_poll_until(entries.as_mut_ptr(), entries.len() as libc::nfds_t, deadline).into()
                },
            )
        };
        drop_ref(arguments);
        lists.iter().for_each(|list| drop_ref(*list));
        result
    }
}

/// `poll.poll(timeout=None)`, in milliseconds.
///
/// # Safety
/// Called by CPython on a poll object.
pub unsafe fn poll(args: &Args) -> New {
    let api = api();
    let object = args.this;
    // SAFETY: PS1: after a poll the array is the one of the registered descriptors; it is copied before any switch.
    unsafe {
        if !host::home() || args.positional() > 1 || args.keywords() != 0 {
            return args.original();
        }
        let Some(deadline) = deadline(args.at(0), millis, Some(NEVER)) else { return args.original() };
        let arguments = pack(&[(api.PyLong_FromLong)(0)]);
        if arguments.is_null() {
            return arguments;
        }
        let mut entries: Vec<libc::pollfd> = Vec::new();
        let result = ask_and_wait(
            deadline,
            &|| apply(args.row, object, arguments, None),
            &|answer| length(answer) != 0,
            &mut || {
                let shape = shapes::poll();
                let array: *const libc::pollfd = read(object, shape.entries);
                let count = read::<c_int>(object, shape.count).max(0) as usize;
                entries.clear();
                if count > 0 && !array.is_null() {
                    entries.extend_from_slice(core::slice::from_raw_parts(array, count));
                }
                gt::gt_poll_until(entries.as_mut_ptr(), entries.len() as libc::nfds_t, deadline).into()
            },
        );
        drop_ref(arguments);
        result
    }
}

/// `epoll.poll(timeout=None, maxevents=-1)`, in seconds. The epoll descriptor itself becomes readable when one of its
/// own is ready.
///
/// # Safety
/// Called by CPython on an epoll object.
pub unsafe fn epoll(args: &Args) -> New {
    let api = api();
    // SAFETY: the arguments are the caller's; ours are owned.
    unsafe {
        let mut given = [core::ptr::null_mut(); 2];
        if !host::home() || !args.bind(&[c"timeout", c"maxevents"], &mut given) {
            return args.original();
        }
        let [timeout, most] = given;
        let Some(deadline) = deadline(timeout, seconds, Some(NEVER)) else { return args.original() };
        let most = if most.is_null() { (api.PyLong_FromLong)(-1) } else { new_ref(most) };
        let arguments = pack(&[(api.PyLong_FromLong)(0), most]);
        if arguments.is_null() {
            return arguments;
        }
        let result = ask_and_wait(
            deadline,
            &|| apply(args.row, args.this, arguments, None),
            &|answer| length(answer) != 0,
            &mut || {
                let fd = (api.PyObject_AsFileDescriptor)(args.this);
                if fd < 0 {
                    (api.PyErr_Clear)();
                    return 0;
                }
                gt::gt_wait_fd_until(fd, libc::POLLIN.into(), deadline).into()
            },
        );
        drop_ref(arguments);
        result
    }
}

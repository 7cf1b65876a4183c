//! Where the fields are that the replacements read and write in CPython's lock, RLock, socket and poll objects.
//!
//! CPython gives no function for these fields, and headers are not at hand. Each offset is found on specimens that were made with
//! known values, by looking for those values; more specimens confirm that the field follows its value. A type whose fields are not
//! found so is refused, by name.
//!
//! Invariants:
//! PS1. An offset in [`Shapes`] was seen to hold its field on this very interpreter.
//! PS2. Fields are read and written with the GIL held (CPython's own rule for them).

use super::super::api::{api, drop_ref, type_of, New, Obj};
use super::layout::peek_words;
use super::values::pack;
use core::ffi::{c_int, c_void, CStr};
use core::sync::atomic::{AtomicPtr, Ordering};

/// Offsets within `_thread.lock`.
#[derive(Clone, Copy, Debug)]
pub struct LockShape {
    /// `PyThread_type_lock`
    pub inner: usize,
    /// `char`: taken or not
    pub taken: usize,
    /// list of weak references, 0 when the type has none
    pub weak: usize,
}

/// Offsets within `_thread.RLock`.
#[derive(Clone, Copy, Debug)]
pub struct RLockShape {
    /// `PyThread_type_lock`
    pub inner: usize,
    /// `unsigned long`: ident of the owner
    pub owner: usize,
    /// `unsigned long`: how often it holds
    pub count: usize,
}

/// Offsets within `_socket.socket`.
#[derive(Clone, Copy, Debug)]
pub struct SocketShape {
    /// `int`
    pub fd: usize,
    /// `int`
    pub family: usize,
    /// `int`
    pub kind: usize,
    /// `int64_t` nanoseconds, negative for none
    pub timeout: usize,
    /// size of an instance of `_socket.socket` itself
    pub size: usize,
    /// the type itself (kept alive)
    pub class: Obj,
}

/// Offsets within a `select.poll` object.
#[derive(Clone, Copy, Debug)]
pub struct PollShape {
    /// `int`: entries in the array
    pub count: usize,
    /// `struct pollfd *`
    pub entries: usize,
}

/// Offsets within `_io.FileIO`, and bits of its flags.
#[derive(Clone, Copy, Debug)]
pub struct FileShape {
    /// `int`
    pub fd: usize,
    /// the word of flags
    pub flags: usize,
    /// it may be read
    pub readable: u32,
    /// it may be written
    pub writable: u32,
    /// it can seek, unless `unsure`
    pub seeks: u32,
    /// nobody has asked yet whether it can seek
    pub unsure: u32,
}

/// Reads a field.
///
/// # Safety
/// PS1, PS2: `offset` is the field's, of type `T`, in this object.
#[inline(always)]
pub unsafe fn read<T: Copy>(object: Obj, offset: usize) -> T {
    // SAFETY: the caller's promise.
    unsafe { *object.cast::<u8>().add(offset).cast::<T>() }
}

/// Writes a field.
///
/// # Safety
/// As [`read`].
#[inline(always)]
pub unsafe fn write<T: Copy>(object: Obj, offset: usize, value: T) {
    // SAFETY: the caller's promise.
    unsafe { *object.cast::<u8>().add(offset).cast::<T>() = value }
}

static LOCK: AtomicPtr<LockShape> = AtomicPtr::new(core::ptr::null_mut());
static RLOCK: AtomicPtr<RLockShape> = AtomicPtr::new(core::ptr::null_mut());
static SOCKET: AtomicPtr<SocketShape> = AtomicPtr::new(core::ptr::null_mut());
static POLL: AtomicPtr<PollShape> = AtomicPtr::new(core::ptr::null_mut());
static FILE: AtomicPtr<FileShape> = AtomicPtr::new(core::ptr::null_mut());

/// The verified shape. Only replacements ask, and those are written after the shape was found.
#[inline(always)]
pub fn lock() -> &'static LockShape {
    // SAFETY: set before any replacement that asks is in place, never freed.
    unsafe { &*LOCK.load(Ordering::Relaxed) }
}

/// As [`lock`].
#[inline(always)]
pub fn rlock() -> &'static RLockShape {
    // SAFETY: as in `lock`.
    unsafe { &*RLOCK.load(Ordering::Relaxed) }
}

/// As [`lock`].
#[inline(always)]
pub fn socket() -> &'static SocketShape {
    // SAFETY: as in `lock`.
    unsafe { &*SOCKET.load(Ordering::Relaxed) }
}

/// As [`lock`].
#[inline(always)]
pub fn poll() -> &'static PollShape {
    // SAFETY: as in `lock`.
    unsafe { &*POLL.load(Ordering::Relaxed) }
}

/// As [`lock`].
#[inline(always)]
pub fn file() -> &'static FileShape {
    // SAFETY: as in `lock`.
    unsafe { &*FILE.load(Ordering::Relaxed) }
}

fn keep<T>(place: &AtomicPtr<T>, shape: T) {
    place.store(Box::into_raw(Box::new(shape)), Ordering::Release);
}

/// `object.name(*arguments)`, consuming the references in `arguments`.
unsafe fn send(object: Obj, name: &CStr, arguments: &[New]) -> New {
    let api = api();
    // SAFETY: live objects; GIL held by the caller.
    unsafe {
        let function = (api.PyObject_GetAttrString)(object, name.as_ptr());
        let result = if function.is_null() || arguments.iter().any(|argument| argument.is_null()) {
            core::ptr::null_mut()
        } else {
            (api.PyObject_VectorcallDict)(function, arguments.as_ptr(), arguments.len(), core::ptr::null_mut())
        };
        drop_ref(function);
        arguments.iter().for_each(|argument| drop_ref(*argument));
        result
    }
}

/// An int attribute of an object, -1 when there is none.
unsafe fn number(object: Obj, name: &CStr) -> i64 {
    let api = api();
    // SAFETY: as in `send`.
    unsafe {
        let value = (api.PyObject_GetAttrString)(object, name.as_ptr());
        if value.is_null() {
            (api.PyErr_Clear)();
            return -1;
        }
        let number = (api.PyLong_AsLongLong)(value);
        drop_ref(value);
        number
    }
}

/// An attribute of an imported module.
unsafe fn of_module(module: &CStr, name: &CStr) -> New {
    let api = api();
    // SAFETY: as in `send`.
    unsafe {
        let home = (api.PyImport_ImportModule)(module.as_ptr());
        let found = if home.is_null() { home } else { (api.PyObject_GetAttrString)(home, name.as_ptr()) };
        drop_ref(home);
        found
    }
}

/// Runs a finder that returns nothing on failure, and turns that into a refusal. Leaves no exception set.
unsafe fn found<T>(what: &str, shape: Option<T>) -> Result<T, String> {
    // SAFETY: GIL held by the caller.
    unsafe { (api().PyErr_Clear)() };
    shape.ok_or_else(|| format!("the fields of {what} are not where any known CPython has them"))
}

/// Finds the fields of `_thread.lock`, once.
///
/// # Safety
/// GIL held.
pub unsafe fn find_lock() -> Result<(), String> {
    if !LOCK.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    // SAFETY: the specimens are ours; peeks are answered by the kernel; fields are read within basicsize.
    unsafe {
        let shape = lock_shape();
        keep(&LOCK, found("_thread.lock", shape)?);
    }
    Ok(())
}

unsafe fn lock_shape() -> Option<LockShape> {
    let api = api();
    // SAFETY: see `find_lock`.
    unsafe {
        let make = of_module(c"_thread", c"allocate_lock");
        if make.is_null() {
            return None;
        }
        let first = (api.PyObject_CallNoArgs)(make);
        let second = (api.PyObject_CallNoArgs)(make);
        drop_ref(make);
        let shape = lock_shape_of(first, second);
        drop_ref(first);
        drop_ref(second);
        shape
    }
}

/// The byte that is 0 in a free lock and 1 in a taken one, and the word before it that CPython's own lock functions
/// agree is the lock inside.
unsafe fn lock_shape_of(first: Obj, second: Obj) -> Option<LockShape> {
    let api = api();
    // SAFETY: two fresh locks that nobody else has.
    unsafe {
        if first.is_null() || second.is_null() {
            return None;
        }
        let size = number(type_of(first), c"__basicsize__");
        let weak = number(type_of(first), c"__weakrefoffset__");
        if !(24..=96).contains(&size) || !(0..size).contains(&weak) {
            return None;
        }
        let bytes = |lock: Obj| core::slice::from_raw_parts(lock.cast::<u8>(), size as usize).to_vec();
        let free = bytes(first);
        drop_ref(send(first, c"acquire", &[]));
        let held = bytes(first);
        let changed: Vec<usize> = (16..size as usize).filter(|at| free[*at] != held[*at]).collect();
        let &[taken] = changed.as_slice() else { return None };
        if (free[taken], held[taken]) != (0, 1) {
            return None;
        }
        // The lock inside: the only pointer between the header and the weak list. Both locks must have their own.
        let inner = 16;
        let (mine, other): (usize, usize) = (read(first, inner), read(second, inner));
        if mine == other || peek_words(mine, 1).is_empty() || peek_words(other, 1).is_empty() || weak as usize == inner
        {
            return None;
        }
        // CPython's functions on it agree with the Python lock: `first` is taken, `second` is free.
        let take = |lock: usize| (api.PyThread_acquire_lock_timed)(lock as *mut c_void, 0, 0);
        if take(mine) != 0 || take(other) != 1 {
            return None;
        }
        let refused = send(second, c"acquire", &[new_bool(false)]);
        let agrees = refused == api.false_;
        drop_ref(refused);
        (api.PyThread_release_lock)(other as *mut c_void);
        drop_ref(send(first, c"release", &[]));
        let freed = take(mine) == 1;
        if freed {
            (api.PyThread_release_lock)(mine as *mut c_void);
        }
        (agrees && freed).then_some(LockShape { inner, taken, weak: weak as usize })
    }
}

unsafe fn new_bool(value: bool) -> New {
    let api = api();
    // SAFETY: the two singletons.
    unsafe { super::super::api::new_ref(if value { api.true_ } else { api.false_ }) }
}

/// Finds the fields of `_thread.RLock`, once.
///
/// # Safety
/// GIL held.
pub unsafe fn find_rlock() -> Result<(), String> {
    if !RLOCK.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    // SAFETY: as in `find_lock`.
    unsafe {
        let class = of_module(c"_thread", c"RLock");
        let specimen = if class.is_null() { class } else { (api().PyObject_CallNoArgs)(class) };
        let shape = rlock_shape(specimen);
        drop_ref(specimen);
        drop_ref(class);
        keep(&RLOCK, found("_thread.RLock", shape)?);
    }
    Ok(())
}

unsafe fn rlock_shape(specimen: Obj) -> Option<RLockShape> {
    let api = api();
    // SAFETY: a fresh RLock that nobody else has, read within its size.
    unsafe {
        if specimen.is_null() {
            return None;
        }
        let size = number(type_of(specimen), c"__basicsize__");
        if !(40..=96).contains(&size) {
            return None;
        }
        let me = (api.PyThread_get_thread_ident)();
        let words = || -> Vec<u64> { (0..size as usize / 8).map(|index| read(specimen, 8 * index)).collect() };
        for _ in 0..3 {
            drop_ref(send(specimen, c"acquire", &[]));
        }
        let held = words();
        let owners: Vec<usize> = (2..held.len()).filter(|index| held[*index] == me).collect();
        let counts: Vec<usize> = (2..held.len()).filter(|index| held[*index] == 3).collect();
        drop_ref(send(specimen, c"release", &[]));
        let once_less = words();
        drop_ref(send(specimen, c"release", &[]));
        drop_ref(send(specimen, c"release", &[]));
        let free = words();
        let (&[owner], &[count]) = (owners.as_slice(), counts.as_slice()) else { return None };
        let follows = once_less[count] == 2 && once_less[owner] == me && free[count] == 0 && free[owner] == 0;
        let inner = free[2] as usize;
        if !follows || owner == 2 || count == 2 || peek_words(inner, 1).is_empty() {
            return None;
        }
        // The lock inside is free when the RLock is, and taken while it is held.
        let take = || (api.PyThread_acquire_lock_timed)(inner as *mut c_void, 0, 0) == 1;
        if !take() {
            return None;
        }
        (api.PyThread_release_lock)(inner as *mut c_void);
        drop_ref(send(specimen, c"acquire", &[]));
        let refused = !take();
        drop_ref(send(specimen, c"release", &[]));
        refused.then_some(RLockShape { inner: 16, owner: 8 * owner, count: 8 * count })
    }
}

/// Finds the fields of `_socket.socket`, once.
///
/// # Safety
/// GIL held.
pub unsafe fn find_socket() -> Result<(), String> {
    if !SOCKET.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    // SAFETY: as in `find_lock`.
    unsafe {
        let class = of_module(c"_socket", c"socket");
        let shape = if class.is_null() { None } else { socket_shape(class) };
        keep(&SOCKET, found("_socket.socket", shape)?);
    }
    Ok(())
}

/// A socket of that class (family, kind, protocol), with a timeout in seconds.
unsafe fn socket_with(class: Obj, family: c_int, kind: c_int, protocol: c_int, timeout: f64) -> New {
    let api = api();
    // SAFETY: as in `send`.
    unsafe {
        let three = [family, kind, protocol].map(|value| (api.PyLong_FromLong)(value.into()));
        let made = (api.PyObject_VectorcallDict)(class, three.as_ptr(), 3, core::ptr::null_mut());
        three.iter().for_each(|value| drop_ref(*value));
        if !made.is_null() {
            drop_ref(send(made, c"settimeout", &[(api.PyFloat_FromDouble)(timeout)]));
        }
        made
    }
}

unsafe fn socket_shape(class: Obj) -> Option<SocketShape> {
    // SAFETY: specimens of our own, read within their size.
    unsafe {
        let size = number(class, c"__basicsize__");
        if !(40..=128).contains(&size) {
            return None;
        }
        let first = socket_with(class, libc::AF_UNIX, libc::SOCK_DGRAM, 0, 1234.5);
        let second = socket_with(class, libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_TCP, 77.25);
        let shape = socket_fields(first, second, size as usize).map(|(fd, family, kind, timeout)| SocketShape {
            fd,
            family,
            kind,
            timeout,
            size: size as usize,
            class,
        });
        for socket in [first, second] {
            if !socket.is_null() {
                drop_ref(send(socket, c"close", &[]));
                drop_ref(socket);
            }
        }
        shape
    }
}

/// (descriptor, family, kind, timeout): fd, family, kind and protocol follow each other as four ints; the timeout is the word
/// that holds the nanoseconds.
unsafe fn socket_fields(first: Obj, second: Obj, size: usize) -> Option<(usize, usize, usize, usize)> {
    // SAFETY: as in `socket_shape`.
    unsafe {
        if first.is_null() || second.is_null() {
            return None;
        }
        let fds = [first, second].map(|socket| {
            let fd = send(socket, c"fileno", &[]);
            let number = if fd.is_null() { -1 } else { (api().PyLong_AsLongLong)(fd) };
            drop_ref(fd);
            number as c_int
        });
        let expected = [
            [fds[0], libc::AF_UNIX, libc::SOCK_DGRAM, 0],
            [fds[1], libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_TCP],
        ];
        let run_at =
            |socket: Obj, at: usize, want: &[c_int; 4]| (0..4).all(|i| read::<c_int>(socket, at + 4 * i) == want[i]);
        let places: Vec<usize> = (16..=size - 16)
            .step_by(4)
            .filter(|at| run_at(first, *at, &expected[0]) && run_at(second, *at, &expected[1]))
            .collect();
        let times: Vec<usize> = (16..=size - 8)
            .step_by(8)
            .filter(|at| read::<i64>(first, *at) == 1_234_500_000_000 && read::<i64>(second, *at) == 77_250_000_000)
            .collect();
        let (&[fd], &[timeout]) = (places.as_slice(), times.as_slice()) else { return None };
        drop_ref(send(first, c"setblocking", &[new_bool(true)]));
        drop_ref(send(second, c"setblocking", &[new_bool(false)]));
        (read::<i64>(first, timeout) < 0 && read::<i64>(second, timeout) == 0).then_some((fd, fd + 4, fd + 8, timeout))
    }
}

/// Finds the fields of `select.poll` objects, once.
///
/// # Safety
/// GIL held.
pub unsafe fn find_poll() -> Result<(), String> {
    if !POLL.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    let mut ends = [0 as c_int; 2];
    // SAFETY: room for two descriptors, closed below; otherwise as in `find_lock`.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err("no pipe to try select.poll on".to_string());
        }
        let make = of_module(c"select", c"poll");
        let specimen = if make.is_null() { make } else { (api().PyObject_CallNoArgs)(make) };
        let shape = poll_shape(specimen, ends);
        drop_ref(specimen);
        drop_ref(make);
        libc::close(ends[0]);
        libc::close(ends[1]);
        keep(&POLL, found("select.poll", shape)?);
    }
    Ok(())
}

unsafe fn poll_shape(specimen: Obj, ends: [c_int; 2]) -> Option<PollShape> {
    let api = api();
    // SAFETY: a specimen of our own, read within its size; what it points to is read by the kernel.
    unsafe {
        if specimen.is_null() {
            return None;
        }
        let size = number(type_of(specimen), c"__basicsize__");
        if !(40..=96).contains(&size) {
            return None;
        }
        let refresh = |events: [c_int; 2]| {
            for (end, wanted) in ends.iter().zip(events) {
                let arguments = [(api.PyLong_FromLong)((*end).into()), (api.PyLong_FromLong)(wanted.into())];
                drop_ref(send(specimen, c"register", &arguments));
            }
            drop_ref(send(specimen, c"poll", &[(api.PyLong_FromLong)(0)]));
        };
        let holds = |at: usize, events: [c_int; 2]| {
            let words = peek_words(read::<usize>(specimen, at), 2);
            let entry = |index: usize| words.get(index).map(|word| (*word as c_int, (*word >> 32) as u16 as c_int));
            let mut seen = [entry(0), entry(1)];
            let mut want = [Some((ends[0], events[0])), Some((ends[1], events[1]))];
            seen.sort_unstable();
            want.sort_unstable();
            seen == want
        };
        refresh([1, 4]);
        let first: Vec<usize> = (16..size as usize - 7).step_by(8).filter(|at| holds(*at, [1, 4])).collect();
        refresh([3, 2]);
        let &[entries] = first.as_slice() else { return None };
        if !holds(entries, [3, 2]) {
            return None;
        }
        // The count is the int that says 2 with two descriptors and 1 with one, right before the array.
        let before: Vec<c_int> = (16..entries).step_by(4).map(|at| read(specimen, at)).collect();
        drop_ref(send(specimen, c"unregister", &[(api.PyLong_FromLong)(ends[1].into())]));
        drop_ref(send(specimen, c"poll", &[(api.PyLong_FromLong)(0)]));
        let counts: Vec<usize> = (16..entries)
            .step_by(4)
            .filter(|at| before[(at - 16) / 4] == 2 && read::<c_int>(specimen, *at) == 1)
            .collect();
        let &[count] = counts.as_slice() else { return None };
        Some(PollShape { count, entries })
    }
}

/// Finds where an `_ssl._SSLSocket` has the weak reference to its socket.
///
/// # Safety
/// GIL held; `_ssl` can be imported.
pub unsafe fn find_ssl() -> Result<usize, String> {
    // SAFETY: the specimens are ours, read within their size.
    unsafe {
        let classes = [of_module(c"_ssl", c"_SSLContext"), of_module(c"_socket", c"socket")];
        let shape = if classes.iter().any(|class| class.is_null()) { None } else { ssl_shape(classes[0], classes[1]) };
        classes.iter().for_each(|class| drop_ref(*class));
        found("_ssl._SSLSocket", shape)
    }
}

unsafe fn ssl_shape(context_class: Obj, socket_class: Obj) -> Option<usize> {
    /// PROTOCOL_TLS_CLIENT
    const CLIENT: core::ffi::c_long = 16;
    let api = api();
    // SAFETY: see `find_ssl`. `weakref.ref(x)` gives the one plain weak reference of x, which C code shares.
    unsafe {
        let protocol = (api.PyLong_FromLong)(CLIENT);
        let context = (api.PyObject_VectorcallDict)(context_class, &protocol, 1, core::ptr::null_mut());
        drop_ref(protocol);
        // `_socket.socket` itself cannot be referred to weakly, a subclass can.
        let parts = [
            (api.PyUnicode_FromString)(c"specimen".as_ptr()),
            pack(&[super::super::api::new_ref(socket_class)]),
            (api.PyDict_New)(),
        ];
        let kind = (api.PyObject_VectorcallDict)(api.type_type, parts.as_ptr(), 3, core::ptr::null_mut());
        parts.iter().for_each(|part| drop_ref(*part));
        if kind.is_null() {
            drop_ref(context);
            return None;
        }
        let sockets = [1.0, 2.0].map(|timeout| socket_with(kind, libc::AF_INET, libc::SOCK_STREAM, 0, timeout));
        drop_ref(kind);
        let weak = of_module(c"weakref", c"ref");
        let places = sockets.map(|socket| {
            if context.is_null() || socket.is_null() || weak.is_null() {
                return Vec::new();
            }
            let made = send(context, c"_wrap_socket", &[super::super::api::new_ref(socket), new_bool(false)]);
            let reference = (api.PyObject_VectorcallDict)(weak, &socket, 1, core::ptr::null_mut());
            let mut places = Vec::new();
            if !made.is_null() && !reference.is_null() {
                let size = number(type_of(made), c"__basicsize__").clamp(0, 256) as usize;
                places =
                    (16..size).step_by(8).filter(|at| at + 8 <= size && read::<Obj>(made, *at) == reference).collect();
            }
            drop_ref(reference);
            drop_ref(made);
            places
        });
        drop_ref(weak);
        for socket in sockets {
            if !socket.is_null() {
                drop_ref(send(socket, c"close", &[]));
                drop_ref(socket);
            }
        }
        drop_ref(context);
        let [first, second] = places;
        (first.len() == 1 && first == second).then(|| first[0])
    }
}

/// Finds the fields of `_io.FileIO`, once.
///
/// # Safety
/// GIL held.
pub unsafe fn find_file() -> Result<(), String> {
    if !FILE.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    let mut ends = [0 as c_int; 2];
    // SAFETY: room for two descriptors, closed below; otherwise as in `find_lock`.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err("no pipe to try _io.FileIO on".to_string());
        }
        let class = of_module(c"_io", c"FileIO");
        let open = |fd: c_int, mode: &CStr| {
            let arguments =
                [(api().PyLong_FromLong)(fd.into()), (api().PyUnicode_FromString)(mode.as_ptr()), new_bool(false)];
            let made = (api().PyObject_VectorcallDict)(class, arguments.as_ptr(), 3, core::ptr::null_mut());
            arguments.iter().for_each(|argument| drop_ref(*argument));
            made
        };
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        let files = match class.is_null() {
            true => [class; 4],
            false => [open(ends[0], c"r"), open(ends[1], c"w"), open(null, c"r"), open(null, c"r+")],
        };
        let shape = file_shape(&files, [ends[0], ends[1], null]);
        files.iter().for_each(|file| drop_ref(*file));
        drop_ref(class);
        for fd in [ends[0], ends[1], null] {
            libc::close(fd);
        }
        keep(&FILE, found("_io.FileIO", shape)?);
    }
    Ok(())
}

/// The descriptor is the first int that says so; the flags follow it. Which bit is which is seen by comparing: a file to read, one to
/// write, one for both, and one before and after it was asked whether it can seek.
unsafe fn file_shape(files: &[Obj; 4], fds: [c_int; 3]) -> Option<FileShape> {
    // SAFETY: specimens of our own, read within their size.
    unsafe {
        if files.iter().any(|file| file.is_null()) {
            return None;
        }
        let size = number(type_of(files[0]), c"__basicsize__");
        if !(32..=128).contains(&size) {
            return None;
        }
        let is_fd = |at: usize| {
            let wanted = [fds[0], fds[1], fds[2], fds[2]];
            files.iter().zip(wanted).all(|(file, fd)| read::<c_int>(*file, at) == fd)
        };
        let fd = (16..size as usize - 8).step_by(4).find(|at| is_fd(*at))?;
        let flags = |file: usize| read::<u32>(files[file], fd + 4);
        let (reads, writes, before, both) = (flags(0), flags(1), flags(2), flags(3));
        let (readable, writable) = (reads & !writes, writes & !reads);
        let answer = send(files[2], c"seekable", &[]);
        let seekable = answer == api().true_;
        drop_ref(answer);
        // -1 in two bits becomes 1: the upper bit goes.
        let unsure = before & !flags(2);
        let single = [readable, writable, unsure].iter().all(|bits| bits.count_ones() == 1);
        let fits = single
            && seekable
            && unsure > 1
            && before & (unsure >> 1) != 0
            && flags(2) & (unsure >> 1) != 0
            && both & readable != 0
            && both & writable != 0
            && reads & (unsure | unsure >> 1) != unsure >> 1;
        fits.then_some(FileShape { fd, flags: fd + 4, readable, writable, seeks: unsure >> 1, unsure })
    }
}

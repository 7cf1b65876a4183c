//! The table of primitives: which C functions are replaced, by what, and the writing of them.
//!
//! Rows of one family are written together or not at all: a lock that is acquired green must be released green. Everything is
//! checked before the first write, so a refusal changes nothing.

use super::super::api::{api, drop_ref, type_of, MethodDef, New, Obj};
use super::call::{Args, Entries, Primitive};
use super::{
    buffered, fileio, flock, fork, ghost, handle, ident, input, layout, lock, names, os, osthread, queue, resolve,
    rlock, select, semlock, shapes, sigmask, sigwait, socket, ssl, system, thread, time, wait,
};
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};
use std::ffi::CString;

/// Rows that are written together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// `get_ident` and RLock: written when the hooks are installed, and never taken back.
    Identity,
    /// `time.sleep`
    Time,
    /// `_thread.lock`
    Lock,
    /// Starting and joining threads.
    Thread,
    /// `_queue.SimpleQueue`
    Queue,
    /// Waiting for descriptors.
    Select,
    /// `_socket.socket`
    Socket,
    /// Names of hosts.
    Resolver,
    /// `_ssl._SSLSocket`
    Ssl,
    /// Waiting for signals.
    Signal,
    /// Locks on files.
    Fcntl,
    /// `_multiprocessing.SemLock`
    Semaphore,
    /// Files.
    File,
    /// Descriptors and processes.
    Os,
}

impl Family {
    /// The name by which Python code asks for it.
    pub fn name(self) -> &'static str {
        match self {
            Family::Identity => "identity",
            Family::Time => "time",
            Family::Lock => "lock",
            Family::Thread => "thread",
            Family::Queue => "queue",
            Family::Select => "select",
            Family::Socket => "socket",
            Family::Resolver => "resolver",
            Family::Ssl => "ssl",
            Family::Signal => "signal",
            Family::Fcntl => "fcntl",
            Family::Semaphore => "semaphore",
            Family::File => "file",
            Family::Os => "os",
        }
    }

    /// Finds and verifies what the family's replacements read and write.
    unsafe fn prepare(self) -> Result<(), String> {
        // SAFETY: GIL held by the caller.
        unsafe {
            match self {
                Family::Identity => shapes::find_rlock(),
                Family::Lock => shapes::find_lock(),
                Family::Thread => shapes::find_lock().and_then(|()| handle::prepare()),
                Family::Select => shapes::find_poll(),
                Family::Socket => {
                    shapes::find_socket().and_then(|()| socket::prepare()).and_then(|()| names::prepare())
                }
                Family::Resolver => names::prepare(),
                Family::Ssl => shapes::find_socket().and_then(|()| socket::prepare()).and_then(|()| ssl::prepare()),
                Family::Queue => queue::prepare(),
                Family::File => shapes::find_file().and_then(|()| buffered::prepare()),
                Family::Time | Family::Signal | Family::Fcntl | Family::Semaphore | Family::Os => Ok(()),
            }
        }
    }
}

/// One primitive.
pub struct Row {
    /// `module.function` or `module.type.method`, as Python code asks for it.
    pub name: &'static str,
    /// What it is written with.
    pub family: Family,
    entries: Entries,
    definition: AtomicPtr<MethodDef>,
    saved: AtomicPtr<c_void>,
    flags: AtomicI32,
    written: AtomicBool,
}

impl Row {
    const fn new(name: &'static str, family: Family, entries: Entries) -> Row {
        Row {
            name,
            family,
            entries,
            definition: AtomicPtr::new(core::ptr::null_mut()),
            saved: AtomicPtr::new(core::ptr::null_mut()),
            flags: AtomicI32::new(0),
            written: AtomicBool::new(false),
        }
    }

    /// CPython's own C function. Only code reached through the replacement, or after [`resolve`], may ask.
    #[inline(always)]
    pub fn saved(&self) -> *const c_void {
        self.saved.load(Ordering::Relaxed)
    }

    /// The METH_ flags of the definition.
    pub fn flags(&self) -> c_int {
        self.flags.load(Ordering::Relaxed)
    }

    /// Whether the replacement is in place.
    pub fn is_written(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }

    /// Keeps the C function and flags of the definition, if it can be called.
    fn take(&self, definition: &MethodDef) -> Found {
        let flags = definition.flags;
        if self.entries.pick(flags).is_none() {
            let reason = format!("{}: its calling convention (flags {flags:#x}) is not a known one", self.name);
            return Found::Refused(reason);
        }
        self.saved.store(definition.meth.cast_mut(), Ordering::Relaxed);
        self.flags.store(flags, Ordering::Relaxed);
        Found::Ready
    }

    /// The definition, once resolved.
    pub fn definition(&self) -> *mut MethodDef {
        self.definition.load(Ordering::Acquire)
    }
}

macro_rules! primitives {
    ($( $id:ident $family:ident $name:literal $body:path ; )*) => {
        /// Index of each row.
        #[derive(Clone, Copy)]
        pub enum Id { $(
            #[doc = $name] $id,
        )* }
        mod kinds {
            $( pub struct $id; )*
        }
        $( impl Primitive for kinds::$id {
            #[inline(always)]
            fn row() -> &'static Row { &ROWS[Id::$id as usize] }
            #[inline(always)]
            unsafe fn green(args: &Args) -> New {
                // SAFETY: the caller's promise is the body's.
                unsafe { $body(args) }
            }
        } )*
        /// All primitives.
        pub static ROWS: [Row; [$($name),*].len()] =
            [ $( Row::new($name, Family::$family, Entries::of::<kinds::$id>()), )* ];
    };
}

primitives! {
    GetIdent Identity "_thread.get_ident" ident::get_ident;
    MainThreadIdent Identity "_thread._get_main_thread_ident" fork::main_thread_ident;
    PthreadKill Identity "_signal.pthread_kill" osthread::pthread_kill;
    PthreadCpuClock Identity "time.pthread_getcpuclockid" osthread::pthread_getcpuclockid;
    RLockAcquire Identity "_thread.RLock.acquire" rlock::acquire;
    RLockEnter Identity "_thread.RLock.__enter__" rlock::acquire;
    RLockRelease Identity "_thread.RLock.release" rlock::release;
    RLockExit Identity "_thread.RLock.__exit__" rlock::release;
    RLockReleaseSave Identity "_thread.RLock._release_save" rlock::release_save;
    RLockAcquireRestore Identity "_thread.RLock._acquire_restore" rlock::acquire_restore;
    RLockIsOwned Identity "_thread.RLock._is_owned" rlock::is_owned;
    RLockRecursionCount Identity "_thread.RLock._recursion_count" rlock::recursion_count;

    Sleep Time "time.sleep" time::sleep;

    LockAcquire Lock "_thread.lock.acquire" lock::acquire;
    LockAcquireLock Lock "_thread.lock.acquire_lock" lock::acquire;
    LockEnter Lock "_thread.lock.__enter__" lock::acquire;
    LockRelease Lock "_thread.lock.release" lock::release;
    LockReleaseLock Lock "_thread.lock.release_lock" lock::release;
    LockExit Lock "_thread.lock.__exit__" lock::release;
    LockLocked Lock "_thread.lock.locked" lock::locked;
    LockLockedLock Lock "_thread.lock.locked_lock" lock::locked;

    StartNewThread Thread "_thread.start_new_thread" thread::start_new_thread;
    StartNew Thread "_thread.start_new" thread::start_new_thread;
    Count Thread "_thread._count" thread::live;
    SetSentinel Thread "_thread._set_sentinel" thread::set_sentinel;
    StartJoinableThread Thread "_thread.start_joinable_thread" handle::start_joinable_thread;
    Shutdown Thread "_thread._shutdown" handle::shutdown;
    HandleJoin Thread "_thread._ThreadHandle.join" handle::join;
    HandleSetDone Thread "_thread._ThreadHandle._set_done" handle::set_done;

    QueueGet Queue "_queue.SimpleQueue.get" queue::get;
    QueueGetNowait Queue "_queue.SimpleQueue.get_nowait" queue::get_nowait;
    QueuePut Queue "_queue.SimpleQueue.put" queue::put;
    QueuePutNowait Queue "_queue.SimpleQueue.put_nowait" queue::put;

    Select Select "select.select" select::select;
    PollPoll Select "select.poll.poll" select::poll;
    EpollPoll Select "select.epoll.poll" select::epoll;

    Recv Socket "_socket.socket.recv" socket::recv;
    RecvInto Socket "_socket.socket.recv_into" socket::recv_into;
    RecvFrom Socket "_socket.socket.recvfrom" ghost::recvfrom;
    RecvFromInto Socket "_socket.socket.recvfrom_into" ghost::recvfrom_into;
    RecvMsg Socket "_socket.socket.recvmsg" ghost::recvmsg;
    RecvMsgInto Socket "_socket.socket.recvmsg_into" ghost::recvmsg_into;
    Send Socket "_socket.socket.send" socket::send;
    SendAll Socket "_socket.socket.sendall" socket::sendall;
    SendTo Socket "_socket.socket.sendto" ghost::sendto;
    SendMsg Socket "_socket.socket.sendmsg" ghost::sendmsg;
    Accept Socket "_socket.socket._accept" ghost::accept;
    Connect Socket "_socket.socket.connect" ghost::connect;
    ConnectEx Socket "_socket.socket.connect_ex" ghost::connect_ex;
    Bind Socket "_socket.socket.bind" ghost::bind;
    Listen Socket "_socket.socket.listen" ghost::listen;
    Close Socket "_socket.socket.close" socket::close;

    GetAddrInfo Resolver "_socket.getaddrinfo" resolve::getaddrinfo;
    GetNameInfo Resolver "_socket.getnameinfo" resolve::getnameinfo;
    GetHostByName Resolver "_socket.gethostbyname" resolve::gethostbyname;
    GetHostByNameEx Resolver "_socket.gethostbyname_ex" resolve::gethostbyname_ex;
    GetHostByAddr Resolver "_socket.gethostbyaddr" resolve::gethostbyaddr;

    SslHandshake Ssl "_ssl._SSLSocket.do_handshake" ssl::receive;
    SslRead Ssl "_ssl._SSLSocket.read" ssl::receive;
    SslWrite Ssl "_ssl._SSLSocket.write" ssl::send;
    SslShutdown Ssl "_ssl._SSLSocket.shutdown" ssl::receive;

    SigMask Signal "_signal.pthread_sigmask" sigmask::pthread_sigmask;
    ForkExec Signal "_posixsubprocess.fork_exec" sigmask::child;
    PosixSpawn Signal "os.posix_spawn" sigmask::child;
    PosixSpawnP Signal "os.posix_spawnp" sigmask::child;
    SigWait Signal "_signal.sigwait" sigwait::sigwait;
    SigWaitInfo Signal "_signal.sigwaitinfo" sigwait::sigwaitinfo;
    SigTimedWait Signal "_signal.sigtimedwait" sigwait::sigtimedwait;
    Pause Signal "_signal.pause" sigwait::pause;

    FLock Fcntl "fcntl.flock" flock::lock;
    LockF Fcntl "fcntl.lockf" flock::lock;
    Fcntl Fcntl "fcntl.fcntl" flock::fcntl;

    SemAcquire Semaphore "_multiprocessing.SemLock.acquire" semlock::acquire;
    SemEnter Semaphore "_multiprocessing.SemLock.__enter__" semlock::acquire;
    SemRelease Semaphore "_multiprocessing.SemLock.release" semlock::release;
    SemExit Semaphore "_multiprocessing.SemLock.__exit__" semlock::release;
    SemIsMine Semaphore "_multiprocessing.SemLock._is_mine" semlock::is_mine;

    Input File "builtins.input" input::input;
    FileRead File "_io.FileIO.read" fileio::read_method;
    FileReadAll File "_io.FileIO.readall" fileio::readall;
    FileReadInto File "_io.FileIO.readinto" fileio::readinto;
    FileClose File "_io.FileIO.close" fileio::close;
    FileWrite File "_io.FileIO.write" fileio::write;
    BufferedReaderRead File "_io.BufferedReader.read" buffered::method;
    BufferedReaderRead1 File "_io.BufferedReader.read1" buffered::method;
    BufferedReaderReadInto File "_io.BufferedReader.readinto" buffered::method;
    BufferedReaderReadInto1 File "_io.BufferedReader.readinto1" buffered::method;
    BufferedReaderPeek File "_io.BufferedReader.peek" buffered::method;
    BufferedReaderReadline File "_io.BufferedReader.readline" buffered::method;
    BufferedReaderSeek File "_io.BufferedReader.seek" buffered::method;
    BufferedReaderTell File "_io.BufferedReader.tell" buffered::method;
    BufferedReaderTruncate File "_io.BufferedReader.truncate" buffered::method;
    BufferedReaderClose File "_io.BufferedReader.close" buffered::method;
    BufferedReaderDetach File "_io.BufferedReader.detach" buffered::method;
    BufferedReaderFlush File "_io.BufferedReader.flush" buffered::method;
    BufferedWriterWrite File "_io.BufferedWriter.write" buffered::method;
    BufferedWriterSeek File "_io.BufferedWriter.seek" buffered::method;
    BufferedWriterTell File "_io.BufferedWriter.tell" buffered::method;
    BufferedWriterTruncate File "_io.BufferedWriter.truncate" buffered::method;
    BufferedWriterClose File "_io.BufferedWriter.close" buffered::method;
    BufferedWriterDetach File "_io.BufferedWriter.detach" buffered::method;
    BufferedWriterFlush File "_io.BufferedWriter.flush" buffered::method;
    BufferedRandomRead File "_io.BufferedRandom.read" buffered::method;
    BufferedRandomRead1 File "_io.BufferedRandom.read1" buffered::method;
    BufferedRandomReadInto File "_io.BufferedRandom.readinto" buffered::method;
    BufferedRandomReadInto1 File "_io.BufferedRandom.readinto1" buffered::method;
    BufferedRandomPeek File "_io.BufferedRandom.peek" buffered::method;
    BufferedRandomReadline File "_io.BufferedRandom.readline" buffered::method;
    BufferedRandomWrite File "_io.BufferedRandom.write" buffered::method;
    BufferedRandomSeek File "_io.BufferedRandom.seek" buffered::method;
    BufferedRandomTell File "_io.BufferedRandom.tell" buffered::method;
    BufferedRandomTruncate File "_io.BufferedRandom.truncate" buffered::method;
    BufferedRandomClose File "_io.BufferedRandom.close" buffered::method;
    BufferedRandomDetach File "_io.BufferedRandom.detach" buffered::method;
    BufferedRandomFlush File "_io.BufferedRandom.flush" buffered::method;

    OsRead Os "os.read" os::read;
    OsWrite Os "os.write" os::write;
    OsReadV Os "os.readv" os::readv;
    OsWriteV Os "os.writev" os::writev;
    OsSendFile Os "os.sendfile" os::sendfile;
    OsLockF Os "os.lockf" flock::os_lockf;
    OsClose Os "os.close" os::close;
    Fork Os "os.fork" fork::fork;
    Wait Os "os.wait" wait::wait;
    WaitPid Os "os.waitpid" wait::waitpid;
    Wait3 Os "os.wait3" wait::wait3;
    Wait4 Os "os.wait4" wait::waitpid;
    WaitInfo Os "os.waitid" wait::waitid;
    System Os "os.system" system::system;
}

/// The row of that name.
pub fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

/// The row with that index.
pub fn row(id: Id) -> &'static Row {
    &ROWS[id as usize]
}

/// The callable `_thread.allocate_lock` (kept for ever once looked up).
///
/// # Safety
/// GIL held.
pub unsafe fn allocate_lock() -> Obj {
    static FOUND: AtomicPtr<super::super::api::PyObject> = AtomicPtr::new(core::ptr::null_mut());
    let found = FOUND.load(Ordering::Acquire);
    if !found.is_null() {
        return found;
    }
    // SAFETY: `_thread` is a builtin module that has the function.
    unsafe {
        let made = attribute(&["_thread", "allocate_lock"]).unwrap_or(core::ptr::null_mut());
        FOUND.store(made, Ordering::Release);
        made
    }
}

/// The object behind a dotted path, a new reference; `None` where this CPython has none.
///
/// # Safety
/// GIL held.
pub unsafe fn attribute(path: &[&str]) -> Option<New> {
    let api = api();
    // SAFETY: NUL-terminated copies of constant names; GIL held by the caller.
    unsafe {
        let module = CString::new(path[0]).ok()?;
        let mut object = (api.PyImport_ImportModule)(module.as_ptr());
        for name in &path[1..] {
            if object.is_null() {
                break;
            }
            let name = CString::new(*name).ok()?;
            let inner = (api.PyObject_GetAttrString)(object, name.as_ptr());
            drop_ref(object);
            object = inner;
        }
        if object.is_null() {
            (api.PyErr_Clear)();
            return None;
        }
        Some(object)
    }
}

/// The function or method descriptor of a row.
pub unsafe fn object_of(row: &Row) -> Option<New> {
    let path: Vec<&str> = row.name.split('.').collect();
    // SAFETY: as in `attribute`.
    unsafe {
        match path.as_slice() {
            // `_thread.lock` has that name on 3.13 only; `LockType` is the same type on all.
            ["_thread", "lock", method] => attribute(&["_thread", "LockType", method]),
            ["select", "poll", method] => {
                let make = attribute(&["select", "poll"])?;
                let specimen = (api().PyObject_CallNoArgs)(make);
                drop_ref(make);
                if specimen.is_null() {
                    (api().PyErr_Clear)();
                    return None;
                }
                let name = CString::new(*method).ok()?;
                let found = (api().PyObject_GetAttrString)(type_of(specimen), name.as_ptr());
                drop_ref(specimen);
                Some(found)
            }
            path => attribute(path),
        }
    }
}

/// What became of looking for a row's definition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// It can be written, with the entry that fits.
    Ready,
    /// This CPython has no such function.
    Absent,
    /// A check failed.
    Refused(String),
}

/// Looks up the definition of a row, its flags and the C function in it. Writes nothing.
///
/// # Safety
/// GIL held.
pub unsafe fn resolve(row: &'static Row) -> Found {
    // SAFETY: the caller's promise; the definition outlives every object (PL2).
    unsafe {
        if let Some(definition) = row.definition().as_ref() {
            if row.is_written() {
                return Found::Ready;
            }
            // Found before, and CPython's own since: what it says now counts.
            return row.take(definition);
        }
        let Some(object) = object_of(row) else { return Found::Absent };
        let method = row.name.rsplit('.').next().unwrap_or(row.name);
        let found = CString::new(method).map_err(|_| String::new()).and_then(|name| layout::definition(object, &name));
        drop_ref(object);
        match found {
            Err(reason) => Found::Refused(format!("{}: {reason}", row.name)),
            Ok(definition) => {
                let found = row.take(&*definition);
                if found == Found::Ready {
                    row.definition.store(definition, Ordering::Release);
                }
                found
            }
        }
    }
}

/// Writes the replacements of all rows that `wanted` picks and that are not written yet. Checks come first; on an error
/// nothing is changed.
///
/// # Safety
/// GIL held.
pub unsafe fn write(wanted: &dyn Fn(&Row) -> bool) -> Result<(), String> {
    let mut ready = Vec::new();
    // SAFETY: the caller's promise; an entry has the calling convention that the flags name (PL3).
    unsafe {
        for row in ROWS.iter().filter(|row| wanted(row) && !row.is_written()) {
            row.family.prepare().map_err(|reason| format!("{}: {reason}", row.family.name()))?;
            match resolve(row) {
                Found::Ready => ready.push(row),
                Found::Absent => {}
                Found::Refused(reason) => return Err(reason),
            }
        }
        for (index, row) in ready.iter().enumerate() {
            let entry = row.entries.pick(row.flags()).expect("resolved");
            if let Err(reason) = layout::store(&raw mut (*row.definition()).meth, entry) {
                for undone in &ready[..index] {
                    restore(undone);
                }
                return Err(format!("{}: {reason}", row.name));
            }
            row.written.store(true, Ordering::Release);
        }
        if ready.iter().any(|row| row.family == Family::File) {
            if let Err(reason) = buffered::write_slots(true) {
                ready.iter().for_each(|row| restore(row));
                return Err(reason);
            }
        }
    }
    Ok(())
}

/// Puts CPython's own function back.
///
/// # Safety
/// GIL held.
pub unsafe fn restore(row: &Row) {
    if row.is_written() {
        // SAFETY: the function that was there, in the place that could be written before.
        unsafe {
            if layout::store(&raw mut (*row.definition()).meth, row.saved()).is_ok() {
                row.written.store(false, Ordering::Release);
            }
            if row.family == Family::File {
                // What cannot be put back is still right: it calls CPython's own.
                let _ = buffered::write_slots(false);
            }
        }
    }
}

/// Writes the rows that identity needs.
///
/// # Safety
/// GIL held.
pub unsafe fn write_identity() -> Result<(), String> {
    // SAFETY: the caller's promise.
    unsafe { write(&|row| row.family == Family::Identity) }
}

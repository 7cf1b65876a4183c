//! Builds the thread-local pointer in C, generates the header, and names the shared library.
//!
//! The header goes to OUT_DIR, not into the source tree: `make header` copies it, and `tests/header.rs` fails when
//! `include/greenrt.h` is stale.

use std::env;
use std::path::PathBuf;

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    for path in ["src", "build.rs", "cbindgen.toml"] {
        println!("cargo:rerun-if-changed={path}");
    }
    cc::Build::new().file("src/sys/current.c").flag_if_supported("-fvisibility=hidden").compile("greenrt_current");
    if env::var_os("CARGO_FEATURE_VALGRIND").is_some() {
        cc::Build::new().file("src/context/valgrind.c").compile("greenrt_valgrind");
    }
    if env::var_os("CARGO_FEATURE_FAULT_INJECTION").is_some() {
        let seam = root.join("src/sys/faults.c");
        cc::Build::new().file(&seam).compile("greenrt_faults");
        for name in wrapped(&std::fs::read_to_string(seam).expect("src/sys/faults.c is there")) {
            println!("cargo:rustc-cdylib-link-arg=-Wl,--wrap={name}");
        }
    }

    let abi = abi_version(&root);
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libgreenrt.so.{abi}");
    // Parked stacks, fork handlers and signal handlers point into the library: it is never unloaded.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");

    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is valid");
    config.header = Some(PREAMBLE.trim().to_string());
    config.after_includes = Some(versions());
    let header = out.join("greenrt.h");
    // The C face only, in the header's order: what else the crate declares is nobody's business.
    let sources = SECTIONS.iter().map(|s| root.join(format!("src/ffi/{s}.rs")));
    let builder = sources.fold(cbindgen::Builder::new().with_config(config), |b, s| b.with_src(s));
    match builder.generate() {
        Ok(bindings) => {
            let mut text = Vec::new();
            bindings.write(&mut text);
            let text = String::from_utf8(text).expect("sources are UTF-8");
            std::fs::write(&header, for_c(&text)).expect("OUT_DIR is writable");
        }
        // A source file that does not parse: the compiler says it better.
        Err(cbindgen::Error::ParseSyntaxError { src_path, error, .. }) => {
            println!("cargo:warning=the header was not generated: {src_path}: {error}");
            return;
        }
        Err(e) => panic!("cbindgen: {e}"),
    }
    println!("cargo:include={}", out.display());
    println!("cargo:rustc-env=GREENRT_HEADER={}", header.display());
}

/// The files of src/ffi that make the header, in its order.
const SECTIONS: &[&str] = &[
    "version",
    "runtime",
    "task",
    "wake",
    "time",
    "mutex",
    "rwlock",
    "cond",
    "sem",
    "event",
    "waitgroup",
    "barrier",
    "once",
    "chan",
    "select",
    "scope",
    "local",
    "generator",
    "workers",
    "socket",
    "io",
    "offload",
    "name",
    "file",
    "dir",
    "process",
    "signal",
    "datagram",
    "unix",
    "transfer",
    "http",
    "answer",
    "websocket",
    "hooks",
    "stats",
    "inspect",
    "watchdog",
    "collect",
    "clock",
    "python",
];

/// Drops what the doc comments say to Rust, the `# Safety` paragraphs, and a kind of comment that not every C has.
fn for_c(header: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let mut skipping = false;
    for line in header.lines() {
        if line.trim() == "* # Safety" {
            skipping = true;
            if out.last().is_some_and(|l| l.trim() == "*") {
                out.pop();
            }
        }
        skipping &= !line.trim_end().ends_with("*/");
        if !skipping {
            let code = ["// __cplusplus", "// extern \"C\""].iter().find_map(|said| line.strip_suffix(said));
            out.push(code.map_or(line, str::trim_end));
        }
    }
    out.join("\n") + "\n"
}

/// The calls that the fault loops' seam stands in front of.
fn wrapped(seam: &str) -> impl Iterator<Item = &str> {
    let by_hand = |line: &str| line.contains(") {").then_some(()).and_then(|()| line.find("__wrap_").map(|at| at + 7));
    seam.lines().filter(|line| !line.contains('#')).filter_map(move |line| match line.split_once('(') {
        Some(("CALL" | "MAP_" | "TOLD", rest)) => rest.split(", ").nth(1),
        _ => by_hand(line).and_then(|at| line[at..].split('(').next()),
    })
}

fn abi_version(root: &std::path::Path) -> String {
    let path = root.join("src/ffi/version.rs");
    let source = std::fs::read_to_string(path).expect("src/ffi/version.rs is there");
    let line = source.lines().find(|l| l.starts_with("pub const GT_ABI_VERSION")).expect("it says the ABI version");
    line.chars().skip_while(|&c| c != '=').filter(char::is_ascii_digit).collect()
}

fn versions() -> String {
    let part = |name: &str| env::var(format!("CARGO_PKG_VERSION{name}")).expect("cargo sets it");
    format!(
        "\n#define GT_VERSION \"{}\"\n#define GT_VERSION_MAJOR {}\n#define GT_VERSION_MINOR {}\n#define GT_VERSION_PATCH {}\n\n{ONCE_INIT}\n\n{STRUCTS}",
        part(""),
        part("_MAJOR"),
        part("_MINOR"),
        part("_PATCH")
    )
}

/// Without these a C compiler would take the names in a parameter list for other structs.
const STRUCTS: &str = "struct mmsghdr; /* <sys/socket.h> has it, with _GNU_SOURCE */\nstruct addrinfo; /* <netdb.h> has it, but not in strict C */";

/// A constant of struct type that C and C++ take as an initialiser.
const ONCE_INIT: &str = "/** How a gt_once_t begins. */\n#define GT_ONCE_INIT {0, {0, 0, 0, 0, 0, 0, 0}}";

const PREAMBLE: &str = r#"
/* greenrt: a green-thread runtime behind a C ABI. Generated from src/ffi by cbindgen: do not edit, run `make header`.
 *
 * A task is a green thread: code that looks blocking, switched by the runtime when it waits. Each OS thread has its own
 * scheduler, made on first use; a task never changes its OS thread (its home thread). The thread's own stack is the root
 * task. Unless a function says otherwise, it is called from any task, the root included, on its home thread.
 *
 * Results: >= 0 is success, < 0 is -errno (gt_strerror names it). The caller's errno is not touched. Outputs are written on
 * success only, except the byte counts of partial transfers.
 *
 * Times are int64_t nanoseconds on CLOCK_MONOTONIC (gt_now). Each blocking verb gt_x() has a twin gt_x_until() with an
 * absolute deadline: GT_NEVER waits for ever, a deadline in the past means "try once".
 *
 * What ends a blocking call, first rule first: work already done wins (bytes, an end to join); then cancel (-ECANCELED,
 * sticky, reported on entry even if the call could succeed at once); then interrupt (-EINTR, once for each gt_interrupt,
 * never for a signal); then the deadline of a scope, then the call's own (-ETIMEDOUT both).
 *
 * Descriptors are owned (made by gt_socket, gt_accept, gt_listen_tcp, gt_dial_tcp, or adopted) or foreign (all others).
 * Both work with every verb; owned ones cost fewer system calls.
 *
 * The first call of an OS thread makes its scheduler, for which any function that needs one may say -ENOMEM, -EMFILE, -ENFILE or
 * -EAGAIN (2,047 at a time); nothing has happened then, and the next call tries again.
 *
 * pthread_cancel(3) does not end an OS thread that has a scheduler: the request stays pending until gt_shutdown(). End its tasks by
 * gt_cancel(), which any thread may call.
 *
 * Fork: any task may call fork(2). The child has that task alone, as its root, with its stack, scopes, shields, cleanup handlers
 * and timed interrupts; when its function returns, the child ends by exit(0). Ids of other tasks are stale there (-ESRCH),
 * and nothing of theirs runs, no cleanup handler either. Scheduler, reactor and timers begin anew; descriptors are shared
 * as after every fork, and owned ones stay owned in both. Objects keep their state and have lost their waiters; the comment
 * of each type says what else. Workers, the pool's threads and the watchdog are not there: what needs them starts them
 * anew. All of this holds whatever other OS threads do with the library at that moment. (Of other libraries POSIX promises a child
 * of a process with several OS threads only the functions that are safe in signal handlers, until exec(3).)
 *
 * Callbacks take `arg` last. Structs that begin with `size_t size` may grow: set it to sizeof, zero the rest.
 */
"#;

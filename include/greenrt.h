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

#ifndef GREENRT_H
#define GREENRT_H

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/stat.h>
#include <sys/select.h>
#include <signal.h>
#include <netdb.h>
#include <poll.h>

#define GT_VERSION "0.1.0"
#define GT_VERSION_MAJOR 0
#define GT_VERSION_MINOR 1
#define GT_VERSION_PATCH 0

/** How a gt_once_t begins. */
#define GT_ONCE_INIT {0, {0, 0, 0, 0, 0, 0, 0}}

struct mmsghdr; /* <sys/socket.h> has it, with _GNU_SOURCE */
struct addrinfo; /* <netdb.h> has it, but not in strict C */

/**
 * The ABI of this library. A program or binding compares it with `gt_abi_version()` of the library it found.
 */
#define GT_ABI_VERSION 1

/**
 * The stack overflow handler: the default, which is on.
 */
#define GT_OVERFLOW_DEFAULT 0

/**
 * The stack overflow handler is installed.
 */
#define GT_OVERFLOW_ON 1

/**
 * It is not: for hosts that handle SIGSEGV themselves (a JVM, .NET, sanitizers).
 */
#define GT_OVERFLOW_OFF 2

/**
 * Deadlock: the default, which is to report.
 */
#define GT_DEADLOCK_DEFAULT 0

/**
 * Deadlock: list the parked tasks on stderr, once, and keep waiting.
 */
#define GT_DEADLOCK_REPORT 1

/**
 * Deadlock: report, and end the root task's blocking call with -EDEADLK.
 */
#define GT_DEADLOCK_ERROR 2

/**
 * Deadlock: keep waiting in silence.
 */
#define GT_DEADLOCK_OFF 3

/**
 * A flag of gt_spawn_opts_t: nobody will join the task; it is freed when it ends.
 */
#define GT_SPAWN_DETACHED 1

/**
 * A flag of gt_spawn_opts_t: the task does not start before a task hands over to it (gt_hand_over), or it is cancelled or
 * interrupted. Not for gt_spawn_on(), gt_spawn_any() and scopes.
 */
#define GT_SPAWN_SUSPENDED 2

/**
 * A deadline that never comes.
 */
#define GT_NEVER INT64_MAX

/**
 * An arm's kind: not in use; gt_select() passes over it.
 */
#define GT_SELECT_NONE 0

/**
 * An arm's kind: send `item` into the channel `object`.
 */
#define GT_SELECT_SEND 1

/**
 * An arm's kind: receive from the channel `object` into `item`.
 */
#define GT_SELECT_RECV 2

/**
 * An arm's kind: one of `events` (poll(2)), an error or a hang-up of the descriptor `id`; stored in `revents`.
 */
#define GT_SELECT_FD 3

/**
 * An arm's kind: the task `id` has ended. It is not joined: gt_join() does not wait then. While the call waits, nobody else may
 * join or detach the task, as with gt_join().
 */
#define GT_SELECT_TASK 4

/**
 * An arm's kind: the event `object` is set.
 */
#define GT_SELECT_EVENT 5

/**
 * An arm's kind: a unit of the semaphore `object`, which is taken.
 */
#define GT_SELECT_SEM 6

/**
 * The most arms of one gt_select().
 */
#define GT_SELECT_MAX 65536

/**
 * A flag of gt_scope_new(): an error of one task does not cancel the others.
 */
#define GT_SCOPE_KEEP_GOING 1

/**
 * A flag of gt_workers_opts_t: each worker stays on one of the processors that the process may use.
 */
#define GT_WORKERS_PIN 1

/**
 * In place of gt_process_fd_t.fd: the number is not open in the child.
 */
#define GT_PROCESS_CLOSED -1

/**
 * In place of gt_process_fd_t.fd: /dev/null.
 */
#define GT_PROCESS_NULL -2

/**
 * In place of gt_process_fd_t.fd: the child reads from a new pipe; *end becomes the end to write into, owned.
 */
#define GT_PROCESS_READS -3

/**
 * In place of gt_process_fd_t.fd: the child writes into a new pipe; *end becomes the end to read from, owned.
 */
#define GT_PROCESS_WRITES -4

/**
 * A flag of gt_process_opts_t: the child leads a process group of its own (kill(-pid, ...) reaches all of it).
 */
#define GT_PROCESS_GROUP 1

/**
 * A flag of gt_process_opts_t: the child leads a session of its own, without a terminal.
 */
#define GT_PROCESS_SESSION 2

/**
 * A flag of gt_process_opts_t: the child blocks no signals and ignores none. Without it, it blocks those that the calling OS thread
 * blocks, and ignores those that this process ignores, as after exec(3).
 */
#define GT_PROCESS_SIGNALS 4

/**
 * The most descriptors that gt_send_fds() takes, and that come with one message.
 */
#define GT_FDS_MAX 253

/**
 * A flag of gt_listen_opts_t: SO_REUSEPORT. Several listeners on one port, made by the same user and all with this flag, share its
 * connections: one for each OS thread, say.
 */
#define GT_LISTEN_REUSEPORT 1

/**
 * A flag of gt_listen_opts_t: IPV6_V6ONLY. No IPv4, not even with host NULL.
 */
#define GT_LISTEN_V6ONLY 2

/**
 * A flag of gt_serve_opts_t: gt_serve() returns when the connections have ended, too.
 */
#define GT_SERVE_DRAIN 1

/**
 * A flag of gt_http_limits_t: a request of HTTP/1.1 may come without Host. Without the flag it gets a 400, as RFC 9112 has it.
 */
#define GT_HTTP_HOSTLESS 1

/**
 * A flag of gt_http_request_t: another request may follow on the connection.
 */
#define GT_HTTP_KEEP_ALIVE 1

/**
 * A flag of gt_http_request_t: the other end waits for 100 (Continue) before it sends the body; gt_http_read() sends it.
 */
#define GT_HTTP_EXPECT 2

/**
 * A flag of gt_http_request_t: the other end asks for another protocol (the header Upgrade names it); see gt_http_upgrade().
 */
#define GT_HTTP_UPGRADE 4

/**
 * gt_ws_event_t, gt_ws_put(): a message of text, UTF-8.
 */
#define GT_WS_TEXT 1

/**
 * gt_ws_event_t, gt_ws_put(): a message of bytes.
 */
#define GT_WS_BINARY 2

/**
 * gt_ws_event_t, gt_ws_put(): the end. To be answered by the same, unless it is the answer.
 */
#define GT_WS_CLOSE 8

/**
 * gt_ws_event_t, gt_ws_put(): to be answered by a pong with the same data.
 */
#define GT_WS_PING 9

/**
 * gt_ws_event_t, gt_ws_put(): the answer to a ping.
 */
#define GT_WS_PONG 10

/**
 * gt_ws_opts_t: this side connected; without it, it was connected to.
 */
#define GT_WS_CLIENT 1

/**
 * gt_ws_opts_t: permessage-deflate was agreed on.
 */
#define GT_WS_DEFLATE 2

/**
 * gt_ws_opts_t: this side compresses each message by itself (its "no context takeover").
 */
#define GT_WS_ALONE 4

/**
 * gt_ws_opts_t: the other side compresses each message by itself.
 */
#define GT_WS_PEER_ALONE 8

/**
 * A state of gt_task_info_t: could run, and waits for its turn.
 */
#define GT_TASK_READY 0

/**
 * A state of gt_task_info_t: the one that calls.
 */
#define GT_TASK_RUNNING 1

/**
 * A state of gt_task_info_t: waits for something.
 */
#define GT_TASK_PARKED 2

/**
 * A state of gt_task_info_t: has ended, and was not joined.
 */
#define GT_TASK_ENDED 3

/**
 * A wait of gt_task_info_t: nothing that has a name here; also for a task that does not wait.
 */
#define GT_WAIT_OTHER 0

/**
 * A wait: gt_park().
 */
#define GT_WAIT_PARK 1

/**
 * A wait: gt_sleep().
 */
#define GT_WAIT_SLEEP 2

/**
 * A wait: `object` is a descriptor, to be readable.
 */
#define GT_WAIT_READ 3

/**
 * A wait: `object` is a descriptor, to be writable.
 */
#define GT_WAIT_WRITE 4

/**
 * A wait: gt_poll() on `object` descriptors.
 */
#define GT_WAIT_POLL 5

/**
 * A wait: the end of the task `object`.
 */
#define GT_WAIT_JOIN 6

/**
 * A wait: gt_shutdown().
 */
#define GT_WAIT_SHUTDOWN 7

/**
 * A wait: a job on another OS thread.
 */
#define GT_WAIT_OFFLOAD 8

/**
 * A wait: a mutex, at the address `object`, as in all that follow and say nothing else.
 */
#define GT_WAIT_MUTEX 9

/**
 * A wait: the read side of a rwlock.
 */
#define GT_WAIT_READ_LOCK 10

/**
 * A wait: the write side of a rwlock.
 */
#define GT_WAIT_WRITE_LOCK 11

/**
 * A wait: a condition variable.
 */
#define GT_WAIT_COND 12

/**
 * A wait: a semaphore.
 */
#define GT_WAIT_SEM 13

/**
 * A wait: an event.
 */
#define GT_WAIT_EVENT 14

/**
 * A wait: a wait group.
 */
#define GT_WAIT_WAITGROUP 15

/**
 * A wait: a barrier.
 */
#define GT_WAIT_BARRIER 16

/**
 * A wait: a gt_once_do() that another task runs.
 */
#define GT_WAIT_ONCE 17

/**
 * A wait: sending into a channel.
 */
#define GT_WAIT_SEND 18

/**
 * A wait: receiving from a channel.
 */
#define GT_WAIT_RECV 19

/**
 * A wait: gt_select() with `object` arms.
 */
#define GT_WAIT_SELECT 20

/**
 * A wait: the tasks of a scope.
 */
#define GT_WAIT_SCOPE 21

/**
 * A wait: a hand-over, or a generator's next value.
 */
#define GT_WAIT_HAND_OVER 22

/**
 * A wait: a signal of the process.
 */
#define GT_WAIT_SIGNAL 23

/**
 * A wait: the child process `object`.
 */
#define GT_WAIT_PROCESS 24

/**
 * A wait: the workers.
 */
#define GT_WAIT_WORKERS 25

/**
 * A flag of gt_task_info_t: it was cancelled.
 */
#define GT_TASK_CANCELLED 1

/**
 * A flag of gt_task_info_t: nobody will join it.
 */
#define GT_TASK_DETACHED 2

/**
 * A flag of gt_task_info_t: it is the root task.
 */
#define GT_TASK_ROOT 4

/**
 * A flag of gt_task_info_t: cancel and interrupt are not delivered at present.
 */
#define GT_TASK_SHIELDED 8

/**
 * A flag of gt_stack_t: the stack of a root task.
 */
#define GT_STACK_ROOT 1

/**
 * A flag of gt_stack_t: the scheduler says that its task runs. In the midst of a switch it is one ahead: the stack pointer of
 * the OS thread says what is so, see gt_stack_at().
 */
#define GT_STACK_RUNNING 2

/**
 * A flag of gt_stack_t: the task has ended, and was not joined. What is live is its result.
 */
#define GT_STACK_ENDED 4

/**
 * A barrier: a fixed number of tasks wait for each other, round after round. For tasks of one OS thread or of several. After
 * a fork nobody has come yet in the child.
 */
typedef struct gt_barrier_t gt_barrier_t;

/**
 * A channel: carries items of one size from task to task, first in, first out. Any number of tasks may send, any number
 * receive; those who wait are served in the order they came. An item is bytes: it is copied in and copied out.
 *
 * With capacity 0 a channel is unbuffered: a send waits for a receiver, and the item goes straight from the sender's memory
 * into the receiver's. Else up to `capacity` items lie in the channel.
 *
 * Functions that say "unless shared: home thread" give -EXDEV when another OS thread calls them for a channel of
 * gt_chan_new(). A send or receive that was done is reported as done, also if the task was cancelled, interrupted or
 * late at the same moment; one that reports an error has moved no item.
 *
 * After a fork the child has the items that lay in it and no waiters; it may use a channel that is bound to the forking OS thread.
 */
typedef struct gt_chan_t gt_chan_t;

/**
 * A condition variable: tasks wait, with a mutex given up meanwhile, until another one tells them to look again. For tasks
 * of one OS thread or of several. After a fork nobody waits on it in the child.
 */
typedef struct gt_cond_t gt_cond_t;

/**
 * What was in a directory when gt_dir_open() read it.
 */
typedef struct gt_dir_t gt_dir_t;

/**
 * An event: while it is set, everybody passes; while it is not, everybody waits. For tasks of one OS thread or of several.
 * After a fork the child has its state and no waiters.
 */
typedef struct gt_event_t gt_event_t;

/**
 * A body that gives values, one each time it is asked, on a stack of its own. After a fork the child can only free it.
 */
typedef struct gt_generator_t gt_generator_t;

/**
 * The server's end of an HTTP/1.0 or HTTP/1.1 connection. Used by one task at a time. After a fork both processes have it, as
 * they have the socket: one of them goes on with it.
 */
typedef struct gt_http_conn_t gt_http_conn_t;

/**
 * A mutex between tasks, of one OS thread or of several. It belongs to the task that locked it, and goes to the tasks that
 * wait in the order in which they came. A task that ends does not unlock what it holds.
 *
 * After a fork, a mutex that the forking task held is still its own in the child. One that another task held has no owner
 * there: it is never unlocked, and may be freed.
 */
typedef struct gt_mutex_t gt_mutex_t;

/**
 * A lock that many tasks share for reading and one has alone for writing, of one OS thread or of several. First come,
 * first served: who comes while somebody waits, waits too, so neither readers nor writers starve. For that reason a task
 * that reads must not lock it for reading again: a writer between the two would wait for the first, and the second for
 * the writer.
 *
 * The writer is known by its task; readers are only counted. After a fork, what other tasks of the parent held stays held
 * in the child; a lock held for writing may be freed there.
 */
typedef struct gt_rwlock_t gt_rwlock_t;

/**
 * Tasks that end together: who joins the scope goes on when all of them have ended, and not before. After a fork it is empty in
 * the child.
 */
typedef struct gt_scope_t gt_scope_t;

/**
 * A counting semaphore, for tasks of one OS thread or of several. What is posted goes to the tasks that wait, in the order in
 * which they came; a task that comes later cannot take it first. After a fork the child has its value and no waiters.
 */
typedef struct gt_sem_t gt_sem_t;

/**
 * A channel of signals. It catches the signals of a set, by a handler of the library's, and tasks of any OS thread receive them in
 * the order in which they came.
 */
typedef struct gt_signals_t gt_signals_t;

/**
 * A wait group: a count of what is to be done, and tasks that wait until it is 0, of one OS thread or of several. It may be
 * used again as soon as it is 0. After a fork the child has its count and no waiters.
 */
typedef struct gt_waitgroup_t gt_waitgroup_t;

/**
 * The right to wake one task from anywhere. While one exists, the task's scheduler does not call silence a deadlock.
 */
typedef struct gt_waker_t gt_waker_t;

/**
 * One side of a WebSocket (RFC 6455), as a machine over bytes: gt_ws_feed() what was received, then take messages by gt_ws_next() until
 * it says 0; gt_ws_put() or gt_ws_put_fragment() what is to be said, then write what gt_ws_output() shows and tell gt_ws_written(). It
 * touches no descriptor and never waits, so it goes with any transport. The handshake before it is HTTP's matter.
 *
 * Receiving and sending are independent: one task may do the one while another does the other.
 */
typedef struct gt_ws_t gt_ws_t;

/**
 * Settings of the whole process, for gt_config(). Zero means the default in every member but `size`.
 */
typedef struct gt_config_t {
    /**
     * sizeof(gt_config_t)
     */
    size_t size;
    /**
     * Stack bytes of a task unless it asks for others; 16 KiB to 1 GiB; default 64 KiB. Address space: only what a
     * task touches is memory.
     */
    size_t stack_size;
    /**
     * Bytes below each stack that fault when touched; up to 1 GiB; default 24 KiB.
     */
    size_t guard_size;
    /**
     * The library's allocator: all three or none. `align` is a power of two. Called from any thread. NULL on failure.
     */
    void *(*alloc)(size_t size, size_t align, void *arg);
    /**
     * As realloc(3); the old block stays when it fails.
     */
    void *(*realloc)(void *old, size_t old_size, size_t size, size_t align, void *arg);
    /**
     * As free(3).
     */
    void (*dealloc)(void *old, size_t size, size_t align, void *arg);
    /**
     * The last argument of the three.
     */
    void *alloc_arg;
    /**
     * GT_OVERFLOW_*
     */
    uint32_t overflow_handler;
    /**
     * GT_DEADLOCK_*
     */
    uint32_t deadlock;
    /**
     * OS threads that gt_offload() and what builds on it may use at once; up to 1,024; default 16.
     */
    uint32_t offload_threads;
    /**
     * Jobs that may wait for one of them; up to 1,048,576; default 1,024.
     */
    uint32_t offload_queue;
    /**
     * Nanoseconds after which such a thread ends when there is nothing to do; GT_NEVER keeps it; default 10 s.
     */
    int64_t offload_linger;
} gt_config_t;

/**
 * A task's entry: gets the argument of gt_spawn(), its result is gt_join()'s.
 */
typedef void *(*gt_entry_t)(void *arg);

/**
 * Wishes for gt_spawn_with(). Zero means the default in every member but `size`.
 */
typedef struct gt_spawn_opts_t {
    /**
     * sizeof(gt_spawn_opts_t)
     */
    size_t size;
    /**
     * A name for reports, copied, cut at 31 bytes; or NULL.
     */
    const char *name;
    /**
     * Stack bytes, 16 KiB to 1 GiB.
     */
    size_t stack_size;
    /**
     * A stack of the caller's own: lowest address of `stack_size` bytes, without a guard, the caller's again once the
     * task is joined. The upper end holds the task's record (about 0.5 KiB).
     */
    void *stack;
    /**
     * Bytes below the stack that fault when touched.
     */
    size_t guard_size;
    /**
     * Reserved: 0.
     */
    int32_t priority;
    /**
     * GT_SPAWN_*
     */
    uint32_t flags;
} gt_spawn_opts_t;

/**
 * Whether something that is to be done once was done; for tasks of one OS thread or of several. Begins as GT_ONCE_INIT, or all
 * zeroes; needs no end. Leave its members alone, and the struct where it is while a call is in it.
 *
 * After a fork, a function that another task was running counts as not begun in the child.
 */
typedef struct gt_once_t {
    /**
     * Zero at the beginning.
     */
    int64_t state;
    /**
     * Zero at the beginning.
     */
    uint64_t reserved[7];
} gt_once_t;

/**
 * One of the things that gt_select() waits for. Zero it, then set what its kind needs. It may be used for many calls; during
 * a call it belongs to the library and stays where it is (for ever, if the OS thread ends during the call).
 */
typedef struct gt_select_arm_t {
    /**
     * GT_SELECT_*
     */
    int kind;
    /**
     * Of the arm that came about: 0; -EPIPE (the channel is closed, and for a receive drained); -EBADF (the descriptor is closed).
     * Of an arm for whose sake gt_select() failed: that error. Otherwise 0.
     */
    int result;
    /**
     * The channel, event or semaphore.
     */
    void *object;
    /**
     * The item to send, or room for the one to receive.
     */
    void *item;
    /**
     * The descriptor, or the task's id.
     */
    int64_t id;
    /**
     * Events of the descriptor, as poll(2)'s.
     */
    short events;
    /**
     * The events that were seen.
     */
    short revents;
    /**
     * The library's own.
     */
    uint16_t own[2];
    /**
     * The library's own: here the call waits, so it allocates nothing.
     */
    uint64_t place[12];
} gt_select_arm_t;

/**
 * What a task of a scope runs: its result is 0 or more, or negative for an error (-errno, or a code of the program's own).
 */
typedef int (*gt_scope_entry_t)(void *arg);

/**
 * What becomes of a slot's value at the end of its task.
 */
typedef void (*gt_destructor_t)(void *value);

/**
 * A generator's body. It calls gt_generator_yield() for each value. Its result is 0 or more at the end, or negative for an
 * error (-errno, or a code of the program's own), which gt_generator_next() returns.
 */
typedef int (*gt_generator_body_t)(struct gt_generator_t *generator, void *arg);

/**
 * Wishes for gt_workers_start(). Zero means the default in every member but `size`.
 */
typedef struct gt_workers_opts_t {
    /**
     * sizeof(gt_workers_opts_t)
     */
    size_t size;
    /**
     * GT_WORKERS_*
     */
    uint32_t flags;
    /**
     * Reserved: 0.
     */
    uint32_t reserved;
} gt_workers_opts_t;

/**
 * What gt_offload() runs on another OS thread.
 */
typedef int64_t (*gt_offload_fn_t)(void *arg);

/**
 * What gt_offload_owned() calls when its argument is needed no longer.
 */
typedef void (*gt_release_fn_t)(void *arg);

/**
 * A name in a directory.
 */
typedef struct gt_dirent_t {
    /**
     * The name, until gt_dir_free().
     */
    const char *name;
    /**
     * The file's number in its file system.
     */
    uint64_t inode;
    /**
     * DT_REG, DT_DIR and the like of readdir(3); DT_UNKNOWN where the file system does not say: ask gt_lstat().
     */
    int kind;
    /**
     * 0
     */
    uint32_t reserved;
} gt_dirent_t;

/**
 * One descriptor of a child.
 */
typedef struct gt_process_fd_t {
    /**
     * Its number in the child.
     */
    int child;
    /**
     * The caller's descriptor that the child gets there, or one of GT_PROCESS_CLOSED, _NULL, _READS, _WRITES.
     */
    int fd;
    /**
     * For GT_PROCESS_READS and GT_PROCESS_WRITES: where the caller's end goes.
     */
    int *end;
} gt_process_fd_t;

/**
 * Wishes for gt_process_spawn(). Zero means the default in every member but `size`.
 */
typedef struct gt_process_opts_t {
    /**
     * sizeof(gt_process_opts_t)
     */
    size_t size;
    /**
     * The environment, "NAME=value" up to a NULL; or NULL: the caller's.
     */
    char *const *env;
    /**
     * The directory the child begins in; or NULL: the caller's.
     */
    const char *cwd;
    /**
     * The child's descriptors. Numbers that are not listed stay what they are, unless they are closed by exec(3), like all
     * that gt_ functions open.
     */
    const struct gt_process_fd_t *fds;
    /**
     * How many there are.
     */
    size_t fds_count;
    /**
     * GT_PROCESS_GROUP and the others.
     */
    uint32_t flags;
    /**
     * Reserved: 0.
     */
    uint32_t reserved;
} gt_process_opts_t;

/**
 * What gt_signals_recv() and gt_signal_wait() tell of a signal. The members are those of sigaction(2)'s siginfo_t; what does not
 * belong to a signal is 0.
 */
typedef struct gt_signal_info_t {
    /**
     * sizeof(gt_signal_info_t), set by the caller
     */
    size_t size;
    /**
     * Its number.
     */
    int number;
    /**
     * si_code: SI_USER, SI_QUEUE, CLD_EXITED, ...
     */
    int code;
    /**
     * Who sent it; of SIGCHLD the child.
     */
    pid_t pid;
    /**
     * The sender's user.
     */
    uid_t uid;
    /**
     * What sigqueue(3) sent: the pointer, in whose low half lies the int.
     */
    int64_t value;
    /**
     * Of SIGCHLD: the exit status, or the signal that ended or stopped the child.
     */
    int status;
    /**
     * How many more signals of this number this one stands for: there was no room for them.
     */
    uint32_t lost;
} gt_signal_info_t;

/**
 * Wishes for gt_listen_tcp_with(). Zero means the default in every member but `size`.
 */
typedef struct gt_listen_opts_t {
    /**
     * sizeof(gt_listen_opts_t)
     */
    size_t size;
    /**
     * Connections that may wait to be accepted, at most (net.core.somaxconn limits it too); <= 0 means 1024.
     */
    int backlog;
    /**
     * GT_LISTEN_*
     */
    uint32_t flags;
    /**
     * TCP_DEFER_ACCEPT: a connection is accepted when its first bytes have come, or after about so many seconds, 0 to 3600.
     */
    int defer_accept;
    /**
     * Reserved: 0.
     */
    uint32_t reserved;
} gt_listen_opts_t;

/**
 * What gt_serve() calls for each connection, on a task of its own; `arg` is gt_serve()'s.
 */
typedef void (*gt_handler_t)(int fd, void *arg);

/**
 * Wishes for gt_serve(). Zero means the default in every member but `size`.
 */
typedef struct gt_serve_opts_t {
    /**
     * sizeof(gt_serve_opts_t)
     */
    size_t size;
    /**
     * Connections at a time, at most; the next ones wait in the listener's queue. 0: no limit but that of descriptors.
     */
    size_t max_connections;
    /**
     * Stack bytes of the connections' tasks, 16 KiB to 1 GiB.
     */
    size_t stack_size;
    /**
     * The name of the connections' tasks, cut at 31 bytes; or NULL. It has to last until gt_serve() returns.
     */
    const char *name;
    /**
     * GT_SERVE_*
     */
    uint32_t flags;
    /**
     * Reserved: 0.
     */
    uint32_t reserved;
} gt_serve_opts_t;

/**
 * What a connection may cost; zero means the default in every member but `size`. Times are ns, GT_NEVER for no limit.
 */
typedef struct gt_http_limits_t {
    /**
     * sizeof(gt_http_limits_t)
     */
    size_t size;
    /**
     * Bytes of the request line (more is 414), and of each header line (431). Default: 8 KiB.
     */
    size_t max_line;
    /**
     * Header lines of a request, and its trailer lines (431). Default: 100.
     */
    size_t max_headers;
    /**
     * Bytes of request line and headers together, and of all trailers (431). Default: 64 KiB.
     */
    size_t max_header_bytes;
    /**
     * Bytes of a body (413). Default: 1 GiB; UINT64_MAX: no limit.
     */
    uint64_t max_body;
    /**
     * How long the first byte of a connection may take; then it ends. Default: 30 s.
     */
    int64_t first_byte;
    /**
     * How long the first byte of each later request may take; then the connection ends. Default: 75 s.
     */
    int64_t idle;
    /**
     * How long a request's head may take from its first byte to its last (408). Default: 30 s.
     */
    int64_t head;
    /**
     * How long the next bytes of a body may take (408). Default: 60 s.
     */
    int64_t body;
    /**
     * How long the other end may take nothing of an answer. Default: 60 s.
     */
    int64_t write;
    /**
     * GT_HTTP_HOSTLESS, or 0.
     */
    uint32_t flags;
    /**
     * Reserved: 0.
     */
    uint32_t reserved;
    /**
     * How long all of a body may take, from when it is first waited for (408). Default: GT_NEVER, as large bodies take their time.
     */
    int64_t body_total;
} gt_http_limits_t;

/**
 * Reads up to `len` bytes for gt_http_new_io(): the number of bytes, 0 at the end, or a negative errno. It may switch; what it
 * waits in should obey deadline scopes, which the limits on time are made of.
 */
typedef ssize_t (*gt_http_read_t)(void *ctx, void *buf, size_t len);

/**
 * Writes up to `len` bytes for gt_http_new_io(): the number of bytes, or a negative errno. As gt_http_read_t otherwise.
 */
typedef ssize_t (*gt_http_write_t)(void *ctx, const void *buf, size_t len);

/**
 * A connection that is no plain socket: TLS, say.
 */
typedef struct gt_http_io_t {
    /**
     * sizeof(gt_http_io_t)
     */
    size_t size;
    /**
     * Reads.
     */
    gt_http_read_t read;
    /**
     * Writes.
     */
    gt_http_write_t write;
    /**
     * The first argument of both.
     */
    void *ctx;
} gt_http_io_t;

/**
 * A header line. The texts are not NUL-terminated.
 */
typedef struct gt_http_header_t {
    /**
     * As it was sent: names differ in case only where they mean the same.
     */
    const char *name;
    /**
     * Bytes of the name.
     */
    size_t name_len;
    /**
     * Without the space around it.
     */
    const char *value;
    /**
     * Bytes of the value.
     */
    size_t value_len;
} gt_http_header_t;

/**
 * A request. The texts are not NUL-terminated; they and the headers stay until the next call of gt_http_next() or gt_http_free().
 */
typedef struct gt_http_request_t {
    /**
     * sizeof(gt_http_request_t), set by the caller
     */
    size_t size;
    /**
     * "GET". Case counts.
     */
    const char *method;
    /**
     * Bytes of it.
     */
    size_t method_len;
    /**
     * As it was sent: a path with its query, a whole URI, host and port (CONNECT), or * (OPTIONS).
     */
    const char *target;
    /**
     * Bytes of it.
     */
    size_t target_len;
    /**
     * The target's path, still encoded: it begins with a slash, or is *. NULL for CONNECT.
     */
    const char *path;
    /**
     * Bytes of it.
     */
    size_t path_len;
    /**
     * What follows the question mark, still encoded; NULL without one.
     */
    const char *query;
    /**
     * Bytes of it.
     */
    size_t query_len;
    /**
     * Which host was meant, with a port if one was said: of the target, else of the header Host; NULL if neither said it.
     */
    const char *host;
    /**
     * Bytes of it.
     */
    size_t host_len;
    /**
     * The headers, in their order.
     */
    const struct gt_http_header_t *headers;
    /**
     * How many there are.
     */
    size_t header_count;
    /**
     * Bytes of the body; 0: it has none; -1: it comes in chunks.
     */
    int64_t content_length;
    /**
     * Of the version: 0 or 1.
     */
    int minor;
    /**
     * GT_HTTP_*
     */
    uint32_t flags;
} gt_http_request_t;

/**
 * What the handshake agreed on, and the limits of this side.
 */
typedef struct gt_ws_opts_t {
    /**
     * sizeof(gt_ws_opts_t)
     */
    size_t size;
    /**
     * GT_WS_CLIENT, GT_WS_DEFLATE and so on.
     */
    uint32_t flags;
    /**
     * How hard this side compresses, 1 to 9; 0: 6.
     */
    uint32_t level;
    /**
     * The most bytes of one message of the other side, inflated; 0: 1 MiB.
     */
    uint64_t max_size;
    /**
     * With GT_WS_DEFLATE: the window bits of this side, 9 to 15; 0: 15.
     */
    uint32_t window;
    /**
     * The same of the other side.
     */
    uint32_t peer_window;
} gt_ws_opts_t;

/**
 * What gt_ws_next() found.
 */
typedef struct gt_ws_event_t {
    /**
     * GT_WS_TEXT, GT_WS_BINARY, GT_WS_CLOSE, GT_WS_PING or GT_WS_PONG.
     */
    int kind;
    /**
     * GT_WS_CLOSE: why; 1005 when the other side did not say. Else 0.
     */
    int code;
    /**
     * The message; the reason of a close. Until the next call of gt_ws_next(), gt_ws_feed() or gt_ws_free().
     */
    const void *data;
    /**
     * How many bytes.
     */
    size_t len;
} gt_ws_event_t;

/**
 * The hooks by which a VM's per-thread state follows its task. Their shapes are those of the VM's own functions; for
 * CPython: PyThreadState_New, PyThreadState_Swap, PyThreadState_Clear, PyThreadState_Delete, PyEval_SaveThread,
 * PyEval_RestoreThread, PyUnstable_ThreadState_SetStackProtection, PyErr_CheckSignals.
 *
 * The first four go together, as do release and acquire. A hook may let other OS threads run. state_clear and
 * interrupted may block the task; the others may not. trace and deadlocked are for finding what blocks.
 */
typedef struct gt_host_t {
    /**
     * sizeof(gt_host_t)
     */
    size_t size;
    /**
     * The argument of state_new.
     */
    void *ctx;
    /**
     * Makes the state of a new task, called by gt_spawn(). NULL: gt_spawn() fails with -ENOMEM.
     */
    void *(*state_new)(void *ctx);
    /**
     * Makes a state current and returns the one that was. Called on arrival in a task, after each switch.
     */
    void *(*swap)(void *incoming);
    /**
     * Empties the state of a finishing task, on that task, while it is current.
     */
    void (*state_clear)(void *state);
    /**
     * Frees a state, after it was swapped out for good.
     */
    void (*state_free)(void *state);
    /**
     * Gives up the VM's lock before a poll that may sleep.
     */
    void *(*release)(void);
    /**
     * Takes it again, with what release returned.
     */
    void (*acquire)(void *released);
    /**
     * Tells the VM the stack of a new task; not 0: gt_spawn() fails with -EINVAL.
     */
    int (*stack_bounds)(void *state, void *base, size_t size);
    /**
     * Called on the root task when a signal has ended a poll, or after gt_host_notify(); not 0: the root's blocking
     * call returns -EINTR, with no code to take.
     */
    int (*interrupted)(void);
    /**
     * A pthread key that is set to the incoming state before swap; or NULL.
     */
    const uint32_t *tls_key;
    /**
     * Writes the VM's own calls as lines of text, for dumps and reports, and returns how many bytes it wrote, at most `max`.
     * `state` is that of a task that does not run, while its OS thread stands still; or NULL: what is current on the calling
     * OS thread, then also in a signal handler and in the middle of anything. It takes no lock and allocates nothing.
     */
    size_t (*trace)(void *state, char *text, size_t max);
    /**
     * Asked before a deadlock is reported, on the task that waits. 0 or less: it is none, somebody of whom the library does not
     * know can end it. 1 + n: it may be one, if the process has no other OS threads beside n of the host's, which can wake no
     * task. NULL: never is.
     */
    int (*deadlocked)(void);
} gt_host_t;

/**
 * Figures of one scheduler, for gt_stats(). The root task is in none of the task figures.
 */
typedef struct gt_stats_t {
    /**
     * sizeof(gt_stats_t), set by the caller
     */
    size_t size;
    /**
     * Tasks that have not ended.
     */
    uint64_t tasks_live;
    /**
     * Tasks that wait for something.
     */
    uint64_t tasks_parked;
    /**
     * Tasks that could run.
     */
    uint64_t tasks_ready;
    /**
     * Tasks ever spawned.
     */
    uint64_t tasks_spawned;
    /**
     * Switches from task to task.
     */
    uint64_t switches;
    /**
     * Polls of the reactor.
     */
    uint64_t polls;
    /**
     * Owned descriptors.
     */
    uint64_t descriptors;
    /**
     * Armed timers.
     */
    uint64_t timers;
    /**
     * Stacks for which address space is mapped.
     */
    uint64_t stacks_mapped;
    /**
     * Stacks of tasks that live, or have ended and were not joined.
     */
    uint64_t stacks_in_use;
    /**
     * Stacks that were used and wait for the next task.
     */
    uint64_t stacks_cached;
    /**
     * Requests from other OS threads carried out.
     */
    uint64_t wakes_remote;
    /**
     * Jobs that run on other OS threads for tasks of this scheduler.
     */
    uint64_t offload_jobs;
    /**
     * Objects of the whole process that were made and not freed: mutexes, channels, scopes and all the others.
     */
    uint64_t objects;
    /**
     * OS threads that the whole process has for gt_offload() and what builds on it.
     */
    uint64_t offload_threads;
    /**
     * Jobs of the whole process that wait for one of them.
     */
    uint64_t offload_queued;
} gt_stats_t;

/**
 * What gt_task_info() tells of a task.
 */
typedef struct gt_task_info_t {
    /**
     * sizeof(gt_task_info_t), set by the caller
     */
    size_t size;
    /**
     * The task.
     */
    int64_t id;
    /**
     * GT_TASK_READY to GT_TASK_ENDED
     */
    uint32_t state;
    /**
     * What it waits on, while GT_TASK_PARKED: GT_WAIT_*
     */
    uint32_t waits;
    /**
     * A descriptor, a task, a number, or the address of an object: see GT_WAIT_*.
     */
    int64_t object;
    /**
     * Until when it waits (absolute ns), the deadline of its scopes included; GT_NEVER without one.
     */
    int64_t deadline;
    /**
     * When it began to wait (absolute ns), behind by some milliseconds at most while the scheduler polls, and by 256
     * switches; 0 when it does not wait.
     */
    int64_t since;
    /**
     * Its entry function; NULL for the root.
     */
    const void *entry;
    /**
     * Lowest address of its stack; NULL if the C library does not say (root).
     */
    void *stack_base;
    /**
     * Bytes of its stack.
     */
    size_t stack_size;
    /**
     * The most that was ever used of the stack, by this task or an earlier one on the same stack: bytes from the lowest
     * word that is not zero, in pages that were touched, up to the top; memory that was swapped out is not seen. 0 for the
     * root and for stacks of the caller's own.
     */
    size_t stack_used;
    /**
     * Where its stack ends while it does not run; NULL for the one that runs.
     */
    void *stack_pointer;
    /**
     * GT_TASK_CANCELLED, ...
     */
    uint32_t flags;
    /**
     * 0
     */
    uint32_t reserved;
    /**
     * Its name, "" without one.
     */
    char name[32];
} gt_task_info_t;

/**
 * A task that has not switched for too long.
 */
typedef struct gt_watchdog_report_t {
    /**
     * sizeof(gt_watchdog_report_t)
     */
    size_t size;
    /**
     * The task; 0 when its thread did not say: it blocks the signal, or waits in the kernel for what no signal interrupts.
     */
    int64_t task;
    /**
     * How long it has held its thread (ns), at least.
     */
    int64_t held;
    /**
     * For how much of that the thread was on a processor: nearly all in a busy loop, nothing in a call that blocks.
     */
    int64_t ran;
    /**
     * Its entry function; NULL for the root.
     */
    const void *entry;
    /**
     * Code addresses of its calls, innermost first: valid until the callback returns.
     */
    const void *const *addresses;
    /**
     * How many they are.
     */
    size_t address_count;
    /**
     * All of this as text of some lines, with names: valid until the callback returns.
     */
    const char *text;
    /**
     * 1 for the first report of a hold, 2 for the next one.
     */
    uint32_t count;
    /**
     * Its OS thread, as gettid(2) calls it.
     */
    int32_t thread;
    /**
     * Its name, "" without one.
     */
    char name[32];
    /**
     * What its host told of its own calls (gt_host_t, trace), "" without: valid until the callback returns.
     */
    const char *host;
} gt_watchdog_report_t;

/**
 * Is told of a task that has not switched; on the watchdog's own OS thread, which has no scheduler.
 */
typedef void (*gt_watchdog_fn_t)(const struct gt_watchdog_report_t *report, void *arg);

/**
 * A stack that a conservative collector scans: all words from `low` up to `top`. What a parked task keeps in registers lies
 * there too: the switch saves them on its stack. So does the argument of a task that has not started, and the result of one that
 * was not joined.
 *
 * A root task's own stack is its OS thread's, of which the library does not know the bounds: `base` and `top` are NULL, and the
 * collector, with whom the thread is registered, knows where it ends.
 */
typedef struct gt_stack_t {
    /**
     * sizeof(gt_stack_t)
     */
    size_t size;
    /**
     * The task.
     */
    int64_t task;
    /**
     * pthread_self() of the OS thread that it lives on.
     */
    uintptr_t thread;
    /**
     * The lowest live address, if no OS thread's stack pointer lies in this stack; else that stack pointer is.
     */
    void *low;
    /**
     * The lowest address; NULL: see above.
     */
    void *base;
    /**
     * One past the highest; NULL: see above.
     */
    void *top;
    /**
     * Where the OS thread's own stack was left while it runs tasks: live from here up to its end. NULL when this is it.
     */
    void *own;
    /**
     * GT_STACK_*
     */
    uint32_t flags;
    /**
     * 0
     */
    uint32_t reserved;
} gt_stack_t;

/**
 * What gt_stacks_each() calls; `stack` is valid until it returns. It must not call the library.
 */
typedef void (*gt_stack_visit_t)(const struct gt_stack_t *stack, void *arg);

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The library's version, as "1.2.3". Static text. Any thread; does not switch.
 */
const char *gt_version(void);

/**
 * The library's ABI version. Another number than the header's GT_ABI_VERSION: do not use this library with this
 * header. Any thread; does not switch.
 */
uint32_t gt_abi_version(void);

/**
 * The name and meaning of an error, as static text that is never NULL: "ECANCELED: the task was cancelled". Takes the
 * negative result of a call or a positive errno. Any thread; does not switch.
 */
const char *gt_strerror(int error);

/**
 * Sets the process-wide settings. Comes before every other call that uses a scheduler.
 *
 * Returns 0, or
 *   -EINVAL  config is NULL or too small; a size or a limit is out of range; one or two of the three allocator functions are
 *            missing; an unknown GT_OVERFLOW_* or GT_DEADLOCK_* value
 *   -E2BIG   the struct is larger than this library knows and its tail is not zero
 *   -EBUSY   a scheduler exists already, or an allocator comes after the first allocation
 *
 * Any thread; does not switch.
 */
int gt_config(const struct gt_config_t *config);

/**
 * Ends this OS thread's scheduler: cancels all its tasks, waits until they have ended, frees everything. A task that
 * never ends keeps it waiting. Call it from the root task before the thread ends; without it, parked tasks are
 * abandoned when the thread ends: they never run again, and their stacks stay mapped. The next call of any function
 * makes a new scheduler.
 *
 * Returns 0 (also when there is no scheduler), or
 *   -EPERM   called from a task other than the root
 *
 * Switches. Root task only.
 */
int gt_shutdown(void);

/**
 * As gt_shutdown(), waiting no longer than `deadline` (absolute ns).
 *
 * Also returns
 *   -ETIMEDOUT  some tasks have not ended yet; they stay cancelled, nothing was freed
 */
int gt_shutdown_until(int64_t deadline);

/**
 * A descriptor for life inside another event loop: readable when gt_turn() has something to do. Watch it, wake up no
 * later than gt_next_deadline(), and call gt_turn(). It stays the library's: do not read or close it.
 *
 * Returns the descriptor, or the error that kept the scheduler from being made (-ENOMEM, -EMFILE, -ENFILE).
 *
 * Does not switch.
 */
int gt_poll_fd(void);

/**
 * When gt_turn() must be called at the latest: absolute ns, 0 when tasks are ready now, GT_NEVER when only a
 * descriptor can bring work. Negative: the error that kept the scheduler from being made. Does not switch.
 */
int64_t gt_next_deadline(void);

/**
 * One turn of the scheduler, driven by another loop: looks for events, waits for them until `deadline` (absolute ns;
 * 0 does not wait) if no task is ready, and lets every task that is ready run once.
 *
 * Returns the number of switches, or
 *   -EPERM   called from a task other than the root
 *
 * Switches. Root task only.
 */
int gt_turn(int64_t deadline);

/**
 * Makes a task that runs `entry(arg)`. It does not run yet: it is put behind the tasks that are ready, and runs when
 * the caller blocks or yields. Join it, or detach it: what is neither keeps its stack.
 *
 * Returns the task's id (> 0), or
 *   -EINVAL  entry is NULL
 *   -ENOMEM  out of memory, or the host's state_new failed
 *   -ENOSPC  no memory mapping left for the guard (vm.max_map_count; only where guard markers are not supported)
 *   -EAGAIN  16,777,215 tasks live on this OS thread
 *
 * Does not switch.
 */
int64_t gt_spawn(gt_entry_t entry,
                 void *arg);

/**
 * As gt_spawn(), with wishes; `opts` may be NULL.
 *
 * Also returns
 *   -EINVAL  opts is too small; stack_size or guard_size is out of range; `stack` with less than 16 KiB; priority is
 *            not 0; an unknown flag
 *   -E2BIG   the struct is larger than this library knows and its tail is not zero
 */
int64_t gt_spawn_with(gt_entry_t entry,
                      void *arg,
                      const struct gt_spawn_opts_t *opts);

/**
 * The id of the running task; the root task (the OS thread's own stack) has one too. Negative: the error that kept the
 * scheduler from being made. Does not switch.
 */
int64_t gt_self(void);

/**
 * Waits until a task has ended, stores its result (`result` may be NULL), and frees it: its id is stale afterwards.
 *
 * Returns 0, or
 *   -ESRCH      no such task: joined already, detached and ended, or never made
 *   -EDEADLK    a task cannot join itself; or nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
 *   -EINVAL     another task is joining it, or it is detached, or it is the root
 *   -EXDEV      it lives on another OS thread, and was not made by gt_spawn_on() or gt_spawn_any()
 *   -ENOMEM     a task made by those could not be started for want of memory
 *   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
 *   -ETIMEDOUT  a deadline scope of the caller expired
 *
 * May switch. The task's home thread; any thread for tasks of gt_spawn_on() and gt_spawn_any().
 */
int gt_join(int64_t task,
            void **result);

/**
 * As gt_join(), at most until `deadline` (absolute ns); then -ETIMEDOUT, and the task can still be joined.
 */
int gt_join_until(int64_t task, void **result, int64_t deadline);

/**
 * Gives up the right to join a task: it is freed when it ends, or now if it has.
 *
 * Returns 0, or
 *   -ESRCH   no such task
 *   -EINVAL  it is detached already, or being joined, or the root
 *   -EXDEV   it lives on another OS thread, and was not made by gt_spawn_on() or gt_spawn_any()
 *
 * Does not switch. The task's home thread; any thread for tasks of gt_spawn_on() and gt_spawn_any().
 */
int gt_detach(int64_t task);

/**
 * Lets the other ready tasks run first.
 *
 * Returns 0, or -ECANCELED, -EINTR. Switches if another task is ready.
 */
int gt_yield(void);

/**
 * Ends the running task with a result, from any depth of calls: cleanup handlers run, frames are left as by longjmp(3).
 *
 * Does not return, unless
 *   -EPERM   called from the root task, whose end is the thread's
 *
 * Switches. A task only.
 */
int gt_exit(void *result);

/**
 * Cancels a task: the blocking call it is in, and each later one, returns -ECANCELED, also one that could succeed at
 * once. It is up to the task to end. Cancelling twice is fine.
 *
 * What another OS thread sends, such as this, gt_interrupt() and gt_unpark(), arrives at once where the task's OS thread sleeps. Where it
 * is busy, it arrives when that looks next: after 256 switches at the latest, or, while no other task is ready, with the next gt_yield() or
 * 128 operations that need not wait.
 *
 * Returns 0, or -ESRCH: no such task, or it has ended. Any thread; does not switch.
 */
int gt_cancel(int64_t task);

/**
 * Interrupts a task once: the blocking call it is in, or its next one, returns -EINTR. Codes queue, first in, first
 * out, one for each -EINTR.
 *
 * Returns 0, or -ESRCH, -ENOMEM. Any thread; does not switch.
 */
int gt_interrupt(int64_t task,
                 int code);

/**
 * Interrupts a task at a time (absolute ns; GT_NEVER: not at all), unless gt_interrupt_withdraw() comes first or the
 * task ends.
 *
 * Returns 0, or -ESRCH, -EXDEV, -ENOMEM. Does not switch. The task's home thread.
 */
int gt_interrupt_at(int64_t task,
                    int code,
                    int64_t deadline);

/**
 * Reads the oldest code that was delivered to the running task by -EINTR.
 *
 * Returns 0, or
 *   -EAGAIN  there is none
 *   -EINVAL  code is NULL
 *
 * Does not switch.
 */
int gt_interrupt_take(int32_t *code);

/**
 * Takes back one interrupt with this code that was not delivered yet: a queued one, else a timed one.
 *
 * Returns 0, or
 *   -ENOENT  there is none (any more)
 *   -ESRCH   no such task
 *   -EXDEV   it lives on another OS thread
 *
 * Does not switch. The task's home thread.
 */
int gt_interrupt_withdraw(int64_t task, int code);

/**
 * Suspends the delivery of cancel, interrupt and scope deadlines to the running task, until the matching
 * gt_shield_pop(). Shields nest. What comes meanwhile is delivered afterwards.
 *
 * Returns 0. Does not switch.
 */
int gt_shield_push(void);

/**
 * Ends the innermost shield.
 *
 * Returns 0, or -EINVAL: there is none. Does not switch.
 */
int gt_shield_pop(void);

/**
 * Registers `fn(arg)` to run when the running task ends, by gt_exit() or by its entry's return; last in, first out,
 * under a shield, also when the task was cancelled. The destructors of its task-local slots run afterwards. On the root task, which does not end, only gt_cleanup_pop() runs it.
 *
 * Returns 0, or
 *   -EINVAL  fn is NULL
 *   -ENOMEM
 *
 * Does not switch.
 */
int gt_cleanup_push(void (*function)(void *arg),
                    void *arg);

/**
 * Takes the innermost cleanup handler off, and runs it if `execute` is not 0.
 *
 * Returns 0, or -EINVAL: there is none. Switches if the handler does.
 */
int gt_cleanup_pop(int execute);

/**
 * Names a task for reports; copied, cut at 31 bytes.
 *
 * Returns 0, or
 *   -EINVAL  name is NULL
 *   -ESRCH   no such task
 *   -EXDEV   it lives on another OS thread
 *
 * Does not switch. The task's home thread.
 */
int gt_task_set_name(int64_t task, const char *name);

/**
 * Copies a task's name into `buf` (`len` bytes, always NUL-terminated unless len is 0).
 *
 * Returns the length of the name, which may be more than fitted, or
 *   -EINVAL  buf is NULL and len is not 0
 *   -ESRCH   no such task
 *   -EXDEV   it lives on another OS thread
 *
 * Does not switch. The task's home thread.
 */
int gt_task_name(int64_t task, char *buf, size_t len);

/**
 * Waits for the running task's permit and takes it. There is one: gt_unpark() before gt_park() is not lost, two are as
 * good as one.
 *
 * Returns 0, or -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EDEADLK (root task, GT_DEADLOCK_ERROR). May switch.
 */
int gt_park(void);

/**
 * As gt_park(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_park_until(int64_t deadline);

/**
 * Gives a task its permit.
 *
 * Returns 0, or -ESRCH: no such task, or it has ended. Any thread; does not switch.
 */
int gt_unpark(int64_t task);

/**
 * Makes a waker for a task: gt_unpark() for code that keeps it for later, such as another thread.
 *
 * Returns NULL with errno set: ESRCH (no such task, or it has ended), ENOMEM. Any thread; does not switch.
 */
struct gt_waker_t *gt_waker_new(int64_t task);

/**
 * Gives the waker's task its permit.
 *
 * Returns 0, or
 *   -EINVAL  waker is NULL, was freed before, or is no waker
 *   -ESRCH   the task has ended
 *
 * Any thread; does not switch.
 */
int gt_waker_wake(const struct gt_waker_t *waker);

/**
 * Frees a waker. NULL is fine, and one that was freed before is left alone. Any thread; does not switch.
 */
void gt_waker_free(struct gt_waker_t *waker);

/**
 * Nanoseconds on CLOCK_MONOTONIC: what deadlines are made of (`gt_now() + 5 * 1000000000LL`). Any thread; does not
 * switch. In tests it may be another clock: gt_clock_virtual().
 */
int64_t gt_now(void);

/**
 * Sleeps for `ns` nanoseconds; 0 lets the other ready tasks run. Late by what the others take and the kernel's timer
 * slack (prctl(2), PR_SET_TIMERSLACK), never early.
 *
 * Returns 0, or
 *   -EINVAL     ns is negative
 *   -ECANCELED  the task was cancelled
 *   -EINTR      the task was interrupted
 *   -ETIMEDOUT  a deadline scope expired first
 *
 * Switches.
 */
int gt_sleep(int64_t ns);

/**
 * Sleeps until `deadline` (absolute ns). One in the past lets the other ready tasks run. Results as of gt_sleep().
 */
int gt_sleep_until(int64_t deadline);

/**
 * Opens a deadline scope: until gt_deadline_pop(), every blocking call of the running task ends with -ETIMEDOUT at
 * `deadline` (absolute ns) at the latest. Scopes nest; the nearest deadline counts.
 *
 * Returns a token (> 0), or -ENOMEM. Does not switch.
 */
int64_t gt_deadline_push(int64_t deadline);

/**
 * Closes the innermost deadline scope.
 *
 * Returns 1 if its deadline has ended a blocking call, 0 if not, or
 *   -EINVAL  the token is not the innermost open scope's; nothing was closed
 *
 * Does not switch.
 */
int gt_deadline_pop(int64_t token);

/**
 * Makes a mutex, unlocked.
 *
 * Returns NULL with errno ENOMEM when memory is out. Any thread; does not switch.
 */
struct gt_mutex_t *gt_mutex_new(void);

/**
 * Frees a mutex; NULL is fine.
 *
 * Returns 0, or
 *   -EBUSY   a task holds it or waits for it; nothing was freed
 *   -EINVAL  mutex was freed before, or is no mutex
 *
 * Any thread; does not switch. Nobody else may use it at the same time.
 */
int gt_mutex_free(struct gt_mutex_t *mutex);

/**
 * Locks a mutex; waits while another task has it. Who has waited longest gets it.
 *
 * Returns 0, or
 *   -ECANCELED  the task was cancelled
 *   -EINTR      the task was interrupted
 *   -ETIMEDOUT  a deadline scope expired first
 *   -EDEADLK    the task has the mutex already, or nothing can ever wake the root task (GT_DEADLOCK_ERROR)
 *   -EINVAL     mutex is NULL, was freed, or is no mutex
 *   -ENOMEM     the OS thread's first call found no memory for a scheduler
 *
 * A task that is given the mutex and cancelled at the same time has the mutex (0). May switch. Any task, the root
 * included, of any OS thread.
 */
int gt_mutex_lock(struct gt_mutex_t *mutex);

/**
 * As gt_mutex_lock(), waiting at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: try once.
 */
int gt_mutex_lock_until(struct gt_mutex_t *mutex,
                        int64_t deadline);

/**
 * Locks a mutex if no task has it.
 *
 * Returns 0, or
 *   -EBUSY    another task has it
 *   -EDEADLK  the task has it already
 *   -EINVAL   mutex is NULL, was freed, or is no mutex
 *   -ENOMEM   the OS thread's first call found no memory for a scheduler
 *
 * A mutex that tasks wait for is handed on, so it is never found free: to have several, lock them in one order, that of
 * their addresses, say, instead of trying and giving back.
 *
 * Does not switch; not a cancellation point. Any task of any OS thread.
 */
int gt_mutex_try_lock(struct gt_mutex_t *mutex);

/**
 * Unlocks a mutex, or hands it to the task that has waited longest, which has it from now on and runs when its turn comes.
 *
 * Returns 0, or
 *   -EPERM   the running task does not have it
 *   -EINVAL  mutex is NULL, was freed, or is no mutex
 *
 * Does not switch. The task that locked it.
 */
int gt_mutex_unlock(struct gt_mutex_t *mutex);

/**
 * Makes a read-write lock that nobody holds.
 *
 * Returns NULL with errno ENOMEM when memory is out. Any thread; does not switch.
 */
struct gt_rwlock_t *gt_rwlock_new(void);

/**
 * Frees a read-write lock; NULL is fine.
 *
 * Returns 0, or
 *   -EBUSY   a task holds it or waits for it; nothing was freed
 *   -EINVAL  rwlock was freed before, or is no read-write lock
 *
 * Any thread; does not switch. Nobody else may use it at the same time.
 */
int gt_rwlock_free(struct gt_rwlock_t *rwlock);

/**
 * Locks for reading; waits while a writer has the lock or anybody waits for it.
 *
 * Returns 0, or
 *   -ECANCELED  the task was cancelled
 *   -EINTR      the task was interrupted
 *   -ETIMEDOUT  a deadline scope expired first
 *   -EDEADLK    the task has the lock for writing already, or nothing can ever wake the root task (GT_DEADLOCK_ERROR)
 *   -EINVAL     rwlock is NULL, was freed, or is no read-write lock
 *   -ENOMEM     the OS thread's first call found no memory for a scheduler
 *
 * A task that is given the lock and cancelled at the same time has the lock (0). May switch. Any task, the root included,
 * of any OS thread.
 */
int gt_rwlock_read_lock(struct gt_rwlock_t *rwlock);

/**
 * As gt_rwlock_read_lock(), waiting at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: try once.
 */
int gt_rwlock_read_lock_until(struct gt_rwlock_t *rwlock,
                              int64_t deadline);

/**
 * Locks for reading if no writer has the lock and nobody waits for it.
 *
 * Returns 0, or
 *   -EBUSY    a writer has it, or somebody waits
 *   -EDEADLK  the task has it for writing
 *   -EINVAL   rwlock is NULL, was freed, or is no read-write lock
 *
 * Does not switch; not a cancellation point. Any thread.
 */
int gt_rwlock_try_read_lock(struct gt_rwlock_t *rwlock);

/**
 * Locks for writing; waits while any other task has the lock.
 *
 * Returns 0, or
 *   -ECANCELED  the task was cancelled
 *   -EINTR      the task was interrupted
 *   -ETIMEDOUT  a deadline scope expired first
 *   -EDEADLK    the task has the lock for writing already, or nothing can ever wake the root task (GT_DEADLOCK_ERROR)
 *   -EINVAL     rwlock is NULL, was freed, or is no read-write lock
 *   -ENOMEM     the OS thread's first call found no memory for a scheduler
 *
 * A task that is given the lock and cancelled at the same time has the lock (0). May switch. Any task, the root included,
 * of any OS thread.
 */
int gt_rwlock_write_lock(struct gt_rwlock_t *rwlock);

/**
 * As gt_rwlock_write_lock(), waiting at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: try once.
 */
int gt_rwlock_write_lock_until(struct gt_rwlock_t *rwlock,
                               int64_t deadline);

/**
 * Locks for writing if nobody has the lock.
 *
 * Returns 0, or
 *   -EBUSY    another task has it, or this one for reading
 *   -EDEADLK  the task has it for writing
 *   -EINVAL   rwlock is NULL, was freed, or is no read-write lock
 *   -ENOMEM   the OS thread's first call found no memory for a scheduler
 *
 * Does not switch; not a cancellation point. Any task of any OS thread.
 */
int gt_rwlock_try_write_lock(struct gt_rwlock_t *rwlock);

/**
 * Gives up what the running task has of the lock. When it becomes free, the task that has waited longest gets it; if that
 * one reads, so do those that stand behind it, up to the next writer.
 *
 * Returns 0, or
 *   -EPERM   another task has the lock for writing, or nobody has it. That another task has it for reading, and this one
 *            not, is not noticed
 *   -EINVAL  rwlock is NULL, was freed, or is no read-write lock
 *
 * Does not switch. The task that locked it.
 */
int gt_rwlock_unlock(struct gt_rwlock_t *rwlock);

/**
 * Makes a condition variable.
 *
 * Returns NULL with errno ENOMEM when memory is out. Any thread; does not switch.
 */
struct gt_cond_t *gt_cond_new(void);

/**
 * Frees a condition variable; NULL is fine.
 *
 * Returns 0, or
 *   -EBUSY   a task waits on it; nothing was freed
 *   -EINVAL  cond was freed before, or is no condition variable
 *
 * Any thread; does not switch. Nobody else may use it at the same time.
 */
int gt_cond_free(struct gt_cond_t *cond);

/**
 * Unlocks the mutex, waits for gt_cond_signal() or gt_cond_broadcast(), and locks the mutex again. Unlocking and beginning
 * to wait are one step: a signal sent with the mutex held is not missed. Look at the condition again afterwards: another
 * task may have been there first.
 *
 * The mutex is locked again whatever ended the wait; cancel, interrupts and deadlines do not keep the task from it.
 *
 * Returns 0, or
 *   -ECANCELED  the task was cancelled
 *   -EINTR      the task was interrupted
 *   -ETIMEDOUT  a deadline scope expired first
 *   -EPERM      the running task does not have the mutex
 *   -EDEADLK    nothing can ever wake the root task (GT_DEADLOCK_ERROR); then the mutex may not be locked
 *   -EINVAL     cond or mutex is NULL, was freed, or is something else
 *
 * A task that is signalled and cancelled at the same time was signalled (0). Switches. Any task, the root included, of any
 * OS thread.
 */
int gt_cond_wait(struct gt_cond_t *cond,
                 struct gt_mutex_t *mutex);

/**
 * As gt_cond_wait(), waiting for the signal at most until `deadline` (absolute ns); then -ETIMEDOUT, with the mutex locked
 * again, for which there is no deadline.
 */
int gt_cond_wait_until(struct gt_cond_t *cond,
                       struct gt_mutex_t *mutex,
                       int64_t deadline);

/**
 * Wakes the task that has waited longest; with nobody there nothing happens, and nothing is kept.
 *
 * Returns 0, or
 *   -EINVAL  cond is NULL, was freed, or is no condition variable
 *
 * Any thread, with or without the mutex; does not switch.
 */
int gt_cond_signal(struct gt_cond_t *cond);

/**
 * Wakes all tasks that wait now. Results and threads as of gt_cond_signal().
 */
int gt_cond_broadcast(struct gt_cond_t *cond);

/**
 * Makes a semaphore with a value.
 *
 * Returns NULL with errno EINVAL (value is negative) or ENOMEM. Any thread; does not switch.
 */
struct gt_sem_t *gt_sem_new(int64_t value);

/**
 * Frees a semaphore; NULL is fine.
 *
 * Returns 0, or
 *   -EBUSY   a task waits for it; nothing was freed
 *   -EINVAL  sem was freed before, or is no semaphore
 *
 * Any thread; does not switch. Nobody else may use it at the same time.
 */
int gt_sem_free(struct gt_sem_t *sem);

/**
 * Takes one; waits while the value is 0.
 *
 * Returns 0, or
 *   -ECANCELED  the task was cancelled
 *   -EINTR      the task was interrupted
 *   -ETIMEDOUT  a deadline scope expired first
 *   -EDEADLK    nothing can ever wake the root task (GT_DEADLOCK_ERROR)
 *   -EINVAL     sem is NULL, was freed, or is no semaphore
 *   -ENOMEM     the OS thread's first call found no memory for a scheduler
 *
 * A task that is given one and cancelled at the same time has it (0). May switch. Any task, the root included, of any OS
 * thread.
 */
int gt_sem_wait(struct gt_sem_t *sem);

/**
 * As gt_sem_wait(), waiting at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: try once.
 */
int gt_sem_wait_until(struct gt_sem_t *sem,
                      int64_t deadline);

/**
 * Takes one if the value is not 0.
 *
 * Returns 0, or
 *   -EAGAIN  the value is 0
 *   -EINVAL  sem is NULL, was freed, or is no semaphore
 *
 * Any thread; does not switch; not a cancellation point.
 */
int gt_sem_try_wait(struct gt_sem_t *sem);

/**
 * Adds one: gives it to the task that has waited longest, or counts it.
 *
 * Returns 0, or
 *   -EOVERFLOW  the value is INT64_MAX
 *   -EINVAL     sem is NULL, was freed, or is no semaphore
 *
 * Any thread, also one without tasks; does not switch. Not for signal handlers.
 */
int gt_sem_post(struct gt_sem_t *sem);

/**
 * Adds `n` (0 adds nothing): gives them to the tasks that have waited longest, and counts the rest.
 *
 * Returns 0, or
 *   -EOVERFLOW  the value would be more than INT64_MAX; nothing was added
 *   -EINVAL     n is negative, or sem is NULL, was freed, or is no semaphore
 *
 * Any thread, also one without tasks; does not switch. Not for signal handlers.
 */
int gt_sem_post_many(struct gt_sem_t *sem, int64_t n);

/**
 * Returns the value, 0 or more, which may have changed by then; or -EINVAL: sem is NULL, was freed, or is no semaphore. Any
 * thread; does not switch.
 */
int64_t gt_sem_value(struct gt_sem_t *sem);

/**
 * Makes an event, not set.
 *
 * Returns NULL with errno ENOMEM when memory is out. Any thread; does not switch.
 */
struct gt_event_t *gt_event_new(void);

/**
 * Frees an event; NULL is fine.
 *
 * Returns 0, or
 *   -EBUSY   a task waits for it; nothing was freed
 *   -EINVAL  event was freed before, or is no event
 *
 * Any thread; does not switch. Nobody else may use it at the same time.
 */
int gt_event_free(struct gt_event_t *event);

/**
 * Sets an event and wakes all tasks that wait for it. It stays set.
 *
 * Returns 0, or
 *   -EINVAL  event is NULL, was freed, or is no event
 *
 * Any thread, also one without tasks; does not switch. Not for signal handlers.
 */
int gt_event_set(struct gt_event_t *event);

/**
 * Clears an event: who comes from now on waits. A task that was woken by gt_event_set() before, and has not run since, passes
 * all the same. Results and threads as of gt_event_set().
 */
int gt_event_clear(struct gt_event_t *event);

/**
 * Returns 1 if the event is set, 0 if not; or -EINVAL: event is NULL, was freed, or is no event. Any thread; does not switch.
 */
int gt_event_is_set(struct gt_event_t *event);

/**
 * Waits until the event is set.
 *
 * Returns 0, or
 *   -ECANCELED  the task was cancelled
 *   -EINTR      the task was interrupted
 *   -ETIMEDOUT  a deadline scope expired first
 *   -EDEADLK    nothing can ever wake the root task (GT_DEADLOCK_ERROR)
 *   -EINVAL     event is NULL, was freed, or is no event
 *   -ENOMEM     the OS thread's first call found no memory for a scheduler
 *
 * May switch. Any task, the root included, of any OS thread.
 */
int gt_event_wait(struct gt_event_t *event);

/**
 * As gt_event_wait(), at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: look once.
 */
int gt_event_wait_until(struct gt_event_t *event, int64_t deadline);

/**
 * Makes a wait group with the count 0.
 *
 * Returns NULL with errno ENOMEM when memory is out. Any thread; does not switch.
 */
struct gt_waitgroup_t *gt_waitgroup_new(void);

/**
 * Frees a wait group; NULL is fine.
 *
 * Returns 0, or
 *   -EBUSY   a task waits for it; nothing was freed
 *   -EINVAL  waitgroup was freed before, or is no wait group
 *
 * Any thread; does not switch. Nobody else may use it at the same time.
 */
int gt_waitgroup_free(struct gt_waitgroup_t *waitgroup);

/**
 * Adds `n` to the count; a negative `n` takes away. When the count becomes 0, all tasks that wait are woken. Add before the
 * work begins, not in it: a wait that finds 0 does not wait.
 *
 * Returns 0, or
 *   -EINVAL     the count would be below 0, nothing was changed; or waitgroup is NULL, was freed, or is no wait group
 *   -EOVERFLOW  the count would be more than INT64_MAX; nothing was changed
 *
 * Any thread, also one without tasks; does not switch. Not for signal handlers.
 */
int gt_waitgroup_add(struct gt_waitgroup_t *waitgroup,
                     int64_t n);

/**
 * gt_waitgroup_add(waitgroup, -1).
 */
int gt_waitgroup_done(struct gt_waitgroup_t *waitgroup);

/**
 * Waits until the count is 0.
 *
 * Returns 0, or
 *   -ECANCELED  the task was cancelled
 *   -EINTR      the task was interrupted
 *   -ETIMEDOUT  a deadline scope expired first
 *   -EDEADLK    nothing can ever wake the root task (GT_DEADLOCK_ERROR)
 *   -EINVAL     waitgroup is NULL, was freed, or is no wait group
 *   -ENOMEM     the OS thread's first call found no memory for a scheduler
 *
 * May switch. Any task, the root included, of any OS thread.
 */
int gt_waitgroup_wait(struct gt_waitgroup_t *waitgroup);

/**
 * As gt_waitgroup_wait(), at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: look once.
 */
int gt_waitgroup_wait_until(struct gt_waitgroup_t *waitgroup,
                            int64_t deadline);

/**
 * Makes a barrier for `count` tasks.
 *
 * Returns NULL with errno EINVAL (count is 0) or ENOMEM. Any thread; does not switch.
 */
struct gt_barrier_t *gt_barrier_new(uint32_t count);

/**
 * Frees a barrier; NULL is fine.
 *
 * Returns 0, or
 *   -EBUSY   a task waits at it; nothing was freed
 *   -EINVAL  barrier was freed before, or is no barrier
 *
 * Any thread; does not switch. Nobody else may use it at the same time.
 */
int gt_barrier_free(struct gt_barrier_t *barrier);

/**
 * Waits until as many tasks have come as the barrier counts; then all of them go on, and the next round begins.
 *
 * Returns 1 for the task that came last, 0 for the others, or
 *   -ECANCELED  the task was cancelled
 *   -EINTR      the task was interrupted
 *   -ETIMEDOUT  a deadline scope expired first
 *   -EDEADLK    nothing can ever wake the root task (GT_DEADLOCK_ERROR)
 *   -EINVAL     barrier is NULL, was freed, or is no barrier
 *   -ENOMEM     the OS thread's first call found no memory for a scheduler
 *
 * A task that leaves with an error has not come: the others wait for one more. May switch. Any task, the root included, of
 * any OS thread.
 */
int gt_barrier_wait(struct gt_barrier_t *barrier);

/**
 * As gt_barrier_wait(), at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: only the last to come passes.
 */
int gt_barrier_wait_until(struct gt_barrier_t *barrier,
                          int64_t deadline);

/**
 * Calls `function(arg)` if no call for this `once` has done so yet; waits for it while another task does. When this returns 0,
 * the function has returned. A function that ends its task by gt_exit() has not returned: the next call runs it again.
 *
 * Returns 0, or
 *   -ECANCELED  the task was cancelled before the function was called
 *   -EINTR      the task was interrupted before
 *   -ETIMEDOUT  a deadline scope expired first
 *   -EDEADLK    the function calls gt_once_do() for the same `once`, or nothing can ever wake the root task
 *               (GT_DEADLOCK_ERROR)
 *   -EINVAL     once or function is NULL
 *   -ENOMEM     no memory to note what to do when the function ends its task; it was not called
 *
 * May switch if the function does, or if it is being run. Any task, the root included, of any OS thread.
 */
int gt_once_do(struct gt_once_t *once,
               void (*function)(void *arg),
               void *arg);

/**
 * As gt_once_do(), waiting for another task's call at most until `deadline` (absolute ns); then -ETIMEDOUT. The function itself
 * has no deadline.
 */
int gt_once_do_until(struct gt_once_t *once,
                     void (*function)(void *arg),
                     void *arg,
                     int64_t deadline);

/**
 * Makes a channel that is bound to the calling OS thread: the tasks of this thread use it without locks. `item_size` is the
 * size of an item in bytes, `capacity` how many items may wait in it.
 *
 * Returns NULL with errno
 *   EINVAL     item_size is 0
 *   EOVERFLOW  item_size times capacity is more than half the address space
 *   ENOMEM     out of memory
 *
 * Does not switch.
 */
struct gt_chan_t *gt_chan_new(size_t item_size,
                              size_t capacity);

/**
 * As gt_chan_new(), for a channel that the tasks of all OS threads may use: each step takes a short lock.
 *
 * Any thread.
 */
struct gt_chan_t *gt_chan_new_shared(size_t item_size, size_t capacity);

/**
 * Frees a channel; NULL is fine. Items that lie in it are gone.
 *
 * Returns 0, or
 *   -EINVAL  not a channel, or freed before
 *   -EBUSY   a task waits in it
 *   -EXDEV   it is bound to another OS thread (one whose scheduler has ended no longer counts)
 *
 * Unless shared: home thread. Does not switch.
 */
int gt_chan_free(struct gt_chan_t *chan);

/**
 * Sends an item: to the first task that waits to receive, else into the channel; waits while there is no room.
 *
 * Returns 0, or
 *   -EINVAL     not a channel, or freed; item is NULL
 *   -EXDEV      the channel is bound to another OS thread
 *   -EPIPE      the channel is closed, or was closed while the task waited
 *   -ECANCELED  the task was cancelled        -EINTR  it was interrupted        -ETIMEDOUT  a deadline scope expired
 *   -EDEADLK    nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
 *
 * May switch, now and then also when it need not wait. Unless shared: home thread.
 */
int gt_chan_send(struct gt_chan_t *chan,
                 const void *item);

/**
 * As gt_chan_send(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_chan_send_until(struct gt_chan_t *chan, const void *item, int64_t deadline);

/**
 * As gt_chan_send(), without waiting: -EAGAIN where it would. Does not switch. A cancelled task gets -ECANCELED here too.
 */
int gt_chan_send_try(struct gt_chan_t *chan,
                     const void *item);

/**
 * Receives an item: the oldest in the channel, else that of the first task that waits to send; waits while there is none.
 *
 * Returns 0, or
 *   -EINVAL     not a channel, or freed; item is NULL
 *   -EXDEV      the channel is bound to another OS thread
 *   -EPIPE      the channel is closed and no item is left
 *   -ECANCELED  the task was cancelled        -EINTR  it was interrupted        -ETIMEDOUT  a deadline scope expired
 *   -EDEADLK    nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
 *
 * May switch, now and then also when it need not wait. Unless shared: home thread.
 */
int gt_chan_recv(struct gt_chan_t *chan,
                 void *item);

/**
 * As gt_chan_recv(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_chan_recv_until(struct gt_chan_t *chan, void *item, int64_t deadline);

/**
 * As gt_chan_recv(), without waiting: -EAGAIN where it would. Does not switch. A cancelled task gets -ECANCELED here too, unless
 * it has pushed a shield: to take out what is left, say.
 */
int gt_chan_recv_try(struct gt_chan_t *chan,
                     void *item);

/**
 * Sends `n` items that lie one after another at `items`, waiting as often as necessary. Other senders may come in between.
 * `*sent` (may be NULL) becomes the number of items sent, also when the call fails: the rest were not sent.
 *
 * Returns 0 when all were sent (n 0 included), or an error of gt_chan_send(); -EINVAL: items is NULL and n is not 0.
 * May switch. Unless shared: home thread.
 */
int gt_chan_send_many(struct gt_chan_t *chan,
                      const void *items,
                      size_t n,
                      size_t *sent);

/**
 * As gt_chan_send_many(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_chan_send_many_until(struct gt_chan_t *chan,
                            const void *items,
                            size_t n,
                            size_t *sent,
                            int64_t deadline);

/**
 * As gt_chan_send_many(), without waiting: -EAGAIN when not all could be sent. Does not switch.
 */
int gt_chan_send_many_try(struct gt_chan_t *chan, const void *items, size_t n, size_t *sent);

/**
 * Receives up to `max` items into `items`: as many as there are without waiting, but waits for the first. `*received` (may
 * be NULL) becomes their number, 0 when the call fails.
 *
 * Returns 0 when at least one was received (or max is 0), or an error of gt_chan_recv(); -EINVAL: items is NULL and max is
 * not 0. May switch. Unless shared: home thread.
 */
int gt_chan_recv_many(struct gt_chan_t *chan,
                      void *items,
                      size_t max,
                      size_t *received);

/**
 * As gt_chan_recv_many(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_chan_recv_many_until(struct gt_chan_t *chan,
                            void *items,
                            size_t max,
                            size_t *received,
                            int64_t deadline);

/**
 * As gt_chan_recv_many(), without waiting: -EAGAIN when there is none. Does not switch.
 */
int gt_chan_recv_many_try(struct gt_chan_t *chan, void *items, size_t max, size_t *received);

/**
 * Closes a channel: every send, the waiting ones included, is -EPIPE from now on; receivers get what lies in it, then
 * -EPIPE.
 *
 * Returns 0, or
 *   -EINVAL    not a channel, or freed
 *   -EALREADY  it is closed
 *   -EXDEV     it is bound to another OS thread
 *
 * Unless shared: home thread. Does not switch.
 */
int gt_chan_close(struct gt_chan_t *chan);

/**
 * How many items lie in the channel now; or -EINVAL: not a channel; -EXDEV: it is bound to another OS thread.
 *
 * Unless shared: home thread. Does not switch.
 */
int64_t gt_chan_len(const struct gt_chan_t *chan);

/**
 * How many items may lie in the channel: what it was made with; or -EINVAL: not a channel.
 *
 * Any thread. Does not switch.
 */
int64_t gt_chan_capacity(const struct gt_chan_t *chan);

/**
 * Waits until one of the arms comes about, and does it: one item is sent or received, one unit taken, or none. Nothing is
 * done for the others. If several are ready, the library chooses, each as often as the others. Arms may be about the same
 * thing; a send never goes to a receive of the same call.
 *
 * Returns the index of the arm; its `result` says how it went, also when its channel is closed. Or
 *   -EINVAL     arms is NULL; count is 0 or above GT_SELECT_MAX; no arm is in use; a kind is unknown; an object is NULL, was
 *               freed, or is of another kind; an item is NULL; a task is detached, or joined by another
 *   -EXDEV      a channel or task belongs to another OS thread
 *   -ESRCH      no such task
 *   -EBADF      a descriptor is negative
 *   -EDEADLK    a task is the caller; or nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
 *   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
 *   -ETIMEDOUT  a deadline scope of the caller expired
 *   -ENOMEM     out of memory (for a descriptor's first wait)
 * In an error nothing was sent, received or taken.
 *
 * May switch. Any task, the root included.
 */
int gt_select(struct gt_select_arm_t *arms,
              size_t count);

/**
 * As gt_select(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_select_until(struct gt_select_arm_t *arms, size_t count, int64_t deadline);

/**
 * As gt_select(), without waiting.
 *
 * Also returns
 *   -EAGAIN  no arm is ready
 *
 * Does not switch.
 */
int gt_select_try(struct gt_select_arm_t *arms, size_t count);

/**
 * Makes a scope. It belongs to this OS thread: every call with it is made there. `flags`: 0 or GT_SCOPE_KEEP_GOING.
 *
 * Returns the scope; NULL with errno set: EINVAL (an unknown flag), ENOMEM. Does not switch.
 */
struct gt_scope_t *gt_scope_new(uint32_t flags);

/**
 * Frees a scope whose tasks have all ended. NULL is fine.
 *
 * Returns 0, or
 *   -EBUSY   a task of it has not ended, or a task waits in gt_scope_join(); nothing was freed
 *   -EINVAL  no scope: freed already
 *   -EXDEV   it belongs to another OS thread
 *
 * Does not switch.
 */
int gt_scope_free(struct gt_scope_t *scope);

/**
 * Makes a task of the scope that runs `entry(arg)`; as gt_spawn() otherwise. The task cannot be joined or detached on
 * its own; gt_cancel() and gt_interrupt() reach it. A task of the scope may spawn into it.
 *
 * Returns the task's id (> 0), or
 *   -EINVAL     no scope; entry is NULL
 *   -ECANCELED  the scope was cancelled, by gt_scope_cancel(), by an error of one of its tasks, or by a join that ended early
 *   -EXDEV      the scope belongs to another OS thread
 *   -ENOMEM, -ENOSPC, -EAGAIN  as of gt_spawn()
 *
 * Does not switch.
 */
int64_t gt_scope_spawn(struct gt_scope_t *scope,
                       gt_scope_entry_t entry,
                       void *arg);

/**
 * As gt_scope_spawn(), with the wishes of gt_spawn_with(); `opts` may be NULL. A stack of the caller's own is the
 * caller's again once the scope is joined.
 *
 * Also returns
 *   -EINVAL, -E2BIG  as of gt_spawn_with(); or GT_SPAWN_DETACHED or GT_SPAWN_SUSPENDED is set
 */
int64_t gt_scope_spawn_with(struct gt_scope_t *scope,
                            gt_scope_entry_t entry,
                            void *arg,
                            const struct gt_spawn_opts_t *opts);

/**
 * Waits until all tasks of the scope have ended, those included that they spawn into it. When one returns an error, the
 * others are cancelled (unless GT_SCOPE_KEEP_GOING), and the join waits for them all the same.
 *
 * A caller that is cancelled, interrupted, or late for a deadline scope of its own cancels the tasks and waits, under a
 * shield, until they have ended; then it gets its error. So no task of the scope outlives this call.
 *
 * Returns 0 when no task returned an error (-ECANCELED of a task of a cancelled scope is none); the first error as the task
 * returned it; or
 *   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
 *   -ETIMEDOUT  a deadline scope of the caller expired
 *   -EDEADLK    the caller is a task of the scope; or nothing can ever wake the waiting tasks (root task,
 *               GT_DEADLOCK_ERROR)
 *   -EINVAL     no scope
 *   -EXDEV      it belongs to another OS thread
 * gt_scope_error() tells a task's error from these. After a join the scope can be used again, unless it was cancelled.
 *
 * May switch. Several tasks may join.
 */
int gt_scope_join(struct gt_scope_t *scope);

/**
 * As gt_scope_join(), at most until `deadline` (absolute ns); then -ETIMEDOUT, and the tasks go on: they can be joined
 * again, or cancelled. (A deadline scope, in contrast, ends them.)
 */
int gt_scope_join_until(struct gt_scope_t *scope,
                        int64_t deadline);

/**
 * Cancels all tasks of the scope (see gt_cancel), the one spawned first first, the caller included if it is one. None can be spawned into it any more.
 *
 * Returns 0, or -EINVAL (no scope), -EXDEV (it belongs to another OS thread). Does not switch.
 */
int gt_scope_cancel(struct gt_scope_t *scope);

/**
 * Stores the first error that a task of the scope returned, and the id of that task (stale by now: for reports). Both may
 * be NULL.
 *
 * Returns 1; 0 if there was none, and nothing is stored; or -EINVAL (no scope), -EXDEV (it belongs to another OS thread).
 * Does not switch.
 */
int gt_scope_error(struct gt_scope_t *scope,
                   int *error,
                   int64_t *task);

/**
 * How many tasks of the scope have not ended. Negative: -EINVAL (no scope), -EXDEV (it belongs to another OS thread). Does
 * not switch.
 */
int64_t gt_scope_count(struct gt_scope_t *scope);

/**
 * Makes a key, under which each task, the root included, keeps a value of its own: NULL at first. `destructor` may be NULL.
 *
 * When a task ends (return of its entry, or gt_exit(), cancelled or not), it runs on its stack and under a shield: first the
 * cleanup handlers, the last pushed first; then the destructors of the slots that are not NULL, the slot that was set first
 * last; each slot is NULL from its own destructor on. Handlers that destructors push run next, then the slots that were
 * set meanwhile are destroyed again, four rounds at most. A destructor may block. The root task's slots are destroyed by
 * gt_shutdown(), when all other tasks have ended; they are not when the OS thread ends without it.
 *
 * Returns the key (> 0), or
 *   -EAGAIN  16,384 keys are in use
 *   -ENOMEM
 *
 * Any thread; does not switch. The key is good on every thread of the process.
 */
int gt_local_new(gt_destructor_t destructor);

/**
 * Gives a key up. The values under it are forgotten; no destructor runs.
 *
 * Returns 0, or -EINVAL: no such key. Any thread; does not switch.
 */
int gt_local_free(int key);

/**
 * Sets the running task's value under a key. The value it replaces is not destroyed.
 *
 * Returns 0, or
 *   -EINVAL  no such key
 *   -ENOMEM
 *
 * Does not switch.
 */
int gt_local_set(int key, void *value);

/**
 * The running task's value under a key; NULL when it was not set, or there is no such key. Does not switch.
 */
void *gt_local_get(int key);

/**
 * Hands the thread to `task` at once, ahead of all that are ready, with a value; the caller waits until some task hands
 * over to it in turn. `task` waits in gt_hand_over() itself, and gets `value` there; or it was spawned with
 * GT_SPAWN_SUSPENDED and starts now, with the argument of its spawn (`value` is not used). `received` (may be NULL) gets
 * the value that is handed back. One switch each way: coroutines are built on this.
 *
 * A task that ends does not hand over: whoever waits for it must be handed to before, or waits on.
 *
 * Returns 0, or
 *   -ESRCH      no such task, or it has ended
 *   -EDEADLK    `task` is the caller; or nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
 *   -EBUSY      it does not wait for a hand-over: it is ready, or waits for something else, or was cancelled meanwhile
 *   -EXDEV      it lives on another OS thread
 *   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
 *   -ETIMEDOUT  a deadline scope of the caller expired
 * After -ECANCELED on entry, and the errors above it, `task` was not touched; a cancel, interrupt or deadline that comes
 * later finds the value handed over.
 *
 * Switches. The home thread of `task`.
 */
int gt_hand_over(int64_t task,
                 void *value,
                 void **received);

/**
 * As gt_hand_over(); the caller waits at most until `deadline` (absolute ns), then -ETIMEDOUT: the value was handed over,
 * and nothing came back yet.
 */
int gt_hand_over_until(int64_t task,
                       void *value,
                       void **received,
                       int64_t deadline);

/**
 * Waits until some task hands over to the caller (gt_hand_over), without handing over first: for a task that has nobody to
 * hand to yet, or whose wait in gt_hand_over() was interrupted and is to go on. `received` (may be NULL) gets the value.
 *
 * Returns 0, or
 *   -EDEADLK    nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
 *   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
 *   -ETIMEDOUT  a deadline scope of the caller expired
 *
 * Switches.
 */
int gt_hand_await(void **received);

/**
 * As gt_hand_await(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_hand_await_until(void **received, int64_t deadline);

/**
 * Makes a generator that runs `body(generator, arg)`. The body starts with the first gt_generator_next(). The generator
 * belongs to this OS thread; any task of it may ask, each time another one.
 *
 * Returns the generator; NULL with errno set: EINVAL (body is NULL), ENOMEM, ENOSPC, EAGAIN (as of gt_spawn). Does not switch.
 */
struct gt_generator_t *gt_generator_new(gt_generator_body_t body,
                                        void *arg);

/**
 * As gt_generator_new(), with the wishes of gt_spawn_with() for the body's task; `opts` may be NULL. Also EINVAL and E2BIG
 * for those; flags must be 0.
 */
struct gt_generator_t *gt_generator_new_with(gt_generator_body_t body,
                                             void *arg,
                                             const struct gt_spawn_opts_t *opts);

/**
 * Asks for the next value: runs the body until it yields one, and stores it in `value` (may be NULL). If the body blocks,
 * the caller waits for it.
 *
 * Returns 1; 0 when the body has ended, and ever after; a negative result of the body, each time; or
 *   -EDEADLK    the caller is the body itself, or what the body asks; or nothing can ever wake the waiting tasks (root
 *               task, GT_DEADLOCK_ERROR)
 *   -EBUSY      another task is asking
 *   -EINVAL     no generator: NULL or freed
 *   -EXDEV      it belongs to another OS thread
 *   -EOWNERDEAD  its OS thread has ended before it, or this is a forked child
 *   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
 *   -ETIMEDOUT  a deadline scope of the caller expired
 * After the last three the body goes on, and the value it comes to is kept for whoever asks next.
 *
 * Switches: a value costs two.
 */
int gt_generator_next(struct gt_generator_t *generator,
                      void **value);

/**
 * As gt_generator_next(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_generator_next_until(struct gt_generator_t *generator, void **value, int64_t deadline);

/**
 * Gives a value to who asks, and waits until the next one is asked for. Called by the body, from any depth of calls.
 *
 * Returns 0, or
 *   -ECANCELED  the generator is being freed (also under a shield), or its task was cancelled: the body should return
 *   -EINTR      the body's task was interrupted; the value was given
 *   -ETIMEDOUT  a deadline scope of the body expired; the value was given
 *   -EPERM      the caller is not the body
 *   -EINVAL     no generator
 *
 * Switches. The generator's body only.
 */
int gt_generator_yield(struct gt_generator_t *generator,
                       void *value);

/**
 * Frees a generator, at its end or before. A body that has not ended is cancelled and finished first: its
 * gt_generator_yield(), and whatever else it waits in, returns -ECANCELED, its cleanup handlers and destructors run, and
 * the caller waits for that, under a shield. A body that never started does not start. NULL is fine.
 *
 * Returns 0, or
 *   -EBUSY    a task is asking; nothing was freed
 *   -EDEADLK  called from within the body; or nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
 *   -EINVAL   no generator: freed already
 *   -EXDEV    it belongs to another OS thread
 *
 * Switches if the body has not ended.
 */
int gt_generator_free(struct gt_generator_t *generator);

/**
 * Starts workers: OS threads that run tasks, each with a scheduler of its own, numbered from 0. `count` 0 means one for
 * each processor that the process may use. The calling thread is none of them. `opts` may be NULL.
 *
 * Returns how many were started, or
 *   -EALREADY  workers run already, or are being stopped
 *   -EINVAL    count is above 1,024; opts is too small or has an unknown flag
 *   -E2BIG     the struct is larger than this library knows and its tail is not zero
 *   -EAGAIN    an OS thread cannot be had
 *   -ENOMEM, -EMFILE, -ENFILE  a scheduler cannot be made
 * After an error no worker runs.
 *
 * Does not switch. Any thread.
 */
int gt_workers_start(unsigned int count,
                     const struct gt_workers_opts_t *opts);

/**
 * Stops the workers: from now on nothing is spawned on them from outside; when all their tasks have ended, their threads
 * end. A task that never ends keeps it waiting.
 *
 * Returns 0, or
 *   -ESRCH     no workers run
 *   -EALREADY  another call stops them
 *   -EDEADLK   called on a worker
 * and, when all tasks of the workers were cancelled and have ended:
 *   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
 *   -ETIMEDOUT  a deadline scope of the caller expired
 *
 * May switch. Any thread but the workers.
 */
int gt_workers_stop(void);

/**
 * As gt_workers_stop(); at `deadline` (absolute ns) tasks that have not ended are cancelled, and their end is waited for:
 * then -ETIMEDOUT. A deadline in the past cancels at once.
 */
int gt_workers_stop_until(int64_t deadline);

/**
 * How many workers there are; 0 when none run. Does not switch. Any thread.
 */
int gt_workers_count(void);

/**
 * The number of the worker that the caller runs on, or -ESRCH: it runs on none. Does not switch. Any thread.
 */
int gt_worker_self(void);

/**
 * Makes a task that runs `entry(arg)` on the worker with that number, behind the tasks that are ready there. Its id is
 * valid at once, and everywhere: gt_join(), gt_detach(), gt_cancel(), gt_interrupt(), gt_unpark() take it on any thread.
 *
 * Returns the id, or
 *   -EINVAL  entry is NULL; no such worker
 *   -ESRCH   no workers run, or they are being stopped
 *   -ENOMEM  out of memory
 *   -EAGAIN  16,777,215 tasks that were spawned in this way live
 * Want of memory for the stack is found out later, on the worker: gt_join() says it.
 *
 * Does not switch. Any thread.
 */
int64_t gt_spawn_on(int worker,
                    gt_entry_t entry,
                    void *arg);

/**
 * As gt_spawn_on(), with wishes as for gt_spawn_with(), and its errors.
 */
int64_t gt_spawn_on_with(int worker, gt_entry_t entry, void *arg, const struct gt_spawn_opts_t *opts);

/**
 * As gt_spawn_on(), on whichever worker comes to it first: until the task has started it can still be taken by a worker
 * that has nothing to do; from then on it stays.
 */
int64_t gt_spawn_any(gt_entry_t entry,
                     void *arg);

/**
 * As gt_spawn_any(), with wishes as for gt_spawn_with(), and its errors.
 */
int64_t gt_spawn_any_with(gt_entry_t entry, void *arg, const struct gt_spawn_opts_t *opts);

/**
 * Receives up to `len` bytes from a socket, letting other tasks run until there are some. Several tasks may wait on
 * one socket: first come, first served.
 *
 * MSG_DONTWAIT does not wait: -EAGAIN. MSG_WAITALL on a stream waits for the whole buffer; fewer bytes are returned at
 * the end of the stream, at an error, and when the wait was ended (an interrupt is then still to come). Other flags are
 * recv(2)'s.
 *
 * Returns the number of bytes, 0 at the end of the stream, or
 *   -EINVAL     buf is NULL and len is not 0
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOMEM, and what recv(2) says. May switch.
 */
ssize_t gt_recv(int fd,
                void *buf,
                size_t len,
                int flags);

/**
 * As gt_recv(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
ssize_t gt_recv_until(int fd,
                      void *buf,
                      size_t len,
                      int flags,
                      int64_t deadline);

/**
 * Sends up to `len` bytes on a socket, letting other tasks run until there is room for some. Never raises SIGPIPE.
 *
 * Returns the number of bytes, which may be less than len, or
 *   -EPIPE      the other end is closed
 *   -EINVAL     buf is NULL and len is not 0
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOMEM, and what send(2) says. May switch.
 */
ssize_t gt_send(int fd,
                const void *buf,
                size_t len,
                int flags);

/**
 * As gt_send(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
ssize_t gt_send_until(int fd,
                      const void *buf,
                      size_t len,
                      int flags,
                      int64_t deadline);

/**
 * Sends all `len` bytes. `sent` (may be NULL) is told how many were sent, also when an error ended it.
 *
 * Returns 0, or an error of gt_send(). May switch.
 */
int gt_send_all(int fd, const void *buf, size_t len, int flags, size_t *sent);

/**
 * As gt_send_all(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_send_all_until(int fd, const void *buf, size_t len, int flags, size_t *sent, int64_t deadline);

/**
 * Receives a message and, if `from` is not NULL, its sender's address: `fromlen` says how much room there is, and is told
 * the address's length.
 *
 * Returns the number of bytes, or
 *   -EINVAL     buf is NULL and len is not 0; one of from and fromlen is NULL and the other is not
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOMEM, and what recvfrom(2) says. May switch.
 */
ssize_t gt_recvfrom(int fd,
                    void *buf,
                    size_t len,
                    int flags,
                    struct sockaddr *from,
                    socklen_t *fromlen);

/**
 * As gt_recvfrom(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
ssize_t gt_recvfrom_until(int fd,
                          void *buf,
                          size_t len,
                          int flags,
                          struct sockaddr *from,
                          socklen_t *fromlen,
                          int64_t deadline);

/**
 * Sends a message to an address. Never raises SIGPIPE.
 *
 * Returns the number of bytes, or
 *   -EINVAL     buf is NULL and len is not 0; to is NULL and tolen is not 0
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOMEM, and what sendto(2) says. May switch.
 */
ssize_t gt_sendto(int fd,
                  const void *buf,
                  size_t len,
                  int flags,
                  const struct sockaddr *to,
                  socklen_t tolen);

/**
 * As gt_sendto(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
ssize_t gt_sendto_until(int fd,
                        const void *buf,
                        size_t len,
                        int flags,
                        const struct sockaddr *to,
                        socklen_t tolen,
                        int64_t deadline);

/**
 * Receives a message with its ancillary data.
 *
 * Returns the number of bytes, or
 *   -EINVAL     msg is NULL
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOMEM, and what recvmsg(2) says. May switch.
 */
ssize_t gt_recvmsg(int fd,
                   struct msghdr *msg,
                   int flags);

/**
 * As gt_recvmsg(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
ssize_t gt_recvmsg_until(int fd,
                         struct msghdr *msg,
                         int flags,
                         int64_t deadline);

/**
 * Sends a message with ancillary data. Never raises SIGPIPE.
 *
 * Returns the number of bytes, or
 *   -EINVAL     msg is NULL
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOMEM, and what sendmsg(2) says. May switch.
 */
ssize_t gt_sendmsg(int fd,
                   const struct msghdr *msg,
                   int flags);

/**
 * As gt_sendmsg(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
ssize_t gt_sendmsg_until(int fd,
                         const struct msghdr *msg,
                         int flags,
                         int64_t deadline);

/**
 * Makes a socket, owned: non-blocking and close-on-exec, to be closed by gt_close().
 *
 * Returns the descriptor, or an error of socket(2), or -ENOMEM (nothing is left open). Does not switch.
 */
int gt_socket(int domain, int kind, int protocol);

/**
 * Accepts a connection; the new descriptor is owned. `addr` and `addrlen` are both NULL or as for accept(2). A connection
 * that its peer gave up meanwhile is passed over.
 *
 * Returns the new descriptor, or
 *   -EMFILE     the process is out of descriptors; the connection stays in the queue: close something, or wait, and
 *               accept again
 *   -EINVAL     the socket does not listen; one of addr and addrlen is NULL and the other is not
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOMEM, and what accept(2) says. May switch. On a foreign listener in
 * blocking mode that other processes accept from too, adopt it first (gt_fd_adopt).
 */
int gt_accept(int fd,
              struct sockaddr *addr,
              socklen_t *addrlen);

/**
 * As gt_accept(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
int gt_accept_until(int fd,
                    struct sockaddr *addr,
                    socklen_t *addrlen,
                    int64_t deadline);

/**
 * Connects a socket.
 *
 * Returns 0, or
 *   -ECONNREFUSED, -ENETUNREACH, -EHOSTUNREACH, -ETIMEDOUT and what else connect(2) says
 *   -EINVAL     addr is NULL
 * Also -ECANCELED, -EINTR, -EBADF, -ENOMEM. After an error of waiting the attempt goes on in the kernel: close the socket.
 * May switch.
 */
int gt_connect(int fd,
               const struct sockaddr *addr,
               socklen_t addrlen);

/**
 * As gt_connect(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
int gt_connect_until(int fd,
                     const struct sockaddr *addr,
                     socklen_t addrlen,
                     int64_t deadline);

/**
 * A listening TCP socket, owned. `host` is a name or an address, or NULL: every address of both families. Port 0 lets the
 * system choose (getsockname(2) tells). `backlog` <= 0 means 1024. SO_REUSEADDR is set.
 *
 * Returns the descriptor, or
 *   -EADDRINUSE     the port is taken
 *   -EADDRNOTAVAIL  the host is no address of this machine, or does not resolve
 *   -EAGAIN         the name server does not answer now, or too many names are being resolved
 *   -EACCES         a port below 1024
 * Also -EMFILE, -ENOMEM, -ECANCELED, -EINTR, -ETIMEDOUT. May switch (to resolve a name).
 */
int gt_listen_tcp(const char *host,
                  uint16_t port,
                  int backlog);

/**
 * As gt_listen_tcp(), resolving a name at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_listen_tcp_until(const char *host, uint16_t port, int backlog, int64_t deadline);

/**
 * Connects to a TCP server by name or address: resolves it on another OS thread (getaddrinfo(3)) and tries each
 * address in order. The descriptor is owned.
 *
 * Returns the descriptor, or
 *   -EINVAL         host is NULL
 *   -EADDRNOTAVAIL  the name does not resolve
 *   -EAGAIN         the name server does not answer now, or too many names are being resolved
 *   the last address's error: -ECONNREFUSED, -ENETUNREACH and what else connect(2) says
 * Also -EMFILE, -ENOMEM, -ECANCELED, -EINTR, -ETIMEDOUT. May switch.
 */
int gt_dial_tcp(const char *host,
                uint16_t port);

/**
 * As gt_dial_tcp(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_dial_tcp_until(const char *host, uint16_t port, int64_t deadline);

/**
 * Reads up to `len` bytes, letting other tasks run until there are some. A descriptor of any kind. One that is not owned
 * may be in blocking mode; its flags are not touched. Of a regular file what the page cache has is read at once, perhaps
 * less than there is; what it has not is fetched by a job as of gt_pread() first.
 *
 * Returns the number of bytes, 0 at the end, or
 *   -EINVAL     buf is NULL and len is not 0
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOMEM, and what read(2) says. May switch.
 */
ssize_t gt_read(int fd,
                void *buf,
                size_t len);

/**
 * As gt_read(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
ssize_t gt_read_until(int fd,
                      void *buf,
                      size_t len,
                      int64_t deadline);

/**
 * Writes up to `len` bytes, letting other tasks run until there is room for some. A descriptor of any kind. One that is not
 * owned may be in blocking mode; its flags are not touched. A regular file is written to at once, which may block the OS
 * thread (gt_pwrite() does not); so may a terminal in blocking mode that nobody reads. Raises SIGPIPE as write(2) does;
 * gt_send() does not.
 *
 * Returns the number of bytes, which may be less than len, or
 *   -EINVAL     buf is NULL and len is not 0
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOMEM, and what write(2) says. May switch.
 */
ssize_t gt_write(int fd,
                 const void *buf,
                 size_t len);

/**
 * As gt_write(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
ssize_t gt_write_until(int fd,
                       const void *buf,
                       size_t len,
                       int64_t deadline);

/**
 * As gt_read(), into several buffers.
 *
 * Returns the number of bytes, 0 at the end, or
 *   -EINVAL     iov is NULL and iovcnt is not 0; iovcnt is negative or above 1024
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOMEM, and what readv(2) says. May switch.
 */
ssize_t gt_readv(int fd,
                 const struct iovec *iov,
                 int iovcnt);

/**
 * As gt_readv(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
ssize_t gt_readv_until(int fd,
                       const struct iovec *iov,
                       int iovcnt,
                       int64_t deadline);

/**
 * As gt_write(), from several buffers.
 *
 * Returns the number of bytes, or
 *   -EINVAL     iov is NULL and iovcnt is not 0; iovcnt is negative or above 1024
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOMEM, and what writev(2) says. May switch.
 */
ssize_t gt_writev(int fd,
                  const struct iovec *iov,
                  int iovcnt);

/**
 * As gt_writev(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
ssize_t gt_writev_until(int fd,
                        const struct iovec *iov,
                        int iovcnt,
                        int64_t deadline);

/**
 * Waits until a descriptor is ready for one of `events` (POLLIN, POLLOUT, POLLPRI, ... of poll(2)), has failed, or was
 * hung up.
 *
 * Returns the events that are true (> 0), or
 *   -EINVAL  events is 0 or has bits that nobody can wait for
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF, -ENOMEM. May switch.
 */
int gt_wait_fd(int fd,
               int events);

/**
 * As gt_wait_fd(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_wait_fd_until(int fd, int events, int64_t deadline);

/**
 * poll(2) for tasks: waits until at least one entry has something to say. Entries with a negative fd are passed over; a
 * descriptor that is not open says POLLNVAL.
 *
 * Returns the number of entries with revents, or
 *   -EINVAL  fds is NULL and nfds is not 0; nfds is above the descriptor limit
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM. May switch.
 */
int gt_poll(struct pollfd *fds,
            nfds_t nfds);

/**
 * As gt_poll(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_poll_until(struct pollfd *fds, nfds_t nfds, int64_t deadline);

/**
 * Takes a descriptor into ownership of this OS thread's scheduler: O_NONBLOCK is set, and it is registered once instead
 * of for each wait. Close it with gt_close(), or hand it back with gt_fd_release(). Another OS thread may use it too,
 * as a foreign one. Tasks that wait on it already go on waiting. A descriptor that shares its open file with other processes
 * shares O_NONBLOCK with them.
 *
 * Returns 0, or -EBADF, -ENOMEM. Does not switch.
 */
int gt_fd_adopt(int fd);

/**
 * Registers a socket once instead of for each wait, as gt_fd_adopt() does, but leaves its flags alone: for sockets that others, a
 * child process or a library, may use in blocking mode too. gt_recv(), gt_send() and their like then wait on it without a
 * system call to arm it. Whoever watches a socket closes it with gt_close(), or says gt_fd_release() before it is closed in
 * another way; else a later file under the same number may have to wait for a second or two longer. A wait by another door
 * (gt_poll(), gt_wait_fd(), gt_read()) ends the watch, and all works as without it.
 *
 * Returns 0, or -EBADF, -ENOMEM; -ENOTSOCK: it is not a socket. Does not switch.
 */
int gt_fd_watch(int fd);

/**
 * Hands an owned descriptor back: O_NONBLOCK is cleared (a watched one keeps its flags); tasks that wait on it get -EBADF.
 *
 * Returns 0, or -EBADF; -EINVAL: it is neither owned nor watched by this OS thread's scheduler. Does not switch.
 */
int gt_fd_release(int fd);

/**
 * Closes a descriptor; tasks of this OS thread that wait on it get -EBADF. Jobs on files that still use it (gt_pread() and
 * its like) end up in no other file: the number is given again when the last of them has ended.
 *
 * Returns 0, or -EBADF, or an error of close(2), after which it is closed all the same. Does not switch.
 */
int gt_close(int fd);

/**
 * Runs `fn(arg)` on an OS thread of a pool while other tasks go on here: for calls that block the thread, or take long.
 * The pool belongs to the process, starts a thread when none is idle, and has the limits of gt_config_t: offload_threads,
 * offload_queue, offload_linger. Its threads block all signals. They have the stack size of pthread_create(3).
 *
 * `fn` may call gt_ functions: its thread gets a scheduler of its own, on which `fn` is the root task, and which ends when
 * `fn` returns, as by gt_shutdown(). `fn` must not end its thread, and nothing may be thrown out of it. If it forks,
 * it is the only thread of the child, and when it returns there the child ends with status 0.
 *
 * Returns what `fn` returns (say >= 0, or -errno, to tell it from these), or
 *   -EINVAL     fn is NULL
 *   -EAGAIN     all threads work and as many jobs as may wait do so; or no OS thread can be had. fn is not called
 *   -ENOMEM     out of memory; fn is not called
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired)  the call ends without the result. If no thread had begun with
 *               the job, fn is never called. Otherwise it runs to its end, and until then uses arg: if arg may go away
 *               earlier, use gt_offload_owned()
 *
 * A fork leaves the jobs to the parent. gt_shutdown() and the end of the thread do not wait for them.
 *
 * May switch. Any thread.
 */
int64_t gt_offload(gt_offload_fn_t fn,
                   void *arg);

/**
 * As gt_offload(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: fn is not called.
 */
int64_t gt_offload_until(gt_offload_fn_t fn,
                         void *arg,
                         int64_t deadline);

/**
 * As gt_offload(), with an argument that the call takes over: `release(arg)` is called once, whatever the call returns.
 * After `fn`, that is on its thread, and before the call returns; if fn is never called, on the calling thread. It must
 * not wait. So `fn` may be left running without regard to `arg`; what it finds out it returns, or puts elsewhere.
 *
 * Also returns
 *   -EINVAL     release is NULL; then nothing is called
 */
int64_t gt_offload_owned(gt_offload_fn_t fn,
                         void *arg,
                         gt_release_fn_t release);

/**
 * As gt_offload_owned(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: fn is not called.
 */
int64_t gt_offload_owned_until(gt_offload_fn_t fn,
                               void *arg,
                               gt_release_fn_t release,
                               int64_t deadline);

/**
 * Looks up the addresses of a host and a service, as getaddrinfo(3) and with the same struct, on a thread of the pool
 * (see gt_offload()) while other tasks run. `host` or `service` may be NULL, and so may `hints`. `*list` gets the result:
 * free it by gt_freeaddrinfo().
 *
 * A failure has two names. `*eai`, unless eai is NULL, gets the resolver's code: EAI_NONAME and the others of
 * getaddrinfo(3), for gai_strerror(3); 0 when the resolver said nothing (also on success). The result is 0, or
 *   -EADDRNOTAVAIL    the name does not resolve: EAI_NONAME, EAI_NODATA, EAI_ADDRFAMILY
 *   -EAGAIN           the name server does not know at the moment: EAI_AGAIN; or, with `*eai` 0, too many jobs wait
 *   -EIO              the name server failed for good: EAI_FAIL
 *   -EAFNOSUPPORT     EAI_FAMILY       -EPROTOTYPE   EAI_SOCKTYPE
 *   -EPROTONOSUPPORT  EAI_SERVICE      -ENOMEM       EAI_MEMORY, or out of memory before
 *   -EINVAL           EAI_BADFLAGS; or, with `*eai` 0, list is NULL
 *   and the errno of EAI_SYSTEM
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired): the lookup goes on unseen, and leaves nothing.
 *
 * May switch. Any thread.
 */
int gt_getaddrinfo(const char *host,
                   const char *service,
                   const struct addrinfo *hints,
                   struct addrinfo **list,
                   int *eai);

/**
 * As gt_getaddrinfo(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past looks nothing up.
 */
int gt_getaddrinfo_until(const char *host,
                         const char *service,
                         const struct addrinfo *hints,
                         struct addrinfo **list,
                         int *eai,
                         int64_t deadline);

/**
 * Frees what gt_getaddrinfo() found; NULL is fine. Does not switch. Any thread.
 */
void gt_freeaddrinfo(struct addrinfo *list);

/**
 * Looks up the name of an address and of its service, as getnameinfo(3), on a thread of the pool. `host` and `service` get
 * texts that end in NUL, of at most `host_len` and `service_len` bytes with it; each may be NULL with length 0. `flags`:
 * NI_NUMERICHOST and the others.
 *
 * Returns 0, or an error as gt_getaddrinfo(), with `*eai` as there; also
 *   -EINVAL     with `*eai` 0: addr is NULL, or addr_len more than a sockaddr_storage; a text is NULL and its length not 0
 *   -EOVERFLOW  a name is longer than its room: EAI_OVERFLOW
 *
 * May switch. Any thread.
 */
int gt_getnameinfo(const struct sockaddr *addr,
                   socklen_t addr_len,
                   char *host,
                   size_t host_len,
                   char *service,
                   size_t service_len,
                   int flags,
                   int *eai);

/**
 * As gt_getnameinfo(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past looks nothing up.
 */
int gt_getnameinfo_until(const struct sockaddr *addr,
                         socklen_t addr_len,
                         char *host,
                         size_t host_len,
                         char *service,
                         size_t service_len,
                         int flags,
                         int *eai,
                         int64_t deadline);

/**
 * Opens a file on an OS thread of the pool (see gt_offload()) while other tasks run: open(2) with O_CLOEXEC. `mode` counts with
 * O_CREAT. The descriptor is foreign: use it with gt_pread(), gt_pwrite() and their like, which never block this OS thread, or with
 * gt_read() and gt_write(), which know a position; close it by gt_close().
 *
 * All verbs on files work like this one: a call that might wait for a disk, a server or a lock of the file system is made on
 * the pool. A wait that is ended early leaves no call half done: if no thread had begun with it, it is never made; otherwise
 * it runs to its end, its effect stays, and what it would have returned is dropped. So a file may have been made, renamed or
 * removed in spite of -ECANCELED. Nothing of the caller's is used any more, and a descriptor that was opened is closed.
 * Opening a FIFO waits for its other end and keeps a thread of the pool busy till then, unless flags has O_NONBLOCK.
 *
 * Returns the descriptor, or
 *   -EINVAL     path is NULL
 *   -EAGAIN     too many jobs wait, or no OS thread can be had; nothing was done
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired)  the call ends without the result
 *   -ENOMEM     out of memory; nothing was done
 *   -ENOENT, -EACCES, -EEXIST, -EMFILE, ...  what open(2) says
 *
 * May switch. Any thread.
 */
int gt_open(const char *path,
            int flags,
            mode_t mode);

/**
 * As gt_open(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
 */
int gt_open_until(const char *path,
                  int flags,
                  mode_t mode,
                  int64_t deadline);

/**
 * Reads `len` bytes at `offset`, whatever the descriptor's own position, which stays. What the page cache has is read at
 * once; the rest by jobs, in pieces, and other tasks run meanwhile.
 *
 * Returns the number of bytes: less than len at the end of the file, 0 behind it; also when an error, a cancel, an interrupt or
 * a deadline came after some bytes, and then the next call meets it again. Or
 *   -EINVAL     buf is NULL and len is not 0; offset is negative
 *   -EBADF      not open, not open for reading, or closed by gt_close() meanwhile
 *   -ESPIPE     a pipe, a socket or a terminal
 *   -EISDIR     a directory
 *   -EAGAIN     too many jobs wait, or no OS thread can be had
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *   and what pread(2) says
 *
 * A job that was begun may still read when the call has ended: into memory of its own. It reads this file even if that is
 * closed by gt_close() and another one gets its number. (close(2) does not know of jobs: after -ECANCELED, -EINTR and
 * -ETIMEDOUT, use gt_close().)
 *
 * May switch. Any thread.
 */
ssize_t gt_pread(int fd,
                 void *buf,
                 size_t len,
                 int64_t offset);

/**
 * As gt_pread(), at most until `deadline` (absolute ns); then -ETIMEDOUT, or what was read before. A deadline in the past: only
 * what is in the page cache.
 */
ssize_t gt_pread_until(int fd,
                       void *buf,
                       size_t len,
                       int64_t offset,
                       int64_t deadline);

/**
 * Writes `len` bytes at `offset`, whatever the descriptor's own position, which stays (with O_APPEND, at the end). What can be
 * written to the page cache without waiting is, where the file system can say so; the rest by jobs, in pieces, and other
 * tasks run meanwhile. Nothing reaches the disk for sure before gt_fsync().
 *
 * Returns the number of bytes: less than len only when an error, a cancel, an interrupt or a deadline came after some bytes, and
 * then the next call meets it again. Or
 *   -EINVAL     buf is NULL and len is not 0; offset is negative
 *   -EBADF      not open, not open for writing, or closed by gt_close() meanwhile
 *   -ESPIPE     a pipe, a socket or a terminal
 *   -ENOSPC, -EFBIG, ...  what pwrite(2) says
 *   -EAGAIN     too many jobs wait, or no OS thread can be had
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *
 * When the call was ended early, a piece of up to 256 KiB behind what it counts may still be written, from memory of the
 * job's own; to this file, as said of gt_pread().
 *
 * May switch. Any thread.
 */
ssize_t gt_pwrite(int fd,
                  const void *buf,
                  size_t len,
                  int64_t offset);

/**
 * As gt_pwrite(), at most until `deadline` (absolute ns); then -ETIMEDOUT, or what was written before. A deadline in the
 * past: only what can be written without waiting.
 */
ssize_t gt_pwrite_until(int fd,
                        const void *buf,
                        size_t len,
                        int64_t offset,
                        int64_t deadline);

/**
 * Waits until what was written to a file is on the disk, its attributes too: fsync(2), by a job as gt_open().
 *
 * Returns 0, or
 *   -EBADF      not open, or closed by gt_close() meanwhile
 *   -EINVAL     not a file that has a disk
 *   -EAGAIN     too many jobs wait, or no OS thread can be had
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *   and what fsync(2) says; then what was written before may be lost
 *
 * May switch. Any thread.
 */
int gt_fsync(int fd);

/**
 * As gt_fsync(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
 */
int gt_fsync_until(int fd,
                   int64_t deadline);

/**
 * As gt_fsync(), but of the attributes only those without which the bytes cannot be found (fdatasync(2)).
 */
int gt_fdatasync(int fd);

/**
 * As gt_fdatasync(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
 */
int gt_fdatasync_until(int fd,
                       int64_t deadline);

/**
 * Makes a file `length` bytes long: what is too much is lost, what is missing reads as zeroes (ftruncate(2)). By a job as gt_open().
 *
 * Returns 0, or
 *   -EINVAL     length is negative; not a regular file, or not open for writing
 *   -EBADF      not open, or closed by gt_close() meanwhile
 *   -EFBIG, ...  what ftruncate(2) says
 *   -EAGAIN     too many jobs wait, or no OS thread can be had
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *
 * May switch. Any thread.
 */
int gt_ftruncate(int fd,
                 int64_t length);

/**
 * As gt_ftruncate(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
 */
int gt_ftruncate_until(int fd,
                       int64_t length,
                       int64_t deadline);

/**
 * Asks for the attributes of what a path leads to: stat(2), by a job as gt_open().
 *
 * Returns 0, or
 *   -EINVAL     path or st is NULL
 *   -ENOENT, -EACCES, -ENOTDIR, ...  what stat(2) says
 *   -EAGAIN     too many jobs wait, or no OS thread can be had
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *
 * May switch. Any thread.
 */
int gt_stat(const char *path, struct stat *st);

/**
 * As gt_stat(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
 */
int gt_stat_until(const char *path,
                  struct stat *st,
                  int64_t deadline);

/**
 * As gt_stat(), but of a symbolic link itself (lstat(2)).
 */
int gt_lstat(const char *path, struct stat *st);

/**
 * As gt_lstat(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
 */
int gt_lstat_until(const char *path,
                   struct stat *st,
                   int64_t deadline);

/**
 * Asks for the attributes of an open file: fstat(2), by a job as gt_open().
 *
 * Returns 0, or
 *   -EINVAL     st is NULL
 *   -EBADF      not open, or closed by gt_close() before
 *   -EAGAIN     too many jobs wait, or no OS thread can be had
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *   and what fstat(2) says
 *
 * May switch. Any thread.
 */
int gt_fstat(int fd, struct stat *st);

/**
 * As gt_fstat(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
 */
int gt_fstat_until(int fd,
                   struct stat *st,
                   int64_t deadline);

/**
 * Gives a file another name, in place of the file that may have it: rename(2), by a job as gt_open().
 *
 * Returns 0, or
 *   -EINVAL     from or to is NULL; a directory would lie in itself
 *   -ENOENT, -EXDEV, -ENOTEMPTY, -EISDIR, ...  what rename(2) says
 *   -EAGAIN     too many jobs wait, or no OS thread can be had
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *
 * May switch. Any thread.
 */
int gt_rename(const char *from, const char *to);

/**
 * As gt_rename(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
 */
int gt_rename_until(const char *from,
                    const char *to,
                    int64_t deadline);

/**
 * Removes a name, and the file if it was the last one: unlink(2), by a job as gt_open().
 *
 * Returns 0, or
 *   -EINVAL     path is NULL
 *   -ENOENT, -EISDIR, -EACCES, ...  what unlink(2) says
 *   -EAGAIN     too many jobs wait, or no OS thread can be had
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *
 * May switch. Any thread.
 */
int gt_unlink(const char *path);

/**
 * As gt_unlink(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
 */
int gt_unlink_until(const char *path,
                    int64_t deadline);

/**
 * Makes a directory: mkdir(2), by a job as gt_open().
 *
 * Returns 0, or
 *   -EINVAL     path is NULL
 *   -EEXIST, -ENOENT, -EACCES, ...  what mkdir(2) says
 *   -EAGAIN     too many jobs wait, or no OS thread can be had
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *
 * May switch. Any thread.
 */
int gt_mkdir(const char *path, mode_t mode);

/**
 * As gt_mkdir(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
 */
int gt_mkdir_until(const char *path,
                   mode_t mode,
                   int64_t deadline);

/**
 * Removes an empty directory: rmdir(2), by a job as gt_open().
 *
 * Returns 0, or
 *   -EINVAL     path is NULL, or ends in "."
 *   -ENOTEMPTY, -ENOENT, -ENOTDIR, ...  what rmdir(2) says
 *   -EAGAIN     too many jobs wait, or no OS thread can be had
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *
 * May switch. Any thread.
 */
int gt_rmdir(const char *path);

/**
 * As gt_rmdir(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
 */
int gt_rmdir_until(const char *path,
                   int64_t deadline);

/**
 * Reads a directory as a whole, by a job as gt_open(). `*dir` gets the result: read it by gt_dir_next(), free it by gt_dir_free().
 *
 * Returns 0, or
 *   -EINVAL     path or dir is NULL
 *   -ENOENT, -ENOTDIR, -EACCES, -EMFILE, ...  what opendir(3) says
 *   -EAGAIN     too many jobs wait, or no OS thread can be had
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *
 * May switch. Any thread.
 */
int gt_dir_open(const char *path,
                struct gt_dir_t **dir);

/**
 * As gt_dir_open(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
 */
int gt_dir_open_until(const char *path,
                      struct gt_dir_t **dir,
                      int64_t deadline);

/**
 * Says the next name of a directory, in no order, without "." and "..".
 *
 * Returns 1 and fills `*entry`, or 0: there are no more; or
 *   -EINVAL  dir is NULL or was freed; entry is NULL
 *
 * Does not switch. One OS thread at a time.
 */
int gt_dir_next(struct gt_dir_t *dir, struct gt_dirent_t *entry);

/**
 * Frees what gt_dir_open() read; NULL is fine.
 *
 * Returns 0, or
 *   -EINVAL  dir was freed before, or is no directory
 *
 * Does not switch. Any thread.
 */
int gt_dir_free(struct gt_dir_t *dir);

/**
 * Makes a pipe: what is written into fds[1] is read from fds[0]. Both ends are owned, with O_CLOEXEC and O_NONBLOCK. Use gt_read()
 * and gt_write(), gt_close(). (For a child, see GT_PROCESS_READS: programs expect pipes in blocking mode.)
 *
 * Returns 0, or
 *   -EINVAL  fds is NULL
 *   -EMFILE  no descriptors are left (-ENFILE: in the whole system)
 *   -ENOMEM
 * Does not switch.
 */
int gt_pipe(int *fds);

/**
 * Waits for a child process of this process, as waitpid(2) with the same arguments, letting other tasks run. It does not matter
 * which OS thread or task started it. `status` may be NULL; it is read by WIFEXITED() and its like.
 *
 * The end of one child (pid > 0) is noticed at once, by a descriptor that is open during the call (pidfd, Linux 5.3). Where there
 * is none, for any child (-1) and for process groups (0, < -1), and with WUNTRACED or WCONTINUED, the call looks again and
 * again instead, after half a millisecond and then at growing intervals up to 20 ms. SIGCHLD is left to the program. Stops of a
 * child that this process traces (ptrace(2)) are noticed with WUNTRACED only.
 *
 * A child's end is told once: of several tasks and OS threads that wait for it one gets it, the others -ECHILD, or the next
 * child if they wait for any. Nothing is taken by a call that fails: the child can be waited for again.
 *
 * Returns the child's process id; 0 if options has WNOHANG and nothing has happened; or
 *   -ECHILD     no such child: it never was one, it was waited for already, or SIGCHLD is ignored and it has ended
 *   -EINVAL     unknown options
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *
 * May switch, except with WNOHANG. Any thread. In a forked child the parent's children are not its own: -ECHILD.
 */
pid_t gt_waitpid(pid_t pid,
                 int *status,
                 int options);

/**
 * As gt_waitpid(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: look once.
 */
pid_t gt_waitpid_until(pid_t pid,
                       int *status,
                       int options,
                       int64_t deadline);

/**
 * Starts a program in a child process, on an OS thread of the pool (see gt_offload()) while other tasks run: posix_spawnp(3).
 * A `file` without a slash is looked for in PATH; one that begins with neither slash belongs to `cwd`. `argv` begins with
 * the program's name and ends with NULL. `opts` may be NULL. Everything is copied before the call switches.
 *
 * A descriptor that the child gets shares its flags with the caller's: hand an owned one back first (gt_fd_release()), or the
 * child finds it non-blocking. What a child does with its pipes shows here: -EPIPE when it reads no more, 0 when it writes no more.
 *
 * Returns the process id, to be waited for by gt_waitpid(); or
 *   -ENOENT, -EACCES, -ENOEXEC, -E2BIG, -ENOTDIR, ...  what exec(3) says of file, or chdir(2) of cwd
 *   -EINVAL     file or argv is NULL, or argv is empty; opts is too small, an unknown flag, reserved is not 0; fds is NULL and
 *               fds_count is not 0, or it is above 1024; a number of the child is negative, above the limit of descriptors, or there
 *               twice; no such GT_PROCESS_ value; end is NULL
 *   -E2BIG      also: the struct is larger than this library knows and its tail is not zero
 *   -EBADF      a descriptor is not open
 *   -EMFILE     no descriptors are left (-ENFILE: in the whole system)
 *   -EAGAIN     too many processes, or too many jobs wait
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired)  a child that was started all the same is killed
 *   -ENOMEM
 *
 * May switch. Any thread.
 */
pid_t gt_process_spawn(const char *file,
                       char *const *argv,
                       const struct gt_process_opts_t *opts);

/**
 * As gt_process_spawn(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
 */
pid_t gt_process_spawn_until(const char *file,
                             char *const *argv,
                             const struct gt_process_opts_t *opts,
                             int64_t deadline);

/**
 * Takes the signals of a set for a new channel: they are caught from now on, on whichever OS thread does not block them. (One that
 * every OS thread blocks stays pending; the threads of the pool block all.) Masks stay as they are, and programs that are
 * started find nothing changed. Signals that come while nobody receives wait: 128 of them, each with what is known of it; of those
 * that find no room, one of each number, which says how many it stands for. System calls of other code are restarted
 * (SA_RESTART), except those that never are, such as poll(2): see signal(7).
 *
 * Only a signal with the default action or none (SIG_IGN) is taken; a host that handles it keeps it. While SIGCHLD is taken, children
 * have to be waited for also where it was ignored before.
 *
 * A forked child has the channel too, without the signals that wait in it, and gets its own. A program that is started by
 * exec(3) has the default action.
 *
 * Returns the channel; NULL with errno set:
 *   EINVAL  set is NULL or empty, or has SIGKILL, SIGSTOP, or one that reports a fault: SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT,
 *           SIGTRAP, SIGSYS
 *   EBUSY   a signal of the set has a handler: another channel's, gt_dump_on_signal()'s, the host's; none was taken
 *   EMFILE  no descriptors are left
 *   ENOMEM
 * Any thread; does not switch.
 */
struct gt_signals_t *gt_signals_new(const sigset_t *set);

/**
 * Frees a channel; NULL is fine. The actions from before gt_signals_new() are back, except where somebody has put another one
 * in place of the library's: that stays. Signals that were not received are dropped.
 *
 * Returns 0, or
 *   -EBUSY   a task waits for a signal; nothing was freed
 *   -EINVAL  signals was freed before, or is no channel of signals
 *
 * Any thread; does not switch. Nobody else may use it at the same time.
 */
int gt_signals_free(struct gt_signals_t *signals);

/**
 * Receives a signal, letting other tasks run until there is one. Several tasks and OS threads may receive: each signal goes to
 * one of them. `info` may be NULL. To wait is no deadlock: a signal may always come.
 *
 * Returns the signal's number, or
 *   -EINVAL     signals is NULL or was freed; info is too small
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *
 * May switch. Any thread.
 */
int gt_signals_recv(struct gt_signals_t *signals,
                    struct gt_signal_info_t *info);

/**
 * As gt_signals_recv(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: look once.
 */
int gt_signals_recv_until(struct gt_signals_t *signals,
                          struct gt_signal_info_t *info,
                          int64_t deadline);

/**
 * The descriptor of a channel of signals, for gt_select(), gt_poll() or another loop: it is readable while signals wait, and
 * perhaps once more when they have been received. Do not read it, close it, or adopt it.
 *
 * Returns the descriptor, or -EINVAL: signals is NULL or was freed. Any thread; does not switch.
 */
int gt_signals_fd(struct gt_signals_t *signals);

/**
 * Waits for one of the signals of a set, and takes it: sigwaitinfo(2) for tasks. As there, the program blocks them, on every OS
 * thread (pthread_sigmask(3), before it starts others), so that they stay pending until somebody waits; signals sent to one OS
 * thread are seen by tasks of that thread only. `info` may be NULL. gt_signals_new() needs no blocked signals.
 *
 * Returns the signal's number, or
 *   -EINVAL     set is NULL or empty; a signal of it is not blocked on this OS thread; info is too small
 *   -EMFILE     no descriptors are left
 *   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
 *
 * May switch. Any thread. To wait is no deadlock.
 */
int gt_signal_wait(const sigset_t *set,
                   struct gt_signal_info_t *info);

/**
 * As gt_signal_wait(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: look once.
 */
int gt_signal_wait_until(const sigset_t *set,
                         struct gt_signal_info_t *info,
                         int64_t deadline);

/**
 * A UDP socket bound to an address, owned. `host` is a name or an address of this machine, or NULL: every address of
 * both families. Port 0 lets the system choose (getsockname(2) tells).
 *
 * Returns the descriptor, or
 *   -EADDRINUSE     the port is taken
 *   -EADDRNOTAVAIL  the host is no address of this machine, or does not resolve
 *   -EAGAIN         the name server does not answer now, or too many names are being resolved
 *   -EACCES         a port below 1024
 * Also -EMFILE, -ENOMEM, -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired). May switch (to resolve a name).
 */
int gt_bind_udp(const char *host,
                uint16_t port);

/**
 * As gt_bind_udp(), resolving a name at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_bind_udp_until(const char *host, uint16_t port, int64_t deadline);

/**
 * Receives `count` messages by as few system calls as can be (recvmmsg(2)), letting other tasks run until they are
 * there. Each entry of `messages` is prepared as for gt_recvmsg(), and told its length in msg_len. With MSG_WAITFORONE it waits for
 * the first message only, and takes what else is there. MSG_DONTWAIT does not wait: -EAGAIN. `count` is not limited:
 * the kernel takes 1,024 messages at once and forgets the rest, so this calls it again.
 *
 * Returns the number of messages. It is less than count with MSG_WAITFORONE or MSG_DONTWAIT, and when the wait was
 * ended after some had come (an interrupt is then still to come). 0: count is 0. Or, with none received,
 *   -EINVAL     messages is NULL and count is not 0
 *   -EOVERFLOW  count is above 2,147,483,647
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOTSOCK, -ENOMEM, and what recvmmsg(2) says. May switch.
 */
int gt_recvmmsg(int fd,
                struct mmsghdr *messages,
                size_t count,
                int flags);

/**
 * As gt_recvmmsg(), at most until `deadline` (absolute ns): then the number of messages that came, or, with none,
 * -ETIMEDOUT. A deadline in the past takes what is there.
 */
int gt_recvmmsg_until(int fd,
                      struct mmsghdr *messages,
                      size_t count,
                      int flags,
                      int64_t deadline);

/**
 * Sends `count` messages by as few system calls as can be (sendmmsg(2)), letting other tasks run until there is room for
 * them. Each entry of `messages` is prepared as for gt_sendmsg(), and told the bytes sent in msg_len. Never raises
 * SIGPIPE. MSG_DONTWAIT does not wait: -EAGAIN. `count` is not limited: the kernel takes 1,024 messages at once and forgets the rest, so
 * this calls it again.
 *
 * Returns the number of messages sent. It is less than count when an error came after some: sending the rest meets it
 * again. 0: count is 0. Or, with none sent,
 *   -EINVAL        messages is NULL and count is not 0
 *   -EOVERFLOW     count is above 2,147,483,647
 *   -EMSGSIZE      the first message is too long
 *   -EDESTADDRREQ  it has no address, and the socket is not connected
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOTSOCK, -ENOMEM, and what sendmmsg(2) says. May switch.
 */
int gt_sendmmsg(int fd,
                struct mmsghdr *messages,
                size_t count,
                int flags);

/**
 * As gt_sendmmsg(), at most until `deadline` (absolute ns): then the number of messages sent, or, with none,
 * -ETIMEDOUT. A deadline in the past sends what there is room for.
 */
int gt_sendmmsg_until(int fd, struct mmsghdr *messages, size_t count, int flags, int64_t deadline);

/**
 * A listening unix stream socket, owned. `path` is a file to be made, or, beginning with '@', an abstract name, which has no
 * file ("./@x" is a file). `backlog` <= 0 means 1024. gt_close() leaves the file: unlink(2) it.
 *
 * Returns the descriptor, or
 *   -EADDRINUSE    the name is taken. If it is a file that a server left behind, gt_dial_unix() says -ECONNREFUSED:
 *                  unlink(2) it then, and listen again
 *   -EINVAL        path is NULL or empty
 *   -ENAMETOOLONG  a path above 107 bytes, or an abstract name above 107 bytes behind its '@'
 *   -ENOENT, -ENOTDIR, -EACCES, -EROFS, ...  the file cannot be made
 * Also -EMFILE, -ENOMEM. Does not switch.
 */
int gt_listen_unix(const char *path,
                   int backlog);

/**
 * Connects to a unix stream socket by path or, beginning with '@', by abstract name. The descriptor is owned. A full
 * queue of the listener is waited for.
 *
 * Returns the descriptor, or
 *   -ECONNREFUSED  nobody listens: no such abstract name, or a file that a server left behind
 *   -ENOENT        no such file
 *   -EACCES        no permission to write to it
 *   -EPROTOTYPE    it is not a stream socket
 *   -EINVAL        path is NULL or empty
 *   -ENAMETOOLONG  as for gt_listen_unix()
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EMFILE, -ENOMEM. May switch.
 */
int gt_dial_unix(const char *path);

/**
 * As gt_dial_unix(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_dial_unix_until(const char *path, int64_t deadline);

/**
 * Sends bytes on a unix socket, and `count` descriptors with the first of them: the receiver gets descriptors of its
 * own for the same open files. These stay the caller's, and can be closed at once. At least one byte has to go
 * along. Never raises SIGPIPE.
 *
 * Returns the number of bytes, which on a stream may be less than len: the descriptors are sent then, the rest of the
 * bytes is gt_send_all()'s. Or
 *   -EINVAL        fds or data is NULL; count is 0 or above GT_FDS_MAX; len is 0
 *   -EBADF         the socket, or one of fds, is not open; or the socket was closed by another task
 *   -EOPNOTSUPP    not a unix socket
 *   -ETOOMANYREFS  too many descriptors of this user are on their way already (RLIMIT_NOFILE)
 *   -EPIPE         the other end is closed
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOTSOCK, -ENOMEM, and what sendmsg(2) says. May switch.
 */
ssize_t gt_send_fds(int socket,
                    const void *data,
                    size_t len,
                    const int *fds,
                    size_t count);

/**
 * As gt_send_fds(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
ssize_t gt_send_fds_until(int socket,
                          const void *data,
                          size_t len,
                          const int *fds,
                          size_t count,
                          int64_t deadline);

/**
 * Receives up to `len` bytes from a unix socket, and up to `max` descriptors that were sent with them. Each is owned and
 * close-on-exec; being owned, it is non-blocking, and with it the open file, which the sender may still use. `received`
 * is told how many came. `truncated` (may be NULL) is told 1 if more came than max, or than this process has numbers
 * for (ulimit -n), and 0 otherwise; those are closed.
 *
 * Returns the number of bytes, 0 at the end of the stream, or
 *   -EINVAL  data, received, or fds while max is not 0, is NULL; len is 0
 *   -ENOMEM  out of memory; bytes and descriptors are lost, the latter closed
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
 * -ENOTSOCK, and what recvmsg(2) says. May switch.
 */
ssize_t gt_recv_fds(int socket,
                    void *data,
                    size_t len,
                    int *fds,
                    size_t max,
                    size_t *received,
                    int *truncated);

/**
 * As gt_recv_fds(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
 */
ssize_t gt_recv_fds_until(int socket,
                          void *data,
                          size_t len,
                          int *fds,
                          size_t max,
                          size_t *received,
                          int *truncated,
                          int64_t deadline);

/**
 * Sends `count` bytes of the file `in` to a socket or pipe without a copy through the program (sendfile(2)), letting
 * other tasks run until there is room, and now and then when there always is. If `offset` is not NULL, it says where
 * to read and is moved on behind the last byte sent, and the file's own position stays; NULL: from the file's
 * own position, which moves. `sent` (may be NULL) is told how many bytes were sent; both also when an error ended it.
 * An `out` in blocking mode that is not owned gets the bytes through a buffer. Reading what is not in the page cache
 * blocks the OS thread. Never raises SIGPIPE on a socket.
 *
 * Returns 0: all was sent, or all there was (sent < count at the end of the file). Or
 *   -EINVAL  in is neither a regular file nor a block device; *offset is negative; out is opened for appending
 *   -EPIPE   the other end is closed
 *   -EBADF   not open, not open for reading or for writing, or closed by another task
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EIO, -ENOMEM, and what sendfile(2) says. May switch.
 */
int gt_sendfile(int out,
                int in,
                int64_t *offset,
                size_t count,
                size_t *sent);

/**
 * As gt_sendfile(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_sendfile_until(int out, int in, int64_t *offset, size_t count, size_t *sent, int64_t deadline);

/**
 * Closes half of a connection, or both halves, for everybody who has it open (shutdown(2)); `how` is SHUT_RD, SHUT_WR or
 * SHUT_RDWR. The other end reads the end of the stream after SHUT_WR. Tasks of this OS thread that wait on the
 * socket look again: readers then get 0, writers -EPIPE. The descriptor stays open.
 *
 * Returns 0, or
 *   -EINVAL    how is none of the three
 *   -ENOTCONN  not connected
 *   -ENOTSOCK, -EBADF
 * Does not switch.
 */
int gt_half_close(int fd,
                  int how);

/**
 * As gt_listen_tcp(), with wishes; `opts` may be NULL.
 *
 * Also returns
 *   -EINVAL  opts is too small; an unknown flag; defer_accept is out of range; reserved is not 0
 *   -E2BIG   the struct is larger than this library knows and its tail is not zero
 */
int gt_listen_tcp_with(const char *host, uint16_t port, const struct gt_listen_opts_t *opts);

/**
 * As gt_listen_tcp_with(), resolving a name at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_listen_tcp_with_until(const char *host,
                             uint16_t port,
                             const struct gt_listen_opts_t *opts,
                             int64_t deadline);

/**
 * Accepts connections and calls `handler(fd, arg)` for each of them, on a detached task of its own. The descriptor is
 * owned, and closed when the handler returns or its task ends otherwise, unless the handler has closed it (gt_close) or
 * given it back (gt_fd_release), which is how it hands a connection on. `opts` may be NULL. A listener that is not owned is
 * adopted; it stays open and owned at the end.
 *
 * Out of descriptors, buffers or memory it pauses for 10 ms, or until one of its connections ends; connections wait
 * in the listener's queue meanwhile. It goes on after network errors that belong to one connection.
 *
 * It ends when it is stopped, cancelled, interrupted, when a deadline scope expires, or when the listener is closed.
 * Connections go on then. With GT_SERVE_DRAIN it waits for their end: after gt_serve_stop() and gt_close() they get their
 * time; otherwise, and if the wait itself is ended, they are cancelled first.
 *
 * Returns 0 when stopped, or
 *   -EBADF   the listener is not open, or was closed by another task
 *   -EINVAL  handler is NULL; the socket does not listen; opts is too small, stack_size is out of range, an unknown
 *            flag, reserved is not 0
 *   -E2BIG   the struct is larger than this library knows and its tail is not zero
 * Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOTSOCK, -ENOMEM (before it began). May switch.
 */
int gt_serve(int listener,
             gt_handler_t handler,
             void *arg,
             const struct gt_serve_opts_t *opts);

/**
 * As gt_serve(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
 */
int gt_serve_until(int listener,
                   gt_handler_t handler,
                   void *arg,
                   const struct gt_serve_opts_t *opts,
                   int64_t deadline);

/**
 * Stops the calls of gt_serve() that accept from this listener on the calling OS thread: they return 0 once it is
 * their turn. From another OS thread, cancel the task that serves.
 *
 * Returns 0, or -ESRCH: there are none. Does not switch.
 */
int gt_serve_stop(int listener);

/**
 * Makes the server's end of an HTTP connection on a stream socket that is connected; an owned one costs fewer system calls. TCP_NODELAY
 * is set. The descriptor stays the caller's: close it after gt_http_free(). `limits` may be NULL.
 *
 * A server calls gt_http_next() and answers, by gt_http_respond() or by gt_http_start(), until gt_http_next() returns something
 * else than 1. Calls with a connection end at the times of its limits and of deadline scopes; they have no twins with a deadline.
 *
 * Returns the connection; NULL with errno set: EBADF, ENOTSOCK, EINVAL (limits is too small, or a limit is negative or out of
 * range, or an unknown flag), E2BIG (the struct is larger than this library knows and its tail is not zero), ENOMEM. Does not switch.
 */
struct gt_http_conn_t *gt_http_new(int fd,
                                   const struct gt_http_limits_t *limits);

/**
 * As gt_http_new(), on functions that read and write. A write may take less than it is given.
 *
 * Returns the connection; NULL with errno set: EINVAL (io is NULL or too small, or a function is NULL; limits as above), E2BIG, ENOMEM.
 * Does not switch.
 */
struct gt_http_conn_t *gt_http_new_io(const struct gt_http_io_t *io,
                                      const struct gt_http_limits_t *limits);

/**
 * Waits for the next request, letting other tasks run. The request before must have been answered; what is left of its body is passed
 * over, or if that is much, the connection ends. The caller sets `request->size`; a smaller struct gets the first members, a larger
 * one zeroes at the end.
 *
 * Returns 1: a request. 0: there will be none: the other end has ended, or was idle for too long, or the answer before said that the
 * connection closes. An answer that the other end may not have read yet is safe then: close the descriptor. Or
 *   -EBADMSG    the request was bad, and was answered so; gt_http_status() says how. Close the descriptor
 *   -EMSGSIZE   a limit on sizes was reached: likewise
 *   -ETIMEDOUT  the head did not come in time: likewise; or a deadline scope expired, then gt_http_status() is 0
 *   -ECONNRESET the other end has gone away within a request
 *   -EINVAL     no connection; request is NULL or its size too small; the request before has no answer yet; the connection has
 *               left HTTP
 *   -EBUSY      another task uses the connection
 * Also -ECANCELED, -EINTR (ask again after both, and after -ETIMEDOUT of a scope), -ENOMEM, and errors of gt_recv(). May switch.
 */
int gt_http_next(struct gt_http_conn_t *conn,
                 struct gt_http_request_t *request);

/**
 * Reads up to `len` bytes of the request's body, letting other tasks run until there are some. Sends 100 (Continue) if the other end
 * waits for it and no answer has begun.
 *
 * Returns the number of bytes, 0 at the end of the body, or
 *   -EBADMSG    the body is not what it says it is. Answer with the status of gt_http_status(); the connection ends then
 *   -EMSGSIZE   it is too large: likewise
 *   -ETIMEDOUT  nothing came for too long: likewise; or a deadline scope expired, then gt_http_status() is 0
 *   -ECONNRESET the other end has gone away
 *   -EINVAL     no connection, or no request; buf is NULL and len is not 0
 *   -EBUSY      another task uses the connection
 * Also -ECANCELED, -EINTR, -ENOMEM, and errors of gt_recv(). May switch.
 */
ssize_t gt_http_read(struct gt_http_conn_t *conn,
                     void *buf,
                     size_t len);

/**
 * The status of the present answer, or the one that a request was refused with, or that is to be given after an error of
 * gt_http_read(); 0: none. Negative: -EINVAL (no connection), -EBUSY (another task uses it). Does not switch.
 */
int gt_http_status(const struct gt_http_conn_t *conn);

/**
 * Whether another request may follow, as it stands. Returns 1 or 0; -EINVAL (no connection), -EBUSY (another task uses it). Does not
 * switch.
 */
int gt_http_keeps_alive(const struct gt_http_conn_t *conn);

/**
 * Frees a connection; NULL is fine. Its descriptor stays open.
 *
 * Returns 0, or -EINVAL (no connection: freed already), -EBUSY (another task uses it; nothing was freed). Does not switch.
 */
int gt_http_free(struct gt_http_conn_t *conn);

/**
 * Answers the request as a whole, in one write, letting other tasks run while there is no room. `reason` may be NULL: the usual one.
 * Date, Server, Content-Length and Connection are added where `headers` does not have them. What an answer to HEAD would have as a body is
 * given all the same, and not sent; nor is one with 204 and 304. "Connection: close" in the headers ends the connection.
 *
 * Returns 0, or
 *   -EINVAL     no connection; no request, or it has an answer; a status below 200 or above 999; headers is NULL and count is
 *               not 0; a name that is no token; a value or reason with CR, LF, NUL or another control character; a
 *               Content-Length that is not len, or with 204, or twice; a Transfer-Encoding other than chunked; 2xx to
 *               CONNECT (see gt_http_upgrade); body is NULL and len is not 0
 *   -EPIPE, -ECONNRESET  the other end has gone away
 *   -ETIMEDOUT  it took nothing for too long, or a deadline scope expired; the connection is over
 *   -EBUSY      another task uses the connection
 *   -ENOMEM     nothing was sent: try again, with less
 * Also -ECANCELED, -EINTR (if bytes were sent, the connection is over), and errors of gt_send(). After -EINVAL nothing has happened. May
 * switch.
 */
int gt_http_respond(struct gt_http_conn_t *conn,
                    int status,
                    const char *reason,
                    const struct gt_http_header_t *headers,
                    size_t count,
                    const void *body,
                    size_t len);

/**
 * Begins an answer whose body comes in pieces, by gt_http_write() and gt_http_sendfile(), until gt_http_finish(). Without a
 * Content-Length in `headers` it goes in chunks, to HTTP/1.0 until the connection's end. The head is held back until the first
 * piece; a write of 0 bytes sends it alone. Otherwise as gt_http_respond().
 *
 * Returns 0, or
 *   -EINVAL  as of gt_http_respond()
 *   -EBUSY   another task uses the connection
 *   -ENOMEM  nothing has happened
 * Does not switch.
 */
int gt_http_start(struct gt_http_conn_t *conn,
                  int status,
                  const char *reason,
                  const struct gt_http_header_t *headers,
                  size_t count);

/**
 * Sends the next bytes of an answer that gt_http_start() began, all of them, letting other tasks run while there is no room.
 *
 * Returns len, or
 *   -EMSGSIZE   these would be more bytes than Content-Length says; none was sent
 *   -EINVAL     no connection; no answer has been started; buf is NULL and len is not 0
 *   -EPIPE, -ECONNRESET  the other end has gone away
 *   -ETIMEDOUT  it took nothing for too long, or a deadline scope expired; the connection is over
 *   -EBUSY      another task uses the connection
 * Also -ECANCELED, -EINTR (if bytes were sent, the connection is over), and errors of gt_send(). May switch.
 */
ssize_t gt_http_write(struct gt_http_conn_t *conn,
                      const void *buf,
                      size_t len);

/**
 * Sends `count` bytes of a regular file from `offset` on as the next bytes of an answer that gt_http_start() began, without a copy through
 * the program where that is possible (see gt_sendfile). The file's own position does not matter, and stays.
 *
 * Returns the number of bytes, which is less than count only at the end of the file, or
 *   -EMSGSIZE   these would be more bytes than Content-Length says; none was sent
 *   -EINVAL     no connection; no answer has been started; in is no regular file; offset is negative
 *   -EBADF      in is not open, or not open for reading
 *   -EPIPE, -ECONNRESET  the other end has gone away
 *   -ETIMEDOUT  it took nothing for too long, or a deadline scope expired; the connection is over
 *   -EBUSY      another task uses the connection
 * Also -ECANCELED, -EINTR, -EIO (the file became shorter meanwhile), -ENOMEM, and errors of gt_sendfile(); the connection is over once
 * bytes were sent. May switch.
 */
ssize_t gt_http_sendfile(struct gt_http_conn_t *conn,
                         int in,
                         int64_t offset,
                         size_t count);

/**
 * Ends an answer that gt_http_start() began.
 *
 * Returns 0, or
 *   -EMSGSIZE   fewer bytes were sent than Content-Length says: the answer is given up, as by gt_http_abort()
 *   -EINVAL     no connection; no answer has been started
 *   -EPIPE, -ECONNRESET  the other end has gone away
 *   -ETIMEDOUT  it took nothing for too long, or a deadline scope expired; the connection is over
 *   -EBUSY      another task uses the connection
 * Also -ECANCELED, -EINTR (if bytes were sent, the connection is over), and errors of gt_send(). May switch.
 */
int gt_http_finish(struct gt_http_conn_t *conn);

/**
 * Sends an interim answer, at once and as often as the program likes, before the request's answer: 100 (Continue) with headers of the
 * program's, after which gt_http_read() sends none, or 103 (Early Hints), say. HTTP/1.0 knows none.
 *
 * Returns 1: it was sent. 0: the request is of HTTP/1.0, and nothing was sent. Or
 *   -EINVAL     no connection; no request, or its answer has begun to go out; a status below 100 or above 199, or 101 (see
 *               gt_http_upgrade); headers as for gt_http_respond(), or with Content-Length or "Connection: close"
 *   -EPIPE, -ECONNRESET  the other end has gone away
 *   -ETIMEDOUT  it took nothing for too long, or a deadline scope expired; the connection is over
 *   -EBUSY      another task uses the connection
 *   -ENOMEM     nothing was sent
 * Also -ECANCELED, -EINTR (if bytes were sent, the connection is over), and errors of gt_send(). May switch.
 */
int gt_http_inform(struct gt_http_conn_t *conn,
                   int status,
                   const struct gt_http_header_t *headers,
                   size_t count);

/**
 * Leaves HTTP: answers with 101 and `headers`, or with 2xx to CONNECT; with status 0 nothing is sent, and the program writes the answer
 * itself. "Connection: Upgrade" is added to 101. From now on the program reads and writes on the descriptor. What had been received
 * behind the request already is at `*early`, until gt_http_free().
 *
 * Returns 0, or
 *   -EINVAL     no connection; no request, or its answer has begun, or it has a body that was not read; another status, or 101 to HTTP/1.0;
 *               headers as for gt_http_respond(); early or early_len is NULL
 *   -EPIPE, -ECONNRESET  the other end has gone away
 *   -ETIMEDOUT  it took nothing for too long, or a deadline scope expired; the connection is over
 *   -EBUSY      another task uses the connection
 *   -ENOMEM     nothing was sent
 * Also -ECANCELED, -EINTR, and errors of gt_send(). May switch.
 */
int gt_http_upgrade(struct gt_http_conn_t *conn,
                    int status,
                    const struct gt_http_header_t *headers,
                    size_t count,
                    const void **early,
                    size_t *early_len);

/**
 * Gives an answer up that cannot be finished; nothing more is sent. When the descriptor is closed, the other end sees that something is
 * missing: there is no last chunk, fewer bytes than were announced, or else the connection is reset.
 *
 * Returns 0, or -EINVAL (no connection), -EBUSY (another task uses it). Does not switch.
 */
int gt_http_abort(struct gt_http_conn_t *conn);

/**
 * How many bytes of the present answer's body were sent, for a log. Negative: -EINVAL (no connection), -EBUSY (another task uses it).
 * Does not switch.
 */
int64_t gt_http_sent(const struct gt_http_conn_t *conn);

/**
 * Whether the present answer may have begun to go out. Returns 1 or 0; -EINVAL (no connection), -EBUSY (another task uses it). Does not
 * switch.
 */
int gt_http_has_begun(const struct gt_http_conn_t *conn);

/**
 * Makes one side of a WebSocket; `opts` NULL: a server's without compression, messages of at most 1 MiB.
 *
 * Returns NULL with errno
 *   EINVAL  a flag, level or window that does not exist, or a size that is too small
 *   E2BIG   opts is longer than this library knows, and not zero there
 *   ENOMEM  memory is out
 *
 * Any thread; does not switch.
 */
struct gt_ws_t *gt_ws_new(const struct gt_ws_opts_t *opts);

/**
 * Frees one side of a WebSocket; NULL is fine.
 *
 * Returns 0, or
 *   -EINVAL  ws was freed before, or is no WebSocket
 *
 * Any thread; does not switch. Nobody else may use it at the same time.
 */
int gt_ws_free(struct gt_ws_t *ws);

/**
 * Takes bytes that came from the other side; they are copied. Then ask gt_ws_next(). What follows a close frame or an error is dropped.
 *
 * Returns 0, or
 *   -EINVAL  ws is NULL, was freed, or is no WebSocket; buf is NULL and len is not 0
 *   -ENOMEM  memory is out; nothing was taken
 *
 * Any thread; does not switch. One receives at a time.
 */
int gt_ws_feed(struct gt_ws_t *ws,
               const void *buf,
               size_t len);

/**
 * Says what comes next of the other side: a message, whole, or a control frame. Pieces of a message are put together.
 *
 * Returns 1 and fills `*event`; 0: more bytes are needed, or the other side has closed; or
 *   -EBADMSG   the other side broke the protocol: close with 1002
 *   -EILSEQ    text that is no UTF-8, or data that cannot be inflated: close with 1007
 *   -EMSGSIZE  a message of more than max_size: close with 1009
 *   -EINVAL    ws is NULL, was freed, or is no WebSocket; event is NULL
 *   -ENOMEM    memory is out
 *
 * An error stays: nothing more is received. Any thread; does not switch. One receives at a time.
 */
int gt_ws_next(struct gt_ws_t *ws,
               struct gt_ws_event_t *event);

/**
 * Adds a message or a control frame to what is to be written: masked, compressed and framed as agreed. The data of a GT_WS_CLOSE is the
 * code, high byte first, and the reason; or nothing.
 *
 * Returns 0, or
 *   -EINVAL  ws is NULL, was freed, or is no WebSocket; data is NULL and len is not 0; no such kind; a control frame of more than 125
 *            bytes; a close with a code that may not be sent
 *   -EILSEQ  a text, or the reason of a close, that is no UTF-8
 *   -EBUSY   a message, while another one is put in fragments; control frames may come between (RFC 6455, 5.4)
 *   -ENOMEM  memory is out
 *
 * Any thread; does not switch. One sends at a time.
 */
int gt_ws_put(struct gt_ws_t *ws,
              int kind,
              const void *data,
              size_t len);

/**
 * Adds a fragment of a message to what is to be written: for messages that are not there as a whole, or are to be sent before they are.
 * `kind` is GT_WS_TEXT or GT_WS_BINARY, the same for all fragments of the message; `last` is not 0 with the one that ends it. A character
 * of a text may be cut by the end of a fragment. How fragments are cut means nothing to the other side (RFC 6455, 5.4).
 *
 * Returns 0, or
 *   -EINVAL  ws is NULL, was freed, or is no WebSocket; data is NULL and len is not 0; no such kind, or another one than that of the
 *            fragments before
 *   -EILSEQ  a text that is no UTF-8
 *   -ENOMEM  memory is out
 *
 * After an error nothing was added, and the message has not ended: it takes other fragments, or a close frame. Any thread; does not
 * switch. One sends at a time.
 */
int gt_ws_put_fragment(struct gt_ws_t *ws,
                       int kind,
                       const void *data,
                       size_t len,
                       int last);

/**
 * Shows what is to be written: `*bytes` is its beginning, until the next call of gt_ws_put(), gt_ws_put_fragment(), gt_ws_written() or
 * gt_ws_free().
 *
 * Returns how many bytes there are, or
 *   -EINVAL  ws is NULL, was freed, or is no WebSocket; bytes is NULL
 *
 * Any thread; does not switch. One sends at a time.
 */
ssize_t gt_ws_output(struct gt_ws_t *ws,
                     const void **bytes);

/**
 * So many of the bytes that gt_ws_output() showed have been written; they are shown no more.
 *
 * Returns 0, or
 *   -EINVAL  ws is NULL, was freed, or is no WebSocket; there are not so many
 *
 * Any thread; does not switch. One sends at a time.
 */
int gt_ws_written(struct gt_ws_t *ws, size_t count);

/**
 * Puts the hooks of this OS thread's scheduler in place; NULL takes them away. The state that is current now becomes
 * the root task's.
 *
 * Returns 0, or
 *   -EBUSY   tasks other than the root live
 *   -EINVAL  too small; some but not all of state_new, swap, state_clear and state_free, or of release and acquire
 *   -E2BIG   the struct is larger than this library knows and its tail is not zero
 *
 * Does not switch.
 */
int gt_host_set(const struct gt_host_t *host);

/**
 * From a VM's signal handler: has the scheduler of `task` call its interrupted hook on its root task, which may be
 * parked, and ends a poll that is about to sleep. (A signal that comes just before a poll does not interrupt it.)
 *
 * Returns 0, or -ESRCH: no such task, or it has ended. Any thread; async-signal-safe; does not switch.
 */
int gt_host_notify(int64_t task);

/**
 * Lets other tasks run at a place that the running task has not chosen, for a host that ends a task's time slice in the middle of
 * its code. Looks for what has become ready (descriptors, timers, wakes from other OS threads), lets each task that is ready run
 * once, and delivers nothing: cancel and interrupts wait for the task's next blocking call.
 *
 * Returns 1, or 0 if no other task was ready. On an OS thread without tasks: 0.
 *
 * May switch. Any task.
 */
int gt_host_yield(void);

/**
 * Has `size` bytes at `place` follow the tasks of this OS thread, as errno does: each task finds there what it left there, a
 * new task finds zeroes, and what is there now is the caller's. For what a language's runtime keeps for each OS thread
 * though it belongs to the code that runs there. C++ keeps there which exceptions are being handled: a program whose
 * tasks block inside a catch block, or in a destructor while an exception passes, asks by
 * `gt_carry(__cxa_get_globals(), 16)` on each OS thread before its first task. greenrt.hpp does that by itself.
 *
 * `size` is 8 or 16. Twice the same place is fine; NULL ends it. A switch takes about a nanosecond longer on this OS
 * thread, nothing elsewhere. gt_shutdown() ends it.
 *
 * Returns 0, or
 *   -EINVAL  place is not aligned to 8 bytes, or size is something else
 *   -EBUSY   another place follows them already
 *   -ENOMEM  the OS thread's first call found no memory for a scheduler
 *
 * Does not switch.
 */
int gt_carry(void *place,
             size_t size);

/**
 * As gt_carry(), but what new tasks find, and those that exist already and do not run, is a copy of the `size` bytes at `initial`; NULL
 * stands for zeroes. The same place again, with other bytes: from now on new tasks find these.
 *
 * Returns 0, or
 *   -EINVAL  place is not aligned to 8 bytes, or size is something else than 8 or 16
 *   -EBUSY   another place follows them already
 *   -ENOMEM  the OS thread's first call found no memory for a scheduler
 *
 * Does not switch.
 */
int gt_carry_from(void *place,
                  size_t size,
                  const void *initial);

/**
 * Takes the figures of this OS thread's scheduler. The caller sets `size`; a smaller struct gets the first members, a
 * larger one zeroes at the end.
 *
 * Returns 0, or -EINVAL: stats is NULL or its size less than a size_t and one figure. Does not switch.
 */
int gt_stats(struct gt_stats_t *stats);

/**
 * Stores the ids of the tasks of the calling thread that have not ended, the root's included, at most `max` of them;
 * `ids` may be NULL with max 0.
 *
 * Returns how many there are, which may be more than `max`; or -EINVAL: ids is NULL and max is not 0. Does not switch.
 */
ssize_t gt_task_list(int64_t *ids,
                     size_t max);

/**
 * Tells what a task is, does and waits on. The caller sets `size`; a smaller struct gets the first members, a larger one
 * zeroes at the end.
 *
 * Returns 0, or
 *   -EINVAL  info is NULL, or its size is less than 16
 *   -ESRCH   no such task
 *   -EXDEV   it lives on another OS thread
 *
 * Does not switch. The task's home thread.
 */
int gt_task_info(int64_t task,
                 struct gt_task_info_t *info);

/**
 * Stores the code addresses of a task's calls, innermost first, at most `max` (64 are ever found). The frames of a task
 * that does not run begin inside this library. Needs the unwind tables that compilers make for x86-64 by default
 * (.eh_frame), no frame pointers and no debug information; on other processors there are none.
 *
 * Returns how many were stored, or
 *   -EINVAL  addresses is NULL or max is 0
 *   -ESRCH   no such task
 *   -EXDEV   it lives on another OS thread
 *   -EAGAIN, -ENOMEM  no OS thread to be had for the work
 *
 * Does not switch. The task's home thread, which stands still while a helper thread reads.
 */
int gt_backtrace(int64_t task,
                 void **addresses,
                 size_t max);

/**
 * Writes every task of the calling thread to a descriptor, as text, some lines each: id, name, state, what it waits on
 * and for how long, its stack, its entry, and its calls with their names (functions of stripped programs have none). The
 * text is for people; lines of a task begin with "task ", the first and the last line with "greenrt: ".
 *
 * Returns 0, or
 *   -EBADF   no such descriptor
 *   -EAGAIN, -ENOMEM  no OS thread to be had for the work
 *   -EPIPE, -ENOSPC, ...  what write(2) said
 *
 * Does not switch. The whole OS thread stands still until the text is written, also when the descriptor has to be waited
 * for. Other OS threads' tasks: gt_dump_on_signal(), or a call there.
 */
int gt_dump(int fd);

/**
 * From now on the signal `signo` asks for a dump of every scheduler of the process on standard error: each writes its own,
 * as gt_dump() does, when it polls next, at the latest after 256 switches. One whose task does not switch writes nothing;
 * gt_watchdog_start() reports that. The handler itself only leaves the request. 0 ends it and restores the action from
 * before.
 *
 * Returns 0, or
 *   -EINVAL  no signal, or one of SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT
 *   -EBUSY   the program has a handler of its own for it
 *
 * Any thread; does not switch. Process-wide; a forked child inherits it.
 */
int gt_dump_on_signal(int signo);

/**
 * Starts the watchdog: an OS thread that reports each task which has not switched for `ns` nanoseconds (a millisecond to a
 * day), on any OS thread of the process: to `report`, or on standard error if it is NULL. A task is reported when it has
 * held its thread that long or up to a quarter more, and again at twice, four times, eight times `ns`. The program is not
 * slowed down meanwhile: the watchdog looks from outside at what the schedulers count.
 *
 * A report has the task's calls. Its thread is interrupted for that by a signal, for some microseconds: SIGURG, which
 * nobody else sends by itself, or where the program has an action of its own for that, one of the real-time signals that
 * has none. A call that blocks there and that handlers interrupt (poll(2), nanosleep(2): signal(7)) ends with EINTR then.
 * The innermost 128 KiB of the stack are looked at.
 *
 * Not reported: a scheduler that sleeps because nothing is ready; a thread that has given up its host's lock for that (see
 * gt_host_t) or waits to get it back; time between gt_turn() calls. Time in which the whole process stood still (stopped,
 * in a debugger, no processor to be had) counts for nobody, as far as the watchdog's own thread stood still with it; a
 * debugger that stops one thread and not the others cannot be told from a task that holds it.
 *
 * `report` may call what any thread may: gt_interrupt(), gt_cancel() of the task, for instance.
 *
 * Returns 0, or
 *   -EINVAL    ns is out of range
 *   -EALREADY  a watchdog runs, or is being stopped
 *   -EBUSY     the program has actions of its own for all signals that could be used
 *   -EAGAIN    no OS thread to be had
 *   -ENOMEM    out of memory
 *
 * Any thread; does not switch. Process-wide; a forked child has none, and may start its own.
 */
int gt_watchdog_start(int64_t ns,
                      gt_watchdog_fn_t report,
                      void *arg);

/**
 * Stops the watchdog. A report that is under way is finished first: hold nothing that its callback waits for.
 *
 * Returns 0, or
 *   -ESRCH     no watchdog runs
 *   -EALREADY  another call stops it
 *   -EDEADLK   called by its own callback
 *
 * Any thread, which stands still meanwhile; does not switch.
 */
int gt_watchdog_stop(void);

/**
 * Calls `visit` with the stack of every task of the process, whatever its OS thread: roots, tasks that run, wait, have not
 * started, or have ended and were not joined.
 *
 * It is made for the moment at which a collector has stopped all other OS threads by signals, wherever they were, in the midst of
 * a switch or of a spawn as well: it takes no lock, allocates nothing and makes no system call. What is live then:
 *
 *   1. From the stack pointer of each OS thread, its registers saved below, up to the top of the stack that it lies in:
 *      gt_stack_at() finds that.
 *   2. Every other stack, from `low` up to `top`; for an OS thread's own one, up to where that ends.
 *   3. The library's own memory: buffers of channels, arguments of jobs and of tasks for other OS threads, task-local slots,
 *      cleanup handlers, what generators yield. It comes from the allocator of gt_config(): let that hand out memory that the
 *      collector scans but does not free. Items of channels are found when they keep the alignment of pointers.
 *
 * A task that runs may be visited with any `low` of its stack. The same stack is not visited twice.
 *
 * Returns how many stacks were visited, or -EINVAL: visit is NULL.
 *
 * Any thread, signal handlers included, while every other OS thread that uses the library is stopped, or there is none. Does
 * not switch.
 */
ssize_t gt_stacks_each(gt_stack_visit_t visit,
                       void *arg);

/**
 * Tells on which stack an OS thread runs, whose stack pointer is `address`: `low` is that address, and `top` the end of what is
 * live; NULL if it is the thread's own stack. If it is a task's, the thread's own stack is live from `own`. The caller sets
 * stack->size; a smaller struct gets the first members, a larger one zeroes at the end.
 *
 * Returns 0, or
 *   -EINVAL  stack is NULL, or its size is less than 16
 *   -ESRCH   the thread has no scheduler, so it is on its own stack
 *
 * Any thread, signal handlers included, for itself, or while `thread` is stopped and gt_stacks_each() might be called. Does not
 * switch.
 */
int gt_stack_at(uintptr_t thread,
                const void *address,
                struct gt_stack_t *stack);

/**
 * Makes the clock of the process virtual, for tests: time stands still while anything runs, and jumps to the next deadline
 * when every task of every scheduler waits. To sleep for an hour takes no time, and the order of events is exactly the one
 * that the deadlines say: a task that slept until T finds gt_now() to be T.
 *
 * gt_now() follows it, and all that is made of gt_now(): sleeps, deadlines, deadline scopes, timed interrupts, on all OS
 * threads. What asks the kernel does not: clock_gettime(2), a plain poll(2). The clock begins at `start` (absolute ns), or
 * where it stands if that is 0.
 *
 * It jumps only when nothing can happen without that: no task is ready on any OS thread, no descriptor that is waited
 * for is ready, no job of gt_offload() or the like runs, no request of another thread is under way, and no gt_waker_t exists:
 * while a test holds one, time stands still. What comes from another process, or from an OS thread without a scheduler,
 * cannot be seen coming: before each jump all must have been silent for `grace` nanoseconds of real time. With 0 there
 * is no such pause; that is right for a program whose descriptors lead to itself by pipes and unix sockets, and mostly for
 * TCP within the machine. An OS thread with a scheduler that blocks outside of the library holds the time, and so does a task
 * that waits in a loop of gt_yield(). gt_waitpid() for any child or for stops looks again from time to time, which lets time
 * pass. Another event loop around gt_turn() need not sleep until gt_next_deadline(): it calls
 * gt_turn() with that as the deadline, which moves the time.
 *
 * Returns 0, or
 *   -EINVAL    start or grace is negative, or start is GT_NEVER
 *   -EALREADY  the clock is virtual
 *   -EBUSY     something counts on the clock that there is: another scheduler, a task, a timed interrupt, a deadline
 *              scope of the root, a job that runs
 *
 * Any thread; does not switch. Process-wide; a forked child has the same clock, which goes its own way.
 */
int gt_clock_virtual(int64_t start,
                     int64_t grace);

/**
 * Moves the virtual clock on by `ns` nanoseconds, while tasks run: as if the caller had taken that long. Tasks whose
 * deadline is reached are ready then, those of the calling thread at once.
 *
 * Returns 0, or
 *   -EINVAL  ns is negative, or leads beyond the end of time
 *   -EPERM   the clock is the kernel's
 *
 * Any thread; does not switch.
 */
int gt_clock_advance(int64_t ns);

/**
 * Gives the process the kernel's clock back, whatever time that is: deadlines that were made before mean something else now.
 *
 * Returns 0, or
 *   -EPERM  the clock is the kernel's
 *   -EBUSY  something counts on the virtual clock, as for gt_clock_virtual()
 *
 * Any thread; does not switch.
 */
int gt_clock_real(void);

/**
 * The builtins of this library for the CPython that runs in this process: a new reference to a dict, or NULL with a Python
 * exception set (ImportError for an interpreter that is not supported). For the Python package: call it through
 * ctypes.PyDLL, with the GIL held. In a process without CPython the answer is NULL. Does not switch.
 */
void *gt_python_builtins(void);

#ifdef __cplusplus
}
#endif

#endif  /* GREENRT_H */

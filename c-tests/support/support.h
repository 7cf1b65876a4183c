/* What many tests need: pairs of sockets, tasks that must start, other OS threads, child processes whose end is looked at. */
#ifndef GREENRT_SUPPORT_H
#define GREENRT_SUPPORT_H

#include <greenrt.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "test.h"

/* A function with a frame of its own, under its own name. */
#ifdef __clang__
#define DEEP __attribute__((noinline))
#else
#define DEEP __attribute__((noinline, noclone))
#endif

#define MS(n) ((int64_t)(n)*1000000)
#define IN_MS(n) (gt_now() + MS(n))
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#ifdef __cplusplus
extern "C" {
#endif

/* -- tasks */
int64_t s_spawn(gt_entry_t entry, void *arg);
int64_t s_spawn_named(const char *name, gt_entry_t entry, void *arg);
int64_t s_spawn_stack(size_t stack_size, gt_entry_t entry, void *arg);
void *s_join(int64_t task);
void s_settle(void); /* lets every ready task run until it parks */
gt_stats_t s_stats(void);

/* -- an order of events, one letter each */
void s_log(char c);
void s_log_clear(void);
const char *s_logged(void);

/* -- descriptors: plain ones are foreign to the library, the others were handed over with gt_fd_adopt */
void s_unix_pair(int type, int fds[2]);
void s_tcp_pair(int fds[2]);
void s_adopt_pair(int fds[2]);
void s_pipe(int fds[2], int flags);
void s_close_pair(int fds[2]);
int s_listener(uint16_t *port); /* gt_listen_tcp on 127.0.0.1, owned */
uint16_t s_port(int fd);
void s_fill(int fd); /* writes without waiting until the buffer is full */
int s_fd_count(void);

/* -- stacks */
#define S_KEEP(address) __asm__ volatile("" : : "r"(address) : "memory") /* the compiler must believe that it is read */
void s_use_stack(int kib);                                               /* touches that many KiB of frames below the caller's */

/* How many of the functions, the innermost first, the addresses of a backtrace lie in. */
size_t s_calls_among(const uintptr_t *addresses, size_t count, const uintptr_t *functions, size_t wanted);

/* -- the kernel. Refuses a system call with `error` for the rest of the process; if `argument` is not 0 only with that third
 * argument. Returns 0, or -1 where seccomp is not to be had. */
int s_refuse(unsigned number, unsigned argument, unsigned error);
/* Holds back a system call of this OS thread and those that it starts. Returns a listener, or -1 where that is not to be had. A
 * call that came is waited for by s_held(), which lets other tasks run, and goes on after s_let_go(). */
int s_hold(unsigned number);
uint64_t s_held(int listener);
void s_let_go(int listener, uint64_t held);

/* -- OS threads */
pthread_t s_thread(void *(*body)(void *), void *arg);
void *s_thread_join(pthread_t thread);
void s_real_sleep(int ms); /* blocks the OS thread */
double s_cpu(void);        /* processor seconds used by this process */
int s_state(int64_t thread); /* of an OS thread, by its id: 'S' sleeps, 'R' runs or would if it were let, and what else proc(5) says */
/* Milliseconds, at least, that the OS thread of the first call slept, as another one counts them that the call starts. A machine that
 * stands still counts for nothing, nor does a thread that wants to run and has to wait for a processor. */
long s_moments(void);
#define S_PROMPT 500 /* moments: the runtime looks at long waits again after a second, which would hide what was lost */

/* -- child processes */
struct s_end {
  int signal; /* 0: ended by itself */
  int status; /* exit status, -1 if it died of a signal */
  char out[16384]; /* stdout and stderr */
};
void s_child(void (*body)(void *), void *arg, struct s_end *end);
/* The same for one that does not end by itself: when it has written `text`, it gets time to go on wrongly, and then SIGALRM. */
void s_child_until(const char *text, void (*body)(void *), void *arg, struct s_end *end);
void s_run(struct s_end *end, const char *const argv[]);
/* The path of a program built beside the running test program ("examples/hello"). Static storage. */
const char *s_beside(const char *name);
int s_have_program(const char *name); /* found on PATH */

#ifdef __cplusplus
}
#endif

#endif

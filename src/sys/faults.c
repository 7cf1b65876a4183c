/* The seam of the fault loops (feature `fault-injection`, docs/TESTING.md). The library is linked with --wrap for each call below, so
 * that whoever in it calls one, in whatever file, comes here first; the Nth of them since gt_fault_arm fails. Allocations are
 * remembered, and mappings, so that a test can ask what was left behind.
 *
 * build.rs reads the names from the lines that begin with CALL, MAP_, TOLD or `__wrap_`; the shipped library has nothing of this. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ALLOCATION, MAPPING, CALL_, KINDS };

/* What is armed; kind -1 for nothing. */
static atomic_int armed_kind = -1, armed_variant, fired_errno;
static atomic_long nth, counted;
static _Atomic(const char *) fired;
/* This OS thread is in a dependency: nothing is counted or remembered. */
static __thread int beyond;

void greenrt_fault_arm(int kind, int variant, int64_t n) {
  atomic_store(&counted, 0);
  atomic_store(&nth, n);
  atomic_store(&fired, NULL);
  atomic_store(&fired_errno, 0);
  atomic_store(&armed_variant, variant);
  atomic_store(&armed_kind, kind);
}

int64_t greenrt_fault_disarm(void) {
  atomic_store(&armed_kind, -1);
  return atomic_load(&counted);
}

const char *greenrt_fault_fired(int *error) {
  *error = atomic_load(&fired_errno);
  return atomic_load(&fired);
}

int greenrt_fault_beyond(int begins) {
  int before = beyond;
  beyond = begins;
  return before;
}

/* Whether this one fails, and with what. `errors` ends with 0; variant 1 is the second of them, and so on: calls that have no such
 * error are not counted then. Of allocations variant 1 is the Nth and all later ones. */
static int fails(int kind, const char *name, const int *errors) {
  if (atomic_load_explicit(&armed_kind, memory_order_relaxed) != kind || beyond) return 0;
  int variant = atomic_load(&armed_variant), from_then_on = kind == ALLOCATION && variant == 1;
  for (int i = 0; i < variant && !from_then_on; i++)
    if (!errors[i] || !errors[i + 1]) return 0;
  long mine = atomic_fetch_add(&counted, 1) + 1, wanted = atomic_load(&nth);
  if (mine != wanted && !(from_then_on && mine > wanted)) return 0;
  int error = errors[from_then_on ? 0 : variant];
  if (mine == wanted) {
    atomic_store(&fired_errno, error);
    atomic_store(&fired, name);
  }
  errno = error;
  return error;
}

/* ---- what was allocated and not freed, what was mapped and not unmapped */

enum { PLACES = 1 << 16 };

struct place {
  uintptr_t address; /* 0: empty; 1: was used */
  size_t size;
  void *from;
};

static struct table {
  pthread_mutex_t lock;
  struct place places[PLACES];
  long live;
} tables[2] = {{.lock = PTHREAD_MUTEX_INITIALIZER}, {.lock = PTHREAD_MUTEX_INITIALIZER}};

static void note(int kind, void *address, size_t size, void *from) {
  if (beyond || !address) return;
  struct table *t = &tables[kind];
  pthread_mutex_lock(&t->lock);
  size_t at = ((uintptr_t)address >> 4) * 0x9E3779B97F4A7C15u >> 48;
  for (size_t i = 0; i < PLACES; i++, at = (at + 1) % PLACES) {
    if (t->places[at].address > 1) continue;
    t->places[at] = (struct place){(uintptr_t)address, size, from};
    t->live++;
    break;
  }
  pthread_mutex_unlock(&t->lock);
}

static void forget(int kind, void *address) {
  if (!address) return;
  struct table *t = &tables[kind];
  pthread_mutex_lock(&t->lock);
  size_t at = ((uintptr_t)address >> 4) * 0x9E3779B97F4A7C15u >> 48;
  for (size_t i = 0; i < PLACES && t->places[at].address; i++, at = (at + 1) % PLACES) {
    if (t->places[at].address != (uintptr_t)address) continue;
    t->places[at].address = 1;
    t->live--;
    break;
  }
  pthread_mutex_unlock(&t->lock);
}

int64_t greenrt_fault_live(int kind) {
  return tables[kind].live;
}

void greenrt_fault_list(void) {
  for (int kind = ALLOCATION; kind <= MAPPING; kind++)
    for (size_t i = 0; i < PLACES; i++) {
      struct place *p = &tables[kind].places[i];
      if (p->address > 1)
        fprintf(stderr, "%s of %zu bytes from %p\n", kind ? "mapping" : "allocation", p->size, p->from);
    }
}

/* ---- allocations: std's System, which the library's allocator stands on, makes these */

#define NO_MEMORY ((const int[]){ENOMEM, 0})
#define FROM __builtin_return_address(0)

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_calloc(size_t count, size_t size);
int __real_posix_memalign(void **place, size_t alignment, size_t size);
void __real_free(void *old);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *arg);
int __real_pthread_attr_init(pthread_attr_t *attributes);
int __real_pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes);
int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list);
int __real_getnameinfo(const struct sockaddr *a, socklen_t n, char *host, socklen_t h, char *service, socklen_t s, int flags);
int __real_close(int fd);
int __real_eventfd(unsigned count, int flags);
ssize_t __real_write(int fd, const void *from, size_t n);
int __real_connect(int fd, const struct sockaddr *a, socklen_t n);
int __real_sigaltstack(const stack_t *new, stack_t *old);

void *__wrap_malloc(size_t size) {
  if (fails(ALLOCATION, "malloc", NO_MEMORY)) return NULL;
  void *p = __real_malloc(size);
  note(ALLOCATION, p, size, FROM);
  return p;
}

void *__wrap_calloc(size_t count, size_t size) {
  if (fails(ALLOCATION, "calloc", NO_MEMORY)) return NULL;
  void *p = __real_calloc(count, size);
  note(ALLOCATION, p, count * size, FROM);
  return p;
}

void *__wrap_realloc(void *old, size_t size) {
  if (fails(ALLOCATION, "realloc", NO_MEMORY)) return NULL;
  forget(ALLOCATION, old);
  void *p = __real_realloc(old, size);
  note(ALLOCATION, p ? p : old, size, FROM);
  return p;
}

int __wrap_posix_memalign(void **place, size_t alignment, size_t size) {
  if (fails(ALLOCATION, "posix_memalign", NO_MEMORY)) return ENOMEM;
  int r = __real_posix_memalign(place, alignment, size);
  if (r == 0) note(ALLOCATION, *place, size, FROM);
  return r;
}

void __wrap_free(void *old) {
  forget(ALLOCATION, old);
  __real_free(old);
}

/* ---- mappings */

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  if (fails(MAPPING, "mmap", NO_MEMORY)) return MAP_FAILED;
  void *p = __real_mmap(at, size, protection, flags, fd, offset);
  if (p != MAP_FAILED) note(MAPPING, p, size, FROM);
  return p;
}

void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  return __wrap_mmap(at, size, protection, flags, fd, offset);
}

int __wrap_munmap(void *at, size_t size) {
  forget(MAPPING, at); /* does not fail: a whole mapping of ours splits none */
  return __real_munmap(at, size);
}

/* ---- the other calls. CALL(result, name, parameters, arguments, errors...): -1 and an errno. */

#define CALL(result, name, parameters, arguments, ...)                                                     \
  result __real_##name parameters;                                                                         \
  result __wrap_##name parameters;                                                                         \
  result __wrap_##name parameters {                                                                        \
    if (fails(CALL_, #name, (const int[]){__VA_ARGS__, 0})) return -1;                                     \
    return __real_##name arguments;                                                                        \
  }
/* The same, as a mapping. */
#define MAP_(result, name, parameters, arguments, ...)                                                     \
  result __real_##name parameters;                                                                         \
  result __wrap_##name parameters;                                                                         \
  result __wrap_##name parameters {                                                                        \
    if (fails(MAPPING, #name, (const int[]){__VA_ARGS__, 0})) return -1;                                   \
    return __real_##name arguments;                                                                        \
  }

/* clang-format off */
MAP_(int, mprotect, (void *a, size_t n, int p), (a, n, p), ENOMEM)
MAP_(int, madvise, (void *a, size_t n, int how), (a, n, how), ENOMEM, EINVAL)
CALL(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int f), (fd, a, n, f), EMFILE, ENOMEM, ECONNABORTED, EINTR)
CALL(int, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), EADDRINUSE, EACCES)
CALL(int, dup3, (int old, int new, int f), (old, new, f), EBUSY, EINTR)
CALL(int, epoll_ctl, (int e, int op, int fd, struct epoll_event *ev), (e, op, fd, ev), ENOMEM, ENOSPC)
CALL(int, epoll_wait, (int e, struct epoll_event *ev, int n, int ms), (e, ev, n, ms), EINTR)
CALL(int, setsockopt, (int fd, int l, int o, const void *v, socklen_t n), (fd, l, o, v, n), ENOMEM)
CALL(int, listen, (int fd, int backlog), (fd, backlog), EADDRINUSE)
CALL(int, poll, (struct pollfd *p, nfds_t n, int ms), (p, n, ms), ENOMEM, EINTR)
CALL(int, shutdown, (int fd, int how), (fd, how), ENOTCONN)
CALL(int, socket, (int d, int t, int p), (d, t, p), EMFILE, ENOMEM)
CALL(int, socketpair, (int d, int t, int p, int fds[2]), (d, t, p, fds), EMFILE, ENOMEM)
CALL(int, pipe2, (int fds[2], int f), (fds, f), EMFILE)
CALL(ssize_t, read, (int fd, void *b, size_t n), (fd, b, n), EIO, EINTR)
CALL(ssize_t, readv, (int fd, const struct iovec *v, int n), (fd, v, n), EIO, EINTR)
CALL(ssize_t, pread64, (int fd, void *b, size_t n, off_t at), (fd, b, n, at), EIO, EINTR)
CALL(ssize_t, pwrite64, (int fd, const void *b, size_t n, off_t at), (fd, b, n, at), ENOSPC, EINTR)
CALL(ssize_t, preadv2, (int fd, const struct iovec *v, int n, off_t at, int f), (fd, v, n, at, f), EIO, EOPNOTSUPP, EINTR)
CALL(ssize_t, pwritev2, (int fd, const struct iovec *v, int n, off_t at, int f), (fd, v, n, at, f), ENOSPC, EOPNOTSUPP, EINTR)
CALL(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), ENOSPC, EINTR)
CALL(ssize_t, recv, (int fd, void *b, size_t n, int f), (fd, b, n, f), ECONNRESET, EINTR)
CALL(ssize_t, recvfrom, (int fd, void *b, size_t n, int f, struct sockaddr *a, socklen_t *l), (fd, b, n, f, a, l), ECONNREFUSED, EINTR)
CALL(ssize_t, recvmsg, (int fd, struct msghdr *m, int f), (fd, m, f), ENOMEM, EINTR)
CALL(int, recvmmsg, (int fd, struct mmsghdr *m, unsigned n, int f, struct timespec *t), (fd, m, n, f, t), ENOMEM, EINTR)
CALL(ssize_t, send, (int fd, const void *b, size_t n, int f), (fd, b, n, f), ECONNRESET, ENOBUFS, EINTR)
CALL(ssize_t, sendto, (int fd, const void *b, size_t n, int f, const struct sockaddr *a, socklen_t l), (fd, b, n, f, a, l), ENOBUFS, EINTR)
CALL(ssize_t, sendmsg, (int fd, const struct msghdr *m, int f), (fd, m, f), ENOBUFS, EINTR)
CALL(int, sendmmsg, (int fd, struct mmsghdr *m, unsigned n, int f), (fd, m, n, f), ENOBUFS, EINTR)
CALL(ssize_t, sendfile64, (int out, int in, off_t *at, size_t n), (out, in, at, n), EIO, EINVAL, EINTR)
CALL(off_t, lseek64, (int fd, off_t at, int from), (fd, at, from), ESPIPE)
CALL(int, sched_getaffinity, (pid_t p, size_t n, cpu_set_t *s), (p, n, s), EINVAL)
CALL(int, sched_setaffinity, (pid_t p, size_t n, const cpu_set_t *s), (p, n, s), EINVAL)
CALL(int, fsync, (int fd), (fd), EIO, EINTR)
CALL(int, fdatasync, (int fd), (fd), EIO, EINTR)
CALL(int, ftruncate64, (int fd, off_t n), (fd, n), EIO, EINTR)
CALL(int, fstatat, (int d, const char *p, struct stat *s, int f), (d, p, s, f), ENOMEM)
CALL(int, mkdir, (const char *p, mode_t m), (p, m), ENOSPC)
CALL(int, rename, (const char *from, const char *to), (from, to), ENOSPC)
CALL(int, rmdir, (const char *p), (p), EBUSY)
CALL(int, unlink, (const char *p), (p), EBUSY)
CALL(int, signalfd, (int fd, const sigset_t *s, int f), (fd, s, f), EMFILE, ENOMEM)
CALL(pid_t, waitpid, (pid_t p, int *s, int f), (p, s, f), EINTR)
CALL(int, mincore, (void *a, size_t n, unsigned char *v), (a, n, v), EAGAIN)
/* clang-format on */

/* Those that return the error. */
#define TOLD(result, name, parameters, arguments, ...)                                                     \
  result __real_##name parameters;                                                                         \
  result __wrap_##name parameters;                                                                         \
  result __wrap_##name parameters {                                                                        \
    int error = fails(CALL_, #name, (const int[]){__VA_ARGS__, 0});                                        \
    return error ? error : __real_##name arguments;                                                        \
  }

/* clang-format off */
TOLD(int, posix_spawnp, (pid_t *p, const char *f, const posix_spawn_file_actions_t *a, const posix_spawnattr_t *t, char *const v[], char *const e[]), (p, f, a, t, v, e), EAGAIN, ENOMEM)
TOLD(int, posix_spawn_file_actions_init, (posix_spawn_file_actions_t *a), (a), ENOMEM)
TOLD(int, posix_spawn_file_actions_adddup2, (posix_spawn_file_actions_t *a, int from, int to), (a, from, to), ENOMEM)
TOLD(int, posix_spawn_file_actions_addclose, (posix_spawn_file_actions_t *a, int fd), (a, fd), ENOMEM)
TOLD(int, posix_spawn_file_actions_addopen, (posix_spawn_file_actions_t *a, int fd, const char *p, int f, mode_t m), (a, fd, p, f, m), ENOMEM)
TOLD(int, posix_spawn_file_actions_addchdir_np, (posix_spawn_file_actions_t *a, const char *p), (a, p), ENOMEM)
TOLD(int, posix_spawnattr_init, (posix_spawnattr_t *a), (a), ENOMEM)
/* clang-format on */

/* What asks, and what takes a stack out of use, cannot fail. */
int __wrap_sigaltstack(const stack_t *new, stack_t *old) {
  if (new && !(new->ss_flags & SS_DISABLE) && fails(CALL_, "sigaltstack", NO_MEMORY)) return -1;
  return __real_sigaltstack(new, old);
}

/* A bell, which is rung by a write of 8 bytes: that cannot fail. */
enum { BELLS = 1024 };
static _Atomic(unsigned char) bells[BELLS];

int __wrap_eventfd(unsigned count, int flags) {
  if (fails(CALL_, "eventfd", (const int[]){EMFILE, ENOMEM, 0})) return -1;
  int fd = __real_eventfd(count, flags);
  if (fd >= 0 && fd < BELLS) bells[fd] = 1;
  return fd;
}

ssize_t __wrap_write(int fd, const void *from, size_t n) {
  int bell = fd >= 0 && fd < BELLS && bells[fd];
  if (!bell && fails(CALL_, "write", (const int[]){ENOSPC, EINTR, 0})) return -1;
  return __real_write(fd, from, n);
}

/* One that was interrupted goes on by itself (connect(2)). */
int __wrap_connect(int fd, const struct sockaddr *a, socklen_t n) {
  int error = fails(CALL_, "connect", (const int[]){ECONNREFUSED, ENETUNREACH, EINTR, 0});
  if (error && error != EINTR) return -1;
  int r = __real_connect(fd, a, n);
  if (error && (r == 0 || errno == EINPROGRESS)) {
    errno = EINTR;
    return -1;
  }
  return r;
}

/* On Linux the descriptor is gone when close(2) fails. */
int __wrap_close(int fd) {
  int error = fails(CALL_, "close", (const int[]){EIO, EINTR, 0});
  if (fd >= 0 && fd < BELLS) bells[fd] = 0;
  int r = __real_close(fd);
  if (!error) return r;
  errno = error;
  return -1;
}

int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
  va_end(list);
  if (fails(CALL_, "open", (const int[]){EMFILE, ENOMEM, EINTR, 0})) return -1;
  return __real_open(path, flags, mode);
}

/* By number. A futex that wakes cannot fail, and the sleep on one may end early. */
long __wrap_syscall(long number, ...) {
  va_list list;
  long a[6];
  va_start(list, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  int error = 0;
  if (number == SYS_epoll_pwait2) error = fails(CALL_, "epoll_pwait2", (const int[]){EINTR, ENOSYS, 0});
  if (number == SYS_futex && (a[1] & 127) == 0) error = fails(CALL_, "futex", (const int[]){EINTR, 0});
  if (number == SYS_pidfd_open) error = fails(CALL_, "pidfd_open", (const int[]){EMFILE, ENOMEM, 0});
  if (number == SYS_getdents64) error = fails(CALL_, "getdents64", (const int[]){ENOENT, 0});
  if (error) return -1;
  return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *arg) {
  if (fails(CALL_, "pthread_create", (const int[]){EAGAIN, 0})) return EAGAIN;
  return __real_pthread_create(thread, attributes, body, arg);
}

int __wrap_pthread_attr_init(pthread_attr_t *attributes) {
  if (fails(CALL_, "pthread_attr_init", NO_MEMORY)) return ENOMEM;
  return __real_pthread_attr_init(attributes);
}

int __wrap_pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes) {
  if (fails(CALL_, "pthread_getattr_np", NO_MEMORY)) return ENOMEM;
  return __real_pthread_getattr_np(thread, attributes);
}

/* The resolver's answers; with EAI_SYSTEM errno says more. */
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
  int error = fails(CALL_, "getaddrinfo", (const int[]){ENOMEM, EMFILE, 0});
  if (error) return error == ENOMEM ? EAI_MEMORY : EAI_SYSTEM;
  return __real_getaddrinfo(host, service, hints, list);
}

int __wrap_getnameinfo(const struct sockaddr *a, socklen_t n, char *host, socklen_t h, char *service, socklen_t s, int flags) {
  int error = fails(CALL_, "getnameinfo", (const int[]){ENOMEM, EMFILE, 0});
  if (error) return error == ENOMEM ? EAI_MEMORY : EAI_SYSTEM;
  return __real_getnameinfo(a, n, host, h, service, s, flags);
}

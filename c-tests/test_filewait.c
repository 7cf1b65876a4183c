/* Files while others wait: every verb that parks is cancelled, interrupted, late; what a job does that was left behind; no room for
 * jobs, no memory. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], a[128], b[128], pipe_path[128];
static int fd;

static void begin(void) {
  strcpy(dir, "/tmp/greenrt-wait-XXXXXX");
  CHECK(mkdtemp(dir) != NULL);
  snprintf(a, sizeof a, "%s/a", dir);
  snprintf(b, sizeof b, "%s/b", dir);
  snprintf(pipe_path, sizeof pipe_path, "%s/p", dir);
  CHECK_OK(mkfifo(pipe_path, 0600));
  CHECK_OK(fd = open(a, O_RDWR | O_CREAT, 0600));
  CHECK_EQ(write(fd, "before", 6), 6);
}

static void end(void) {
  unlink(a);
  unlink(b);
  unlink(pipe_path);
  CHECK_OK(rmdir(dir));
}

/* Every verb. None of them finds its answer without a job: pread and pwrite cannot ask for it. */
typedef long long (*verb_t)(int64_t deadline, int door);

static char bytes[8];
static struct stat st;
static gt_dir_t *listing;

#define DOOR(plain, until) ((void)deadline, door == 0 ? (plain) : (until))

static long long v_open(int64_t deadline, int door) {
  return DOOR(gt_open(b, O_RDWR | O_CREAT, 0600), gt_open_until(b, O_RDWR | O_CREAT, 0600, deadline));
}
static long long v_pread(int64_t deadline, int door) {
  return DOOR(gt_pread(fd, bytes, 8, 0), gt_pread_until(fd, bytes, 8, 0, deadline));
}
static long long v_pwrite(int64_t deadline, int door) {
  return DOOR(gt_pwrite(fd, "after", 5, 0), gt_pwrite_until(fd, "after", 5, 0, deadline));
}
static long long v_fsync(int64_t deadline, int door) { return DOOR(gt_fsync(fd), gt_fsync_until(fd, deadline)); }
static long long v_fdatasync(int64_t deadline, int door) { return DOOR(gt_fdatasync(fd), gt_fdatasync_until(fd, deadline)); }
static long long v_ftruncate(int64_t deadline, int door) { return DOOR(gt_ftruncate(fd, 3), gt_ftruncate_until(fd, 3, deadline)); }
static long long v_stat(int64_t deadline, int door) { return DOOR(gt_stat(a, &st), gt_stat_until(a, &st, deadline)); }
static long long v_lstat(int64_t deadline, int door) { return DOOR(gt_lstat(a, &st), gt_lstat_until(a, &st, deadline)); }
static long long v_fstat(int64_t deadline, int door) { return DOOR(gt_fstat(fd, &st), gt_fstat_until(fd, &st, deadline)); }
static long long v_rename(int64_t deadline, int door) { return DOOR(gt_rename(a, b), gt_rename_until(a, b, deadline)); }
static long long v_unlink(int64_t deadline, int door) { return DOOR(gt_unlink(a), gt_unlink_until(a, deadline)); }
static long long v_mkdir(int64_t deadline, int door) { return DOOR(gt_mkdir(b, 0700), gt_mkdir_until(b, 0700, deadline)); }
static long long v_rmdir(int64_t deadline, int door) { return DOOR(gt_rmdir(dir), gt_rmdir_until(dir, deadline)); }
static long long v_dir_open(int64_t deadline, int door) {
  return DOOR(gt_dir_open(dir, &listing), gt_dir_open_until(dir, &listing, deadline));
}

static const struct {
  const char *name;
  verb_t call;
} verbs[] = {
    {"gt_open", v_open},           {"gt_pread", v_pread},         {"gt_pwrite", v_pwrite}, {"gt_fsync", v_fsync},
    {"gt_fdatasync", v_fdatasync}, {"gt_ftruncate", v_ftruncate}, {"gt_stat", v_stat},     {"gt_lstat", v_lstat},
    {"gt_fstat", v_fstat},         {"gt_rename", v_rename},       {"gt_unlink", v_unlink}, {"gt_mkdir", v_mkdir},
    {"gt_rmdir", v_rmdir},         {"gt_dir_open", v_dir_open},
};

/* The only thread of the pool is busy until it is told to go on. */
static atomic_int busy, go;

static int64_t hold(void *arg) {
  (void)arg;
  atomic_store(&busy, 1);
  while (!atomic_load(&go)) s_real_sleep(1);
  return 0;
}

static void *hold_the_pool(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_offload(hold, NULL);
}

static int64_t holder;

static void hold_pool(unsigned queue) {
  gt_config_t config = {.size = sizeof config, .offload_threads = 1, .offload_queue = queue};
  CHECK_EQ(gt_config(&config), 0);
  begin();
  if (s_refuse(SYS_preadv2, 0, EOPNOTSUPP) != 0 || s_refuse(SYS_pwritev2, 0, EOPNOTSUPP) != 0) SKIP("no seccomp here");
  holder = s_spawn(hold_the_pool, NULL);
  while (!atomic_load(&busy)) CHECK_EQ(gt_sleep(MS(1)), 0);
}

/* Nothing was done by any of the verbs. */
static void let_pool_go(void) {
  atomic_store(&go, 1);
  s_join(holder);
  CHECK_EQ(gt_stat(a, &st), 0);
  CHECK_EQ(st.st_size, 6);
  CHECK_EQ(gt_stat(b, &st), -ENOENT);
  CHECK_EQ(gt_pread(fd, bytes, 8, 0), 6);
  CHECK_MEM(bytes, "before", 6);
  CHECK(listing == NULL);
  CHECK_EQ(gt_close(fd), 0);
  end();
}

struct wait {
  verb_t call;
  int64_t deadline;
  int door;
};

static void *carry_out(void *arg) {
  struct wait *wait = arg;
  return (void *)(intptr_t)wait->call(wait->deadline, wait->door);
}

static void each(int (*ended)(int64_t task), int error) {
  hold_pool(8);
  for (size_t i = 0; i < COUNT(verbs); i++) {
    for (int door = 0; door < 2; door++) {
      struct wait wait = {verbs[i].call, GT_NEVER, door};
      int64_t task = s_spawn(carry_out, &wait);
      s_settle();
      CHECK_EQ(s_stats().offload_queued, 1);
      CHECK_EQ(ended(task), 0);
      intptr_t got = (intptr_t)s_join(task);
      if (got != error) FAIL("%s, door %d: %zd", verbs[i].name, door, (ssize_t)got);
      CHECK_EQ(s_stats().offload_queued, 0);
    }
  }
  let_pool_go();
}

static int interrupt(int64_t task) { return gt_interrupt(task, 7); }

TEST(filewait_of_every_verb_is_interrupted) { each(interrupt, -EINTR); }

TEST(filewait_of_every_verb_is_cancelled) { each(gt_cancel, -ECANCELED); }

TEST(filewait_of_every_verb_ends_at_its_deadline) {
  hold_pool(8);
  for (size_t i = 0; i < COUNT(verbs); i++) {
    long long late = verbs[i].call(0, 1), got = verbs[i].call(IN_MS(2), 1);
    int64_t scope = gt_deadline_push(IN_MS(2));
    long long scoped = verbs[i].call(GT_NEVER, 0);
    CHECK_EQ(gt_deadline_pop(scope), 1);
    if (late != -ETIMEDOUT || got != -ETIMEDOUT || scoped != -ETIMEDOUT) FAIL("%s: %lld, %lld, %lld", verbs[i].name, late, got, scoped);
  }
  let_pool_go();
}

TEST(filewait_of_every_verb_finds_the_queue_full) {
  hold_pool(1);
  struct wait wait = {v_fsync, GT_NEVER, 0};
  int64_t queued = s_spawn(carry_out, &wait);
  s_settle();
  for (size_t i = 0; i < COUNT(verbs); i++) {
    long long got = verbs[i].call(GT_NEVER, 0);
    if (got != -EAGAIN) FAIL("%s: %lld", verbs[i].name, got);
  }
  atomic_store(&go, 1);
  CHECK_EQ((intptr_t)s_join(queued), 0);
  let_pool_go();
}

static int no_memory;

static void *alloc_or_not(size_t size, size_t align, void *arg) {
  (void)arg;
  return no_memory ? NULL : aligned_alloc(align, (size + align - 1) / align * align);
}

static void *realloc_or_not(void *old, size_t old_size, size_t size, size_t align, void *arg) {
  void *block = alloc_or_not(size, align, arg);
  if (!block) return NULL;
  memcpy(block, old, old_size < size ? old_size : size);
  free(old);
  return block;
}

static void dealloc(void *old, size_t size, size_t align, void *arg) {
  (void)size;
  (void)align;
  (void)arg;
  free(old);
}

TEST(filewait_of_every_verb_without_memory) {
  gt_config_t config = {.size = sizeof config, .alloc = alloc_or_not, .realloc = realloc_or_not, .dealloc = dealloc};
  CHECK_EQ(gt_config(&config), 0);
  begin();
  if (s_refuse(SYS_preadv2, 0, EOPNOTSUPP) != 0 || s_refuse(SYS_pwritev2, 0, EOPNOTSUPP) != 0) SKIP("no seccomp here");
  CHECK_EQ(gt_sleep(1000), 0);
  for (size_t i = 0; i < COUNT(verbs); i++) {
    no_memory = 1;
    long long got = verbs[i].call(GT_NEVER, 0);
    no_memory = 0;
    if (got != -ENOMEM) FAIL("%s: %lld", verbs[i].name, got);
  }
  busy = go = 1;
  holder = s_spawn(hold_the_pool, NULL);
  let_pool_go();
}

/* -- jobs that were left behind */

static void no_jobs(void) {
  int64_t limit = IN_MS(60000);
  while (s_stats().offload_jobs) {
    CHECK_LT(gt_now(), limit);
    CHECK_EQ(gt_sleep(MS(1)), 0);
  }
}

static void *open_pipe(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_open(pipe_path, O_RDONLY, 0);
}

TEST(filewait_descriptor_of_a_cancelled_open_is_closed) {
  begin();
  int64_t task = s_spawn(open_pipe, NULL);
  CHECK_EQ(gt_sleep(MS(20)), 0); /* a thread of the pool waits for the other end */
  CHECK_EQ(s_stats().offload_jobs, 1);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  int count = s_fd_count(), other = gt_open(pipe_path, O_WRONLY, 0);
  CHECK_OK(other);
  no_jobs();
  CHECK_EQ(s_fd_count(), count + 1);
  CHECK_EQ(gt_close(other), 0);
  CHECK_EQ(gt_close(fd), 0);
  end();
}

enum { PIECE = 256 << 10, MUCH = 2 * PIECE };

static int listener;
static char *memory;

static void *read_much(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_pread(fd, memory, MUCH, 0);
}

static void *write_much(void *arg) {
  (void)arg;
  return (void *)(intptr_t)gt_pwrite(fd, memory, MUCH, 0);
}

/* Every pread or pwrite is a job that stops before its system call. */
static void hold_calls(unsigned number) {
  begin();
  memory = mmap(NULL, MUCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  memset(memory, 'm', MUCH);
  CHECK_EQ(gt_sleep(1000), 0);
  if (s_refuse(SYS_preadv2, 0, EOPNOTSUPP) != 0 || s_refuse(SYS_pwritev2, 0, EOPNOTSUPP) != 0) SKIP("no seccomp here");
  if ((listener = s_hold(number)) < 0) SKIP("no system call can be held back here");
}

TEST(filewait_cancelled_read_may_lose_its_memory) {
  hold_calls(SYS_pread64);
  int64_t task = s_spawn(read_much, NULL);
  uint64_t held = s_held(listener);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  CHECK_OK(munmap(memory, MUCH));
  CHECK_EQ(gt_close(fd), 0);
  s_let_go(listener, held);
  no_jobs();
  close(listener);
  end();
}

TEST(filewait_cancelled_write_may_lose_its_memory) {
  static char back[MUCH];
  hold_calls(SYS_pwrite64);
  int64_t task = s_spawn(write_much, NULL);
  s_let_go(listener, s_held(listener)); /* the first piece */
  uint64_t held = s_held(listener);     /* the second */
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), PIECE); /* done wins */
  CHECK_OK(munmap(memory, MUCH));
  s_let_go(listener, held);
  no_jobs();
  CHECK_EQ(gt_pread(fd, back, MUCH, 0), MUCH);
  for (int i = 0; i < MUCH; i++) CHECK_EQ(back[i], 'm');
  CHECK_EQ(gt_close(fd), 0);
  close(listener);
  end();
}

static void *interrupted_write(void *arg) {
  int code = 0;
  CHECK_EQ((intptr_t)write_much(arg), PIECE);
  CHECK_EQ(gt_interrupt_take(&code), -EAGAIN); /* not used up */
  CHECK_EQ(gt_fsync(fd), -EINTR);
  CHECK_EQ(gt_interrupt_take(&code), 0);
  CHECK_EQ(code, 9);
  return NULL;
}

TEST(filewait_interrupt_after_some_bytes_is_kept) {
  hold_calls(SYS_pwrite64);
  int64_t task = s_spawn(interrupted_write, NULL);
  s_let_go(listener, s_held(listener));
  uint64_t held = s_held(listener);
  CHECK_EQ(gt_interrupt(task, 9), 0);
  s_join(task);
  s_let_go(listener, held);
  no_jobs();
  CHECK_EQ(gt_close(fd), 0);
  close(listener);
  end();
}

/* The file is closed while a job that was left behind is about to write to it. */
TEST(filewait_late_write_never_ends_up_in_another_file) {
  char byte;
  hold_calls(SYS_pwrite64);
  int64_t task = s_spawn(write_much, NULL);
  uint64_t held = s_held(listener);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  CHECK_EQ(gt_close(fd), 0);
  CHECK_EQ(gt_close(fd), -EBADF); /* it is closed for everybody */
  CHECK_EQ(gt_pread(fd, &byte, 1, 0), -EBADF);
  CHECK_EQ(gt_fsync(fd), -EBADF);
  CHECK_EQ(gt_fdatasync(fd), -EBADF);
  CHECK_EQ(gt_ftruncate(fd, 0), -EBADF);
  CHECK_EQ(gt_fstat(fd, &st), -EBADF);
  CHECK_EQ(syscall(SYS_read, fd, &byte, 1), -1); /* not read(3): a tool would see a program that uses what it has closed */
  CHECK_EQ(errno, EBADF);
  int other = open(b, O_RDWR | O_CREAT, 0600);
  CHECK_NE(other, fd); /* the number is not given again before the job ends */
  s_let_go(listener, held);
  no_jobs();
  int same = open(b, O_RDWR);
  CHECK_EQ(same, fd); /* now it is */
  CHECK_OK(fstat(other, &st));
  CHECK_EQ(st.st_size, 0);
  CHECK_OK(stat(a, &st));
  CHECK_EQ(st.st_size, 6);
  s_close_pair((int[]){other, same});
  close(listener);
  end();
}

TEST(filewait_fork_while_a_job_uses_a_file_that_was_closed) {
  int status;
  hold_calls(SYS_pwrite64);
  int64_t task = s_spawn(write_much, NULL);
  uint64_t held = s_held(listener);
  CHECK_EQ(gt_cancel(task), 0);
  s_join(task);
  CHECK_EQ(gt_close(fd), 0);
  pid_t pid = fork();
  CHECK_OK(pid);
  if (pid == 0) {
    CHECK_EQ(open(a, O_RDONLY), fd); /* the number is free here: the job is the parent's */
    CHECK_EQ(gt_close(fd), 0);
    CHECK_EQ(gt_close(fd), -EBADF);
    _exit(0);
  }
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
  s_let_go(listener, held);
  no_jobs();
  close(listener);
  end();
}

static void *read_on(void *arg) {
  char byte;
  return (void *)(intptr_t)gt_read(fd, arg ? arg : &byte, 1);
}

/* gt_read has a job fetch what the page cache has not, and then reads it itself. */
TEST(filewait_cancelled_read_at_the_files_own_position_moves_nothing) {
  char byte = 0;
  hold_calls(SYS_pread64);
  if (s_refuse(SYS_preadv2, 0, EAGAIN) != 0) SKIP("no seccomp here");
  CHECK_EQ(lseek(fd, 2, SEEK_SET), 2);
  int64_t task = s_spawn(read_on, NULL);
  uint64_t held = s_held(listener);
  CHECK_EQ(gt_cancel(task), 0);
  CHECK_EQ((intptr_t)s_join(task), -ECANCELED);
  s_let_go(listener, held);
  no_jobs();
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2);
  task = s_spawn(read_on, &byte);
  s_let_go(listener, s_held(listener));
  CHECK_EQ((intptr_t)s_join(task), 1);
  CHECK_EQ(byte, 'f');
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
  CHECK_EQ(gt_read_until(fd, &byte, 1, 0), -ETIMEDOUT);
  CHECK_EQ(gt_close(fd), 0);
  close(listener);
  end();
}

static void *read_and_write(void *arg) {
  char mine[4096], back[4096];
  int64_t at = (intptr_t)arg * 4096;
  for (int i = 0; i < 30; i++) {
    memset(mine, (int)(intptr_t)arg + i, sizeof mine);
    CHECK_EQ(gt_pwrite(fd, mine, sizeof mine, at), sizeof mine);
    CHECK_EQ(gt_pread(fd, back, sizeof back, at), sizeof back);
    CHECK_MEM(back, mine, sizeof back);
  }
  return NULL;
}

TEST(filewait_many_tasks_share_a_file) {
  int64_t tasks[40];
  begin();
  for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(read_and_write, (void *)(intptr_t)i);
  for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
  CHECK_EQ(gt_close(fd), 0);
  end();
}

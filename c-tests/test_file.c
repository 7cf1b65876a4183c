/* Files: bytes there and back, attributes and names, what needs no other thread, and every error. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static char dir[64], paths[2][128];

/* A directory of the test's own, which is gone with it. Paths in it: `paths`. */
static void begin(void) {
  strcpy(dir, "/tmp/greenrt-file-XXXXXX");
  CHECK(mkdtemp(dir) != NULL);
  for (int i = 0; i < 2; i++) snprintf(paths[i], sizeof paths[i], "%s/%c", dir, 'a' + i);
}

static void end(void) {
  for (int i = 0; i < 2; i++) unlink(paths[i]);
  CHECK_OK(rmdir(dir));
}

static int made(int i) {
  int fd = gt_open(paths[i], O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK_OK(fd);
  return fd;
}

static char *pattern(size_t size, unsigned seed) {
  char *bytes = malloc(size);
  for (size_t i = 0; i < size; i++) bytes[i] = (char)((i * 31 + (i >> 12)) ^ seed);
  return bytes;
}

static void there_and_back(void) {
  const size_t sizes[] = {1, 511, 4096, 100000, 256 << 10, 3 * MIB + 17};
  char *back = malloc(4 * MIB);
  begin();
  int fd = made(0);
  for (size_t i = 0; i < COUNT(sizes); i++) {
    char *out = pattern(sizes[i], (unsigned)i);
    int64_t at = (int64_t)i * 1000;
    CHECK_EQ(gt_pwrite(fd, out, sizes[i], at), sizes[i]);
    CHECK_EQ(gt_pread(fd, back, sizes[i], at), sizes[i]);
    CHECK_MEM(back, out, sizes[i]);
    free(out);
  }
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0); /* nobody has moved it */
  int64_t size = 5000 + (int64_t)sizes[5];
  CHECK_EQ(gt_pread(fd, back, 4 * MIB, 5000), size - 5000);
  CHECK_EQ(gt_pread(fd, back, 100, size), 0);
  CHECK_EQ(gt_pread(fd, back, 100, size + 12345), 0);
  CHECK_EQ(gt_pread(fd, NULL, 0, 0), 0);
  CHECK_EQ(gt_pwrite(fd, NULL, 0, 0), 0);
  CHECK_EQ(gt_close(fd), 0);
  free(back);
  end();
}

TEST(file_bytes_go_there_and_back) { there_and_back(); }

TEST(file_bytes_go_there_and_back_by_jobs_alone) {
  if (s_refuse(SYS_preadv2, 0, EOPNOTSUPP) != 0 || s_refuse(SYS_pwritev2, 0, EOPNOTSUPP) != 0) SKIP("no seccomp here");
  there_and_back();
}

TEST_WITH(file_bytes_go_there_and_back_in_a_strict_sandbox, T_LIMITS, 0) {
  if (s_refuse(SYS_preadv2, 0, EPERM) != 0 || s_refuse(SYS_pwritev2, 0, EPERM) != 0) SKIP("no seccomp here");
  there_and_back();
}

TEST(file_read_from_the_page_cache_takes_no_other_thread) {
  char byte;
  begin();
  int fd = open(paths[0], O_RDWR | O_CREAT, 0600);
  CHECK_OK(fd);
  CHECK_EQ(write(fd, "x", 1), 1);
  ssize_t got = gt_pread_until(fd, &byte, 1, 0, 0); /* what can be read without waiting */
  if (got == -ETIMEDOUT) SKIP("%s is on a file system that cannot be asked not to wait", dir);
  CHECK_EQ(got, 1);
  CHECK_EQ(byte, 'x');
  CHECK_EQ(gt_pread(fd, &byte, 1, 0), 1);
  CHECK_EQ(s_stats().offload_threads, 0);
  close(fd);
  end();
}

/* Direct transfers want aligned memory, also of the job. */
TEST(file_direct_transfers_work) {
  char *out, *back;
  CHECK_EQ(posix_memalign((void **)&out, 4096, MIB), 0);
  CHECK_EQ(posix_memalign((void **)&back, 4096, MIB), 0);
  memset(out, 'd', MIB);
  begin();
  int fd = gt_open(paths[0], O_RDWR | O_CREAT | O_DIRECT, 0600);
  if (fd == -EINVAL) {
    end();
    SKIP("%s is on a file system without O_DIRECT", dir);
  }
  CHECK_OK(fd);
  CHECK_EQ(gt_pwrite(fd, out, MIB, 4096), MIB);
  CHECK_EQ(gt_pread(fd, back, MIB, 4096), MIB);
  CHECK_MEM(back, out, MIB);
  CHECK_EQ(gt_pread(fd, back, 4096, 0), 4096);
  CHECK_EQ(back[17], 0);
  CHECK_EQ(gt_close(fd), 0);
  free(out);
  free(back);
  end();
}

TEST(file_opened_has_its_flags_mode_and_cloexec) {
  struct stat st;
  begin();
  umask(0);
  errno = 77;
  int fd = gt_open(paths[0], O_WRONLY | O_CREAT | O_EXCL, 0640);
  CHECK_OK(fd);
  CHECK_EQ(errno, 77);
  CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY);
  CHECK_EQ(gt_fstat(fd, &st), 0);
  CHECK_EQ(st.st_mode, S_IFREG | 0640);
  CHECK_EQ(gt_open_until(paths[0], O_WRONLY | O_CREAT | O_EXCL, 0640, IN_MS(60000)), -EEXIST);
  CHECK_EQ(gt_write(fd, "moves", 5), 5);
  CHECK_EQ(gt_pwrite(fd, "does not", 8, 5), 8);
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
  CHECK_EQ(gt_close(fd), 0);
  end();
}

TEST(file_attributes_of_paths_links_and_descriptors) {
  struct stat ours, theirs;
  begin();
  int fd = made(0);
  CHECK_EQ(gt_pwrite(fd, "12345", 5, 0), 5);
  CHECK_OK(symlink("a", paths[1]));
  CHECK_OK(stat(paths[1], &theirs));
  CHECK_EQ(gt_stat(paths[1], &ours), 0);
  CHECK_MEM(&ours, &theirs, sizeof ours);
  CHECK_EQ(ours.st_size, 5);
  CHECK_EQ(gt_stat_until(paths[1], &ours, IN_MS(60000)), 0);
  CHECK_OK(lstat(paths[1], &theirs));
  CHECK_EQ(gt_lstat(paths[1], &ours), 0);
  CHECK_MEM(&ours, &theirs, sizeof ours);
  CHECK(S_ISLNK(ours.st_mode));
  CHECK_EQ(gt_lstat_until(paths[0], &ours, IN_MS(60000)), 0);
  CHECK(S_ISREG(ours.st_mode));
  CHECK_OK(fstat(fd, &theirs));
  CHECK_EQ(gt_fstat(fd, &ours), 0);
  CHECK_MEM(&ours, &theirs, sizeof ours);
  CHECK_EQ(gt_fstat_until(fd, &ours, IN_MS(60000)), 0);
  CHECK_EQ(gt_close(fd), 0);
  end();
}

TEST(file_is_cut_and_grown_and_synced) {
  struct stat st;
  char bytes[6] = "......";
  begin();
  int fd = made(0);
  CHECK_EQ(gt_pwrite(fd, "123456", 6, 0), 6);
  CHECK_EQ(gt_ftruncate(fd, 3), 0);
  CHECK_EQ(gt_ftruncate_until(fd, 5, IN_MS(60000)), 0);
  CHECK_EQ(gt_fstat(fd, &st), 0);
  CHECK_EQ(st.st_size, 5);
  CHECK_EQ(gt_pread(fd, bytes, 6, 0), 5);
  CHECK_MEM(bytes, "123\0\0.", 6);
  CHECK_EQ(gt_fsync(fd), 0);
  CHECK_EQ(gt_fsync_until(fd, IN_MS(60000)), 0);
  CHECK_EQ(gt_fdatasync(fd), 0);
  CHECK_EQ(gt_fdatasync_until(fd, IN_MS(60000)), 0);
  CHECK_EQ(gt_close(fd), 0);
  end();
}

TEST(file_names_come_and_go) {
  struct stat st;
  begin();
  CHECK_EQ(gt_close(made(0)), 0);
  CHECK_EQ(gt_rename(paths[0], paths[1]), 0);
  CHECK_EQ(gt_stat(paths[0], &st), -ENOENT);
  CHECK_EQ(gt_rename_until(paths[1], paths[0], IN_MS(60000)), 0);
  CHECK_EQ(gt_unlink(paths[0]), 0);
  CHECK_EQ(gt_unlink_until(paths[0], IN_MS(60000)), -ENOENT);
  CHECK_EQ(gt_mkdir(paths[0], 0700), 0);
  CHECK_EQ(gt_stat(paths[0], &st), 0);
  CHECK_EQ(st.st_mode, S_IFDIR | 0700);
  CHECK_EQ(gt_mkdir_until(paths[0], 0700, IN_MS(60000)), -EEXIST);
  CHECK_EQ(gt_rmdir(paths[0]), 0);
  CHECK_EQ(gt_rmdir_until(paths[0], IN_MS(60000)), -ENOENT);
  end();
}

TEST(file_errors_of_arguments) {
  struct stat st;
  char byte;
  begin();
  int fd = made(0);
  CHECK_EQ(gt_open(NULL, O_RDONLY, 0), -EINVAL);
  CHECK_EQ(gt_pread(fd, NULL, 1, 0), -EINVAL);
  CHECK_EQ(gt_pread(fd, &byte, 1, -1), -EINVAL);
  CHECK_EQ(gt_pread_until(fd, &byte, 1, INT64_MIN, GT_NEVER), -EINVAL);
  CHECK_EQ(gt_pwrite(fd, NULL, 1, 0), -EINVAL);
  CHECK_EQ(gt_pwrite(fd, &byte, 1, -1), -EINVAL);
  CHECK_EQ(gt_pwrite_until(fd, &byte, 1, -1, GT_NEVER), -EINVAL);
  CHECK_EQ(gt_ftruncate(fd, -1), -EINVAL);
  CHECK_EQ(gt_stat(NULL, &st), -EINVAL);
  CHECK_EQ(gt_stat(paths[0], NULL), -EINVAL);
  CHECK_EQ(gt_lstat(NULL, &st), -EINVAL);
  CHECK_EQ(gt_fstat(fd, NULL), -EINVAL);
  CHECK_EQ(gt_rename(NULL, paths[0]), -EINVAL);
  CHECK_EQ(gt_rename(paths[0], NULL), -EINVAL);
  CHECK_EQ(gt_unlink(NULL), -EINVAL);
  CHECK_EQ(gt_mkdir(NULL, 0700), -EINVAL);
  CHECK_EQ(gt_rmdir(NULL), -EINVAL);
  CHECK_EQ(gt_close(fd), 0);
  end();
}

TEST(file_errors_of_descriptors) {
  struct stat st;
  char byte = 'x';
  int fds[2];
  begin();
  int closed = dup(0), reading, writing = made(0);
  CHECK_OK(reading = gt_open(paths[0], O_RDONLY, 0));
  close(closed);
  const int no[] = {-1, closed, 1 << 30};
  for (size_t i = 0; i < COUNT(no); i++) {
    CHECK_EQ(gt_pread(no[i], &byte, 1, 0), -EBADF);
    CHECK_EQ(gt_pwrite(no[i], &byte, 1, 0), -EBADF);
    CHECK_EQ(gt_fsync(no[i]), -EBADF);
    CHECK_EQ(gt_fdatasync(no[i]), -EBADF);
    CHECK_EQ(gt_ftruncate(no[i], 0), -EBADF);
    CHECK_EQ(gt_fstat(no[i], &st), -EBADF);
    CHECK_EQ(gt_close(no[i]), -EBADF);
  }
  CHECK_EQ(gt_pwrite(reading, &byte, 1, 0), -EBADF);
  CHECK_EQ(gt_ftruncate(reading, 0), -EINVAL);
  int only = gt_open(paths[0], O_WRONLY, 0);
  CHECK_EQ(gt_pread(only, &byte, 1, 0), -EBADF);
  s_pipe(fds, 0);
  CHECK_EQ(gt_pread(fds[0], &byte, 1, 0), -ESPIPE);
  CHECK_EQ(gt_pwrite(fds[1], &byte, 1, 0), -ESPIPE);
  CHECK_EQ(gt_fsync(fds[0]), -EINVAL);
  CHECK_EQ(gt_fdatasync(fds[0]), -EINVAL);
  s_close_pair(fds);
  CHECK_OK(fds[0] = gt_open(dir, O_RDONLY, 0));
  CHECK_EQ(gt_pread(fds[0], &byte, 1, 0), -EISDIR);
  CHECK_EQ(gt_close(fds[0]), 0);
  s_close_pair((int[]){reading, writing});
  CHECK_EQ(gt_close(only), 0);
  end();
}

TEST(file_errors_of_room) {
  struct rlimit limit = {8192, RLIM_INFINITY};
  char *bytes = pattern(MIB, 5), back[8];
  begin();
  int fd = made(0);
  CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
  /* SIGXFSZ is of the thread that writes, and those of the pool block it */
  if (s_refuse(SYS_pwritev2, 0, EOPNOTSUPP) != 0) SKIP("no seccomp here");
  CHECK_EQ(gt_pwrite(fd, bytes, MIB, 0), 8192); /* the first piece ends there, and the next error is the next call's */
  CHECK_EQ(gt_pwrite(fd, bytes, 1, 8192), -EFBIG);
  CHECK_EQ(gt_ftruncate(fd, 10000), -EFBIG);
  CHECK_EQ(gt_pread(fd, back, 8, 8188), 4);
  int full = gt_open("/dev/full", O_WRONLY, 0);
  CHECK_OK(full);
  CHECK_EQ(gt_pwrite(full, bytes, 8, 0), -ENOSPC);
  CHECK_EQ(gt_close(full), 0);
  CHECK_EQ(gt_close(fd), 0);
  free(bytes);
  end();
}

TEST(file_errors_of_names) {
  char inside[160], far[] = "/proc/greenrt-no-such";
  struct stat st;
  begin();
  CHECK_EQ(gt_close(made(0)), 0);
  CHECK_EQ(gt_open(paths[1], O_RDONLY, 0), -ENOENT);
  CHECK_EQ(gt_open(paths[0], O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
  snprintf(inside, sizeof inside, "%s/x", paths[0]);
  CHECK_EQ(gt_stat(inside, &st), -ENOTDIR);
  CHECK_EQ(gt_stat(paths[1], &st), -ENOENT);
  CHECK_EQ(gt_lstat(paths[1], &st), -ENOENT);
  CHECK_EQ(gt_rename(paths[1], paths[0]), -ENOENT);
  CHECK_EQ(gt_rename(paths[0], far), -EXDEV);
  CHECK_EQ(gt_unlink(dir), -EISDIR);
  CHECK_EQ(gt_unlink(paths[1]), -ENOENT);
  CHECK_EQ(gt_rmdir(dir), -ENOTEMPTY);
  CHECK_EQ(gt_rmdir(paths[0]), -ENOTDIR);
  CHECK_EQ(gt_rmdir(paths[1]), -ENOENT);
  CHECK_EQ(gt_mkdir(paths[0], 0700), -EEXIST);
  CHECK_EQ(gt_mkdir(inside, 0700), -ENOTDIR);
  snprintf(inside, sizeof inside, "%s/x", paths[1]);
  CHECK_EQ(gt_mkdir(inside, 0700), -ENOENT);
  CHECK_EQ(gt_mkdir(paths[1], 0700), 0);
  CHECK_EQ(gt_rename(dir, inside), -EINVAL); /* into itself */
  CHECK_EQ(gt_rename(paths[0], paths[1]), -EISDIR);
  CHECK_EQ(gt_rename(paths[1], paths[0]), -ENOTDIR);
  CHECK_EQ(gt_rename(dir, "/tmp"), -ENOTEMPTY);
  snprintf(inside, sizeof inside, "%s/.", paths[1]);
  CHECK_EQ(gt_rmdir(inside), -EINVAL);
  CHECK_EQ(gt_rmdir(paths[1]), 0);
  end();
}

/* What the user may not do. */
TEST(file_errors_of_rights) {
  struct stat st;
  char inside[160];
  begin();
  CHECK_EQ(gt_close(made(0)), 0);
  CHECK_EQ(gt_sleep(1000), 0);
  CHECK_OK(chmod(paths[0], 0));
  CHECK_OK(chmod(dir, 0));
  if (geteuid() == 0) CHECK_OK(seteuid(65534)); /* of all OS threads; nobody is anybody here */
  snprintf(inside, sizeof inside, "%s/x", dir);
  CHECK_EQ(gt_open(paths[0], O_RDONLY, 0), -EACCES);
  CHECK_EQ(gt_stat(paths[0], &st), -EACCES);
  CHECK_EQ(gt_lstat(paths[0], &st), -EACCES);
  CHECK_EQ(gt_unlink(paths[0]), -EACCES);
  CHECK_EQ(gt_mkdir(inside, 0700), -EACCES);
  CHECK_EQ(gt_rename(paths[0], paths[1]), -EACCES);
  if (geteuid() == 65534 && getuid() == 0) CHECK_OK(seteuid(0));
  CHECK_OK(chmod(dir, 0700));
  end();
}

TEST(file_error_of_descriptors_running_out) {
  struct rlimit few, was;
  begin();
  CHECK_EQ(gt_close(made(0)), 0);
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &was));
  few = (struct rlimit){(rlim_t)s_fd_count(), was.rlim_max};
  int last = dup(0); /* the lowest number that is free: no higher one can be had */
  few.rlim_cur = (rlim_t)last + 1;
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &few));
  CHECK_EQ(gt_open(paths[0], O_RDONLY, 0), -EMFILE);
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &was));
  close(last);
  end();
}

/* Directories: every name once, and every error. */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static const char *in_dir(const char *name) {
  static char path[512];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  return path;
}

static const char *numbered(int i) {
  static char name[200];
  snprintf(name, sizeof name, "%0*d", 5 + i % 100, i);
  return name;
}

static void begin(void) {
  strcpy(dir, "/tmp/greenrt-dir-XXXXXX");
  CHECK(mkdtemp(dir) != NULL);
}

TEST(dir_says_every_name_once) {
  enum { N = 2000 }; /* more than one system call brings */
  static char seen[N];
  gt_dir_t *all;
  gt_dirent_t entry;
  struct stat st;
  begin();
  for (int i = 0; i < N; i++) close(open(in_dir(numbered(i)), O_CREAT | O_WRONLY, 0600));
  CHECK_EQ(gt_dir_open(dir, &all), 0);
  while (gt_dir_next(all, &entry) == 1) {
    int i = atoi(entry.name);
    CHECK(i >= 0 && i < N);
    CHECK_STR(entry.name, numbered(i));
    CHECK_EQ(seen[i]++, 0);
    CHECK(entry.kind == DT_REG || entry.kind == DT_UNKNOWN);
    if (i % 100 == 0) {
      CHECK_OK(stat(in_dir(entry.name), &st));
      CHECK_EQ(st.st_ino, entry.inode);
    }
  }
  CHECK_EQ(gt_dir_next(all, &entry), 0); /* stays at the end */
  for (int i = 0; i < N; i++) {
    CHECK_EQ(seen[i], 1);
    CHECK_OK(unlink(in_dir(numbered(i))));
  }
  CHECK_EQ(gt_dir_free(all), 0);
  CHECK_OK(rmdir(dir));
}

TEST(dir_knows_kinds) {
  gt_dir_t *all;
  gt_dirent_t entry;
  int count = 0;
  begin();
  CHECK_OK(mkdir(in_dir("directory"), 0700));
  CHECK_OK(symlink("x", in_dir("link")));
  CHECK_OK(mkfifo(in_dir("pipe"), 0600));
  CHECK_EQ(gt_dir_open_until(dir, &all, IN_MS(60000)), 0);
  while (gt_dir_next(all, &entry) == 1) {
    int kind = *entry.name == 'd' ? DT_DIR : *entry.name == 'l' ? DT_LNK : DT_FIFO;
    CHECK(entry.kind == kind || entry.kind == DT_UNKNOWN);
    count++;
  }
  CHECK_EQ(count, 3);
  CHECK_EQ(gt_dir_free(all), 0);
  unlink(in_dir("link"));
  unlink(in_dir("pipe"));
  rmdir(in_dir("directory"));
  CHECK_OK(rmdir(dir));
}

TEST(dir_without_names) {
  gt_dir_t *all;
  gt_dirent_t entry = {.inode = 5};
  begin();
  CHECK_EQ(gt_dir_open(dir, &all), 0);
  CHECK_EQ(gt_dir_next(all, &entry), 0);
  CHECK_EQ(entry.inode, 5);
  CHECK_EQ(gt_dir_free(all), 0);
  CHECK_OK(rmdir(dir));
}

TEST(dir_errors) {
  gt_dir_t *all = NULL;
  gt_dirent_t entry;
  begin();
  CHECK_EQ(gt_dir_open(NULL, &all), -EINVAL);
  CHECK_EQ(gt_dir_open(dir, NULL), -EINVAL);
  CHECK_EQ(gt_dir_open_until(dir, &all, 0), -ETIMEDOUT);
  CHECK_EQ(gt_dir_open(in_dir("x"), &all), -ENOENT);
  close(open(in_dir("x"), O_CREAT | O_WRONLY, 0600));
  CHECK_EQ(gt_dir_open(in_dir("x"), &all), -ENOTDIR);
  unlink(in_dir("x"));
  CHECK(all == NULL);
  CHECK_EQ(gt_dir_next(NULL, &entry), -EINVAL);
  CHECK_EQ(gt_dir_free(NULL), 0);
  CHECK_EQ(gt_dir_open(dir, &all), 0);
  CHECK_EQ(gt_dir_next(all, NULL), -EINVAL);
  CHECK_EQ(gt_dir_free(all), 0);
  CHECK_EQ(gt_dir_next(all, &entry), -EINVAL);
  CHECK_EQ(gt_dir_free(all), -EINVAL);
  CHECK_OK(rmdir(dir));
}

TEST(dir_errors_of_rights_and_numbers) {
  struct rlimit few, was;
  gt_dir_t *all;
  begin();
  CHECK_EQ(gt_sleep(1000), 0);
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &was));
  int last = dup(0); /* the lowest number that is free */
  few = (struct rlimit){(rlim_t)last + 1, was.rlim_max};
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &few));
  CHECK_EQ(gt_dir_open(dir, &all), -EMFILE);
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &was));
  close(last);
  CHECK_OK(chmod(dir, 0));
  if (geteuid() == 0) CHECK_OK(seteuid(65534));
  CHECK_EQ(gt_dir_open(dir, &all), -EACCES);
  if (geteuid() == 65534 && getuid() == 0) CHECK_OK(seteuid(0));
  CHECK_OK(rmdir(dir));
}

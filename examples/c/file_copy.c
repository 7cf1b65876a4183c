/* Copies a file while a second task goes on: a disk that lets the copy wait holds up nobody else. Every step is a call that looks
 * blocking: open, read, write, sync, and a rename at the end, so that nobody ever sees half a copy.
 *
 *   cc file_copy.c $(pkg-config --cflags --libs greenrt) -o file_copy && ./file_copy FROM TO
 *
 * Output (for a file of 3 MiB; the number of ticks varies):
 *   3145728 bytes copied, 12 ticks meanwhile
 */
#include <errno.h>
#include <fcntl.h>
#include <greenrt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { PIECE = 1 << 20 };

static void *tick(void *arg) {
  int *ticks = arg;
  while (gt_sleep(1000000) == 0) ++*ticks; /* until it is cancelled */
  return NULL;
}

/* Copies all bytes; how many, or what went wrong. */
static int64_t copy(int from, int to) {
  static char bytes[PIECE];
  int64_t at = 0;
  for (;;) {
    ssize_t n = gt_pread(from, bytes, sizeof bytes, at);
    if (n <= 0) return n < 0 ? n : at; /* less than asked for comes only before the end, or before an error */
    for (ssize_t done = 0; done < n;) {
      ssize_t m = gt_pwrite(to, bytes + done, (size_t)(n - done), at + done);
      if (m < 0) return m;
      done += m;
    }
    at += n;
  }
}

static int64_t copy_file(const char *from, const char *to) {
  char half[4096];
  struct stat st;
  if (snprintf(half, sizeof half, "%s.part", to) >= (int)sizeof half) return -ENAMETOOLONG;
  int in = gt_open(from, O_RDONLY, 0), out = -1;
  if (in < 0) return in;
  int64_t got = gt_fstat(in, &st);
  if (got == 0) got = out = gt_open(half, O_WRONLY | O_CREAT | O_TRUNC, st.st_mode & 0777);
  if (got >= 0) got = copy(in, out);
  int synced = got >= 0 ? gt_fsync(out) : 0;
  gt_close(in);
  if (out >= 0) gt_close(out);
  int named = got >= 0 && synced == 0 ? gt_rename(half, to) : synced;
  if (out >= 0 && (got < 0 || named < 0)) gt_unlink(half);
  return got < 0 || named == 0 ? got : named;
}

int main(int argc, char **argv) {
  int ticks = 0;
  if (argc < 3) {
    fprintf(stderr, "usage: file_copy FROM TO\n");
    return 2;
  }
  int64_t ticker = gt_spawn(tick, &ticks);
  int64_t got = copy_file(argv[1], argv[2]);
  gt_cancel(ticker);
  gt_join(ticker, NULL);
  if (got < 0) {
    fprintf(stderr, "%s: %s\n", argv[1], gt_strerror((int)got));
    return 1;
  }
  printf("%" PRId64 " bytes copied, %d tick%s meanwhile\n", got, ticks, ticks == 1 ? "" : "s");
  return 0;
}

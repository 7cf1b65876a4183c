/* What the large programs share: the memory of this process, the limit of descriptors, giving up with a reason. */
#ifndef GREENRT_LARGE_H
#define GREENRT_LARGE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define GIVE_UP(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), exit(1))

/* VmRSS + VmPTE in bytes. */
static inline long long resident(void) {
  char line[256];
  long long kib, sum = 0;
  FILE *file = fopen("/proc/self/status", "r");
  if (!file) GIVE_UP("cannot read /proc/self/status");
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "VmRSS: %lld", &kib) == 1 || sscanf(line, "VmPTE: %lld", &kib) == 1) sum += kib;
  fclose(file);
  return sum * 1024;
}

/* Raises the soft limit of descriptors; gives up when the hard one is below `wanted`. */
static inline void allow_descriptors(long wanted) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < (rlim_t)wanted) {
    printf("skip: %ld descriptors needed, the limit here is %ld\n", wanted, (long)limit.rlim_max);
    exit(77);
  }
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static inline long number(const char *text, long otherwise) {
  long value = text ? strtol(text, NULL, 10) : otherwise;
  if (value < 1) GIVE_UP("not a number above 0: %s", text);
  return value;
}

#endif

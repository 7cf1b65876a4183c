#include "figures.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "soak.h"

static const struct {
  const char *name;
  long more, percent; /* that it may grow by: memory is cut into pieces, and threads of the pool leave stacks behind */
} about[FIGURES] = {
    [RESIDENT] = {"resident KiB", 4096, 15},
    [BLOCKS] = {"blocks of the library", 32, 0},
    [BYTES] = {"bytes in them", 65536, 0},
    [MAPPINGS] = {"mappings", 32, 0},
    [DESCRIPTORS] = {"descriptors", 0, 0},
    [OWNED] = {"owned descriptors", 0, 0},
    [TASKS] = {"tasks", 0, 0},
    [STACKS] = {"stacks in use", 0, 0},
    [TIMERS] = {"timers", 0, 0},
    [OBJECTS] = {"objects", 0, 0},
};

const char *so_figure_name(unsigned figure) { return about[figure].name; }

long so_bound(const struct figures *before, unsigned figure) {
  long was = before->value[figure];
  return was + about[figure].more + was * about[figure].percent / 100;
}

/* -- the library's memory */

static atomic_long blocks, bytes;

static void *count_alloc(size_t size, size_t align, void *arg) {
  (void)arg;
  void *block = align <= 16 ? malloc(size) : aligned_alloc(align, (size + align - 1) / align * align);
  if (block) {
    blocks++;
    bytes += (long)size;
  }
  return block;
}

static void count_dealloc(void *old, size_t size, size_t align, void *arg) {
  (void)align, (void)arg;
  blocks--;
  bytes -= (long)size;
  free(old);
}

static void *count_realloc(void *old, size_t old_size, size_t size, size_t align, void *arg) {
  void *block = count_alloc(size, align, arg);
  if (!block) return NULL;
  memcpy(block, old, old_size < size ? old_size : size);
  count_dealloc(old, old_size, align, arg);
  return block;
}

void so_count_memory(gt_config_t *config) {
  config->alloc = count_alloc;
  config->realloc = count_realloc;
  config->dealloc = count_dealloc;
}

/* -- what the kernel and gt_stats say */

static long lines_of(const char *path) {
  FILE *file = fopen(path, "r");
  long lines = 0;
  MUST(file != NULL);
  for (int c; (c = getc(file)) != EOF;) lines += c == '\n';
  fclose(file);
  return lines;
}

static long resident(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  long size, pages;
  MUST(file != NULL);
  MUST_EQ(fscanf(file, "%ld %ld", &size, &pages), 2);
  fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static long descriptors(void) {
  DIR *dir = opendir("/proc/self/fd");
  long count = 0;
  MUST(dir != NULL);
  while (readdir(dir)) count++;
  closedir(dir);
  return count - 3; /* two names for directories, and the one that is read */
}

static gt_stats_t stats_here(void) {
  gt_stats_t stats = {.size = sizeof stats};
  MUST_EQ(gt_stats(&stats), 0);
  return stats;
}

static void *add_stats(void *arg) {
  struct figures *figures = arg;
  gt_stats_t stats = stats_here();
  figures->value[OWNED] += (long)stats.descriptors;
  figures->value[TASKS] += (long)stats.tasks_live;
  figures->value[STACKS] += (long)stats.stacks_in_use;
  figures->value[TIMERS] += (long)stats.timers;
  figures->value[OBJECTS] = (long)stats.objects; /* of the process */
  return NULL;
}

void so_figures(struct figures *figures, int workers) {
  memset(figures, 0, sizeof *figures);
  while (stats_here().offload_threads) MUST_EQ(gt_sleep(MS(10)), 0);
  MUST_EQ(gt_sleep(MS(200)), 0); /* tasks that are ready to end have ended, idle workers have given stacks back */
  for (int i = 0; i < workers; i++) {
    int64_t task = gt_spawn_on(i, add_stats, figures);
    MUST_OK(task);
    so_join(task);
  }
  add_stats(figures);
  figures->value[BLOCKS] = blocks;
  figures->value[BYTES] = bytes;
  malloc_trim(0);
  figures->value[RESIDENT] = resident();
  figures->value[MAPPINGS] = lines_of("/proc/self/maps");
  figures->value[DESCRIPTORS] = descriptors();
}

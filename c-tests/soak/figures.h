/* What the process uses. */
#ifndef GREENRT_SOAK_FIGURES_H
#define GREENRT_SOAK_FIGURES_H

enum { RESIDENT, BLOCKS, BYTES, MAPPINGS, DESCRIPTORS, OWNED, TASKS, STACKS, TIMERS, OBJECTS, FIGURES };

struct gt_config_t;

struct figures {
  long value[FIGURES];
};

void so_count_memory(struct gt_config_t *config); /* the library's blocks are counted; before gt_config() */
void so_figures(struct figures *figures, int workers); /* waits until the pool's threads have gone, and may switch */
const char *so_figure_name(unsigned figure);
long so_bound(const struct figures *before, unsigned figure); /* what it may be at most, some time later */

#endif

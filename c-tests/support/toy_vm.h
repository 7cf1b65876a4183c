/* A toy VM for the host hooks: per-task states with a current one per OS thread, checked at every step, and one lock for all.
 *
 * It stands for any language VM: a state must be current while its task runs, may be freed only after it was swapped out, and VM code may
 * run only while the OS thread holds the VM's lock. */
#ifndef GREENRT_TOY_VM_H
#define GREENRT_TOY_VM_H

#include "support.h"

struct toy_state {
  int number; /* 0: the root's */
  int cleared, freed;
  long value; /* what the VM keeps per task */
};

struct toy_thread { /* one per OS thread */
  struct toy_state root;
  struct toy_state *current;
  int started, finished, holds_lock, releases, polls_interrupted, fail_next_new, answer;
  long swaps;
  char log[2048]; /* every hook call, in order */
  size_t logged;
  int keep_log;
  uint32_t key; /* a pthread key the library keeps in step */
};

void toy_begin(struct toy_thread *thread, gt_host_t *host); /* fills the table and takes the lock */
void toy_end(struct toy_thread *thread);                    /* removes the hooks and gives the lock back */
struct toy_state *toy_current(void);
struct toy_thread *toy_thread(void);
extern long toy_shared; /* guarded by the VM's lock alone */

#endif

/* The running scheduler of this OS thread: one thread-local pointer.
 *
 * It is C because stable Rust has no way to ask for the initial-exec model, and the default model of a shared library
 * goes through __tls_get_addr on every read (about 5 ns). Initial-exec works for a library that is loaded late too,
 * as long as its block is small: the C library keeps a little room for it.
 */
#define HIDDEN __attribute__((visibility("hidden")))

HIDDEN __thread void *gt_current_slot __attribute__((tls_model("initial-exec")));

HIDDEN void *gt_current_get(void) { return gt_current_slot; }

HIDDEN void gt_current_set(void *scheduler) { gt_current_slot = scheduler; }

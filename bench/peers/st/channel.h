/* What the files of the state-threads peer share. */
#ifndef GREENRT_BENCH_ST_H
#define GREENRT_BENCH_ST_H

#include "../../c/bench.h"

enum { STACK = 64 * 1024 };

/* An unbuffered round trip, or items through a ring. */
void channel(int buffered, uint64_t operations);

#endif

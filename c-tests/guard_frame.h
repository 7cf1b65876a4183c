/* The frame of guard_frame.c, for test_guard.c. */
#ifndef GREENRT_GUARD_FRAME_H
#define GREENRT_GUARD_FRAME_H

enum { BIG_FRAME = 24 * 1024 };
char big_frame(char value);

#endif

/* One frame of 24 KiB that touches only its lowest byte. Compiled with -fno-stack-clash-protection: the compiler must not probe the pages
 * in between, so that the first touch lands as deep below the stack as such a frame reaches. */
#include "guard_frame.h"

__attribute__((noinline)) char big_frame(char value) {
  volatile char frame[BIG_FRAME];
  __asm__ volatile("" : : "r"(frame) : "memory"); /* the frame keeps its size */
  frame[0] = value;
  return frame[0];
}

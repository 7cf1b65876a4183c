/* The checks behind the CHECK macros: they print the expressions and both values, then end the process of the test.
 *
 * _exit and not exit: a check may fail on a task's stack, on a second OS thread or in a forked child, and what atexit handlers would
 * do there is not what the test is about. */
#include "test.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static void say(const char *format, va_list list) {
  char text[2048];
  int n = vsnprintf(text, sizeof text - 1, format, list);
  if (n < 0) n = 0;
  if ((size_t)n > sizeof text - 2) n = (int)sizeof text - 2;
  text[n++] = '\n';
  fflush(stdout);
  for (int at = 0; at < n;) {
    ssize_t wrote = write(STDERR_FILENO, text + at, (size_t)(n - at));
    if (wrote <= 0) break;
    at += (int)wrote;
  }
}

static void say_at(const char *file, int line) {
  char place[256];
  int n = snprintf(place, sizeof place, "%s:%d: ", file, line);
  fflush(stdout);
  if (n > 0 && write(STDERR_FILENO, place, (size_t)n) < 0) return;
}

void t_fail(const char *file, int line, const char *format, ...) {
  va_list list;
  say_at(file, line);
  va_start(list, format);
  say(format, list);
  va_end(list);
  _exit(1);
}

void t_skip(const char *format, ...) {
  char text[512];
  va_list list;
  int n = snprintf(text, sizeof text, "skip: %s", format);
  if (n < 0) _exit(1);
  va_start(list, format);
  say(text, list);
  va_end(list);
  _exit(77);
}

/* Most negative values are errors of the library: say which. */
static const char *meaning(long long value, char text[128]) {
  if (value < 0 && value > -4096)
    snprintf(text, 128, "%lld (%s)", value, strerror((int)-value));
  else
    snprintf(text, 128, "%lld", value);
  return text;
}

void t_check_int(const char *file, int line, const char *left, const char *op, const char *right, int holds, long long l, long long r) {
  if (holds) return;
  char a[128], b[128];
  t_fail(file, line, "%s %s %s does not hold\n  left:  %s\n  right: %s", left, op, right, meaning(l, a), meaning(r, b));
}

void t_check_ok(const char *file, int line, const char *expression, long long value) {
  char text[128];
  if (value < 0) t_fail(file, line, "%s failed: %s; errno %d (%s)", expression, meaning(value, text), errno, strerror(errno));
}

void t_check_str(const char *file, int line, const char *left, const char *right, const char *l, const char *r) {
  if (l && r && strcmp(l, r) == 0) return;
  t_fail(file, line, "%s is not %s\n  left:  \"%s\"\n  right: \"%s\"", left, right, l ? l : "(null)", r ? r : "(null)");
}

void t_check_mem(const char *file, int line, const char *left, const char *right, const void *l, const void *r, size_t n) {
  const unsigned char *a = l, *b = r;
  for (size_t i = 0; i < n; i++)
    if (a[i] != b[i]) t_fail(file, line, "%s differs from %s at byte %zu of %zu: 0x%02x, 0x%02x", left, right, i, n, a[i], b[i]);
}

void t_check_has(const char *file, int line, const char *text, const char *part, const char *t, const char *p) {
  if (!strstr(t, p)) t_fail(file, line, "%s lacks %s\n  sought: \"%s\"\n  text:   \"%s\"", text, part, p, t);
}

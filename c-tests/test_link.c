/* How the library links: only gt_ symbols go out, SONAME and NODELETE are set, and a program's own jump_fcontext stays its own. */
#include "support.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct s_end end;

static const char *shell(const char *format, const char *a) {
  static char command[8192];
  snprintf(command, sizeof command, format, a);
  const char *argv[] = {"sh", "-c", command, NULL};
  s_run(&end, argv);
  if (end.status != 0) FAIL("%s: status %d\n%s", command, end.status, end.out);
  return end.out;
}

/* build/c/<kind>/tests sits two folders below build, build/lib holds the libraries. */
static const char *library(const char *name) {
  static char relative[128], path[4096];
  snprintf(relative, sizeof relative, "../../lib/%s", name);
  snprintf(path, sizeof path, "%s", s_beside(relative));
  if (access(path, R_OK) != 0) FAIL("no library at %s", path);
  return path;
}

static void check_only_ours(const char *symbols) {
  int count = 0;
  for (const char *at = symbols; *at; at += strcspn(at, "\n"), at += *at == '\n') {
    if (strncmp(at, "gt_", 3) != 0) FAIL("exported beside gt_: %.*s", (int)strcspn(at, "\n"), at);
    count++;
  }
  CHECK_GT(count, 60);
}

TEST_WITH(link_shared_library_exports_only_gt, T_SHIPPED, 0) {
  if (!s_have_program("nm")) SKIP("no nm here");
  check_only_ours(shell("nm -D --defined-only %s | awk '{print $3}'", library("libgreenrt.so")));
}

TEST_WITH(link_static_library_defines_only_gt, T_SHIPPED, 0) {
  if (!s_have_program("nm")) SKIP("no nm here");
  check_only_ours(shell("nm -g --defined-only %s | awk 'NF == 3 {print $3}'", library("libgreenrt.a")));
}

TEST_WITH(link_shared_library_has_soname_and_is_never_unloaded, T_SHIPPED, 0) {
  if (!s_have_program("readelf")) SKIP("no readelf here");
  const char *dynamic = shell("readelf -d %s", library("libgreenrt.so"));
  CHECK_HAS(dynamic, "Library soname: [libgreenrt.so.1]");
  CHECK_HAS(dynamic, "NODELETE");
}

static void run_beside(const char *name, const char *expected) {
  const char *path = s_beside(name);
  if (access(path, X_OK) != 0) SKIP("%s was not built: what it needs is not installed", name);
  const char *argv[] = {path, NULL};
  s_run(&end, argv);
  if (end.status != 0) FAIL("%s: status %d, signal %d\n%s", name, end.status, end.signal, end.out);
  CHECK_STR(end.out, expected);
}

TEST_WITH(link_program_with_its_own_jump_fcontext, T_SHIPPED, 0) { run_beside("own_fcontext", "both are themselves\n"); }

TEST_WITH(link_program_with_boost_context, T_SHIPPED, 0) { run_beside("boost_context", "both switch\n"); }

static void use_through_dlopen(void *arg) {
  void *handle = dlopen(arg, RTLD_NOW | RTLD_LOCAL);
  CHECK(handle != NULL);
  CHECK(dlsym(handle, "gt_spawn") != NULL);
  CHECK(dlsym(handle, "jump_fcontext") == NULL);
  union {
    void *symbol;
    int (*call)(int64_t);
  } sleeper = {dlsym(handle, "gt_sleep")};
  CHECK_EQ(sleeper.call(MS(1)), 0);
  CHECK_EQ(dlclose(handle), 0);
  CHECK_EQ(sleeper.call(MS(1)), 0); /* still there: unloading would leave stacks dangling */
}

TEST_WITH(link_library_can_be_opened_at_run_time_and_stays, T_SHIPPED, 0) {
  char path[4096];
  snprintf(path, sizeof path, "%s", library("libgreenrt.so"));
  s_child(use_through_dlopen, path, &end);
  if (end.status != 0) FAIL("status %d, signal %d\n%s", end.status, end.signal, end.out);
}

/* The library keeps one word in the C library's small room for initial-exec thread-locals; so may many others. */
static void open_beside_others(void *arg) {
  char folder[] = "/tmp/greenrt-tls-XXXXXX", path[64];
  CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/block.c", folder);
  FILE *source = fopen(path, "w");
  CHECK(source != NULL);
  fprintf(source, "__attribute__((tls_model(\"initial-exec\"))) __thread long room[2] = {1, 2};\nlong sum(void) { return room[0] + room[1]; }\n");
  fclose(source);
  shell("cd %s && cc -shared -fPIC block.c -o 0.so && for i in $(seq 1 24); do cp 0.so $i.so; done", folder);
  for (int i = 0; i < 25; i++) {
    snprintf(path, sizeof path, "%s/%d.so", folder, i);
    void *other = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (other == NULL) FAIL("block %d: %s", i, dlerror());
    union {
      void *symbol;
      long (*call)(void);
    } sum = {dlsym(other, "sum")};
    CHECK_EQ(sum.call(), 3);
  }
  shell("rm -r %s", folder);
  use_through_dlopen(arg);
}

TEST_WITH(link_library_is_opened_late_beside_25_that_use_the_same_room, T_SHIPPED, 0) {
  char path[4096];
  if (!s_have_program("cc")) SKIP("no compiler here");
  snprintf(path, sizeof path, "%s", library("libgreenrt.so"));
  s_child(open_beside_others, path, &end);
  if (end.status != 0) FAIL("status %d, signal %d\n%s", end.status, end.signal, end.out);
}

/* What `make install` leaves, used as its user would: through pkg-config, shared and static. */
TEST_WITH(link_installed_library_is_found_by_pkg_config, T_SHIPPED, 300) {
  char root[] = "/tmp/greenrt-install-XXXXXX";
  if (access("Makefile", R_OK) != 0) SKIP("not run from the top of the tree");
  if (!s_have_program("pkg-config")) SKIP("no pkg-config here");
  CHECK(mkdtemp(root) != NULL);
  shell("make -s install-c PREFIX=%1$s && export PKG_CONFIG_PATH=%1$s/lib/pkgconfig LD_LIBRARY_PATH=%1$s/lib && "
        "pkg-config --modversion greenrt && "
        "cc examples/c/hello.c $(pkg-config --cflags --libs greenrt) -o %1$s/shared && %1$s/shared && "
        "ldd %1$s/shared | grep -q %1$s/lib/libgreenrt.so.1 && rm %1$s/lib/libgreenrt.so* && "
        "cc examples/c/hello.c $(pkg-config --static --cflags --libs greenrt) -o %1$s/static && %1$s/static && "
        "cc -static examples/c/hello.c $(pkg-config --static --cflags --libs greenrt) -o %1$s/whole 2>%1$s/said && "
        "! ldd %1$s/whole && %1$s/whole || { cat %1$s/said >&2; exit 1; }", root);
  char twice[] = GT_VERSION "\nping 1\npong 1\n";
  CHECK_HAS(end.out, twice);
  const char *first = strstr(end.out, "both done: 6 lines\n");
  CHECK(first != NULL);
  const char *second = strstr(first + 1, "both done: 6 lines\n");
  CHECK(second != NULL);
  CHECK_HAS(second + 1, "both done: 6 lines\n"); /* with nothing shared at all */
  shell("export PKG_CONFIG_PATH=%1$s/lib/pkgconfig && cc c-tests/static/opens.c -ldl -pthread -o %1$s/opens && "
        "cc -shared -fPIC c-tests/static/plugin.c $(pkg-config --static --cflags --libs greenrt) -o %1$s/plugin.so && "
        "%1$s/opens %1$s/plugin.so", root);
  CHECK_STR(end.out, "opened and closed 3 times\n");
  if (s_have_program("c++"))
    shell("export PKG_CONFIG_PATH=%1$s/lib/pkgconfig && c++ -std=c++17 examples/cxx/hello.cpp "
          "$(pkg-config --static --cflags --libs greenrt) -o %1$s/cxx && %1$s/cxx | grep -q 'cleaned up'", root);
  shell("rm -r %s", root);
}

/* A shell leaves the tilde of PREFIX=~/x alone, and greenrt.pc is read from another folder than `make` was run in. */
TEST_WITH(link_installed_paths_are_whole, T_SHIPPED, 300) {
  char root[] = "/tmp/greenrt-install-XXXXXX";
  if (access("Makefile", R_OK) != 0) SKIP("not run from the top of the tree");
  CHECK(mkdtemp(root) != NULL);
  shell("HOME=%1$s make -s install-c PREFIX='~/a' && [ -f %1$s/a/include/greenrt.h ] && cat %1$s/a/lib/pkgconfig/greenrt.pc && "
        "find %1$s -name '*~*'", root);
  char line[4096];
  snprintf(line, sizeof line, "prefix=%s/a\n", root);
  CHECK_HAS(end.out, line);
  snprintf(line, sizeof line, "libdir=%s/a/lib\n", root);
  CHECK_HAS(end.out, line);
  CHECK(strchr(end.out, '~') == NULL);
  shell("make -sn install-c PREFIX=b | grep '@PREFIX@|/' %s", "");
  shell("! make -sn install-c PREFIX='~nobody/c' 2>&1 && ! make -sn install-c PREFIX=/c LIBDIR='~nobody/c' 2>&1 %s", "");
  CHECK_HAS(end.out, "of the paths with a tilde only ~/... is understood");
  shell("rm -r %s", root);
}

/* What the README says of tools: a program that its user compiles as he likes, with the library made for the tool. */
static const char *library_for(const char *tool) {
  static char relative[128], folder[4096];
  snprintf(relative, sizeof relative, "../../%s/lib", tool);
  snprintf(folder, sizeof folder, "%s", s_beside(relative));
  if (access("include/greenrt.h", R_OK) != 0) SKIP("not run from the top of the tree");
  if (access(folder, R_OK) != 0) SKIP("not built: make build/%s/lib/libgreenrt.so", tool);
  return folder;
}

TEST_WITH(link_program_under_the_compilers_address_sanitizer, T_SHIPPED, 300) {
  const char *folder = library_for("asan");
  if (!s_have_program("c++")) SKIP("no C++ compiler here");
  shell("d=$(mktemp -d) && trap 'rm -r $d' EXIT && c++ -std=c++17 -fsanitize=address -Iinclude examples/cxx/hello.cpp -o $d/hello -L%1$s -lgreenrt "
        "-Wl,-rpath,%1$s && $d/hello 2>&1", folder);
  CHECK_HAS(end.out, "cleaned up");
  CHECK(strstr(end.out, "Sanitizer") == NULL && strstr(end.out, "ASan") == NULL);
}

TEST_WITH(link_program_under_valgrind, T_SHIPPED, 300) {
  const char *folder = library_for("valgrind");
  if (!s_have_program("valgrind")) SKIP("no valgrind here");
  shell("d=$(mktemp -d) && trap 'rm -r $d' EXIT && cc -Iinclude examples/c/hello.c -o $d/hello -L%1$s -lgreenrt && "
        "LD_LIBRARY_PATH=%1$s valgrind -q --error-exitcode=99 $d/hello 2>&1", folder);
  CHECK_HAS(end.out, "both done: 6 lines");
  CHECK(strstr(end.out, "==") == NULL);
}

/* greenrt.hpp: that every compiler takes it in every standard; that its tests are in this program; its example. */
#include "support.h"

#include <stdio.h>
#include <unistd.h>

/* Instantiates every template of the header in full; nothing is linked. */
static void compile(const char *compiler, const char *flags) {
  static struct s_end end;
  char command[512];
  if (!s_have_program(compiler)) SKIP("no %s here", compiler);
  if (access("c-tests/abi/all_cxx.cpp", R_OK) != 0) SKIP("not run from the top of the tree");
  snprintf(command, sizeof command, "%s %s -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Werror -Iinclude c-tests/abi/all_cxx.cpp", compiler, flags);
  const char *argv[] = {"sh", "-c", command, NULL};
  s_run(&end, argv);
  if (end.status != 0) FAIL("%s: status %d\n%s", command, end.status, end.out);
}

/* Some seconds of a compiler each, which a busy machine makes many. */
TEST_WITH(cxx_header_compiles_in_full_by_gcc_as_cxx17, 0, 120) { compile("g++", "-std=c++17"); }
TEST_WITH(cxx_header_compiles_in_full_by_gcc_as_cxx20, 0, 120) { compile("g++", "-std=c++20"); }
TEST_WITH(cxx_header_compiles_in_full_by_gcc_as_cxx23, 0, 120) { compile("g++", "-std=c++2b"); }
TEST_WITH(cxx_header_compiles_in_full_by_gcc_without_rtti, 0, 120) { compile("g++", "-std=c++17 -fno-rtti"); }
TEST_WITH(cxx_header_compiles_in_full_by_clang_as_cxx17, 0, 120) { compile("clang++", "-std=c++17"); }
TEST_WITH(cxx_header_compiles_in_full_by_clang_as_cxx20, 0, 120) { compile("clang++", "-std=c++20"); }
TEST_WITH(cxx_header_compiles_in_full_by_clang_as_cxx23, 0, 120) { compile("clang++", "-std=c++2b"); }
TEST_WITH(cxx_header_compiles_in_full_by_clang_without_rtti, 0, 120) { compile("clang++", "-std=c++17 -fno-rtti"); }

/* Defined by c-tests/cxx, which is left out when there is no C++ compiler. */
__attribute__((weak)) extern const int cxx_tests_are_here;

TEST(cxx_tests_are_in_this_program) {
  if (!&cxx_tests_are_here) SKIP("no C++ compiler when this was built");
  CHECK_EQ(cxx_tests_are_here, 1);
}

TEST(cxx_example_hello_runs_as_it_says) {
  static struct s_end end;
  const char *path = s_beside("examples/cxx/hello");
  if (access(path, X_OK) != 0) SKIP("no C++ compiler when this was built");
  const char *argv[] = {path, NULL};
  s_run(&end, argv);
  CHECK_EQ(end.status, 0);
  CHECK_STR(end.out, "6 times 7 is 42\ngot: one\ngot: two\ngot: three\ncaught: no such word: four\n"
                     "all three words were counted: 11 letters\nthe sleeper was cancelled and cleaned up\n");
}

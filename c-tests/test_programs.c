/* The programs of examples/c that need no client are run as their opening comments say, and their output compared. The rest of them is
 * in test_examples.c. */
#include "support.h"

#include <stdio.h>
#include <unistd.h>

static struct s_end end;

static void run(const char *name, const char *a, const char *b, const char *c) {
  const char *argv[] = {s_beside(name), a, b, c, NULL};
  s_run(&end, argv);
}

TEST(program_pipeline_grows_and_ends) {
  run("examples/pipeline", "10", NULL, NULL);
  CHECK_EQ(end.status, 0);
  CHECK_STR(end.out, "2 3 5 7 11 13 17 19 23 29\n10 primes by 11 tasks\n");
  run("examples/pipeline", "400", NULL, NULL);
  CHECK_HAS(end.out, " 2741\n400 primes by 401 tasks\n");
  run("examples/pipeline", "0", NULL, NULL);
  CHECK_EQ(end.status, 1);
}

TEST_WITH(program_worker_pool_counts_on_several_threads, 0, 60) {
  run("examples/worker_pool", "2", NULL, NULL);
  CHECK_EQ(end.status, 0);
  CHECK_STR(end.out, "78498 primes below 1000000, by 2 workers in 100 jobs\n");
  run("examples/worker_pool", "5000", NULL, NULL);
  CHECK_EQ(end.status, 1);
  CHECK_HAS(end.out, "cannot start: EINVAL");
}

TEST(program_select_timeout_takes_the_first_answer) {
  run("examples/select_timeout", NULL, NULL, NULL);
  CHECK_EQ(end.status, 0);
  CHECK_HAS(end.out, "slow and slow: no answer in 50 ms\n");
  /* On a machine that stands still for 50 ms the quick one may be late as well. */
  if (!strstr(end.out, "quick and slow: no")) CHECK_HAS(end.out, "quick and slow: answer 42 by server a\n");
  if (!strstr(end.out, "slow and quick: no")) CHECK_HAS(end.out, "slow and quick: answer 42 by server b\n");
}

TEST(program_supervisor_starts_all_again) {
  run("examples/supervisor", NULL, NULL, NULL);
  CHECK_EQ(end.status, 0);
  CHECK_STR(end.out, "start 1\nmailer: Connection reset by peer\nclock: put away\ncache: put away\n"
                     "start 2\nmailer: Connection reset by peer\nclock: put away\ncache: put away\n"
                     "start 3\nmailer: all mail is sent\nclock: put away\ncache: put away\n"
                     "done after 3 starts\n");
}

TEST(program_parallel_dns_looks_up_side_by_side) {
  run("examples/parallel_dns", "localhost", "127.0.0.1", "::1");
  CHECK_EQ(end.status, 0);
  CHECK_HAS(end.out, "localhost: ");
  CHECK_HAS(end.out, "\n127.0.0.1: 127.0.0.1\n::1: ::1\n3 names, 3 known\n");
  run("examples/parallel_dns", "127.0.0.1", "1.2.3.4.5.6.invalid", "::ffff:10.0.0.1");
  CHECK_EQ(end.status, 1); /* whatever the network says of a name that cannot be */
  CHECK_HAS(end.out, "127.0.0.1: 127.0.0.1\n1.2.3.4.5.6.invalid: ");
  CHECK_HAS(end.out, "\n::ffff:10.0.0.1: ::ffff:10.0.0.1\n3 names, 2 known\n");
}

TEST(program_generator_merges_two_walks) {
  run("examples/generator", NULL, NULL, NULL);
  CHECK_EQ(end.status, 0);
  CHECK_STR(end.out, "ant bee cat dog eel fox gnu hen\nthe first two: ant cat\n");
}

TEST(program_embed_loop_lives_in_another_loop) {
  char command[512];
  snprintf(command, sizeof command, "printf 'one\\ntwo\\n' | %s", s_beside("examples/embed_loop"));
  const char *argv[] = {"sh", "-c", command, NULL};
  s_run(&end, argv);
  CHECK_EQ(end.status, 0);
  CHECK_HAS(end.out, "the loop read: one\nthe loop read: two\n");
  CHECK_HAS(end.out, "a task answers: one\na task answers: two\n");
  CHECK_HAS(end.out, "the loop's own timer\n");
  CHECK_HAS(end.out, "2 lines answered\n");
}

/* An example is to be read in one go. */
TEST(program_examples_are_short) {
  const char *argv[] = {"sh", "-c", "wc -l examples/c/*.c examples/cxx/*.cpp | awk '$2 != \"total\" && $1 >= 100 { print; bad = 1 } END { exit bad }'", NULL};
  if (access("examples/c/hello.c", R_OK) != 0) SKIP("not run from the top of the tree");
  s_run(&end, argv);
  if (end.status != 0) FAIL("too long:\n%s", end.out);
}

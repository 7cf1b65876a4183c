/* Words of the OS thread that follow the tasks: what a language's runtime keeps for each OS thread stays with the task that wrote it. */
#include "support.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread struct words {
  int64_t a, b, beyond;
} words;

/* Finds zeroes, leaves numbers of its own, and finds them again after each switch. */
static void *keeper(void *arg) {
  int64_t mine = (int64_t)(intptr_t)arg;
  CHECK_EQ(words.a, 0);
  CHECK_EQ(words.b, 0);
  for (int64_t round = 1; round < 5; round++) {
    words.a = mine * round;
    words.b = -mine * round;
    CHECK_EQ(gt_yield(), 0);
    CHECK_EQ(words.a, mine * round);
    CHECK_EQ(words.b, -mine * round);
    CHECK_EQ(gt_sleep(MS(1)), 0);
    CHECK_EQ(words.a, mine * round);
  }
  return NULL; /* ends with its words set: the next task on this stack must not find them */
}

static void *keep_for_all(void *arg) {
  int64_t tasks[20];
  words = (struct words){7, 8, 9};
  CHECK_EQ(gt_carry(&words, 16), 0);
  CHECK_EQ(gt_carry(&words, 16), 0); /* the same place again */
  CHECK_EQ(words.a, 7);
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < COUNT(tasks); i++) tasks[i] = s_spawn(keeper, (void *)(intptr_t)(i + 1));
    for (size_t i = 0; i < COUNT(tasks); i++) s_join(tasks[i]);
    CHECK_EQ(words.a, 7);
    CHECK_EQ(words.b, 8);
  }
  CHECK_EQ(words.beyond, 9);
  return arg;
}

TEST(carry_words_stay_with_their_task) { keep_for_all(NULL); }

static void *keep_and_end(void *arg) {
  keep_for_all(NULL);
  CHECK_EQ(gt_shutdown(), 0);
  return arg;
}

TEST(carry_is_asked_for_on_each_thread) {
  words = (struct words){1, 2, 3};
  CHECK_EQ(gt_carry(&words, 16), 0);
  s_thread_join(s_thread(keep_and_end, NULL));
  CHECK_EQ(words.a, 1);
  keep_for_all(NULL);
}

static void *finds(void *arg) {
  CHECK_EQ(words.a, *(int64_t *)arg);
  CHECK_EQ(gt_yield(), 0);
  words.a = 100;
  return NULL;
}

TEST(carry_begins_and_ends_while_tasks_live) {
  int64_t zero = 0, hundred = 100;
  int64_t early = s_spawn(finds, &zero); /* spawned before: finds zeroes all the same */
  words.a = 5;
  CHECK_EQ(gt_carry(&words, 16), 0);
  CHECK_EQ(words.a, 5);
  s_settle();
  s_join(early);
  CHECK_EQ(words.a, 5);
  CHECK_EQ(gt_carry(NULL, 0), 0);
  CHECK_EQ(gt_carry(NULL, 0), 0);
  words.a = 100;
  s_join(s_spawn(finds, &hundred)); /* one place for all again */
  CHECK_EQ(words.a, 100);
  CHECK_EQ(gt_carry(&words, 16), 0);
  s_join(s_spawn(finds, &zero));
  CHECK_EQ(words.a, 100);
}

static void *one_word(void *arg) {
  CHECK_EQ(words.a, 0);
  CHECK_EQ(words.b, 6);
  words.a = 1;
  words.b++;
  CHECK_EQ(gt_yield(), 0);
  CHECK_EQ(words.a, 1);
  CHECK_EQ(words.b, 7);
  return arg;
}

TEST(carry_takes_one_word_and_leaves_the_next_alone) {
  words = (struct words){5, 6, 0};
  CHECK_EQ(gt_carry(&words, 8), 0);
  s_join(s_spawn(one_word, NULL));
  CHECK_EQ(words.a, 5);
  CHECK_EQ(words.b, 7);
}

static void *fork_here(void *arg) {
  words.a = 42;
  CHECK_EQ(gt_yield(), 0);
  pid_t child = fork();
  if (child == 0) {
    int64_t other = gt_spawn(finds, &(int64_t){0});
    _exit(words.a == 42 && gt_join(other, NULL) == 0 && words.a == 42 ? 0 : 1);
  }
  CHECK_OK(child);
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(words.a, 42);
  return arg;
}

TEST(carry_survives_a_fork) {
  CHECK_EQ(gt_carry(&words, 16), 0);
  s_join(s_spawn(fork_here, NULL));
  CHECK_EQ(words.a, 0);
}

TEST(carry_ends_with_the_scheduler) {
  int64_t zero = 0, nine = 9;
  CHECK_EQ(gt_carry(&words, 16), 0);
  words.a = 9;
  s_join(s_spawn(finds, &zero));
  CHECK_EQ(gt_shutdown(), 0);
  CHECK_EQ(words.a, 9);
  s_join(s_spawn(finds, &nine));
}

static void *finds_both(void *arg) {
  int64_t *expected = arg;
  for (int round = 0; round < 3; round++) {
    CHECK_EQ(words.a, expected[0]);
    CHECK_EQ(words.b, expected[1]);
    CHECK_EQ(gt_yield(), 0);
  }
  words.a = words.b = 99;
  return NULL;
}

TEST(carry_from_is_what_new_tasks_find) {
  int64_t first[2] = {11, 12}, second[2] = {21, 22}, zeroes[2] = {0, 0};
  int64_t early = s_spawn(finds_both, first); /* spawned before: finds them all the same */
  words = (struct words){1, 2, 3};
  CHECK_EQ(gt_carry_from(&words, 16, first), 0);
  first[0] = 0; /* a copy was made */
  CHECK_EQ(words.a, 1);
  int64_t expected[2] = {11, 12};
  int64_t late = s_spawn(finds_both, expected);
  first[0] = 11;
  s_join(early);
  s_join(late);
  CHECK_EQ(gt_carry_from(&words, 16, second), 0);
  s_join(s_spawn(finds_both, second));
  CHECK_EQ(gt_carry_from(&words, 16, NULL), 0);
  s_join(s_spawn(finds_both, zeroes));
  CHECK_EQ(words.a, 1);
  CHECK_EQ(words.b, 2);
  CHECK_EQ(words.beyond, 3);
}

TEST(carry_from_refuses_what_it_cannot_carry) {
  static int64_t other[2];
  CHECK_EQ(gt_carry_from(&words, 4, other), -EINVAL);
  CHECK_EQ(gt_carry_from(&words, 24, other), -EINVAL);
  CHECK_EQ(gt_carry_from((char *)&words + 4, 8, other), -EINVAL);
  CHECK_EQ(gt_carry_from(&words, 16, other), 0);
  CHECK_EQ(gt_carry_from(other, 16, &words), -EBUSY);
}

TEST(carry_refuses_what_it_cannot_carry) {
  static int64_t other[2];
  CHECK_EQ(gt_carry(&words, 0), -EINVAL);
  CHECK_EQ(gt_carry(&words, 4), -EINVAL);
  CHECK_EQ(gt_carry(&words, 12), -EINVAL);
  CHECK_EQ(gt_carry(&words, 24), -EINVAL);
  CHECK_EQ(gt_carry((char *)&words + 4, 8), -EINVAL);
  CHECK_EQ(gt_carry(&words, 16), 0);
  CHECK_EQ(gt_carry(other, 16), -EBUSY);
  CHECK_EQ(gt_carry(&words, 8), -EBUSY);
  CHECK_EQ(gt_carry(NULL, 0), 0);
  CHECK_EQ(gt_carry(other, 16), 0);
}

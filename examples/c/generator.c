/* A generator: a recursive walk through a tree, which gives one word each time it is asked, from whatever depth it is at. Two walks are
 * merged, word by word; a walk that nobody finishes is freed in the middle.
 *
 *   cc generator.c $(pkg-config --cflags --libs greenrt) -o generator && ./generator
 *
 * Output:
 *   ant bee cat dog eel fox gnu hen
 *   the first two: ant cat
 */
#include <greenrt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
  const char *word;
  struct node *left, *right;
};

static struct node *insert(struct node *at, const char *word) {
  if (!at) {
    struct node *fresh = calloc(1, sizeof *fresh);
    if (!fresh) exit(1);
    fresh->word = word;
    return fresh;
  }
  if (strcmp(word, at->word) < 0)
    at->left = insert(at->left, word);
  else
    at->right = insert(at->right, word);
  return at;
}

static void fell(struct node *at) {
  if (!at) return;
  fell(at->left);
  fell(at->right);
  free(at);
}

/* Left, here, right: without a generator it could not stop in between. */
static int walk(gt_generator_t *generator, const struct node *at) {
  if (!at) return 0;
  int result = walk(generator, at->left);
  if (result == 0) result = gt_generator_yield(generator, (void *)at->word);
  return result < 0 ? result : walk(generator, at->right);
}

static int body(gt_generator_t *generator, void *tree) { return walk(generator, tree); }

/* The next word, or NULL. */
static const char *next(gt_generator_t *generator) {
  void *word = NULL;
  return gt_generator_next(generator, &word) == 1 ? word : NULL;
}

int main(void) {
  static const char *odd[] = {"eel", "ant", "gnu", "cat"}, *even[] = {"fox", "bee", "hen", "dog"};
  struct node *trees[2] = {NULL, NULL};
  for (int i = 0; i < 4; i++) {
    trees[0] = insert(trees[0], odd[i]);
    trees[1] = insert(trees[1], even[i]);
  }

  gt_generator_t *a = gt_generator_new(body, trees[0]), *b = gt_generator_new(body, trees[1]);
  if (!a || !b) return 1;
  const char *left = next(a), *right = next(b), *space = "";
  while (left || right) {
    int take_left = !right || (left && strcmp(left, right) < 0);
    printf("%s%s", space, take_left ? left : right);
    *(take_left ? &left : &right) = next(take_left ? a : b);
    space = " ";
  }
  gt_generator_free(a);
  gt_generator_free(b);

  gt_generator_t *some = gt_generator_new(body, trees[0]);
  if (!some) return 1;
  left = next(some);
  right = next(some);
  printf("\nthe first two: %s %s\n", left, right);
  gt_generator_free(some); /* its yield returns -ECANCELED, and the recursion returns */
  fell(trees[0]);
  fell(trees[1]);
  return 0;
}

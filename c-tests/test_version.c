/* Version, ABI number and error texts: what a binding asks before anything else. */
#include "support.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

TEST(version_of_library_and_header_agree) {
  char text[64];
  CHECK_STR(gt_version(), GT_VERSION);
  snprintf(text, sizeof text, "%d.%d.%d", GT_VERSION_MAJOR, GT_VERSION_MINOR, GT_VERSION_PATCH);
  CHECK_STR(gt_version(), text);
}

TEST(version_abi_number_is_the_headers) { CHECK_EQ(gt_abi_version(), GT_ABI_VERSION); }

TEST(strerror_takes_both_signs) {
  const int known[] = {EPERM, ESRCH, EINTR, EBADF, EAGAIN, ENOMEM, EBUSY, EXDEV, EINVAL, EMFILE, EPIPE, EDEADLK, ETIMEDOUT, ECANCELED, E2BIG};
  for (size_t i = 0; i < COUNT(known); i++) {
    CHECK_STR(gt_strerror(known[i]), gt_strerror(-known[i]));
    CHECK_GT(strlen(gt_strerror(known[i])), 3);
    for (size_t j = 0; j < i; j++) CHECK(strcmp(gt_strerror(known[i]), gt_strerror(known[j])) != 0);
  }
}

TEST(strerror_never_returns_null) {
  const int odd[] = {0, 1, -1, 4095, -4095, 99999, -99999, INT_MAX, INT_MIN, -INT_MAX};
  for (size_t i = 0; i < COUNT(odd); i++) CHECK(gt_strerror(odd[i]) != NULL);
}

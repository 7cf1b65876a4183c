// A second unit of the same program that includes the header: nothing in it may be defined twice.
#include "cxx.hpp"

int cxx_seen_by_a();

TEST(cxx_header_is_included_twice_and_in_two_units) {
  CHECK_EQ(cxx_seen_by_a(), 1);
  CHECK_EQ(greenrt::spawn([] { return 2; }).join(), 2);
}

extern "C" {
extern const int cxx_tests_are_here;
const int cxx_tests_are_here = 1;
}

// Includes the header twice: the second time must add nothing.
#include <greenrt.hpp>
#include <greenrt.hpp>

int cxx_seen_by_a();
int cxx_seen_by_a() {
  return greenrt::spawn([] { return 1; }).join();
}

// What the tests of greenrt.hpp share: checks for exceptions, and a value that counts its kind.
#ifndef GREENRT_TESTS_CXX_HPP
#define GREENRT_TESTS_CXX_HPP

#include <greenrt.hpp>

#include "support.h"

#include <string>

using namespace std::chrono_literals;

// The expression throws just this type.
#define CHECK_THROWS(type, ...)                                                                            \
  do {                                                                                                     \
    bool t_thrown = false;                                                                                 \
    try {                                                                                                  \
      static_cast<void>(__VA_ARGS__);                                                                      \
    } catch (const type &) {                                                                               \
      t_thrown = true;                                                                                     \
    }                                                                                                      \
    if (!t_thrown) t_fail(__FILE__, __LINE__, "%s did not throw %s", #__VA_ARGS__, #type);                 \
  } while (0)

// The expression throws a std::system_error with this errno.
#define CHECK_ERROR(number, ...)                                                                           \
  do {                                                                                                     \
    int t_number = 0;                                                                                      \
    try {                                                                                                  \
      static_cast<void>(__VA_ARGS__);                                                                      \
    } catch (const std::system_error &t_error) {                                                           \
      t_number = t_error.code().category() == std::generic_category() ? t_error.code().value() : -1;       \
    }                                                                                                      \
    t_check_int(__FILE__, __LINE__, #__VA_ARGS__, "throws", #number, t_number == (number), t_number, number); \
  } while (0)

// How many of them live; movable only.
class counted {
public:
  explicit counted(int number = 0) : number_(number) { living++; }
  counted(counted &&other) noexcept : number_(std::exchange(other.number_, -1)) { living++; }
  counted &operator=(counted &&other) noexcept {
    number_ = std::exchange(other.number_, -1);
    return *this;
  }
  ~counted() { living--; }
  int number() const { return number_; }

  static inline std::atomic<int> living{0};

private:
  int number_;
};

// Tells the order of events by s_log() when it goes.
struct leaves {
  char letter;
  ~leaves() { s_log(letter); }
};

#endif

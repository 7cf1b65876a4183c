// Tasks in C++: lambdas that give results, a scope that ends together, a channel of strings, an exception that travels to its join, and
// a task that is cancelled while it sleeps. Everything runs on one OS thread.
//
//   c++ -std=c++17 hello.cpp $(pkg-config --cflags --libs greenrt) -o hello && ./hello
//
// Output:
//   6 times 7 is 42
//   got: one
//   got: two
//   got: three
//   caught: no such word: four
//   all three words were counted: 11 letters
//   the sleeper was cancelled and cleaned up
#include <greenrt.hpp>

#include <iostream>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;

static int letters_of(const std::string &word) {
  if (word != "one" && word != "two" && word != "three") throw std::runtime_error("no such word: " + word);
  greenrt::this_task::sleep(1ms);
  return static_cast<int>(word.size());
}

// Its destructor runs when the task that owns it is cancelled.
struct bed {
  bool &made;
  ~bed() { made = true; }
};

int main() {
  auto product = greenrt::spawn([](int a, int b) { return a * b; }, 6, 7);
  std::cout << "6 times 7 is " << product.join() << "\n";

  greenrt::channel<std::string> words;
  auto sender = greenrt::spawn([&words] {
    for (const char *word : {"one", "two", "three"}) words.send(word);
    words.close();
  });
  for (const std::string &word : words) std::cout << "got: " << word << "\n";
  sender.join();

  try {
    greenrt::spawn(letters_of, "four").join();
  } catch (const std::runtime_error &e) {
    std::cout << "caught: " << e.what() << "\n";
  }

  int letters = 0;
  greenrt::scope scope;
  for (const char *word : {"one", "two", "three"}) scope.spawn([&letters, word] { letters += letters_of(word); });
  scope.join(); // if one of them threw, the others would be cancelled, and its exception thrown here
  std::cout << "all three words were counted: " << letters << " letters\n";

  bool made = false;
  auto sleeper = greenrt::spawn([&made] {
    const bed own{made};
    greenrt::this_task::sleep(1h);
  });
  if (!sleeper.wait_for(5ms)) sleeper.cancel();
  try {
    sleeper.join();
  } catch (const greenrt::cancelled &) {
    std::cout << "the sleeper was cancelled and " << (made ? "cleaned up" : "left a mess") << "\n";
  }
}

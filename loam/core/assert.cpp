#include "loam/core/assert.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace loam {
namespace {

void print_and_abort(const char* expression, const char* message, std::source_location where) {
  std::fprintf(stderr, "loam: bug: %s [%s] at %s:%u in %s\n", message, expression, where.file_name(),
               static_cast<unsigned>(where.line()), where.function_name());
  std::abort();
}

std::atomic<AssertHandler> handler{&print_and_abort};

}  // namespace

AssertHandler set_assert_handler(AssertHandler replacement) noexcept {
  return handler.exchange(replacement != nullptr ? replacement : &print_and_abort);
}

void assert_failed(const char* expression, const char* message, std::source_location where) {
  handler.load()(expression, message, where);
  std::abort();  // a handler that returned: going on would run past a broken invariant
}

}  // namespace loam

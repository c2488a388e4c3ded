#include <cstdio>

#include "loam/store/store.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto store = loam::Store::open(argv[1]);
  if (!store.ok()) {
    std::fprintf(stderr, "%s\n", store.error().to_string().c_str());
    return 1;
  }
  auto kv = (*store)->kv("greetings");
  if (!kv.ok() || !(*kv)->set("hello", "world").ok()) return 1;
  auto hit = (*kv)->get("hello");
  return hit.ok() && *hit == "world" ? 0 : 1;
}

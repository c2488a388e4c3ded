#pragma once

/// The KeyValue port in this process's memory: the reference that other adapters are compared with, and a cache with TTL.
///
///   auto store = make_memory_kv();
///   LOAM_TRY(auto kv, store->open("sessions"));
///   LOAM_TRY(kv->set("user/42", "ada", {.ttl_ms = 60'000}));

#include <memory>

#include "loam/ports/kv.hpp"

namespace [[gnu::visibility("default")]] loam {

/// An empty store, sharded so that threads on different keys do not wait for each other. Its data lives as long as the store
/// or one of its namespaces does. `clock` outlives both. Expired entries keep their memory until purge_expired(), clear() or
/// the next write to their key. *thread-safe*
std::unique_ptr<KeyValueStore> make_memory_kv(const Clock& clock = system_clock());

}  // namespace loam

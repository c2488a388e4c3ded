#pragma once

/// The KeyValue port on LMDB: a memory-mapped B+tree of copied pages. Reads take no lock and need no recovery after a crash.
///
///   LOAM_TRY(auto store, open_lmdb({.path = "state.lmdb"}));
///   LOAM_TRY(auto kv, store->open("sessions"));

#include <cstdint>
#include <memory>
#include <string>

#include "loam/ports/durability.hpp"
#include "loam/ports/kv.hpp"

namespace [[gnu::visibility("default")]] loam {

struct LmdbOptions {
  std::string path;    ///< a directory of its own; made (0700) when absent, its parent exists
  bool create = true;  ///< make the store when it is not there; else not_found
  Durability durability = Durability::full;
  std::size_t map_bytes_initial = 64u << 20;         ///< address space, not disk; doubled whenever the data outgrows it
  std::size_t map_bytes_max = std::size_t{1} << 40;  ///< beyond it a write is resource_exhausted
  unsigned readers_max = 1022;                       ///< reads at one moment in all processes; set by the first to open
  std::int64_t write_timeout_ms = 30'000;            ///< how long a writer waits for the others
};

/// Opens or creates a store. Opening a path again in one process shares the environment, and fails with failed_precondition
/// when the durability differs. After fork() the child must open it anew: what it inherited answers failed_precondition. The
/// files are trusted: bytes changed by others than LMDB can crash the process, as with every memory-mapped format. `clock`
/// outlives the store. not_found; failed_precondition when the directory holds something else, or a newer format
/// (untouched); data_corruption when the data file was cut; permission_denied. *the store is thread-safe*
Result<std::unique_ptr<KeyValueStore>> open_lmdb(LmdbOptions options, const Clock& clock = system_clock());

}  // namespace loam

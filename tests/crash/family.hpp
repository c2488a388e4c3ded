#pragma once

/// What a port gives to take part in the crash test: implement CrashFamily and add it to all_families(). The harness does
/// the rest: it plans writes, runs them alone and inside transactions with the other families, kills, and compares.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loam/store/store.hpp"
#include "tests/crash/plan.hpp"

namespace loam::crash {

using Items = std::map<std::string, std::string>;  ///< item -> content

/// One kind of data. *thread-safe*
class CrashFamily {
 public:
  virtual ~CrashFamily() = default;
  virtual std::string_view name() const = 0;
  /// Makes what is needed when it is not there (a table, a schema). Killed in the middle, it is called again.
  virtual Result<void> prepare(Store& store) = 0;
  /// Makes the writes by one call that is atomic by itself. All have a content, or none has. `style` picks among equivalent
  /// calls.
  virtual Result<void> apply(Store& store, std::span<const ItemWrite> writes, std::uint64_t style) = 0;
  /// The same inside a transaction.
  virtual Result<void> apply_in(StoreTransaction& transaction, std::span<const ItemWrite> writes, std::uint64_t style) = 0;
  /// Every item that the store holds.
  virtual Result<Items> read_all(Store& store) = 0;
  /// Items that reading finds but an index does not, and the other way round: one line each.
  virtual Result<std::vector<std::string>> index_problems(Store& store, const Items& items) = 0;
};

std::vector<std::unique_ptr<CrashFamily>> all_families();

std::unique_ptr<CrashFamily> make_kv_family();
std::unique_ptr<CrashFamily> make_tables_family();

/// The counter that all lanes share: +1 inside a transaction, and its value.
Result<void> add_to_counter(StoreTransaction& transaction);
Result<std::int64_t> read_counter(Store& store);

}  // namespace loam::crash

#pragma once

/// Where the rows of an import come from, one by one, with the place of each for messages.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loam/core/value.hpp"

namespace loam::cli {

/// One record as the source has it; fit.hpp brings its values to the types of the columns.
struct SourceRecord {
  std::int64_t line = 0;  ///< the first line of the record, from 1
  std::vector<std::pair<std::string, Value>> fields;
  /// Set when the record is malformed: "line 7, column 12: a quote inside an unquoted field". `fields` is empty then.
  std::optional<std::string> problem;
};

/// *needs external synchronization*, but abandon() is thread-safe.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  /// nullopt at the end. A malformed record is a record with a problem, and reading goes on behind it; an error means that
  /// the source itself cannot be read any further.
  virtual Result<std::optional<SourceRecord>> next() = 0;
  /// "packages.jsonl".
  virtual std::string name() const = 0;
  /// What next() is waiting for is not wanted any more.
  virtual void abandon() noexcept = 0;
  /// True when strings are text whose type the column decides (CSV).
  virtual bool untyped() const = 0;
  virtual std::int64_t bytes_read() const = 0;
  virtual std::optional<std::int64_t> bytes_total() const = 0;
};

}  // namespace loam::cli

#pragma once

/// One table of awkward rows in a database and, beside it, the same rows in memory: what a compiled filter finds must be
/// what the evaluator says.

#include <memory>
#include <string>
#include <vector>

#include "loam/ports/database.hpp"
#include "loam/query/filter_generators.hpp"

namespace loam::test {

class SampleTable {
 public:
  /// Creates the table `sample` and stores `count` rows drawn with `seed`. The database outlives this object.
  static Result<std::unique_ptr<SampleTable>> create(Database& db, std::size_t count, std::uint64_t seed);

  /// Empty when, for the filter and for its negation, the database finds just the rows for which evaluate() says yes; else
  /// what differs, with the row, the SQL and its parameters.
  std::string disagreement(const Filter& filter);

  std::size_t rows_matched() const { return rows_matched_; }
  const std::vector<SampleRow>& rows() const { return rows_; }

 private:
  SampleTable(Database& db, std::vector<SampleRow> rows) : db_(db), rows_(std::move(rows)) {}
  Result<std::vector<bool>> found_by(const SqlText& condition);
  std::string compare(const Filter& bound);

  Database& db_;
  std::vector<SampleRow> rows_;
  std::size_t rows_matched_ = 0;
};

/// The base seed of the rows: LOAM_TEST_SEED, or 1.
std::uint64_t base_seed();

}  // namespace loam::test

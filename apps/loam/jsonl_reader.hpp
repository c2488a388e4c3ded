#pragma once

/// One JSON object for each line (jsonlines.org).

#include <memory>

#include "apps/loam/line_reader.hpp"
#include "apps/loam/record_source.hpp"

namespace loam::cli {

/// Blank lines are passed over. Nested objects and arrays come as Json, numbers with a point as Decimal (exact), integers
/// beyond 64 bits as Decimal too.
class JsonlReader final : public RecordSource {
 public:
  explicit JsonlReader(std::unique_ptr<Input> input) : input_(std::move(input)), lines_(*input_) {}

  Result<std::optional<SourceRecord>> next() override;
  std::string name() const override { return input_->name(); }
  void abandon() noexcept override { input_->abandon(); }
  bool untyped() const override { return false; }
  std::int64_t bytes_read() const override { return input_->bytes_read(); }
  std::optional<std::int64_t> bytes_total() const override { return input_->bytes_total(); }

 private:
  std::unique_ptr<Input> input_;
  LineReader lines_;
};

/// The fields of one object, or what is wrong with it and at which column (in characters, from 1).
SourceRecord parse_json_record(std::string_view text, std::int64_t line);

}  // namespace loam::cli

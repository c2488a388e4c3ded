#pragma once

/// Which kind of file a name stands for.

#include <optional>
#include <string>

#include "loam/core/result.hpp"

namespace loam::cli {

enum class FileKind { jsonl, csv };

struct FileFormat {
  FileKind kind = FileKind::jsonl;
  char delimiter = ',';  ///< of csv
};

/// .jsonl, .ndjson, .csv, .tsv, unless `format` ("jsonl", "csv") says it; `delimiter` is one ASCII character or "tab".
/// invalid_argument when neither does.
Result<FileFormat> file_format(const std::string& path, const std::optional<std::string>& format,
                               const std::optional<std::string>& delimiter = std::nullopt);

}  // namespace loam::cli

#include "apps/loam/file_format.hpp"

namespace loam::cli {

Result<FileFormat> file_format(const std::string& path, const std::optional<std::string>& format,
                               const std::optional<std::string>& delimiter) {
  FileFormat found;
  bool is_csv = path.ends_with(".csv") || path.ends_with(".tsv");
  if (path.ends_with(".tsv")) found.delimiter = '\t';
  if (format) {
    found.kind = *format == "csv" ? FileKind::csv : FileKind::jsonl;
  } else if (is_csv) {
    found.kind = FileKind::csv;
  } else if (!path.ends_with(".jsonl") && !path.ends_with(".ndjson")) {
    return invalid_argument("the name \"" + path + "\" does not say whether it is JSONL or CSV")
        .hint("say --input-format jsonl or csv (for export: --output-format)");
  }
  if (!delimiter) return found;
  if (found.kind != FileKind::csv) return invalid_argument("--delimiter is of CSV files only");
  char character = *delimiter == "tab" ? '\t' : delimiter->size() == 1 ? (*delimiter)[0] : '"';
  if (character == '"' || character == '\n' || character == '\r' || static_cast<unsigned char>(character) >= 0x80)
    return invalid_argument("--delimiter: \"" + *delimiter +
                            "\" is not one ASCII character other than a quote or a line end");
  found.delimiter = character;
  return found;
}

}  // namespace loam::cli

#include "loam/store/manifest.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "loam/core/sha256.hpp"

namespace loam::store_internal {
namespace {

constexpr std::string_view first_line = "loam-backup 1";
constexpr std::size_t name_bytes_max = 255;
constexpr std::size_t name_parts_max = 4;
constexpr std::size_t sha256_digits = 64;

bool is_hash(std::string_view text) {
  return text.size() == sha256_digits &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_safe_part(std::string_view part) {
  if (part.empty() || part.front() == '.') return false;
  return std::all_of(part.begin(), part.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
  });
}

/// Takes lines and their fields off the front of a text.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  /// Without its newline; absent when there is no whole line.
  std::optional<std::string_view> line() {
    auto end = rest_.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    auto text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  /// The next line when it is `key value`: the value.
  std::optional<std::string_view> value_of(std::string_view key) {
    auto text = line();
    if (!text || !text->starts_with(key) || text->size() <= key.size() || (*text)[key.size()] != ' ') return std::nullopt;
    return text->substr(key.size() + 1);
  }

 private:
  std::string_view rest_;
};

std::optional<std::int64_t> parse_count(std::string_view text) {
  std::int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

/// `<hash> <bytes> <name>`
std::optional<ManifestFile> parse_file(std::string_view text) {
  if (text.size() < sha256_digits + 4 || text[sha256_digits] != ' ') return std::nullopt;
  std::string_view hash = text.substr(0, sha256_digits);
  text.remove_prefix(sha256_digits + 1);
  auto space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto bytes = parse_count(text.substr(0, space));
  std::string_view name = text.substr(space + 1);
  if (!bytes || !is_hash(hash) || !is_safe_file_name(name)) return std::nullopt;
  return ManifestFile{std::string(name), *bytes, std::string(hash)};
}

Error damaged(std::string what) { return data_corruption("the backup's manifest is damaged: " + std::move(what)); }

Result<Manifest> parse_lines(std::string_view text) {
  LineReader lines(text);
  if (lines.line() != first_line) return damaged("its first line is not \"" + std::string(first_line) + "\"");
  Manifest manifest;
  auto taken_at = lines.value_of("taken-at");
  if (!taken_at) return damaged("no line \"taken-at\"");
  auto time = parse_timestamp(*taken_at);
  if (!time.ok()) return damaged("its time cannot be read");
  manifest.taken_at = *time;
  auto format = lines.value_of("store-format");
  auto format_number = format ? parse_count(*format) : std::nullopt;
  if (!format_number) return damaged("no line \"store-format\"");
  manifest.store_format = *format_number;
  auto engine = lines.value_of("engine");
  if (!engine) return damaged("no line \"engine\"");
  manifest.engine = std::string(*engine);
  while (!lines.done()) {
    auto line = lines.value_of("file");
    auto file = line ? parse_file(*line) : std::nullopt;
    if (!file) return damaged("line " + std::to_string(manifest.files.size() + 5) + " does not name a file of a backup");
    if (!manifest.files.empty() && manifest.files.back().name >= file->name)
      return damaged("its files are not in order, or one is named twice");
    manifest.files.push_back(std::move(*file));
  }
  return manifest;
}

}  // namespace

std::string encode_manifest(Manifest manifest) {
  std::sort(manifest.files.begin(), manifest.files.end(),
            [](const ManifestFile& a, const ManifestFile& b) { return a.name < b.name; });
  std::string text = std::string(first_line) + "\n";
  text += "taken-at " + to_string(manifest.taken_at) + "\n";
  text += "store-format " + std::to_string(manifest.store_format) + "\n";
  text += "engine " + manifest.engine + "\n";
  for (const ManifestFile& file : manifest.files)
    text += "file " + file.sha256 + " " + std::to_string(file.bytes) + " " + file.name + "\n";
  return text + "sha256 " + sha256_hex(text) + "\n";
}

Result<Manifest> decode_manifest(std::string_view text) {
  constexpr std::size_t last_line_bytes = 7 + sha256_digits + 1;
  if (text.size() <= last_line_bytes || text.back() != '\n') return damaged("it does not end with the line of its hash");
  std::string_view body = text.substr(0, text.size() - last_line_bytes);
  if (text.substr(body.size()) != "sha256 " + sha256_hex(body) + "\n") return damaged("its own hash does not fit");
  LOAM_TRY(auto manifest, parse_lines(body));
  if (encode_manifest(manifest) != text) return damaged("it is not in the form that a backup writes");
  return manifest;
}

bool is_safe_file_name(std::string_view name) {
  if (name.empty() || name.size() > name_bytes_max) return false;
  std::size_t parts = 1;
  for (auto slash = name.find('/'); slash != std::string_view::npos; slash = name.find('/')) {
    if (!is_safe_part(name.substr(0, slash)) || ++parts > name_parts_max) return false;
    name.remove_prefix(slash + 1);
  }
  return is_safe_part(name);
}

}  // namespace loam::store_internal

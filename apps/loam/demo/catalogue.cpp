#include "apps/loam/demo/catalogue.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "apps/loam/json_writer.hpp"
#include "apps/loam/line_reader.hpp"
#include "apps/loam/text_layout.hpp"
#include "loam/core/utf8.hpp"

namespace loam::cli {
namespace {

constexpr const char* installed_packages = "/var/lib/dpkg/status";
constexpr std::size_t stanza_bytes_max = 1u << 20;
constexpr std::size_t file_text_bytes_max = 2'000;

Value text_of(const std::vector<std::pair<std::string, std::string>>& fields, std::string_view name) {
  for (const auto& [field, value] : fields)
    if (field == name) return Value(value);
  return Value();
}

Value number_of(const std::vector<std::pair<std::string, std::string>>& fields, std::string_view name) {
  Value text = text_of(fields, name);
  std::int64_t number = 0;
  if (text.is_null()) return text;
  const std::string& digits = text.as<std::string>();
  auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return code == std::errc() && end == digits.data() + digits.size() ? Value(number) : Value();
}

/// "role::program, uitoolkit::qt" as a JSON array.
Value tags_of(const std::vector<std::pair<std::string, std::string>>& fields) {
  Value text = text_of(fields, "Tag");
  JsonWriter json;
  json.begin_array();
  std::string list = text.is_null() ? "" : text.as<std::string>();
  for (std::size_t start = 0; start < list.size();) {
    std::size_t end = std::min(list.find(',', start), list.size());
    std::size_t first = list.find_first_not_of(" \n", start);
    if (first < end) json.string(std::string_view(list).substr(first, end - first));
    start = end + 1;
  }
  json.end_array();
  return Value(Json{json.take()});
}

/// Stanzas of a Debian control file (deb-control(5)): "Field: value", continued by lines that begin with a blank.
class PackageSource final : public RecordSource {
 public:
  PackageSource(std::unique_ptr<ChildProcess> child, std::unique_ptr<Input> input, std::int64_t records_max)
      : child_(std::move(child)), input_(std::move(input)), lines_(*input_, stanza_bytes_max), records_left_(records_max) {}

  Result<std::optional<SourceRecord>> next() override {
    while (records_left_ > 0) {
      LOAM_TRY(std::optional<SourceRecord> record, next_stanza());
      if (!record) break;
      if (record->fields.empty()) continue;
      --records_left_;
      return record;
    }
    return std::optional<SourceRecord>();
  }
  std::string name() const override { return input_->name(); }
  void abandon() noexcept override { input_->abandon(); }
  bool untyped() const override { return false; }
  std::int64_t bytes_read() const override { return input_->bytes_read(); }
  std::optional<std::int64_t> bytes_total() const override { return input_->bytes_total(); }

 private:
  /// A record without fields for a stanza that is no package.
  Result<std::optional<SourceRecord>> next_stanza() {
    std::vector<std::pair<std::string, std::string>> fields;
    std::int64_t first_line = 0;
    for (;;) {
      LOAM_TRY(std::optional<Line> line, lines_.next());
      if (!line && fields.empty()) return std::optional<SourceRecord>();
      if (!line || line->text.empty()) {
        if (fields.empty()) continue;
        return std::optional(package_record(fields, first_line));
      }
      if (first_line == 0) first_line = line->number;
      std::size_t colon = line->text.find(':');
      if ((line->text[0] == ' ' || line->text[0] == '\t') && !fields.empty()) {
        fields.back().second += "\n" + std::string(line->text.substr(1));
      } else if (colon != std::string_view::npos) {
        std::string_view value = line->text.substr(colon + 1);
        if (value.starts_with(' ')) value.remove_prefix(1);
        fields.emplace_back(line->text.substr(0, colon), value);
      }
    }
  }

  std::unique_ptr<ChildProcess> child_;
  std::unique_ptr<Input> input_;
  LineReader lines_;
  std::int64_t records_left_;
};

/// Text files below a directory: what a machine without packages has.
class FileSource final : public RecordSource {
 public:
  FileSource(std::string root, std::int64_t records_max)
      : root_(std::move(root)),
        entries_(root_, std::filesystem::directory_options::skip_permission_denied, failure_),
        records_left_(records_max) {}

  Result<std::optional<SourceRecord>> next() override {
    for (std::filesystem::recursive_directory_iterator end;
         !failure_ && records_left_ > 0 && !abandoned_ && entries_ != end;) {
      std::filesystem::directory_entry entry = *entries_;
      std::string name = entry.path().filename().string();
      if (entry.is_directory(failure_) && (name.starts_with('.') || name == "build")) entries_.disable_recursion_pending();
      entries_.increment(failure_);
      std::optional<SourceRecord> record = read(entry);
      if (!record) continue;
      --records_left_;
      return record;
    }
    return std::optional<SourceRecord>();
  }
  std::string name() const override { return root_; }
  void abandon() noexcept override { abandoned_.store(true); }
  bool untyped() const override { return false; }
  std::int64_t bytes_read() const override { return bytes_read_; }
  std::optional<std::int64_t> bytes_total() const override { return std::nullopt; }

 private:
  std::optional<SourceRecord> read(const std::filesystem::directory_entry& entry) {
    std::error_code ignored;
    if (!entry.is_regular_file(ignored)) return std::nullopt;
    auto input = Input::open(entry.path().string(), Context());
    if (!input.ok()) return std::nullopt;
    std::string text(file_text_bytes_max, '\0');
    auto count = (*input)->read(text.data(), text.size());
    text.resize(count.ok() ? *count : 0);
    for (int cut = 0; cut < 3 && !text.empty() && !is_utf8(text); ++cut) text.pop_back();  // a character cut in two
    std::string path = entry.path().lexically_relative(root_).string();
    if (text.empty() || !is_utf8(text) || text.find('\0') != std::string::npos || !is_utf8(path)) return std::nullopt;
    bytes_read_ += static_cast<std::int64_t>(text.size());
    SourceRecord record{.line = ++number_};
    record.fields = {{"name", Value(path)},
                     {"section", Value(entry.path().extension().string())},
                     {"installed_size", Value(static_cast<std::int64_t>(entry.file_size(ignored) / 1024))},
                     {"tags", Value(Json{"[]"})},
                     {"description", Value(std::move(text))}};
    return record;
  }

  std::string root_;
  std::error_code failure_;
  std::filesystem::recursive_directory_iterator entries_;
  std::int64_t records_left_;
  std::int64_t number_ = 0;
  std::int64_t bytes_read_ = 0;
  std::atomic<bool> abandoned_ = false;
};

/// How many packages the lists hold, which makes a bar of the progress; 0 when apt does not say.
std::int64_t count_packages(const Context& context) {
  auto child = ChildProcess::start("apt-cache", {"stats"}, context);
  if (!child.ok()) return 0;
  auto input = (*child)->take_output();
  auto text = read_all(*input, stanza_bytes_max);
  if (!text.ok()) return 0;
  std::size_t at = text->find("Total distinct versions:");
  if (at == std::string::npos) return 0;
  at = text->find_first_of("0123456789", at);
  std::int64_t count = 0;
  if (at != std::string::npos) std::from_chars(text->data() + at, text->data() + text->size(), count);
  return count;
}

/// Reads ahead by one record to find out whether there is any.
Result<bool> has_records(const std::string& program, const std::vector<std::string>& arguments, const Context& context) {
  auto child = ChildProcess::start(program, arguments, context);
  if (!child.ok()) return false;
  PackageSource source(nullptr, (*child)->take_output(), 1);
  LOAM_TRY(auto record, source.next());
  return record.has_value();
}

}  // namespace

SourceRecord package_record(const std::vector<std::pair<std::string, std::string>>& fields, std::int64_t line) {
  SourceRecord record{.line = line};
  Value name = text_of(fields, "Package");
  if (name.is_null()) return record;
  for (const auto& [field, value] : fields)
    if (!is_utf8(value)) return record;
  record.fields = {{"name", std::move(name)},
                   {"version", text_of(fields, "Version")},
                   {"section", text_of(fields, "Section")},
                   {"priority", text_of(fields, "Priority")},
                   {"architecture", text_of(fields, "Architecture")},
                   {"maintainer", text_of(fields, "Maintainer")},
                   {"installed_size", number_of(fields, "Installed-Size")},
                   {"depends", text_of(fields, "Depends")},
                   {"tags", tags_of(fields)},
                   {"description", text_of(fields, "Description")}};
  return record;
}

TableSchema catalogue_schema(const std::string& name) {
  return {.name = name,
          .columns = {{.name = "name", .type = ValueKind::string, .nullable = false},
                      {.name = "version", .type = ValueKind::string},
                      {.name = "section", .type = ValueKind::string},
                      {.name = "priority", .type = ValueKind::string},
                      {.name = "architecture", .type = ValueKind::string},
                      {.name = "maintainer", .type = ValueKind::string},
                      {.name = "installed_size", .type = ValueKind::int64},
                      {.name = "depends", .type = ValueKind::string},
                      {.name = "tags", .type = ValueKind::json},
                      {.name = "description", .type = ValueKind::string}},
          .primary_key = {"name"},
          .text_columns = {"name", "description"},
          .embedding = EmbeddingSpec{.source_columns = {"name", "description"}}};
}

Result<Catalogue> open_catalogue(std::int64_t records_max, const Context& context) {
  LOAM_TRY(bool apt_has_lists, has_records("apt-cache", {"dumpavail"}, context));
  if (apt_has_lists) {
    LOAM_TRY(auto child, ChildProcess::start("apt-cache", {"dumpavail"}, context));
    auto output = child->take_output();
    return Catalogue{.description = "the package lists of apt on this machine (apt-cache dumpavail)",
                     .source = std::make_unique<PackageSource>(std::move(child), std::move(output), records_max),
                     .records_expected = std::min(records_max, count_packages(context))};
  }
  auto status = Input::open(installed_packages, context);
  if (status.ok())
    return Catalogue{.description = std::string("the packages installed on this machine (") + installed_packages + ")",
                     .source = std::make_unique<PackageSource>(nullptr, std::move(status).value(), records_max)};
  std::error_code failure;
  std::string root = std::filesystem::current_path(failure).string();
  return Catalogue{.kind = CatalogueKind::files,
                   .description = "the text files below " + root,
                   .source = std::make_unique<FileSource>(root, records_max)};
}

}  // namespace loam::cli

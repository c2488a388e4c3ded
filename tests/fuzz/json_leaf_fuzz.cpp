/// A stored document may hold any bytes: looking into it ends, stays inside it, and takes for JSON just what is JSON.
/// The input is a path and a document with a NUL between them; path parts are separated by line ends.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "loam/query/filter_parse.hpp"
#include "loam/query/json_find.hpp"
#include "loam/query/leaf.hpp"
#include "tests/fuzz/require.hpp"

namespace loam {
namespace {

std::vector<std::string> path_of(std::string_view text) {
  std::vector<std::string> path;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    path.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return path;
}

/// The library also refuses bytes that are not UTF-8 and numbers beyond a double, which are not this reader's business.
bool library_takes(std::string_view document, bool& foreign_reason) {
  try {
    auto tree = nlohmann::json::parse(document);
    return !tree.is_discarded();
  } catch (const nlohmann::json::exception& error) {
    std::string reason = error.what();
    foreign_reason = reason.find("UTF-8") != reason.npos || reason.find("number overflow") != reason.npos;
    return false;
  }
}

void check(std::string_view input) {
  std::size_t split = input.find('\0');
  if (split == input.npos) return;
  std::vector<std::string> path = path_of(input.substr(0, split));
  std::string_view document = input.substr(split + 1);

  bool foreign_reason = false;
  bool expected = library_takes(document, foreign_reason);
  // The library passes over a byte order mark and takes NUL for the end; RFC 8259 knows neither.
  bool lenient = document.starts_with("\xEF\xBB\xBF") || document.find('\0') != document.npos;
  if (!foreign_reason && !lenient)
    fuzz::require(find_json(document, {}).has_value() == expected, "not the library's idea of JSON");

  auto leaf = find_json(document, path);
  if (leaf) {
    bool inside =
        leaf->text.data() >= document.data() && leaf->text.data() + leaf->text.size() <= document.data() + document.size();
    fuzz::require(inside && find_json(leaf->text, {}).has_value(), "a leaf that is no value of the document");
  }
  for (FilterOp op : {FilterOp::eq, FilterOp::lt, FilterOp::contains, FilterOp::like, FilterOp::in}) {
    for (const Value& literal : {Value(1), Value(0.5), Value("a%"), Value(true)}) {
      if (op == FilterOp::like && literal.kind() != ValueKind::string) continue;
      (void)evaluate_json_leaf(Filter{.op = op, .field = {"v", path}, .values = {literal}, .children = {}}, document);
    }
  }
}

}  // namespace
}  // namespace loam

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  loam::check({reinterpret_cast<const char*>(data), size});
  return 0;
}

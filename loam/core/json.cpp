#include "loam/core/json.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include "loam/core/json_internal.hpp"
#include "loam/core/limits.hpp"

namespace loam {
namespace {

using Tree = nlohmann::ordered_json;

std::string position_of(std::string_view text, std::size_t offset) {
  std::string_view before = text.substr(0, std::min(offset, text.size()));
  auto line = std::count(before.begin(), before.end(), '\n') + 1;
  auto newline = before.rfind('\n');
  auto column = newline == std::string_view::npos ? before.size() + 1 : before.size() - newline;
  return std::to_string(line) + ":" + std::to_string(column);
}

/// Watches the depth and the first error; optionally repeated names. Builds nothing.
class Checker final : public nlohmann::json_sax<Tree> {
 public:
  Checker(std::string_view text, bool unique_names) : text_(text), unique_names_(unique_names) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    if (!unique_names_ || names_.back().insert(name).second) return true;
    problem_ = "the member " + quote_json(name) + " is given twice";
    return false;
  }

  bool parse_error(std::size_t offset, const std::string& token, const nlohmann::detail::exception&) override {
    // The offset counts the bytes read, the offending one included.
    std::size_t at = offset == 0 ? 0 : offset - 1;
    problem_ = "not well-formed JSON at " + position_of(text_, at);
    if (at >= text_.size()) {
      problem_ += ": the text ends too early";
    } else if (!token.empty()) {
      problem_ += ", near " + quote_json(std::string_view(token).substr(0, 40));
    }
    return false;
  }

  std::string take_problem() { return std::move(problem_); }

 private:
  bool enter() {
    names_.emplace_back();
    if (names_.size() <= limits::json_depth_max) return true;
    problem_ = "the JSON is nested deeper than " + std::to_string(limits::json_depth_max) + " levels";
    return false;
  }
  bool leave() {
    names_.pop_back();
    return true;
  }

  std::string_view text_;
  bool unique_names_;
  std::vector<std::set<std::string>> names_;
  std::string problem_;
};

Result<void> check(std::string_view text, bool unique_names) {
  if (text.size() > limits::json_bytes_max)
    return invalid_argument("the JSON text has " + std::to_string(text.size()) + " bytes, over the limit of " +
                            std::to_string(limits::json_bytes_max));
  Checker checker(text, unique_names);
  if (Tree::sax_parse(text.begin(), text.end(), &checker)) return {};
  return invalid_argument(checker.take_problem());
}

Result<Tree> checked_tree(std::string_view text, bool unique_names) {
  LOAM_TRY(check(text, unique_names));
  return Tree::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

}  // namespace

Result<void> check_json(std::string_view text) { return check(text, false); }
Result<Tree> parse_json(std::string_view text) { return checked_tree(text, false); }
Result<Tree> parse_json_strict(std::string_view text) { return checked_tree(text, true); }

std::string quote_json(std::string_view text) {
  return nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace loam

#include "loam/query/filter_error.hpp"

#include "loam/core/result.hpp"
#include "loam/query/code_points.hpp"

namespace loam {

std::string line_and_column(std::string_view text, std::size_t offset) {
  std::size_t line = 1, column = 1;
  for (std::size_t at = 0; at < offset && at < text.size();) {
    bool line_end = text[at] == '\n';
    at += first_code_point(text.substr(at)).bytes;
    column = line_end ? 1 : column + 1;
    line += line_end ? 1 : 0;
  }
  return std::to_string(line) + ':' + std::to_string(column);
}

Error filter_error(std::string_view text, std::size_t offset, std::string_view message, std::source_location where) {
  return invalid_argument("filter at " + line_and_column(text, offset) + ": " + std::string(message), where);
}

std::string excerpt(std::string_view text) {
  constexpr std::size_t code_points_max = 40;
  std::string result = "\"";
  std::size_t count = 0;
  while (!text.empty() && count++ < code_points_max) {
    CodePointStep step = first_code_point(text);
    bool printable = step.well_formed && step.code_point >= 0x20 && !(step.code_point >= 0x7F && step.code_point < 0xA0);
    result += printable ? std::string(text.substr(0, step.bytes)) : "?";
    text.remove_prefix(step.bytes);
  }
  return result + (text.empty() ? "\"" : "..\"");
}

}  // namespace loam

#include <charconv>
#include <cmath>

#include "apps/loam/fit.hpp"
#include "apps/loam/handlers.hpp"
#include "apps/loam/input.hpp"
#include "apps/loam/search_output.hpp"
#include "apps/loam/session.hpp"
#include "loam/core/limits.hpp"

namespace loam::cli {
namespace {

SearchMode parse_mode(const std::string& word) {
  if (word == "hybrid") return SearchMode::hybrid;
  if (word == "vector") return SearchMode::vector;
  return word == "text" ? SearchMode::text : SearchMode::automatic;
}

TextMatch parse_match(const std::string& word) {
  if (word == "all") return TextMatch::all;
  return word == "any" ? TextMatch::any : TextMatch::automatic;
}

Result<Vector> read_vector(Session& session, std::string text) {
  if (text.starts_with('@')) {
    LOAM_TRY(auto input, Input::open(text.substr(1), session.context()));
    LOAM_TRY(text, read_all(*input, limits::dimension_max * 32));
  }
  std::size_t commas = 0;
  for (char c : text) commas += c == ',' ? 1 : 0;
  ColumnSpec column{.name = "--vector", .type = ValueKind::vector, .dimension = commas + 1};
  auto value = fit_field(Value(text), column, TextIs::untyped);
  if (!value.ok()) return invalid_argument("--vector: " + value.error().message());
  return value->as<Vector>();
}

bool parse_double(std::string_view text, double& number) {
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  return code == std::errc() && end == text.data() + text.size() && std::isfinite(number);
}

/// "rrf", "rrf:60", "weighted:0.7,0.3".
Result<std::unique_ptr<Reranker>> parse_fusion(const std::string& text) {
  std::string_view name = std::string_view(text).substr(0, text.find(':'));
  std::string_view numbers =
      name.size() == text.size() ? std::string_view() : std::string_view(text).substr(name.size() + 1);
  double first = 60;
  if (name == "rrf" && (name.size() == text.size() || (parse_double(numbers, first) && first > 0)))
    return reciprocal_rank_fusion(first);
  std::size_t comma = numbers.find(',');
  double second = 0;
  if (name == "weighted" && comma != std::string_view::npos && parse_double(numbers.substr(0, comma), first) &&
      parse_double(numbers.substr(comma + 1), second))
    return weighted_fusion(first, second);
  return invalid_argument("--fusion: \"" + text + "\" is not rrf, rrf:K with K above 0, or weighted:V,T");
}

}  // namespace

Result<void> run_search(Session& session) {
  const Arguments& arguments = session.arguments();
  SearchRequest request;
  request.text = arguments.text("QUERY").value_or("");
  request.mode = parse_mode(arguments.text("--mode").value_or("auto"));
  request.match = parse_match(arguments.text("--match").value_or("auto"));
  request.where = arguments.text("--where").value_or("");
  LOAM_TRY(request.select, arguments.list("--select"));
  LOAM_TRY(std::int64_t limit, arguments.integer("--limit", 10, 1, limits::search_k_max));
  LOAM_TRY(std::int64_t offset, arguments.integer("--offset", 0, 0, limits::search_k_max));
  LOAM_TRY(std::int64_t candidates, arguments.integer("--candidates", 0, 1, limits::search_k_max));
  request.limit = static_cast<std::size_t>(limit);
  request.offset = static_cast<std::size_t>(offset);
  request.candidates = static_cast<std::size_t>(candidates);
  LOAM_TRY(request.threshold, arguments.number("--threshold"));
  if (auto text = arguments.text("--vector")) {
    LOAM_TRY(request.vector, read_vector(session, *text));
  }
  if (!arguments.has("QUERY") && request.vector.empty())
    return invalid_argument("loam search needs QUERY, or a vector by --vector").hint("loam search --help shows examples");
  std::unique_ptr<Reranker> reranker;
  if (auto text = arguments.text("--fusion")) {
    LOAM_TRY(reranker, parse_fusion(*text));
    request.reranker = reranker.get();
  }
  LOAM_TRY(auto store, session.open_store(StoreUse::read));
  LOAM_TRY(auto table, session.open_table(*store));
  LOAM_TRY(SearchResult result, table->search(request, session.context()));
  return print_search(session, result, arguments.flag("--explain"));
}

}  // namespace loam::cli

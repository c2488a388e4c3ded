#include "apps/loam/search_output.hpp"

#include <algorithm>
#include <cmath>

#include "apps/loam/text_layout.hpp"

namespace loam::cli {
namespace {

/// Which scores stand in front of the columns of the rows.
struct ScoreColumns {
  bool distance = false;
  bool text_score = false;
};

ScoreColumns score_columns(const SearchResult& result) {
  ScoreColumns columns;
  for (const SearchHit& hit : result.hits) {
    columns.distance = columns.distance || hit.distance.has_value();
    columns.text_score = columns.text_score || hit.text_score.has_value();
  }
  return columns;
}

/// People need no seventeen digits.
Value shown(std::optional<double> number, Format format) {
  if (!number) return Value();
  return format == Format::table ? Value(std::round(*number * 1e4) / 1e4) : Value(*number);
}

std::vector<std::string> column_names(const SearchResult& result, ScoreColumns scores) {
  std::vector<std::string> columns = {"_score"};
  if (scores.distance) columns.push_back("_distance");
  if (scores.text_score) columns.push_back("_text_score");
  columns.insert(columns.end(), result.rows.columns.begin(), result.rows.columns.end());
  return columns;
}

std::vector<Value> row_values(const SearchResult& result, std::size_t row, ScoreColumns scores, Format format) {
  const SearchHit& hit = result.hits[row];
  std::vector<Value> values = {shown(hit.score, format)};
  if (scores.distance) values.push_back(shown(hit.distance, format));
  if (scores.text_score) values.push_back(shown(hit.text_score, format));
  values.insert(values.end(), result.rows.rows[row].begin(), result.rows.rows[row].end());
  return values;
}

void append_explain(JsonWriter& json, const SearchExplain& explain) {
  json.begin_object().key("mode").string(mode_name(explain.mode));
  json.key("vector_plan").string(explain.vector_plan).key("text_plan").string(explain.text_plan);
  json.key("fusion").string(explain.fusion).key("filter_sql").string(explain.filter_sql);
  json.key("filter_matches");
  explain.filter_matches < 0 ? json.null() : json.integer(explain.filter_matches);
  json.key("distances_computed").integer(explain.distances_computed).key("candidates").integer(explain.candidates);
  json.key("timings_ms").begin_object();
  for (const auto& [step, ms] : explain.timings_ms) json.key(step).number(ms);
  json.end_object().end_object();
}

Result<void> print_document(Session& session, const SearchResult& result, bool explain) {
  ScoreColumns scores = score_columns(result);
  std::vector<std::string> columns = column_names(result, scores);
  JsonWriter json;
  json.begin_object().key("mode").string(mode_name(result.explain.mode)).key("rows").begin_array();
  for (std::size_t i = 0; i < result.hits.size(); ++i) {
    std::vector<Value> values = row_values(result, i, scores, Format::json);
    json.begin_object();
    for (std::size_t c = 0; c < columns.size(); ++c) json.key(columns[c]).value(values[c]);
    json.end_object();
  }
  json.end_array();
  if (explain) {
    json.key("explain");
    append_explain(json, result.explain);
  }
  json.end_object();
  return session.out().write(json.take() + "\n");
}

}  // namespace

std::string_view mode_name(SearchMode mode) noexcept {
  switch (mode) {
    case SearchMode::automatic: return "auto";
    case SearchMode::vector: return "vector";
    case SearchMode::text: return "text";
    case SearchMode::hybrid: return "hybrid";
  }
  return "auto";
}

std::vector<std::string> explain_lines(const SearchExplain& explain) {
  std::vector<std::string> lines = {"mode     " + std::string(mode_name(explain.mode))};
  if (!explain.filter_sql.empty())
    lines.push_back("filter   " + explain.filter_sql +
                    (explain.filter_matches < 0 ? "" : " (" + with_thousands(explain.filter_matches) + " rows)"));
  if (!explain.vector_plan.empty())
    lines.push_back("vector   " + explain.vector_plan + ", " + with_thousands(explain.distances_computed) + " distances");
  if (!explain.text_plan.empty()) lines.push_back("text     " + explain.text_plan);
  if (!explain.fusion.empty())
    lines.push_back("fusion   " + explain.fusion + " of " + with_thousands(explain.candidates) + " candidates");
  std::string timings;
  double total = 0;
  for (const auto& [step, ms] : explain.timings_ms) {
    timings += (timings.empty() ? "" : ", ") + step + " " + fixed(ms, 2);
    total += ms;
  }
  lines.push_back("time     " + fixed(total, 2) + " ms: " + timings);
  return lines;
}

Result<void> print_search(Session& session, const SearchResult& result, bool explain) {
  if (session.format() == Format::json) return print_document(session, result, explain);
  ScoreColumns scores = score_columns(result);
  auto writer = session.rows(column_names(result, scores));
  for (std::size_t i = 0; i < result.hits.size(); ++i)
    LOAM_TRY(writer->row(row_values(result, i, scores, session.format())));
  LOAM_TRY(writer->finish());
  if (!explain) return {};
  LOAM_TRY(session.out().flush());
  for (const std::string& line : explain_lines(result.explain)) session.note(line);
  return {};
}

}  // namespace loam::cli

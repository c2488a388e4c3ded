#include "loam/relational/tables_search.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <unordered_map>

#include "loam/core/limits.hpp"
#include "loam/core/utf8.hpp"
#include "loam/ports/tables_values.hpp"
#include "loam/relational/tables_embedding.hpp"
#include "loam/relational/tables_reader.hpp"

namespace loam::relational {
namespace {

/// What a request asks for, checked against the table.
struct SearchPlan {
  SearchMode mode = SearchMode::automatic;  ///< vector, text or hybrid
  std::size_t vector_column = 0;
  Selection selection;
  RowFilter filter;
  std::size_t wanted = 0;     ///< limit + offset
  std::size_t list_size = 0;  ///< rows of each list
  bool uses_vector() const { return mode != SearchMode::text; }
  bool uses_text() const { return mode != SearchMode::vector; }
};

std::string table_text(const TableLayout& layout) { return "table \"" + layout.schema.name + "\""; }

Result<void> check_numbers(const SearchRequest& request) {
  if (request.limit == 0) return invalid_argument("a search with limit 0 asks for nothing");
  if (request.limit > limits::search_k_max || request.offset > limits::search_k_max - request.limit)
    return invalid_argument("limit + offset of a search is at most " + std::to_string(limits::search_k_max));
  if (request.candidates > limits::search_k_max)
    return invalid_argument("a search takes at most " + std::to_string(limits::search_k_max) + " candidates");
  if (request.threshold && std::isnan(*request.threshold)) return invalid_argument("the threshold of a search is NaN");
  return {};
}

Result<void> check_text(const std::string& text) {
  if (text.size() > limits::query_text_bytes_max)
    return invalid_argument("the query text has " + std::to_string(text.size()) + " bytes; at most " +
                            std::to_string(limits::query_text_bytes_max) + " are allowed");
  if (!is_utf8(text)) return invalid_argument("the query text is not valid UTF-8");
  if (text.find('\0') != text.npos) return invalid_argument("the query text holds a NUL character");
  return {};
}

SearchMode automatic_mode(const TableLayout& layout, const SearchRequest& request) {
  bool text = layout.text && !request.text.empty();
  bool vector = !layout.vectors.empty() && (!request.vector.empty() || layout.schema.embedding);
  if (text && vector) return SearchMode::hybrid;
  return text || layout.vectors.empty() ? SearchMode::text : SearchMode::vector;
}

/// No option that the mode would ignore.
Result<void> check_options_fit(SearchMode mode, const SearchRequest& request) {
  auto unused = [](std::string_view what, std::string_view how) {
    return invalid_argument(std::string(how) + " search does not use " + std::string(what));
  };
  if (mode != SearchMode::hybrid && request.reranker != nullptr)
    return unused("a reranker", mode == SearchMode::text ? "text" : "vector");
  if (mode != SearchMode::hybrid && request.candidates != 0)
    return unused("candidates", mode == SearchMode::text ? "text" : "vector");
  if (mode == SearchMode::text && !request.vector.empty()) return unused("a query vector", "text");
  if (mode == SearchMode::text && !request.vector_column.empty()) return unused("a vector column", "text");
  if (mode == SearchMode::vector && request.match != TextMatch::automatic) return unused("a text match", "vector");
  if (mode == SearchMode::vector && !request.vector.empty() && !request.text.empty())
    return unused("the text when a query vector is given", "vector");
  return {};
}

Result<std::size_t> choose_vector_column(const TableLayout& layout, const SearchRequest& request) {
  const TableSchema& schema = layout.schema;
  if (layout.vectors.empty())
    return failed_precondition(table_text(layout) + " has no vector column").hint("search it with mode text");
  std::string name = request.vector_column;
  if (name.empty() && schema.embedding) name = schema.embedding->vector_column;
  if (name.empty() && layout.vectors.size() == 1) return layout.vectors.front().column;
  if (name.empty())
    return invalid_argument(table_text(layout) + " has several vector columns").hint("name one in vector_column");
  const ColumnSpec* column = schema.column(name);
  if (column == nullptr) return unknown_column(schema, name);
  if (column->type != ValueKind::vector)
    return invalid_argument("column \"" + name + "\" of " + table_text(layout) + " is of type " +
                            std::string(to_string(column->type)) + ", not a vector");
  return static_cast<std::size_t>(column - schema.columns.data());
}

Result<void> check_vector_query(const TableLayout& layout, const SearchRequest& request, std::size_t column) {
  const ColumnSpec& spec = layout.schema.columns[column];
  if (!request.vector.empty()) {
    auto fitted = fit_value(request.vector, spec);
    if (!fitted.ok()) return invalid_argument("query vector: " + fitted.error().message());
    return {};
  }
  if (request.text.empty())
    return invalid_argument("vector search of " + table_text(layout) + " needs a text or a query vector");
  if (!layout.schema.embedding || layout.schema.embedding->vector_column != spec.name)
    return failed_precondition("column \"" + spec.name + "\" of " + table_text(layout) +
                               " is not an embedding, so a text cannot be compared with it")
        .hint("pass a query vector, or search with mode text");
  return {};
}

Result<SearchPlan> make_plan(const TableLayout& layout, const SearchRequest& request, const SqlDialect& dialect) {
  LOAM_TRY(check_numbers(request));
  LOAM_TRY(check_text(request.text));
  SearchPlan plan{.mode = request.mode};
  if (plan.mode == SearchMode::automatic) plan.mode = automatic_mode(layout, request);
  LOAM_TRY(check_options_fit(plan.mode, request));
  if (plan.uses_vector()) {
    LOAM_TRY(plan.vector_column, choose_vector_column(layout, request));
    LOAM_TRY(check_vector_query(layout, request, plan.vector_column));
  }
  if (plan.uses_text() && !layout.text)
    return failed_precondition(table_text(layout) + " has no full-text columns").hint("search it with mode vector");
  if (plan.uses_text() && request.text.empty())
    return invalid_argument("text search of " + table_text(layout) + " needs a text");
  LOAM_TRY(plan.selection, make_selection(layout, request.select));
  LOAM_TRY(plan.filter, make_row_filter(layout, request.where, dialect));
  plan.wanted = request.limit + request.offset;
  plan.list_size = plan.wanted;
  if (plan.mode == SearchMode::hybrid) {
    std::size_t candidates = request.candidates != 0 ? request.candidates : std::max<std::size_t>(100, 4 * plan.wanted);
    plan.list_size = std::min(limits::search_k_max, std::max(plan.wanted, candidates));
  }
  return plan;
}

double score_of(Metric metric, double distance) {
  switch (metric) {
    case Metric::cosine: return 1 - distance;
    case Metric::inner_product: return -distance;
    case Metric::euclidean:
    case Metric::manhattan: return 1 / (1 + distance);
  }
  return -distance;
}

/// Gives each step of a search its time.
class StepClock {
 public:
  explicit StepClock(SearchExplain& explain) : explain_(explain), last_(std::chrono::steady_clock::now()) {}
  void done(const char* step) {
    auto now = std::chrono::steady_clock::now();
    explain_.timings_ms.emplace_back(step, std::chrono::duration<double, std::milli>(now - last_).count());
    last_ = now;
  }

 private:
  SearchExplain& explain_;
  std::chrono::steady_clock::time_point last_;
};

struct TextHit {
  std::int64_t row_id = 0;
  double score = 0;
};

class Search {
 public:
  Search(const TableSession& session, const LayoutPtr& layout, VectorCaches& caches, const SearchOptions& options,
         const SearchRequest& request, SearchPlan plan, const Context& context)
      : session_(session),
        layout_(layout),
        caches_(caches),
        options_(options),
        request_(request),
        plan_(std::move(plan)),
        context_(context),
        clock_(result_.explain) {}

  Result<SearchResult> run();

 private:
  Result<void> embed_query();
  Result<void> open_snapshot();
  Result<void> find_near();
  Result<void> find_text();
  Result<std::vector<TextHit>> text_rows(const std::string& query);
  void take_single_list();
  Result<void> fuse();
  Result<void> read_hits();
  SqlSession& rows() const { return *rows_; }

  TableSession session_;
  LayoutPtr layout_;
  VectorCaches& caches_;
  const SearchOptions& options_;
  const SearchRequest& request_;
  SearchPlan plan_;
  const Context& context_;
  SearchResult result_;
  StepClock clock_;

  Vector query_;  ///< of vector search
  std::shared_ptr<VectorCache> cache_;
  std::optional<VectorCache::Pin> pin_;    ///< of vector search outside a transaction
  std::unique_ptr<Transaction> snapshot_;  ///< of text search outside a transaction
  SqlSession* rows_ = nullptr;             ///< the one state that everything is read from
  std::vector<vector::Neighbour> near_;
  std::vector<TextHit> texts_;
};

Result<void> Search::embed_query() {
  if (!plan_.uses_vector()) return {};
  if (!request_.vector.empty()) {
    query_ = request_.vector;
    return {};
  }
  if (options_.embedder == nullptr) return embedder_needed(*layout_, "searching");
  LOAM_TRY(auto embedded, embed_texts(*options_.embedder, std::span(&request_.text, 1), context_));
  query_ = std::move(embedded.front());
  clock_.done("embed");
  return {};
}

Result<void> Search::open_snapshot() {
  if (plan_.uses_vector()) cache_ = caches_.of(layout_, plan_.vector_column);
  if (session_.transaction() != nullptr) {
    rows_ = session_.transaction();
    return check_exists(rows(), *layout_, context_);
  }
  if (plan_.uses_vector()) {
    auto pinned = cache_->pin(session_, context_);
    if (!pinned.ok()) {
      if (pinned.error().code() == ErrorCode::failed_precondition) caches_.forget(layout_->id);  // dropped by someone else
      return std::move(pinned).error();
    }
    pin_ = std::move(*pinned);
    rows_ = &pin_->snapshot();
    clock_.done("catch up");
    return {};
  }
  LOAM_TRY(snapshot_, session_.begin_snapshot(context_));
  rows_ = snapshot_.get();
  return check_exists(rows(), *layout_, context_);
}

Result<void> Search::find_near() {
  if (!plan_.uses_vector()) return {};
  vector::FlatSearchOptions options{.k = plan_.list_size, .threads = options_.threads};
  std::vector<std::int64_t> allowed;
  if (!plan_.filter.everything) {
    LOAM_TRY(allowed, read_ids(rows(), *layout_, plan_.filter, context_));
    options.only_ids = allowed;
    result_.explain.filter_matches = static_cast<std::int64_t>(allowed.size());
    clock_.done("filter");
  }
  vector::FlatSearchResult found;
  if (pin_) {
    LOAM_TRY(found, pin_->index().search(query_, options, context_));
    pin_->release_index();
  } else {
    LOAM_TRY(found, cache_->search_in(*session_.transaction(), session_.database(), query_, options, context_));
  }
  near_ = std::move(found.neighbours);
  result_.explain.distances_computed = found.distances_computed;
  result_.explain.vector_plan = "exact scan of " + std::to_string(found.distances_computed) +
                                (plan_.filter.everything ? " vectors" : " filtered vectors");
  clock_.done("vector");
  return {};
}

Result<std::vector<TextHit>> Search::text_rows(const std::string& query) {
  std::vector<TextHit> hits;
  if (query.empty()) return hits;
  SqlText sql;
  sql.append("WITH found(row_id, score) AS (").append(rows().dialect().full_text_select(*layout_->text, query));
  sql.append(") SELECT found.row_id, found.score FROM found");
  // A cross join is written so that SQLite looks the few found rows up in the table, and not the other way round.
  if (!plan_.filter.everything)
    sql.append(" CROSS JOIN " + layout_->sql + " WHERE " + layout_->row_sql + " = found.row_id AND ")
        .append(plan_.filter.condition);
  sql.append(" ORDER BY found.score DESC, found.row_id LIMIT ").bind(static_cast<std::int64_t>(plan_.list_size));
  LOAM_TRY(auto cursor, rows().open_cursor(sql.sql, sql.parameters, context_));
  for (;;) {
    LOAM_TRY(bool more, cursor->next());
    if (!more) return hits;
    hits.push_back({.row_id = cursor->int64(0), .score = cursor->float64(1)});
  }
}

Result<void> Search::find_text() {
  if (!plan_.uses_text()) return {};
  const SqlDialect& dialect = rows().dialect();
  bool any = request_.match == TextMatch::any;
  std::string query = dialect.full_text_query(request_.text, !any);
  LOAM_TRY(texts_, text_rows(query));
  result_.explain.text_plan = query.empty() ? "no words" : any ? "any word" : "all words";
  // Decided by the limit alone, so that every page of one search decides alike.
  if (request_.match == TextMatch::automatic && texts_.size() < request_.limit) {
    std::string any_query = dialect.full_text_query(request_.text, false);
    if (any_query != query) {
      result_.explain.text_plan = "any word (" + std::to_string(texts_.size()) + " rows match all)";
      LOAM_TRY(texts_, text_rows(any_query));
    }
  }
  clock_.done("text");
  return {};
}

void Search::take_single_list() {
  Metric metric = layout_->schema.columns[plan_.vector_column].metric;
  for (const vector::Neighbour& neighbour : near_)
    result_.hits.push_back(
        {.row_id = neighbour.id, .score = score_of(metric, neighbour.distance), .distance = neighbour.distance});
  for (const TextHit& hit : texts_)
    result_.hits.push_back({.row_id = hit.row_id, .score = hit.score, .text_score = hit.score});
  result_.explain.candidates = static_cast<std::int64_t>(result_.hits.size());
}

Result<void> Search::fuse() {
  if (plan_.mode != SearchMode::hybrid) {
    take_single_list();
    return {};
  }
  Metric metric = layout_->schema.columns[plan_.vector_column].metric;
  std::vector<RankedCandidate> candidates;
  std::unordered_map<std::int64_t, std::size_t> places;
  std::unordered_map<std::int64_t, double> distances;
  auto candidate = [&](std::int64_t row_id) -> RankedCandidate& {
    auto [place, fresh] = places.emplace(row_id, candidates.size());
    if (fresh) candidates.push_back({.row_id = row_id});
    return candidates[place->second];
  };
  for (std::size_t i = 0; i < near_.size(); ++i) {
    RankedCandidate& one = candidate(near_[i].id);
    one.vector_rank = i + 1;
    one.vector_score = score_of(metric, near_[i].distance);
    distances.emplace(near_[i].id, near_[i].distance);
  }
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    RankedCandidate& one = candidate(texts_[i].row_id);
    one.text_rank = i + 1;
    one.text_score = texts_[i].score;
  }
  result_.explain.candidates = static_cast<std::int64_t>(candidates.size());

  std::unique_ptr<Reranker> standard = request_.reranker == nullptr ? reciprocal_rank_fusion() : nullptr;
  Reranker& reranker = standard ? *standard : *request_.reranker;
  result_.explain.fusion = reranker.name();
  LOAM_TRY(reranker.rerank(request_.text, candidates, context_));
  for (const RankedCandidate& one : candidates) {
    // NaN has no place in an order, and a row that the lists did not hold may not match the filter.
    if (std::isnan(one.score))
      return invalid_argument("reranker " + reranker.name() + " gave row " + std::to_string(one.row_id) + " the score NaN");
    if (!places.contains(one.row_id))
      return invalid_argument("reranker " + reranker.name() + " added row " + std::to_string(one.row_id));
    SearchHit hit{.row_id = one.row_id, .score = one.score, .text_score = one.text_score};
    if (auto distance = distances.find(one.row_id); distance != distances.end()) hit.distance = distance->second;
    result_.hits.push_back(hit);
  }
  std::sort(result_.hits.begin(), result_.hits.end(), [](const SearchHit& a, const SearchHit& b) {
    return a.score != b.score ? a.score > b.score : a.row_id < b.row_id;
  });
  clock_.done("fuse");
  return {};
}

Result<void> Search::read_hits() {
  auto& hits = result_.hits;
  if (request_.threshold) std::erase_if(hits, [&](const SearchHit& hit) { return hit.score < *request_.threshold; });
  hits.erase(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(std::min(request_.offset, hits.size())));
  if (hits.size() > request_.limit) hits.resize(request_.limit);
  std::vector<std::int64_t> ids;
  for (const SearchHit& hit : hits) ids.push_back(hit.row_id);
  LOAM_TRY(result_.rows, read_by_id(rows(), *layout_, ids, plan_.selection, context_));
  clock_.done("rows");
  return {};
}

Result<SearchResult> Search::run() {
  result_.explain.mode = plan_.mode;
  result_.explain.filter_sql = plan_.filter.condition.sql;
  LOAM_TRY(embed_query());
  LOAM_TRY(open_snapshot());
  LOAM_TRY(find_near());
  LOAM_TRY(find_text());
  LOAM_TRY(fuse());
  LOAM_TRY(read_hits());
  return std::move(result_);
}

}  // namespace

Result<SearchResult> search_rows(const TableSession& session, const LayoutPtr& layout, VectorCaches& caches,
                                 const SearchOptions& options, const SearchRequest& request, const Context& context) {
  LOAM_TRY(context.check("table search"));
  LOAM_TRY(SearchPlan plan, make_plan(*layout, request, session.dialect()));
  return Search(session, layout, caches, options, request, std::move(plan), context).run();
}

}  // namespace loam::relational

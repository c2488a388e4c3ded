#include "loam/relational/tables.hpp"

#include <algorithm>
#include <thread>
#include <unordered_map>

#include "loam/core/limits.hpp"
#include "loam/ports/tables_values.hpp"
#include "loam/relational/tables_catalogue.hpp"
#include "loam/relational/tables_problems.hpp"
#include "loam/relational/tables_reader.hpp"
#include "loam/relational/tables_search.hpp"
#include "loam/relational/tables_vector_cache.hpp"
#include "loam/relational/tables_writer.hpp"

namespace loam {
namespace relational {
namespace {

/// What the tables of one database share; kept alive by each of them.
struct Shared {
  Shared(Database& d, RelationalTablesOptions o) : db(d), options(o) {
    if (options.search_threads == 0) options.search_threads = std::max<std::size_t>(1, std::thread::hardware_concurrency());
  }
  Database& db;
  RelationalTablesOptions options;
  VectorCaches caches;
};

class RelationalTable final : public Table {
 public:
  RelationalTable(std::shared_ptr<Shared> shared, TableSession session, LayoutPtr layout, std::shared_ptr<Embedder> embedder)
      : shared_(std::move(shared)), session_(session), layout_(std::move(layout)), embedder_(std::move(embedder)) {}

  const TableSchema& schema() const override { return layout_->schema; }

  Result<std::vector<std::optional<std::vector<Value>>>> get(std::span<const std::vector<Value>> keys,
                                                             const std::vector<std::string>& select,
                                                             const Context& context) override;
  Result<ScanPage> scan(const ScanOptions& options, const Context& context) override;
  Result<std::int64_t> count(std::string_view where, const Context& context) override;

  Result<SearchResult> search(const SearchRequest& request, const Context& context) override {
    return search_rows(session_, layout_, shared_->caches,
                       {.embedder = embedder_.get(), .threads = shared_->options.search_threads}, request, context);
  }
  Result<AddResult> add(std::span<const Record> rows, OnDuplicate on_duplicate, const Context& context) override {
    return add_rows(session_, *layout_, writer_options(), rows, on_duplicate, context);
  }
  Result<std::int64_t> update(const Record& values, std::string_view where, const Context& context) override {
    return update_rows(session_, *layout_, writer_options(), values, where, context);
  }
  Result<std::int64_t> erase(std::string_view where, const Context& context) override {
    return erase_rows(session_, *layout_, writer_options(), where, context);
  }

  TablesCapabilities capabilities() const override {
    return {.text_score_is_bm25 = shared_->db.capabilities().full_text_bm25, .vector_search_is_exact = true};
  }

 private:
  WriterOptions writer_options() const {
    return {.embedder = embedder_.get(), .change_log_entries = shared_->options.change_log_entries};
  }
  Result<std::vector<Value>> fit_key(const std::vector<Value>& key, std::size_t number) const;

  std::shared_ptr<Shared> shared_;
  TableSession session_;
  LayoutPtr layout_;
  std::shared_ptr<Embedder> embedder_;
};

Result<std::vector<Value>> RelationalTable::fit_key(const std::vector<Value>& key, std::size_t number) const {
  auto in_key = [&](const std::string& why) { return invalid_argument("key " + std::to_string(number) + ", " + why); };
  if (key.size() != layout_->key.size())
    return in_key("it has " + std::to_string(key.size()) + " values; the key of table \"" + layout_->schema.name +
                  "\" has " + std::to_string(layout_->key.size()));
  std::vector<Value> fitted;
  for (std::size_t i = 0; i < key.size(); ++i) {
    ColumnSpec column = layout_->schema.columns[layout_->key[i]];
    column.nullable = true;  // a NULL is no error here: it equals no key
    auto value = fit_value(key[i], column);
    if (!value.ok()) return in_key(value.error().message());
    fitted.push_back(std::move(*value));
  }
  return fitted;
}

Result<std::vector<std::optional<std::vector<Value>>>> RelationalTable::get(std::span<const std::vector<Value>> keys,
                                                                            const std::vector<std::string>& select,
                                                                            const Context& context) {
  LOAM_TRY(context.check("table get"));
  if (layout_->key.empty())
    return failed_precondition("table \"" + layout_->schema.name + "\" has no key to get rows by")
        .hint("scan it with a filter");
  if (keys.size() > limits::batch_count_max)
    return invalid_argument("one get() takes at most " + std::to_string(limits::batch_count_max) + " keys");
  LOAM_TRY(Selection selection, make_selection(*layout_, select));
  std::vector<std::vector<Value>> wanted;
  std::unordered_multimap<std::string, std::size_t> places;
  for (std::size_t number = 0; number < keys.size(); ++number) {
    LOAM_TRY(auto key, fit_key(keys[number], number));
    auto text = key_text(*layout_, key);
    if (!text) continue;
    if (!places.contains(*text)) wanted.push_back(std::move(key));
    places.emplace(std::move(*text), number);
  }
  std::vector<std::optional<std::vector<Value>>> rows(keys.size());
  auto place_row = [&](const std::string& key, std::int64_t, std::vector<Value> values) {
    auto [first, last] = places.equal_range(key);
    for (auto place = first; place != last; ++place) rows[place->second] = values;
  };
  LOAM_TRY(session_.read(
      [&](SqlSession& session) -> Result<void> {
        LOAM_TRY(check_exists(session, *layout_, context));
        return read_by_key(session, *layout_, wanted, selection, place_row, context);
      },
      context));
  return rows;
}

Result<ScanPage> RelationalTable::scan(const ScanOptions& options, const Context& context) {
  LOAM_TRY(context.check("table scan"));
  if (options.limit == 0 || options.limit > limits::page_count_max)
    return invalid_argument("the limit of a scan is 1 to " + std::to_string(limits::page_count_max) + ", got " +
                            std::to_string(options.limit));
  LOAM_TRY(Selection selection, make_selection(*layout_, options.select));
  LOAM_TRY(RowFilter filter, make_row_filter(*layout_, options.where, session_.dialect()));
  ScanPage page;
  LOAM_TRY(session_.read(
      [&](SqlSession& session) -> Result<void> {
        LOAM_TRY(check_exists(session, *layout_, context));
        auto read = scan_rows(session, *layout_, options, selection, filter, context);
        if (!read.ok()) return std::move(read).error();
        page = std::move(*read);
        return {};
      },
      context));
  return page;
}

Result<std::int64_t> RelationalTable::count(std::string_view where, const Context& context) {
  LOAM_TRY(context.check("table count"));
  LOAM_TRY(RowFilter filter, make_row_filter(*layout_, where, session_.dialect()));
  std::int64_t rows = 0;
  LOAM_TRY(session_.read(
      [&](SqlSession& session) -> Result<void> {
        LOAM_TRY(check_exists(session, *layout_, context));
        auto counted = count_rows(session, *layout_, filter, context);
        if (!counted.ok()) return std::move(counted).error();
        rows = *counted;
        return {};
      },
      context));
  return rows;
}

Result<Metric> metric_of(const EmbedderIdentity& identity) {
  auto metric = parse_metric(identity.metric);
  if (!metric.ok())
    return failed_precondition("embedder " + to_string(identity) + " names a metric that tables do not know");
  return metric;
}

/// The schema as it is kept: the embedder's identity in it, the vector column among the columns.
Result<TableSchema> complete_schema(TableSchema schema, const Embedder* embedder) {
  if (!schema.embedding) {
    if (embedder != nullptr)
      return invalid_argument("table \"" + schema.name + "\" has no embedding, so its embedder would never be used")
          .hint("say in the schema which columns to embed, or leave the embedder out");
    return schema;
  }
  EmbeddingSpec& embedding = *schema.embedding;
  if (embedder == nullptr)
    return invalid_argument("table \"" + schema.name + "\" has an embedding and no embedder was given");
  const EmbedderIdentity& identity = embedder->identity();
  if (embedding.embedder != EmbedderIdentity{} && embedding.embedder != identity)
    return invalid_argument("the schema of table \"" + schema.name + "\" names embedder " + to_string(embedding.embedder) +
                            ", the one given is " + to_string(identity));
  embedding.embedder = identity;
  embedding.embedder_spec = embedder->spec();
  if (schema.column(embedding.vector_column) == nullptr) {
    LOAM_TRY(Metric metric, metric_of(identity));
    schema.columns.push_back(
        {.name = embedding.vector_column, .type = ValueKind::vector, .dimension = identity.dimension, .metric = metric});
  }
  return schema;
}

Result<void> check_embedder(const TableSchema& schema, const Embedder* embedder) {
  if (embedder == nullptr) return {};
  if (!schema.embedding)
    return failed_precondition("table \"" + schema.name + "\" has no embedding, so its embedder would never be used")
        .hint("open it without one");
  if (schema.embedding->embedder == embedder->identity()) return {};
  return Error(ErrorCode::failed_precondition, "table \"" + schema.name + "\" was embedded by " +
                                                   to_string(schema.embedding->embedder) + ", the embedder given is " +
                                                   to_string(embedder->identity()))
      .hint("open it with embedder " + schema.embedding->embedder_spec + "; vectors of two models cannot be compared");
}

class Impl final : public RelationalTables {
 public:
  Impl(Database& db, RelationalTablesOptions options) : shared_(std::make_shared<Shared>(db, options)), session_(db) {}

  Result<std::unique_ptr<Table>> create(TableSchema schema, std::shared_ptr<Embedder> embedder,
                                        const Context& context) override;
  Result<std::unique_ptr<Table>> open(std::string_view name, std::shared_ptr<Embedder> embedder,
                                      const Context& context) override;
  Result<std::unique_ptr<Table>> open_in(Transaction& transaction, std::string_view name,
                                         std::shared_ptr<Embedder> embedder) override;
  Result<std::vector<TableSchema>> list(const Context& context) override;
  Result<void> drop(std::string_view name, const Context& context) override;
  Result<std::vector<std::string>> problems(const Context& context) override;
  Result<std::int64_t> vector_count(std::string_view name, const Context& context) override;
  std::size_t index_bytes() const override { return shared_->caches.bytes(); }

 private:
  Result<LayoutPtr> find(SqlSession& session, std::string_view name, const Context& context) const;
  Result<std::unique_ptr<Table>> make(TableSession session, LayoutPtr layout, std::shared_ptr<Embedder> embedder) const;

  std::shared_ptr<Shared> shared_;
  TableSession session_;
};

Result<LayoutPtr> Impl::find(SqlSession& session, std::string_view name, const Context& context) const {
  LOAM_TRY(LayoutPtr layout, find_layout(session, name, context));
  if (layout) return layout;
  LOAM_TRY(auto all, all_layouts(session, context));
  constexpr std::size_t names_max = 20;
  std::string names;
  for (std::size_t i = 0; i < all.size() && i < names_max; ++i) names += (i > 0 ? ", " : "") + all[i]->schema.name;
  if (all.size() > names_max) names += " and " + std::to_string(all.size() - names_max) + " more";
  return not_found("no table \"" + std::string(name) + '"')
      .hint(all.empty() ? "there are no tables yet" : "there are " + names);
}

Result<std::unique_ptr<Table>> Impl::make(TableSession session, LayoutPtr layout, std::shared_ptr<Embedder> embedder) const {
  LOAM_TRY(check_embedder(layout->schema, embedder.get()));
  return std::unique_ptr<Table>(std::make_unique<RelationalTable>(shared_, session, std::move(layout), std::move(embedder)));
}

Result<std::unique_ptr<Table>> Impl::create(TableSchema schema, std::shared_ptr<Embedder> embedder, const Context& context) {
  LOAM_TRY(context.check("create table"));
  for (ColumnSpec& column : schema.columns)
    if (std::find(schema.primary_key.begin(), schema.primary_key.end(), column.name) != schema.primary_key.end())
      column.nullable = false;
  LOAM_TRY(check_schema(schema));
  LOAM_TRY(schema, complete_schema(std::move(schema), embedder.get()));
  LOAM_TRY(check_schema(schema));
  LayoutPtr layout;
  LOAM_TRY(session_.write(
      [&](SqlSession& session) -> Result<void> {
        auto created = create_table(session, schema, system_clock().now(), context);
        if (!created.ok()) return std::move(created).error();
        layout = std::move(*created);
        return {};
      },
      context));
  return make(session_, std::move(layout), std::move(embedder));
}

Result<std::unique_ptr<Table>> Impl::open(std::string_view name, std::shared_ptr<Embedder> embedder,
                                          const Context& context) {
  LOAM_TRY(context.check("open table"));
  LayoutPtr layout;
  LOAM_TRY(session_.read(
      [&](SqlSession& session) -> Result<void> {
        auto found = find(session, name, context);
        if (!found.ok()) return std::move(found).error();
        layout = std::move(*found);
        return {};
      },
      context));
  return make(session_, std::move(layout), std::move(embedder));
}

Result<std::unique_ptr<Table>> Impl::open_in(Transaction& transaction, std::string_view name,
                                             std::shared_ptr<Embedder> embedder) {
  LOAM_TRY(LayoutPtr layout, find(transaction, name, {}));
  return make(TableSession(shared_->db, transaction), std::move(layout), std::move(embedder));
}

Result<std::vector<TableSchema>> Impl::list(const Context& context) {
  std::vector<TableSchema> schemas;
  LOAM_TRY(auto layouts, all_layouts(shared_->db, context));
  for (const LayoutPtr& layout : layouts) schemas.push_back(layout->schema);
  return schemas;
}

Result<void> Impl::drop(std::string_view name, const Context& context) {
  LOAM_TRY(context.check("drop table"));
  std::int64_t id = 0;
  LOAM_TRY(session_.write(
      [&](SqlSession& session) -> Result<void> {
        auto layout = find(session, name, context);
        if (!layout.ok()) return std::move(layout).error();
        id = (*layout)->id;
        auto begun = begin_write(session, **layout, context);
        if (!begun.ok()) return begun;
        return drop_table(session, **layout, context);
      },
      context));
  shared_->caches.forget(id);
  return {};
}

Result<std::vector<std::string>> Impl::problems(const Context& context) {
  std::vector<std::string> all;
  LOAM_TRY(auto layouts, all_layouts(shared_->db, context));
  for (const LayoutPtr& layout : layouts) {
    LOAM_TRY(auto found, table_problems(session_, layout, shared_->caches, context));
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

Result<std::int64_t> Impl::vector_count(std::string_view name, const Context& context) {
  LOAM_TRY(LayoutPtr layout, find(shared_->db, name, context));
  std::int64_t count = 0;
  for (const VectorTable& vectors : layout->vectors) {
    LOAM_TRY(auto counted, shared_->db.query("SELECT count(*) FROM " + vectors.sql, {}, context));
    count += counted.at(0, 0u).as<std::int64_t>();
  }
  return count;
}

}  // namespace
}  // namespace relational

Result<std::unique_ptr<RelationalTables>> open_relational_tables(Database& db, RelationalTablesOptions options) {
  if (options.change_log_entries == 0) return invalid_argument("change_log_entries must be at least 1");
  LOAM_TRY(relational::open_catalogue(db));
  return std::unique_ptr<RelationalTables>(std::make_unique<relational::Impl>(db, options));
}

}  // namespace loam

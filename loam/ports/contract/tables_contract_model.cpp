/// Random operations on a table and on a vector of rows, compared after each: the oracle shares no code with an adapter but
/// the filter's reference evaluator.

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "loam/ports/contract/tables_contract.hpp"
#include "loam/query/evaluate.hpp"
#include "loam/query/schema.hpp"

namespace loam::test {
namespace {

struct ModelRow {
  std::int64_t id = 0;
  Value title, body, section, size;
  friend bool operator==(const ModelRow&, const ModelRow&) = default;
};

/// A table as a list in the order of first insertion.
class Model {
 public:
  explicit Model(const BagEmbedder& embedder) : embedder_(embedder) {}

  std::vector<ModelRow> rows;

  ModelRow* find(std::int64_t id) {
    auto found = std::find_if(rows.begin(), rows.end(), [&](const ModelRow& row) { return row.id == id; });
    return found == rows.end() ? nullptr : &*found;
  }

  static bool matches_filter(const ModelRow& row, const std::string& where) {
    const FilterColumns columns = {{"id", ValueKind::int64, "id"},
                                   {"title", ValueKind::string, "title"},
                                   {"body", ValueKind::string, "body"},
                                   {"section", ValueKind::string, "section"},
                                   {"size", ValueKind::int64, "size"}};
    Filter filter = must(bind_filter(must(Filter::parse(where)), columns));
    const Value id = row.id;
    return matches(filter, [&](std::string_view name) -> const Value& {
      return name == "id"        ? id
             : name == "title"   ? row.title
             : name == "body"    ? row.body
             : name == "section" ? row.section
                                 : row.size;
    });
  }

  std::string scan(const std::string& where) const {
    std::string text;
    for (const ModelRow& row : rows)
      if (matches_filter(row, where)) text += (text.empty() ? "" : " ") + std::to_string(row.id);
    return text;
  }

  /// Ids of the rows that have all words, or any.
  std::string text(const std::string& query, bool all, const std::string& where) const {
    std::set<std::int64_t> ids;
    std::set<std::string> wanted;
    for (const std::string& word : words_of(query)) wanted.insert(word);
    for (const ModelRow& row : rows) {
      std::set<std::string> has;
      for (const Value* column : {&row.title, &row.body})
        if (const auto* text = column->get_if<std::string>())
          for (const std::string& word : words_of(*text)) has.insert(word);
      auto held = [&](const std::string& word) { return has.contains(word); };
      bool hit = all ? std::all_of(wanted.begin(), wanted.end(), held) : std::any_of(wanted.begin(), wanted.end(), held);
      if (!wanted.empty() && hit && matches_filter(row, where)) ids.insert(row.id);
    }
    std::string text;
    for (std::int64_t id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
    return text;
  }

  std::optional<Vector> vector_of(const ModelRow& row) const {
    if (row.title.is_null() && row.body.is_null()) return std::nullopt;
    std::string text = row.title.is_null() ? row.body.to_display() : row.title.to_display();
    if (!row.title.is_null() && !row.body.is_null()) text += '\n' + row.body.to_display();
    return embedder_.vector_of(text);
  }

  /// Distances of the rows with a vector that match, ascending.
  std::vector<double> distances(const std::string& query, const std::string& where) const {
    std::vector<double> all;
    Vector wanted = embedder_.vector_of(query);
    for (const ModelRow& row : rows)
      if (auto vector = vector_of(row); vector && matches_filter(row, where))
        all.push_back(distance_between(Metric::cosine, wanted, *vector));
    std::sort(all.begin(), all.end());
    return all;
  }

 private:
  const BagEmbedder& embedder_;
};

/// Draws operations; what it draws depends on the seed alone.
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : random_(seed) {}
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::string words() {
    constexpr const char* words[] = {"apple", "pear", "plum", "kiwi", "red", "green", "sweet", "sour", "tree", "pie"};
    std::string text;
    for (int i = below(4); i >= 0; --i) text += (text.empty() ? "" : " ") + std::string(words[below(10)]);
    return text;
  }
  Value maybe(Value value) { return below(6) == 0 ? Value() : value; }
  std::string where() {
    switch (below(7)) {
      case 0: return "section = 's" + std::to_string(below(3)) + "'";
      case 1: return "size > " + std::to_string(below(9)) + " OR section IS NULL";
      case 2: return "id IN (" + std::to_string(below(40)) + ", " + std::to_string(below(40)) + ")";
      case 3: return "NOT (title LIKE '%apple%')";
      case 4: return "id BETWEEN " + std::to_string(below(20)) + " AND " + std::to_string(20 + below(20));
      case 5: return "body CONTAINS 'sweet' AND size < 5";
      default: return "TRUE";
    }
  }
  ModelRow row() {
    return {.id = below(40),
            .title = maybe(words()),
            .body = maybe(words()),
            .section = maybe("s" + std::to_string(below(3))),
            .size = maybe(below(10))};
  }

 private:
  std::mt19937 random_;
};

Record record_of(const ModelRow& row) {
  return {{"id", row.id}, {"title", row.title}, {"body", row.body}, {"section", row.section}, {"size", row.size}};
}

void apply_add(Model& model, const std::vector<ModelRow>& batch, OnDuplicate rule, const std::string& outcome) {
  std::set<std::int64_t> ids;
  bool duplicate = false;
  for (const ModelRow& row : batch) duplicate = duplicate || model.find(row.id) != nullptr || !ids.insert(row.id).second;
  if (rule == OnDuplicate::error && duplicate) {
    EXPECT_EQ(outcome, "already_exists");
    return;
  }
  EXPECT_EQ(outcome, "ok");
  for (const ModelRow& row : batch) {
    ModelRow* stored = model.find(row.id);
    if (stored == nullptr)
      model.rows.push_back(row);
    else if (rule == OnDuplicate::replace)
      *stored = row;
  }
}

void apply_operation(Dice& dice, Model& model, Table& table) {
  switch (dice.below(5)) {
    case 0:
    case 1:
    case 2: {
      auto rule = static_cast<OnDuplicate>(dice.below(3));
      std::vector<ModelRow> batch(static_cast<std::size_t>(1 + dice.below(4)));
      std::vector<Record> records;
      for (ModelRow& row : batch) records.push_back(record_of(row = dice.row()));
      apply_add(model, batch, rule, outcome_of(table.add(records, rule)));
      return;
    }
    case 3: {
      std::string where = dice.where();
      ModelRow values = dice.row();
      int columns = dice.below(3);
      Record record = columns == 0   ? Record{{"size", values.size}}
                      : columns == 1 ? Record{{"title", values.title}, {"section", values.section}}
                                     : Record{{"body", values.body}};
      std::int64_t updated = must(table.update(record, where)), expected = 0;
      for (ModelRow& row : model.rows) {
        if (!Model::matches_filter(row, where)) continue;
        ++expected;
        if (columns == 0) row.size = values.size;
        if (columns == 1) row.title = values.title, row.section = values.section;
        if (columns == 2) row.body = values.body;
      }
      EXPECT_EQ(updated, expected) << where;
      return;
    }
    default: {
      std::string where = dice.below(3) == 0 ? dice.where() : "id = " + std::to_string(dice.below(40));
      std::int64_t erased = must(table.erase(where));
      EXPECT_EQ(erased, static_cast<std::int64_t>(std::erase_if(
                            model.rows, [&](const ModelRow& row) { return Model::matches_filter(row, where); })));
    }
  }
}

void compare_searches(Dice& dice, const Model& model, Table& table) {
  std::string where = dice.where(), query = dice.words();
  EXPECT_EQ(scan_ids(table, {.where = where, .limit = 7}), model.scan(where)) << where;
  EXPECT_EQ(must(table.count(where)), static_cast<std::int64_t>(words_of(model.scan(where)).size()));

  for (bool all : {true, false}) {
    SearchResult found = must(table.search({.text = query,
                                            .mode = SearchMode::text,
                                            .match = all ? TextMatch::all : TextMatch::any,
                                            .where = where,
                                            .limit = 100}));
    std::set<std::int64_t> ids;
    for (std::size_t i = 0; i < found.hits.size(); ++i) ids.insert(found.rows.at(i, "id").as<std::int64_t>());
    std::string text;
    for (std::int64_t id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
    EXPECT_EQ(text, model.text(query, all, where)) << query << " where " << where;
  }

  auto limit = static_cast<std::size_t>(1 + dice.below(15));
  std::vector<double> truth = model.distances(query, where);
  SearchResult near = must(table.search({.text = query, .mode = SearchMode::vector, .where = where, .limit = limit}));
  ASSERT_EQ(near.hits.size(), std::min(limit, truth.size())) << where;
  for (std::size_t i = 0; i < near.hits.size(); ++i)
    EXPECT_NEAR(*near.hits[i].distance, truth[i], 1e-5) << query << " where " << where;

  SearchResult both = must(table.search({.text = query, .where = where, .limit = 100}));
  std::set<std::int64_t> seen;
  for (std::size_t i = 0; i < both.hits.size(); ++i) seen.insert(both.rows.at(i, "id").as<std::int64_t>());
  EXPECT_EQ(seen.size(), both.hits.size());
  EXPECT_EQ(seen.size(), truth.size()) << "every row with text has a vector";
}

TEST_P(TablesContract, RandomOperationsAgreeWithAModel) {
  constexpr std::uint32_t seed = 20261121;
  Dice dice(seed);
  auto here = create_notes();
  auto other_process = must(backend_->beside());
  auto there = open_notes(*other_process);
  Model model(*embedder_);
  for (std::size_t step = 0; step < GetParam().model_steps && !HasFailure(); ++step) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(step));
    Table& writer = dice.below(2) == 0 ? *here : *there;
    if (dice.below(4) == 0) {
      Model trial = model;
      bool commit = dice.below(2) == 0;
      Result<void> done = backend_->transaction([&](const OpenInTransaction& open) -> Result<void> {
        LOAM_TRY(auto inside, open("notes", embedder_));
        for (int i = dice.below(3); i >= 0; --i) apply_operation(dice, trial, *inside);
        compare_searches(dice, trial, *inside);
        if (!commit) return failed_precondition("rolled back on purpose");
        return {};
      });
      EXPECT_EQ(done.ok(), commit);
      if (commit) model.rows = trial.rows;
    } else {
      apply_operation(dice, model, writer);
    }
    compare_searches(dice, model, dice.below(2) == 0 ? *here : *there);
    if (dice.below(40) == 0) {
      EXPECT_THAT(must(backend_->problems()), testing::IsEmpty());
    }
  }
  ScanPage rows = must(here->scan());
  for (std::size_t i = 0; i < model.rows.size(); ++i) {
    const ModelRow& row = model.rows[i];
    EXPECT_EQ(rows.rows.rows.at(i), (std::vector<Value>{row.id, row.title, row.body, row.section, row.size})) << i;
  }
}

}  // namespace
}  // namespace loam::test

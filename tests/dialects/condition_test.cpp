/// Compiled filters at the limits of each database, and the plans they get.

#include "loam/core/limits.hpp"
#include "loam/query/compile.hpp"
#include "tests/dialects/dialect_fixture.hpp"

namespace loam {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class DialectCondition : public test::DialectTest {
 protected:
  void SetUp() override {
    DialectTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    run("CREATE TABLE t (id BIGINT PRIMARY KEY, name " + dialect().column_type(ValueKind::string) + ", attrs " +
        dialect().column_type(ValueKind::json) + ")");
    run("INSERT INTO t VALUES (1, 'one', ?), (2, 'two', NULL)", {Json{R"({"a": 1, "'); DROP TABLE t; --": "x"})"}});
  }

  Result<SqlText> compiled(std::string_view text) {
    LOAM_TRY(Filter filter, Filter::parse(text));
    LOAM_TRY(Filter bound, bind_filter(std::move(filter), columns_));
    return compile_filter(bound, columns_, dialect());
  }
  std::vector<std::int64_t> matching(std::string_view text) {
    auto condition = compiled(text);
    EXPECT_TRUE(condition.ok()) << (condition.ok() ? "" : condition.error().to_string());
    return condition.ok() ? integers("SELECT id FROM t WHERE " + condition->sql + " ORDER BY id", condition->parameters)
                          : std::vector<std::int64_t>{};
  }

  FilterColumns columns_ = {{"id", ValueKind::int64, "t.\"id\""},
                            {"name", ValueKind::string, "t.\"name\""},
                            {"attrs", ValueKind::json, "t.\"attrs\""}};
};

TEST_P(DialectCondition, ConditionsStandInParentheses) {
  EXPECT_THAT(integers("SELECT id FROM t WHERE id = 2 AND " + compiled("id = 1 OR id = 2")->sql,
                       compiled("id = 1 OR id = 2")->parameters),
              ElementsAre(2));
}

TEST_P(DialectCondition, ValuesAndKeysNeverReachTheText) {
  const char* canary = "'); DROP TABLE t; --";
  auto condition =
      compiled(R"(attrs."'); DROP TABLE t; --" = '''); DROP TABLE t; --' OR name LIKE '''); DROP TABLE t; --%')");
  ASSERT_TRUE(condition.ok());
  EXPECT_EQ(condition->sql.find("DROP"), std::string::npos) << canary;
  EXPECT_THAT(matching(R"(attrs."'); DROP TABLE t; --" = 'x')"), ElementsAre(1));
  EXPECT_THAT(matching(R"(name = '''); DROP TABLE t; --')"), ElementsAre());
  EXPECT_THAT(matching("TRUE"), ElementsAre(1, 2));
}

TEST_P(DialectCondition, TheWidestAndTheDeepestFilterRun) {
  std::string wide = "id = 1";
  for (std::size_t i = 1; i < limits::filter_nodes_max - 1; ++i) wide += " OR id = " + std::to_string(i + 10);
  EXPECT_THAT(matching(wide), ElementsAre(1));
  std::string mixed = "id = 1";
  for (int i = 0; i < 200; ++i) mixed += " AND (name = 'one' OR attrs.a = 1)";
  EXPECT_THAT(matching(mixed), ElementsAre(1));
  std::string deep;
  for (std::size_t i = 0; i + 2 < limits::filter_depth_max; ++i) deep += "NOT ";
  EXPECT_THAT(matching(deep + "id = 1"), ElementsAre(1));
  // x OR (x AND (x OR ..)), at each level a bush beside it: as bad as the caps allow.
  std::string nested = "id = 1", bush = "(id = 1 AND (id = 1 OR NOT (id = 2 AND (id = 1 OR id = 1))))";
  for (std::size_t i = 0; i + 6 < limits::filter_depth_max; ++i)
    nested = bush + (i % 2 == 0 ? " AND (" : " OR (") + nested + ")";
  EXPECT_THAT(matching(nested), ElementsAre(1));
  std::string alternating = "id = 1";
  for (std::size_t i = 0; i + 2 < limits::filter_depth_max; ++i)
    alternating = (i % 2 == 0 ? "id = 1 AND (" : "id = 2 OR (") + alternating + ")";
  EXPECT_THAT(matching(alternating), ElementsAre(1, 2));
  std::string path = "attrs";
  for (std::size_t i = 0; i < limits::json_depth_max; ++i) path += ".a";
  EXPECT_THAT(matching(path + " = 1"), ElementsAre());
}

TEST_P(DialectCondition, AsManyValuesAsTheDatabaseTakes) {
  Filter in{.op = FilterOp::in, .field = {"id", {}}, .values = {}, .children = {}};
  for (std::size_t i = 0; i < dialect().limits().parameters_max; ++i)
    in.values.emplace_back(static_cast<std::int64_t>(i + 2));
  auto fits = compile_filter(in, columns_, dialect());
  ASSERT_TRUE(fits.ok());
  EXPECT_THAT(integers("SELECT id FROM t WHERE " + fits->sql, fits->parameters), ElementsAre(2));
  in.values.emplace_back(1);
  auto refused = compile_filter(in, columns_, dialect());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::resource_exhausted);
}

TEST_P(DialectCondition, AJsonListAsLongAsTheDatabaseTakesRuns) {
  Filter in{.op = FilterOp::in, .field = {"attrs", {"a"}}, .values = {}, .children = {}};
  const std::size_t most = dialect().limits().parameters_max;
  const std::size_t count = most > 30'000 ? 30'000 : most / 3;  // a value may take more than one parameter
  for (std::size_t i = 0; i < count; ++i) in.values.emplace_back(1'000'000'000'000 + static_cast<std::int64_t>(i));
  in.values.emplace_back(1);
  auto condition = compile_filter(in, columns_, dialect());
  ASSERT_TRUE(condition.ok());
  EXPECT_THAT(integers("SELECT id FROM t WHERE " + condition->sql, condition->parameters), ElementsAre(1));
}

TEST_P(DialectCondition, IndexesServePlainConditions) {
  run("CREATE INDEX by_name ON t(name)");
  if (!sqlite()) return;  // PostgreSQL's choice depends on statistics; the operators are its own
  for (const char* text :
       {"name = 'one'", "name > 'a'", "name IN ('one', 'two')", "name BETWEEN 'a' AND 'p'", "name LIKE 'on%'"}) {
    auto condition = compiled(text);
    std::string plan;
    for (const auto& row : rows("EXPLAIN QUERY PLAN SELECT id FROM t WHERE " + condition->sql, condition->parameters))
      plan += row.back().to_display();
    EXPECT_THAT(plan, HasSubstr("USING INDEX by_name")) << text;
  }
  EXPECT_THAT(matching("name LIKE 'o%' AND name NOT LIKE 'O%'"), ElementsAre(1));
}

LOAM_ON_EVERY_DIALECT(DialectCondition);

}  // namespace
}  // namespace loam

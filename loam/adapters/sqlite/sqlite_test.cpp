#include "loam/adapters/sqlite/sqlite.hpp"

#include <gtest/gtest.h>

namespace loam {
namespace {

TEST(Sqlite, KeepsRowsInMemoryInWalMode) {
  auto db = sqlite_in_memory();
  ASSERT_TRUE(db.ok()) << db.error().to_string();
  auto made = (*db)->execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)");
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  auto added = (*db)->execute("INSERT INTO t(name) VALUES (?), (?)", {"a", "b"});
  ASSERT_TRUE(added.ok()) << added.error().to_string();
  EXPECT_EQ(added->rows_affected, 2);
  auto cursor = (*db)->open_cursor("SELECT name FROM t ORDER BY id");
  ASSERT_TRUE(cursor.ok()) << cursor.error().to_string();
  ASSERT_TRUE((*db)->execute("DELETE FROM t").ok());
  std::string seen;
  while ((*cursor)->next().value()) seen += (*cursor)->text(0);
  EXPECT_EQ(seen, "ab");
}

}  // namespace
}  // namespace loam

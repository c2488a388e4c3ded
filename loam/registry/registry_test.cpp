#include "loam/registry/registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

namespace loam {
namespace {

using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

class BuiltinRegistry : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(add_builtin(registry).ok()); }
  Registry registry;
};

struct BadUrl {
  const char* url;
  ErrorCode code;
  const char* said;
};

TEST_F(BuiltinRegistry, DatabaseUrlsThatCannotBeOpenedSayWhy) {
  const BadUrl table[] = {
      {"mongodb://h/d", ErrorCode::not_found, "unknown scheme \"mongodb:\""},
      {"nothing", ErrorCode::not_found, "begins with no scheme"},
      {"", ErrorCode::not_found, "begins with no scheme"},
      {"memory:", ErrorCode::not_found, "databases begin with one of: postgres:, postgresql:, sqlite:"},
      {"sqlite:", ErrorCode::invalid_argument, "needs a path"},
  };
  for (const BadUrl& row : table) {
    auto opened = registry.open_database(row.url);
    ASSERT_FALSE(opened.ok()) << row.url;
    EXPECT_EQ(opened.error().code(), row.code) << row.url << ": " << opened.error().to_string();
    EXPECT_THAT(opened.error().message(), HasSubstr(row.said)) << row.url;
  }
}

TEST_F(BuiltinRegistry, KvUrlsThatCannotBeOpenedSayWhy) {
  const BadUrl table[] = {
      {"redis://h", ErrorCode::not_found, "key-value stores begin with one of: lmdb:, memory:, postgres:"},
      {"lmdb:", ErrorCode::invalid_argument, "needs a directory"},
      {"memory:x", ErrorCode::invalid_argument, "takes nothing"},
  };
  for (const BadUrl& row : table) {
    auto opened = registry.open_kv(row.url);
    ASSERT_FALSE(opened.ok()) << row.url;
    EXPECT_EQ(opened.error().code(), row.code) << row.url;
    EXPECT_THAT(opened.error().message(), HasSubstr(row.said)) << row.url;
  }
}

TEST_F(BuiltinRegistry, EmbedderSpecsThatCannotBeOpenedSayWhy) {
  const BadUrl table[] = {
      {"cohere:m", ErrorCode::not_found, "embedders begin with one of: hash:, openai:"},
      {"hash", ErrorCode::not_found, "begins with no scheme"},
      {"hash:", ErrorCode::invalid_argument, "hash:N"},
      {"hash:many", ErrorCode::invalid_argument, "hash:N"},
      {"hash:384x", ErrorCode::invalid_argument, "hash:N"},
      {"hash:12", ErrorCode::invalid_argument, "64"},
      {"openai:http://127.0.0.1:9", ErrorCode::invalid_argument, "openai:URL#MODEL"},
      {"openai:http://127.0.0.1:9#", ErrorCode::invalid_argument, "openai:URL#MODEL"},
  };
  for (const BadUrl& row : table) {
    auto opened = registry.open_embedder(row.url);
    ASSERT_FALSE(opened.ok()) << row.url;
    EXPECT_EQ(opened.error().code(), row.code) << row.url << ": " << opened.error().to_string();
    EXPECT_THAT(opened.error().message(), HasSubstr(row.said)) << row.url;
  }
}

TEST_F(BuiltinRegistry, ErrorsNeverShowThePasswordOfAUrl) {
  auto opened = registry.open_database("mysql://ada:hunter2@db1/app");
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().to_string(), Not(HasSubstr("hunter2")));
  auto without_scheme = registry.open_database("//ada:hunter2@db1/app");
  ASSERT_FALSE(without_scheme.ok());
  EXPECT_THAT(without_scheme.error().to_string(), Not(HasSubstr("hunter2")));
}

TEST_F(BuiltinRegistry, OpensTheHashEmbedderOfTheSpec) {
  auto embedder = registry.open_embedder("hash:128");
  ASSERT_TRUE(embedder.ok()) << embedder.error().to_string();
  EXPECT_EQ((*embedder)->identity().dimension, 128u);
  EXPECT_EQ((*embedder)->spec(), "hash:128");
}

TEST_F(BuiltinRegistry, OpensMemoryKv) {
  auto store = registry.open_kv("memory:");
  ASSERT_TRUE(store.ok());
  auto kv = (*store)->open("n");
  ASSERT_TRUE(kv.ok());
  ASSERT_TRUE((*kv)->set("k", "v").ok());
  EXPECT_EQ(*(*kv)->get("k").value(), "v");
}

TEST_F(BuiltinRegistry, SchemesAreSortedAndNamedOnce) {
  auto schemes = registry.schemes();
  EXPECT_THAT(schemes, IsSupersetOf({"hash", "memory"}));
  EXPECT_TRUE(std::is_sorted(schemes.begin(), schemes.end()));
  EXPECT_EQ(std::adjacent_find(schemes.begin(), schemes.end()), schemes.end());
}

#if LOAM_WITH_SQLITE
TEST_F(BuiltinRegistry, OpensDatabasesByUrlAndByPath) {
  std::string directory = (std::filesystem::temp_directory_path() / "loam-registry-XXXXXX").string();
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  for (std::string url : {"sqlite::memory:", "sqlite:DIR/a.sqlite", "DIR/b.db"}) {
    if (std::size_t at = url.find("DIR"); at != std::string::npos) url.replace(at, 3, directory);
    auto database = registry.open_database(url);
    ASSERT_TRUE(database.ok()) << url << ": " << database.error().to_string();
    EXPECT_EQ((*database)->query("SELECT 1").value().at(0, std::size_t{0}).as<std::int64_t>(), 1) << url;
  }
  EXPECT_TRUE(std::filesystem::exists(directory + "/b.db"));
  std::filesystem::remove_all(directory);
}

TEST_F(BuiltinRegistry, EveryDatabaseUrlIsAKvStoreToo) {
  auto store = registry.open_kv("sqlite::memory:");
  ASSERT_TRUE(store.ok()) << store.error().to_string();
  auto kv = (*store)->open("n");
  ASSERT_TRUE(kv.ok());
  ASSERT_TRUE((*kv)->set("k", "v").ok());
  EXPECT_EQ(*(*kv)->get("k").value(), "v");
  EXPECT_EQ((*store)->namespaces().value(), std::vector<std::string>{"n"});
}
#endif

TEST(Registry, AMissingAdapterIsUnsupportedAndNotUnknown) {
  Registry registry;
  ASSERT_TRUE(registry.add_missing("postgresql", "postgres").ok());
  auto opened = registry.open_database("postgresql://h/d");
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::unsupported);
  EXPECT_EQ(opened.error().message(), "built without postgres");
  EXPECT_THAT(opened.error().hint(), HasSubstr("LOAM_WITH_POSTGRES"));
  EXPECT_EQ(registry.open_kv("postgresql://h/d").error().code(), ErrorCode::unsupported);
}

TEST(Registry, ASchemeIsTakenOnceForEachPort) {
  Registry registry;
  auto never = [](std::string_view) -> Result<std::shared_ptr<Embedder>> { return unsupported("never"); };
  ASSERT_TRUE(registry.add_embedder("x", never).ok());
  EXPECT_EQ(registry.add_embedder("x", never).error().code(), ErrorCode::already_exists);
  auto database = [](std::string_view) -> Result<std::unique_ptr<Database>> { return unsupported("never"); };
  EXPECT_TRUE(registry.add_database("x", database).ok());
}

TEST(Registry, ASchemeHasLowerCaseLettersDigitsAndFewMarks) {
  Registry registry;
  auto never = [](std::string_view) -> Result<std::shared_ptr<Embedder>> { return unsupported("never"); };
  for (const char* bad : {"", "X", "1x", "a b", "a:b", "a/b"})
    EXPECT_EQ(registry.add_embedder(bad, never).error().code(), ErrorCode::invalid_argument) << bad;
}

}  // namespace
}  // namespace loam

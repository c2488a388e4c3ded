#include "loam/store/layout.hpp"

#include <sys/stat.h>

#include <map>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/store/store_test_support.hpp"

namespace loam::store_internal {
namespace {

namespace fs = std::filesystem;

/// The state of a directory, to see that it was left alone.
std::map<std::string, std::string> contents_of(const std::string& directory) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    contents[entry.path().string()] = entry.is_regular_file() ? file_text(entry.path().string()) : "";
  return contents;
}

ErrorCode refusal(const std::string& directory, LayoutOptions options = {}) {
  auto before = contents_of(directory);
  auto prepared = prepare_directory(directory, options);
  EXPECT_FALSE(prepared.ok());
  EXPECT_EQ(contents_of(directory), before) << "what is refused stays as it was";
  return prepared.ok() ? ErrorCode::internal : prepared.error().code();
}

mode_t mode_of(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

void set_header_number(const std::string& path, std::size_t offset, unsigned char last_byte) {
  std::string bytes = file_text(path);
  bytes[offset + 3] = static_cast<char>(last_byte);
  write_text(path, bytes);
}

TEST(StoreLayout, NewStoreHasItsMarkInTheFileFromTheFirstInstant) {
  PrivateDirectory root;

  auto notes = prepare_directory(root / "app.loam", {});

  ASSERT_TRUE(notes.ok()) << notes.error().to_string();
  EXPECT_TRUE(notes->empty());
  EXPECT_TRUE(check_database_header(root / "app.loam/loam.db").ok());
  EXPECT_TRUE(fs::is_directory(root / "app.loam/index"));
  EXPECT_TRUE(fs::is_directory(root / "app.loam/files"));
}

TEST(StoreLayout, EverythingIsPrivateWhateverTheUmask) {
  for (mode_t mask : {0000, 0777}) {
    PrivateDirectory root;
    mode_t before = ::umask(mask);
    auto notes = prepare_directory(root / "app.loam", {});
    ::umask(before);
    ASSERT_TRUE(notes.ok()) << notes.error().to_string();
    for (const char* name : {"app.loam", "app.loam/index", "app.loam/files"}) EXPECT_EQ(mode_of(root / name), 0700u) << name;
    EXPECT_EQ(mode_of(root / "app.loam/loam.db"), 0600u);
  }
}

TEST(StoreLayout, EmptyDirectoryBecomesAStore) {
  PrivateDirectory root;
  EXPECT_TRUE(prepare_directory(root.path(), {}).ok());
}

TEST(StoreLayout, WithoutCreateNothingIsMade) {
  PrivateDirectory root;
  EXPECT_EQ(refusal(root.path(), {.create = false}), ErrorCode::not_found);
  EXPECT_EQ(refusal(root.path(), {.read_only = true}), ErrorCode::not_found);
  EXPECT_EQ(prepare_directory(root / "absent", {.create = false}).error().code(), ErrorCode::not_found);
  EXPECT_FALSE(fs::exists(root / "absent"));
}

TEST(StoreLayout, DirectoryOfOtherFilesIsRefused) {
  PrivateDirectory root;
  write_text(root / "thesis.txt", "years of work");
  EXPECT_EQ(refusal(root.path()), ErrorCode::failed_precondition);
}

TEST(StoreLayout, FileIsRefused) {
  PrivateDirectory root;
  write_text(root / "notes.txt", "x");
  EXPECT_EQ(prepare_directory(root / "notes.txt", {}).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(prepare_directory(root / "absent/app.loam", {}).error().code(), ErrorCode::not_found);
}

TEST(StoreLayout, DatabaseOfAnotherProgramIsRefusedUntouched) {
  PrivateDirectory root;
  {
    auto db = open_sqlite({.path = root / "loam.db"});
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE((*db)->execute("CREATE TABLE t(x)").ok());
  }
  EXPECT_EQ(refusal(root.path()), ErrorCode::failed_precondition);
  write_text(root / "loam.db", "not a database at all, and longer than the header of one: " + std::string(100, '.'));
  EXPECT_EQ(refusal(root.path()), ErrorCode::failed_precondition);
}

TEST(StoreLayout, NewerFormatIsRefusedUntouchedAndNamed) {
  PrivateDirectory root;
  ASSERT_TRUE(prepare_directory(root.path(), {}).ok());
  set_header_number(root / "loam.db", 60, 99);

  EXPECT_EQ(refusal(root.path()), ErrorCode::failed_precondition);
  EXPECT_EQ(refusal(root.path(), {.read_only = true}), ErrorCode::failed_precondition);
  EXPECT_NE(prepare_directory(root.path(), {}).error().to_string().find("store format 99"), std::string::npos);
}

TEST(StoreLayout, DamagedDatabaseFileIsNotReplacedByANewOne) {
  PrivateDirectory root;
  ASSERT_TRUE(prepare_directory(root.path(), {}).ok());
  std::string good = file_text(root / "loam.db");
  write_text(root / "loam.db", "");
  EXPECT_EQ(refusal(root.path()), ErrorCode::data_corruption);
  write_text(root / "loam.db", good.substr(0, 50));
  EXPECT_EQ(refusal(root.path()), ErrorCode::data_corruption);
}

// A new loam.db beside the WAL of the lost one: SQLite might replay the old pages into the new file.
TEST(StoreLayout, WalWithoutItsDatabaseIsRefused) {
  PrivateDirectory root;
  write_text(root / "loam.db-wal", std::string(64, 'w'));
  EXPECT_EQ(refusal(root.path()), ErrorCode::data_corruption);
}

TEST(StoreLayout, LeftoverFilesAreNotedAndKept) {
  PrivateDirectory root;
  ASSERT_TRUE(prepare_directory(root.path(), {}).ok());
  write_text(root / "loam.db.new-0123456789abcdef", "half a store");
  write_text(root / "core.1234", "x");

  auto notes = prepare_directory(root.path(), {});

  ASSERT_TRUE(notes.ok()) << notes.error().to_string();
  ASSERT_EQ(notes->size(), 2u);
  EXPECT_NE(notes->front().find("core.1234"), std::string::npos);
  EXPECT_NE(notes->back().find("loam.db.new-"), std::string::npos);
  EXPECT_EQ(file_text(root / "core.1234"), "x");
}

TEST(StoreLayout, StoreKilledWhileItWasCreatedIsCreatedAnew) {
  PrivateDirectory root;
  write_text(root / "loam.db.new-0123456789abcdef", "half a store");
  EXPECT_TRUE(prepare_directory(root.path(), {}).ok());
}

TEST(StoreLayout, LinkInPlaceOfTheDatabaseIsRefused) {
  PrivateDirectory root, other;
  ASSERT_TRUE(prepare_directory(other.path(), {}).ok());
  fs::create_symlink(other / "loam.db", root / "loam.db");
  EXPECT_EQ(prepare_directory(root.path(), {}).error().code(), ErrorCode::failed_precondition);
}

}  // namespace
}  // namespace loam::store_internal

#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "loam/adapters/lmdb/lmdb.hpp"
#include "loam/ports/contract/kv_contract.hpp"
#include "tests/support/temporary_directory.hpp"

namespace loam {
namespace {

using test::must;
using test::outcome_of;

std::string file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

mode_t mode_of(const std::string& path) {
  struct stat found = {};
  EXPECT_EQ(::stat(path.c_str(), &found), 0) << path;
  return found.st_mode & 0777;
}

/// An environment made with the library itself, `fill` writing to it.
template <typename Fill>
void make_environment(const std::string& path, Fill fill) {
  std::filesystem::create_directory(path);
  MDB_env* environment = nullptr;
  MDB_txn* transaction = nullptr;
  ASSERT_EQ(mdb_env_create(&environment), 0);
  mdb_env_set_maxdbs(environment, 4);
  ASSERT_EQ(mdb_env_open(environment, path.c_str(), 0, 0600), 0);
  ASSERT_EQ(mdb_txn_begin(environment, nullptr, 0, &transaction), 0);
  fill(transaction);
  ASSERT_EQ(mdb_txn_commit(transaction), 0);
  mdb_env_close(environment);
}

void put(MDB_txn* transaction, MDB_dbi table, std::string key, std::string value) {
  MDB_val k = {key.size(), key.data()}, v = {value.size(), value.data()};
  ASSERT_EQ(mdb_put(transaction, table, &k, &v, 0), 0);
}

class LmdbOpen : public testing::Test {
 protected:
  test::TemporaryDirectory directory_;
  std::string path_ = directory_ / "kv";
};

TEST_F(LmdbOpen, FilesAreForTheOwnerAloneWhateverTheUmask) {
  mode_t before = ::umask(0);
  auto store = must(open_lmdb({.path = path_}));
  must(must(store->open("n"))->set("k", "v"));
  ::umask(before);
  EXPECT_EQ(mode_of(path_), 0700u);
  for (const char* name : {"data.mdb", "lock.mdb", "write.lock"}) EXPECT_EQ(mode_of(path_ + "/" + name), 0600u) << name;
}

TEST_F(LmdbOpen, AMissingStoreIsNotMadeWithoutCreate) {
  EXPECT_EQ(outcome_of(open_lmdb({.path = path_, .create = false})), "not_found");
  EXPECT_FALSE(std::filesystem::exists(path_));
  std::filesystem::create_directory(path_);
  EXPECT_EQ(outcome_of(open_lmdb({.path = path_, .create = false})), "not_found");
  EXPECT_TRUE(std::filesystem::is_empty(path_));
}

TEST_F(LmdbOpen, AMissingParentIsNotFound) { EXPECT_EQ(outcome_of(open_lmdb({.path = directory_ / "a/b"})), "not_found"); }

TEST_F(LmdbOpen, AFileInPlaceOfTheDirectoryIsRefused) {
  std::ofstream(path_) << "text";
  EXPECT_EQ(outcome_of(open_lmdb({.path = path_})), "failed_precondition");
  EXPECT_EQ(file_bytes(path_), "text");
}

TEST_F(LmdbOpen, AForeignDataFileIsRefusedUntouched) {
  std::filesystem::create_directory(path_);
  const std::string foreign(20'000, 'x');
  std::ofstream(path_ + "/data.mdb") << foreign;
  EXPECT_EQ(outcome_of(open_lmdb({.path = path_})), "failed_precondition");
  EXPECT_TRUE(file_bytes(path_ + "/data.mdb") == foreign);
}

TEST_F(LmdbOpen, AnEnvironmentOfAnotherProgramIsRefusedUntouched) {
  make_environment(path_, [](MDB_txn* transaction) {
    MDB_dbi main = 0;
    ASSERT_EQ(mdb_dbi_open(transaction, nullptr, 0, &main), 0);
    put(transaction, main, "their key", "their value");
  });
  const std::string before = file_bytes(path_ + "/data.mdb");
  EXPECT_EQ(outcome_of(open_lmdb({.path = path_})), "failed_precondition");
  EXPECT_TRUE(file_bytes(path_ + "/data.mdb") == before);
}

TEST_F(LmdbOpen, ANewerFormatIsRefusedUntouchedAndNamed) {
  make_environment(path_, [](MDB_txn* transaction) {
    MDB_dbi meta = 0;
    ASSERT_EQ(mdb_dbi_open(transaction, "loam_meta", MDB_CREATE, &meta), 0);
    put(transaction, meta, "format", "loam-kv-lmdb 2");
  });
  const std::string before = file_bytes(path_ + "/data.mdb");
  auto refused = open_lmdb({.path = path_});
  ASSERT_EQ(outcome_of(refused), "failed_precondition");
  EXPECT_NE(refused.error().message().find("loam-kv-lmdb 2"), std::string::npos) << refused.error().message();
  EXPECT_TRUE(file_bytes(path_ + "/data.mdb") == before);
}

TEST_F(LmdbOpen, HostileSettingsInsideTheFileAreRefused) {
  for (const char* chunk : {"0", "503", "99999999999999999999", "-1", "x", ""}) {
    std::filesystem::remove_all(path_);
    make_environment(path_, [&](MDB_txn* transaction) {
      MDB_dbi meta = 0;
      ASSERT_EQ(mdb_dbi_open(transaction, "loam_meta", MDB_CREATE, &meta), 0);
      put(transaction, meta, "format", "loam-kv-lmdb 1");
      put(transaction, meta, "chunk_bytes", chunk);
    });
    EXPECT_EQ(outcome_of(open_lmdb({.path = path_})), "failed_precondition") << chunk;
  }
}

TEST_F(LmdbOpen, AnyCutOfTheDataFileIsAnErrorNotACrash) {
  {
    auto store = must(open_lmdb({.path = path_, .durability = Durability::normal}));
    auto kv = must(store->open("n"));
    for (int i = 0; i < 50; ++i) must(kv->set(std::to_string(i), std::string(3000, 'v')));
  }
  const std::string whole = file_bytes(path_ + "/data.mdb");
  for (std::size_t cut = whole.size() - 4096; cut > 0; cut -= 4096) {
    ASSERT_EQ(::truncate((path_ + "/data.mdb").c_str(), static_cast<off_t>(cut)), 0);
    auto opened = open_lmdb({.path = path_});
    EXPECT_FALSE(opened.ok()) << cut << " of " << whole.size() << " bytes";
  }
  std::ofstream(path_ + "/data.mdb", std::ios::binary | std::ios::trunc) << whole;
  EXPECT_EQ(must(must(must(open_lmdb({.path = path_}))->open("n"))->get("49"))->size(), 3000u);
}

TEST_F(LmdbOpen, OnePathOpenedTwiceIsOneStore) {
  auto first = must(open_lmdb({.path = path_}));
  auto second = must(open_lmdb({.path = directory_ / "./kv"}));
  must(must(first->open("n"))->set("k", "v"));
  EXPECT_EQ(must(must(second->open("n"))->get("k")), std::optional<std::string>("v"));
  first.reset();
  must(must(second->open("n"))->set("k", "w"));
  EXPECT_EQ(must(must(second->open("n"))->get("k")), std::optional<std::string>("w"));
}

TEST_F(LmdbOpen, OnePathOpenedWithTwoDurabilitiesIsRefused) {
  auto first = must(open_lmdb({.path = path_}));
  EXPECT_EQ(outcome_of(open_lmdb({.path = path_, .durability = Durability::normal})), "failed_precondition");
  first.reset();
  EXPECT_EQ(outcome_of(open_lmdb({.path = path_, .durability = Durability::normal})), "ok");
}

TEST_F(LmdbOpen, ANamespaceKeepsTheStoreOpen) {
  auto store = must(open_lmdb({.path = path_}));
  auto kv = must(store->open("n"));
  store.reset();
  must(kv->set("k", "v"));
  EXPECT_EQ(must(kv->get("k")), std::optional<std::string>("v"));
}

}  // namespace
}  // namespace loam

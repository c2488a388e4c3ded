#include <lmdb.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "loam/adapters/lmdb/environment.hpp"
#include "loam/adapters/lmdb/key_tree.hpp"
#include "loam/adapters/lmdb/lmdb_internal.hpp"
#include "loam/ports/contract/kv_contract.hpp"
#include "tests/support/temporary_directory.hpp"

namespace loam::lmdb {
namespace {

using test::must;

/// Every string of 1 to `length_max` bytes over the alphabet.
std::vector<std::string> all_strings(std::string_view alphabet, std::size_t length_max) {
  std::vector<std::string> all, longest = {""};
  for (std::size_t length = 1; length <= length_max; ++length) {
    std::vector<std::string> next;
    for (const std::string& head : longest)
      for (char byte : alphabet) next.push_back(head + byte);
    all.insert(all.end(), next.begin(), next.end());
    longest = std::move(next);
  }
  return all;
}

/// Keys around the places where 1024 bytes are cut into chunks of 502: all short endings over 00, 01 and FF after each
/// length.
std::vector<std::string> keys_around_the_cuts() {
  std::vector<std::string> keys;
  for (std::size_t head : {499u, 500u, 501u, 502u, 1001u, 1002u, 1003u, 1004u, 1019u, 1020u})
    for (const std::string& tail : all_strings(std::string_view("\0\x01\xFF", 3), 4)) {
      keys.push_back(std::string(head, 'a') + tail);
      keys.push_back(std::string(head - 3, 'a') + tail.substr(0, 2) + std::string(3, '\xFF'));
    }
  for (std::string& key : keys) key.resize(std::min(key.size(), limits::key_bytes_max));
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

struct TreeCase {
  std::size_t chunk_bytes;
  std::vector<std::string> keys;  // sorted
};

class LmdbKeyOrder : public testing::TestWithParam<TreeCase> {
 protected:
  void SetUp() override {
    environment_ =
        must(Environment::open({.path = directory_ / "kv", .durability = Durability::normal}, GetParam().chunk_bytes));
    in_write([&](KeyTree& tree) {
      // A neighbour on either side, whose entries must never be met.
      for (const char* name : {"before", "ours", "after"}) roots_.push_back(must(tree.make_namespace(name)));
      for (NodeId root : {roots_[0], roots_[2]})
        for (const std::string& key : GetParam().keys) must(tree.put(root, key, "neighbour", std::nullopt));
    });
  }

  template <typename Work>
  void in_write(Work work) {
    must(environment_->write({}, [&](MDB_txn* transaction) -> Result<Environment::Verdict> {
      KeyTree tree(environment_->tables(), environment_->chunk_bytes(), transaction);
      work(tree);
      return Environment::Verdict::commit;
    }));
  }

  std::vector<std::string> walk(std::string_view begin, KeyTree::From from) {
    auto read = must_read();
    KeyTree tree(environment_->tables(), environment_->chunk_bytes(), read.transaction());
    std::vector<std::string> keys;
    must(tree.walk(root(), begin, from, [&](std::string_view key, const StoredEntry& entry) -> Result<bool> {
      EXPECT_EQ(entry.value, std::string(key).substr(0, 3));
      keys.emplace_back(key);
      return true;
    }));
    return keys;
  }

  Environment::Read must_read() {
    auto read = environment_->read();
    LOAM_ASSERT(read.ok(), "cannot read");
    return std::move(read).value();
  }
  NodeId root() const { return roots_[1]; }
  std::size_t records() {
    auto read = must_read();
    MDB_stat stat;
    mdb_stat(read.transaction(), environment_->tables().entries, &stat);
    return stat.ms_entries;
  }

  test::TemporaryDirectory directory_;
  std::shared_ptr<Environment> environment_;
  std::vector<NodeId> roots_;
};

TEST_P(LmdbKeyOrder, WalksFromEveryKeyMeetTheRestInByteOrderWhicheverWayTheyWereWritten) {
  const std::vector<std::string>& keys = GetParam().keys;
  std::vector<std::string> shuffled = keys;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(7));
  const std::size_t records_before = records();

  // Half of the keys, so that walks also begin at keys that are not there.
  std::set<std::string> present;
  in_write([&](KeyTree& tree) {
    for (std::size_t i = 0; i < shuffled.size() / 2; ++i) {
      must(tree.put(root(), shuffled[i], shuffled[i].substr(0, 3), std::nullopt));
      present.insert(shuffled[i]);
    }
  });
  for (const std::string& begin : keys) {
    ASSERT_EQ(walk(begin, KeyTree::From::at), std::vector<std::string>(present.lower_bound(begin), present.end()));
    ASSERT_EQ(walk(begin, KeyTree::From::after), std::vector<std::string>(present.upper_bound(begin), present.end()));
  }
  ASSERT_EQ(walk("", KeyTree::From::at), std::vector<std::string>(present.begin(), present.end()));

  in_write([&](KeyTree& tree) {
    for (const std::string& key : shuffled) {
      auto found = must(tree.find(root(), key));
      ASSERT_EQ(found.has_value(), present.contains(key));
      ASSERT_EQ(must(tree.erase(root(), key)), present.contains(key));
    }
  });
  EXPECT_EQ(walk("", KeyTree::From::at), std::vector<std::string>());
  EXPECT_EQ(records(), records_before) << "nodes without entries are left";
}

TEST_P(LmdbKeyOrder, ClearTakesEveryNodeOfItsNamespaceAndNoOther) {
  const std::size_t records_before = records();
  std::size_t cleared = 0;
  in_write([&](KeyTree& tree) {
    for (const std::string& key : GetParam().keys) must(tree.put(root(), key, "v", std::nullopt));
  });
  in_write([&](KeyTree& tree) {
    must(tree.clear(root(), [&](std::string_view key, const StoredEntry&) -> Result<bool> {
      EXPECT_EQ(key, GetParam().keys[cleared++]);
      return true;
    }));
  });
  EXPECT_EQ(cleared, GetParam().keys.size());
  EXPECT_EQ(records(), records_before);
}

std::vector<std::string> sorted(std::vector<std::string> keys) {
  std::sort(keys.begin(), keys.end());
  return keys;
}

INSTANTIATE_TEST_SUITE_P(Chunks, LmdbKeyOrder,
                         testing::Values(TreeCase{1, sorted(all_strings(std::string_view("\0\x01\xFF", 3), 5))},
                                         TreeCase{2, sorted(all_strings(std::string_view("\0\x01\xFF", 3), 5))},
                                         TreeCase{3, sorted(all_strings(std::string_view("\0a", 2), 8))},
                                         TreeCase{chunk_bytes_default, keys_around_the_cuts()}),
                         [](const auto& of) { return "Of" + std::to_string(of.param.chunk_bytes); });

}  // namespace
}  // namespace loam::lmdb

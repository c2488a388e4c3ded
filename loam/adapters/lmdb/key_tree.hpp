#pragma once

/// Keys of any length in byte order, in a table whose keys are short. Private to the adapter.
///
/// LMDB's keys have at most 511 bytes; Loam's have 1024, besides their namespace. So keys are cut into chunks of C bytes
/// (502), and the chunks are steps down a tree whose nodes are numbers of 8 bytes (big-endian); a namespace is a root node:
///
///   key = c1 .. cn (the last chunk has 1 to C bytes)       LMDB key                      LMDB value
///   the last chunk of a key, in the node it belongs to     node, chunk                   the entry
///   any chunk before, always C bytes long                  node, chunk, 00               number of the child node
///
/// Order is kept: inside a node, an entry whose chunk has C bytes comes right before the child with the same chunk (it is
/// one byte shorter), and that comes before every greater chunk; all keys below the child are longer than the entry and
/// share its bytes. So a walk that goes down at each child, where it stands, meets the keys in byte order. A child node
/// without entries is taken out with its last entry.

#include <lmdb.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loam/adapters/lmdb/environment.hpp"
#include "loam/core/result.hpp"
#include "loam/core/time.hpp"

namespace loam::lmdb {

using NodeId = std::uint64_t;

/// An entry as it lies in the map; valid as long as the transaction and until its next write.
struct StoredEntry {
  std::optional<Timestamp> expires_at;
  std::string_view value;
};

/// The tree in one transaction. *needs external synchronization*
class KeyTree {
 public:
  KeyTree(const Tables& tables, std::size_t chunk_bytes, MDB_txn* transaction)
      : tables_(tables), chunk_bytes_(chunk_bytes), transaction_(transaction) {}

  /// The root node of a namespace; absent when nothing was ever written to it. It never changes.
  Result<std::optional<NodeId>> find_namespace(std::string_view name) const;
  Result<NodeId> make_namespace(std::string_view name);
  /// All of them, in byte order, also those without entries.
  Result<std::vector<std::pair<std::string, NodeId>>> namespaces() const;

  Result<std::optional<StoredEntry>> find(NodeId root, std::string_view key) const;
  Result<void> put(NodeId root, std::string_view key, std::string_view value, std::optional<Timestamp> expires_at);
  /// False when the key was not there.
  Result<bool> erase(NodeId root, std::string_view key);

  /// False ends the walk.
  using Visit = std::function<Result<bool>(std::string_view key, const StoredEntry& entry)>;
  enum class From { at, after };
  /// Visits the entries in key order, from `begin` on.
  Result<void> walk(NodeId root, std::string_view begin, From from, const Visit& visit) const;

  /// Removes everything below the node, visiting each entry before.
  Result<void> clear(NodeId root, const Visit& visit);

 private:
  class LmdbKey;
  Result<std::optional<MDB_val>> get(const LmdbKey& key) const;
  Result<bool> remove(const LmdbKey& key);
  Result<std::optional<NodeId>> child_of(NodeId node, std::string_view chunk) const;
  Result<NodeId> make_child(NodeId node, std::string_view chunk);
  Result<NodeId> new_node();
  Result<bool> is_empty(NodeId node) const;
  Result<bool> walk_node(NodeId node, std::string& path, std::string_view begin, From from, const Visit& visit) const;
  Result<bool> clear_node(NodeId node, std::string& path, const Visit& visit);

  const Tables& tables_;
  std::size_t chunk_bytes_;
  MDB_txn* transaction_;
};

}  // namespace loam::lmdb

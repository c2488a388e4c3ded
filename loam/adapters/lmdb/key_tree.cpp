#include "loam/adapters/lmdb/key_tree.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "loam/adapters/lmdb/translate.hpp"

namespace loam::lmdb {
namespace {

constexpr std::size_t node_bytes = 8;
constexpr std::string_view next_node_key = "next_node";

// An entry: 00 value, or 01 expiry (microseconds, 8 bytes, big-endian) value.
constexpr char keeps_for_ever = 0;
constexpr char has_expiry = 1;

void write_number(std::uint64_t number, char* bytes) {
  for (int i = 7; i >= 0; --i, number >>= 8) bytes[i] = static_cast<char>(number & 0xFF);
}

std::uint64_t read_number(const char* bytes) {
  std::uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

MDB_val to_val(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
std::string_view to_view(const MDB_val& val) { return {static_cast<const char*>(val.mv_data), val.mv_size}; }

Result<StoredEntry> decode_entry(const MDB_val& stored) {
  std::string_view bytes = to_view(stored);
  if (!bytes.empty() && bytes.front() == keeps_for_ever) return StoredEntry{std::nullopt, bytes.substr(1)};
  if (bytes.size() > 8 && bytes.front() == has_expiry)
    return StoredEntry{Timestamp{static_cast<std::int64_t>(read_number(bytes.data() + 1))}, bytes.substr(9)};
  return data_corruption("an entry of the lmdb store has an unknown form");
}

Result<NodeId> decode_node(const MDB_val& stored) {
  if (stored.mv_size == node_bytes) return read_number(static_cast<const char*>(stored.mv_data));
  return data_corruption("a node number of the lmdb store has " + std::to_string(stored.mv_size) + " bytes");
}

struct CloseCursor {
  void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
};
using OwnedCursor = std::unique_ptr<MDB_cursor, CloseCursor>;

Result<OwnedCursor> open_cursor(MDB_txn* transaction, MDB_dbi table) {
  MDB_cursor* cursor = nullptr;
  if (int code = mdb_cursor_open(transaction, table, &cursor); code != 0) return translate(code, "open a cursor");
  return OwnedCursor(cursor);
}

}  // namespace

/// Node, chunk and, for a child, a final 00; on the stack.
class KeyTree::LmdbKey {
 public:
  enum class Kind { entry, child };
  LmdbKey(NodeId node, std::string_view chunk, Kind kind) {
    write_number(node, bytes_);
    if (!chunk.empty()) std::memcpy(bytes_ + node_bytes, chunk.data(), chunk.size());
    size_ = node_bytes + chunk.size();
    if (kind == Kind::child) bytes_[size_++] = 0;
  }
  std::string_view view() const { return {bytes_, size_}; }

 private:
  char bytes_[512];
  std::size_t size_;
};

Result<std::optional<MDB_val>> KeyTree::get(const LmdbKey& key) const {
  MDB_val lookup = to_val(key.view()), found;
  int code = mdb_get(transaction_, tables_.entries, &lookup, &found);
  if (code == MDB_NOTFOUND) return std::optional<MDB_val>();
  if (code != 0) return translate(code, "read an entry");
  return std::optional<MDB_val>(found);
}

Result<bool> KeyTree::remove(const LmdbKey& key) {
  MDB_val lookup = to_val(key.view());
  int code = mdb_del(transaction_, tables_.entries, &lookup, nullptr);
  if (code == MDB_NOTFOUND) return false;
  if (code != 0) return translate(code, "remove an entry");
  return true;
}

Result<std::optional<NodeId>> KeyTree::find_namespace(std::string_view name) const {
  MDB_val key = to_val(name), found;
  int code = mdb_get(transaction_, tables_.namespaces, &key, &found);
  if (code == MDB_NOTFOUND) return std::optional<NodeId>();
  if (code != 0) return translate(code, "find a namespace");
  LOAM_TRY(NodeId node, decode_node(found));
  return std::optional<NodeId>(node);
}

Result<NodeId> KeyTree::make_namespace(std::string_view name) {
  LOAM_TRY(auto found, find_namespace(name));
  if (found) return *found;
  LOAM_TRY(NodeId node, new_node());
  char number[node_bytes];
  write_number(node, number);
  MDB_val key = to_val(name), value = to_val({number, node_bytes});
  if (int code = mdb_put(transaction_, tables_.namespaces, &key, &value, 0); code != 0)
    return translate(code, "make a namespace");
  return node;
}

Result<std::vector<std::pair<std::string, NodeId>>> KeyTree::namespaces() const {
  LOAM_TRY(auto cursor, open_cursor(transaction_, tables_.namespaces));
  std::vector<std::pair<std::string, NodeId>> names;
  MDB_val key, value;
  int code = mdb_cursor_get(cursor.get(), &key, &value, MDB_FIRST);
  for (; code == 0; code = mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT)) {
    LOAM_TRY(NodeId node, decode_node(value));
    names.emplace_back(to_view(key), node);
  }
  if (code != MDB_NOTFOUND) return translate(code, "list the namespaces");
  return names;
}

Result<NodeId> KeyTree::new_node() {
  MDB_val key = to_val(next_node_key), found;
  NodeId node = 1;
  int code = mdb_get(transaction_, tables_.meta, &key, &found);
  if (code == 0) {
    LOAM_TRY(node, decode_node(found));
  } else if (code != MDB_NOTFOUND) {
    return translate(code, "read the next node number");
  }
  char number[node_bytes];
  write_number(node + 1, number);
  MDB_val next = to_val({number, node_bytes});
  code = mdb_put(transaction_, tables_.meta, &key, &next, 0);
  if (code != 0) return translate(code, "write the next node number");
  return node;
}

Result<std::optional<NodeId>> KeyTree::child_of(NodeId node, std::string_view chunk) const {
  LOAM_TRY(auto found, get(LmdbKey(node, chunk, LmdbKey::Kind::child)));
  if (!found) return std::optional<NodeId>();
  LOAM_TRY(NodeId child, decode_node(*found));
  return std::optional<NodeId>(child);
}

Result<NodeId> KeyTree::make_child(NodeId node, std::string_view chunk) {
  LOAM_TRY(auto found, child_of(node, chunk));
  if (found) return *found;
  LOAM_TRY(NodeId child, new_node());
  char number[node_bytes];
  write_number(child, number);
  LmdbKey key(node, chunk, LmdbKey::Kind::child);
  MDB_val lookup = to_val(key.view()), value = to_val({number, node_bytes});
  if (int code = mdb_put(transaction_, tables_.entries, &lookup, &value, 0); code != 0)
    return translate(code, "make a node");
  return child;
}

Result<std::optional<StoredEntry>> KeyTree::find(NodeId root, std::string_view key) const {
  NodeId node = root;
  for (; key.size() > chunk_bytes_; key.remove_prefix(chunk_bytes_)) {
    LOAM_TRY(auto child, child_of(node, key.substr(0, chunk_bytes_)));
    if (!child) return std::optional<StoredEntry>();
    node = *child;
  }
  LOAM_TRY(auto found, get(LmdbKey(node, key, LmdbKey::Kind::entry)));
  if (!found) return std::optional<StoredEntry>();
  LOAM_TRY(StoredEntry entry, decode_entry(*found));
  return std::optional<StoredEntry>(entry);
}

Result<void> KeyTree::put(NodeId root, std::string_view key, std::string_view value, std::optional<Timestamp> expires_at) {
  NodeId node = root;
  for (; key.size() > chunk_bytes_; key.remove_prefix(chunk_bytes_)) {
    LOAM_TRY(node, make_child(node, key.substr(0, chunk_bytes_)));
  }
  LmdbKey entry_key(node, key, LmdbKey::Kind::entry);
  MDB_val lookup = to_val(entry_key.view());
  // Reserved and filled in place: a value of megabytes is not copied twice.
  MDB_val room = {value.size() + (expires_at ? 9 : 1), nullptr};
  int code = mdb_put(transaction_, tables_.entries, &lookup, &room, MDB_RESERVE);
  if (code != 0) return translate(code, "write an entry");
  char* bytes = static_cast<char*>(room.mv_data);
  *bytes++ = expires_at ? has_expiry : keeps_for_ever;
  if (expires_at) {
    write_number(static_cast<std::uint64_t>(expires_at->micros), bytes);
    bytes += 8;
  }
  if (!value.empty()) std::memcpy(bytes, value.data(), value.size());
  return {};
}

Result<bool> KeyTree::erase(NodeId root, std::string_view key) {
  if (key.size() <= chunk_bytes_) return remove(LmdbKey(root, key, LmdbKey::Kind::entry));
  std::string_view chunk = key.substr(0, chunk_bytes_);
  LOAM_TRY(auto child, child_of(root, chunk));
  if (!child) return false;
  LOAM_TRY(bool erased, erase(*child, key.substr(chunk_bytes_)));
  LOAM_TRY(bool empty, is_empty(*child));
  if (empty) LOAM_TRY(remove(LmdbKey(root, chunk, LmdbKey::Kind::child)));
  return erased;
}

Result<bool> KeyTree::is_empty(NodeId node) const {
  LOAM_TRY(auto cursor, open_cursor(transaction_, tables_.entries));
  LmdbKey first(node, "", LmdbKey::Kind::entry);
  MDB_val key = to_val(first.view()), value;
  int code = mdb_cursor_get(cursor.get(), &key, &value, MDB_SET_RANGE);
  if (code == MDB_NOTFOUND) return true;
  if (code != 0) return translate(code, "look into a node");
  return !to_view(key).starts_with(first.view());
}

Result<void> KeyTree::walk(NodeId root, std::string_view begin, From from, const Visit& visit) const {
  std::string path;
  LOAM_TRY(walk_node(root, path, begin, from, visit));
  return {};
}

// `path` holds the bytes above this node; `begin` what is left of the first key below them. False: the visitor has enough.
Result<bool> KeyTree::walk_node(NodeId node, std::string& path, std::string_view begin, From from,
                                const Visit& visit) const {
  const bool begins_below = begin.size() > chunk_bytes_;  // in the child with this chunk, or after it
  LmdbKey first(node, begin.substr(0, chunk_bytes_), begins_below ? LmdbKey::Kind::child : LmdbKey::Kind::entry);
  const std::string_view node_prefix = first.view().substr(0, node_bytes);
  LOAM_TRY(auto cursor, open_cursor(transaction_, tables_.entries));
  MDB_val key = to_val(first.view()), value;
  int code = mdb_cursor_get(cursor.get(), &key, &value, MDB_SET_RANGE);
  for (; code == 0; code = mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT)) {
    std::string_view bytes = to_view(key);
    if (!bytes.starts_with(node_prefix)) return true;
    const bool is_first = bytes == first.view();
    bytes.remove_prefix(node_bytes);
    const std::size_t path_bytes = path.size();
    bool more = true;
    if (bytes.size() > chunk_bytes_) {
      LOAM_TRY(NodeId child, decode_node(value));
      path += bytes.substr(0, chunk_bytes_);
      const bool cut = is_first && begins_below;
      LOAM_TRY(more,
               walk_node(child, path, cut ? begin.substr(chunk_bytes_) : std::string_view(), cut ? from : From::at, visit));
    } else if (!is_first || from == From::at) {
      LOAM_TRY(StoredEntry entry, decode_entry(value));
      path += bytes;
      LOAM_TRY(more, visit(path, entry));
    }
    path.resize(path_bytes);
    if (!more) return false;
  }
  if (code != MDB_NOTFOUND) return translate(code, "walk the entries");
  return true;
}

Result<void> KeyTree::clear(NodeId root, const Visit& visit) {
  std::string path;
  LOAM_TRY(clear_node(root, path, visit));
  return {};
}

Result<bool> KeyTree::clear_node(NodeId node, std::string& path, const Visit& visit) {
  LmdbKey first(node, "", LmdbKey::Kind::entry);
  LOAM_TRY(auto cursor, open_cursor(transaction_, tables_.entries));
  MDB_val key = to_val(first.view()), value;
  int code = mdb_cursor_get(cursor.get(), &key, &value, MDB_SET_RANGE);
  for (; code == 0; code = mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT)) {
    std::string_view bytes = to_view(key);
    if (!bytes.starts_with(first.view())) return true;
    bytes.remove_prefix(node_bytes);
    const std::size_t path_bytes = path.size();
    path += bytes.substr(0, chunk_bytes_);
    if (bytes.size() > chunk_bytes_) {
      LOAM_TRY(NodeId child, decode_node(value));
      LOAM_TRY(clear_node(child, path, visit));
    } else {
      LOAM_TRY(StoredEntry entry, decode_entry(value));
      LOAM_TRY(visit(path, entry));
    }
    path.resize(path_bytes);
    if (code = mdb_cursor_del(cursor.get(), 0); code != 0) return translate(code, "remove an entry");
  }
  if (code != MDB_NOTFOUND) return translate(code, "walk the entries");
  return true;
}

}  // namespace loam::lmdb

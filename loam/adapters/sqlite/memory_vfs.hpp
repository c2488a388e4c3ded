#pragma once

/// Files in memory behind SQLite's VFS interface, shared memory and locks included, so that an in-memory database is in WAL
/// mode with a writer and readers of their own, as one on disk. (SQLite's own in-memory databases have no WAL: their readers
/// and writer shut each other out.) Internal to the adapter.

#include <memory>
#include <string>

#include "loam/core/result.hpp"

namespace loam::sqlite {

/// The files of one database: they are there as long as this object. Close the connections first.
class MemoryFiles {
 public:
  static Result<std::unique_ptr<MemoryFiles>> create();
  MemoryFiles(const MemoryFiles&) = delete;
  MemoryFiles& operator=(const MemoryFiles&) = delete;
  ~MemoryFiles();

  const std::string& database_name() const { return name_; }
  static const char* vfs_name();

 private:
  explicit MemoryFiles(std::string name) : name_(std::move(name)) {}
  std::string name_;
};

}  // namespace loam::sqlite

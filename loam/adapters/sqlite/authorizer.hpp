#pragma once

/// What SQL text from outside may not do on a connection, because the adapter's guarantees rest on it. Internal to the
/// adapter.

#include <sqlite3.h>

#include <string>

namespace loam::sqlite {

/// Installed on every connection; consulted by SQLite while it compiles a statement, so it costs nothing per run.
///
/// Refused: transaction control (begin() and savepoint() know the state; a stray COMMIT would break all-or-nothing), ATTACH
/// (reaches other files), PRAGMAs that change durability, locking or safety, and functions that load code.
class Authorizer {
 public:
  void install(sqlite3* db);

  /// Why the last statement was refused; empty when it was not. Taken: the next call gives "".
  std::string take_reason();

  /// While it lives the adapter's own statements pass.
  class Allow {
   public:
    explicit Allow(Authorizer& authorizer) : authorizer_(authorizer) { ++authorizer_.allowed_; }
    Allow(const Allow&) = delete;
    Allow& operator=(const Allow&) = delete;
    ~Allow() { --authorizer_.allowed_; }

   private:
    Authorizer& authorizer_;
  };

 private:
  static int on_action(void* self, int action, const char* first, const char* second, const char* schema, const char* inner);
  int refuse(std::string reason);

  int allowed_ = 0;
  std::string reason_;
};

}  // namespace loam::sqlite

#pragma once

/// What the child processes say about their operations, kept where their death cannot reach it: a file that the parent and
/// the children map. A state is stored before and after each call, so that at any instant of a kill the file says for every
/// operation whether it was begun and whether it was acknowledged. Shares no code with the store.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace loam::crash {

enum class OpState : std::uint8_t {
  none,     ///< never begun
  invoked,  ///< begun; when the process is dead: in flight
  acked,    ///< the call returned ok
  failed,   ///< the call returned an error with nothing applied
  unknown,  ///< the call returned an error with outcome unknown
};

constexpr std::size_t lanes_max = 8;
constexpr std::size_t ops_max = 1u << 16;
constexpr std::size_t text_bytes_max = 2048;

/// One lane is one thread of one child: its operations are numbered from 0 and never overlap.
struct OracleLane {
  std::atomic<std::uint64_t> first;  ///< number of the first operation of this round; set by the parent
  std::atomic<std::uint8_t> states[ops_max];
  std::atomic<std::uint32_t> text_bytes;
  char text[text_bytes_max];  ///< the first error that was not planned
};

struct OracleFile {
  std::atomic<std::uint32_t> opened;  ///< children that have opened their store
  std::atomic<std::uint32_t> stop;    ///< set by the parent: end after the present operation
  OracleLane lanes[lanes_max];
};

/// The mapping of an oracle file. *thread-safe* as far as lanes are not shared.
class Oracle {
 public:
  /// Makes the file when `create`; exits the program when it cannot.
  Oracle(const std::string& path, bool create);
  ~Oracle();
  Oracle(const Oracle&) = delete;
  Oracle& operator=(const Oracle&) = delete;

  OracleFile& file() { return *file_; }
  OracleLane& lane(std::size_t number) { return file_->lanes[number]; }

  /// `op` counts from the lane's `first`.
  OpState state(std::size_t lane, std::uint64_t op) const;
  void set(std::size_t lane, std::uint64_t op, OpState state);
  void set_text(std::size_t lane, std::string_view text);
  std::string text(std::size_t lane) const;

 private:
  OracleFile* file_ = nullptr;
};

}  // namespace loam::crash

#pragma once

/// What operation number n of a lane does: a pure function of the seed, so that the parent knows it without asking the
/// child.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace loam::crash {

/// SplitMix64 (Steele, Lea, Flood 2014).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  /// 0 to bound - 1.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

std::uint64_t mix(std::uint64_t a, std::uint64_t b);

/// One item of a family gets a content, or goes. Items belong to one lane each: "lane3/17".
struct ItemWrite {
  std::string item;
  std::optional<std::string> content;
};

/// Writes of one family that are one call: all with a content, or all without.
struct FamilyWrites {
  std::size_t family = 0;
  std::vector<ItemWrite> writes;
};

enum class OpKind : std::uint8_t {
  call,         ///< one call of one family, committing by itself
  transaction,  ///< calls of all families in one transaction
  rolled_back,  ///< the same, and then the function fails on purpose: nothing may stay
  savepoint,    ///< the same as `transaction`, with further calls in a savepoint that is undone
};

struct Op {
  OpKind kind = OpKind::call;
  std::vector<FamilyWrites> kept;    ///< take effect when the operation does
  std::vector<FamilyWrites> undone;  ///< are made and must have no effect
  bool counts = false;               ///< also adds one to the counter that all lanes share
  std::uint64_t style = 0;           ///< which of several equivalent calls is used
};

Op plan_op(std::uint64_t seed, std::size_t lane, std::uint64_t number, std::size_t families);

std::string lane_prefix(std::size_t lane);
/// The one word of a content that no other content has.
std::string rare_word(const std::string& content);

}  // namespace loam::crash

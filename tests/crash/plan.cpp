#include "tests/crash/plan.hpp"

#include <cstdio>

namespace loam::crash {
namespace {

constexpr std::uint64_t items_per_lane = 24;
const char* const words[] = {"river",  "stone",  "lantern", "orchard", "harbour",
                             "copper", "meadow", "signal",  "winter",  "garden"};

std::string rare_word_of(std::uint64_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "z%016llx", static_cast<unsigned long long>(number));
  return text;
}

/// The rare word, then common ones; now and then much longer than a page of the database.
std::string make_content(Random& random) {
  std::string text = rare_word_of(random.next());
  std::uint64_t count = random.one_in(20) ? 2'000 : 3 + random.below(12);
  for (std::uint64_t i = 0; i < count; ++i) text += std::string(" ") + words[random.below(std::size(words))];
  return text;
}

enum class Removals : std::uint8_t { allowed, none };

FamilyWrites make_writes(Random& random, std::size_t family, std::size_t lane, std::uint64_t count_max,
                         Removals removals = Removals::allowed) {
  FamilyWrites result{family, {}};
  bool remove = random.one_in(5) && removals == Removals::allowed;
  std::uint64_t count = 1 + random.below(count_max);
  std::uint64_t item = random.below(items_per_lane);
  for (std::uint64_t i = 0; i < count; ++i) {
    ItemWrite write{lane_prefix(lane) + std::to_string((item + i) % items_per_lane), std::nullopt};
    if (!remove) write.content = make_content(random);
    result.writes.push_back(std::move(write));
  }
  return result;
}

OpKind kind_of(std::uint64_t roll) {
  if (roll < 50) return OpKind::call;
  if (roll < 80) return OpKind::transaction;
  return roll < 90 ? OpKind::rolled_back : OpKind::savepoint;
}

}  // namespace

std::uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15u;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) { return Random(a ^ Random(b).next()).next(); }

Op plan_op(std::uint64_t seed, std::size_t lane, std::uint64_t number, std::size_t families) {
  Random random(mix(mix(seed, lane + 1), number));
  Op op;
  op.kind = kind_of(random.below(100));
  op.style = random.next();
  if (op.kind == OpKind::call) {
    op.kept.push_back(make_writes(random, random.below(families), lane, 4));
    return op;
  }
  auto& target = op.kind == OpKind::rolled_back ? op.undone : op.kept;
  // The first family always gets a content that was never there: whether the transaction was stored can then be seen.
  for (std::size_t family = 0; family < families; ++family)
    target.push_back(make_writes(random, family, lane, 3, family == 0 ? Removals::none : Removals::allowed));
  if (op.kind == OpKind::savepoint)
    for (std::size_t family = 0; family < families; ++family) op.undone.push_back(make_writes(random, family, lane, 2));
  op.counts = op.kind == OpKind::transaction;
  return op;
}

std::string lane_prefix(std::size_t lane) { return "lane" + std::to_string(lane) + "/"; }

std::string rare_word(const std::string& content) { return content.substr(0, content.find(' ')); }

}  // namespace loam::crash

#include "loam/ports/contract/kv_contract.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace loam::test {

void KvContract::SetUp() {
  auto made = GetParam().make(clock_);
  if (!made.ok()) FAIL() << made.error().to_string();
  backend_ = std::move(made).value();
  if (backend_ == nullptr) GTEST_SKIP() << "the backend of " << GetParam().name << " is not on this machine";
  kv_ = open("test");
}

std::unique_ptr<KeyValue> KvContract::open(std::string_view name_space) {
  auto opened = store().open(name_space);
  LOAM_ASSERT(opened.ok(), "a namespace cannot be opened");
  return std::move(opened).value();
}

void KvContract::reopen() {
  kv_.reset();
  must(backend_->reopen());
  kv_ = open("test");
}

std::string render_list(KeyValue& kv, KvListOptions options) {
  std::string text;
  std::optional<std::string> cursor;
  do {
    options.cursor = cursor ? std::string_view(*cursor) : std::string_view();
    KvPage page = must(kv.list(options));
    for (const KvEntry& entry : page.entries) text += (text.empty() ? "" : " ") + entry.key + "=" + entry.value;
    std::optional<std::string> next = std::move(page.next_cursor);
    cursor = std::move(next);
  } while (cursor);
  return text;
}

namespace {

using Hit = std::optional<std::string>;
using Hits = std::vector<Hit>;

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (int value : values) text += static_cast<char>(value);
  return text;
}

std::vector<std::string> keys_of(KeyValue& kv, KvListOptions options = {}) {
  std::vector<std::string> keys;
  for (KvEntry& entry : must(kv.list(options)).entries) keys.push_back(std::move(entry.key));
  return keys;
}

// Reading and writing.

TEST_P(KvContract, AbsentKeyIsNoErrorAndNoValue) {
  EXPECT_EQ(must(kv_->get("nobody")), Hit());
  EXPECT_FALSE(must(kv_->exists("nobody")));
  EXPECT_FALSE(must(kv_->erase("nobody")));
  EXPECT_EQ(must(kv_->clear()), 0);
  EXPECT_EQ(render_list(*kv_), "");
}

TEST_P(KvContract, LastValueOfAKeyIsRead) {
  must(kv_->set("k", "one"));
  must(kv_->set("k", "two"));
  EXPECT_EQ(must(kv_->get("k")), Hit("two"));
  EXPECT_TRUE(must(kv_->exists("k")));
}

TEST_P(KvContract, ErasedKeyIsGone) {
  must(kv_->set("k", "v"));
  EXPECT_TRUE(must(kv_->erase("k")));
  EXPECT_FALSE(must(kv_->erase("k")));
  EXPECT_EQ(must(kv_->get("k")), Hit());
}

TEST_P(KvContract, EmptyValueIsAValue) {
  must(kv_->set("k", ""));
  EXPECT_EQ(must(kv_->get("k")), Hit(""));
  EXPECT_TRUE(must(kv_->exists("k")));
  EXPECT_EQ(must(kv_->get_many(std::vector<std::string_view>{"k", "absent"})), (Hits{Hit(""), Hit()}));
}

TEST_P(KvContract, K1EveryByteValueComesBackInKeysAndValues) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  must(kv_->set(all, all));
  EXPECT_EQ(must(kv_->get(all)), Hit(all));
  for (int byte = 0; byte < 256; ++byte) must(kv_->set(bytes({byte}), bytes({byte, 0, byte})));
  for (int byte = 0; byte < 256; ++byte) EXPECT_EQ(must(kv_->get(bytes({byte}))), Hit(bytes({byte, 0, byte}))) << byte;
}

TEST_P(KvContract, K1KeysOfEveryLengthUpTo1024ComeBack) {
  std::vector<std::string> keys;
  for (std::size_t size = 1; size <= limits::key_bytes_max; ++size) keys.push_back(std::string(size, 'x'));
  std::vector<KvWrite> writes;
  for (const std::string& key : keys) writes.push_back({key, std::string_view(key).substr(0, 8)});
  must(kv_->set_many(writes));
  for (const std::string& key : keys) EXPECT_EQ(must(kv_->get(key)), Hit(key.substr(0, 8))) << key.size();
  EXPECT_EQ(keys_of(*kv_, {.limit = 2000}), keys);
}

TEST_P(KvContract, K1AValueOfEightMebibytesComesBack) {
  std::string value(8u << 20, '\0');
  for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>(i * 2654435761u >> 13);
  must(kv_->set("big", value));
  EXPECT_TRUE(must(kv_->get("big")) == value);
  must(kv_->set("big", "small"));
  EXPECT_EQ(must(kv_->get("big")), Hit("small"));
}

TEST_P(KvContract, K1AValueAtTheCapIsStoredAndOneByteMoreIsRefused) {
  std::string value(limits::value_bytes_max + 1, 'v');
  EXPECT_EQ(outcome_of(kv_->set("big", value)), "invalid_argument");
  EXPECT_FALSE(must(kv_->exists("big")));
  value.pop_back();
  must(kv_->set("big", value));
  EXPECT_TRUE(must(kv_->get("big")) == value);
}

TEST_P(KvContract, WrongArgumentsAreRefusedAndNothingIsStored) {
  const std::string long_key(limits::key_bytes_max + 1, 'k');
  EXPECT_EQ(outcome_of(kv_->get("")), "invalid_argument");
  EXPECT_EQ(outcome_of(kv_->get(long_key)), "invalid_argument");
  EXPECT_EQ(outcome_of(kv_->exists("")), "invalid_argument");
  EXPECT_EQ(outcome_of(kv_->set("", "v")), "invalid_argument");
  EXPECT_EQ(outcome_of(kv_->set(long_key, "v")), "invalid_argument");
  EXPECT_EQ(outcome_of(kv_->erase("")), "invalid_argument");
  EXPECT_EQ(outcome_of(kv_->compare_and_set("", "a", "b")), "invalid_argument");
  for (std::int64_t ttl_ms : {std::int64_t{0}, std::int64_t{-1}, limits::ttl_ms_max + 1, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(outcome_of(kv_->set("k", "v", {.ttl_ms = ttl_ms})), "invalid_argument") << ttl_ms;
    EXPECT_EQ(outcome_of(kv_->compare_and_set("k", std::nullopt, "v", {.ttl_ms = ttl_ms})), "invalid_argument") << ttl_ms;
  }
  for (std::size_t limit : {std::size_t{0}, limits::page_count_max + 1, SIZE_MAX})
    EXPECT_EQ(outcome_of(kv_->list({.limit = limit})), "invalid_argument") << limit;
  EXPECT_EQ(outcome_of(kv_->list({.prefix = long_key})), "invalid_argument");
  EXPECT_EQ(render_list(*kv_), "");
}

TEST_P(KvContract, LongestTtlIsKept) {
  must(kv_->set("k", "v", {.ttl_ms = limits::ttl_ms_max}));
  clock_.advance_micros(limits::ttl_ms_max * 1000 - 1);
  EXPECT_TRUE(must(kv_->exists("k")));
  clock_.advance_micros(1);
  EXPECT_FALSE(must(kv_->exists("k")));
}

// Batches.

TEST_P(KvContract, BatchesReadAndWriteInTheirOrder) {
  must(kv_->set_many(std::vector<KvWrite>{{"b", "2"}, {"a", "1"}, {"c", "3"}}));
  EXPECT_EQ(must(kv_->get_many(std::vector<std::string_view>{"c", "x", "a", "c"})),
            (Hits{Hit("3"), Hit(), Hit("1"), Hit("3")}));
  EXPECT_EQ(must(kv_->erase_many(std::vector<std::string_view>{"c", "x", "a", "c"})), 2);
  EXPECT_EQ(render_list(*kv_), "b=2");
}

TEST_P(KvContract, AKeyGivenTwiceKeepsTheLastValueAndItsTtl) {
  must(kv_->set_many(std::vector<KvWrite>{{"k", "1", {.ttl_ms = 1}}, {"other", "x"}, {"k", "2"}}));
  must(kv_->set_many(std::vector<KvWrite>{{"t", "1"}, {"t", "2", {.ttl_ms = 1}}}));
  EXPECT_EQ(render_list(*kv_), "k=2 other=x t=2");
  clock_.advance_micros(1000);
  EXPECT_EQ(render_list(*kv_), "k=2 other=x");
}

TEST_P(KvContract, EmptyBatchesDoNothing) {
  must(kv_->set_many({}));
  EXPECT_EQ(must(kv_->get_many({})), Hits());
  EXPECT_EQ(must(kv_->erase_many({})), 0);
}

TEST_P(KvContract, K2OneWrongElementRefusesTheWholeBatchAndIsNamed) {
  must(kv_->set("a", "old"));
  auto refused = kv_->set_many(std::vector<KvWrite>{{"a", "new"}, {"b", "new"}, {"", "wrong"}, {"c", "new"}});
  ASSERT_EQ(outcome_of(refused), "invalid_argument");
  EXPECT_NE(refused.error().message().find("element 2"), std::string::npos) << refused.error().message();
  EXPECT_EQ(outcome_of(kv_->set_many(std::vector<KvWrite>{{"a", "new"}, {"b", "x", {.ttl_ms = 0}}})), "invalid_argument");
  EXPECT_EQ(outcome_of(kv_->erase_many(std::vector<std::string_view>{"a", ""})), "invalid_argument");
  EXPECT_EQ(outcome_of(kv_->get_many(std::vector<std::string_view>{"a", ""})), "invalid_argument");
  EXPECT_EQ(render_list(*kv_), "a=old");
}

TEST_P(KvContract, BatchesAreLargerThanAnyParameterLimit) {
  constexpr std::size_t count = 40'000;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < count; ++i) keys.push_back("key/" + std::to_string(i));
  std::vector<KvWrite> writes;
  for (const std::string& key : keys) writes.push_back({key, std::string_view(key).substr(4)});
  must(kv_->set_many(writes));
  std::vector<std::string_view> views(keys.begin(), keys.end());
  Hits hits = must(kv_->get_many(views));
  ASSERT_EQ(hits.size(), count);
  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(hits[i], Hit(std::to_string(i)));
  EXPECT_EQ(must(kv_->erase_many(views)), static_cast<std::int64_t>(count));
  EXPECT_EQ(render_list(*kv_), "");
}

TEST_P(KvContract, ABatchAboveTheCapIsRefused) {
  std::vector<std::string_view> keys(limits::batch_count_max + 1, "k");
  EXPECT_EQ(outcome_of(kv_->get_many(keys)), "invalid_argument");
  EXPECT_EQ(outcome_of(kv_->erase_many(keys)), "invalid_argument");
  EXPECT_EQ(outcome_of(kv_->set_many(std::vector<KvWrite>(limits::batch_count_max + 1, KvWrite{"k", "v"}))),
            "invalid_argument");
}

TEST_P(KvContract, AnAnswerAboveTheCapIsRefusedInsteadOfAllocated) {
  must(kv_->set("big", std::string(8u << 20, 'v')));
  std::vector<std::string_view> keys(limits::kv_answer_bytes_max / (8u << 20) + 1, "big");
  EXPECT_EQ(outcome_of(kv_->get_many(keys)), "resource_exhausted");
}

// Lists.

TEST_P(KvContract, K4ListGoesInUnsignedByteOrder) {
  std::vector<std::string> keys = {bytes({0}),
                                   bytes({0, 0}),
                                   bytes({0, 0xFF}),
                                   bytes({1}),
                                   "A",
                                   "Z",
                                   "a",
                                   "a" + bytes({0}),
                                   "a ",
                                   "aa",
                                   "ab",
                                   "b",
                                   bytes({0x7F}),
                                   bytes({0x80}),
                                   "\u00e4",
                                   "\u20ac",
                                   "\U0001F600",
                                   bytes({0xFE}),
                                   bytes({0xFF}),
                                   bytes({0xFF, 0}),
                                   bytes({0xFF, 0xFF})};
  ASSERT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  for (std::size_t i = 0; i < keys.size(); ++i) must(kv_->set(keys[(i * 8) % keys.size()], "v"));
  ASSERT_EQ(keys_of(*kv_), keys);
  for (std::size_t limit = 1; limit <= keys.size() + 1; ++limit) {
    std::string expected;
    for (const std::string& key : keys) expected += (expected.empty() ? "" : " ") + key + "=v";
    EXPECT_EQ(render_list(*kv_, {.limit = limit}), expected) << limit;
  }
}

TEST_P(KvContract, K4PrefixIsAByteStringOfAnyKind) {
  std::vector<std::string> keys = {"a",
                                   "a" + bytes({0}),
                                   "a" + bytes({0xFF}),
                                   "a" + bytes({0xFF, 0xFF}),
                                   "a" + bytes({0xFF, 0xFF, 1}),
                                   "b",
                                   bytes({0xFF}),
                                   bytes({0xFF, 0}),
                                   bytes({0xFF, 0xFF}),
                                   bytes({0xFF, 0xFF, 0xFF}),
                                   "100%",
                                   "100_",
                                   "1000",
                                   "user/1",
                                   "user/10",
                                   "user/2",
                                   "user0",
                                   "user."};
  for (const std::string& key : keys) must(kv_->set(key, "v"));
  std::sort(keys.begin(), keys.end());
  for (std::string prefix : {std::string(), std::string("a"), "a" + bytes({0xFF}), "a" + bytes({0xFF, 0xFF}), bytes({0xFF}),
                             bytes({0xFF, 0xFF}), std::string("100%"), std::string("100_"), std::string("user/"),
                             std::string("user/1"), std::string("zzz"), std::string("\0", 1)}) {
    std::vector<std::string> expected;
    for (const std::string& key : keys)
      if (key.starts_with(prefix)) expected.push_back(key);
    EXPECT_EQ(keys_of(*kv_, {.prefix = prefix}), expected) << testing::PrintToString(prefix);
    std::string paged = render_list(*kv_, {.prefix = prefix, .limit = 1});
    EXPECT_EQ(static_cast<std::size_t>(std::count(paged.begin(), paged.end(), '=')), expected.size());
  }
}

TEST_P(KvContract, K4ACursorGoesOnAfterTheLastKeyEvenWhenThatIsGone) {
  for (const char* key : {"a", "b", "c", "d"}) must(kv_->set(key, "v"));
  KvPage first = must(kv_->list({.limit = 2}));
  ASSERT_TRUE(first.next_cursor.has_value());
  must(kv_->erase("b"));
  must(kv_->set("bb", "v"));
  EXPECT_EQ(keys_of(*kv_, {.cursor = *first.next_cursor}), (std::vector<std::string>{"bb", "c", "d"}));
}

TEST_P(KvContract, K4ThereIsNoCursorWhenNothingIsLeft) {
  for (const char* key : {"p/a", "p/b", "q"}) must(kv_->set(key, "v"));
  EXPECT_FALSE(must(kv_->list({.prefix = "p/", .limit = 2})).next_cursor.has_value());
  EXPECT_FALSE(must(kv_->list({.limit = 3})).next_cursor.has_value());
  EXPECT_TRUE(must(kv_->list({.limit = 2})).next_cursor.has_value());
  must(kv_->set("r", "v", {.ttl_ms = 1}));
  clock_.advance_micros(1000);
  EXPECT_FALSE(must(kv_->list({.limit = 3})).next_cursor.has_value()) << "only an expired entry is left";
}

TEST_P(KvContract, K4HostileCursorsAreRefused) {
  for (const char* key : {"a1", "a2", "b1"}) must(kv_->set(key, "v"));
  std::string good = must(kv_->list({.prefix = "a", .limit = 1})).next_cursor.value_or("");
  ASSERT_EQ(must(kv_->list({.prefix = "a", .cursor = good})).entries.size(), 1u);
  std::vector<std::string> hostile = {"x",
                                      "k1.",
                                      "k1.6",
                                      "k1.zz",
                                      "k1.6A",
                                      "k2.61",
                                      "61",
                                      std::string("\0", 1),
                                      "k1.61' OR 1=1",
                                      "k1." + std::string(2 * limits::key_bytes_max + 2, '6'),
                                      std::string(1u << 20, 'k'),
                                      good + "0",
                                      good.substr(1)};
  for (const std::string& cursor : hostile)
    EXPECT_EQ(outcome_of(kv_->list({.prefix = "a", .cursor = cursor})), "invalid_argument") << cursor.substr(0, 40);
  EXPECT_EQ(outcome_of(kv_->list({.prefix = "b", .cursor = good})), "invalid_argument") << "the cursor of another prefix";
}

TEST_P(KvContract, KeysOnlyLeavesValuesOutAndKeepsExpiry) {
  must(kv_->set("a", "value"));
  must(kv_->set("b", "value", {.ttl_ms = 5}));
  KvPage page = must(kv_->list({.keys_only = true}));
  ASSERT_EQ(page.entries.size(), 2u);
  EXPECT_EQ(page.entries[0].key + page.entries[0].value + page.entries[1].key + page.entries[1].value, "ab");
  EXPECT_EQ(page.entries[0].expires_at, std::nullopt);
  EXPECT_EQ(page.entries[1].expires_at, Timestamp{start.micros + 5000});
}

TEST_P(KvContract, K4APageIsCutByBytes) {
  const std::string value(20u << 20, 'v');
  for (const char* key : {"a", "b", "c", "d"}) must(kv_->set(key, value));
  KvPage page = must(kv_->list());
  EXPECT_EQ(page.entries.size(), 3u);
  ASSERT_TRUE(page.next_cursor.has_value());
  EXPECT_EQ(keys_of(*kv_, {.cursor = *page.next_cursor}), std::vector<std::string>{"d"});
  EXPECT_EQ(keys_of(*kv_, {.keys_only = true}).size(), 4u);
}

// Time.

TEST_P(KvContract, K5AnEntryIsGoneFromEveryAnswerAtItsMicrosecond) {
  must(kv_->set("k", "v", {.ttl_ms = 10}));
  must(kv_->set("stays", "v"));
  clock_.advance_micros(9'999);
  EXPECT_EQ(must(kv_->get("k")), Hit("v"));
  EXPECT_TRUE(must(kv_->exists("k")));
  EXPECT_EQ(render_list(*kv_), "k=v stays=v");
  clock_.advance_micros(1);
  EXPECT_EQ(must(kv_->get("k")), Hit());
  EXPECT_FALSE(must(kv_->exists("k")));
  EXPECT_EQ(must(kv_->get_many(std::vector<std::string_view>{"k", "stays"})), (Hits{Hit(), Hit("v")}));
  EXPECT_EQ(render_list(*kv_), "stays=v");
  EXPECT_EQ(must(kv_->compare_and_set("k", "v", "w")).actual, Hit());
  EXPECT_FALSE(must(kv_->erase("k")));
  EXPECT_EQ(must(kv_->erase_many(std::vector<std::string_view>{"k"})), 0);
  EXPECT_EQ(must(kv_->clear()), 1);
}

TEST_P(KvContract, K5ANamespaceOfExpiredEntriesIsNotListed) {
  must(kv_->set("k", "v", {.ttl_ms = 1}));
  EXPECT_EQ(must(store().namespaces()), std::vector<std::string>{"test"});
  clock_.advance_micros(1000);
  EXPECT_EQ(must(store().namespaces()), std::vector<std::string>{});
}

TEST_P(KvContract, SetWithoutTtlDropsTheFormerTtl) {
  must(kv_->set("k", "v", {.ttl_ms = 10}));
  must(kv_->set("k", "w"));
  clock_.advance_micros(1'000'000);
  EXPECT_EQ(must(kv_->get("k")), Hit("w"));
}

TEST_P(KvContract, SetWithTtlReplacesTheFormerTtl) {
  must(kv_->set("k", "v", {.ttl_ms = 10}));
  clock_.advance_micros(5'000);
  must(kv_->set("k", "v", {.ttl_ms = 10}));
  clock_.advance_micros(9'999);
  EXPECT_TRUE(must(kv_->exists("k")));
  clock_.advance_micros(1);
  EXPECT_FALSE(must(kv_->exists("k")));
}

TEST_P(KvContract, AnExpiredKeyCanBeSetAgain) {
  must(kv_->set("k", "v", {.ttl_ms = 1}));
  clock_.advance_micros(1'000);
  must(kv_->set("k", "w"));
  EXPECT_EQ(render_list(*kv_), "k=w");
}

TEST_P(KvContract, PurgeSweepsExactlyTheExpiredEntriesOfItsNamespace) {
  auto other = open("other");
  must(other->set("x", "v", {.ttl_ms = 1}));
  const std::string long_key(1000, 'k');
  must(kv_->set_many(std::vector<KvWrite>{
      {"a", "v", {.ttl_ms = 1}}, {"b", "v", {.ttl_ms = 2}}, {"c", "v"}, {long_key, "v", {.ttl_ms = 1}}}));
  EXPECT_EQ(must(kv_->purge_expired()), 0);
  clock_.advance_micros(1'000);
  EXPECT_EQ(must(kv_->purge_expired()), 2);
  EXPECT_EQ(must(kv_->purge_expired()), 0);
  EXPECT_EQ(render_list(*kv_), "b=v c=v");
  EXPECT_EQ(must(other->purge_expired()), 1);
}

// Compare and set.

TEST_P(KvContract, K6CompareAndSetWritesOnlyOverTheExpectedValue) {
  EXPECT_TRUE(must(kv_->compare_and_set("k", std::nullopt, "1")).applied);
  KvCasResult taken = must(kv_->compare_and_set("k", std::nullopt, "2"));
  EXPECT_FALSE(taken.applied);
  EXPECT_EQ(taken.actual, Hit("1"));
  KvCasResult wrong = must(kv_->compare_and_set("k", "0", "2"));
  EXPECT_FALSE(wrong.applied);
  EXPECT_EQ(wrong.actual, Hit("1"));
  KvCasResult right = must(kv_->compare_and_set("k", "1", "2"));
  EXPECT_TRUE(right.applied);
  EXPECT_EQ(right.actual, Hit("1"));
  EXPECT_EQ(must(kv_->get("k")), Hit("2"));
}

TEST_P(KvContract, K6CompareAndSetDeletesWhenNothingIsDesired) {
  must(kv_->set("k", "1"));
  EXPECT_FALSE(must(kv_->compare_and_set("k", "2", std::nullopt)).applied);
  EXPECT_TRUE(must(kv_->compare_and_set("k", "1", std::nullopt)).applied);
  EXPECT_EQ(must(kv_->get("k")), Hit());
  KvCasResult nothing = must(kv_->compare_and_set("k", std::nullopt, std::nullopt));
  EXPECT_TRUE(nothing.applied);
  EXPECT_EQ(nothing.actual, Hit());
  must(kv_->set("k", ""));
  EXPECT_FALSE(must(kv_->compare_and_set("k", std::nullopt, std::nullopt)).applied) << "empty is not absent";
  EXPECT_TRUE(must(kv_->compare_and_set("k", "", std::nullopt)).applied);
}

TEST_P(KvContract, K6CompareAndSetTreatsAnExpiredEntryAsAbsentAndSetsTtlLikeSet) {
  must(kv_->set("k", "old", {.ttl_ms = 1}));
  clock_.advance_micros(1'000);
  EXPECT_FALSE(must(kv_->compare_and_set("k", "old", "new")).applied);
  EXPECT_TRUE(must(kv_->compare_and_set("k", std::nullopt, "new", {.ttl_ms = 1})).applied);
  clock_.advance_micros(999);
  EXPECT_EQ(must(kv_->get("k")), Hit("new"));
  EXPECT_TRUE(must(kv_->compare_and_set("k", "new", "newer")).applied) << "and drops the TTL";
  clock_.advance_micros(1'000'000);
  EXPECT_EQ(must(kv_->get("k")), Hit("newer"));
}

TEST_P(KvContract, K6CompareAndSetComparesBytes) {
  must(kv_->set("k", bytes({'a', 0, 'b'})));
  EXPECT_FALSE(must(kv_->compare_and_set("k", "a", "x")).applied);
  EXPECT_FALSE(must(kv_->compare_and_set("k", bytes({'A', 0, 'b'}), "x")).applied);
  EXPECT_FALSE(must(kv_->compare_and_set("k", bytes({'a', 0, 'b', ' '}), "x")).applied);
  EXPECT_TRUE(must(kv_->compare_and_set("k", bytes({'a', 0, 'b'}), "x")).applied);
}

// Namespaces.

TEST_P(KvContract, K8NamespacesShareNothing) {
  std::vector<std::string> names = {"a",
                                    "a ",
                                    "A",
                                    "aa",
                                    "a/b",
                                    "a'; DROP TABLE loam_kv; --",
                                    "\"",
                                    "%",
                                    "_",
                                    "..",
                                    "../../etc",
                                    "caf\u00e9",
                                    "cafe\u0301",
                                    "\U0001F600",
                                    std::string(256, 'n'),
                                    std::string(255, 'n'),
                                    "\xEF\xBF\xBF",
                                    "\n",
                                    "\x01"};
  for (const std::string& name : names) must(open(name)->set("k", name));
  for (const std::string& name : names) EXPECT_EQ(render_list(*open(name)), "k=" + name);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(must(store().namespaces()), names);
  for (std::size_t i = 0; i < names.size(); i += 2) EXPECT_EQ(must(open(names[i])->clear()), 1);
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(must(open(names[i])->exists("k")), i % 2 == 1) << names[i];
}

TEST_P(KvContract, K8TwoHandlesOfANamespaceSeeTheSameEntries) {
  auto other = open("test");
  must(kv_->set("k", "v"));
  EXPECT_EQ(must(other->get("k")), Hit("v"));
  must(other->erase("k"));
  EXPECT_EQ(must(kv_->get("k")), Hit());
}

TEST_P(KvContract, WrongNamespaceNamesAreRefused) {
  for (const std::string& name : {std::string(), std::string(257, 'n'), std::string("a\0b", 3), std::string("\xFF"),
                                  std::string("\xC3"), std::string("\xED\xA0\x80")})
    EXPECT_EQ(outcome_of(store().open(name)), "invalid_argument") << testing::PrintToString(name);
}

TEST_P(KvContract, ClearRemovesEverythingAndCountsTheLiveOnes) {
  std::vector<std::string> keys;
  for (int i = 0; i < 50; ++i) keys.push_back(std::string(static_cast<std::size_t>(i * 20 + 1), 'k') + std::to_string(i));
  for (const std::string& key : keys) must(kv_->set(key, "v"));
  must(kv_->set("expired", "v", {.ttl_ms = 1}));
  clock_.advance_micros(1'000);
  EXPECT_EQ(must(kv_->clear()), 50);
  EXPECT_EQ(render_list(*kv_), "");
  EXPECT_EQ(must(kv_->purge_expired()), 0);
  must(kv_->set("k", "v"));
  EXPECT_EQ(render_list(*kv_), "k=v");
}

// Contexts, health, durability.

TEST_P(KvContract, ACancelledOrLateCallDoesNothing) {
  Cancellation cancel;
  cancel.cancel();
  EXPECT_EQ(outcome_of(kv_->set("k", "v", {}, Context().cancelled_by(cancel))), "cancelled");
  EXPECT_EQ(outcome_of(kv_->get("k", Context().cancelled_by(cancel))), "cancelled");
  EXPECT_EQ(outcome_of(kv_->set("k", "v", {}, Context().deadline_in_ms(-1))), "deadline_exceeded");
  EXPECT_EQ(outcome_of(kv_->compare_and_set("k", std::nullopt, "v", {}, Context().deadline_in_ms(-1))), "deadline_exceeded");
  EXPECT_EQ(outcome_of(kv_->list({}, Context().deadline_in_ms(-1))), "deadline_exceeded");
  EXPECT_EQ(render_list(*kv_), "");
  must(kv_->set("k", "v", {}, Context().deadline_in_ms(60'000)));
  EXPECT_EQ(must(kv_->get("k", Context().deadline_in_ms(60'000))), Hit("v"));
}

TEST_P(KvContract, AHealthyStoreSaysSo) {
  HealthStatus status = store().health();
  EXPECT_EQ(to_string(status.status), "healthy") << status.error;
  EXPECT_EQ(status.port, "kv");
  EXPECT_FALSE(status.adapter.empty());
  EXPECT_GE(status.latency_ms, 0);
}

TEST_P(KvContract, CharacteristicsAreTheSameOnStoreAndNamespace) {
  KvCharacteristics a = store().characteristics(), b = kv_->characteristics();
  EXPECT_EQ(a.persistent, b.persistent);
  EXPECT_EQ(a.durable, b.durable);
  EXPECT_EQ(a.shared, b.shared);
  EXPECT_EQ(a.transactional, b.transactional);
  EXPECT_EQ(a.key_bytes_max, 1024u);
  EXPECT_TRUE(a.persistent || !a.durable);
}

TEST_P(KvContract, K7APersistentStoreComesBackAsItWas) {
  if (!store().characteristics().persistent) GTEST_SKIP() << "in memory only";
  const std::string long_key(1024, 'l');
  must(kv_->set_many(std::vector<KvWrite>{{"a", "1"}, {"b", "2", {.ttl_ms = 10}}, {long_key, "3"}, {"gone", "x"}}));
  must(kv_->erase("gone"));
  must(open("other")->set("k", "v"));
  reopen();
  EXPECT_EQ(render_list(*kv_), "a=1 b=2 " + long_key + "=3");
  EXPECT_EQ(must(store().namespaces()), (std::vector<std::string>{"other", "test"}));
  clock_.advance_micros(10'000);
  EXPECT_EQ(must(kv_->get("b")), Hit());
}

}  // namespace
}  // namespace loam::test

#include "loam/ports/kv.hpp"

#include <algorithm>
#include <cstring>

#include "loam/core/utf8.hpp"

namespace loam {
namespace {

constexpr std::string_view cursor_mark = "k1.";  // the form of the rest: lower-case hexadecimal digits of the last key

Result<void> check_key(std::string_view key) {
  if (!key.empty() && key.size() <= limits::key_bytes_max) return {};
  return invalid_argument("a key has " + std::to_string(key.size()) + " bytes; allowed are 1 to " +
                          std::to_string(limits::key_bytes_max));
}

Result<void> check_value(std::string_view value) {
  if (value.size() <= limits::value_bytes_max) return {};
  return Error(invalid_argument("a value has " + std::to_string(value.size()) + " bytes; at most " +
                                std::to_string(limits::value_bytes_max) + " are allowed"))
      .hint("keep large content in files and store its key here");
}

Result<void> check_ttl(const KvSetOptions& options) {
  if (!options.ttl_ms || (*options.ttl_ms >= 1 && *options.ttl_ms <= limits::ttl_ms_max)) return {};
  return Error(invalid_argument("a TTL of " + std::to_string(*options.ttl_ms) + " ms; allowed are 1 to " +
                                std::to_string(limits::ttl_ms_max)))
      .hint(*options.ttl_ms < 1 ? "erase() removes an entry at once" : "leave the TTL out to keep an entry for ever");
}

Result<void> check_batch(std::size_t count) {
  if (count <= limits::batch_count_max) return {};
  return Error(invalid_argument("a batch of " + std::to_string(count) + " keys; at most " +
                                std::to_string(limits::batch_count_max) + " are allowed"))
      .hint("split it into several calls");
}

/// Says which element of a batch an error is about.
Result<void> at_element(Result<void> checked, std::size_t index) {
  if (checked.ok()) return checked;
  return invalid_argument("element " + std::to_string(index) + " of the batch: " + checked.error().message());
}

Result<void> check_keys(std::span<const std::string_view> keys) {
  LOAM_TRY(check_batch(keys.size()));
  for (std::size_t i = 0; i < keys.size(); ++i) LOAM_TRY(at_element(check_key(keys[i]), i));
  return {};
}

Result<void> check_write(const KvWrite& write) {
  LOAM_TRY(check_key(write.key));
  LOAM_TRY(check_value(write.value));
  return check_ttl(write.options);
}

std::string encode_cursor(std::string_view last_key) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string cursor(cursor_mark);
  cursor.reserve(cursor.size() + 2 * last_key.size());
  for (unsigned char byte : last_key) {
    cursor += digits[byte >> 4];
    cursor += digits[byte & 15];
  }
  return cursor;
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

Result<std::string> decode_cursor(std::string_view cursor, std::string_view prefix) {
  auto refused = [](const char* why) {
    return Error(invalid_argument(std::string("the cursor of a list ") + why))
        .hint("pass next_cursor of the page before unchanged, or none to begin again");
  };
  if (!cursor.starts_with(cursor_mark)) return refused("does not come from a list");
  std::string_view text = cursor.substr(cursor_mark.size());
  if (text.empty() || text.size() % 2 != 0 || text.size() > 2 * limits::key_bytes_max) return refused("is cut or damaged");
  std::string key;
  key.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    int high = digit_value(text[i]), low = digit_value(text[i + 1]);
    if (high < 0 || low < 0) return refused("is damaged");
    key += static_cast<char>(high * 16 + low);
  }
  if (!std::string_view(key).starts_with(prefix)) return refused("belongs to another prefix");
  return key;
}

}  // namespace

Result<std::optional<std::string>> KeyValue::get(std::string_view key, const Context& context) {
  LOAM_TRY(check_key(key));
  LOAM_TRY(context.check("kv get"));
  return do_get(key, context);
}

Result<bool> KeyValue::exists(std::string_view key, const Context& context) {
  LOAM_TRY(check_key(key));
  LOAM_TRY(context.check("kv exists"));
  return do_exists(key, context);
}

Result<std::vector<std::optional<std::string>>> KeyValue::get_many(std::span<const std::string_view> keys,
                                                                   const Context& context) {
  LOAM_TRY(check_keys(keys));
  LOAM_TRY(context.check("kv get_many"));
  if (keys.empty()) return std::vector<std::optional<std::string>>{};
  return do_get_many(keys, context);
}

Result<KvPage> KeyValue::list(const KvListOptions& options, const Context& context) {
  if (options.prefix.size() > limits::key_bytes_max) return invalid_argument("the prefix of a list is longer than any key");
  if (options.limit < 1 || options.limit > limits::page_count_max)
    return invalid_argument("a limit of " + std::to_string(options.limit) + " entries; allowed are 1 to " +
                            std::to_string(limits::page_count_max));
  KvListOptions decoded = options;
  std::string last_key;
  if (!options.cursor.empty()) {
    LOAM_TRY(last_key, decode_cursor(options.cursor, options.prefix));
    decoded.cursor = last_key;
  }
  LOAM_TRY(context.check("kv list"));
  LOAM_TRY(KvPage page, do_list(decoded, context));
  if (page.next_cursor) page.next_cursor = encode_cursor(*page.next_cursor);
  return page;
}

Result<void> KeyValue::set(std::string_view key, std::string_view value, KvSetOptions options, const Context& context) {
  const KvWrite write{key, value, options};
  LOAM_TRY(check_write(write));
  LOAM_TRY(context.check("kv set"));
  return do_set_many({&write, 1}, context);
}

Result<void> KeyValue::set_many(std::span<const KvWrite> writes, const Context& context) {
  LOAM_TRY(check_batch(writes.size()));
  for (std::size_t i = 0; i < writes.size(); ++i) LOAM_TRY(at_element(check_write(writes[i]), i));
  LOAM_TRY(context.check("kv set_many"));
  if (writes.empty()) return {};
  return do_set_many(writes, context);
}

Result<bool> KeyValue::erase(std::string_view key, const Context& context) {
  LOAM_TRY(check_key(key));
  LOAM_TRY(context.check("kv erase"));
  LOAM_TRY(std::int64_t erased, do_erase_many({&key, 1}, context));
  return erased > 0;
}

Result<std::int64_t> KeyValue::erase_many(std::span<const std::string_view> keys, const Context& context) {
  LOAM_TRY(check_keys(keys));
  LOAM_TRY(context.check("kv erase_many"));
  if (keys.empty()) return std::int64_t{0};
  return do_erase_many(keys, context);
}

Result<KvCasResult> KeyValue::compare_and_set(std::string_view key, std::optional<std::string_view> expected,
                                              std::optional<std::string_view> desired, KvSetOptions options,
                                              const Context& context) {
  LOAM_TRY(check_key(key));
  LOAM_TRY(check_ttl(options));
  if (expected) LOAM_TRY(check_value(*expected));
  if (desired) LOAM_TRY(check_value(*desired));
  LOAM_TRY(context.check("kv compare_and_set"));
  return do_compare_and_set(key, expected, desired, options, context);
}

Result<std::int64_t> KeyValue::clear(const Context& context) {
  LOAM_TRY(context.check("kv clear"));
  return do_clear(context);
}

Result<std::int64_t> KeyValue::purge_expired(const Context& context) {
  LOAM_TRY(context.check("kv purge_expired"));
  return do_purge_expired(context);
}

Result<void> check_namespace(std::string_view name_space) {
  if (name_space.empty() || name_space.size() > limits::namespace_bytes_max)
    return invalid_argument("a namespace has " + std::to_string(name_space.size()) + " bytes; allowed are 1 to " +
                            std::to_string(limits::namespace_bytes_max));
  if (name_space.find('\0') != std::string_view::npos || !is_utf8(name_space))
    return Error(invalid_argument("the name of a namespace is not UTF-8 without NUL"))
        .hint("binary data belongs into keys and values");
  return {};
}

std::optional<Timestamp> expiry_of(const KvSetOptions& options, Timestamp now) {
  if (!options.ttl_ms) return std::nullopt;
  return Timestamp{now.micros + *options.ttl_ms * 1000};
}

std::optional<std::string> prefix_end(std::string_view prefix) {
  while (!prefix.empty() && prefix.back() == '\xFF') prefix.remove_suffix(1);
  if (prefix.empty()) return std::nullopt;
  std::string end(prefix);
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

bool KvPageBuilder::add(std::string_view key, std::string_view value, std::optional<Timestamp> expires_at) {
  std::size_t bytes = key.size() + (keys_only_ ? 0 : value.size());
  bool full = page_.entries.size() >= limit_ || bytes_ + bytes > limits::kv_page_bytes_max;
  if (full && !page_.entries.empty()) {
    page_.next_cursor = page_.entries.back().key;
    return false;
  }
  bytes_ += bytes;
  page_.entries.push_back({std::string(key), keys_only_ ? std::string() : std::string(value), expires_at});
  return true;
}

Result<void> KvAnswerBudget::take(std::size_t bytes) {
  if (bytes <= left_) {
    left_ -= bytes;
    return {};
  }
  return Error(ErrorCode::resource_exhausted,
               "the values of one get_many are more than " + std::to_string(limits::kv_answer_bytes_max) + " bytes together")
      .hint("ask for fewer keys in one call");
}

}  // namespace loam

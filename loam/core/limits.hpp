#pragma once

/// Every cap of Loam in one place. Each is checked before anything of that size is allocated; beyond it a call fails with
/// invalid_argument (a caller's mistake) or data_corruption (bytes read back), naming the cap.

#include <cstddef>
#include <cstdint>

namespace [[gnu::visibility("default")]] loam {
namespace limits {

inline constexpr std::size_t key_bytes_max = 1024;         ///< KV key; LMDB is opened with room for it
inline constexpr std::size_t value_bytes_max = 64u << 20;  ///< KV value, one string or bytes column
inline constexpr std::size_t namespace_bytes_max = 256;
inline constexpr std::int64_t ttl_ms_max = 1000LL * 365 * 86'400'000;  ///< 1000 years, so that no expiry overflows
inline constexpr std::size_t kv_page_bytes_max = 64u << 20;     ///< keys and values after which a page of a list is full
inline constexpr std::size_t kv_answer_bytes_max = 256u << 20;  ///< values of one get_many
inline constexpr std::size_t batch_count_max = 100'000;         ///< rows or keys of one call
inline constexpr std::size_t page_count_max = 100'000;          ///< rows of one page of a list
inline constexpr std::size_t identifier_bytes_max = 63;         ///< table, column and index names (PostgreSQL's own)
inline constexpr std::size_t columns_max = 512;
inline constexpr std::size_t dimension_max = 65'536;
inline constexpr std::size_t search_k_max = 10'000;          ///< limit + offset of one search
inline constexpr std::size_t filter_bytes_max = 256u << 10;  ///< text of one filter
inline constexpr std::size_t filter_depth_max = 64;
inline constexpr std::size_t filter_nodes_max = 1'000;
inline constexpr std::size_t like_pattern_bytes_max = 4096;  ///< matching costs text * pattern at worst
inline constexpr std::size_t json_depth_max = 64;
inline constexpr std::size_t json_bytes_max = 64u << 20;
inline constexpr std::size_t query_text_bytes_max = 64u << 10;  ///< text of one full-text or embedding query
inline constexpr std::size_t line_bytes_max = 64u << 20;        ///< one line of an imported file
inline constexpr std::size_t http_response_bytes_max = 256u << 20;
inline constexpr std::size_t sql_bytes_max = 1u << 20;

}  // namespace limits
}  // namespace loam

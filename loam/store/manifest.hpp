#pragma once

/// The list of files of a backup, with their sizes and hashes, and a hash over itself. Format: docs/formats/store.md.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/core/time.hpp"

namespace loam::store_internal {

inline constexpr std::string_view manifest_file_name = "MANIFEST";
inline constexpr std::size_t manifest_bytes_max = 256u << 20;

struct ManifestFile {
  std::string name;  ///< relative, '/' between parts, see is_safe_file_name()
  std::int64_t bytes = 0;
  std::string sha256;  ///< 64 lower-case hexadecimal digits
  friend bool operator==(const ManifestFile&, const ManifestFile&) = default;
};

struct Manifest {
  Timestamp taken_at;
  std::int64_t store_format = 0;
  std::string engine;               ///< "sqlite 3.40.1"
  std::vector<ManifestFile> files;  ///< by name, ascending, each once
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

/// Sorts the files. One line each; the last line is the SHA-256 of all lines before it.
std::string encode_manifest(Manifest manifest);

/// data_corruption saying what is wrong. There is one encoding only: any other byte string, however similar, is refused.
Result<Manifest> decode_manifest(std::string_view text);

/// True for names that stay inside the directory wherever they are used: 1 to 4 parts of letters, digits, '.', '_' and '-',
/// none of them beginning with a dot, at most 255 bytes in all.
bool is_safe_file_name(std::string_view name);

}  // namespace loam::store_internal

/// Backups and LOCK files come from anywhere. The input is the body of a manifest, to which its right hash is added (whoever
/// writes one can do that); also a manifest and a lock record as they are. What is read is read in one way only, and its
/// names stay inside.

#include <cstdint>
#include <string>
#include <string_view>

#include "loam/core/sha256.hpp"
#include "loam/store/manifest.hpp"
#include "loam/store/process_lock.hpp"
#include "tests/fuzz/require.hpp"

namespace loam {
namespace {

void read_manifest(const std::string& text) {
  auto manifest = store_internal::decode_manifest(text);
  if (!manifest.ok()) {
    fuzz::require(manifest.error().code() == ErrorCode::data_corruption, manifest.error().to_string());
    return;
  }
  fuzz::require(store_internal::encode_manifest(*manifest) == text, "a second way to write a manifest");
  for (const auto& file : manifest->files) {
    bool inside = file.name.front() != '/' && file.name.find("..") != 0 && file.name.find("/.") == std::string::npos &&
                  file.name.find('\0') == std::string::npos;
    fuzz::require(inside && file.bytes >= 0, "a hostile name or size: " + file.name);
  }
}

void read_record(std::string_view bytes) {
  auto record = decode_lock_record(bytes);
  if (!record) return;
  auto again = decode_lock_record(encode_lock_record(*record));
  fuzz::require(again && again->epoch == record->epoch && again->host == record->host, "a record changed on its way");
}

}  // namespace
}  // namespace loam

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string input(reinterpret_cast<const char*>(data), size);
  loam::read_manifest(input);
  loam::read_manifest(input + "sha256 " + loam::sha256_hex(input) + "\n");
  loam::read_record(input);
  return 0;
}

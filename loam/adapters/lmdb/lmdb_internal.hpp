#pragma once

/// What tests need to reach. Private to the adapter.

#include <memory>

#include "loam/adapters/lmdb/lmdb.hpp"

namespace loam::lmdb {

/// 8 bytes of node, the chunk and one byte more are the 511 bytes of LMDB's longest key.
inline constexpr std::size_t chunk_bytes_default = 502;

/// open_lmdb(), cutting the keys of a new store into chunks of this size: with 1 to 3 every short key meets every boundary.
Result<std::unique_ptr<KeyValueStore>> open_with_chunks(const LmdbOptions& options, const Clock& clock,
                                                        std::size_t chunk_bytes);

}  // namespace loam::lmdb

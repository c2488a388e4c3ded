#pragma once

/// Reads the answer of POST /v1/embeddings without trusting it. Internal.

#include <cstddef>
#include <string_view>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/core/value.hpp"

namespace loam::openai {

/// {"data": [{"index": 0, "embedding": [0.1, ..]}, ..]}: `count` vectors in the order of their indexes; in the order of the
/// answer when it has no index at all. `dimension` 0 takes any, the same for all. Members nobody asked for are passed over.
/// data_corruption saying what is wrong: not JSON, too deep, a wrong count, dimension, index or number. Reads the text once
/// and keeps no tree; memory is that of the vectors that were asked for.
Result<std::vector<Vector>> parse_embeddings(std::string_view body, std::size_t count, std::size_t dimension);

}  // namespace loam::openai

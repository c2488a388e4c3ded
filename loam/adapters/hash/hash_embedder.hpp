#pragma once

/// An embedder without a model: signed feature hashing of words and character n-grams (Weinberger et al., ICML 2009),
/// sub-linear term frequency, length 1. The same text gives the same bytes on every machine.

#include <cstddef>
#include <memory>

#include "loam/ports/embedder.hpp"

namespace [[gnu::visibility("default")]] loam {

/// invalid_argument unless 64 <= dimension <= 4096. About 1 us for each word; an empty text gives the zero vector.
Result<std::shared_ptr<Embedder>> make_hash_embedder(std::size_t dimension);

}  // namespace loam

#pragma once

/// Everything most programs need: the store with its ports, and the embedder that needs no model.

#include "loam/adapters/hash/hash_embedder.hpp"
#include "loam/core/context.hpp"
#include "loam/core/result.hpp"
#include "loam/core/value.hpp"
#include "loam/store/store.hpp"

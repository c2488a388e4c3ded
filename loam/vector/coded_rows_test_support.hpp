#pragma once

/// Vectors as wide records. Only for tests.

#include <cstdint>
#include <span>
#include <vector>

#include "loam/vector/codec.hpp"
#include "loam/vector/index_test_support.hpp"

namespace loam::vector {

struct CodedRows {
  Codec codec;
  std::vector<std::vector<std::uint8_t>> memory;
  std::vector<const std::uint8_t*> wide;

  explicit CodedRows(const Rows& rows, Distance distance = Distance::euclidean)
      : CodedRows(rows, distance, measure_frame(distance, rows.values, rows.dimension)) {}

  CodedRows(const Rows& rows, Distance distance, const CodeFrame& frame)
      : codec({.dimension = rows.dimension, .distance = distance, .bits = distance == Distance::manhattan ? 4U : 2U},
              frame.centre, frame.length_max) {
    std::vector<std::uint8_t> narrow(codec.narrow_bytes());
    for (std::size_t i = 0; i < rows.count(); ++i) {
      memory.emplace_back(codec.wide_bytes());
      codec.encode(rows[i].data(), narrow.data(), memory.back().data());
    }
    for (const auto& record : memory) wide.push_back(record.data());
  }

  std::vector<float> distances_from(std::size_t number) const {
    std::vector<float> distances(wide.size());
    codec.between(wide[number], wide.data(), wide.size(), distances.data());
    return distances;
  }
};

}  // namespace loam::vector

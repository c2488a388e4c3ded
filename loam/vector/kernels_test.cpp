#include "loam/vector/kernels.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "loam/vector/targets_test_support.hpp"

namespace loam::vector {
namespace {

std::vector<std::size_t> dimensions() {
  std::vector<std::size_t> all;
  for (std::size_t dimension = 1; dimension <= 70; ++dimension) all.push_back(dimension);
  all.insert(all.end(), {127, 384, 385, 1536, 4099});
  return all;
}

struct Rows {
  Rows(std::size_t dimension, std::size_t count, std::size_t offset) {
    std::mt19937 random(static_cast<unsigned>(dimension));
    std::normal_distribution<float> normal;
    memory.resize(offset + (count + 1) * dimension);
    for (float& value : memory) value = normal(random);
    query = memory.data() + offset;
    for (std::size_t i = 0; i < count; ++i) rows.push_back(query + (i + 1) * dimension);
  }
  std::vector<float> memory;
  const float* query;
  std::vector<const float*> rows;
};

struct Oracle {
  double dot = 0, dot_magnitude = 0, squared_l2 = 0, l1 = 0;
};

Oracle oracle(const float* a, const float* b, std::size_t dimension) {
  Oracle sums;
  for (std::size_t i = 0; i < dimension; ++i) {
    const double x = a[i];
    const double y = b[i];
    sums.dot += x * y;
    sums.dot_magnitude += std::abs(x * y);
    sums.squared_l2 += (x - y) * (x - y);
    sums.l1 += std::abs(x - y);
  }
  return sums;
}

template <class Row>
void expect_sums_within_their_bound(const float* query, const std::vector<const Row*>& rows,
                                    const std::vector<const float*>& float_rows, std::size_t dimension) {
  std::vector<float> dot(rows.size()), squared(rows.size()), l1(rows.size());
  dot_rows(query, rows.data(), rows.size(), dimension, dot.data());
  squared_l2_rows(query, rows.data(), rows.size(), dimension, squared.data());
  l1_rows(query, rows.data(), rows.size(), dimension, l1.data());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Oracle want = oracle(query, float_rows[i], dimension);
    const double error = summation_error(dimension);
    ASSERT_NEAR(dot[i], want.dot, error * want.dot_magnitude) << "dimension " << dimension << " row " << i;
    ASSERT_NEAR(squared[i], want.squared_l2, error * want.squared_l2) << "dimension " << dimension << " row " << i;
    ASSERT_NEAR(l1[i], want.l1, error * want.l1) << "dimension " << dimension << " row " << i;
  }
}

TEST(VectorKernels, FloatSumsStayWithinTheirBoundOnEveryInstructionSet) {
  on_every_target([] {
    for (const std::size_t dimension : dimensions()) {
      for (const std::size_t offset : {0u, 1u, 3u}) {
        const Rows data(dimension, 3, offset);
        expect_sums_within_their_bound(data.query, data.rows, data.rows, dimension);
      }
    }
  });
}

// Every Half is drawn, the denormal and the greatest too.
TEST(VectorKernels, SumsOverHalvesStayWithinTheirBoundOnEveryInstructionSet) {
  on_every_target([] {
    std::mt19937 random(9);
    for (const std::size_t dimension : dimensions()) {
      for (const std::size_t offset : {0u, 1u, 3u}) {
        const Rows data(dimension, 0, offset);
        std::vector<Half> halves(offset + 3 * dimension);
        for (Half& half : halves) half.bits = static_cast<std::uint16_t>(random() % 0x7c00 | (random() % 2) << 15);
        std::vector<float> floats(halves.size());
        to_float(halves.data(), halves.size(), floats.data());
        std::vector<const Half*> half_rows;
        std::vector<const float*> float_rows;
        for (std::size_t i = 0; i < 3; ++i) {
          half_rows.push_back(halves.data() + offset + i * dimension);
          float_rows.push_back(floats.data() + offset + i * dimension);
        }
        expect_sums_within_their_bound(data.query, half_rows, float_rows, dimension);
      }
    }
  });
}

TEST(VectorKernels, CodeSumsAreExactOnEveryInstructionSet) {
  on_every_target([] {
    std::mt19937 random(7);
    for (std::size_t padded = code_padding; padded <= 1600; padded += code_padding * 3) {
      for (const std::size_t count : {1u, 2u, 5u, 16u}) {
        std::vector<std::int16_t> query(padded);
        std::vector<std::int8_t> codes(padded * count);
        for (auto& value : query) value = static_cast<std::int16_t>(static_cast<int>(random() % 20001) - 10000);
        for (auto& value : codes) value = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
        std::vector<const std::int8_t*> rows;
        for (std::size_t i = 0; i < count; ++i) rows.push_back(codes.data() + i * padded);
        std::vector<std::int32_t> got(count);
        dot_codes(query.data(), rows.data(), count, padded, got.data());
        for (std::size_t i = 0; i < count; ++i) {
          std::int64_t want = 0;
          for (std::size_t j = 0; j < padded; ++j) want += query[j] * rows[i][j];
          ASSERT_EQ(got[i], want) << padded << " codes, row " << i;
        }
      }
    }
  });
}

TEST(VectorKernels, LargestCodesDoNotOverflow) {
  on_every_target([] {
    for (const std::size_t dimension : {384u, 516u, 1536u, 65536u}) {
      const auto code_max = static_cast<std::int16_t>(std::min<std::size_t>(32767, 2147483647u / (127 * dimension)));
      const std::size_t padded = (dimension + code_padding - 1) / code_padding * code_padding;
      std::vector<std::int16_t> query(padded, 0);
      std::vector<std::int8_t> codes(padded, 0);
      std::fill_n(query.begin(), dimension, code_max);
      std::fill_n(codes.begin(), dimension, std::int8_t{-127});
      const std::int8_t* row = codes.data();
      std::int32_t got = 0;
      dot_codes(query.data(), &row, 1, padded, &got);
      EXPECT_EQ(got, -static_cast<std::int64_t>(code_max) * 127 * static_cast<std::int64_t>(dimension));
    }
  });
}

}  // namespace
}  // namespace loam::vector

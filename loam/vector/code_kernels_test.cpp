#include "loam/vector/code_kernels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "loam/vector/targets_test_support.hpp"

namespace loam::vector {
namespace {

std::vector<std::size_t> dimensions() {
  std::vector<std::size_t> all(70);
  std::iota(all.begin(), all.end(), 1);
  all.insert(all.end(), {127, 128, 129, 255, 256, 257, 384, 385, 511, 513, 768, 1023, 1024, 1536, 4099});
  return all;
}

std::vector<std::uint8_t> random_bytes(std::size_t count, unsigned below, std::mt19937& random) {
  std::vector<std::uint8_t> bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % below);
  return bytes;
}

// Rows of `bytes` bytes one after another, from an odd address and with eight bytes more each, as records have them.
struct Rows {
  Rows(std::size_t row_count, std::size_t bytes) : stride(bytes + 8), memory(row_count * stride + 1) {
    for (std::size_t i = 0; i < row_count; ++i) rows.push_back(at(i));
  }
  CodeRows call(std::size_t skip = 0) const { return {rows.data(), rows.size(), skip, stride}; }
  std::uint8_t* at(std::size_t row) { return memory.data() + 1 + row * stride; }
  std::size_t stride;
  std::vector<std::uint8_t> memory;
  std::vector<const std::uint8_t*> rows;
};

// Planes are for codes of 1 bit only.
std::vector<std::uint8_t> planes_of(const std::vector<std::int8_t>& query, std::size_t dimension) {
  std::vector<std::uint8_t> planes(query_plane_count * packed_code_bytes(dimension, 1));
  pack_planes(query.data(), dimension, planes.data());
  return planes;
}

std::uint8_t unpacked(const std::uint8_t* row, std::size_t components, unsigned bits, std::size_t component) {
  const auto part = [component](const std::uint8_t* at, unsigned width) {
    const std::size_t per_block = 256 / width;
    const std::size_t inside = component % per_block;
    const unsigned byte = at[component / per_block * 32 + inside % 32];
    return byte >> (inside / 32 * width) & ((1U << width) - 1);
  };
  const unsigned code = bits == 3 ? part(row, 2) + 4 * part(row + (components + 127) / 128 * 32, 1) : part(row, bits);
  return static_cast<std::uint8_t>(code);
}

TEST(CodeKernels, PackedCodesAreWhereTheLayoutSays) {
  std::mt19937 random(3);
  for (const unsigned bits : {1u, 2u, 3u, 4u, 8u}) {
    for (const std::size_t dimension : dimensions()) {
      const auto codes = random_bytes(dimension, 1U << bits, random);
      const std::size_t bytes = packed_code_bytes(dimension, bits);
      std::vector<std::uint8_t> packed(bytes + 1, 0xee);
      pack_codes(codes.data(), dimension, bits, packed.data());
      EXPECT_EQ(packed[bytes], 0xee);
      std::size_t bits_set = 0;
      for (std::size_t i = 0; i < bytes; ++i) bits_set += static_cast<std::size_t>(__builtin_popcount(packed[i]));
      for (std::size_t i = 0; i < dimension; ++i) {
        ASSERT_EQ(unpacked(packed.data(), dimension, bits, i), codes[i]) << bits << " bits, " << dimension << ", " << i;
        bits_set -= static_cast<std::size_t>(__builtin_popcount(codes[i]));
      }
      EXPECT_EQ(bits_set, 0u) << "padding is zero";
    }
  }
}

TEST(CodeKernels, PackedSizesAreThoseOfTheTable) {
  EXPECT_EQ(packed_code_bytes(384, 2), 96u);
  EXPECT_EQ(packed_code_bytes(256, 3), 96u);
  EXPECT_EQ(packed_code_bytes(768, 1), 96u);
  EXPECT_EQ(packed_code_bytes(1024, 1), 128u);
  EXPECT_EQ(packed_code_bytes(1536, 1), 192u);
  EXPECT_EQ(packed_code_bytes(384, 4), 192u);
}

TEST(CodeKernels, DotProductsOfNarrowCodesAreExact) {
  on_every_target([] {
    std::mt19937 random(5);
    for (const unsigned bits : {1u, 2u, 3u, 4u}) {
      const int query_max = bits == 1 ? plane_query_max : 127;
      for (const std::size_t dimension : dimensions()) {
        const std::size_t row_count = 1 + random() % 9;
        std::vector<std::int8_t> query((dimension + code_query_padding - 1) / code_query_padding * code_query_padding);
        for (std::size_t i = 0; i < dimension; ++i)
          query[i] = static_cast<std::int8_t>(static_cast<int>(random() % (2 * query_max + 1)) - query_max);
        Rows rows(row_count, packed_code_bytes(dimension, bits));
        std::vector<std::int32_t> want(row_count);
        for (std::size_t row = 0; row < row_count; ++row) {
          const auto codes = random_bytes(dimension, 1U << bits, random);
          pack_codes(codes.data(), dimension, bits, rows.at(row));
          for (std::size_t i = 0; i < dimension; ++i) want[row] += codes[i] * query[i];
        }
        std::vector<std::int32_t> got(row_count);
        code_kernels().dot[bits]({query.data(), planes_of(query, dimension).data()}, rows.call(), dimension, got.data());
        ASSERT_EQ(got, want) << bits << " bits, dimension " << dimension;
      }
    }
  });
}

TEST(CodeKernels, GreatestSumsDoNotOverflow) {
  on_every_target([] {
    for (const std::size_t dimension : {384u, 4096u, 65536u}) {
      for (const unsigned bits : {1u, 2u, 3u, 4u}) {
        const int least = bits == 1 ? -plane_query_max : -127;
        const std::vector<std::int8_t> query(dimension, static_cast<std::int8_t>(least));
        const auto code = static_cast<std::uint8_t>((1U << bits) - 1);
        const std::vector<std::uint8_t> codes(dimension, code);
        Rows rows(1, packed_code_bytes(dimension, bits));
        pack_codes(codes.data(), dimension, bits, rows.at(0));
        const std::vector<std::int8_t> padded = [&] {
          auto all = query;
          all.resize((dimension + code_query_padding - 1) / code_query_padding * code_query_padding);
          return all;
        }();
        std::int32_t got = 0;
        code_kernels().dot[bits]({padded.data(), planes_of(padded, dimension).data()}, rows.call(), dimension, &got);
        EXPECT_EQ(got, least * static_cast<std::int64_t>(dimension) * code) << bits << " bits";
      }
      const std::vector<std::uint8_t> low(dimension, std::uint8_t{1});
      const std::vector<std::uint8_t> high(dimension, std::uint8_t{255});
      const std::uint8_t* row = high.data();
      std::int32_t got = 0;
      code_kernels().dot_wide(low.data(), {&row, 1, 0, dimension}, dimension, &got);
      EXPECT_EQ(got, -127 * 127 * static_cast<std::int64_t>(dimension));
      const std::uint8_t* other = low.data();
      code_kernels().dot_wide_all(&other, 1, {&row, 1, 0, dimension}, dimension, &got);
      EXPECT_EQ(got, -127 * 127 * static_cast<std::int64_t>(dimension));
      code_kernels().differences(low.data(), {&row, 1, 0, dimension}, dimension, &got);
      EXPECT_EQ(got, 254 * static_cast<std::int64_t>(dimension));
    }
  });
}

TEST(CodeKernels, SumsOfBytesAreExact) {
  on_every_target([] {
    std::mt19937 random(9);
    for (std::size_t bytes = 32; bytes <= 1600; bytes += 32 * (1 + random() % 3)) {
      const std::size_t row_count = 1 + random() % 9;
      constexpr std::size_t skip = 16;
      const auto query = random_bytes(bytes, 256, random);
      Rows rows(row_count, bytes + skip);
      std::vector<std::int32_t> want_dot(row_count), want_difference(row_count), got(row_count);
      for (std::size_t row = 0; row < row_count; ++row) {
        const auto codes = random_bytes(bytes, 256, random);
        std::copy(codes.begin(), codes.end(), rows.at(row) + skip);
        for (std::size_t i = 0; i < bytes; ++i) {
          want_dot[row] += (codes[i] - 128) * (query[i] - 128);
          want_difference[row] += std::abs(codes[i] - query[i]);
        }
      }
      code_kernels().dot_wide(query.data(), rows.call(skip), bytes, got.data());
      ASSERT_EQ(got, want_dot) << bytes;
      code_kernels().differences(query.data(), rows.call(skip), bytes, got.data());
      ASSERT_EQ(got, want_difference) << bytes;

      // Each row with each, and the first one is the query.
      std::copy(query.begin(), query.end(), rows.at(0) + skip);
      std::vector<std::int32_t> want_all(row_count * row_count), got_all(row_count * row_count);
      for (std::size_t row = 0; row < row_count; ++row)
        code_kernels().dot_wide(rows.at(row) + skip, rows.call(skip), bytes, &want_all[row * row_count]);
      code_kernels().dot_wide_all(rows.rows.data(), row_count, rows.call(skip), bytes, got_all.data());
      ASSERT_EQ(got_all, want_all) << bytes;
    }
  });
}

TEST(CodeKernels, NibbleDifferencesAreExact) {
  on_every_target([] {
    std::mt19937 random(9);
    for (const std::size_t dimension : dimensions()) {
      const std::size_t bytes = packed_code_bytes(dimension, 4);
      const std::size_t row_count = 1 + random() % 9;
      auto query = random_bytes(2 * bytes, 256, random);
      std::fill(query.begin() + static_cast<std::ptrdiff_t>(dimension), query.end(), std::uint8_t{8});
      Rows rows(row_count, bytes);
      std::vector<std::int32_t> want(row_count), got(row_count);
      for (std::size_t row = 0; row < row_count; ++row) {
        const auto codes = random_bytes(dimension, 16, random);
        pack_codes(codes.data(), dimension, 4, rows.at(row));
        for (std::size_t i = 0; i < dimension; ++i) want[row] += std::abs(16 * codes[i] + 8 - query[i]);
      }
      code_kernels().nibble_differences(query.data(), rows.call(), bytes, got.data());
      ASSERT_EQ(got, want) << dimension;
    }
  });
}

TEST(CodeKernels, CentredSumsHaveOneOrderOfAdditions) {
  on_every_target([] {
    std::mt19937 random(6);
    std::normal_distribution<float> normal;
    for (const std::size_t dimension : dimensions()) {
      constexpr float limit = 2;
      std::vector<float> vector(dimension), centre(dimension), out(dimension), want(dimension);
      for (float& value : vector) value = normal(random);
      for (float& value : centre) value = normal(random);
      vector[random() % dimension] = std::numeric_limits<float>::quiet_NaN();
      double squares[8] = {}, products[8] = {}, lengths[8] = {};
      for (std::size_t i = 0; i < dimension; ++i) {
        const float value = std::isnan(vector[i]) ? limit : std::clamp(vector[i], -limit, limit);
        want[i] = value - centre[i];
        squares[i % 8] += static_cast<double>(want[i]) * static_cast<double>(want[i]);
        products[i % 8] += static_cast<double>(centre[i]) * static_cast<double>(want[i]);
        lengths[i % 8] += static_cast<double>(value) * static_cast<double>(value);
      }
      const CentredSums got = code_kernels().centre(vector.data(), centre.data(), dimension, limit, out.data());
      ASSERT_EQ(out, want) << dimension;
      ASSERT_EQ(got.square, lane_total(squares)) << dimension;
      ASSERT_EQ(got.centre_product, lane_total(products)) << dimension;
      ASSERT_EQ(got.length_square, lane_total(lengths)) << dimension;
    }
  });
}

TEST(CodeKernels, FineIntegersAreTheNearestOnes) {
  on_every_target([] {
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    for (const std::size_t dimension : dimensions()) {
      std::vector<float> values(dimension);
      for (float& value : values) value = normal(random);
      float want = 0;
      for (const float value : values) want = std::max(want, std::abs(value));
      const float greatest = code_kernels().greatest(values.data(), dimension);
      ASSERT_EQ(greatest, want) << dimension;

      const float factor = 32767.0F / greatest;
      const std::size_t padded = (dimension + fine_padding - 1) / fine_padding * fine_padding;
      std::vector<std::int16_t> fine(padded, std::int16_t{77});
      code_kernels().to_fine(values.data(), dimension, factor, padded, fine.data());
      for (std::size_t i = 0; i < padded; ++i) {
        const long nearest = i < dimension ? std::clamp(std::lrint(values[i] * factor), -32767L, 32767L) : 0;
        ASSERT_EQ(fine[i], nearest) << dimension << ", " << i;
      }
    }
  });
}

TEST(CodeKernels, LevelsAndTheirSumsAreExact) {
  on_every_target([] {
    std::mt19937 random(4);
    for (const std::size_t padded : {32u, 64u, 384u, 512u, 544u, 1536u, 4096u}) {
      for (int round = 0; round < 8; ++round) {
        const bool extreme = round == 0;
        std::vector<std::int16_t> fine(padded);
        for (auto& value : fine)
          value = static_cast<std::int16_t>(extreme ? -32767 : static_cast<int>(random() % 65535) - 32767);
        LevelGrid grid;
        grid.shift = extreme ? 0 : static_cast<int>(random() % 16);
        grid.multiplier = static_cast<std::uint16_t>(32768 + random() % 32768);
        grid.rounding = static_cast<std::uint16_t>((random() % 2 == 0 ? 1U << grid.shift : 0U) / 2);
        grid.level_max = static_cast<std::uint16_t>(extreme ? 127 : random() % 128);
        if (grid.level_max < 8) {
          grid.weight_step = 2;
          grid.weight_first = 1;
        }
        LevelSums want;
        std::vector<std::uint8_t> want_codes(padded), codes(padded);
        for (std::size_t i = 0; i < padded; ++i) {
          const unsigned magnitude = static_cast<unsigned>(std::abs(fine[i]));
          const unsigned high = (magnitude * grid.multiplier) >> 16;
          const unsigned level = std::min<unsigned>((high + grid.rounding) >> grid.shift, grid.level_max);
          const std::int64_t weight = grid.weight_step * static_cast<std::int64_t>(level) + grid.weight_first;
          want.product += weight * magnitude;
          want.square += weight * weight;
          want_codes[i] = static_cast<std::uint8_t>(fine[i] < 0 ? 127 - level : 128 + level);
        }
        const LevelSums got = code_kernels().level_sums(fine.data(), padded, grid);
        ASSERT_EQ(got.product, want.product) << padded;
        ASSERT_EQ(got.square, want.square) << padded;
        code_kernels().to_codes(fine.data(), padded, grid, 128, 127, codes.data());
        ASSERT_EQ(codes, want_codes) << padded;
      }
    }
  });
}

}  // namespace
}  // namespace loam::vector

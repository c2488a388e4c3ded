#include "loam/vector/codec.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "loam/vector/targets_test_support.hpp"

namespace loam::vector {
namespace {

constexpr Distance all_distances[] = {Distance::cosine, Distance::euclidean, Distance::inner_product, Distance::manhattan};

double dot(const float* a, const float* b, std::size_t dimension) {
  double sum = 0;
  for (std::size_t i = 0; i < dimension; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// What estimate() and refine() stand for.
double ordering_distance(Distance distance, const float* a, const float* b, std::size_t dimension) {
  double sum = 0;
  switch (distance) {
    case Distance::cosine:
    case Distance::inner_product: return -dot(a, b, dimension);
    case Distance::euclidean:
      for (std::size_t i = 0; i < dimension; ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
      return sum;
    case Distance::manhattan:
      for (std::size_t i = 0; i < dimension; ++i) sum += std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
      return sum;
  }
  return sum;
}

// Vectors around a common mean, the same on every machine: sums of four uniform numbers, not a library's distribution.
struct Vectors {
  Vectors(std::size_t vector_count, std::size_t vector_dimension, bool unit_length, unsigned seed = 1)
      : dimension(vector_dimension), memory(vector_count * vector_dimension) {
    std::mt19937 random(seed);
    const auto uniform = [&random] { return static_cast<float>(random() >> 8) / 16777216.0F - 0.5F; };
    std::vector<float> mean(dimension);
    for (float& value : mean) value = uniform();
    for (std::size_t i = 0; i < vector_count; ++i) {
      float* row = memory.data() + i * dimension;
      for (std::size_t j = 0; j < dimension; ++j) {
        row[j] = uniform() + uniform();
        row[j] += uniform() + uniform();
        row[j] += 0.3F * mean[j];
      }
      if (unit_length) {
        const auto length = static_cast<float>(std::sqrt(dot(row, row, dimension)));
        for (std::size_t j = 0; j < dimension; ++j) row[j] /= length;
      }
      rows.push_back(row);
    }
  }
  std::size_t dimension;
  std::vector<float> memory;
  std::vector<const float*> rows;
};

struct Records {
  Records(const Codec& codec, const Vectors& vectors)
      : narrow_memory(vectors.rows.size() * codec.narrow_bytes()),
        // Wide records are aligned to 16 bytes; narrow ones follow each other as they come.
        wide_memory(vectors.rows.size() * codec.wide_bytes()) {
    for (std::size_t i = 0; i < vectors.rows.size(); ++i) {
      std::uint8_t* narrow_at = narrow_memory.data() + i * codec.narrow_bytes();
      std::uint8_t* wide_at = wide_memory.data() + i * codec.wide_bytes();
      codec.encode(vectors.rows[i], narrow_at, wide_at);
      narrow.push_back(narrow_at);
      wide.push_back(wide_at);
    }
  }
  std::vector<std::uint8_t> narrow_memory;
  std::vector<std::uint8_t> wide_memory;
  std::vector<const std::uint8_t*> narrow;
  std::vector<const std::uint8_t*> wide;
};

Codec codec_for(const Vectors& vectors, CodecOptions options) {
  options.dimension = vectors.dimension;
  CodeFrame frame = measure_frame(options.distance, vectors.memory, vectors.dimension);
  return Codec(options, std::move(frame.centre), frame.length_max);
}

std::vector<float> in_batches(std::size_t count, auto compute) {
  std::vector<float> out(count);
  for (std::size_t begin = 0; begin < count; begin += 30)
    compute(begin, std::min<std::size_t>(30, count - begin), &out[begin]);
  return out;
}

std::vector<float> estimates(const Codec& codec, const CodeQuery& query, const Records& records) {
  return in_batches(records.narrow.size(), [&](std::size_t begin, std::size_t count, float* out) {
    codec.estimate(query, records.narrow.data() + begin, count, out);
  });
}

std::vector<float> refined(const Codec& codec, const CodeQuery& query, const Records& records) {
  return in_batches(records.wide.size(), [&](std::size_t begin, std::size_t count, float* out) {
    codec.refine(query, records.wide.data() + begin, count, out);
  });
}

struct Errors {
  double bias = 0;
  double deviation = 0;  // root of the mean square
};

template <class Estimate>
Errors errors_of(const Codec& codec, const Vectors& base, const Vectors& queries, Estimate estimate) {
  const Records records(codec, base);
  CodeQuery query;
  double sum = 0, square = 0, count = 0;
  for (const float* q : queries.rows) {
    codec.prepare(q, query);
    const auto got = estimate(codec, query, records);
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double error =
          static_cast<double>(got[i]) - ordering_distance(codec.options().distance, q, base.rows[i], base.dimension);
      sum += error;
      square += error * error;
      count += 1;
    }
  }
  return {sum / count, std::sqrt(square / count)};
}

std::uint64_t hash_of(const std::vector<std::uint8_t>& bytes, std::uint64_t hash = 14695981039346656037u) {
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 1099511628211u;
  return hash;
}

// The deviation that an ideal uniform grid of so many bits leaves for unit vectors whose components are normal.
double expected_deviation(unsigned bits, std::size_t dimension) {
  constexpr double distortion[] = {1, 0.3634, 0.1188, 0.03744, 0.01154};
  return std::sqrt(distortion[bits] / (1 - distortion[bits]) / static_cast<double>(dimension));
}

TEST(Codec, EstimatesInnerProductsWithoutBiasAndAsWellAsTheGridAllows) {
  for (const std::size_t dimension : {384u, 768u, 513u}) {
    const Vectors base(1000, dimension, true);
    const Vectors queries(20, dimension, true, 9);
    for (const unsigned bits : {1u, 2u, 3u, 4u}) {
      const Codec codec = codec_for(base, {.distance = Distance::cosine, .bits = bits});
      const Errors errors = errors_of(codec, base, queries, estimates);
      const double expected = expected_deviation(bits, dimension);
      EXPECT_LT(errors.deviation, 1.06 * expected) << bits << " bits, dimension " << dimension;
      EXPECT_LT(std::abs(errors.bias), 0.05 * expected) << bits << " bits, dimension " << dimension;
    }
  }
}

TEST(Codec, RefinesToAThousandth) {
  const Vectors base(1000, 384, true);
  const Vectors queries(20, 384, true, 9);
  const Errors errors = errors_of(codec_for(base, {.distance = Distance::cosine}), base, queries, refined);
  EXPECT_LT(errors.deviation, 0.0007);
  EXPECT_LT(std::abs(errors.bias), 0.0001);
}

TEST(Codec, EstimatesEveryDistance) {
  for (const Distance distance : all_distances) {
    const Vectors base(500, 300, distance == Distance::cosine);
    const Vectors queries(10, 300, distance == Distance::cosine, 5);
    // The square of a length, or a distance of vectors that have nothing to do with each other.
    const bool product = distance == Distance::cosine || distance == Distance::inner_product;
    const double spread = std::abs(ordering_distance(distance, base.rows[0], base.rows[product ? 0 : 1], base.dimension));
    const Codec codec = codec_for(base, {.distance = distance, .bits = 4});
    const Errors narrow = errors_of(codec, base, queries, estimates);
    EXPECT_LT(narrow.deviation, 0.03 * spread) << static_cast<int>(distance);
    const Errors wide = errors_of(codec, base, queries, refined);
    EXPECT_LT(wide.deviation, 0.003 * spread) << static_cast<int>(distance);
  }
}

TEST(Codec, ManhattanWithEightBitsIsAsGoodAsTheWideCode) {
  const Vectors base(500, 301, false);
  const Vectors queries(10, 301, false, 5);
  const Codec codec = codec_for(base, {.distance = Distance::manhattan, .bits = 8});
  const Errors narrow = errors_of(codec, base, queries, estimates);
  const double distance = ordering_distance(Distance::manhattan, base.rows[0], base.rows[1], 301);
  EXPECT_LT(narrow.deviation, 0.003 * distance);
  EXPECT_TRUE(codec.estimates_topology());
}

TEST(Codec, ManhattanDoesNotOverrateVectorsBeyondTheGrid) {
  constexpr std::size_t dimension = 64;
  Vectors base(300, dimension, false);
  for (std::size_t i = 0; i < dimension; i += 8) base.memory[i] = 50;  // the first vector
  for (const unsigned bits : {4u, 8u}) {
    const Codec codec = codec_for(base, {.distance = Distance::manhattan, .bits = bits});
    const Records records(codec, base);
    CodeQuery query;
    codec.prepare(base.rows[0], query);
    const auto narrow = estimates(codec, query, records);
    const auto wide = refined(codec, query, records);
    EXPECT_EQ(std::min_element(narrow.begin(), narrow.end()), narrow.begin()) << bits;
    EXPECT_EQ(wide[0], 0);
    // Without what was cut off, an outlier would seem to be near.
    codec.prepare(base.rows[1], query);
    EXPECT_GT(estimates(codec, query, records)[0], 300) << bits;
  }
}

TEST(Codec, DistancesBetweenStoredVectorsAreNearTheTrueOnes) {
  for (const Distance distance : all_distances) {
    const Vectors base(200, 129, distance == Distance::cosine);
    const Codec codec = codec_for(base, {.distance = distance, .bits = 4});
    const Records records(codec, base);
    std::vector<float> got(base.rows.size());
    const double longest = static_cast<double>(codec.length_max());
    for (std::size_t a = 0; a < 20; ++a) {
      codec.between(records.wide[a], records.wide.data(), records.wide.size(), got.data());
      EXPECT_EQ(got[a], 0) << "from itself";
      for (std::size_t b = 0; b < base.rows.size(); ++b) {
        const auto kind = distance == Distance::manhattan ? Distance::manhattan : Distance::euclidean;
        double want = ordering_distance(kind, base.rows[a], base.rows[b], base.dimension);
        if (distance == Distance::inner_product) {
          const double square_a = dot(base.rows[a], base.rows[a], base.dimension);
          const double square_b = dot(base.rows[b], base.rows[b], base.dimension);
          want += std::pow(std::sqrt(longest * longest - square_a) - std::sqrt(longest * longest - square_b), 2);
        }
        ASSERT_NEAR(got[b], want, 0.02 * want + 1e-4) << static_cast<int>(distance);
      }
    }
  }
}

TEST(Codec, EstimatesAnyNumberOfRowsAtOnce) {
  const Vectors base(150, 48, true, 71);
  for (const Distance distance : {Distance::cosine, Distance::manhattan}) {
    const Codec codec = codec_for(base, {.distance = distance, .bits = 4});
    const Records records(codec, base);
    CodeQuery query;
    codec.prepare(base.rows[3], query);

    std::vector<float> at_once(records.narrow.size());
    codec.estimate(query, records.narrow.data(), at_once.size(), at_once.data());

    EXPECT_EQ(at_once, estimates(codec, query, records)) << static_cast<int>(distance);
  }
}

TEST(Codec, KnowsWhatNothingCanBeNearerThan) {
  for (const Distance distance : all_distances) {
    const Vectors base(500, 24, distance == Distance::cosine);
    const Vectors queries(20, 24, distance == Distance::cosine, 9);
    const Codec codec = codec_for(base, {.distance = distance, .bits = 4});
    CodeQuery query;
    for (const float* one : queries.rows) {
      codec.prepare(one, query);
      const auto floor = static_cast<double>(query.floor);
      const double slack = 1e-5 * (1 + std::abs(floor));
      for (const float* row : base.rows)
        ASSERT_GE(ordering_distance(distance, one, row, base.dimension) + slack, floor) << static_cast<int>(distance);
      // As near as can be: the query itself, made as long as the longest where that counts.
      std::vector<float> nearest(one, one + base.dimension);
      if (distance == Distance::inner_product) {
        const double length = std::sqrt(dot(one, one, base.dimension));
        for (float& value : nearest) value *= static_cast<float>(static_cast<double>(codec.length_max()) / length);
      }
      ASSERT_NEAR(ordering_distance(distance, one, nearest.data(), base.dimension), floor, slack)
          << static_cast<int>(distance);
    }
  }
}

TEST(Codec, KnowsWhichEstimatesFollowTheTopology) {
  const Vectors base(10, 8, false);
  EXPECT_TRUE(codec_for(base, {.distance = Distance::euclidean}).estimates_topology());
  EXPECT_TRUE(codec_for(base, {.distance = Distance::cosine}).estimates_topology());
  EXPECT_FALSE(codec_for(base, {.distance = Distance::inner_product}).estimates_topology());
  EXPECT_FALSE(codec_for(base, {.distance = Distance::manhattan, .bits = 4}).estimates_topology());
}

TEST(Codec, CodesOfPartOfTheComponentsHaveNoBiasEither) {
  const Vectors base(1000, 512, true);
  const Vectors queries(20, 512, true, 9);
  for (const std::size_t part : {128u, 200u, 256u}) {
    const Codec codec = codec_for(base, {.distance = Distance::cosine, .bits = 2, .code_dimension = part});
    EXPECT_EQ(codec.narrow_code_bytes(), (part + 127) / 128 * 32);
    const Errors errors = errors_of(codec, base, queries, estimates);
    // What a random half of the components says about the rest, and the grid on top.
    const double share = static_cast<double>(part) / 512;
    const double expected = std::sqrt((1 / (share * (1 - 0.1188)) - 1) / 512);
    EXPECT_LT(errors.deviation, 1.08 * expected) << part;
    EXPECT_LT(std::abs(errors.bias), 0.05 * expected) << part;
  }
}

TEST(Codec, FindsTheNearestOfNearVectors) {
  // Ten copies with a little noise: estimates order by what differs, not by what the vectors have in common.
  Vectors base(400, 256, false);
  std::mt19937 random(3);
  for (std::size_t i = 1; i < 10; ++i) {
    for (std::size_t j = 0; j < 256; ++j) {
      const float noise = static_cast<float>(random() % 1000) / 1000 - 0.5F;
      base.memory[i * 256 + j] = base.memory[j] + noise * 0.05F * static_cast<float>(i);
    }
  }
  const Codec codec = codec_for(base, {.distance = Distance::euclidean, .bits = 2});
  const Records records(codec, base);
  CodeQuery query;
  codec.prepare(base.rows[0], query);
  const auto wide = refined(codec, query, records);
  for (std::size_t i = 1; i < 10; ++i) EXPECT_LT(wide[i - 1], wide[i]);
  const auto narrow = estimates(codec, query, records);
  for (std::size_t i = 10; i < 400; ++i) EXPECT_LT(narrow[9], narrow[i]);
}

TEST(Codec, WritesTheSameBytesOnEveryInstructionSet) {
  for (const Distance distance : all_distances) {
    for (const std::size_t dimension : {1u, 2u, 7u, 33u, 100u, 384u, 769u, 1536u}) {
      const Vectors base(12, dimension, distance == Distance::cosine);
      for (const unsigned bits : {1u, 2u, 3u, 4u, 8u}) {
        if ((distance == Distance::manhattan ? bits % 4 != 0 : bits == 8)) continue;
        std::uint64_t first_hash = 0;
        std::vector<float> first_estimates, first_refined;
        on_every_target([&] {
          const Codec codec = codec_for(base, {.distance = distance, .bits = bits});
          const Records records(codec, base);
          const std::uint64_t hash = hash_of(records.wide_memory, hash_of(records.narrow_memory));
          CodeQuery query;
          codec.prepare(base.rows[3], query);
          const auto narrow = estimates(codec, query, records);
          const auto wide = refined(codec, query, records);
          if (first_hash == 0) {
            first_hash = hash;
            first_estimates = narrow;
            first_refined = wide;
          }
          ASSERT_EQ(hash, first_hash) << dimension << ", " << bits << " bits";
          ASSERT_EQ(narrow, first_estimates) << dimension << ", " << bits << " bits";
          ASSERT_EQ(wide, first_refined) << dimension << ", " << bits << " bits";
        });
      }
    }
  }
}

// Codes are kept in files: when this fails, the format of those has changed as well.
TEST(Codec, CodesAreWhatTheyWere) {
  const auto hash = [](Distance distance, unsigned bits) {
    const Vectors base(50, 200, distance == Distance::cosine);
    const Codec codec = codec_for(base, {.distance = distance, .bits = bits, .seed = 42});
    const Records records(codec, base);
    return hash_of(records.wide_memory, hash_of(records.narrow_memory));
  };
  EXPECT_EQ(hash(Distance::cosine, 1), 3593737197933773405u);
  EXPECT_EQ(hash(Distance::cosine, 2), 10879899260827990637u);
  EXPECT_EQ(hash(Distance::euclidean, 3), 6927525189672451787u);
  EXPECT_EQ(hash(Distance::inner_product, 4), 12778441390461031779u);
  EXPECT_EQ(hash(Distance::manhattan, 4), 9120569566620340655u);
  EXPECT_EQ(hash(Distance::manhattan, 8), 5043591934665458053u);
}

TEST(Codec, AnyFloatsGiveNumbers) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float extremes[] = {0,      -0.0F, 1,      -1,    1e30F,     -1e30F,   1e-30F,
                            1e-42F, 3e38F, -3e38F, 1e16F, -infinity, infinity, std::numeric_limits<float>::quiet_NaN()};
  on_every_target([&] {
    std::mt19937 random(8);
    for (const Distance distance : all_distances) {
      for (const std::size_t dimension : {1u, 2u, 3u, 31u, 384u, 1023u, 4099u}) {
        const unsigned bits = distance == Distance::manhattan ? 4 + random() % 2 * 4 : 1 + random() % 4;
        Vectors base(24, dimension, false);
        for (std::size_t i = 0; i < 20; ++i) {
          for (std::size_t j = 0; j < dimension; ++j) {
            float& value = base.memory[i * dimension + j];
            if (i < 14) value = extremes[i];
            if (i >= 14 && random() % 3 == 0) value = extremes[random() % 14];
          }
        }
        CodeFrame frame =
            measure_frame(distance, std::span(base.memory).subspan(random() % 20 * dimension, 4 * dimension), dimension);
        const Codec codec({.dimension = dimension, .distance = distance, .bits = bits}, frame.centre, frame.length_max);
        const Records records(codec, base);
        std::vector<float> out(base.rows.size());
        CodeQuery query;
        for (std::size_t i = 0; i < base.rows.size(); ++i) {
          codec.prepare(base.rows[i], query);
          codec.estimate(query, records.narrow.data(), out.size(), out.data());
          for (const float value : out) ASSERT_FALSE(std::isnan(value)) << dimension << ", vector " << i;
          codec.refine(query, records.wide.data(), out.size(), out.data());
          for (const float value : out) ASSERT_TRUE(std::isfinite(value)) << dimension << ", vector " << i;
          codec.between(records.wide[i], records.wide.data(), out.size(), out.data());
          for (const float value : out) ASSERT_TRUE(std::isfinite(value) && value >= 0) << dimension << ", vector " << i;
          EXPECT_EQ(out[i], 0);
        }
      }
    }
  });
}

TEST(Codec, VectorsEqualToTheCentreAreEstimatedExactly) {
  const std::vector<float> centre(100, 0.25F);
  const Codec codec({.dimension = 100, .distance = Distance::euclidean, .bits = 2}, centre, 0);
  std::vector<std::uint8_t> narrow(codec.narrow_bytes()), wide(codec.wide_bytes());
  codec.encode(centre.data(), narrow.data(), wide.data());
  CodeQuery query;
  const std::vector<float> ones(100, 1.0F);
  codec.prepare(ones.data(), query);
  const std::uint8_t* row = narrow.data();
  float out = 0;
  codec.estimate(query, &row, 1, &out);
  EXPECT_FLOAT_EQ(out, 56.25F);
}

TEST(Codec, PreparingAgainUsesTheSameMemory) {
  for (const Distance distance : all_distances) {
    const Vectors base(10, 384, false);
    const Codec codec = codec_for(base, {.distance = distance, .bits = 4});
    CodeQuery query;
    codec.prepare(base.rows[0], query);
    const void* before[] = {query.rotated.data(), query.narrow.data(), query.grid.data(), query.wide.data()};
    codec.prepare(base.rows[1], query);
    const void* after[] = {query.rotated.data(), query.narrow.data(), query.grid.data(), query.wide.data()};
    EXPECT_TRUE(std::equal(std::begin(before), std::end(before), std::begin(after)));
  }
}

RC_GTEST_PROP(Codec, EstimatesAreWithinTheirDeviation, ()) {
  const auto dimension = *rc::gen::inRange<std::size_t>(48, 700);
  const auto bits = *rc::gen::inRange<unsigned>(1, 5);
  const auto seed = *rc::gen::arbitrary<unsigned>();
  const auto distance = *rc::gen::element(Distance::cosine, Distance::euclidean, Distance::inner_product);
  const Vectors base(60, dimension, false, seed);
  CodecOptions options{.distance = distance, .bits = bits, .seed = seed};
  const Codec codec = codec_for(base, options);
  const Records records(codec, base);
  CodeQuery query;
  codec.prepare(base.rows[0], query);
  const auto got = estimates(codec, query, records);
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double want = ordering_distance(distance, base.rows[0], base.rows[i], dimension);
    double square_q = 0, square_v = 0;
    for (std::size_t j = 0; j < dimension; ++j) {
      const double centre = static_cast<double>(codec.centre()[j]);
      square_q += std::pow(static_cast<double>(base.rows[0][j]) - centre, 2);
      square_v += std::pow(static_cast<double>(base.rows[i][j]) - centre, 2);
    }
    const double factor = distance == Distance::euclidean ? 2 : 1;
    const double deviation = factor * std::sqrt(square_q * square_v) * (expected_deviation(bits, dimension) + 0.001);
    RC_ASSERT(std::abs(static_cast<double>(got[i]) - want) < 7 * deviation);
  }
}

// Tiles and their rests of rows and columns, and codes that end in half a register.
TEST(Codec, ManyWithManyAreComparedAsEachWithEach) {
  on_every_target([] {
    for (const Distance distance : all_distances) {
      for (const std::size_t dimension : {1, 33, 96, 384}) {
        const Vectors vectors(75, dimension, distance == Distance::cosine);
        const Codec codec = codec_for(vectors, {.distance = distance, .bits = distance == Distance::manhattan ? 4U : 2U});
        const Records records(codec, vectors);
        for (const std::size_t count : {1, 3, 4, 9, 75}) {
          const std::span<const std::uint8_t* const> some = std::span(records.wide).last(count);
          std::vector<float> want(count * records.wide.size());
          for (std::size_t i = 0; i < count; ++i)
            codec.between(some[i], records.wide.data(), records.wide.size(), want.data() + i * records.wide.size());

          std::vector<float> got(want.size());
          codec.between_all(some, records.wide, got.data());

          ASSERT_EQ(got, want) << static_cast<int>(distance) << ", " << dimension << ", " << count;
        }
      }
    }
  });
}

}  // namespace
}  // namespace loam::vector

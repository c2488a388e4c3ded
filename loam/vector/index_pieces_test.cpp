#include "loam/vector/index_pieces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include "loam/vector/directory_pieces.hpp"
#include "loam/vector/pieces_test_support.hpp"

namespace loam::vector {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

/// Answers to some queries, with every bit of their distances.
std::string answers(const Index& index, std::size_t ef = 40) {
  std::string text;
  const std::size_t dimension = index.options().dimension;
  const std::vector<float> queries = normal_rows(20, dimension, 99);
  for (std::size_t i = 0; i < 20; ++i) {
    const auto found = index.search(std::span(queries).subspan(i * dimension, dimension), {.k = 8, .ef = ef}).value();
    for (const Neighbour& hit : found.neighbours)
      text += std::to_string(hit.id) + ":" + std::to_string(std::bit_cast<std::uint32_t>(hit.distance)) + " ";
    text += std::to_string(found.estimates) + "\n";
  }
  return text;
}

struct Case {
  const char* name;
  IndexOptions options;
};

class SavedIndex : public testing::TestWithParam<Case> {};

TEST_P(SavedIndex, AnswersBitForBitAsBeforeAndGoesOn) {
  const auto index = varied_index(GetParam().options, 900);
  MemoryPieces pieces;

  const SaveReport saved = index->save(pieces).value();
  auto [loaded, report] = Index::load(pieces, {}).value();

  EXPECT_TRUE(report.healthy()) << testing::PrintToString(report.findings);
  EXPECT_FALSE(report.rebuilt);
  EXPECT_EQ(report.checkpoint, saved.checkpoint);
  EXPECT_EQ(report.pieces, saved.pieces.size());
  EXPECT_EQ(answers(*loaded), answers(*index));
  EXPECT_EQ(answers(*loaded, 400), answers(*index, 400));
  const IndexStats before = index->stats();
  const IndexStats after = loaded->stats();
  EXPECT_EQ(after.vectors, before.vectors);
  EXPECT_EQ(after.duplicates, before.duplicates);
  EXPECT_EQ(after.slots, before.slots);
  EXPECT_EQ(after.free_slots + after.waiting_slots, before.free_slots + before.waiting_slots);
  EXPECT_EQ(after.layers, before.layers);
  EXPECT_EQ(after.code_bits, before.code_bits);
  EXPECT_EQ(after.sequence, before.sequence);
  EXPECT_EQ(after.full_bytes, before.full_bytes);
  EXPECT_TRUE(loaded->verify().value().healthy());
  for (std::int64_t id = 1000; id < 1900; ++id) {
    ASSERT_EQ(loaded->slot_of(id), index->slot_of(id));
    ASSERT_EQ(loaded->find(id), index->find(id));
  }
}

TEST_P(SavedIndex, TakesChangesAfterItWasLoaded) {
  const IndexOptions& options = GetParam().options;
  const auto index = varied_index(options, 600);
  MemoryPieces pieces;
  index->save(pieces).value();
  auto [loaded, report] = Index::load(pieces, {}).value();
  const std::uint64_t sequence = loaded->sequence();

  const std::vector<float> rows = normal_rows(300, options.dimension, 8);
  for (std::size_t i = 0; i < 300; ++i) {
    loaded->put(static_cast<std::int64_t>(i), std::span(rows).subspan(i * options.dimension, options.dimension)).value();
    loaded->erase(1000 + static_cast<std::int64_t>(2 * i)).value();
  }
  loaded->maintain().value();

  EXPECT_GE(loaded->sequence(), sequence + 300);
  const Audit audit = loaded->verify().value();
  EXPECT_TRUE(audit.healthy()) << testing::PrintToString(audit.findings);
  EXPECT_EQ(loaded->stats().waiting_slots, 0u);
  const auto hit = loaded->search(std::span(rows).first(options.dimension), {.k = 1, .exact = true}).value();
  const auto walked = loaded->search(std::span(rows).first(options.dimension), {.k = 1, .ef = 400}).value();
  EXPECT_EQ(walked.neighbours.at(0).id, hit.neighbours.at(0).id);
}

const Case cases[] = {
    {"Euclidean", {.dimension = 24, .distance = Distance::euclidean, .max_connections = 16}},
    {"Cosine", {.dimension = 200, .distance = Distance::cosine}},
    {"InnerProduct", {.dimension = 33, .distance = Distance::inner_product, .code_bits = 3, .flat_max = 10}},
    {"Manhattan", {.dimension = 12, .distance = Distance::manhattan, .nb_layers = 2}},
    {"HalfAsWide", {.dimension = 40, .code_dimension = 20, .elements = Elements::f16}},
    {"WithoutUpperLayers", {.dimension = 17, .max_connections = 8, .nb_layers = 1, .seed = 12}},
};
INSTANTIATE_TEST_SUITE_P(All, SavedIndex, testing::ValuesIn(cases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(IndexPieces, OfAnEmptyAndOfAFlatIndex) {
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{500}}) {
    auto index = Index::create({.dimension = 5}).value();
    const std::vector<float> rows = normal_rows(count, 5, 3);
    for (std::size_t i = 0; i < count; ++i)
      index->put(static_cast<std::int64_t>(i), std::span(rows).subspan(i * 5, 5)).value();
    if (count > 100) index->erase(77).value();
    MemoryPieces pieces;

    index->save(pieces).value();
    auto [loaded, report] = Index::load(pieces, {.dimension = 5, .distance = Distance::cosine}).value();

    EXPECT_TRUE(report.healthy());
    EXPECT_EQ(loaded->size(), index->size());
    EXPECT_EQ(loaded->sequence(), index->sequence());
    EXPECT_EQ(loaded->stats().layers, 0u);
    EXPECT_EQ(answers(*loaded), answers(*index));
    loaded->put(1000, std::vector<float>(5, 1)).value();
    EXPECT_TRUE(loaded->verify().value().healthy());
  }
}

TEST(IndexPieces, OfAnEmptyGraphCanBeFilled) {
  auto index = Index::create({.dimension = 4}).value();
  index->put(1, std::vector<float>{1, 2, 3, 4}).value();
  index->promote().value();
  index->erase(1).value();
  index->maintain().value();
  MemoryPieces pieces;
  index->save(pieces).value();

  auto [loaded, report] = Index::load(pieces, {}).value();

  EXPECT_TRUE(report.healthy()) << testing::PrintToString(report.findings);
  EXPECT_EQ(loaded->size(), 0u);
  loaded->put(2, std::vector<float>{1, 0, 0, 0}).value();
  EXPECT_EQ(loaded->search(std::vector<float>{1, 0, 0, 0}).value().neighbours.at(0).id, 2);
}

TEST(IndexPieces, CarrySlotsThatAReaderHoldsBack) {
  const IndexOptions options{.dimension = 16, .max_connections = 8};
  const auto index = varied_index(options, 500);
  MemoryPieces pieces;
  std::string report_text;
  std::size_t held = 0;
  bool once = true;

  // A search asks its predicate while it is reading.
  const auto from_within = [&](std::int64_t) {
    if (!once) return true;
    once = false;
    for (std::int64_t id = 1000; id < 1100; ++id) index->erase(id).value();
    held = index->stats().waiting_slots;
    index->save(pieces).value();
    return true;
  };
  index->search(normal_rows(1, 16, 4), {.k = 3, .predicate = from_within}).value();
  auto [loaded, report] = Index::load(pieces, {}).value();

  EXPECT_GT(held, 0u);
  EXPECT_TRUE(report.healthy()) << testing::PrintToString(report.findings);
  EXPECT_EQ(loaded->size(), index->size());
  EXPECT_TRUE(loaded->verify().value().healthy());
  loaded->maintain().value();
  EXPECT_TRUE(loaded->verify().value().healthy());
  EXPECT_EQ(loaded->stats().waiting_slots, 0u);
}

TEST(IndexPieces, AreWrittenAgainOnlyWhereSomethingHasChanged) {
  constexpr std::size_t dimension = 8;
  const std::size_t count = 3 * 4096 + 100;
  auto index = Index::create({.dimension = dimension, .max_connections = 8, .ef_construction = 16}).value();
  std::vector<std::int64_t> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<std::int64_t>(i);
  const std::vector<float> rows = normal_rows(count, dimension, 5);
  index->put_many(ids, rows, 2).value();
  MemoryPieces pieces;
  const SaveReport first = index->save(pieces).value();
  pieces.written.clear();

  const SaveReport nothing = index->save_changed(pieces, first.checkpoint).value();
  const std::vector<std::string> for_nothing = std::exchange(pieces.written, {});
  const auto in_first_piece =
      std::find_if(ids.begin(), ids.end(), [&](std::int64_t id) { return *index->slot_of(id) < 4096; });
  const auto row = static_cast<std::size_t>(in_first_piece - ids.begin());
  index->put(50'000, std::span(rows).subspan(row * dimension, dimension)).value();
  const SaveReport one = index->save_changed(pieces, nothing.checkpoint).value();
  const std::vector<std::string> for_one = std::exchange(pieces.written, {});
  auto [loaded, report] = Index::load(pieces, {}).value();

  EXPECT_EQ(first.pieces_written, first.pieces.size());
  EXPECT_THAT(for_nothing, ElementsAre("head"));
  // An equal vector: it hangs on the other one, whose slot is in the first piece; its own is in the last.
  EXPECT_THAT(for_one, ElementsAre("full-3.3", "slots-0.3", "slots-3.3", "wide-3.3", "head"));
  EXPECT_EQ(one.pieces.size(), first.pieces.size());
  EXPECT_TRUE(report.healthy()) << testing::PrintToString(report.findings);
  EXPECT_EQ(answers(*loaded), answers(*index));
  // A loaded index knows its pieces, too.
  loaded->erase(50'000).value();
  const SaveReport again = loaded->save_changed(pieces, report.checkpoint).value();
  EXPECT_EQ(again.checkpoint, 4u);
  EXPECT_THAT(std::exchange(pieces.written, {}), ElementsAre("slots-0.4", "slots-3.4", "head"));
  auto [last, last_report] = Index::load(pieces, {}).value();
  EXPECT_TRUE(last_report.healthy()) << testing::PrintToString(last_report.findings);
  EXPECT_FALSE(last->slot_of(50'000));
  EXPECT_EQ(last->size(), count);
}

TEST(IndexPieces, FollowALongHistoryOfChanges) {
  constexpr std::size_t dimension = 6;
  auto index = Index::create({.dimension = dimension, .max_connections = 8, .ef_construction = 16, .flat_max = 200}).value();
  MemoryPieces pieces;
  std::mt19937 random(11);
  const std::vector<float> rows = normal_rows(60, dimension, 6);
  std::uint64_t checkpoint = 0;
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 60; ++i) {
      const auto id = static_cast<std::int64_t>(random() % 600);
      if (random() % 3 == 0) {
        index->erase(id).value();
        continue;
      }
      // Few different vectors, so that there are long chains.
      const std::size_t row = random() % 2 == 0 ? random() % 6 : random() % 60;
      std::vector<float> vector(rows.begin() + static_cast<std::ptrdiff_t>(row * dimension),
                                rows.begin() + static_cast<std::ptrdiff_t>((row + 1) * dimension));
      if (row >= 20) vector[0] += static_cast<float>(random() % 100) / 100;
      index->put(id, vector).value();
    }
    const SaveReport saved = index->save_changed(pieces, checkpoint).value();
    checkpoint = saved.checkpoint;
    std::erase_if(pieces.pieces, [&](const auto& piece) {
      return std::find(saved.pieces.begin(), saved.pieces.end(), piece.first) == saved.pieces.end();
    });

    auto [loaded, report] = Index::load(pieces, {}).value();

    ASSERT_TRUE(report.healthy()) << round << testing::PrintToString(report.findings);
    ASSERT_FALSE(report.rebuilt);
    ASSERT_EQ(answers(*loaded), answers(*index)) << round;
    const Audit audit = loaded->verify().value();
    ASSERT_TRUE(audit.healthy()) << round << testing::PrintToString(audit.findings);
    if (round % 4 == 0) index = std::move(loaded);
  }
}

TEST(IndexPieces, OfAFailedSavingAreWrittenAgain) {
  const auto index = varied_index({.dimension = 8, .max_connections = 8}, 300);
  MemoryPieces pieces;
  const SaveReport first = index->save(pieces).value();
  index->put(1, normal_rows(1, 8, 1)).value();
  pieces.fails_at = "wide";

  const auto failed = index->save_changed(pieces, first.checkpoint);
  pieces.fails_at.clear();
  auto [former, former_report] = Index::load(pieces, {}).value();
  const SaveReport second = index->save_changed(pieces, first.checkpoint).value();
  auto [loaded, report] = Index::load(pieces, {}).value();

  EXPECT_EQ(failed.error().code(), ErrorCode::resource_exhausted);
  EXPECT_TRUE(former_report.healthy());
  EXPECT_EQ(former_report.checkpoint, first.checkpoint);
  EXPECT_EQ(second.checkpoint, first.checkpoint + 2);
  EXPECT_TRUE(report.healthy()) << testing::PrintToString(report.findings);
  EXPECT_EQ(answers(*loaded), answers(*index));
  EXPECT_EQ(index->save_changed(pieces, first.checkpoint + 9).error().code(), ErrorCode::failed_precondition);
}

TEST(IndexPieces, AreOfOneMomentWhileOthersChangeTheIndex) {
  constexpr std::size_t dimension = 8;
  const auto index =
      Index::create({.dimension = dimension, .max_connections = 8, .ef_construction = 16, .flat_max = 100}).value();
  const std::vector<float> rows = normal_rows(64, dimension, 12);
  std::atomic<bool> stop = false;
  std::vector<std::thread> writers;
  for (std::int64_t writer = 0; writer < 2; ++writer)
    writers.emplace_back([&, writer] {
      // Each id once, so that there are as many vectors as changes; every third change takes one away again.
      for (std::int64_t i = 0; !stop && i < 20'000; ++i) {
        const std::int64_t id = 2 * i + writer;
        std::vector<float> vector(rows.begin() + i % 64 * dimension, rows.begin() + (i % 64 + 1) * dimension);
        vector[0] += static_cast<float>(i / 128);
        index->put(id, vector).value();
        if (i % 3 == 2) index->erase(id - 2).value();
      }
    });
  std::thread reader([&] {
    while (!stop) index->search(std::span(rows).first(dimension), {.k = 5}).value();
  });
  MemoryPieces pieces;
  std::uint64_t checkpoint = 0;

  for (int round = 0; round < 8; ++round) {
    const SaveReport saved = index->save_changed(pieces, checkpoint).value();
    checkpoint = saved.checkpoint;
    auto [loaded, report] = Index::load(pieces, {}).value();

    EXPECT_TRUE(report.healthy()) << testing::PrintToString(report.findings);
    EXPECT_EQ(loaded->sequence(), saved.sequence);
    EXPECT_TRUE(loaded->verify().value().healthy());
    // 3 of 4 changes put, 1 takes away; each writer is at most 3 changes into its next four.
    EXPECT_NEAR(static_cast<double>(loaded->size()), static_cast<double>(saved.sequence) / 2, 4);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  reader.join();
}

TEST(IndexPieces, AreTheSameForTheSameIndex) {
  MemoryPieces pieces[2];
  for (MemoryPieces& into : pieces) varied_index({.dimension = 20}, 400)->save(into).value();

  EXPECT_EQ(pieces[0].pieces, pieces[1].pieces);
}

TEST(IndexPieces, OfAnotherDimensionOrDistanceAreRefused) {
  const auto index = varied_index({.dimension = 8, .max_connections = 8}, 50);
  MemoryPieces pieces;
  index->save(pieces).value();

  const auto dimension = Index::load(pieces, {.dimension = 9});
  const auto distance = Index::load(pieces, {.distance = Distance::manhattan});

  EXPECT_EQ(dimension.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(dimension.error().message(), HasSubstr("dimension 8, 9 was expected"));
  EXPECT_EQ(distance.error().code(), ErrorCode::failed_precondition);
}

class PieceDirectory : public testing::Test {
 protected:
  PieceDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "loam-pieces-test-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~PieceDirectory() override { std::filesystem::remove_all(directory_); }

  std::set<std::string> names(const std::filesystem::path& directory) const {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) found.insert(entry.path().filename());
    return found;
  }

  std::filesystem::path directory_;
};

TEST_F(PieceDirectory, GivesBackWhatItWasGivenCopiedOrMapped) {
  const auto index = varied_index({.dimension = 16, .max_connections = 8}, 700);
  const auto pieces = DirectoryPieces::open(directory_ / "index").value();
  index->save(*pieces).value();

  for (const bool mapped : {false, true}) {
    auto [loaded, report] = Index::load(*pieces, {.directory = mapped ? directory_ : ""}).value();

    EXPECT_TRUE(report.healthy()) << testing::PrintToString(report.findings);
    EXPECT_EQ(loaded->stats().full_mapped, mapped);
    EXPECT_EQ(loaded->stats().full_bytes, index->stats().full_bytes);
    EXPECT_EQ(answers(*loaded), answers(*index));
    loaded->put(1, normal_rows(1, 16, 1)).value();
    EXPECT_TRUE(loaded->verify().value().healthy());
  }
  auto [again, report] = Index::load(*pieces, {}).value();
  EXPECT_TRUE(report.healthy()) << "what is written to mapped pieces stays in memory";
}

TEST_F(PieceDirectory, LosesFormerPiecesOnRequestAndNothingElse) {
  const auto index = varied_index({.dimension = 8, .max_connections = 8}, 100);
  const auto pieces = DirectoryPieces::open(directory_).value();
  const SaveReport first = index->save(*pieces).value();
  index->put(1, normal_rows(1, 8, 1)).value();
  const SaveReport second = index->save_changed(*pieces, first.checkpoint).value();
  std::ofstream(directory_ / "full-0.9.partial") << "left by a process that was killed";
  std::ofstream(directory_ / "notes.txt") << "not a piece";
  std::ofstream(directory_ / "full-0.backup") << "neither";
  auto [mapped, report] = Index::load(*pieces, {.directory = directory_}).value();

  const std::size_t removed = pieces->remove_others(second).value();

  std::set<std::string> expected(second.pieces.begin(), second.pieces.end());
  expected.insert({"notes.txt", "full-0.backup"});
  EXPECT_EQ(names(directory_), expected);
  EXPECT_EQ(removed, first.pieces.size() - 1 - (second.pieces.size() - second.pieces_written) + 1);
  EXPECT_TRUE(mapped->verify().value().healthy());
  EXPECT_EQ(Index::load(*pieces, {}).value().report.pieces_damaged, 0u);
}

TEST_F(PieceDirectory, RefusesNamesThatAreNoPiecesAndFilesThatAreNone) {
  const auto pieces = DirectoryPieces::open(directory_).value();

  for (const char* name : {"../full-0.1", "full-0.1/x", "", "Head", "full-.1", "full-0.1.partial"})
    EXPECT_EQ(pieces->write(name, {}).error().code(), ErrorCode::invalid_argument) << name;
  ASSERT_EQ(::mkfifo((directory_ / "full-0.1").c_str(), 0600), 0);
  EXPECT_EQ(pieces->read("full-0.1", 10).error().code(), ErrorCode::data_corruption);
  EXPECT_FALSE(pieces->file("full-0.1"));
  EXPECT_FALSE(pieces->read("slots-0.1", 10).value());
  std::ofstream(directory_ / "wide-0.1") << "eleven byte";
  EXPECT_EQ(pieces->read("wide-0.1", 10).error().code(), ErrorCode::data_corruption);
  EXPECT_EQ(DirectoryPieces::open(directory_ / "none" / "index").error().code(), ErrorCode::failed_precondition);
}

}  // namespace
}  // namespace loam::vector

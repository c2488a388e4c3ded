#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "loam/vector/directory_pieces.hpp"
#include "loam/vector/index_contents_test_support.hpp"
#include "loam/vector/pieces_test_support.hpp"
#include "tests/support/temporary_directory.hpp"

namespace loam::vector {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

using Bytes = std::vector<std::byte>;

const IndexOptions larger{.dimension = 4, .distance = Distance::euclidean, .max_connections = 8, .ef_construction = 16};
constexpr std::size_t larger_count = 4096 + 400;  // two pieces of each kind

/// Files of an index that somebody damages, and the loading that maps them.
class DamagedDirectory : public testing::Test {
 protected:
  void save(Index& index) {
    report_ = index.save(*pieces_).value();
    saved_.emplace(index);
    for (const std::string& name : report_.pieces) files_[name] = bytes_of(name);
  }
  Result<LoadedIndex> load() { return Index::load(*pieces_, {.directory = directory_.path()}); }

  /// The name of a piece such as "full-0".
  std::string name_of(const std::string& begin) const {
    for (const auto& [name, bytes] : files_)
      if (name.starts_with(begin + ".")) return name;
    ADD_FAILURE() << "there is no piece " << begin;
    return {};
  }
  Bytes bytes_of(const std::string& name) {
    return pieces_->read(name, std::numeric_limits<std::size_t>::max()).value().value();
  }
  /// A new file: those that are mapped must not be written.
  void replace(const std::string& name, std::span<const std::byte> bytes) {
    std::filesystem::remove_all(directory_ / name);
    std::ofstream file(directory_ / name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  void flip(const std::string& name, std::size_t at) {
    Bytes bytes = files_.at(name);
    bytes.at(at) ^= std::byte{0x10};
    replace(name, bytes);
  }

  // What the format says becomes of an index with one piece of each kind when this one is damaged.
  void expect_recovered(const std::string& name, const std::string& where) {
    SCOPED_TRACE(name + " " + where);
    const auto loaded = load();
    if (name == head_piece_name) {
      ASSERT_FALSE(loaded.ok());
      EXPECT_EQ(loaded.error().code(), ErrorCode::data_corruption);
      EXPECT_THAT(loaded.error().to_string(), HasSubstr("the head of a vector index"));
      return;
    }
    ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
    const LoadReport& report = loaded->report;
    EXPECT_EQ(report.pieces_damaged, 1u);
    EXPECT_THAT(report.findings, ElementsAre(StartsWith(name + ": ")));
    EXPECT_EQ(report.vectors_lost, name.starts_with("full") ? saved_->vectors.size() : 0u);
    EXPECT_EQ(report.rebuilt, !name.starts_with("wide"));
    EXPECT_TRUE(is_sound(*loaded->index, *saved_, report.vectors_lost));
  }

  const loam::test::TemporaryDirectory directory_;
  const std::unique_ptr<DirectoryPieces> pieces_ = DirectoryPieces::open(directory_.path()).value();
  SaveReport report_;
  std::optional<Contents> saved_;
  std::map<std::string, Bytes> files_;
};

class DamagedSmallDirectory : public DamagedDirectory {
 protected:
  DamagedSmallDirectory() { save(*varied_index(small, small_count)); }
};

// Where pages are larger than the header of a piece, all are read.
TEST_F(DamagedSmallDirectory, IsMappedWhileItIsWhole) {
  class Watched final : public PieceSource {
   public:
    explicit Watched(PieceSource& pieces) : pieces_(pieces) {}
    Result<std::optional<Bytes>> read(std::string_view name, std::size_t bytes_max) override {
      names_read.emplace_back(name);
      return pieces_.read(name, bytes_max);
    }
    std::optional<std::filesystem::path> file(std::string_view name) override { return pieces_.file(name); }
    std::vector<std::string> names_read;

   private:
    PieceSource& pieces_;
  };
  Watched source(*pieces_);

  const auto [index, report] = Index::load(source, {.directory = directory_.path()}).value();

  const auto was_read = [&](const std::string& name) { return std::ranges::count(source.names_read, name_of(name)) > 0; };
  const bool pages_are_larger = ::sysconf(_SC_PAGESIZE) > 4096;
  EXPECT_TRUE(was_read("slots-0"));
  EXPECT_EQ(was_read("full-0"), pages_are_larger);
  EXPECT_EQ(was_read("wide-0"), pages_are_larger);
  EXPECT_TRUE(report.healthy()) << testing::PrintToString(report.findings);
  EXPECT_TRUE(index->stats().full_mapped);
  EXPECT_TRUE(is_sound(*index, *saved_));
}

TEST_F(DamagedSmallDirectory, AnyFlippedByteIsFoundAndRepairedOrReported) {
  std::mt19937 random(31);
  for (const auto& [name, bytes] : files_) {
    // Of the header and around it, of the first page and around it, the middle, the end, and anywhere.
    std::set<std::size_t> places{0, 8, 10, 32, 56, 63, 64, 4095, 4096, 4112, bytes.size() / 2, bytes.size() - 1};
    for (int i = 0; i < 12; ++i) places.insert(random() % bytes.size());
    std::erase_if(places, [&](std::size_t at) { return at >= bytes.size(); });
    for (const std::size_t at : places) {
      flip(name, at);

      ASSERT_NO_FATAL_FAILURE(expect_recovered(name, "with another byte " + std::to_string(at)));
    }
    replace(name, bytes);
  }
}

TEST_F(DamagedSmallDirectory, AnyFileThatIsCutIsFoundAndRepairedOrReported) {
  for (const auto& [name, bytes] : files_) {
    for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65},
                                     std::size_t{4095}, std::size_t{4096}, bytes.size() / 2, bytes.size() - 1}) {
      if (length >= bytes.size()) continue;
      replace(name, std::span(bytes).first(length));

      ASSERT_NO_FATAL_FAILURE(expect_recovered(name, "cut at " + std::to_string(length)));
    }
    replace(name, bytes);
  }
}

TEST_F(DamagedSmallDirectory, AnyFileThatIsTooLongIsFoundAndRepairedOrReported) {
  for (const auto& [name, bytes] : files_) {
    for (const std::size_t more : {1, 8, 4096}) {
      Bytes longer = bytes;
      longer.resize(bytes.size() + more);
      replace(name, longer);

      ASSERT_NO_FATAL_FAILURE(expect_recovered(name, "with " + std::to_string(more) + " bytes too many"));
    }
    replace(name, bytes);
  }
}

TEST_F(DamagedSmallDirectory, AnyFileThatIsMissingOrNoneIsFoundAndRepairedOrReported) {
  for (const auto& [name, bytes] : files_) {
    std::filesystem::remove(directory_ / name);
    ASSERT_NO_FATAL_FAILURE(expect_recovered(name, "that is missing"));

    std::filesystem::create_directory(directory_ / name);
    ASSERT_NO_FATAL_FAILURE(expect_recovered(name, "that is a directory"));

    replace(name, bytes);
  }
}

TEST_F(DamagedSmallDirectory, TwoFilesThatAreExchangedAreBothFound) {
  for (auto one = files_.begin(); one != files_.end(); ++one)
    for (auto other = std::next(one); other != files_.end(); ++other) {
      SCOPED_TRACE(one->first + " and " + other->first);
      replace(one->first, other->second);
      replace(other->first, one->second);

      const auto loaded = load();

      replace(one->first, one->second);
      replace(other->first, other->second);
      if (one->first == head_piece_name || other->first == head_piece_name) {
        ASSERT_FALSE(loaded.ok());
        EXPECT_EQ(loaded.error().code(), ErrorCode::data_corruption);
        continue;
      }
      ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
      const LoadReport& report = loaded->report;
      EXPECT_THAT(report.findings, Contains(StartsWith(one->first + ": ")));
      // Without any vector nothing else is looked at.
      if (report.vectors_lost == 0) {
        EXPECT_THAT(report.findings, Contains(StartsWith(other->first + ": ")));
      }
      EXPECT_TRUE(report.rebuilt);
      EXPECT_TRUE(is_sound(*loaded->index, *saved_, report.vectors_lost));
    }
}

TEST_F(DamagedSmallDirectory, AFileOfAFormerCheckpointInThePlaceOfALaterOneIsFound) {
  auto [index, former] = load().value();
  const std::map<std::string, Bytes> former_files = files_;
  files_.clear();
  save(*index);

  for (std::size_t i = 0; i + 1 < report_.pieces.size(); ++i) {
    const std::string& name = report_.pieces[i];
    const std::string former_name = name.substr(0, name.rfind('.') + 1) + std::to_string(former.checkpoint);
    replace(name, former_files.at(former_name));

    ASSERT_NO_FATAL_FAILURE(expect_recovered(name, "as it was before"));
    EXPECT_THAT(load().value().report.findings, ElementsAre(HasSubstr("it is another one than the head names")));

    replace(name, files_.at(name));
  }
}

// An error of the directory, and no damage: the file may be whole.
TEST_F(DamagedSmallDirectory, ASymbolicLinkInThePlaceOfAFileEndsTheLoadingAndIsNamed) {
  for (const auto& [name, bytes] : files_) {
    std::filesystem::rename(directory_ / name, directory_ / "elsewhere");
    std::filesystem::create_symlink(directory_ / "elsewhere", directory_ / name);

    const auto refused = load();

    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition) << name;
    EXPECT_THAT(refused.error().message(), HasSubstr(directory_ / name));
    std::filesystem::rename(directory_ / "elsewhere", directory_ / name);
  }
}

// The file was checked by one mapping and served by another: a name that became that of another file in between brought
// vectors that nobody had checked.
TEST_F(DamagedSmallDirectory, AFileThatIsExchangedMeanwhileIsNeverServedUnchecked) {
  const std::string name = name_of("full-0");
  Bytes wrong = files_.at(name);
  constexpr std::size_t record_bytes = 16 + 6 * sizeof(float);
  for (std::size_t at = 4096 + 16; at < wrong.size(); at += record_bytes) wrong[at] ^= std::byte{1};
  replace("right", files_.at(name));
  replace("wrong", wrong);
  const std::jthread exchanging([&](const std::stop_token& stop) {
    for (bool right = false; !stop.stop_requested(); right = !right) {
      std::filesystem::create_hard_link(directory_ / (right ? "right" : "wrong"), directory_ / "next");
      std::filesystem::rename(directory_ / "next", directory_ / name);
    }
  });

  for (int i = 0; i < 150 && !HasFailure(); ++i) {
    const auto loaded = load();

    ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
    EXPECT_TRUE(is_sound(*loaded->index, *saved_, loaded->report.vectors_lost)) << i;
  }
}

TEST_F(DamagedDirectory, LosesOnlyWhatTheDamagedFilesAloneHeld) {
  save(*varied_index(larger, larger_count));
  const std::string vectors = name_of("full-1");
  const std::string codes = name_of("wide-0");
  flip(vectors, files_.at(vectors).size() / 2);
  flip(codes, files_.at(codes).size() / 2);

  auto [index, report] = load().value();

  EXPECT_THAT(report.findings, ElementsAre(StartsWith(vectors), StartsWith(codes)));
  EXPECT_FALSE(report.rebuilt);
  EXPECT_GT(report.vectors_lost, 0u);
  EXPECT_TRUE(is_sound(*index, *saved_, report.vectors_lost));
  for (const auto& [id, vector] : saved_->vectors)
    if (!index->slot_of(id)) index->put(id, vector).value();
  const Contents again(*index);
  index->save_changed(*pieces_, report.checkpoint).value();
  const auto [repaired, report_of_repaired] = load().value();
  EXPECT_EQ(again.vectors, saved_->vectors);
  EXPECT_TRUE(report_of_repaired.healthy()) << testing::PrintToString(report_of_repaired.findings);
  EXPECT_TRUE(is_sound(*repaired, again));
}

TEST_F(DamagedDirectory, IsRebuiltWhenVectorsAndTheirCodesAreDamaged) {
  save(*varied_index(larger, larger_count));
  const std::string vectors = name_of("full-1");
  const std::string codes = name_of("wide-1");
  replace(vectors, {});
  replace(codes, {});

  const auto [index, report] = load().value();

  EXPECT_THAT(report.findings, ElementsAre(StartsWith(vectors), StartsWith(codes)));
  EXPECT_TRUE(report.rebuilt);
  EXPECT_GT(report.vectors_lost, 0u);
  EXPECT_TRUE(is_sound(*index, *saved_, report.vectors_lost));
}

TEST_F(DamagedDirectory, OfAFlatIndexHoldsTheVectorsOfWholeFiles) {
  IndexOptions flat = larger;
  flat.flat_max = 2 * larger_count;
  const auto index = Index::create(flat).value();
  const std::vector<float> rows = normal_rows(larger_count, flat.dimension, 3);
  for (std::size_t i = 0; i < larger_count; ++i)
    index->put(static_cast<std::int64_t>(i), std::span(rows).subspan(i * flat.dimension, flat.dimension)).value();
  save(*index);
  const std::string first = name_of("full-0");
  flip(first, files_.at(first).size() - 1);

  const auto [loaded, report] = load().value();

  EXPECT_THAT(report.findings, ElementsAre(StartsWith(first)));
  EXPECT_EQ(report.vectors_lost, 4096u);
  EXPECT_TRUE(is_sound(*loaded, *saved_, report.vectors_lost));
}

}  // namespace
}  // namespace loam::vector

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loam/vector/directory_pieces.hpp"
#include "loam/vector/index_contents_test_support.hpp"
#include "loam/vector/pieces_test_support.hpp"
#include "tests/support/temporary_directory.hpp"

namespace loam::vector {
namespace {

using loam::test::TemporaryDirectory;
using testing::HasSubstr;

constexpr std::size_t writes_max = 50;  // more than any saving of such an index needs

/// What a process that is killed while it writes a file leaves of it.
enum class Left { nothing, half_under_another_name, all_under_another_name, all };

/// Writes into a directory, until it ends as a process does that is killed.
class InterruptedPieces final : public PieceSink {
 public:
  InterruptedPieces(DirectoryPieces& pieces, const TemporaryDirectory& directory, std::size_t writes, Left left)
      : pieces_(pieces), directory_(directory), writes_left_(writes), left_(left) {}

  Result<void> write(std::string_view name, std::span<const std::byte> bytes) override {
    EXPECT_FALSE(interrupted_) << name << " is written after an error";
    if (writes_left_ > 0) {
      --writes_left_;
      return pieces_.write(name, bytes);
    }
    interrupted_ = true;
    switch (left_) {
      case Left::nothing: break;
      case Left::half_under_another_name: leave(name, bytes.first(bytes.size() / 2)); break;
      case Left::all_under_another_name: leave(name, bytes); break;
      case Left::all: LOAM_TRY(pieces_.write(name, bytes)); break;
    }
    head_replaced_ = left_ == Left::all && name == head_piece_name;
    return Error(ErrorCode::unavailable, "interrupted at " + std::string(name));
  }
  bool head_replaced() const noexcept { return head_replaced_; }

 private:
  void leave(std::string_view name, std::span<const std::byte> bytes) {
    std::ofstream file(directory_ / (std::string(name) + ".partial"), std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

  DirectoryPieces& pieces_;
  const TemporaryDirectory& directory_;
  std::size_t writes_left_;
  const Left left_;
  bool interrupted_ = false;
  bool head_replaced_ = false;
};

// Some vectors come, some go, and some ids get another one.
void change(Index& index, unsigned seed) {
  const std::size_t dimension = index.options().dimension;
  const std::vector<float> rows = normal_rows(30, dimension, seed);
  for (std::size_t i = 0; i < 30; ++i)
    index.put(980 + 2 * static_cast<std::int64_t>(i), std::span(rows).subspan(i * dimension, dimension)).value();
  for (std::int64_t id = 1041; id < 1080; id += 3) index.erase(id).value();
}

/// A directory with a checkpoint, and an index that has changed since.
struct ChangedSince {
  ChangedSince() : index(varied_index(small, small_count)), first(index->save(*pieces).value()), former(*index) {
    change(*index, 21);
  }

  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) found.insert(entry.path().filename());
    return found;
  }

  TemporaryDirectory directory;
  std::unique_ptr<DirectoryPieces> pieces = DirectoryPieces::open(directory.path()).value();
  std::unique_ptr<Index> index;
  SaveReport first;
  Contents former;
};

// Read and mapped.
void expect_checkpoint(DirectoryPieces& pieces, const TemporaryDirectory& directory, std::uint64_t checkpoint,
                       const Contents& contents) {
  for (const std::string& mapped_from : {std::string(), directory.path()}) {
    const auto loaded = Index::load(pieces, {.directory = mapped_from});
    ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
    EXPECT_TRUE(loaded->report.healthy()) << testing::PrintToString(loaded->report.findings);
    EXPECT_FALSE(loaded->report.rebuilt);
    EXPECT_EQ(loaded->report.checkpoint, checkpoint);
    EXPECT_TRUE(is_sound(*loaded->index, contents));
  }
}

// Interrupts a saving at the first write, then one at the second, until one gets through.
void expect_former_or_new(Left left, bool only_changes) {
  ChangedSince saved;
  const Contents changed(*saved.index);
  for (std::size_t writes = 0; writes < writes_max; ++writes) {
    SCOPED_TRACE("after " + std::to_string(writes) + " writes");
    InterruptedPieces sink(*saved.pieces, saved.directory, writes, left);

    const auto done = saved.index->save_changed(sink, only_changes ? saved.first.checkpoint : 0);

    const bool is_new = done.ok() || sink.head_replaced();
    ASSERT_NO_FATAL_FAILURE(expect_checkpoint(*saved.pieces, saved.directory,
                                              is_new ? saved.first.checkpoint + 1 + writes : saved.first.checkpoint,
                                              is_new ? changed : saved.former));
    if (!done.ok()) {
      EXPECT_EQ(done.error().code(), ErrorCode::unavailable);
      continue;
    }
    EXPECT_GE(writes, 4u) << "vectors, edges, wide codes and the head";
    saved.pieces->remove_others(*done).value();
    EXPECT_EQ(saved.names(), std::set<std::string>(done->pieces.begin(), done->pieces.end()));
    return;
  }
  ADD_FAILURE() << "no saving gets through";
}

class InterruptedSave : public testing::TestWithParam<Left> {};

TEST_P(InterruptedSave, OfChangesLeavesTheFormerCheckpointOrTheNewOneWhole) { expect_former_or_new(GetParam(), true); }

TEST_P(InterruptedSave, OfTheFirstCheckpointLeavesNoIndexOrAWholeOne) {
  const TemporaryDirectory directory;
  const auto pieces = DirectoryPieces::open(directory.path()).value();
  const auto index = varied_index(small, small_count);
  const Contents contents(*index);
  bool whole = false;
  for (std::size_t writes = 0; writes < writes_max && !whole; ++writes) {
    SCOPED_TRACE("after " + std::to_string(writes) + " writes");
    InterruptedPieces sink(*pieces, directory, writes, GetParam());

    whole = index->save(sink).ok();

    if (whole || sink.head_replaced()) {
      ASSERT_NO_FATAL_FAILURE(expect_checkpoint(*pieces, directory, writes + 1, contents));
      continue;
    }
    const auto nothing = Index::load(*pieces, {.directory = directory.path()});
    ASSERT_FALSE(nothing.ok());
    EXPECT_EQ(nothing.error().code(), ErrorCode::data_corruption);
    EXPECT_THAT(nothing.error().message(), HasSubstr("there is no head"));
  }
  EXPECT_TRUE(whole);
}

std::string name_of(const testing::TestParamInfo<Left>& left) {
  switch (left.param) {
    case Left::nothing: return "Nothing";
    case Left::half_under_another_name: return "Half";
    case Left::all_under_another_name: return "AllButTheName";
    case Left::all: return "All";
  }
  return {};
}
INSTANTIATE_TEST_SUITE_P(Leaving, InterruptedSave,
                         testing::Values(Left::nothing, Left::half_under_another_name, Left::all_under_another_name,
                                         Left::all),
                         name_of);

TEST(InterruptedSaving, OfAllPiecesLeavesTheFormerCheckpointOrTheNewOneWhole) {
  expect_former_or_new(Left::half_under_another_name, false);
}

// The next process gives its pieces the names that the interrupted one has left.
TEST(InterruptedSaving, IsNoHindranceToTheNextProcess) {
  bool whole = false;
  for (std::size_t writes = 0; writes < writes_max && !whole; ++writes) {
    SCOPED_TRACE("after " + std::to_string(writes) + " writes");
    ChangedSince saved;
    InterruptedPieces sink(*saved.pieces, saved.directory, writes, Left::all);
    whole = saved.index->save_changed(sink, saved.first.checkpoint).ok();

    auto [next, report] = Index::load(*saved.pieces, {.directory = saved.directory.path()}).value();
    change(*next, 22);
    const Contents contents(*next);
    const SaveReport done = next->save_changed(*saved.pieces, report.checkpoint).value();
    saved.pieces->remove_others(done).value();

    ASSERT_NO_FATAL_FAILURE(expect_checkpoint(*saved.pieces, saved.directory, report.checkpoint + 1, contents));
    EXPECT_TRUE(is_sound(*next, contents)) << "it has files mapped that are deleted";
    EXPECT_EQ(saved.names(), std::set<std::string>(done.pieces.begin(), done.pieces.end()));
  }
  EXPECT_TRUE(whole);
}

// No file may be longer than one of the pieces less one byte, so that this one at the latest cannot be written.
TEST(InterruptedSaving, ByAFullDiskLeavesTheFormerCheckpointWhole) {
  ChangedSince saved;
  rlimit former;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  const auto former_action = std::signal(SIGXFSZ, SIG_IGN);
  for (const std::string& name : saved.first.pieces) {
    SCOPED_TRACE(name);
    rlimit limit = former;
    limit.rlim_cur = std::filesystem::file_size(saved.directory / name) - 1;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);

    const auto refused = saved.index->save(*saved.pieces);

    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &former), 0);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::resource_exhausted);
    EXPECT_THAT(refused.error().message(), HasSubstr(saved.directory.path()));
    ASSERT_NO_FATAL_FAILURE(expect_checkpoint(*saved.pieces, saved.directory, saved.first.checkpoint, saved.former));
  }
  std::signal(SIGXFSZ, former_action);

  const Contents changed(*saved.index);
  const SaveReport done = saved.index->save(*saved.pieces).value();

  ASSERT_NO_FATAL_FAILURE(expect_checkpoint(*saved.pieces, saved.directory, done.checkpoint, changed));
}

}  // namespace
}  // namespace loam::vector

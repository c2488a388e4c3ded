#include "loam/vector/chunk_memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

namespace loam::vector {
namespace {

using testing::HasSubstr;

class ChunkMemoryTest : public testing::Test {
 protected:
  ChunkMemoryTest() {
    std::string name = (std::filesystem::temp_directory_path() / "loam-chunk-test-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~ChunkMemoryTest() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path directory_;
};

bool all_zero(const ChunkMemory& chunk) {
  return std::all_of(chunk.data(), chunk.data() + chunk.size_bytes(), [](std::byte byte) { return byte == std::byte{0}; });
}

bool page_aligned(const ChunkMemory& chunk) {
  return reinterpret_cast<std::uintptr_t>(chunk.data()) % static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE)) == 0;
}

TEST_F(ChunkMemoryTest, IsZeroedAlignedAndWritable) {
  for (const std::size_t bytes : {1u, 4096u, 100'001u}) {
    for (const bool file : {false, true}) {
      const ChunkMemory memory = (file ? ChunkMemory::mapped(directory_, bytes) : ChunkMemory::anonymous(bytes)).value();

      EXPECT_EQ(memory.size_bytes(), bytes);
      EXPECT_EQ(memory.mapped_file(), file);
      EXPECT_TRUE(page_aligned(memory));
      EXPECT_TRUE(all_zero(memory));
      memory.data()[bytes - 1] = std::byte{7};
      EXPECT_EQ(memory.data()[bytes - 1], std::byte{7});
    }
  }
}

TEST_F(ChunkMemoryTest, OfNoBytesHasNoData) {
  const ChunkMemory nothing;
  const ChunkMemory anonymous = ChunkMemory::anonymous(0).value();
  const ChunkMemory mapped = ChunkMemory::mapped(directory_, 0).value();

  EXPECT_EQ(nothing.data(), nullptr);
  EXPECT_EQ(anonymous.data(), nullptr);
  EXPECT_EQ(mapped.data(), nullptr);
  EXPECT_EQ(mapped.size_bytes(), 0u);
}

TEST_F(ChunkMemoryTest, LeavesNoNameInTheDirectory) {
  const ChunkMemory chunk = ChunkMemory::mapped(directory_, 8192).value();

  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(ChunkMemoryTest, GivesItsFileBack) {
  {
    const ChunkMemory chunk = ChunkMemory::mapped(directory_, 1 << 20).value();
  }

  std::size_t open_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    open_files += std::filesystem::read_symlink(entry.path(), gone).string().starts_with(directory_.string());
  }
  EXPECT_EQ(open_files, 0u);
  std::ifstream maps("/proc/self/maps");
  const std::string text{std::istreambuf_iterator<char>(maps), {}};
  EXPECT_THAT(text, testing::Not(HasSubstr(directory_.string())));
}

TEST_F(ChunkMemoryTest, MovesWithoutCopying) {
  ChunkMemory first = ChunkMemory::mapped(directory_, 4096).value();
  ChunkMemory second = ChunkMemory::anonymous(8192).value();
  std::byte* const data = first.data();
  data[0] = std::byte{1};

  second = std::move(first);
  ChunkMemory third(std::move(second));
  ChunkMemory& itself = third;
  third = std::move(itself);

  EXPECT_EQ(third.data(), data);
  EXPECT_EQ(third.data()[0], std::byte{1});
  EXPECT_EQ(third.size_bytes(), 4096u);
  EXPECT_TRUE(third.mapped_file());
  EXPECT_EQ(first.data(), nullptr);   // NOLINT(bugprone-use-after-move): what it leaves is promised
  EXPECT_EQ(second.data(), nullptr);  // NOLINT(bugprone-use-after-move)
}

TEST_F(ChunkMemoryTest, NamesTheDirectoryThatIsNotThere) {
  const auto absent = ChunkMemory::mapped(directory_ / "absent", 4096);

  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(absent.error().message(), HasSubstr((directory_ / "absent").string()));
}

TEST_F(ChunkMemoryTest, RefusesAFileAsDirectory) {
  std::ofstream(directory_ / "file") << "text";

  const auto refused = ChunkMemory::mapped(directory_ / "file", 4096);

  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(refused.error().message(), HasSubstr("file"));
}

// It knows no files without a name, so the other way of making one is tried as well.
TEST_F(ChunkMemoryTest, RefusesADirectoryOfTheKernel) {
  const auto refused = ChunkMemory::mapped("/proc", 4096);

  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("/proc"));
}

TEST_F(ChunkMemoryTest, RefusesWhatNoMachineHas) {
  const auto anonymous = ChunkMemory::anonymous(std::numeric_limits<std::size_t>::max() / 2);
  const auto mapped = ChunkMemory::mapped(directory_, std::numeric_limits<std::size_t>::max());

  ASSERT_FALSE(anonymous.ok());
  EXPECT_EQ(anonymous.error().code(), ErrorCode::resource_exhausted);
  ASSERT_FALSE(mapped.ok());
  EXPECT_EQ(mapped.error().code(), ErrorCode::resource_exhausted);
}

// The default action of SIGXFSZ stays in place: the signal must not come.
TEST_F(ChunkMemoryTest, ALimitOfFileSizesIsAnErrorAndNoSignal) {
  rlimit former;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  rlimit limit = former;
  limit.rlim_cur = 1 << 20;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);

  const auto within = ChunkMemory::mapped(directory_, 1 << 20);
  const auto beyond = ChunkMemory::mapped(directory_, (1 << 20) + 1);

  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &former), 0);
  EXPECT_TRUE(within.ok());
  ASSERT_FALSE(beyond.ok());
  EXPECT_EQ(beyond.error().code(), ErrorCode::resource_exhausted);
  EXPECT_THAT(beyond.error().message(), HasSubstr("1048577 bytes in " + directory_.string()));
}

// A tmpfs refuses at once what it can never hold; other filesystems may fill the disk first.
TEST_F(ChunkMemoryTest, AFullDiskIsAnErrorBeforeAnythingIsWritten) {
  constexpr long tmpfs_magic = 0x01021994;
  struct statfs status;
  if (::statfs("/dev/shm", &status) != 0 || status.f_type != tmpfs_magic || status.f_blocks == 0)
    GTEST_SKIP() << "/dev/shm is no tmpfs with a size";

  const std::size_t bytes = (static_cast<std::size_t>(status.f_blocks) + 1) * static_cast<std::size_t>(status.f_bsize);
  const auto refused = ChunkMemory::mapped("/dev/shm", bytes);

  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::resource_exhausted);
  EXPECT_THAT(refused.error().message(), HasSubstr(std::to_string(bytes) + " bytes in /dev/shm"));
}

TEST_F(ChunkMemoryTest, BeginsWithAPartOfAFileAndNeverChangesIt) {
  const std::filesystem::path file = directory_ / "piece";
  const std::string contents = std::string(4096, 'h') + std::string(5000, 'p') + "behind";
  std::ofstream(file, std::ios::binary) << contents;

  ChunkMemory memory = ChunkMemory::of_file(file, 4096 + 5000, 4096 + 20'000).value();
  ASSERT_EQ(memory.data()[0], std::byte{'h'});
  ASSERT_TRUE(memory.cut_front(4096).ok());

  EXPECT_TRUE(memory.mapped_file());
  EXPECT_TRUE(page_aligned(memory));
  ASSERT_EQ(memory.size_bytes(), 20'000u);
  EXPECT_TRUE(std::all_of(memory.data(), memory.data() + 5000, [](std::byte byte) { return byte == std::byte{'p'}; }));
  EXPECT_TRUE(
      std::all_of(memory.data() + 5000, memory.data() + 20'000, [](std::byte byte) { return byte == std::byte{0}; }));
  std::fill_n(memory.data(), 20'000, std::byte{'x'});
  std::ifstream again(file, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(again), {}), contents);
}

TEST_F(ChunkMemoryTest, OfAFileThatIsMissingOrTooShortIsAnError) {
  const std::filesystem::path file = directory_ / "piece";
  std::ofstream(file, std::ios::binary) << std::string(5000, 'p');

  EXPECT_EQ(ChunkMemory::of_file(directory_ / "none", 1, 1).error().code(), ErrorCode::not_found);
  EXPECT_EQ(ChunkMemory::of_file(file, 5001, 8192).error().code(), ErrorCode::data_corruption);
  EXPECT_EQ(ChunkMemory::of_file(file, 10, 5).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(ChunkMemory::of_file(directory_, 1, 1).error().code(), ErrorCode::failed_precondition);
}

TEST_F(ChunkMemoryTest, IsNotCutWithinAPageNorAltogether) {
  ChunkMemory memory = ChunkMemory::anonymous(20'000).value();
  memory.data()[0] = std::byte{'x'};

  for (const std::size_t bytes : {std::size_t{100}, std::size_t{20'480}})
    EXPECT_EQ(memory.cut_front(bytes).error().code(), ErrorCode::unsupported);

  EXPECT_EQ(memory.size_bytes(), 20'000u);
  EXPECT_EQ(memory.data()[0], std::byte{'x'});
}

}  // namespace
}  // namespace loam::vector

#include "loam/store/backup_tree.hpp"

#include <sys/stat.h>

#include <random>

#include "loam/core/sha256.hpp"
#include "loam/store/store_test_support.hpp"

namespace loam::store_internal {
namespace {

namespace fs = std::filesystem;

Manifest header() {
  return {.taken_at = {1'700'000'000'000'000}, .store_format = 1, .engine = "sqlite 3.40.1", .files = {}};
}

/// A sealed tree with files of several sizes, one empty, two below directories.
class SealedTree : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_ / "tree/files/ab");
    write_text(root_ / "tree/loam.db", std::string(600, 'd'));
    write_text(root_ / "tree/files/empty", "");
    write_text(root_ / "tree/files/ab/blob-1", "first blob");
    auto sealed = seal_tree(tree_, header(), {});
    ASSERT_TRUE(sealed.ok()) << sealed.error().to_string();
    ASSERT_TRUE(verify_tree(tree_, {}).ok());
  }

  void expect_refused(const std::string& named) {
    auto verified = verify_tree(tree_, {});
    ASSERT_FALSE(verified.ok()) << named;
    EXPECT_EQ(verified.error().code(), ErrorCode::data_corruption) << verified.error().to_string();
    EXPECT_NE(verified.error().to_string().find(named), std::string::npos) << verified.error().to_string();
    std::string copy = root_ / ("copy-" + std::to_string(++copies_));
    fs::create_directory(copy);
    EXPECT_FALSE(copy_tree(tree_, copy, {}).ok()) << "what verify refuses must not be restored";
  }

  PrivateDirectory root_;
  std::string tree_ = root_ / "tree";
  int copies_ = 0;
};

TEST_F(SealedTree, CopyHoldsTheSameBytes) {
  std::string copy = root_ / "copy";
  fs::create_directory(copy);

  auto copied = copy_tree(tree_, copy, {});

  ASSERT_TRUE(copied.ok()) << copied.error().to_string();
  EXPECT_EQ(copied->files.size(), 3u);
  EXPECT_EQ(total_bytes(*copied), 610);
  EXPECT_EQ(file_text(copy + "/files/ab/blob-1"), "first blob");
  EXPECT_TRUE(verify_tree(copy, {}).ok());
}

TEST_F(SealedTree, EveryChangedByteIsFound) {
  for (const char* name : {"loam.db", "files/ab/blob-1", "MANIFEST"}) {
    std::string path = tree_ + "/" + name;
    std::string good = file_text(path);
    for (std::size_t i = 0; i < good.size(); ++i) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
      write_text(path, bad);
      auto verified = verify_tree(tree_, {});
      ASSERT_FALSE(verified.ok()) << name << " with byte " << i << " changed";
      ASSERT_EQ(verified.error().code(), ErrorCode::data_corruption);
    }
    write_text(path, good);
  }
  EXPECT_TRUE(verify_tree(tree_, {}).ok());
}

TEST_F(SealedTree, EveryShorterAndLongerFileIsFound) {
  for (const char* name : {"loam.db", "files/ab/blob-1", "MANIFEST"}) {
    std::string path = tree_ + "/" + name;
    std::string good = file_text(path);
    std::size_t step = good.size() > 100 ? 23 : 1;
    for (std::size_t size = 0; size < good.size(); size += step) {
      write_text(path, good.substr(0, size));
      ASSERT_FALSE(verify_tree(tree_, {}).ok()) << name << " cut to " << size;
    }
    write_text(path, good + '\n');
    ASSERT_FALSE(verify_tree(tree_, {}).ok()) << name << " with a byte more";
    write_text(path, good);
  }
}

TEST_F(SealedTree, MissingFileIsNamed) {
  fs::remove(tree_ + "/files/empty");
  expect_refused("files/empty is missing");
}

TEST_F(SealedTree, EveryProblemIsNamedAtOnce) {
  fs::remove(tree_ + "/files/empty");
  write_text(tree_ + "/files/ab/blob-1", "First blob");
  expect_refused("files/empty is missing");
  expect_refused("files/ab/blob-1 was changed");
}

TEST_F(SealedTree, ExtraFileOrDirectoryIsNamed) {
  write_text(tree_ + "/files/ab/more", "x");
  expect_refused("files/ab/more does not belong to the backup");
  fs::remove(tree_ + "/files/ab/more");
  fs::create_directory(tree_ + "/index");
  expect_refused("index is a directory that does not belong");
}

TEST_F(SealedTree, LinksAndSpecialFilesAreRefusedAndNotFollowed) {
  std::string outside = root_ / "outside";
  write_text(outside, std::string(600, 'd'));
  fs::remove(tree_ + "/loam.db");
  fs::create_symlink(outside, tree_ + "/loam.db");
  expect_refused("loam.db is a symbolic link");
  fs::remove(tree_ + "/loam.db");

  ASSERT_EQ(::mkfifo((tree_ + "/loam.db").c_str(), 0600), 0);
  expect_refused("loam.db is not a regular file");
  fs::remove(tree_ + "/loam.db");
  write_text(tree_ + "/loam.db", std::string(600, 'd'));

  fs::rename(tree_ + "/files/ab", root_ / "ab");
  fs::create_directory_symlink(root_ / "ab", tree_ + "/files/ab");
  expect_refused("files/ab is neither a file nor a directory");
}

TEST_F(SealedTree, DirectoryWithoutAManifestIsNoBackup) {
  fs::remove(tree_ + "/MANIFEST");
  EXPECT_EQ(verify_tree(tree_, {}).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(verify_tree(root_ / "absent", {}).error().code(), ErrorCode::not_found);
}

std::string with_hash(const std::string& body) { return body + "sha256 " + sha256_hex(body) + "\n"; }

const std::string lines_before_files = "loam-backup 1\ntaken-at 2026-11-21T06:45:00.000000Z\nstore-format 1\nengine x\n";
const std::string some_hash = sha256_hex("abc");

TEST(Manifest, RoundTrips) {
  Manifest manifest = header();
  manifest.files = {{"files/a", 3, some_hash}, {"loam.db", 0, sha256_hex("")}};

  auto back = decode_manifest(encode_manifest(manifest));

  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(*back, manifest);
}

// Whoever writes the backup also writes its hash, so a fitting hash proves nothing about the names.
TEST(Manifest, HostileNamesAreRefusedDespiteAFittingHash) {
  for (std::string name : {"../loam.db", "/etc/passwd", "files/../../x", "files//x", "files/", "./loam.db", ".hidden",
                           "a\\b", "a b", "files/.x", "a/b/c/d/e", "x\ty", "n\xc3\xa4me", ""}) {
    auto decoded = decode_manifest(with_hash(lines_before_files + "file " + some_hash + " 3 " + name + "\n"));
    ASSERT_FALSE(decoded.ok()) << name;
    EXPECT_EQ(decoded.error().code(), ErrorCode::data_corruption);
  }
  EXPECT_FALSE(is_safe_file_name(std::string("a\0b", 3)));
  EXPECT_FALSE(is_safe_file_name(std::string(256, 'a')));
  EXPECT_TRUE(is_safe_file_name(std::string(255, 'a')));
}

TEST(Manifest, OnlyItsOwnFormIsRead) {
  std::string file = "file " + some_hash + " 3 a\n";
  ASSERT_TRUE(decode_manifest(with_hash(lines_before_files + file)).ok());
  for (const std::string& lines : {
           lines_before_files + file + file,                      // named twice
           lines_before_files + "file " + some_hash + " 03 a\n",  // another way to write 3
           lines_before_files + "file " + some_hash + " -3 a\n",
           lines_before_files + "file " + some_hash + " 99999999999999999999 a\n",
           lines_before_files + "file " + some_hash + "  3 a\n",
           lines_before_files + "file " + some_hash.substr(1) + " 3 a\n",
           lines_before_files + "\n" + file,
           lines_before_files + "link " + some_hash + " 3 a\n",
           std::string("loam-backup 2\n") + file,
           std::string(),
       })
    EXPECT_EQ(decode_manifest(with_hash(lines)).error().code(), ErrorCode::data_corruption) << lines;
}

TEST(Manifest, RandomBytesAreRefused) {
  std::mt19937_64 random(20261121);
  std::string good = encode_manifest(header());
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = i % 2 == 0 ? good : std::string(random() % 300, '\0');
    for (int flips = 0; flips < 4 && !bytes.empty(); ++flips) bytes[random() % bytes.size()] = static_cast<char>(random());
    EXPECT_TRUE(bytes == good || !decode_manifest(bytes).ok());
  }
}

}  // namespace
}  // namespace loam::store_internal

#include "loam/core/sha256.hpp"

#include <gtest/gtest.h>

namespace loam {
namespace {

TEST(Sha256, GivesThePublishedVectors) {  // FIPS 180-4 examples
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, PiecesGiveTheSameAsTheWhole) {
  Sha256 hash;
  hash.update("a");
  hash.update("bc");
  EXPECT_EQ(hash.finish_hex(), sha256_hex("abc"));
  EXPECT_EQ(hash.finish_hex(), sha256_hex(""));
}

TEST(Sha256, AMissingFileIsNotFoundByName) {
  auto result = sha256_file_hex("/nonexistent/file");

  EXPECT_EQ(result.error().code(), ErrorCode::not_found);
  EXPECT_NE(result.error().message().find("/nonexistent/file"), std::string::npos);
}

}  // namespace
}  // namespace loam

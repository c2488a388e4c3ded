#include "loam/core/log.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "loam/core/json_internal.hpp"

namespace loam {
namespace {

class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "loam-log-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~LogTest() override {
    (void)configure_logging({.level = LogLevel::off});
    std::filesystem::remove_all(directory_);
  }
  std::string path() const { return (directory_ / "loam.log").string(); }
  std::string written() const {
    std::stringstream text;
    text << std::ifstream(path()).rdbuf();
    return text.str();
  }
  std::filesystem::path directory_;
};

TEST_F(LogTest, IsSilentBelowItsLevel) {
  ASSERT_TRUE(configure_logging({.level = LogLevel::warning, .path = path()}).ok());

  log(LogLevel::info, "not this");
  log(LogLevel::error, "but this");

  EXPECT_EQ(written().find("not this"), std::string::npos);
  EXPECT_NE(written().find(" error but this"), std::string::npos);
}

TEST_F(LogTest, AJsonLineIsOneObjectWhateverTheMessageHolds) {
  ASSERT_TRUE(configure_logging({.level = LogLevel::debug, .format = LogFormat::json, .path = path()}).ok());

  log(LogLevel::info, "two\nlines \"quoted\"", {{"path", "a\xff b"}});

  std::string text = written();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  auto line = parse_json(text);
  ASSERT_TRUE(line.ok()) << text;
  EXPECT_EQ((*line)["message"], "two\nlines \"quoted\"");
  EXPECT_EQ((*line)["level"], "info");
}

TEST_F(LogTest, ATextLineEscapesControlCharacters) {
  ASSERT_TRUE(configure_logging({.level = LogLevel::debug, .path = path()}).ok());

  log(LogLevel::info, "a\x1b[31m", {{"key", "two words"}});

  EXPECT_NE(written().find("info a\\u001b[31m key=\"two words\""), std::string::npos) << written();
}

TEST_F(LogTest, AnUnopenableFileIsAnErrorAndKeepsTheFormerSink) {
  ASSERT_TRUE(configure_logging({.level = LogLevel::debug, .path = path()}).ok());

  auto result = configure_logging({.path = (directory_ / "loam.log" / "below").string()});

  ASSERT_FALSE(result.ok());
  log(LogLevel::info, "still here");
  EXPECT_NE(written().find("still here"), std::string::npos);
}

}  // namespace
}  // namespace loam

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/loam/errors.hpp"
#include "apps/loam/exit_code.hpp"
#include "apps/loam/file_format.hpp"
#include "apps/loam/progress.hpp"
#include "apps/loam/suggest.hpp"
#include "apps/loam/terminal.hpp"

namespace loam::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(ExitCode, EveryErrorCodeHasItsOwnMeaning) {
  const std::pair<ErrorCode, int> table[] = {{ErrorCode::invalid_argument, 2},    {ErrorCode::not_found, 3},
                                             {ErrorCode::already_exists, 4},      {ErrorCode::conflict, 4},
                                             {ErrorCode::failed_precondition, 1}, {ErrorCode::resource_exhausted, 1},
                                             {ErrorCode::unavailable, 6},         {ErrorCode::deadline_exceeded, 6},
                                             {ErrorCode::cancelled, 130},         {ErrorCode::permission_denied, 7},
                                             {ErrorCode::unauthenticated, 7},     {ErrorCode::unsupported, 1},
                                             {ErrorCode::data_corruption, 5},     {ErrorCode::internal, 1}};
  for (const auto& [code, exit] : table) EXPECT_EQ(exit_code(code), exit) << to_string(code);
  EXPECT_EQ(std::size(table), static_cast<std::size_t>(ErrorCode::internal) + 1) << "a code is missing from this table";
}

TEST(Color, TheOptionBeatsNoColorBeatsForceColorBeatsTheTerminal) {
  ColorEnvironment terminal{.is_terminal = true, .term = "xterm"};
  EXPECT_TRUE(wants_color(ColorChoice::automatic, terminal));
  EXPECT_FALSE(wants_color(ColorChoice::never, terminal));
  EXPECT_FALSE(wants_color(ColorChoice::automatic, {.is_terminal = true, .term = "dumb"}));
  EXPECT_FALSE(wants_color(ColorChoice::automatic, {.is_terminal = false, .term = "xterm"}));
  EXPECT_FALSE(
      wants_color(ColorChoice::automatic, {.is_terminal = true, .no_color = "1", .force_color = "1", .term = "xterm"}));
  EXPECT_TRUE(wants_color(ColorChoice::automatic, {.is_terminal = false, .force_color = "1"}));
  EXPECT_FALSE(wants_color(ColorChoice::automatic, {.is_terminal = true, .force_color = "0", .term = "xterm"}));
  EXPECT_TRUE(wants_color(ColorChoice::always, {.is_terminal = false, .no_color = "1", .term = "dumb"}));
}

TEST(Errors, ForPeopleHaveTheHintOnALineOfItsOwn) {
  Error error = Error(ErrorCode::not_found, "no table \"x\x1b\"").hint("loam tables lists them");
  EXPECT_EQ(render_error(error, {}), "error: not_found: no table \"x\\u{1b}\"\nhint: loam tables lists them\n");
  EXPECT_THAT(render_error(error, {.color = true}), HasSubstr("\x1b[1;31merror:\x1b[0m"));
}

TEST(Errors, AnUnknownOutcomeIsSaid) {
  Error error = Error(ErrorCode::unavailable, "the connection is gone").outcome(Outcome::unknown);
  EXPECT_THAT(render_error(error, {}), HasSubstr("outcome unknown"));
}

TEST(Errors, ForProgramsAreOneObjectOnOneLine) {
  Error error = Error(ErrorCode::conflict, "two\nlines").hint("h").outcome(Outcome::unknown);
  std::string text = render_error_json(error);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(nlohmann::json::parse(text),
            nlohmann::json::parse(R"({"error":{"code":"conflict","message":"two\nlines","hint":"h","outcome":"unknown"}})"));
}

/// A progress whose clock and screen a test holds.
struct Screen {
  double now = 100;
  std::string text;
  ProgressOptions options(ProgressMode mode, bool is_terminal) {
    return {.mode = mode,
            .terminal = {.descriptor = 2, .is_terminal = is_terminal, .width = is_terminal ? std::size_t{100} : 0},
            .label = "importing",
            .unit = "rows",
            .seconds = [this] { return now; },
            .write = [this](std::string_view t) { text += t; }};
  }
};

TEST(Progress, ABarComesAfterASecondAndGoesAway) {
  Screen screen;
  Progress progress(screen.options(ProgressMode::automatic, true));
  screen.now += 0.9;
  progress.update(900, 0.09);
  EXPECT_THAT(screen.text, IsEmpty());
  screen.now += 0.2;
  progress.update(1'100, 0.11);
  EXPECT_THAT(screen.text, HasSubstr("importing: 1,100 rows (11%), 1,000 rows/s, 8.9 s left"));
  screen.text.clear();
  progress.finish();
  EXPECT_EQ(screen.text, "\r\x1b[K");
}

TEST(Progress, ABarIsDrawnTenTimesASecondAtMost) {
  Screen screen;
  Progress progress(screen.options(ProgressMode::automatic, true));
  screen.now += 2;
  for (int i = 0; i < 1'000; ++i) {
    screen.now += 0.001;
    progress.update(i, 0.5);
  }
  EXPECT_LE(std::count(screen.text.begin(), screen.text.end(), '\r'), 11);
}

TEST(Progress, WithoutATerminalThereIsALineEachTenSeconds) {
  Screen screen;
  Progress progress(screen.options(ProgressMode::automatic, false));
  for (int i = 1; i <= 25; ++i) {
    screen.now += 1;
    progress.update(i * 100, std::nullopt);
  }
  progress.finish();
  EXPECT_EQ(screen.text, "importing: 1,000 rows, 100 rows/s\nimporting: 2,000 rows, 100 rows/s\n");
}

TEST(Progress, QuietSaysNothing) {
  Screen screen;
  Progress progress(screen.options(ProgressMode::off, true));
  screen.now += 60;
  progress.update(1, 0.5);
  progress.finish();
  EXPECT_THAT(screen.text, IsEmpty());
}

TEST(Progress, JsonIsOneObjectALineAndOneAtTheEnd) {
  Screen screen;
  Progress progress(screen.options(ProgressMode::json, true));
  screen.now += 2;
  progress.update(50, 0.25);
  progress.finish();
  std::istringstream lines(screen.text);
  std::string line;
  std::vector<nlohmann::json> objects;
  while (std::getline(lines, line)) objects.push_back(nlohmann::json::parse(line)["progress"]);
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0]["done"], 50);
  EXPECT_EQ(objects[0]["seconds_left"], 6.0);
}

TEST(Suggest, FindsWhatWasMeantAndNothingElse) {
  std::vector<std::string_view> commands = {"import", "export", "search", "stats", "describe"};
  EXPECT_EQ(nearest("improt", commands), "import");
  EXPECT_EQ(nearest("serach", commands), "search");
  EXPECT_EQ(nearest("desc", commands), "describe");
  EXPECT_EQ(nearest("stat", commands), "stats");
  EXPECT_EQ(nearest("frobnicate", commands), "");
  EXPECT_EQ(nearest("", commands), "");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), commands), "");
}

TEST(FileFormatOf, TheNameOrTheOptionSaysIt) {
  EXPECT_EQ(file_format("a.jsonl", std::nullopt)->kind, FileKind::jsonl);
  EXPECT_EQ(file_format("a.tsv", std::nullopt)->delimiter, '\t');
  EXPECT_EQ(file_format("-", "csv")->kind, FileKind::csv);
  EXPECT_EQ(file_format("a.csv", std::nullopt, ";")->delimiter, ';');
  for (const char* bad : {"\"", "ab", "", "\n", "ä"}) EXPECT_FALSE(file_format("a.csv", std::nullopt, bad).ok()) << bad;
  EXPECT_FALSE(file_format("-", std::nullopt).ok());
  EXPECT_FALSE(file_format("a.txt", std::nullopt).ok());
}

}  // namespace
}  // namespace loam::cli

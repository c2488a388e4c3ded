#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "apps/loam/arguments.hpp"
#include "apps/loam/command.hpp"
#include "apps/loam/completion.hpp"
#include "apps/loam/help.hpp"

namespace loam::cli {
namespace {

using testing::HasSubstr;

TEST(CommandTable, EveryCommandIsComplete) {
  std::set<std::string_view> paths;
  for (const CommandSpec& command : commands()) {
    EXPECT_TRUE(paths.insert(command.path).second) << command.path;
    EXPECT_NE(command.handler, nullptr) << command.path;
    EXPECT_FALSE(command.summary.empty()) << command.path;
    EXPECT_FALSE(command.summary.ends_with('.')) << command.path << ": help adds the full stop";
    EXPECT_TRUE(command.hidden || command.examples.size() >= 2) << command.path;
    bool optional_before = false;
    for (const ArgumentSpec& argument : command.arguments) {
      EXPECT_FALSE(optional_before && !argument.optional)
          << command.path << ": " << argument.name << " follows an optional one";
      optional_before = argument.optional;
    }
  }
}

TEST(CommandTable, OptionsAreNamedOnceAndNeverLikeAGlobalOne) {
  for (const CommandSpec& command : commands()) {
    std::set<std::string_view> names;
    for (const OptionSpec& option : global_options()) names.insert(option.name);
    for (const OptionSpec& option : command.options) {
      EXPECT_TRUE(names.insert(option.name).second) << command.path << " " << option.name;
      EXPECT_TRUE(option.name.starts_with("--")) << option.name;
      EXPECT_FALSE(option.summary.empty()) << option.name;
    }
  }
}

TEST(CommandTable, EveryExampleParses) {
  for (const CommandSpec& command : commands()) {
    for (const ExampleSpec& example : command.examples) {
      std::string text(example.command);
      std::size_t start = text.find("loam ");
      ASSERT_NE(start, std::string::npos) << text;
      std::vector<std::string> words;  // a small shell: quotes, no escapes but \", up to a pipe or a redirection
      std::string word;
      bool quoted = false;
      bool begun = false;
      for (std::size_t i = start + 5; i <= text.size(); ++i) {
        char c = i < text.size() ? text[i] : ' ';
        if (!quoted && (c == '|' || c == '>' || c == ')')) i = text.size(), c = ' ';
        if (c == '"')
          quoted = !quoted, begun = true;
        else if (c == ' ' && !quoted) {
          if (begun) words.push_back(word);
          word.clear();
          begun = false;
        } else
          word += c, begun = true;
      }
      auto line = split_command_line(words);
      ASSERT_TRUE(line.ok()) << text << ": " << line.error().to_string();
      ASSERT_NE(line->command, nullptr) << text;
      EXPECT_EQ(line->command->path, command.path) << text;
      auto parsed = Arguments::parse(*line->command, line->words);
      EXPECT_TRUE(parsed.ok()) << text << ": " << (parsed.ok() ? "" : parsed.error().to_string());
    }
  }
}

TEST(CommandTable, TheManualHoldsItsReference) {
  std::ifstream file(std::string(LOAM_SOURCE_DIR) + "/docs/cli.md");
  std::stringstream content;
  content << file.rdbuf();
  const std::string begin = "<!-- made by `loam help --markdown` -->\n";
  std::string text = content.str();
  std::size_t start = text.find(begin);
  std::size_t end = text.find("<!-- end -->");
  ASSERT_NE(start, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  start += begin.size();
  EXPECT_EQ(text.substr(start, end - start), markdown_reference())
      << "put the output of `loam help --markdown` between the marks of docs/cli.md";
}

TEST(CommandTable, TheManualNamesEveryGlobalOption) {
  std::ifstream file(std::string(LOAM_SOURCE_DIR) + "/docs/cli.md");
  std::stringstream content;
  content << file.rdbuf();
  for (const OptionSpec& option : global_options())
    EXPECT_TRUE(option.name == "--version" || content.str().find(option.name) != std::string::npos) << option.name;
}

TEST(Completion, HoldsEveryCommandAndOption) {
  for (const std::string& script : {bash_completion(), zsh_completion(), fish_completion()}) {
    for (const CommandSpec& command : commands()) {
      if (command.hidden) continue;
      EXPECT_THAT(script, HasSubstr(std::string(command.path.substr(command.path.find(' ') + 1))));
      for (const OptionSpec& option : command.options)
        EXPECT_THAT(script, HasSubstr(std::string(option.name.substr(2)))) << command.path;
    }
    EXPECT_THAT(script, testing::Not(HasSubstr("demo-writer")));
  }
}

class Parsing : public testing::Test {
 protected:
  Result<Arguments> parse(std::vector<std::string> words) { return Arguments::parse(command, words); }
  CommandSpec command{
      .path = "try",
      .arguments = {{"STORE", "a store"}, {"VALUE", "a value", Completes::nothing, true}},
      .options = {{"--limit", "N", "n"}, {"--mode", "M", "m", "fast|slow"}, {"--flag", "", "f"}, {"--list", "L", "l"}}};
};

TEST_F(Parsing, TakesOptionsAnywhereAndValuesAsTheyAre) {
  auto parsed = parse({"--limit=5", "app.loam", "--flag", "[1,2]", "--list", ""});
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  EXPECT_EQ(parsed->at("STORE"), "app.loam");
  EXPECT_EQ(parsed->at("VALUE"), "[1,2]");
  EXPECT_EQ(*parsed->integer("--limit", 1, 0, 10), 5);
  EXPECT_TRUE(parsed->flag("--flag"));
  EXPECT_EQ(parsed->text("--list"), "");
}

TEST_F(Parsing, ValuesMayLookLikeAnything) {
  for (const char* value : {"-5", "-1.5", "{}", "%%", "[]", "", "a=b", "-"}) {
    auto parsed = parse({"s", value});
    ASSERT_TRUE(parsed.ok()) << value << ": " << parsed.error().to_string();
    EXPECT_EQ(parsed->at("VALUE"), value);
    auto as_option = parse({"s", "--list", value});
    ASSERT_TRUE(as_option.ok()) << value << ": " << as_option.error().to_string();
    EXPECT_EQ(as_option->text("--list"), value);
    auto with_equals = parse({"s", std::string("--list=") + value});
    ASSERT_TRUE(with_equals.ok()) << value << ": " << with_equals.error().to_string();
    EXPECT_EQ(with_equals->text("--list"), value);
  }
  EXPECT_EQ(parse({"s", "--", "--flag"})->at("VALUE"), "--flag");
  EXPECT_FALSE(parse({"s", "--", "--flag"})->flag("--flag"));
}

TEST_F(Parsing, SaysWhatIsWrong) {
  struct Wrong {
    std::vector<std::string> words;
    const char* said;
  };
  const Wrong table[] = {
      {{}, "needs STORE"},
      {{"a", "b", "c"}, "\"c\" is one too many"},
      {{"a", "--nope"}, "no option \"--nope\""},
      {{"a", "-z"}, "no option \"-z\""},
      {{"a", "--limit"}, "--limit"},
      {{"a", "--limit", "1", "--limit", "2"}, "--limit"},
      {{"a", "--mode", "medium"}, "\"medium\" is none of fast|slow"},
  };
  for (const Wrong& row : table) {
    auto parsed = parse(row.words);
    ASSERT_FALSE(parsed.ok()) << row.said;
    EXPECT_EQ(parsed.error().code(), ErrorCode::invalid_argument);
    EXPECT_THAT(parsed.error().message(), HasSubstr(row.said));
  }
  EXPECT_THAT(parse({"a", "--limti", "1"}).error().hint(), HasSubstr("--limit"));
}

TEST_F(Parsing, NumbersListsAndTimesAreChecked) {
  for (const char* bad : {"x", "", "11", "-1", "5x", "99999999999999999999"})
    EXPECT_FALSE(parse({"s", std::string("--limit=") + bad})->integer("--limit", 1, 0, 10).ok()) << bad;
  EXPECT_EQ(*parse({"s", "--list", "a, b,c"})->list("--list"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_FALSE(parse({"s", "--list", "a,,b"})->list("--list").ok());
  EXPECT_FALSE(parse({"s", "--list", ""})->list("--list").ok());
  auto duration = [&](const char* text) { return parse({"s", "--list", text})->duration_ms("--list"); };
  EXPECT_EQ(**duration("500ms"), 500);
  EXPECT_EQ(**duration("2"), 2'000);
  EXPECT_EQ(**duration("1.5m"), 90'000);
  EXPECT_EQ(**duration("1h"), 3'600'000);
  for (const char* bad : {"0", "-1s", "1d", "s", "1e30h", "nan"}) EXPECT_FALSE(duration(bad).ok()) << bad;
}

TEST(CommandLine, FindsTheCommandAmongGlobalOptions) {
  auto line = split_command_line({"--format", "json", "-q", "kv", "--color=never", "get", "app.loam", "n", "k"});
  ASSERT_TRUE(line.ok()) << line.error().to_string();
  EXPECT_EQ(line->command->path, "kv get");
  EXPECT_EQ(line->words, (std::vector<std::string>{"--format", "json", "-q", "--color=never", "app.loam", "n", "k"}));
  EXPECT_EQ(split_command_line({"kv"})->group, "kv");
  EXPECT_EQ(split_command_line({})->command, nullptr);
  EXPECT_THAT(split_command_line({"improt"}).error().hint(), HasSubstr("loam import"));
}

}  // namespace
}  // namespace loam::cli

#include "loam/store/store_settings.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace loam {
namespace {

TEST(StoreSettings, ReadEveryFieldOfAllLayers) {
  Config config;
  ASSERT_TRUE(
      config.add_json(R"({"store": "app.loam", "durability": "normal", "create": false, "checkpoint_pages": 7})", "f").ok());
  config.add_environment([](const char* name) { return std::strcmp(name, "LOAM_WRITE_TIMEOUT_MS") == 0 ? "250" : nullptr; });

  StoreSettings settings = read_store_settings(config).value();

  EXPECT_EQ(settings.location, "app.loam");
  EXPECT_EQ(settings.options.durability, Durability::normal);
  EXPECT_FALSE(settings.options.create);
  EXPECT_EQ(settings.options.checkpoint_pages, 7);
  EXPECT_EQ(settings.options.write_timeout_ms, 250);
  EXPECT_TRUE(config.finish().ok());
}

TEST(StoreSettings, KeepTheDefaultsOfWhatIsNotSaid) {
  Config config;
  config.set("store", ":memory:", "test");

  StoreSettings settings = read_store_settings(config).value();

  EXPECT_EQ(settings.options.durability, Durability::full);
  EXPECT_TRUE(settings.options.create);
  EXPECT_FALSE(settings.options.read_only);
}

TEST(StoreSettings, NameTheFieldThatIsWrong) {
  Config missing, wrong;
  wrong.set("store", "x", "test");
  wrong.set("durability", "sometimes", "loam.json");

  EXPECT_NE(read_store_settings(missing).error().message().find("store is missing"), std::string::npos);
  EXPECT_EQ(read_store_settings(wrong).error().message(), "the setting durability (from loam.json) is none of full, normal");
}

}  // namespace
}  // namespace loam

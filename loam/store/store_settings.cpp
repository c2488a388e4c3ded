#include "loam/store/store_settings.hpp"

namespace loam {
namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t search_threads_max = 1024;
constexpr std::int64_t checkpoint_pages_max = 1'000'000;

}  // namespace

Result<StoreSettings> read_store_settings(Config& config) {
  StoreSettings settings;
  StoreOptions& options = settings.options;

  LOAM_TRY(auto location, config.text("store"));
  LOAM_TRY(auto create, config.boolean("create"));
  LOAM_TRY(auto read_only, config.boolean("read_only"));
  LOAM_TRY(auto durability, config.choice("durability", {"full", "normal"}));
  LOAM_TRY(auto write_timeout_ms, config.integer("write_timeout_ms", 0, day_ms));
  LOAM_TRY(auto checkpoint_pages, config.integer("checkpoint_pages", 1, checkpoint_pages_max));
  LOAM_TRY(auto search_threads, config.integer("search_threads", 0, search_threads_max));

  if (!location) {
    return invalid_argument("the setting store is missing")
        .hint("give a directory or a URL as \"store\", LOAM_STORE or DATABASE_URL");
  }
  settings.location = *location;
  options.create = create.value_or(options.create);
  options.read_only = read_only.value_or(options.read_only);
  if (durability) options.durability = *durability == "full" ? Durability::full : Durability::normal;
  options.write_timeout_ms = write_timeout_ms.value_or(options.write_timeout_ms);
  options.checkpoint_pages = checkpoint_pages.value_or(options.checkpoint_pages);
  options.search_threads = static_cast<std::size_t>(search_threads.value_or(0));
  return settings;
}

}  // namespace loam

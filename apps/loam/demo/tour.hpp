#pragma once

/// The stations of `loam demo`, one after the other, on one store.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "apps/loam/demo/catalogue.hpp"
#include "apps/loam/demo/workplace.hpp"
#include "apps/loam/session.hpp"

namespace loam::cli {

/// *needs external synchronization*
class Tour {
 public:
  Tour(Session& session, Workplace& workplace, std::int64_t records_max)
      : session_(session), workplace_(workplace), records_max_(records_max) {}

  /// Runs every station. Its first error; a station that finds Loam wrong says so as data_corruption.
  Result<void> run();

 private:
  struct Step {
    std::string what;
    std::string result;
    double seconds = 0;
  };

  Result<void> import_catalogue();
  Result<void> search_in_three_modes();
  Result<void> add_one_row();
  Result<void> write_in_one_transaction();
  Result<void> survive_a_kill();
  Result<void> check_backup_and_verify();
  Result<void> print_summary();

  Result<void> show_search(const SearchRequest& request);
  Result<void> show_rows(const SearchResult& result);
  Result<void> expect(bool as_it_should_be, const std::string& claim);
  Result<void> open();

  /// Text for people; nothing when the demo answers a program.
  Result<void> say(const std::string& line);
  Result<void> station(const std::string& title, const std::string& about);
  void record(std::string what, std::string result, double seconds);

  Session& session_;
  Workplace& workplace_;
  std::int64_t records_max_;
  CatalogueKind kind_ = CatalogueKind::packages;
  std::shared_ptr<Embedder> embedder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Table> table_;
  std::vector<Step> steps_;
  int stations_ = 0;
};

inline constexpr std::string_view tour_table = "packages";
inline constexpr std::string_view tour_namespace = "tour";

}  // namespace loam::cli

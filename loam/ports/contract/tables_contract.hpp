#pragma once

/// What every Tables adapter must do (guarantees T1 to T8 of ports/tables.hpp). An adapter's test links loam_tables_contract
/// and says
///
///   INSTANTIATE_TEST_SUITE_P(Sqlite, TablesContract, testing::Values(TablesContractCase{"Sqlite", [] { .. }}),
///   tables_case_name);

#include <atomic>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "loam/ports/contract/must.hpp"
#include "loam/ports/tables.hpp"

namespace loam::test {

/// Opens a table inside the running transaction.
using OpenInTransaction =
    std::function<Result<std::unique_ptr<Table>>(std::string_view name, std::shared_ptr<Embedder> embedder)>;

/// An adapter's tables with all that they stand on.
class TablesBackend {
 public:
  virtual ~TablesBackend() = default;
  virtual Tables& tables() = 0;
  /// The same data as another process would open it: nothing in memory is shared. Lives no longer than this one.
  virtual Result<std::unique_ptr<TablesBackend>> beside() = 0;
  /// Commits when `work` returns ok, else rolls back and returns its error.
  virtual Result<void> transaction(const std::function<Result<void>(const OpenInTransaction& open)>& work) = 0;
  /// The adapter's own exhaustive check.
  virtual Result<std::vector<std::string>> problems() = 0;
};

struct TablesContractCase {
  std::string name;
  std::function<Result<std::unique_ptr<TablesBackend>>()> make;
  std::size_t model_steps = 400;  ///< operations of the comparison with the model
};

inline std::string tables_case_name(const testing::TestParamInfo<TablesContractCase>& info) { return info.param.name; }
inline void PrintTo(const TablesContractCase& c, std::ostream* out) { *out << c.name; }

/// A bag of words in 8 dimensions: deterministic, counts what it is asked, refuses texts that hold "unembeddable".
class BagEmbedder final : public Embedder {
 public:
  explicit BagEmbedder(std::string model = "bag-1");
  const EmbedderIdentity& identity() const override { return identity_; }
  std::size_t batch_size() const override { return 4; }
  std::string spec() const override { return "bag:" + identity_.model; }
  Result<std::vector<Vector>> embed(std::span<const std::string> texts, const Context& context) override;

  static constexpr std::size_t dimension = 8;
  Vector vector_of(std::string_view text) const;
  std::int64_t texts_embedded() const { return texts_; }
  /// Called with each batch, before it is answered.
  std::function<void()> before_batch;

 private:
  EmbedderIdentity identity_;
  std::atomic<std::int64_t> texts_ = 0;
};

/// Lower-case ASCII words of a text.
std::vector<std::string> words_of(std::string_view text);
double distance_between(Metric metric, const Vector& a, const Vector& b);

class TablesContract : public testing::TestWithParam<TablesContractCase> {
 protected:
  void SetUp() override;
  void TearDown() override;

  Tables& tables() { return backend_->tables(); }
  /// id (key), title, body, section, size; full text over title and body, embedding of title and body.
  static TableSchema notes_schema(std::string name = "notes");
  std::unique_ptr<Table> create_notes(std::string name = "notes");
  std::unique_ptr<Table> open_notes(TablesBackend& backend, std::string name = "notes");

  std::unique_ptr<TablesBackend> backend_;
  std::shared_ptr<BagEmbedder> embedder_ = std::make_shared<BagEmbedder>();
  bool check_problems_ = true;  ///< at the end of the test
};

Record note(std::int64_t id, Value title, Value body = {}, Value section = {}, Value size = {});
/// "1 2 3": the ids of the rows in order.
std::string ids_of(const RowSet& rows);
std::string ids_of(const SearchResult& result);
/// All pages of a scan.
std::string scan_ids(Table& table, ScanOptions options = {});
std::string text_ids(Table& table, const std::string& words, TextMatch match = TextMatch::all);
std::string error_text(const Error& error);

}  // namespace loam::test

namespace loam {
using test::TablesContract;
using test::TablesContractCase;
}  // namespace loam

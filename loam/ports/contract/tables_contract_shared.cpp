/// Several handles, processes, transactions and threads on the same tables.

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "loam/ports/contract/tables_contract.hpp"

namespace loam::test {
namespace {

/// Ids that each kind of reading finds for the word, for a table of fewer than 100 rows.
std::string everything_about(Table& table, const std::string& word) {
  SearchResult near = must(table.search({.text = word, .mode = SearchMode::vector, .limit = 100}));
  SearchResult both = must(table.search({.text = word, .limit = 100}));
  return "rows " + scan_ids(table) + " | text " + text_ids(table, word) + " | vectors " + std::to_string(near.hits.size()) +
         " first " + (near.hits.empty() ? "none" : near.rows.at(0, "id").to_display()) + " | hybrid " +
         std::to_string(both.hits.size()) + " first " + (both.hits.empty() ? "none" : both.rows.at(0, "id").to_display());
}

TEST_P(TablesContract, T1_AnotherProcessFindsEachWriteAtItsNextSearch) {
  auto here = create_notes();
  auto other_process = must(backend_->beside());
  auto there = open_notes(*other_process);
  EXPECT_EQ(everything_about(*there, "apple"), "rows  | text  | vectors 0 first none | hybrid 0 first none");

  must(here->add({note(1, "apple"), note(2, "pear"), note(3, "plum")}));
  EXPECT_EQ(everything_about(*there, "apple"), "rows 1 2 3 | text 1 | vectors 3 first 1 | hybrid 3 first 1");
  must(there->update({{"title", "apple"}}, "id = 3"));
  must(there->erase("id = 1"));
  EXPECT_EQ(everything_about(*here, "apple"), "rows 2 3 | text 3 | vectors 2 first 3 | hybrid 2 first 3");
  must(here->upsert({note(2, "apple"), note(3, "quince")}));
  EXPECT_EQ(everything_about(*there, "apple"), "rows 2 3 | text 2 | vectors 2 first 2 | hybrid 2 first 2");
}

TEST_P(TablesContract, T1_IndexThatFellOutOfTheChangeLogIsLoadedAgain) {
  auto here = create_notes();
  auto other_process = must(backend_->beside());
  auto there = open_notes(*other_process);
  must(here->add({note(1, "apple"), note(2, "pear")}));
  EXPECT_EQ(everything_about(*there, "apple"), "rows 1 2 | text 1 | vectors 2 first 1 | hybrid 2 first 1");
  for (int i = 0; i < 60; ++i) must(here->upsert({note(2, "pear " + std::to_string(i))}));
  must(here->erase("id = 1"));
  for (int i = 0; i < 110; ++i) must(here->upsert({note(3, "plum " + std::to_string(i))}));
  must(here->upsert({note(2, "apple"), note(3, "plum")}));
  EXPECT_EQ(everything_about(*there, "apple"), "rows 2 3 | text 2 | vectors 2 first 2 | hybrid 2 first 2");
}

TEST_P(TablesContract, DroppedAndMadeAgainByAnotherProcess) {
  auto here = create_notes();
  must(here->add({note(1, "apple")}));
  EXPECT_EQ(everything_about(*here, "apple"), "rows 1 | text 1 | vectors 1 first 1 | hybrid 1 first 1");
  auto other_process = must(backend_->beside());
  must(other_process->tables().drop("notes"));
  must(must(other_process->tables().create(notes_schema(), embedder_))->add({note(7, "pear")}));
  EXPECT_EQ(outcome_of(here->search({.text = "apple", .mode = SearchMode::vector})), "failed_precondition");
  auto again = open_notes(*backend_);
  EXPECT_EQ(everything_about(*again, "pear"), "rows 7 | text 7 | vectors 1 first 7 | hybrid 1 first 7");
}

TEST_P(TablesContract, T2_WritersOfTwoProcessesNeverStoreAKeyTwice) {
  auto here = create_notes();
  auto other_process = must(backend_->beside());
  auto there = open_notes(*other_process);
  constexpr int keys = 60;
  std::atomic<std::int64_t> inserted = 0, replaced = 0, skipped = 0, refused = 0;
  auto work = [&](Table& table, OnDuplicate rule) {
    for (int i = 0; i < keys; ++i) {
      auto added =
          table.add({note(i, "text " + std::to_string(i) + (rule == OnDuplicate::replace ? " replaced" : ""))}, rule);
      if (!added.ok()) {
        EXPECT_EQ(added.error().code(), ErrorCode::already_exists) << added.error().to_string();
        ++refused;
        continue;
      }
      inserted += added->inserted;
      replaced += added->replaced;
      skipped += added->skipped;
    }
  };
  {
    std::vector<std::jthread> threads;
    threads.emplace_back([&] { work(*here, OnDuplicate::error); });
    threads.emplace_back([&] { work(*there, OnDuplicate::skip); });
    threads.emplace_back([&] { work(*there, OnDuplicate::replace); });
  }
  EXPECT_EQ(inserted, keys);
  EXPECT_EQ(inserted + replaced + skipped + refused, 3 * keys);
  EXPECT_EQ(must(here->count()), keys);
  for (int i = 0; i < keys; ++i) {
    auto row = must(here->get({{i}}, {"title", "embedding"}))[0].value();
    EXPECT_EQ(row[1], Value(embedder_->vector_of(row[0].as<std::string>()))) << i;
  }
}

TEST_P(TablesContract, T3_RowChangedWhileItsTextIsEmbeddedGetsTheRightVector) {
  auto notes = create_notes();
  must(notes->add({note(1, "apple", "old")}));
  auto other_process = must(backend_->beside());
  auto there = open_notes(*other_process);
  std::atomic<bool> meddled = false;
  embedder_->before_batch = [&] {
    if (meddled.exchange(true)) return;
    must(there->update({{"body", "new"}}, "id = 1"));
  };
  EXPECT_EQ(must(notes->update({{"title", "pear"}}, "id = 1")), 1);
  embedder_->before_batch = nullptr;
  auto row = must(notes->get({{1}}, {"title", "body", "embedding"}))[0].value();
  EXPECT_EQ(row, (std::vector<Value>{"pear", "new", embedder_->vector_of("pear\nnew")}));
}

// Transactions.

TEST_P(TablesContract, TransactionSeesItsOwnRowsInEverySearchAndOthersDoNot) {
  auto notes = create_notes();
  must(notes->add({note(1, "apple"), note(2, "pear"), note(3, "plum")}));
  std::string before = everything_about(*notes, "apple");
  must(backend_->transaction([&](const OpenInTransaction& open) -> Result<void> {
    LOAM_TRY(auto inside, open("notes", embedder_));
    EXPECT_EQ(everything_about(*inside, "apple"), before);
    LOAM_TRY(inside->add({note(4, "apple")}));
    LOAM_TRY(inside->erase("id = 1"));
    LOAM_TRY(inside->update({{"title", "kiwi"}}, "id = 2"));
    EXPECT_EQ(everything_about(*inside, "apple"), "rows 2 3 4 | text 4 | vectors 3 first 4 | hybrid 3 first 4");
    EXPECT_EQ(ids_of(must(inside->search({.text = "kiwi", .mode = SearchMode::vector, .where = "id < 4", .limit = 1}))),
              "2");
    EXPECT_EQ(everything_about(*notes, "apple"), before) << "not committed yet";
    return {};
  }));
  EXPECT_EQ(everything_about(*notes, "apple"), "rows 2 3 4 | text 4 | vectors 3 first 4 | hybrid 3 first 4");
}

TEST_P(TablesContract, TransactionThatMovesTheNearestRowsAwayFindsTheNextOnes) {
  // An index that was asked for no more rows than the search wants gave the moved ones alone, and nothing came up in their
  // place.
  auto notes = create_notes();
  must(notes->add({note(1, "apple"), note(2, "apple"), note(3, "apple")}));
  EXPECT_EQ(ids_of(must(notes->search({.text = "apple", .mode = SearchMode::vector, .limit = 1}))), "1");
  must(backend_->transaction([&](const OpenInTransaction& open) -> Result<void> {
    LOAM_TRY(auto inside, open("notes", embedder_));
    LOAM_TRY(inside->update({{"title", "pear"}}, "id < 3"));
    EXPECT_EQ(ids_of(must(inside->search({.text = "apple", .mode = SearchMode::vector, .limit = 1}))), "3");
    return {};
  }));
}

TEST_P(TablesContract, RolledBackTransactionLeavesNothingInAnyIndex) {
  auto notes = create_notes();
  must(notes->add({note(1, "apple"), note(2, "pear")}));
  std::string before = everything_about(*notes, "apple");
  Result<void> rolled_back = backend_->transaction([&](const OpenInTransaction& open) -> Result<void> {
    LOAM_TRY(auto inside, open("notes", embedder_));
    LOAM_TRY(inside->add({note(3, "apple")}));
    LOAM_TRY(inside->erase("id = 1"));
    EXPECT_EQ(everything_about(*inside, "apple"), "rows 2 3 | text 3 | vectors 2 first 3 | hybrid 2 first 3");
    return failed_precondition("changed my mind");
  });
  EXPECT_EQ(outcome_of(rolled_back), "failed_precondition");
  EXPECT_EQ(everything_about(*notes, "apple"), before);
  // The numbers of the changes that were undone are given again: the index must not take the new ones for the old.
  must(notes->add({note(4, "apple pie"), note(5, "quince")}));
  EXPECT_EQ(everything_about(*notes, "quince"), "rows 1 2 4 5 | text 5 | vectors 4 first 5 | hybrid 4 first 5");
}

TEST_P(TablesContract, FailedCallInsideATransactionUndoesItselfOnly) {
  auto notes = create_notes();
  must(notes->add({note(1, "apple")}));
  must(backend_->transaction([&](const OpenInTransaction& open) -> Result<void> {
    LOAM_TRY(auto inside, open("notes", embedder_));
    LOAM_TRY(inside->add({note(2, "pear")}));
    EXPECT_EQ(outcome_of(inside->add({note(3, "plum"), note(1, "again")})), "already_exists");
    EXPECT_EQ(outcome_of(inside->update({{"id", 1}}, "id = 2")), "already_exists");
    LOAM_TRY(inside->add({note(4, "kiwi")}));
    return {};
  }));
  EXPECT_EQ(everything_about(*notes, "kiwi"), "rows 1 2 4 | text 4 | vectors 3 first 4 | hybrid 3 first 4");
}

// Threads.

TEST_P(TablesContract, SearchesDuringWritesSeeWholeStatesOnly) {
  auto notes = create_notes();
  // Each batch replaces all rows of one generation by the next: a search sees one generation, whole.
  constexpr int rows = 8, generations = 25;
  auto generation = [](int number) {
    std::vector<Record> batch;
    for (int i = 0; i < rows; ++i) batch.push_back(note(i, "apple generation" + std::to_string(number), {}, "s", number));
    return batch;
  };
  must(notes->upsert(generation(0)));
  std::atomic<bool> done = false;
  std::atomic<int> searches = 0;
  auto look = [&](SearchMode mode) {
    while (!done) {
      SearchResult found = must(notes->search({.text = "apple", .mode = mode, .where = "section = 's'", .limit = 50}));
      ASSERT_EQ(found.hits.size(), static_cast<std::size_t>(rows));
      for (std::size_t i = 1; i < found.hits.size(); ++i) ASSERT_EQ(found.rows.at(i, "size"), found.rows.at(0, "size"));
      if (mode == SearchMode::vector) {
        for (const SearchHit& hit : found.hits)
          ASSERT_EQ(hit.distance, found.hits[0].distance) << "vectors of two generations";
      }
      ++searches;
    }
  };
  {
    std::vector<std::jthread> readers;
    for (SearchMode mode : {SearchMode::vector, SearchMode::text, SearchMode::hybrid}) readers.emplace_back(look, mode);
    for (int number = 1; number <= generations; ++number) must(notes->upsert(generation(number)));
    while (searches < 10 && !HasFailure()) std::this_thread::yield();
    done = true;
  }
  EXPECT_EQ(must(notes->count("size = " + std::to_string(generations))), rows);
}

TEST_P(TablesContract, HandlesOfOneTableMayBeUsedAndDestroyedByManyThreads) {
  create_notes();
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 5; ++i) {
          auto table = open_notes(*backend_);
          must(table->add({note(t * 100 + i, "thread" + std::to_string(t))}));
          EXPECT_EQ(must(table->search({.text = "thread" + std::to_string(t), .mode = SearchMode::text})).hits.size(),
                    static_cast<std::size_t>(i + 1));
          must(table->search({.text = "thread", .mode = SearchMode::vector}));
        }
      });
  }
  EXPECT_EQ(must(open_notes(*backend_)->count()), 20);
}

TEST_P(TablesContract, OfTwoThatCreateOneNameOneWins) {
  auto other_process = must(backend_->beside());
  std::atomic<int> made = 0, taken = 0;
  {
    std::vector<std::jthread> threads;
    for (TablesBackend* backend : {backend_.get(), other_process.get()})
      threads.emplace_back([&, backend] {
        auto created = backend->tables().create(notes_schema(), embedder_);
        if (created.ok())
          ++made;
        else if (created.error().code() == ErrorCode::already_exists)
          ++taken;
        else
          ADD_FAILURE() << created.error().to_string();
      });
  }
  EXPECT_EQ(made, 1);
  EXPECT_EQ(taken, 1);
  must(open_notes(*other_process)->add({note(1, "apple")}));
}

}  // namespace
}  // namespace loam::test

#pragma once

/// Who is reading, and since when: what has been taken away may be used again once nobody is left who could have seen it
/// (epoch-based reclamation: Fraser, "Practical lock-freedom", 2004). Internal.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>

namespace loam::vector {

/// *thread-safe*
class ReaderEpochs {
 public:
  static constexpr std::size_t reader_count_max = 128;
  static constexpr std::uint64_t nobody = UINT64_MAX;

  /// Holds back everything retired after it was made. Movable, one thread at a time.
  class Pin {
   public:
    explicit Pin(ReaderEpochs& epochs) : epochs_(&epochs), cell_(epochs.enter()) {}
    ~Pin() { epochs_->cells_[cell_].epoch.store(nobody, std::memory_order_release); }
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
    /// Below reader_count_max, and nobody else's until the pin ends: names memory that may be used meanwhile.
    std::size_t cell() const noexcept { return cell_; }

   private:
    ReaderEpochs* epochs_;
    std::size_t cell_;
  };

  /// A new epoch: what was made unreachable before the call can be reused when settled() reaches what it returns.
  std::uint64_t advance() noexcept { return epoch_.fetch_add(1, std::memory_order_seq_cst) + 1; }

  /// Every pin that is held was made in this epoch or later.
  std::uint64_t settled() const noexcept {
    std::uint64_t least = epoch_.load(std::memory_order_seq_cst);
    for (const Cell& cell : cells_) {
      const std::uint64_t epoch = cell.epoch.load(std::memory_order_seq_cst);
      if (epoch != nobody && epoch < least) least = epoch;
    }
    return least;
  }

 private:
  friend class Pin;
  struct alignas(64) Cell {
    std::atomic<std::uint64_t> epoch = nobody;
  };

  // Waits when more than reader_count_max threads are inside at once.
  std::size_t enter() noexcept {
    static std::atomic<std::size_t> threads = 0;
    static thread_local const std::size_t first = threads.fetch_add(1, std::memory_order_relaxed);
    for (std::size_t i = 0;; ++i) {
      const std::size_t at = (first + i) % reader_count_max;
      std::uint64_t expected = nobody;
      std::uint64_t epoch = epoch_.load(std::memory_order_seq_cst);
      if (cells_[at].epoch.compare_exchange_strong(expected, epoch, std::memory_order_seq_cst)) {
        // Between reading the epoch and writing it down, somebody may have looked at the cells: then it has moved on.
        for (std::uint64_t now = epoch_.load(std::memory_order_seq_cst); now != epoch;
             now = epoch_.load(std::memory_order_seq_cst)) {
          epoch = now;
          cells_[at].epoch.store(epoch, std::memory_order_seq_cst);
        }
        return at;
      }
      if (i >= reader_count_max) std::this_thread::yield();
    }
  }

  std::atomic<std::uint64_t> epoch_ = 1;
  std::array<Cell, reader_count_max> cells_;
};

}  // namespace loam::vector

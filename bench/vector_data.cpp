#include "vector_data.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <numeric>
#include <set>
#include <string_view>
#include <utility>

#include "loam/core/error.hpp"

namespace loam::bench {

namespace {

constexpr double tie_tolerance = 1e-6;  // as in bench/vector/data_files.py

Error damaged(const std::filesystem::path& path, const std::string& what) {
  return data_corruption(path.string() + ": " + what);
}

struct Shape {
  std::size_t rows = 0;
  std::size_t columns = 0;
};

/// The one form numpy writes such arrays in: {'descr': '<f4', 'fortran_order': False, 'shape': (ROWS, COLUMNS), } and
/// blanks.
std::optional<Shape> shape_of(std::string_view header) {
  const auto skip = [&](std::string_view expected) {
    if (!header.starts_with(expected)) return false;
    header.remove_prefix(expected.size());
    return true;
  };
  const auto number = [&]() -> std::optional<std::size_t> {
    std::size_t value = 0;
    std::size_t digits = 0;
    for (; digits < header.size() && header[digits] >= '0' && header[digits] <= '9'; ++digits) {
      if (digits == 12) return std::nullopt;
      value = value * 10 + static_cast<std::size_t>(header[digits] - '0');
    }
    header.remove_prefix(digits);
    return digits > 0 ? std::optional(value) : std::nullopt;
  };
  if (!skip("{'descr': '<f4', 'fortran_order': False, 'shape': (")) return std::nullopt;
  const auto rows = number();
  if (!rows || !skip(", ")) return std::nullopt;
  const auto columns = number();
  if (!columns || *columns == 0 || !skip("), }")) return std::nullopt;
  if (header.find_first_not_of(" \n") != std::string_view::npos) return std::nullopt;
  return Shape{*rows, *columns};
}

class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<Rows> Rows::open(const std::filesystem::path& path) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::string_view magic("\x93NUMPY\x01\x00", 8);
  const Descriptor file(path);
  struct stat status{};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0)
    return not_found(path.string() + ": " + std::strerror(errno) + "; bench/vector/make_data.py makes it");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size < magic.size() + 2) return damaged(path, "too short");
  void* mapping = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapping == MAP_FAILED) return internal_error(path.string() + ": mmap: " + std::strerror(errno));
  Rows rows;
  rows.mapping_ = mapping;
  rows.mapped_bytes_ = size;
  const auto* bytes = static_cast<const char*>(mapping);
  if (std::string_view(bytes, magic.size()) != magic) return damaged(path, "not version 1 of numpy's format");
  const std::size_t header_bytes = static_cast<unsigned char>(bytes[8]) + 256u * static_cast<unsigned char>(bytes[9]);
  const std::size_t begin = magic.size() + 2 + header_bytes;
  if (begin > size || begin % alignof(float) != 0) return damaged(path, "its header does not fit");
  const auto shape = shape_of(std::string_view(bytes + magic.size() + 2, header_bytes));
  if (!shape) return damaged(path, "not a matrix of 32-bit floats");
  if (shape->rows > (size - begin) / sizeof(float) / shape->columns ||
      shape->rows * shape->columns * sizeof(float) != size - begin)
    return damaged(path, "its size is not that of its shape");
  rows.dimension_ = shape->columns;
  rows.values_ = {reinterpret_cast<const float*>(bytes + begin), shape->rows * shape->columns};
  return rows;
}

Rows::Rows(Rows&& other) noexcept { *this = std::move(other); }

Rows& Rows::operator=(Rows&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_bytes_, other.mapped_bytes_);
  std::swap(dimension_, other.dimension_);
  std::swap(values_, other.values_);
  return *this;
}

Rows::~Rows() {
  if (mapping_ != nullptr) ::munmap(mapping_, mapped_bytes_);
}

void Rows::forget_pages() const { ::madvise(mapping_, mapped_bytes_, MADV_DONTNEED); }

Result<DataSet> DataSet::open(const std::filesystem::path& directory) {
  LOAM_TRY(auto base, Rows::open(directory / "base.npy"));
  LOAM_TRY(auto queries, Rows::open(directory / "queries.npy"));
  LOAM_TRY(auto truth, Rows::open(directory / "truth_distances.npy"));
  if (base.dimension() != queries.dimension() || queries.size() != truth.size() || queries.size() == 0)
    return damaged(directory, "its files do not belong together");
  return DataSet{std::move(base), std::move(queries), std::move(truth)};
}

double recall(const DataSet& data, std::size_t query, std::span<const vector::Neighbour> found, std::size_t k) {
  const double farthest = static_cast<double>(data.truth_distances[query][k - 1]) + tie_tolerance;
  const auto wanted = data.queries[query];
  std::set<std::int64_t> counted;
  for (const vector::Neighbour& neighbour : found.first(std::min(k, found.size()))) {
    if (neighbour.id < 0 || static_cast<std::size_t>(neighbour.id) >= data.base.size()) continue;
    const auto row = data.base[static_cast<std::size_t>(neighbour.id)];
    const double distance = 1 - std::inner_product(row.begin(), row.end(), wanted.begin(), 0.0, std::plus<>(),
                                                   [](double a, double b) { return a * b; });
    if (distance <= farthest) counted.insert(neighbour.id);
  }
  return static_cast<double>(counted.size()) / static_cast<double>(k);
}

Latencies Latencies::of(std::vector<std::chrono::nanoseconds> took) {
  std::ranges::sort(took);
  // Between the two nearest, as numpy's percentile() does.
  const auto percentile = [&](double share) {
    const double place = share * static_cast<double>(took.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const auto low = static_cast<double>(took[below].count());
    const auto high = static_cast<double>(took[std::min(below + 1, took.size() - 1)].count());
    return (low + (high - low) * (place - static_cast<double>(below))) / 1000;
  };
  const auto sum = std::accumulate(took.begin(), took.end(), std::chrono::nanoseconds(0));
  return {.mean_us = static_cast<double>(sum.count()) / static_cast<double>(took.size()) / 1000,
          .p50_us = percentile(.5),
          .p95_us = percentile(.95),
          .p99_us = percentile(.99)};
}

ResidentBytes ResidentBytes::now() {
  ::malloc_trim(0);
  ResidentBytes bytes;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    const auto kibibytes_after = [&](std::string_view name) -> std::int64_t {
      return line.starts_with(name) ? std::strtoll(line.c_str() + name.size(), nullptr, 10) * 1024 : 0;
    };
    bytes.anonymous += kibibytes_after("RssAnon:");
    bytes.file += kibibytes_after("RssFile:");
    bytes.shared += kibibytes_after("RssShmem:");
    bytes.highest += kibibytes_after("VmHWM:");
  }
  return bytes;
}

Result<void> ResidentBytes::forget_highest() {
  std::ofstream file("/proc/self/clear_refs");
  if (!(file << 5 << std::flush)) return Error(ErrorCode::unavailable, "/proc/self/clear_refs cannot be written");
  return {};
}

Result<void> pin_to(std::span<const std::size_t> cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const std::size_t core : cores) CPU_SET(core, &set);
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
    if (::sched_setaffinity(std::atoi(thread.path().filename().c_str()), sizeof(set), &set) != 0)
      return invalid_argument(std::string("cores: ") + std::strerror(errno));
  return {};
}

Result<void> run_before_all_others() {
  const sched_param priority{.sched_priority = 10};
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
    if (::sched_setscheduler(std::atoi(thread.path().filename().c_str()), SCHED_FIFO, &priority) != 0)
      return Error(ErrorCode::permission_denied, std::string("SCHED_FIFO: ") + std::strerror(errno));
  return {};
}

}  // namespace loam::bench

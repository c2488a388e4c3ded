/// The engine's side of bench/vector/run.py: builds an index of one data set and measures single searches on one thread, as
/// bench/vector/peer.py does for other libraries, with the same JSON on standard output.
///
///   loam_vector_search_bench --data build/bench-data --set source-384-100k --k 10,100 --ef 20,40,80 --threads 2 --pin 1
///
/// A pass searches all queries once, one by one; what is reported for an effort is its median pass (by mean time) and every
/// pass. With --serve it prints one line when the index is built, then one for each line `pass K EF` on standard input,
/// until `quit`.

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loam/core/error.hpp"
#include "loam/core/result.hpp"
#include "loam/vector/index.hpp"
#include "vector_data.hpp"

namespace {

using loam::Result;
using loam::bench::DataSet;
using loam::bench::Latencies;
using loam::bench::ResidentBytes;
using loam::vector::Index;
using loam::vector::IndexOptions;
using loam::vector::SearchOptions;
using loam::vector::SearchResult;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr std::size_t tiny_rows = 10;

struct Settings {
  std::string data = "build/bench-data";
  std::string set = "source-384-100k";
  std::vector<std::size_t> ks{10, 100};
  std::vector<std::size_t> efs;
  std::size_t threads = 2;
  std::size_t passes = 5;
  std::optional<std::size_t> pin;
  bool realtime = false;
  bool serve = false;
  bool verify = false;
  IndexOptions index;
};

std::vector<std::size_t> default_efs(std::size_t k) {
  if (k > 10) return {100, 120, 140, 160, 200, 240, 280, 340, 400, 480, 600, 800, 1000};
  return {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640};
}

Result<std::size_t> number_of(std::string_view word) {
  std::size_t value = 0;
  const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (problem != std::errc() || end != word.data() + word.size())
    return loam::invalid_argument("not a number: " + std::string(word));
  return value;
}

Result<std::vector<std::size_t>> numbers_of(std::string_view words) {
  std::vector<std::size_t> values;
  while (!words.empty()) {
    const std::size_t comma = std::min(words.find(','), words.size());
    LOAM_TRY(const std::size_t value, number_of(words.substr(0, comma)));
    values.push_back(value);
    words.remove_prefix(std::min(comma + 1, words.size()));
  }
  return values;
}

Result<void> set_option(Settings& settings, std::string_view name, const std::string& value) {
  const std::map<std::string_view, std::size_t*> numbers{
      {"--threads", &settings.threads},         {"--passes", &settings.passes},
      {"--m", &settings.index.max_connections}, {"--efc", &settings.index.ef_construction},
      {"--layers", &settings.index.nb_layers},  {"--code-dimension", &settings.index.code_dimension},
  };
  if (const auto number = numbers.find(name); number != numbers.end()) {
    LOAM_TRY(*number->second, number_of(value));
  } else if (name == "--bits") {
    LOAM_TRY(const std::size_t bits, number_of(value));
    settings.index.code_bits = static_cast<unsigned>(bits);
  } else if (name == "--pin") {
    LOAM_TRY(settings.pin, number_of(value));
  } else if (name == "--k") {
    LOAM_TRY(settings.ks, numbers_of(value));
  } else if (name == "--ef") {
    LOAM_TRY(settings.efs, numbers_of(value));
  } else if (name == "--data") {
    settings.data = value;
  } else if (name == "--set") {
    settings.set = value;
  } else if (name == "--directory") {
    settings.index.directory = value;
  } else {
    return loam::invalid_argument(
        "unknown option " + std::string(name) +
        "; there are --data --set --k --ef --threads --passes --pin --bits --m --efc --layers --code-dimension --directory "
        "--f16 --realtime --verify --serve");
  }
  return {};
}

Result<Settings> settings_from(int count, char** words) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = words[i];
    if (name == "--serve") {
      settings.serve = true;
    } else if (name == "--realtime") {
      settings.realtime = true;
    } else if (name == "--verify") {
      settings.verify = true;
    } else if (name == "--f16") {
      settings.index.elements = loam::vector::Elements::f16;
    } else if (i + 1 == count) {
      return loam::invalid_argument(std::string(name) + " needs a value");
    } else {
      LOAM_TRY(set_option(settings, name, words[++i]));
    }
  }
  if (settings.threads == 0 || settings.passes == 0) return loam::invalid_argument("--threads and --passes: at least 1");
  return settings;
}

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

double rounded(double value) { return std::round(value * 1000) / 1000; }

/// An index, and how it is measured.
class Searcher {
 public:
  static Result<Searcher> build(const Settings& settings) {
    LOAM_TRY(DataSet data, DataSet::open(std::filesystem::path(settings.data) / settings.set));
    Searcher searcher(std::move(data));
    LOAM_TRY(searcher.build_index(settings));
    return searcher;
  }

  const Json& facts() const { return facts_; }

  /// All queries once. Recall is computed when a pair of k and ef is new.
  Result<Json> pass(std::size_t k, std::size_t ef) {
    if (k == 0 || k > data_.truth_distances.dimension()) return loam::invalid_argument("k is 1 to 100");
    LOAM_TRY(const Timed timed, search_all(*index_, data_.queries.size(), {.k = k, .ef = ef}));
    auto known = judged_.find({k, ef});
    if (known == judged_.end()) known = judged_.emplace(std::pair(k, ef), judge(timed.results, k)).first;
    const Latencies latencies = Latencies::of(timed.took);
    Json line{{"k", k}, {"effort", std::to_string(ef)}};
    line.update(known->second);
    line.update(Json{{"mean_us", rounded(latencies.mean_us)},
                     {"p50_us", rounded(latencies.p50_us)},
                     {"p95_us", rounded(latencies.p95_us)},
                     {"p99_us", rounded(latencies.p99_us)},
                     {"qps", rounded(1e6 / latencies.mean_us)}});
    return line;
  }

 private:
  struct Timed {
    std::vector<std::chrono::nanoseconds> took;
    std::vector<SearchResult> results;
  };

  explicit Searcher(DataSet data) : data_(std::move(data)) {}

  Result<Timed> search_all(const Index& index, std::size_t count, const SearchOptions& options) const {
    Timed timed;
    timed.took.resize(count);
    timed.results.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto begin = Clock::now();
      LOAM_TRY(timed.results[i], index.search(data_.queries[i], options));
      timed.took[i] = Clock::now() - begin;
    }
    return timed;
  }

  Json judge(const std::vector<SearchResult>& results, std::size_t k) const {
    double found = 0;
    double estimates = 0;
    double distances = 0;
    std::size_t returned_min = k;
    std::size_t scans = 0;
    for (std::size_t i = 0; i < results.size(); ++i) {
      found += loam::bench::recall(data_, i, results[i].neighbours, k);
      estimates += static_cast<double>(results[i].estimates);
      distances += static_cast<double>(results[i].distances);
      returned_min = std::min(returned_min, results[i].neighbours.size());
      scans += results[i].plan == loam::vector::Plan::scan;
    }
    const auto count = static_cast<double>(results.size());
    return {{"recall", std::round(found / count * 1e5) / 1e5},
            {"returned_min", returned_min},
            {"estimates", rounded(estimates / count)},
            {"distances", rounded(distances / count)},
            {"scans", scans}};
  }

  Result<std::unique_ptr<Index>> tiny_index(IndexOptions options) const {
    if (!options.directory.empty()) options.directory /= "tiny";
    LOAM_TRY(auto tiny, Index::create(std::move(options)));
    for (std::size_t row = 0; row < tiny_rows; ++row)
      LOAM_TRY(tiny->put(static_cast<std::int64_t>(row), data_.queries[row]));
    return tiny;
  }

  /// What a call costs where there is nothing to search: the median of 5 passes, k = 1 among 10 vectors.
  Result<double> call_overhead(const Index& tiny) const {
    std::vector<double> means;
    for (int i = 0; i < 5; ++i) {
      LOAM_TRY(const Timed timed, search_all(tiny, data_.queries.size(), {.k = 1}));
      means.push_back(Latencies::of(timed.took).mean_us);
    }
    std::ranges::sort(means);
    return means[2];
  }

  Result<void> build_index(const Settings& settings) {
    std::vector<std::size_t> cores(settings.threads);
    std::iota(cores.begin(), cores.end(), 0);
    if (settings.pin) LOAM_TRY(loam::bench::pin_to(cores));
    IndexOptions options = settings.index;
    options.dimension = data_.base.dimension();
    if (!options.directory.empty()) std::filesystem::create_directories(options.directory / "tiny");
    LOAM_TRY(const auto tiny, tiny_index(options));
    LOAM_TRY(index_, Index::create(options));
    std::vector<std::int64_t> ids(data_.base.size());
    std::iota(ids.begin(), ids.end(), 0);
    data_.base.forget_pages();
    const ResidentBytes before = ResidentBytes::now();
    const auto begin = Clock::now();
    const std::clock_t cpu = std::clock();
    LOAM_TRY(index_->put_many(ids, data_.base.values(), settings.threads));
    const double seconds = seconds_since(begin);
    const double cpu_seconds = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
    if (settings.pin) LOAM_TRY(loam::bench::pin_to(std::span(&*settings.pin, 1)));
    LOAM_TRY(search_all(*index_, data_.queries.size(), {.k = 100, .ef = 100}));
    data_.base.forget_pages();
    const ResidentBytes after = ResidentBytes::now();
    if (settings.realtime) LOAM_TRY(loam::bench::run_before_all_others());
    LOAM_TRY(const double overhead_us, call_overhead(*tiny));
    describe(settings, overhead_us, seconds, cpu_seconds, before, after);
    if (settings.verify) LOAM_TRY(audit());
    return {};
  }

  void describe(const Settings& settings, double overhead_us, double seconds, double cpu_seconds,
                const ResidentBytes& before, const ResidentBytes& after) {
    const auto stats = index_->stats();
    const IndexOptions& options = index_->options();
    const auto each = [&](auto bytes) {
      return std::round(static_cast<double>(bytes) / static_cast<double>(stats.vectors) * 10) / 10;
    };
    Json efforts;
    for (const std::size_t k : {10u, 100u})
      for (const std::size_t ef : settings.efs.empty() ? default_efs(k) : settings.efs)
        efforts[std::to_string(k)].push_back(std::to_string(ef));
    facts_ = {
        {"name", "loam"},
        {"package", "loam"},
        {"set", settings.set},
        {"rows", stats.vectors},
        {"dimension", options.dimension},
        {"configuration",
         {{"max_connections", options.max_connections},
          {"ef_construction", options.ef_construction},
          {"nb_layers", options.nb_layers},
          {"code_bits", stats.code_bits},
          {"code_dimension", options.code_dimension},
          {"elements", options.elements == loam::vector::Elements::f16 ? "f16" : "f32"},
          {"full_vectors", stats.full_mapped ? "mapped from files" : "in memory"}}},
        {"threads", settings.threads},
        {"build_seconds", rounded(seconds)},
        {"build_cpu_seconds", rounded(cpu_seconds)},
        {"call_overhead_us", rounded(overhead_us)},
        {"bytes_per_vector",
         {{"RssAnon", each(after.anonymous - before.anonymous)},
          {"RssFile", each(after.file - before.file)},
          {"RssShmem", each(after.shared - before.shared)}}},
        {"stats",
         {{"memory_bytes_per_vector", each(stats.memory_bytes)},
          {"full_bytes_per_vector", each(stats.full_bytes)},
          {"layers", stats.layers},
          {"duplicates", stats.duplicates}}},
        {"efforts", efforts},
    };
  }

  Result<void> audit() {
    LOAM_TRY(const auto audit, index_->verify());
    facts_["audit"] = {{"unreachable", audit.unreachable},       {"without_in_edge", audit.without_in_edge},
                       {"dangling_edges", audit.dangling_edges}, {"wrong_ids", audit.wrong_ids},
                       {"wrong_codes", audit.wrong_codes},       {"findings", audit.findings}};
    return {};
  }

  DataSet data_;
  std::unique_ptr<Index> index_;
  Json facts_;
  std::map<std::pair<std::size_t, std::size_t>, Json> judged_;
};

Result<Json> served(Searcher& searcher, std::string_view line) {
  std::vector<std::string> words(1);
  for (const char letter : line) {
    if (letter != ' ')
      words.back() += letter;
    else
      words.emplace_back();
  }
  if (words.size() != 3 || words[0] != "pass") return loam::invalid_argument("not understood: " + std::string(line));
  LOAM_TRY(const std::size_t k, number_of(words[1]));
  LOAM_TRY(const std::size_t ef, number_of(words[2]));
  return searcher.pass(k, ef);
}

void serve(Searcher& searcher) {
  std::cout << searcher.facts().dump() << std::endl;
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    const auto answer = served(searcher, line);
    std::cout << (answer.ok() ? answer.value() : Json{{"error", answer.error().to_string()}}).dump() << std::endl;
  }
}

Result<void> measure(Searcher& searcher, const Settings& settings) {
  Json results = Json::array();
  for (const std::size_t k : settings.ks) {
    for (const std::size_t ef : settings.efs.empty() ? default_efs(k) : settings.efs) {
      std::vector<Json> passes;
      for (std::size_t i = 0; i < settings.passes; ++i) {
        LOAM_TRY(Json one, searcher.pass(k, ef));
        passes.push_back(std::move(one));
      }
      const Json all = passes;
      std::ranges::nth_element(passes, passes.begin() + static_cast<std::ptrdiff_t>(passes.size() / 2), {},
                               [](const Json& one) { return one["mean_us"].get<double>(); });
      Json median = passes[passes.size() / 2];
      median["passes"] = all;
      results.push_back(std::move(median));
    }
  }
  Json report = searcher.facts();
  report["results"] = std::move(results);
  std::cout << report.dump() << "\n";
  return {};
}

Result<void> run(int count, char** words) {
  LOAM_TRY(const Settings settings, settings_from(count, words));
  LOAM_TRY(Searcher searcher, Searcher::build(settings));
  if (!settings.serve) return measure(searcher, settings);
  serve(searcher);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const auto done = run(argc, argv);
  if (done.ok()) return 0;
  std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
  return 1;
}

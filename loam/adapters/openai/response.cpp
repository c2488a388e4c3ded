#include "loam/adapters/openai/response.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "loam/core/limits.hpp"

namespace loam::openai {
namespace {

using nlohmann::json;

/// Where the reader stands. Whatever is not on the way to a vector is `elsewhere` until it ends.
///
///   answer --"data": [--> items --{--> item --"embedding": [--> numbers
enum class Place { start, answer, items, item, numbers, elsewhere };

// Receives the events of nlohmann's parser, which keeps no stack of its own calls. Each method returns false to stop.
class Reader {
 public:
  Reader(std::size_t count, std::size_t dimension) : count_(count), dimension_(dimension) {}

  bool start_object(std::size_t) {
    if (place_ == Place::start) return enter(Place::answer);
    if (place_ == Place::items) return begin_item() && enter(Place::item);
    if (!expected_kind()) return false;
    return enter(Place::elsewhere);
  }
  bool start_array(std::size_t) {
    if (place_ == Place::answer && key_ == "data") return begin_items() && enter(Place::items);
    if (place_ == Place::item && key_ == "embedding") return begin_vector() && enter(Place::numbers);
    if (!expected_kind()) return false;
    return enter(Place::elsewhere);
  }
  bool end_object() {
    const bool good = place_ != Place::item || end_item();
    leave();
    return good;
  }
  bool end_array() {
    const bool good = place_ != Place::numbers || end_vector();
    leave();
    return good;
  }
  bool key(std::string& name) {
    key_ = name.size() <= longest_key ? name : std::string();
    return true;
  }

  bool number_integer(std::int64_t value) { return number(static_cast<double>(value)); }
  bool number_unsigned(std::uint64_t value) {
    if (place_ == Place::item && key_ == "index") return take_index(value);
    return number(static_cast<double>(value));
  }
  bool number_float(double value, const std::string&) { return number(value); }
  bool null() { return expected_kind(); }
  bool boolean(bool) { return expected_kind(); }
  bool string(std::string&) { return expected_kind(); }
  bool binary(json::binary_t&) { return expected_kind(); }

  bool parse_error(std::size_t position, const std::string&, const json::exception&) {
    if (problem_.empty()) problem_ = "it is not JSON at byte " + std::to_string(position);
    return false;
  }

  const std::string& problem() const { return problem_; }

  Result<std::vector<Vector>> take() {
    if (!data_seen_) return data_corruption("the answer of the service has no \"data\"");
    if (vectors_.size() != count_)
      return data_corruption("the answer of the service has " + std::to_string(vectors_.size()) + " embeddings for " +
                             std::to_string(count_) + " texts");
    if (!indexed_) return std::move(vectors_);
    // The indexes are distinct and below count_, so they are a permutation.
    std::vector<Vector> ordered(count_);
    for (std::size_t i = 0; i < count_; ++i) ordered[indexes_[i]] = std::move(vectors_[i]);
    return ordered;
  }

 private:
  static constexpr std::size_t longest_key = 16;

  bool fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    return false;
  }
  std::string item_name() const { return "embedding " + std::to_string(vectors_.size()); }

  bool enter(Place place) {
    if (places_.size() >= limits::json_depth_max)
      return fail("it is nested deeper than " + std::to_string(limits::json_depth_max) + " levels");
    places_.push_back(place_);
    place_ = place;
    return true;
  }
  void leave() {
    place_ = places_.back();
    places_.pop_back();
  }

  // For values of a kind that means something only elsewhere.
  bool expected_kind() {
    switch (place_) {
      case Place::start: return fail("it is no object");
      case Place::items: return fail("\"data\" holds something that is no object");
      case Place::numbers: return fail(item_name() + " holds something that is no number");
      case Place::answer: return key_ == "data" ? fail("\"data\" is no array") : true;
      case Place::item:
        if (key_ == "index") return fail("the index of " + item_name() + " is no whole number");
        return key_ == "embedding" ? fail(item_name() + " is no array of numbers") : true;
      case Place::elsewhere: return true;
    }
    return true;
  }

  bool begin_items() {
    if (data_seen_) return fail("\"data\" is there twice");
    data_seen_ = true;
    return true;
  }

  bool begin_item() {
    if (vectors_.size() == count_) return fail("it has more than " + std::to_string(count_) + " embeddings");
    index_.reset();
    vector_.reset();
    return true;
  }

  bool end_item() {
    if (!vector_) return fail(item_name() + " has no numbers");
    if (!vectors_.empty() && index_.has_value() != indexed_) return fail("some embeddings have an index and some have none");
    indexed_ = index_.has_value();
    if (indexed_) indexes_.push_back(*index_);
    vectors_.push_back(std::move(*vector_));
    return true;
  }

  bool take_index(std::uint64_t index) {
    if (index_) return fail("the index of " + item_name() + " is there twice");
    if (index >= count_) return fail("the index " + std::to_string(index) + " is not below " + std::to_string(count_));
    if (taken_.empty()) taken_.resize(count_);
    if (taken_[index]) return fail("the index " + std::to_string(index) + " is there twice");
    taken_[index] = true;
    index_ = index;
    return true;
  }

  bool begin_vector() {
    if (vector_) return fail(item_name() + " is there twice");
    vector_.emplace();
    vector_->reserve(dimension_);
    return true;
  }

  bool number(double value) {
    if (place_ != Place::numbers) return expected_kind();
    const std::size_t most = dimension_ > 0 ? dimension_ : limits::dimension_max;
    if (vector_->size() == most) return fail(item_name() + " has more than " + std::to_string(most) + " numbers");
    if (!(std::abs(value) <= std::numeric_limits<float>::max()))
      return fail("number " + std::to_string(vector_->size()) + " of " + item_name() + " is too large");
    vector_->push_back(static_cast<float>(value));
    return true;
  }

  bool end_vector() {
    if (vector_->empty()) return fail(item_name() + " has no numbers");
    if (dimension_ == 0) dimension_ = vector_->size();
    if (vector_->size() != dimension_)
      return fail(item_name() + " has " + std::to_string(vector_->size()) + " numbers, not " + std::to_string(dimension_));
    return true;
  }

  const std::size_t count_;
  std::size_t dimension_;
  Place place_ = Place::start;
  std::vector<Place> places_;  // around place_
  std::string key_;
  bool data_seen_ = false;
  bool indexed_ = false;
  std::optional<std::size_t> index_;
  std::optional<Vector> vector_;
  std::vector<bool> taken_;
  std::vector<std::size_t> indexes_;
  std::vector<Vector> vectors_;
  std::string problem_;
};

}  // namespace

Result<std::vector<Vector>> parse_embeddings(std::string_view body, std::size_t count, std::size_t dimension) {
  Reader reader(count, dimension);
  if (!json::sax_parse(body, &reader))
    return data_corruption("the answer of the service cannot be used: " +
                           (reader.problem().empty() ? std::string("it is not JSON") : reader.problem()));
  return reader.take();
}

}  // namespace loam::openai

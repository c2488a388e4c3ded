#include "loam/vector/values.hpp"

#include <cmath>
#include <string>

namespace loam::vector {

Result<void> check_values(std::span<const float> values, std::size_t dimension, const char* what) {
  if (values.size() != dimension)
    return invalid_argument(std::string(what) + " has " + std::to_string(values.size()) + " dimensions, the index has " +
                            std::to_string(dimension));
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      return invalid_argument(std::string(what) + " has " + (std::isnan(values[i]) ? "NaN" : "an infinity") +
                              " at position " + std::to_string(i));
  return {};
}

}  // namespace loam::vector

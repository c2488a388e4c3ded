#include "loam/ports/embedder.hpp"

namespace loam {

std::string to_string(const EmbedderIdentity& identity) {
  return identity.provider + '/' + identity.model + " (" + std::to_string(identity.dimension) + ", " + identity.metric +
         (identity.normalized ? ", normalized)" : ")");
}

}  // namespace loam

#pragma once

/// URLs of backends (RFC 3986, as much as database and service URLs use), with the password kept apart as a Secret.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/core/secret.hpp"

namespace [[gnu::visibility("default")]] loam {

/// scheme://user:password@host:port/path?key=value#fragment, percent-decoded. `scheme:path` without `//` has no host.
struct Url {
  std::string scheme;  ///< lower case
  std::string user;
  Secret password;
  std::string host;                                        ///< without the brackets of an IPv6 address
  std::optional<int> port;                                 ///< 1 to 65535
  std::string path;                                        ///< with its leading slash when there is a host
  std::vector<std::pair<std::string, std::string>> query;  ///< in order; a repeated key is refused
  std::string fragment;

  /// Null when absent.
  const std::string* parameter(std::string_view key) const;
};

/// invalid_argument naming the part ("port", "query parameter 2", ..), never echoing the user or the password. At most 4096
/// bytes.
Result<Url> parse_url(std::string_view text);

/// For people and logs: the password as ***, no query values.
std::string redacted(const Url& url);
/// The same for a text that may not be a URL at all: what stands between "://" and the last "@" is hidden.
std::string redacted(std::string_view text);

/// invalid_argument for a bad escape or a NUL byte.
Result<std::string> percent_decode(std::string_view text);

}  // namespace loam

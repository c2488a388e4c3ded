#include "loam/adapters/postgres/options.hpp"

#include <algorithm>
#include <charconv>

#include "loam/core/limits.hpp"
#include "loam/core/url.hpp"

namespace loam {
namespace {

constexpr std::string_view known_options =
    "host, port, sslmode, schema, application_name, connect_timeout, pool_min, pool_max, acquire_timeout_ms";

Error bad_option(std::string_view key, std::string_view why) {
  return invalid_argument("the URL's option " + std::string(key) + " " + std::string(why));
}

Result<std::int64_t> number_option(std::string_view key, std::string_view text, std::int64_t min, std::int64_t max) {
  std::int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < min || number > max)
    return bad_option(key, "is not a number from " + std::to_string(min) + " to " + std::to_string(max));
  return number;
}

Result<void> read_option(PostgresOptions& options, const std::string& key, const std::string& text) {
  if (key == "schema") {
    options.schema = text;
  } else if (key == "sslmode") {
    options.ssl_mode = text;
  } else if (key == "application_name") {
    options.application_name = text;
  } else if (key == "host") {
    options.host = text;
  } else if (key == "port") {
    LOAM_TRY(std::int64_t port, number_option(key, text, 1, 65'535));
    options.port = static_cast<int>(port);
  } else if (key == "connect_timeout") {
    LOAM_TRY(std::int64_t seconds, number_option(key, text, 1, 3'600));
    options.connect_timeout_ms = seconds * 1'000;
  } else if (key == "pool_min") {
    LOAM_TRY(std::int64_t count, number_option(key, text, 0, 1'000));
    options.pool.connections_min = static_cast<std::size_t>(count);
  } else if (key == "pool_max") {
    LOAM_TRY(std::int64_t count, number_option(key, text, 1, 1'000));
    options.pool.connections_max = static_cast<std::size_t>(count);
    options.pool.connections_min = std::min(options.pool.connections_min, options.pool.connections_max);
  } else if (key == "acquire_timeout_ms") {
    LOAM_TRY(options.pool.acquire_timeout_ms, number_option(key, text, 1, 86'400'000));
  } else {
    return bad_option(key, "is not known").hint("known are " + std::string(known_options));
  }
  return {};
}

}  // namespace

Result<void> postgres::check_options(const PostgresOptions& options) {
  constexpr std::string_view modes[] = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
  if (options.host.empty()) return invalid_argument("the host is empty");
  if (options.port < 1 || options.port > 65535) return invalid_argument("the port is not a number from 1 to 65535");
  if (options.database.empty()) return invalid_argument("the database name is empty");
  if (std::find(std::begin(modes), std::end(modes), options.ssl_mode) == std::end(modes))
    return invalid_argument("the sslmode is none of disable, allow, prefer, require, verify-ca, verify-full");
  if (options.schema == "$user") return invalid_argument("the schema \"$user\" means another one to each user");
  if (options.schema.size() > limits::identifier_bytes_max)
    return invalid_argument("the schema name is longer than 63 bytes, which PostgreSQL would cut");
  if (options.pool.connections_max == 0 || options.pool.connections_min > options.pool.connections_max)
    return invalid_argument("the pool needs 1 <= connections_max and connections_min <= connections_max");
  if (options.connect_timeout_ms <= 0) return invalid_argument("connect_timeout_ms is not positive");
  // libpq takes C strings: what follows a NUL would silently be another name.
  for (const std::string* text :
       {&options.host, &options.database, &options.user, &options.schema, &options.application_name})
    if (text->find('\0') != std::string::npos) return invalid_argument("a connection option contains a NUL byte");
  if (options.password.reveal().find('\0') != std::string_view::npos)  // to look, not to keep
    return invalid_argument("the password contains a NUL byte");
  return {};
}

Result<PostgresOptions> parse_postgres_url(std::string_view text) {
  LOAM_TRY(Url url, parse_url(text));
  if (url.scheme != "postgresql" && url.scheme != "postgres")
    return invalid_argument("the URL's scheme is \"" + url.scheme + "\", not postgresql");
  if (!url.fragment.empty())
    return invalid_argument("the URL has a fragment (#..), which means nothing here").hint("write # as %23");

  PostgresOptions options;
  if (!url.host.empty()) options.host = url.host;
  if (url.port) options.port = *url.port;
  if (url.path.size() > 1) options.database = url.path.substr(url.path.front() == '/' ? 1 : 0);
  options.user = url.user;
  options.password = url.password;
  for (const auto& [key, value] : url.query) LOAM_TRY(read_option(options, key, value));
  LOAM_TRY(postgres::check_options(options));
  return options;
}

}  // namespace loam

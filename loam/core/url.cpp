#include "loam/core/url.hpp"

#include <algorithm>
#include <charconv>

namespace loam {
namespace {

constexpr std::size_t url_bytes_max = 4096;

Error bad_part(std::string_view part, std::string_view why) {
  return invalid_argument("the URL's " + std::string(part) + " " + std::string(why))
      .hint("the form is scheme://user:password@host:port/path?key=value; other characters as %XX");
}

Result<std::string> decode_part(std::string_view part, std::string_view text) {
  Result<std::string> decoded = percent_decode(text);
  if (!decoded.ok()) return bad_part(part, "has a % that is not followed by two hexadecimal digits, or a NUL");
  return decoded;
}

/// Cuts `text` at the first `mark`; what follows it is returned.
std::optional<std::string_view> cut(std::string_view& text, char mark) {
  auto at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = text.substr(at + 1);
  text = text.substr(0, at);
  return rest;
}

bool is_scheme(std::string_view text) {
  if (text.empty() || !((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z'))) return false;
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
}

Result<void> read_user(Url& url, std::string_view text) {
  auto password = cut(text, ':');
  LOAM_TRY(url.user, decode_part("user", text));
  if (password) {
    LOAM_TRY(std::string plain, decode_part("password", *password));
    url.password = Secret(std::move(plain));
  }
  return {};
}

Result<void> read_port(Url& url, std::string_view text) {
  if (text.empty()) return {};
  int port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port < 1 || port > 65535)
    return bad_part("port", "is not a number from 1 to 65535");
  url.port = port;
  return {};
}

Result<void> read_host(Url& url, std::string_view text) {
  if (!text.empty() && text.front() == '[') {
    auto close = text.find(']');
    if (close == std::string_view::npos) return bad_part("host", "has a '[' without its ']'");
    url.host = text.substr(1, close - 1);
    text.remove_prefix(close + 1);
    if (text.empty()) return {};
    if (text.front() != ':') return bad_part("host", "is followed by something that is not a port");
    return read_port(url, text.substr(1));
  }
  auto port = cut(text, ':');
  LOAM_TRY(url.host, decode_part("host", text));
  return port ? read_port(url, *port) : Result<void>();
}

Result<void> read_query(Url& url, std::string_view text) {
  for (int number = 1; !text.empty(); ++number) {
    std::string_view pair = text;
    auto rest = cut(pair, '&');
    text = rest.value_or(std::string_view());
    std::string part = "query parameter " + std::to_string(number);
    auto value = cut(pair, '=');
    if (pair.empty() || !value) return bad_part(part, "is not of the form key=value");
    LOAM_TRY(std::string key, decode_part(part, pair));
    if (url.parameter(key) != nullptr) return bad_part(part, "is given twice (" + key + ")");
    LOAM_TRY(std::string decoded, decode_part(part, *value));
    url.query.emplace_back(std::move(key), std::move(decoded));
  }
  return {};
}

Result<void> read_authority(Url& url, std::string_view& rest) {
  rest.remove_prefix(2);
  auto slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  rest.remove_prefix(slash);
  // The last '@': a password pasted unescaped must not end up in the host, and so in messages.
  if (auto at = authority.rfind('@'); at != std::string_view::npos) {
    LOAM_TRY(read_user(url, authority.substr(0, at)));
    authority.remove_prefix(at + 1);
  }
  return read_host(url, authority);
}

}  // namespace

const std::string* Url::parameter(std::string_view key) const {
  auto found = std::find_if(query.begin(), query.end(), [&](const auto& pair) { return pair.first == key; });
  return found == query.end() ? nullptr : &found->second;
}

Result<std::string> percent_decode(std::string_view text) {
  auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      int high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
      int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return invalid_argument("a % is not followed by two hexadecimal digits");
      c = static_cast<char>(high << 4 | low);
      i += 2;
    }
    if (c == '\0') return invalid_argument("a NUL byte is not allowed");
    decoded += c;
  }
  return decoded;
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > url_bytes_max) return invalid_argument("the URL is longer than 4096 bytes");
  Url url;
  auto colon = text.find(':');
  if (colon == std::string_view::npos || !is_scheme(text.substr(0, colon)))
    return bad_part("scheme", "is missing: it is what stands before the first ':'");
  for (char c : text.substr(0, colon)) url.scheme += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);

  std::string_view rest = text.substr(colon + 1);
  auto fragment = cut(rest, '#');
  auto query = cut(rest, '?');
  if (rest.starts_with("//")) LOAM_TRY(read_authority(url, rest));
  LOAM_TRY(url.path, decode_part("path", rest));
  if (query) LOAM_TRY(read_query(url, *query));
  if (fragment) {
    LOAM_TRY(url.fragment, decode_part("fragment", *fragment));
  }
  return url;
}

std::string redacted(const Url& url) {
  std::string text = url.scheme + ":";
  if (!url.host.empty() || !url.user.empty()) {
    text += "//";
    if (!url.user.empty()) text += url.user + (url.password.empty() ? "@" : ":***@");
    text += url.host.find(':') == std::string::npos ? url.host : '[' + url.host + ']';
    if (url.port) text += ':' + std::to_string(*url.port);
  }
  return text + url.path;
}

std::string redacted(std::string_view text) {
  auto scheme = text.find("://");
  auto at = text.rfind('@');
  if (scheme == std::string_view::npos || at == std::string_view::npos || at < scheme) return std::string(text);
  return std::string(text.substr(0, scheme + 3)) + "***" + std::string(text.substr(at));
}

}  // namespace loam

#include "apps/loam/errors.hpp"

#include "apps/loam/json_writer.hpp"
#include "apps/loam/text_layout.hpp"

namespace loam::cli {
namespace {

/// Frames and native text belong to the message; the hint has a line of its own.
std::string message_of(const Error& error) {
  std::string text;
  for (auto frame = error.frames().rbegin(); frame != error.frames().rend(); ++frame) {
    text += frame->operation;
    if (!frame->resource.empty()) text += " \"" + frame->resource + "\"";
    if (!frame->adapter.empty()) text += " on " + frame->adapter;
    text += ": ";
  }
  text += error.message();
  if (const NativeError* native = error.native()) text += " [" + native->system + " " + native->code + "]";
  return text;
}

}  // namespace

std::string render_error(const Error& error, const Terminal& terminal) {
  std::string text = terminal.styled("1;31", "error:") + " " + std::string(to_string(error.code())) + ": " +
                     escape_control(message_of(error), KeepLines::yes);
  if (error.outcome() == Outcome::unknown) text += " (outcome unknown: it may be stored; look before trying again)";
  text += "\n";
  if (!error.hint().empty())
    text += terminal.styled("1", "hint:") + " " + escape_control(error.hint(), KeepLines::yes) + "\n";
  return text;
}

std::string render_error_json(const Error& error) {
  JsonWriter json;
  json.begin_object().key("error").begin_object();
  json.key("code").string(to_string(error.code()));
  json.key("message").string(message_of(error));
  json.key("hint").string(error.hint());
  json.key("outcome").string(to_string(error.outcome()));
  json.end_object().end_object();
  return json.take() + "\n";
}

}  // namespace loam::cli

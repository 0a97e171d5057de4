// What the readers of the user's JSON files share.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace bittern::convert {

inline runtime::Result<nlohmann::json> ParseObject(std::string_view text,
                                                   const std::string& source) {
  nlohmann::json object =
      nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (object.is_object()) return object;
  return runtime::InvalidArgument(
      source + ": got text that is no JSON object, expected {...}");
}

inline runtime::Error WrongValue(const std::string& source,
                                 const std::string& key,
                                 const nlohmann::json& value,
                                 const std::string& expected) {
  constexpr size_t kShown = 40;  // characters of the value
  std::string got =
      value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (got.size() > kShown) got = got.substr(0, kShown) + "...";
  return runtime::InvalidArgument(fmt::format(
      "{}: key '{}': got {}, expected {}", source, key, got, expected));
}

}  // namespace bittern::convert

// Sessions of small models that keep their intermediates.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <utility>

#include "runtime/exec/session.h"
#include "tests/runtime/model/model_builder.h"

namespace bittern::test {

inline std::unique_ptr<runtime::Session> OpenKeeping(ModelBuilder& builder) {
  runtime::SessionOptions options;
  options.keep_intermediates = true;
  auto session = runtime::Session::Create(builder.Make(), options);
  REQUIRE(session.ok());
  REQUIRE(session.value()->Prepare().ok());
  return std::move(session).value();
}

}  // namespace bittern::test

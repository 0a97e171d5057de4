// A session of a model under test: opened, fed, run and read, each of which
// must succeed.
#pragma once

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/exec/session.h"

namespace bittern::test {

using runtime::Result;
using runtime::Session;

inline std::unique_ptr<Session> Open(
    std::shared_ptr<const runtime::Model> model,
    const runtime::SessionOptions& options = {}) {
  auto session = Session::Create(std::move(model), options);
  REQUIRE(session.ok());
  const Result<void> prepared = session.value()->Prepare();
  INFO(prepared.error().message);
  REQUIRE(prepared.ok());
  return std::move(session).value();
}

template <class T>
void Write(Session& session, size_t input, const std::vector<T>& values) {
  const runtime::TensorView view = session.Input(input).value();
  REQUIRE(ByteSize(*view.type) == values.size() * sizeof(T));
  if (!values.empty())
    std::memcpy(view.data, values.data(), values.size() * sizeof(T));
}

template <class T>
std::vector<T> Read(Session& session, size_t output) {
  const auto view = session.Output(output);
  INFO(view.error().message);
  REQUIRE(view.ok());
  const auto* data = static_cast<const T*>(view.value().data);
  return {data, data + view.value().type->shape.Elements()};
}

inline void Run(Session& session) {
  const Result<void> run = session.Run();
  INFO(run.error().message);
  REQUIRE(run.ok());
}

// What a run fails with; it leaves no outputs.
inline std::string RunError(Session& session) {
  const Result<void> run = session.Run();
  REQUIRE_FALSE(run.ok());
  CHECK(session.Output(0).error().code == runtime::Code::kInvalidState);
  return run.error().message;
}

}  // namespace bittern::test

// A graph from its text, for the tests of the IR.
#pragma once

#include <catch2/catch.hpp>
#include <string_view>
#include <utility>

#include "converter/ir/parse.h"

namespace bittern::test {

// Requires that the text is right.
inline convert::Graph GraphOf(std::string_view text) {
  runtime::Result<convert::Graph> graph = convert::ParseGraph(text);
  if (!graph.ok()) FAIL(graph.error().message);
  return std::move(graph).value();
}

// The value of that name; requires that it exists.
inline convert::ValueId ValueNamed(const convert::Graph& graph,
                                   std::string_view name) {
  for (size_t i = 0; i < graph.values().size(); ++i) {
    if (graph.values()[i].name == name) return static_cast<convert::ValueId>(i);
  }
  FAIL("no value " << name);
  return convert::kNone;
}

}  // namespace bittern::test

// Einsum: joins, diagonals, broadcasting, and equations that mean nothing.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Floats = std::vector<float>;

OnnxModel Model(const std::string& equation) {
  OnnxModel model(12);
  model.Input("x", {2, 2}).Floats("b", {2, 2}, {1, 0, 2, 1}).Output("y");
  SetString(model.Node("Einsum", {"x", "b"}, {"y"}), "equation", equation);
  return model;
}

Floats Result(const std::string& equation) {
  return Model(equation).Run({FloatArray({2, 2}, {1, 2, 3, 4})})[0].As<float>();
}

TEST_CASE("equations of two matrices", "[onnx]") {
  CHECK(Result("ij,jk->ik") == Floats{5, 2, 11, 4});
  CHECK(Result("ij,jk") == Floats{5, 2, 11, 4});
  CHECK(Result("ij,jk->ki") == Floats{5, 11, 2, 4});
  CHECK(Result("ij,ij->") == Floats{11});
  CHECK(Result("ii,jj->ij") == Floats{1, 1, 4, 4});
  CHECK(Result("...i,...i->...") == Floats{1, 10});
  CHECK(Result("ij,kl->i") == Floats{12, 28});
}

TEST_CASE("equations that mean nothing", "[onnx]") {
  CHECK(Model("ij,jk->il").ErrorText().find("repeats or invents a label") !=
        std::string::npos);
  CHECK(Model("ij").ErrorText().find("fewer terms than inputs") !=
        std::string::npos);
  CHECK(Model("ijk,jk->i").ErrorText().find("expected 3 dimensions") !=
        std::string::npos);
  CHECK(Model("i?,jk->i").ErrorText().find("equation has '?'") !=
        std::string::npos);
}

}  // namespace
}  // namespace bittern::test

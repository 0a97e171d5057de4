// Codes get the name of the value they stand for, unless it is still there.
#include "converter/lower/code_names.h"

#include <catch2/catch.hpp>

namespace bittern::convert {
namespace {

runtime::TensorDef Codes(const char* name) {
  runtime::CodeType code;
  code.encoding = runtime::Encoding::kSign;
  code.bits = 1;
  return {name, {runtime::DType::kCode, {2, 8}, code}, nullptr};
}

runtime::TensorDef Floats(const char* name) {
  return {name, {runtime::DType::kF32, {2, 8}, {}}, nullptr};
}

TEST_CASE("codes take the name of a value that is gone") {
  runtime::ModelDef def;
  def.tensors = {Codes("a.codes"),  Codes("b.codes"), Floats("b"),
                 Floats("c.codes"), Codes("d"),       Codes("a.codes.codes")};
  NameCodes(&def);
  CHECK(def.tensors[0].name == "a");
  CHECK(def.tensors[1].name == "b.codes");  // "b" is taken
  CHECK(def.tensors[2].name == "b");
  CHECK(def.tensors[3].name == "c.codes");  // no codes
  CHECK(def.tensors[4].name == "d");
}

TEST_CASE("constants are numbered, and no name is taken twice") {
  runtime::ModelDef def;
  def.tensors = {Floats("w"), Floats("#1"), Floats("x"), Floats("v")};
  const float data = 0;
  def.tensors[0].data = def.tensors[2].data = def.tensors[3].data = &data;
  NameConstants(&def);
  CHECK(def.tensors[0].name == "#0");
  CHECK(def.tensors[1].name == "#1");
  CHECK(def.tensors[2].name == "#2");
  CHECK(def.tensors[3].name == "#3");
}

}  // namespace
}  // namespace bittern::convert

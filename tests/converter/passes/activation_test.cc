// What stands in front of a product.
#include "converter/passes/activation.h"

#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "tests/converter/ir/graph_of.h"

namespace bittern::convert {
namespace {

using Kind = Activation::Kind;

Activation Of(const std::string& body) {
  Graph graph = test::GraphOf(
      "input %x: f32[2,4]\ninput %run: f32[1]\ninput %rows: f32[2,1]\n"
      "const %a: f32[1] = {0.5}\nconst %z: f32[1] = {3.0}\n"
      "const %half: f32[1] = {0.5}\nconst %c: f32[4] = {1.0, 2.0, 3.0, 4.0}\n" +
      body);
  REQUIRE(InferTypes(graph).ok());
  return ActivationOf(graph, test::ValueNamed(graph, "y"));
}

std::string Bytes(const std::string& quantise, const std::string& dequantise,
                  const std::string& per) {
  return "%q = Quantize(%x, " + quantise + ") lo=-3 hi=7 name=\"q\" per=\"" +
         per + "\"\n%y = Dequantize(%q, " + dequantise + ") name=\"y\" per=\"" +
         per + "\"\n";
}

TEST_CASE("signs") {
  const Activation plain =
      Of("%s = Binarize(%x) name=\"s\"\n%y = Dequantize(%s) name=\"y\"\n");
  CHECK(plain.kind == Kind::kTensor);
  CHECK(plain.text == "1 bit sign {-1,0,1}");
  const Activation affine =
      Of("%s = Binarize(%x, %a, %z) name=\"s\"\n"
         "%y = Dequantize(%s, %a, %z) name=\"y\"\n");
  CHECK(affine.kind == Kind::kTensor);
  CHECK(affine.scale[0] == 0.5f);
  CHECK(affine.zero[0] == 3.0f);
  CHECK(affine.text == "1 bit affine");
  CHECK(Of("%s = Binarize(%x) group=2 name=\"s\"\n"
           "%y = Dequantize(%s) name=\"y\"\n")
            .kind == Kind::kFloat);
}

TEST_CASE("bytes of one scale, with the range of their quantiser") {
  const Activation a = Of(Bytes("%a, %z", "%a, %z", "tensor"));
  CHECK(a.kind == Kind::kTensor);
  CHECK(a.range.lo == -3);
  CHECK(a.range.hi == 7);
  CHECK(a.text == "4 bit signed");
  CHECK(Of(Bytes("%a", "%a, %half", "tensor")).kind == Kind::kFloat);
}

TEST_CASE("a scale for each column, for each row, and made at run time") {
  const Activation column = Of(Bytes("%c", "%c", "column"));
  CHECK(column.kind == Kind::kColumn);
  CHECK(column.zero == std::vector<float>(4, 0.0f));
  const Activation row = Of(Bytes("%rows", "%rows", "row"));
  CHECK(row.kind == Kind::kRow);
  CHECK(row.row_zero == kNone);
  CHECK(row.text == "4 bit signed dynamic row");
  const Activation run = Of(Bytes("%run", "%run, %z", "tensor"));
  CHECK(run.kind == Kind::kRow);
  CHECK(run.row_zero != kNone);
  CHECK(Of(Bytes("%run", "%run, %half", "tensor")).kind == Kind::kFloat);
}

TEST_CASE("a factor for each column joins the scale") {
  const std::string codes =
      "%q = Quantize(%x, %a, %z) lo=0 hi=7 name=\"q\" per=\"tensor\"\n"
      "%d = Dequantize(%q, %a, %z) name=\"d\" per=\"tensor\"\n";
  const Activation a = Of(codes + "%y = Mul(%c, %d) name=\"y\"\n");
  CHECK(a.kind == Kind::kColumn);
  CHECK(a.scale == std::vector<float>{0.5f, 1.0f, 1.5f, 2.0f});
  CHECK(a.zero == std::vector<float>(4, 3.0f));
  CHECK(a.text == "3 bit unsigned columns");
  CHECK(Of(codes + "%y = Mul(%x, %d) name=\"y\"\n").kind == Kind::kFloat);
}

TEST_CASE("signs with levels for each column") {
  const std::string codes =
      "const %k: f32[1,4] = {0.0, -1.0, 0.5, 2.0}\n"
      "%s = Binarize(%x) name=\"s\"\n%d = Dequantize(%s) name=\"d\"\n";
  const Activation scaled = Of(codes + "%y = Mul(%d, %c) name=\"y\"\n");
  CHECK(scaled.kind == Kind::kColumn);
  CHECK(scaled.scale == std::vector<float>{1.0f, 2.0f, 3.0f, 4.0f});
  CHECK(scaled.zero == std::vector<float>(4, 0.0f));
  CHECK(scaled.range.lo == -1);
  CHECK(scaled.text == "1 bit affine columns");
  const Activation affine =
      Of(codes + "%e = Sub(%d, %k) name=\"e\"\n%y = Mul(%c, %e) name=\"y\"\n");
  CHECK(affine.kind == Kind::kColumn);
  CHECK(affine.zero == std::vector<float>{0.0f, -1.0f, 0.5f, 2.0f});
  const Activation shifted = Of(codes + "%y = Sub(%d, %k) name=\"y\"\n");
  CHECK(shifted.kind == Kind::kColumn);
  CHECK(shifted.scale == std::vector<float>(4, 1.0f));
  // Numbers less codes, and what is neither one for the tensor nor the column.
  CHECK(Of(codes + "%y = Sub(%k, %d) name=\"y\"\n").kind == Kind::kFloat);
  CHECK(Of(codes + "const %r: f32[2,1] = {1.0, 2.0}\n"
                   "%y = Mul(%d, %r) name=\"y\"\n")
            .kind == Kind::kRow);
  CHECK(Of("%s = Binarize(%x) group=2 name=\"s\"\n"
           "%d = Dequantize(%s) name=\"d\"\n"
           "%y = Mul(%d, %c) name=\"y\"\n")
            .kind == Kind::kFloat);
}

TEST_CASE("signs with a scale for each row") {
  const std::string codes =
      "%s = Binarize(%x) name=\"s\"\n%d = Dequantize(%s) name=\"d\"\n";
  for (const char* product : {"%rows, %d", "%d, %rows"}) {
    const Activation a = Of(codes + "%y = Mul(" + product + ") name=\"y\"\n");
    CHECK(a.kind == Kind::kRow);
    CHECK(a.row_scale != kNone);
    CHECK(a.text == "1 bit dynamic row");
  }
  CHECK(Of(codes + "%y = Mul(%run, %d) name=\"y\"\n").kind == Kind::kFloat);
  CHECK(Of(codes + "%y = Mul(%x, %d) name=\"y\"\n").kind == Kind::kFloat);
}

TEST_CASE("equal levels of signs are one for the tensor") {
  const std::string codes =
      "const %two: f32[4] = {2.0, 2.0, 2.0, 2.0}\n"
      "const %odd: f32[4] = {0.5, 0.5, 0.5, 0.5}\n"
      "%s = Binarize(%x) name=\"s\"\n%d = Dequantize(%s) name=\"d\"\n";
  const Activation a = Of(
      codes + "%e = Sub(%d, %two) name=\"e\"\n%y = Mul(%e, %a) name=\"y\"\n");
  CHECK(a.kind == Kind::kTensor);
  CHECK(a.scale == std::vector<float>{0.5f});
  CHECK(a.zero == std::vector<float>{2.0f});
  CHECK(a.text == "1 bit affine");
  CHECK(Of(codes + "%y = Sub(%d, %odd) name=\"y\"\n").kind == Kind::kColumn);
}

TEST_CASE("floats") {
  const Activation a = Of("%y = Relu(%x) name=\"y\"\n");
  CHECK(a.kind == Kind::kFloat);
  CHECK(a.text == "f32");
}

}  // namespace
}  // namespace bittern::convert

// The table of operators: complete, without doubles, and helpful.
#include "converter/onnx/handlers.h"

#include <catch2/catch.hpp>
#include <set>

namespace bittern::test {
namespace {

using convert::FindHandler;
using convert::NearestOp;

TEST_CASE("every line of handlers.inc is found once", "[onnx]") {
  std::set<std::pair<std::string, std::string>> seen;
#define BITTERN_ONNX_HANDLER(domain, op, function)       \
  CHECK(FindHandler(domain, #op) == &convert::function); \
  CHECK(seen.emplace(domain, #op).second);
#include "converter/onnx/handlers.inc"
#undef BITTERN_ONNX_HANDLER
  CHECK(seen.size() > 80);
}

TEST_CASE("domains", "[onnx]") {
  CHECK(FindHandler("ai.onnx", "Add") == FindHandler("", "Add"));
  CHECK(FindHandler("com.microsoft", "Add") == nullptr);
  CHECK(FindHandler("", "QuickGelu") == nullptr);
  CHECK(FindHandler("", "add") == nullptr);
}

TEST_CASE("the nearest name", "[onnx]") {
  CHECK(NearestOp("", "Matmul") == "MatMul");
  CHECK(NearestOp("ai.onnx", "SoftMax") == "Softmax");
  CHECK(NearestOp("com.microsoft", "FastGelus") == "FastGelu");
  CHECK(NearestOp("unknown.domain", "Rezhape") == "Reshape");
  CHECK(NearestOp("", "LSTM").empty());  // Sum is no help
  CHECK(NearestOp("", std::string(100000, 'x')).empty());
  CHECK(NearestOp("", "").empty());
}

}  // namespace
}  // namespace bittern::test

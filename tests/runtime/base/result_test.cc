#include "runtime/base/result.h"

#include <catch2/catch.hpp>
#include <memory>

namespace bittern::runtime {
namespace {

Result<int> Half(int x) {
  if (x % 2 != 0)
    return InvalidArgument("number: got " + std::to_string(x) +
                           ", expected an even one");
  return x / 2;
}

Result<int> Quarter(int x) {
  BITTERN_TRY_ASSIGN(const int half, Half(x));
  BITTERN_TRY_ASSIGN(const int quarter, Half(half));
  return quarter;
}

Result<void> CheckQuarter(int x) {
  BITTERN_TRY(Quarter(x));
  return {};
}

TEST_CASE("a result is a value or an error") {
  CHECK(Half(6).ok());
  CHECK(Half(6).value() == 3);
  const Result<int> odd = Half(7);
  REQUIRE_FALSE(odd.ok());
  CHECK(odd.error().code == Code::kInvalidArgument);
  CHECK(odd.error().message == "number: got 7, expected an even one");
}

TEST_CASE("the macros hand errors up and values down") {
  CHECK(Quarter(12).value() == 3);
  CHECK(Quarter(6).error().message == "number: got 3, expected an even one");
  CHECK(CheckQuarter(12).ok());
  CHECK(CheckQuarter(3).error().code == Code::kInvalidArgument);
}

TEST_CASE("a value that only moves can be taken out") {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(5));
  const std::unique_ptr<int> taken = std::move(result).value();
  CHECK(*taken == 5);
}

}  // namespace
}  // namespace bittern::runtime

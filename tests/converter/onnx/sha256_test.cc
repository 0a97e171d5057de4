// The published test vectors of SHA-256, and every length around a block.
#include "converter/onnx/sha256.h"

#include <catch2/catch.hpp>

namespace bittern::test {
namespace {

std::string Hash(const std::string& text) {
  return convert::Sha256Hex(text.data(), text.size());
}

TEST_CASE("sha256 of the published vectors", "[onnx]") {
  CHECK(Hash("") ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Hash("abc") ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(Hash(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sha256 pads each length around a block", "[onnx]") {
  // Chained over the lengths 0 to 199; the expected value is that of an
  // independent implementation (coreutils).
  std::string digests;
  for (size_t length = 0; length < 200; ++length) {
    digests += Hash(std::string(length, 'x'));
  }
  CHECK(Hash(digests) ==
        "f61ffcc417e1f0e59eba2da7fa32fbe05b64e478b68c6bacf990455f00248b98");
}

}  // namespace
}  // namespace bittern::test

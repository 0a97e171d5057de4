// Runs a fuzz target on the files given and on every file of the directories
// given, on each file cut in half, and on copies with a few bytes changed (the
// same ones at every run): a regression test where there is no fuzzer.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "tests/support/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kCopies = 200;

void Feed(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()),
                         bytes.size());
}

void FeedDamagedCopies(const std::string& bytes) {
  bittern::test::Random random(bytes.size());
  for (int copy = 0; copy < kCopies && !bytes.empty(); ++copy) {
    std::string damaged = bytes;
    for (size_t change = random.Below(4) + 1; change > 0; --change) {
      damaged[random.Below(damaged.size())] = static_cast<char>(random.Next());
    }
    Feed(damaged);
  }
}

void Replay(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  Feed(bytes);
  Feed(bytes.substr(0, bytes.size() / 2));
  FeedDamagedCopies(bytes);
}

}  // namespace

int main(int argc, char** argv) {
  size_t files = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::filesystem::is_regular_file(argv[i])) {
      Replay(argv[i]);
      ++files;
      continue;
    }
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      Replay(entry.path());
      ++files;
    }
  }
  std::cout << files << " files replayed\n";
  return files == 0 ? 1 : 0;
}

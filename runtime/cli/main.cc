// The `bittern` tool: parses the command line, runs one command, turns its
// result into an exit code. 0 done; 1 a named failure (one line on stderr); 2
// wrong usage.
#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <new>

#include "bittern/bittern.h"
#include "runtime/cli/command.h"

namespace bittern::cli {
namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;

std::string Version() {
  return fmt::format("bittern {}.{}.{}", BITTERN_VERSION_MAJOR,
                     BITTERN_VERSION_MINOR, BITTERN_VERSION_PATCH);
}

int Main(int argc, char** argv) {
  CLI::App app{
      "Runs networks trained at 1 to 8 bits on CPUs: converts ONNX to a packed "
      "file, runs it, measures it.",
      "bittern"};
  app.set_version_flag("--version", Version());
  app.require_subcommand(1);
  app.footer("Each command has its own help: bittern run --help");
  Outcome outcome;
#ifdef BITTERN_HAS_CONVERTER
  AddConvert(app, &outcome);
  AddCompare(app, &outcome);
#endif
  AddRun(app, &outcome);
  AddBench(app, &outcome);
  AddInspect(app, &outcome);
  AddCpu(app, &outcome);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  if (outcome.ok()) return 0;
  fmt::print(stderr, "bittern: {}\n", outcome.error().message);
  return kFailure;
}

}  // namespace
}  // namespace bittern::cli

int main(int argc, char** argv) {
  try {
    return bittern::cli::Main(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("bittern: out of memory\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bittern: internal error: %s\n", error.what());
  }
  return 1;
}

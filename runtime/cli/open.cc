#include "runtime/cli/open.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

#include "kernels/base/cpu.h"

namespace bittern::cli {

using runtime::InvalidArgument;
using runtime::Model;
using runtime::NotFound;
using runtime::Result;
using runtime::Session;
using runtime::SessionOptions;
using runtime::Shape;
using runtime::Unsupported;

void AddRunOptions(CLI::App& command, RunOptions* options) {
  command.add_option("--threads", options->threads, "Number of threads")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  command.add_option("--target", options->target,
                     fmt::format("Cap on the instructions used: {}",
                                 fmt::join(kernels::TargetNames(), ", ")));
  command.add_option("--shape", options->shapes,
                     "NAME=1,3,224,224: shape of a dynamic input");
}

Result<std::pair<std::string, Shape>> ParseShapeOption(
    const std::string& text) {
  const auto bad = [&] {
    return InvalidArgument(fmt::format(
        "--shape '{}': expected NAME=1,3,224,224 with sizes of at least 1",
        text));
  };
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0) return bad();
  Shape shape;
  const char* at = text.data() + equals + 1;
  const char* end = text.data() + text.size();
  while (at < end) {
    int64_t dim = 0;
    const auto [next, error] = std::from_chars(at, end, dim);
    if (error != std::errc() || dim < 1 || shape.rank() == runtime::kMaxRank)
      return bad();
    shape.Append(dim);
    if (next == end) return std::pair(text.substr(0, equals), shape);
    if (*next != ',') return bad();
    at = next + 1;
  }
  return bad();
}

Result<size_t> FindInput(const Model& model, const std::string& name) {
  std::vector<std::string> names;
  for (int32_t input : model.def().inputs) {
    names.push_back(model.def().tensors[static_cast<size_t>(input)].name);
    if (names.back() == name) return names.size() - 1;
  }
  return NotFound(fmt::format("no input '{}', expected one of: {}", name,
                              fmt::join(names, ", ")));
}

Result<std::unique_ptr<Session>> OpenSession(std::shared_ptr<const Model> model,
                                             const RunOptions& options,
                                             SessionOptions session_options) {
  const kernels::CpuFeatures& cpu = kernels::DetectCpu();
  session_options.threads = options.threads;
  session_options.cpu = cpu;
  if (!options.target.empty() &&
      !kernels::CapCpu(cpu, options.target, &session_options.cpu)) {
    return Unsupported(fmt::format(
        "--target '{}': not available on this CPU, expected one of: {}",
        options.target, fmt::join(kernels::TargetNames(), ", ")));
  }
  const auto& def = model->def();
  BITTERN_TRY_ASSIGN(std::unique_ptr<Session> session,
                     Session::Create(model, session_options));
  for (size_t i = 0; i < def.inputs.size(); ++i) {
    Shape shape = def.tensors[static_cast<size_t>(def.inputs[i])].type.shape;
    if (shape.IsStatic()) continue;
    for (size_t d = 0; d < shape.rank(); ++d)
      shape[d] = shape[d] < 0 ? 1 : shape[d];
    BITTERN_TRY(session->SetInputShape(i, shape));
  }
  for (const std::string& text : options.shapes) {
    BITTERN_TRY_ASSIGN(const auto named, ParseShapeOption(text));
    BITTERN_TRY_ASSIGN(const size_t input, FindInput(*model, named.first));
    BITTERN_TRY(session->SetInputShape(input, named.second));
  }
  BITTERN_TRY(session->Prepare());
  return session;
}

runtime::Result<void> FillInputs(runtime::Session& session) {
  uint32_t state = 1;
  for (size_t i = 0; i < session.model().def().inputs.size(); ++i) {
    BITTERN_TRY_ASSIGN(const runtime::TensorView view, session.Input(i));
    if (view.type->dtype != runtime::DType::kF32) continue;
    auto* values = static_cast<float*>(view.data);
    for (int64_t e = 0; e < view.type->shape.Elements(); ++e) {
      state = state * 1664525u + 1013904223u;
      values[e] = static_cast<float>(static_cast<int32_t>(state)) * 0x1p-31f;
    }
  }
  return {};
}

}  // namespace bittern::cli

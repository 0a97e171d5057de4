#include "tests/converter/ir/run_graph.h"

#include <memory>
#include <utility>

#include "converter/ir/evaluate.h"
#include "runtime/exec/session.h"

namespace bittern::test {
namespace {

using runtime::Result;

// Copies inputs in, runs, copies outputs out.
Result<std::vector<Array>> RunSession(runtime::Session& session,
                                      const std::vector<Array>& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    BITTERN_TRY(session.SetInputShape(i, inputs[i].type.shape));
  }
  BITTERN_TRY(session.Prepare());
  for (size_t i = 0; i < inputs.size(); ++i) {
    BITTERN_TRY_ASSIGN(const runtime::TensorView view, session.Input(i));
    if (inputs[i].bytes.size() != runtime::ByteSize(*view.type)) {
      return runtime::InvalidArgument("input has the wrong size");
    }
    if (!inputs[i].bytes.empty()) {
      std::memcpy(view.data, inputs[i].bytes.data(), inputs[i].bytes.size());
    }
  }
  BITTERN_TRY(session.Run());
  std::vector<Array> outputs;
  const runtime::ModelDef& def = session.model().def();
  for (size_t i = 0; i < def.outputs.size(); ++i) {
    BITTERN_TRY_ASSIGN(const runtime::TensorView view, session.Output(i));
    const auto tensor = static_cast<size_t>(def.outputs[i]);
    Array& output = outputs.emplace_back();
    output.name = def.tensors[tensor].name;
    output.type = *view.type;
    output.bytes.resize(runtime::ByteSize(*view.type));
    if (!output.bytes.empty()) {
      std::memcpy(output.bytes.data(), view.data, output.bytes.size());
    }
  }
  return outputs;
}

}  // namespace

Result<std::vector<Array>> RunGraph(const convert::Graph& graph,
                                    const std::vector<Array>& inputs) {
  auto kept = std::make_shared<std::vector<convert::ConstantData>>();
  BITTERN_TRY_ASSIGN(runtime::ModelDef def, ToModelDef(graph, kept.get()));
  BITTERN_TRY_ASSIGN(
      std::shared_ptr<const runtime::Model> model,
      runtime::Model::Make(std::move(def), std::shared_ptr<const void>(kept)));
  return RunModel(std::move(model), inputs);
}

Result<std::vector<Array>> RunModel(std::shared_ptr<const runtime::Model> model,
                                    const std::vector<Array>& inputs) {
  BITTERN_TRY_ASSIGN(std::unique_ptr<runtime::Session> session,
                     runtime::Session::Create(std::move(model), {}));
  return RunSession(*session, inputs);
}

}  // namespace bittern::test

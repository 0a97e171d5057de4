#include "converter/lower/open_batch.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "converter/ir/evaluate.h"
#include "runtime/exec/session.h"

namespace bittern::convert {
namespace {

constexpr size_t kNoAxis = SIZE_MAX;
constexpr int64_t kTrial = 3;                    // samples of the trial run
constexpr size_t kTrialBytes = size_t{1} << 30;  // of its session

// `type` with the size of dimension `axis` times `factor`.
TensorType Scaled(TensorType type, size_t axis, int64_t factor) {
  if (axis != kNoAxis) type.shape[axis] *= factor;
  return type;
}

// Follows the batch through a graph of types for one sample.
class BatchFollower {
 public:
  explicit BatchFollower(const Graph& graph)
      : graph_(graph), axis_(graph.values().size(), kNoAxis) {
    for (const Value& value : graph.values())
      one_.push_back(value.type.value_or(TensorType()));
  }

  // The error says which node stands in the way.
  Result<void> Follow(const std::vector<bool>& open) {
    for (size_t i = 0; i < open.size(); ++i) {
      if (open[i]) Carry(graph_.inputs[i], 0, 2);
    }
    const size_t nodes = graph_.nodes().size();
    for (size_t i = 0; i < nodes; ++i) {
      const auto id = static_cast<NodeId>(i);
      if (!graph_.node(id).removed) BITTERN_TRY(FollowNode(id));
    }
    BITTERN_TRY(graph_.Sort());
    return CheckAt(kTrial);
  }

  // The graph with types of `samples`, or open ones (-1).
  Graph WithTypes(int64_t samples) const {
    Graph typed = graph_;
    for (size_t v = 0; v < axis_.size(); ++v) {
      if (axis_[v] == kNoAxis) continue;
      TensorType& type = *typed.value(static_cast<ValueId>(v)).type;
      if (samples > 0) {
        type = Scaled(one_[v], axis_[v], samples);
      } else {
        type.shape[axis_[v]] = -1;
      }
    }
    return typed;
  }

  size_t axis(ValueId id) const { return axis_[static_cast<size_t>(id)]; }

 private:
  const TensorType& One(ValueId id) const {
    return one_[static_cast<size_t>(id)];
  }

  void Carry(ValueId id, size_t axis, int64_t samples) {
    axis_[static_cast<size_t>(id)] = axis;
    graph_.value(id).type = Scaled(One(id), axis, samples);
  }

  // An input of the node that carries the batch.
  ValueId Carrier(const Node& node) const {
    const auto found = std::ranges::find_if(node.inputs, [&](ValueId id) {
      return id != kNone && axis(id) != kNoAxis;
    });
    return found == node.inputs.end() ? kNone : *found;
  }

  Result<void> FollowNode(NodeId id) {
    const ValueId carrier = Carrier(graph_.node(id));
    if (carrier == kNone) return {};
    const std::string op = graph_.node(id).op;
    // Sizes of one sample may hold for two in a wrong way: [1,96,-1].
    if (op == "Reshape") OpenReshape(id);
    if (Try(id)) return {};
    if (op == "Gather" && axis(carrier) == 0) {
      BITTERN_TRY(OpenGather(id));
    } else {
      BITTERN_TRY(ExpandConstants(id, carrier));
    }
    if (Try(id)) return {};
    const Node& node = graph_.node(id);
    return runtime::Unsupported(node.op + " '" + node.name +
                                "' does not keep the samples apart");
  }

  // Infers a node for two samples; true if one dimension of each output, and
  // nothing else, has doubled.
  bool Try(NodeId id) {
    const bool inferred = InferNode(graph_, id).ok();
    for (const ValueId output : graph_.node(id).outputs) {
      if (output == kNone) continue;
      const auto doubled = inferred ? Doubled(output) : std::nullopt;
      if (!doubled) {
        for (const ValueId other : graph_.node(id).outputs) {
          if (other != kNone) graph_.value(other).type = One(other);
        }
        return false;
      }
      axis_[static_cast<size_t>(output)] = *doubled;
    }
    return true;
  }

  std::optional<size_t> Doubled(ValueId id) const {
    const TensorType& type = *graph_.value(id).type;
    for (size_t axis = 0; axis < One(id).shape.rank(); ++axis) {
      if (Scaled(One(id), axis, 2) == type) return axis;
    }
    return std::nullopt;
  }

  // The dimension of the output that starts where the batch's does takes what
  // is left.
  void OpenReshape(NodeId id) {
    const Node& node = graph_.node(id);
    const size_t from = axis(node.inputs[0]);
    if (from == kNoAxis) return;
    const auto before = [](const Shape& shape, size_t axis) {
      return Shape(shape.dims().first(axis)).Elements();
    };
    const int64_t start = before(One(node.inputs[0]).shape, from);
    const Shape& out = One(node.outputs[0]).shape;
    size_t axis = 0;
    while (axis < out.rank() && before(out, axis) != start) ++axis;
    if (axis == out.rank()) return;
    const ValueId shape = OpenSizes(node.name, out, axis);
    graph_.node(id).inputs[1] = shape;
  }

  // Rows gathered by number from all samples' rows are gathered from each
  // sample's: through [samples, rows, ...].
  Result<void> OpenGather(NodeId id) {
    const Node node = graph_.node(id);
    const ValueId rows = node.inputs[0], numbers = node.inputs[1];
    const TensorType& type = One(rows);
    const auto at = node.attributes.find("axis");
    const bool first =
        at == node.attributes.end() || at->second == AttributeValue(int64_t{0});
    if (!first || !graph_.IsConstant(numbers) ||
        One(numbers).shape.rank() == 0 ||
        type.shape.rank() == runtime::kMaxRank)
      return {};
    TensorType split = type, picked = One(node.outputs[0]);
    split.shape = picked.shape = {1};
    for (const int64_t size : type.shape.dims()) split.shape.Append(size);
    for (const int64_t size : One(node.outputs[0]).shape.dims()) {
      if (picked.shape.rank() == runtime::kMaxRank) return {};
      picked.shape.Append(size);
    }
    const ValueId apart =
        Insert("Reshape", node.name, {rows, OpenSizes(node.name, split.shape)},
               {}, split);
    BITTERN_TRY(InferNode(graph_, graph_.ProducerId(apart)));
    const ValueId each = Insert("Gather", node.name, {apart, numbers},
                                {{"axis", int64_t{1}}}, picked);
    BITTERN_TRY(InferNode(graph_, graph_.ProducerId(each)));
    const ValueId sizes = OpenSizes(node.name, One(node.outputs[0]).shape);
    Node& joined = graph_.node(id);
    joined.op = "Reshape";
    joined.inputs = {each, sizes};
    joined.attributes.clear();
    return {};
  }

  // A node whose result has the batch first.
  ValueId Insert(const char* op, const std::string& name,
                 std::vector<ValueId> inputs, AttributeMap attributes,
                 const TensorType& one) {
    const ValueId id = AddSized(graph_.Emit(op, name, std::move(inputs),
                                            std::move(attributes), name, one));
    axis_[static_cast<size_t>(id)] = 0;
    return id;
  }

  // A shape with one dimension left open.
  ValueId OpenSizes(const std::string& name, const Shape& shape,
                    size_t axis = 0) {
    std::vector<int64_t> sizes(shape.dims().begin(), shape.dims().end());
    sizes[axis] = -1;
    return AddSized(graph_.AddI64(name + ".shape",
                                  {static_cast<int64_t>(sizes.size())}, sizes));
  }

  // What meets the batch with one sample of its own is repeated.
  Result<void> ExpandConstants(NodeId id, ValueId carrier) {
    const size_t batch = axis(carrier);
    const Shape& like = One(carrier).shape;
    if (like[batch] != 1) return {};
    for (size_t i = 0; i < graph_.node(id).inputs.size(); ++i) {
      const ValueId input = graph_.node(id).inputs[i];
      if (input == kNone || axis(input) != kNoAxis) continue;
      const TensorType type = One(input);
      if (type.dtype == runtime::DType::kCode ||
          type.shape.rank() != like.rank() || type.shape[batch] != 1)
        continue;
      const auto at = static_cast<int64_t>(batch);
      const std::string name = graph_.value(input).name + ".expanded";
      const ValueId expanded =
          AddSized(graph_.Emit("ExpandLike", name, {input, carrier},
                               {{"axis", at}, {"like_axis", at}}, name, type));
      BITTERN_TRY(InferNode(graph_, graph_.ProducerId(expanded)));
      axis_[static_cast<size_t>(expanded)] = batch;
      graph_.node(id).inputs[i] = expanded;
    }
    return {};
  }

  // Notes the type of a value that was just added.
  ValueId AddSized(ValueId id) {
    one_.resize(graph_.values().size());
    axis_.resize(graph_.values().size(), kNoAxis);
    one_[static_cast<size_t>(id)] = *graph_.value(id).type;
    return id;
  }

  // Types of another number of samples follow the same way.
  Result<void> CheckAt(int64_t samples) {
    for (const ValueId id : graph_.inputs) {
      if (axis(id) != kNoAxis) Carry(id, 0, samples);
    }
    BITTERN_TRY(InferTypes(graph_));
    for (size_t v = 0; v < axis_.size(); ++v) {
      const Value& value = graph_.value(static_cast<ValueId>(v));
      if (!value.type || *value.type == Scaled(one_[v], axis_[v], samples))
        continue;
      return runtime::Unsupported("'" + value.name + "' is " +
                                  runtime::ToString(*value.type) + " for " +
                                  std::to_string(samples) + " samples");
    }
    return {};
  }

  Graph graph_;
  std::vector<TensorType> one_;  // by value: its type for one sample
  std::vector<size_t> axis_;     // by value: the dimension with the batch
};

using Bytes = std::vector<uint8_t>;

// Values between -2 and 2; whole numbers are 0 or 1, which any index may be.
Bytes RandomBytes(const TensorType& type, uint32_t& state) {
  Bytes bytes(runtime::ByteSize(type));
  const auto count = static_cast<size_t>(type.shape.Elements());
  const size_t element = runtime::ElementBytes(type.dtype);
  for (size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    if (type.dtype == runtime::DType::kF32) {
      const float value =
          static_cast<float>(static_cast<int32_t>(state)) * 0x1p-30f;
      std::memcpy(bytes.data() + i * element, &value, element);
    } else {
      bytes[i * element] = static_cast<uint8_t>(state >> 31);
    }
  }
  return bytes;
}

Result<std::unique_ptr<runtime::Session>> OpenSession(const Graph& graph) {
  auto constants = std::make_shared<std::vector<ConstantData>>();
  BITTERN_TRY_ASSIGN(runtime::ModelDef def, ToModelDef(graph, constants.get()));
  BITTERN_TRY_ASSIGN(
      std::shared_ptr<const runtime::Model> model,
      runtime::Model::Make(std::move(def),
                           std::shared_ptr<const void>(constants)));
  BITTERN_TRY_ASSIGN(
      std::unique_ptr<runtime::Session> session,
      runtime::Session::Create(model, {.arena_limit_bytes = kTrialBytes}));
  BITTERN_TRY(session->Prepare());
  return session;
}

// All outputs of one run.
Result<std::vector<Bytes>> RunOn(runtime::Session& session,
                                 const std::vector<Bytes>& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    BITTERN_TRY_ASSIGN(const runtime::TensorView view, session.Input(i));
    std::memcpy(view.data, inputs[i].data(), inputs[i].size());
  }
  BITTERN_TRY(session.Run());
  std::vector<Bytes> outputs;
  for (size_t i = 0; i < session.model().def().outputs.size(); ++i) {
    BITTERN_TRY_ASSIGN(const runtime::TensorView view, session.Output(i));
    const auto* data = static_cast<const uint8_t*>(view.data);
    outputs.emplace_back(data, data + runtime::ByteSize(*view.type));
  }
  return outputs;
}

// Sample `index` of a batch of `id`, whose type for one sample is `one`.
Bytes SampleOf(const Bytes& batch, const TensorType& one, size_t axis,
               size_t index) {
  if (axis == kNoAxis) return batch;
  const size_t chunk =
      static_cast<size_t>(Shape(one.shape.dims().subspan(axis)).Elements()) *
      runtime::ElementBytes(one.dtype);
  Bytes sample;
  for (size_t at = index * chunk; at < batch.size(); at += kTrial * chunk) {
    sample.insert(sample.end(), batch.begin() + static_cast<ptrdiff_t>(at),
                  batch.begin() + static_cast<ptrdiff_t>(at + chunk));
  }
  return sample;
}

// Whether a batch of kTrial random samples gives what each gives alone.
Result<void> TryRun(const Graph& one, const BatchFollower& follower) {
  const auto sample = [&](ValueId id, const Bytes& batch, size_t index) {
    return SampleOf(batch, *one.value(id).type, follower.axis(id), index);
  };
  const Graph many = follower.WithTypes(kTrial);
  std::vector<Bytes> batch, answers;
  {
    // First of all: it refuses inputs that are too large to be made.
    BITTERN_TRY_ASSIGN(const auto session, OpenSession(many));
    uint32_t state = 1;
    for (const ValueId id : many.inputs)
      batch.push_back(RandomBytes(*many.value(id).type, state));
    BITTERN_TRY_ASSIGN(answers, RunOn(*session, batch));
  }
  BITTERN_TRY_ASSIGN(const auto session, OpenSession(one));
  for (size_t s = 0; s < kTrial; ++s) {
    std::vector<Bytes> inputs;
    for (size_t i = 0; i < batch.size(); ++i)
      inputs.push_back(sample(one.inputs[i], batch[i], s));
    BITTERN_TRY_ASSIGN(const std::vector<Bytes> expected,
                       RunOn(*session, inputs));
    for (size_t i = 0; i < expected.size(); ++i) {
      if (sample(one.outputs[i], answers[i], s) == expected[i]) continue;
      return runtime::Unsupported(
          "output '" + one.output_names[i] +
          "' of a sample depends on the other samples of its batch");
    }
  }
  return {};
}

}  // namespace

Result<void> OpenBatch(Graph& graph, const std::vector<bool>& open) {
  if (std::ranges::find(open, true) == open.end()) return {};
  const bool unknown =
      std::ranges::any_of(graph.values(),
                          [](const Value& value) {
                            return value.type && !value.type->shape.IsStatic();
                          }) ||
      std::ranges::any_of(graph.nodes(), [](const Node& node) {
        return !node.removed && !node.bodies.empty();
      });
  if (unknown) {
    graph.notes.push_back(
        "the batch is 1, not open: the graph has sizes "
        "or turns that only the run knows");
    return {};
  }
  BatchFollower follower(graph);
  Result<void> done = follower.Follow(open);
  if (done.ok()) done = TryRun(graph, follower);
  if (!done.ok()) {
    graph.notes.push_back("the batch is 1, not open: " + done.error().message);
    return {};
  }
  std::vector<std::string> notes = std::move(graph.notes);
  graph = follower.WithTypes(-1);
  graph.notes = std::move(notes);
  graph.notes.push_back("the batch is open: any number of samples");
  return {};
}

}  // namespace bittern::convert

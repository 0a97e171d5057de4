#include "tests/models/bivit/trace.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm.h"

namespace bittern::test {
namespace {

using kernels::CodePlanes;
using runtime::OpDef;
using runtime::Session;
using runtime::TensorView;

using Trace = std::map<std::string, std::string>;

CodePlanes Planes(const TensorView& view) {
  const auto rows = static_cast<size_t>(view.type->shape.Leading());
  const auto cols = static_cast<size_t>(view.type->shape.Last());
  const int64_t group = view.type->code.group;
  return kernels::ViewCodePlanes(view.data, rows, cols,
                                 group > 0 ? static_cast<size_t>(group) : cols);
}

template <class T>
std::string HashVector(const std::vector<T>& values) {
  return HashHex(values.data(), values.size() * sizeof(T));
}

std::string HashCodes(const CodePlanes& planes) {
  std::vector<int8_t> codes;
  codes.reserve(planes.rows * planes.cols);
  for (size_t r = 0; r < planes.rows; ++r) {
    for (size_t c = 0; c < planes.cols; ++c)
      codes.push_back(static_cast<int8_t>(CodeAt(planes, r, c)));
  }
  return HashVector(codes);
}

// Accumulators [m][n] of codes x weights, by the kernel that a plan would
// choose.
std::vector<int32_t> Accumulate(const CodePlanes& planes,
                                const runtime::TensorDef& weights,
                                const kernels::CpuFeatures& cpu) {
  const auto n = static_cast<size_t>(weights.type.shape[0]);
  const size_t k = planes.cols, m = planes.rows;
  constexpr kernels::GemmTypes kTypes{kernels::Operand::kBipolar,
                                      kernels::Operand::kSign};
  const kernels::GemmKernel* kernel =
      kernels::SelectGemm({kTypes, m, n, k}, cpu);
  REQUIRE(kernel != nullptr);
  auto rhs =
      runtime::AlignedBuffer::Make(kernel->packed_rhs_bytes(kTypes, n, k));
  REQUIRE(rhs.ok());
  kernel->pack_rhs({weights.data, kTypes.weights, n, k}, kTypes.activations,
                   rhs.value().data());
  kernels::GemmLhs lhs;
  lhs.planes = planes;
  auto packed = runtime::AlignedBuffer::Make(
      kernel->pack_lhs != nullptr ? kernel->packed_lhs_bytes(kTypes, m, k) : 0);
  REQUIRE(packed.ok());
  if (kernel->pack_lhs != nullptr)
    kernel->pack_lhs(kTypes, lhs, k, 0, m, packed.value().data());
  auto strip = runtime::AlignedBuffer::Make(kernel->mr * kernel->nr * 4);
  REQUIRE(strip.ok());
  std::vector<int32_t> acc(m * n);
  const auto stride = static_cast<ptrdiff_t>(kernel->nr * 4);
  for (size_t tile = 0; tile * kernel->nr < n; ++tile) {
    for (size_t row = 0; row < m; row += kernel->mr) {
      const size_t rows = std::min(kernel->mr, m - row);
      kernel->run({kTypes, &lhs, packed.value().data(), 0, rhs.value().data(),
                   k, n, row, rows, tile, strip.value().data(), stride,
                   nullptr});
      const auto* values =
          reinterpret_cast<const int32_t*>(strip.value().data());
      for (size_t r = 0; r < rows; ++r) {
        for (size_t j = 0; j < kernel->nr && tile * kernel->nr + j < n; ++j) {
          acc[(row + r) * n + tile * kernel->nr + j] =
              values[r * kernel->nr + j];
        }
      }
    }
  }
  return acc;
}

class Tracer {
 public:
  Tracer(Session& session, const kernels::CpuFeatures& cpu)
      : session_(session), def_(session.model().def()), cpu_(cpu) {}

  Trace Run() {
    int block = 0;
    for (const OpDef& op : def_.ops) {
      if (op.op == "BinaryAttention")
        Block("block" + std::to_string(block++), op);
    }
    return std::move(trace_);
  }

 private:
  TensorView View(int32_t tensor) {
    auto view = session_.Tensor(def_.tensors[static_cast<size_t>(tensor)].name);
    REQUIRE(view.ok());
    return view.value();
  }

  const OpDef& Producer(int32_t tensor) const {
    for (const OpDef& op : def_.ops) {
      if (op.outputs[0] == tensor) return op;
    }
    FAIL("tensor without a producer");
    return def_.ops[0];
  }

  // The only LowBitLinear that reads `tensor` as its codes; null if there is
  // none.
  const OpDef* Linear(int32_t tensor) const {
    for (const OpDef& op : def_.ops) {
      if (op.op == "LowBitLinear" && op.inputs[0] == tensor) return &op;
    }
    return nullptr;
  }

  std::vector<int32_t> Accumulators(const OpDef& linear) {
    return Accumulate(Planes(View(linear.inputs[0])),
                      def_.tensors[static_cast<size_t>(linear.inputs[1])],
                      cpu_);
  }

  void TraceLinear(const std::string& name, const OpDef& linear) {
    trace_[name + ".codes"] = HashCodes(Planes(View(linear.inputs[0])));
    trace_[name + ".acc"] = HashVector(Accumulators(linear));
  }

  void Qkv(const std::string& name, const OpDef& attention) {
    std::vector<std::vector<int32_t>> parts;
    size_t n = 0;
    for (size_t i = 0; i < 3; ++i) {
      const OpDef& linear = Producer(attention.inputs[i]);
      REQUIRE(linear.op == "LowBitLinear");
      if (i == 0)
        trace_[name + ".qkv.codes"] = HashCodes(Planes(View(linear.inputs[0])));
      parts.push_back(Accumulators(linear));
      n = static_cast<size_t>(
          def_.tensors[static_cast<size_t>(linear.inputs[1])].type.shape[0]);
      trace_[name + (i == 0   ? ".q.codes"
                     : i == 1 ? ".k.codes"
                              : ".v.codes")] =
          HashCodes(Planes(View(attention.inputs[i])));
    }
    std::vector<int32_t> joined;
    for (size_t row = 0; row * n < parts[0].size(); ++row) {
      for (const auto& part : parts)
        joined.insert(joined.end(),
                      part.begin() + static_cast<ptrdiff_t>(row * n),
                      part.begin() + static_cast<ptrdiff_t>((row + 1) * n));
    }
    trace_[name + ".qkv.acc"] = HashVector(joined);
  }

  void Products(const std::string& name, const OpDef& op) {
    kernels::AttentionArgs args{};
    args.q = Planes(View(op.inputs[0]));
    args.k = Planes(View(op.inputs[1]));
    args.v = Planes(View(op.inputs[2]));
    args.heads = static_cast<size_t>(
        std::get<int64_t>(op.attributes.find("heads")->second));
    args.head_dim = args.q.cols / args.heads;
    const auto constant = [&](size_t input) {
      return def_.tensors[static_cast<size_t>(op.inputs[input])].data;
    };
    const auto f32 = [&](size_t input, size_t h) {
      return static_cast<const float*>(constant(input))[h];
    };
    const auto i32 = [&](size_t input, size_t h) {
      return static_cast<const int32_t*>(constant(input))[h];
    };
    std::vector<kernels::AttentionHead> heads;
    for (size_t h = 0; h < args.heads; ++h) {
      heads.push_back({f32(3, h), i32(4, h), i32(5, h), i32(6, h), i32(7, h),
                       f32(8, h), f32(9, h)});
    }
    args.head = heads.data();
    const size_t rows = args.q.rows, keys = args.k.rows;
    std::vector<int32_t> scores(args.heads * rows * keys),
        out(args.heads * rows * args.head_dim);
    std::vector<int8_t> probs(args.heads * rows * keys);
    std::vector<float> discarded(rows * args.heads * args.head_dim);
    args.out_f32 = discarded.data();
    for (size_t h = 0; h < args.heads; ++h) {
      kernels::AttentionReferenceHead(
          args, h,
          {scores.data() + h * rows * keys, probs.data() + h * rows * keys,
           out.data() + h * rows * args.head_dim});
    }
    trace_[name + ".scores.acc"] = HashVector(scores);
    trace_[name + ".probs.codes"] = HashVector(probs);
    trace_[name + ".value.acc"] = HashVector(out);
  }

  void Block(const std::string& name, const OpDef& attention) {
    Qkv(name, attention);
    Products(name, attention);
    const OpDef* proj = Linear(attention.outputs[0]);
    REQUIRE(proj != nullptr);
    TraceLinear(name + ".proj", *proj);
    const OpDef* fc1 =
        nullptr;  // the next linear whose codes come from a LayerNorm
    const OpDef* fc2 = nullptr;
    for (const OpDef& op : def_.ops) {
      if (&op <= proj || op.op != "LowBitLinear") continue;
      fc1 = &op;
      fc2 = Linear(op.outputs[0]);
      break;
    }
    REQUIRE(fc2 != nullptr);
    TraceLinear(name + ".fc1", *fc1);
    TraceLinear(name + ".fc2", *fc2);
    const TensorView stream = View(fc2->outputs[0]);
    trace_[name + ".stream"] = HashHex(stream.data, ByteSize(*stream.type));
  }

  Session& session_;
  const runtime::ModelDef& def_;
  const kernels::CpuFeatures& cpu_;
  Trace trace_;
};

}  // namespace

std::string HashHex(const void* data, size_t bytes) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx",
                static_cast<unsigned long long>(XXH3_64bits(data, bytes)));
  return text;
}

std::string HashSigns(const TensorView& view) {
  return HashCodes(Planes(view));
}

Trace TraceBivit(Session& session, const kernels::CpuFeatures& cpu) {
  return Tracer(session, cpu).Run();
}

}  // namespace bittern::test

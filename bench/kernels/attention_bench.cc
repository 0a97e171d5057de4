// Attention of DeiT-tiny (3 heads) and -small (6 heads) at 224x224, 1-bit and
// multi-bit, and of the windows of Swin-tiny's first stage (64 x 49 tokens):
// prepare and run, all heads, codes out.
#include <vector>

#include "bench/kernels/bench.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/attention_codes.h"
#include "kernels/base/bits.h"

namespace bittern::bench {
namespace {

using kernels::AttentionKernel;
using kernels::CodeAttentionKernel;
using kernels::CodeBytes;
using kernels::Operand;

constexpr size_t kTokens = 198, kHeadDim = 64;

void Run(const AttentionKernel& kernel, size_t heads, std::string_view target,
         benchmark::State& state) {
  const size_t cols = heads * kHeadDim;
  const Codes q = RandomCodes(kTokens, cols, kHeadDim, false),
              k = RandomCodes(kTokens, cols, kHeadDim, false);
  const Codes v = RandomCodes(kTokens, cols, kHeadDim, true),
              out = RandomCodes(kTokens, cols, cols, false);
  const std::vector<kernels::AttentionHead> head(
      heads, {0.05f, 1, -1, 0, 1, 0.01f, 1.0f});
  const Buffer prepared(heads * kernel.prepared_bytes(kTokens, kHeadDim));
  const Buffer scratch(kernel.scratch_bytes(kTokens, kHeadDim));
  const kernels::AttentionArgs args{q.planes,   k.planes, v.planes,
                                    heads,      kHeadDim, head.data(),
                                    out.planes, nullptr,  prepared.As<void>()};
  for (auto _ : state) {
    for (size_t h = 0; h < heads; ++h) kernel.prepare(args, h);
    kernel.run(args, 0, kTokens, scratch.As<void>());
    benchmark::ClobberMemory();
  }
  CountMacs(state, static_cast<double>(2 * kTokens * kTokens * cols), "w1a1",
            target);
}

struct Shape {
  size_t windows, tokens, heads, head_dim;
};
constexpr Shape kShapes[] = {{1, 198, 3, 64}, {1, 198, 6, 64}, {64, 49, 3, 32}};

// Random codes of 4 or 8 bits, signed.
Buffer RandomCodeBytes(size_t bytes, size_t bits) {
  Buffer codes = RandomBytes(bytes);
  for (size_t i = 0; i < bytes && bits == 4; ++i)
    codes.As<uint8_t>()[i] = static_cast<uint8_t>(codes.As<int8_t>()[i] >> 4);
  return codes;
}

void RunCodes(const CodeAttentionKernel& kernel, const Shape& shape,
              size_t bits, std::string_view target, benchmark::State& state) {
  const size_t cols = shape.heads * shape.head_dim,
               bytes = shape.windows * shape.tokens * cols;
  const Buffer q = RandomCodeBytes(bytes, bits),
               k = RandomCodeBytes(bytes, bits),
               v = RandomCodeBytes(bytes, bits), out(bytes);
  const float range = bits == 4 ? 8.0f : 128.0f;
  const float prob_scale = 1.0f / (range * 4), out_scale = 0.5f;
  const kernels::ByteQuantiser probs{&prob_scale,
                                     nullptr,
                                     kernels::ScalePer::kTensor,
                                     false,
                                     kernels::ZeroPointPlace::kBeforeRounding,
                                     0,
                                     bits == 4 ? 15 : 255};
  const kernels::ByteQuantiser outputs{&out_scale,
                                       nullptr,
                                       kernels::ScalePer::kTensor,
                                       false,
                                       kernels::ZeroPointPlace::kBeforeRounding,
                                       -8,
                                       7};
  const std::vector<kernels::CodeAttentionHead> head(
      shape.heads, {1.0f / (range * range), 1, -1, 1, 0, 0.01f, &probs});
  const Buffer prepared(shape.heads *
                        kernel.prepared_bytes(shape.tokens, shape.head_dim));
  const Buffer scratch(kernel.scratch_bytes(shape.tokens, shape.head_dim));
  const Operand type = bits == 4 ? Operand::kS4 : Operand::kS8;
  kernels::CodeAttentionArgs args{};
  args.q_type = args.k_type = args.v_type = type;
  args.heads = shape.heads;
  args.head_dim = shape.head_dim;
  args.head = head.data();
  args.out_quantiser = &outputs;
  args.prepared = prepared.As<void>();
  const auto window = [&](const Buffer& all, size_t w) {
    return CodeBytes{all.As<uint8_t>() + w * shape.tokens * cols,
                     static_cast<ptrdiff_t>(cols), shape.tokens, cols};
  };
  for (auto _ : state) {
    for (size_t w = 0; w < shape.windows; ++w) {
      args.q = window(q, w);
      args.k = window(k, w);
      args.v = window(v, w);
      args.out_codes = window(out, w);
      for (size_t h = 0; h < shape.heads; ++h) kernel.prepare(args, h);
      kernel.run(args, 0, shape.tokens, scratch.As<void>());
    }
    benchmark::ClobberMemory();
  }
  CountMacs(state,
            static_cast<double>(2 * shape.windows * shape.tokens *
                                shape.tokens * cols),
            "w8a8", target);
}

void RegisterCodes(const CodeAttentionKernel& kernel, std::string_view target) {
  for (const Shape& shape : kShapes) {
    for (size_t bits : {size_t{4}, size_t{8}}) {
      const Operand type = bits == 4 ? Operand::kS4 : Operand::kS8;
      if (!kernel.supports({type, type, type, bits == 4 ? 15 : 255,
                            shape.tokens, shape.tokens, shape.heads,
                            shape.head_dim}))
        continue;
      std::string name(bits == 4 ? "a4/" : "a8/");
      if (shape.windows > 1)
        name.append(std::to_string(shape.windows)).append("x");
      name.append(std::to_string(shape.tokens)).append("x");
      name.append(std::to_string(shape.heads)).append("x");
      name.append(std::to_string(shape.head_dim));
      benchmark::RegisterBenchmark(
          BenchName("attention", kernel.name, target, name).c_str(),
          [&kernel, shape, bits, target](benchmark::State& state) {
            RunCodes(kernel, shape, bits, target, state);
          });
    }
  }
}

}  // namespace

void RegisterAttention() {
  ForEachKernel(kernels::AttentionKernels, [](const AttentionKernel& kernel,
                                              std::string_view target) {
    for (size_t heads : {size_t{3}, size_t{6}}) {
      const std::string shape = std::to_string(kTokens) + "x" +
                                std::to_string(heads) + "x" +
                                std::to_string(kHeadDim);
      benchmark::RegisterBenchmark(
          BenchName("attention", kernel.name, target, shape).c_str(),
          [&kernel, heads, target](benchmark::State& state) {
            Run(kernel, heads, target, state);
          });
    }
  });
  ForEachKernel(kernels::CodeAttentionKernels, &RegisterCodes);
}

}  // namespace bittern::bench

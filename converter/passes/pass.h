// A pass rewrites the graph in place: one pass = one file, listed in order in
// pipeline.cc.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "converter/ir/graph.h"
#include "converter/passes/weight_groups.h"

namespace bittern::convert {

// What became of one matrix product, convolution or attention of the source
// graph: a row of the report.
struct LayerRecord {
  std::string name;     // ONNX node name
  std::string op;       // "MatMul", "Conv", "Attention q*k", "Attention p*v"
  Shape weight_shape;   // [N,K]; empty for attention products
  std::string weights;  // "1 bit, +-s per row" / "f32"
  std::string activations;  // "1 bit, sign (-1, 0, +1)" / "1 bit affine per
                            // head" / "f32"
  std::string
      pattern;  // which patterns were found: "A3 + W6" (converter/README.md)
  double max_ulp = 0;       // largest error of a reconstructed weight
  std::string input_scale;  // of a scale per input channel: "exact", "fast16",
                            // "fast8"; else empty
  std::string kernel;       // on this host: "w1a1/..."
  std::string reason;       // why it stayed in float; empty if low-bit
  int64_t bytes_before = 0, bytes_after = 0;
};

// What becomes of an activation scale per input channel, which does not factor
// out of the dot product: float activations and packed weights, or integers
// with the scales folded into wider weights (--input-scale).
enum class InputScale { kExact, kFast16, kFast8 };

struct PassOptions {
  bool sign_zero_positive = false;  // --sign-zero positive: Sign(0) = +1, lossy
  InputScale input_scale = InputScale::kExact;
  bool leftovers_int8 = false;  // --leftovers int8, lossy
};

struct PassContext {
  PassOptions options;
  std::vector<LayerRecord> layers;
  std::map<std::string, std::string> patterns;  // of quantisers, by the name of
                                                // the codes they make
  std::map<std::string, GroupedWeights> groups;  // by the name of the weight
  std::set<std::string> leftovers;  // nodes whose float weights were rounded
};

struct Pass {
  const char* name;
  Result<void> (*run)(Graph& graph, PassContext& context);
};

// All passes in order. `float_only` stops before recognition: the graph keeps
// its float operations (used by compare).
Result<void> RunPipeline(Graph& graph, PassContext& context, bool float_only);

}  // namespace bittern::convert

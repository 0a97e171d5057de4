// The quantiser around a Round, in the spellings of exporters and of training
// code, as one normal form:
//   x [-> Relu, Clip] -> Div or Mul scale [-> Add zero] [-> Clip] -> Round
//     [-> Add zero] [-> Clip, Cast] -> codes [-> Cast] [-> Sub zero] [-> Mul or
//     Div scale]
// with Clip also as Max and Min. Clips become the range lo..hi of the codes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "converter/passes/edit.h"

namespace bittern::convert {

// A way back from codes to numbers: the node that makes them.
struct QuantiserLevel {
  NodeId last = kNone;
  ValueId zero = kNone;  // subtracted, if `adds` added
  bool adds = false;
  ValueId scale = kNone;  // multiplied, if `divides` divided by
  bool divides = false;
};

struct Quantiser {
  NodeId round = kNone;
  ValueId input = kNone;  // x
  ValueId scale = kNone;  // kNone: 1
  bool multiply = false;
  ValueId zero = kNone;
  bool zero_negative = false;  // it is subtracted
  bool zero_after = false;
  int lo = 0, hi = 0;
  ValueId codes = kNone;  // what the graph calls codes: f32 or integers
  std::vector<QuantiserLevel> levels;  // of readers of `codes`
  std::string pattern;                 // of onnx-lowbit.md 2.3
};

// `reason` says what is missing if there is none.
std::optional<Quantiser> MatchQuantiser(const Graph& graph, NodeId round,
                                        std::string* reason);

}  // namespace bittern::convert

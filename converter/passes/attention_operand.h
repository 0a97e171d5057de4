// Queries, keys and values of an attention product, traced back from
// [.., H, T, d] to the codes they are made of.
#pragma once

#include <string>
#include <vector>

#include "converter/passes/edit.h"

namespace bittern::convert {

// A quantiser that makes codes of the rows and columns of a float tensor.
struct CodeSource {
  std::string name;  // of the codes of the graph, which lie otherwise
  ValueId x = kNone;
  std::vector<int64_t> rows;       // of x as [.., width]; empty: all, in order
  int64_t width = 0, offset = 0;   // columns of x, and the first one taken
  std::vector<float> scale, zero;  // one for each column taken
  // x is [B,H,T,d], heads in front of the tokens; rows, width and offset mean
  // nothing then.
  bool by_head = false;
  int64_t lo = 0, hi = 0;
  bool multiply = false, zero_after = false;
};

struct AttentionOperand {
  int64_t batch = 0, tokens = 0, heads = 0, head_dim = 0;
  // What codes stand for, by head: (code - zero) * scale * factor.
  std::vector<float> scale;
  std::vector<int32_t> zero;
  float factor = 1.0f;
  std::string text;             // "4 bit signed", for the report
  ValueId codes = kNone;        // as byte codes of [.., T, H*d], if they lie so
  CodeSource source;            // else how to make them
  std::vector<float> constant;  // or the codes of a constant, [B,T,H,d]
};

// How the operand `id` of a product lies: [.., T, d], or [.., d, T] if
// `transposed`. Of more than three dimensions the third last is the heads';
// else `heads` says how many there are, 0 if that is to be found out.
struct OperandView {
  ValueId id = kNone;
  bool transposed = false;
  int64_t heads = 0;
};

// Nothing, with the reason, if these are no codes with a constant scale per
// head.
Result<std::optional<AttentionOperand>> TraceOperand(const Graph& graph,
                                                     const OperandView& view,
                                                     std::string* reason);

// The byte codes [batch, tokens, heads * head_dim].
Result<ValueId> EmitCodes(Graph& graph, const AttentionOperand& operand,
                          const std::string& name);

}  // namespace bittern::convert

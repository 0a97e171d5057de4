// What the float graph says about a tensor of the packed model: its values, and
// how far each was from the tie of its quantiser.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/exec/session.h"

namespace bittern::cli {

// How element (row, column) of the packed tensor is found in the float one.
struct TwinOrder {
  bool by_heads = false;  // float [B,H,N,d], packed [B,N,H*d]; of an image the
                          // heads are channels, and d is 1
  int64_t heads = 1, tokens = 1, width = 1;  // of by_heads

  // Index in the float tensor of element `i` of the packed one.
  int64_t operator()(int64_t i) const {
    if (!by_heads) return i;
    const int64_t columns = heads * width;
    const int64_t row = i / columns, column = i % columns;
    const int64_t batch = row / tokens, token = row % tokens;
    const int64_t head = column / width;
    return ((batch * heads + head) * tokens + token) * width + column % width;
  }
};

// Nothing if the two shapes are no two layouts of one tensor. `name`: of the
// packed one, which says whether an image has its channels last.
std::optional<TwinOrder> OrderOf(const std::string& name,
                                 const runtime::Shape& packed,
                                 const runtime::Shape& twin);

// A Round, Sign, Floor, Ceil or comparison with 0 of the float graph.
struct Rounding {
  const runtime::OpDef* op = nullptr;
  bool is_sign = false, is_directed = false;
  int32_t input = -1;  // the tensor before it

  // Distance of a value from where the result changes.
  double TieDistance(float value) const;
};

class FloatGraph {  // borrows the session, which keeps its intermediates
 public:
  explicit FloatGraph(runtime::Session& session);

  // The f32 tensor of that name, or the one that was cast to an integer tensor
  // of that name; -1 if there is none.
  int32_t Find(const std::string& name) const;
  const runtime::Shape& ShapeOf(int32_t tensor) const;
  const float* Values(int32_t tensor) const;

  // The last Round or Sign on the way to `tensor`, through ops on single
  // elements; nothing if it is made in another way.
  std::optional<Rounding> QuantiserOf(int32_t tensor) const;
  // Those between the tensors `from` and `tensor`, but not its own quantiser:
  // what a fused op of the packed model quantises inside.
  std::vector<Rounding> Between(const std::set<int32_t>& from,
                                int32_t tensor) const;

 private:
  const runtime::OpDef* ProducerOf(int32_t tensor) const;
  std::optional<Rounding> RoundingOf(const runtime::OpDef& op) const;
  bool IsZero(int32_t tensor) const;  // the constant 0

  runtime::Session& session_;
  std::map<std::string, int32_t> names_;
  std::map<int32_t, const runtime::OpDef*> producers_;
};

}  // namespace bittern::cli

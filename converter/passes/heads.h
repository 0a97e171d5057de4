// Tensors of attention heads: [B,N,H,d] that is a view of the projection's
// [B,N,H*d] is quantised in the layout of the projection.
#pragma once

#include "converter/passes/edit.h"

namespace bittern::convert {

struct HeadLayout {
  Shape shape;  // of x
  Shape flat;   // of the codes
  int64_t heads = 1;
  int64_t group = 0;  // columns per head; 0 = the whole row, no heads
};

// Heads also through LayerNorms of one. Requires a static shape.
HeadLayout LayoutOf(const Graph& graph, ValueId x);

}  // namespace bittern::convert

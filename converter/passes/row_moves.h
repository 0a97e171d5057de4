// Moves of whole rows (the last dimension): windows and their way back, rolls,
// patch merging. Row i of the result is row rows[i] of the source.
#pragma once

#include <vector>

#include "converter/passes/index_map.h"

namespace bittern::convert {

struct RowMove {
  ValueId source = kNone;
  int64_t width = 0;          // columns of a row of the source
  std::vector<int64_t> rows;  // the result has rows.size() * width elements
  bool identity = false;      // every row stays where it is
};

// What moves the rows of `source` to `id`; nothing if that is not all there is.
Result<std::optional<RowMove>> RowMoveFrom(const Graph& graph, ValueId source,
                                           ValueId id);

// Whether every row of a source of as many rows occurs once.
bool IsPermutation(const std::vector<int64_t>& rows);
std::vector<int64_t> InverseOf(const std::vector<int64_t>& rows);

// The rows of `x` ([.., width]) as a tensor of that shape: one Gather between
// Reshapes. `last`, if given, is the node that is to make it.
Result<ValueId> EmitRowMove(Graph& graph, ValueId x,
                            const std::vector<int64_t>& rows,
                            const Shape& shape, std::string name,
                            NodeId last = kNone);

// The input from whose rows `node` computes its own, one by one; other inputs
// are constants that do not belong to rows. Nothing if it is not of that kind.
std::optional<size_t> RowInput(const Graph& graph, const Node& node);

}  // namespace bittern::convert

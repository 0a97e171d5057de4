// Value numbering: equal numbers mean equal values, because both come from the
// same operations on the same inputs. Exporters write one subgraph several
// times; passes compare operands by number instead of by name.
#pragma once

#include <vector>

#include "converter/ir/graph.h"

namespace bittern::convert {

class ValueNumbers {
 public:
  // Requires a graph in topological order. Numbers stay true while a pass
  // replaces values by equal ones; values added later have none.
  explicit ValueNumbers(const Graph& graph);

  bool Same(ValueId a, ValueId b) const;

 private:
  std::vector<int32_t> number_;  // per value; kNone = unknown
};

}  // namespace bittern::convert

#include "runtime/ops/codes.h"

namespace bittern::runtime {

Result<void> CheckQuantizer(const InferContext& context, size_t first,
                            int64_t cols, int64_t group, bool constant) {
  if (!Has(context, first) && !Has(context, first + 1)) return {};
  const Shape groups{cols / group};
  const auto check = constant ? &CheckConstant : &CheckIs;
  BITTERN_TRY(check(context, first, "a", DType::kF32, groups));
  return check(context, first + 1, "z", DType::kF32, groups);
}

Result<int64_t> CheckGroup(const InferContext& context, int64_t cols) {
  const int64_t group = context.Int("group", 0);
  if (group < 0 || (group > 0 && cols % group != 0)) {
    return WrongAttribute(context, "group", std::to_string(group),
                          "0 or a divisor of " + std::to_string(cols));
  }
  return group == 0 ? cols : group;
}

}  // namespace bittern::runtime

// Where: a where cond is true, else b, with numpy broadcasting of all three.
#include "runtime/ops/broadcast.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

class WhereOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "cond", kBoolOnly));
    BITTERN_TRY(CheckType(context, 1, "a", kDense));
    const DType dtype = context.inputs[1].type.dtype;
    BITTERN_TRY(CheckType(context, 2, "b", SetOf(dtype)));
    const Shape &c = context.inputs[0].type.shape,
                &a = context.inputs[1].type.shape,
                &b = context.inputs[2].type.shape;
    BITTERN_TRY_ASSIGN(const Shape values, BroadcastShape(context, a, b));
    BITTERN_TRY_ASSIGN(const Shape out, BroadcastShape(context, c, values));
    loop_ = BroadcastLoop<3>(out, {&c, &a, &b});
    element_bytes_ = ElementBytes(dtype);
    return SetOutput(context, 0, dtype, out);
  }

  void Run(const RunContext& context) const noexcept override {
    switch (element_bytes_) {
      case 1:
        return RunTyped<uint8_t>(context);
      case 4:
        return RunTyped<uint32_t>(context);
      default:
        return RunTyped<uint64_t>(context);
    }
  }

 private:
  template <class T>
  void RunTyped(const RunContext& context) const {
    const auto* c = RunInput<uint8_t>(context, 0);
    const auto* a = RunInput<T>(context, 1);
    const auto* b = RunInput<T>(context, 2);
    auto* out = RunOutput<T>(context, 0);
    const size_t sc = loop_.Inner(0), sa = loop_.Inner(1), sb = loop_.Inner(2);
    loop_.For(*context.pool, [&](size_t o, const auto& at, size_t count) {
      for (size_t i = 0; i < count; ++i) {
        out[o + i] =
            c[at[0] + i * sc] != 0 ? a[at[1] + i * sa] : b[at[2] + i * sb];
      }
    });
  }

  size_t element_bytes_ = 0;
  BroadcastLoop<3> loop_;
};

}  // namespace

constinit const OpInfo kWhereOp =
    SimpleOpInfo("Where", 3, 3, {}, &CreateOp<WhereOp>);

}  // namespace bittern::runtime

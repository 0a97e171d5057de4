// Tile: x repeated repeats[i] times along dimension i, as the copy of a view
// with two dimensions for each: which repeat (stride 0), and where in it.
#include "runtime/ops/strided_op.h"

namespace bittern::runtime {
namespace {

class TileOp final : public StridedOp {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kDense));
    const TensorType& type = context.inputs[0].type;
    const size_t rank = type.shape.rank();
    BITTERN_TRY(CheckGiven(context, "repeats"));
    const auto repeats = context.Ints("repeats");
    if (repeats.size() != rank) {
      return WrongAttribute(context, "repeats",
                            std::to_string(repeats.size()) + " values for " +
                                ToString(type.shape),
                            "one for each dimension");
    }
    constexpr int64_t kLimit = int64_t{1}
                               << 40;  // as for the elements of a tensor
    const auto dense = DenseStrides(type.shape);
    Shape out;
    std::array<int64_t, StridedCopy::kMaxDims> dims{};
    std::array<ptrdiff_t, StridedCopy::kMaxDims> strides{};
    for (size_t i = 0; i < rank; ++i) {
      const int64_t size = type.shape[i], repeat = repeats[i];
      if (repeat < 0 || (size != 0 && repeat > kLimit / size)) {
        return WrongAttribute(context, "repeats", std::to_string(repeat),
                              "0 or more, and at most 2^40 elements");
      }
      out.Append(size * repeat);
      dims[2 * i] = repeat;
      dims[2 * i + 1] = size;
      strides[2 * i + 1] = dense[i];
    }
    BITTERN_TRY(SetOutput(context, 0, type.dtype, out));
    copy_ = StridedCopy(std::span(dims).first(2 * rank), strides, 0,
                        ElementBytes(type.dtype));
    return {};
  }
};

constexpr AttributeSpec kAttributes[] = {
    {"repeats", AttributeKind::kInts, false}};

constexpr ValueInput kValues[] = {{1, "repeats"}};

}  // namespace

constinit const OpInfo kTileOp =
    SimpleOpInfo("Tile", 1, 2, kAttributes, &CreateOp<TileOp>, kValues);

}  // namespace bittern::runtime

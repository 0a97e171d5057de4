// Index tensors (i64 or i32, negative ones counting from the end) of the gather
// and scatter ops. An index out of range is an error in a constant and clamped
// at run time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "runtime/ops/infer.h"
#include "runtime/ops/strided_copy.h"

namespace bittern::runtime {

class IndexInput {
 public:
  // Checks the type of input `input`.
  Result<void> Infer(const InferContext& context, size_t input) {
    BITTERN_TRY(
        CheckType(context, input, "indices", kI64Only | SetOf(DType::kI32)));
    wide_ = context.inputs[input].type.dtype == DType::kI64;
    return {};
  }
  // An error if element `i` of a constant is not an index into `size` elements.
  Result<void> Check(const InferContext& context, size_t input, size_t i,
                     int64_t size) const {
    const void* constant = context.inputs[input].constant;
    if (constant == nullptr) return {};
    const int64_t index = Raw(constant, i);
    if (index >= -size && index < size) return {};
    return context.Fail("input indices: got " + std::to_string(index) +
                        ", expected " + std::to_string(-size) + " to " +
                        std::to_string(size - 1));
  }
  // Requires size >= 1.
  int64_t At(const void* indices, size_t i, int64_t size) const {
    int64_t index = Raw(indices, i);
    if (index < 0) index += size;
    return std::clamp<int64_t>(index, 0, size - 1);
  }

 private:
  int64_t Raw(const void* indices, size_t i) const {
    return wide_ ? static_cast<const int64_t*>(indices)[i]
                 : static_cast<const int32_t*>(indices)[i];
  }
  bool wide_ = true;
};

// GatherElements and ScatterElements: element p of the indices stands for the
// element of x at the same position, but at indices[p] along `axis`.
class ElementIndices {
 public:
  // Inputs 0 (x) and 1 (indices).
  Result<void> Infer(const InferContext& context) {
    BITTERN_TRY(CheckType(context, 0, "x", kDense));
    BITTERN_TRY(input_.Infer(context, 1));
    const Shape& x = context.inputs[0].type.shape;
    dims_ = context.inputs[1].type.shape;
    BITTERN_TRY_ASSIGN(
        axis_, CheckAxis(context, "axis", context.Int("axis", 0), x.rank()));
    bool fits = dims_.rank() == x.rank();
    for (size_t i = 0; fits && i < x.rank(); ++i) {
      fits = i == axis_ || dims_[i] <= x[i];
    }
    if (!fits) {
      return WrongInput(context, 1, "indices",
                        "the rank of " + ToString(x) +
                            " and no larger dimension but along the axis");
    }
    strides_ = DenseStrides(x);
    size_ = x[axis_];
    count_ = static_cast<size_t>(dims_.Elements());
    if (size_ == 0 && count_ != 0) {
      return WrongInput(context, 0, "x", "something to index");
    }
    for (size_t i = 0; i < count_; ++i) {
      if (context.inputs[1].constant == nullptr) break;
      BITTERN_TRY(input_.Check(context, 1, i, size_));
    }
    return {};
  }

  // Infer; returns the shape of the updates.
  Result<Shape> InferScatter(const InferContext& context) {
    BITTERN_TRY(Infer(context));
    return dims_;
  }

  const Shape& shape() const { return dims_; }
  size_t slice() const { return 1; }

  // fn(position in the indices, offset in x) in ascending order.
  template <class Fn>
  void For(const void* indices, const Fn& fn) const {
    std::array<int64_t, kMaxRank> at{};
    ptrdiff_t base = 0;
    for (size_t p = 0; p < count_; ++p) {
      const auto index = static_cast<ptrdiff_t>(input_.At(indices, p, size_));
      fn(p, static_cast<size_t>(base + index * strides_[axis_]));
      for (size_t i = dims_.rank(); i-- > 0;) {
        const ptrdiff_t stride = i == axis_ ? 0 : strides_[i];
        base += stride;
        if (++at[i] < dims_[i]) break;
        base -= stride * static_cast<ptrdiff_t>(dims_[i]);
        at[i] = 0;
      }
    }
  }

 private:
  IndexInput input_;
  Shape dims_;
  std::array<ptrdiff_t, kMaxRank> strides_{};
  size_t axis_ = 0, count_ = 0;
  int64_t size_ = 0;
};

// GatherNd and ScatterNd: each row of the last dimension of the indices is the
// place of a slice of x, after `batch` dimensions that both share.
class SliceIndices {
 public:
  // Inputs 0 (x) and 1 (indices).
  Result<void> Infer(const InferContext& context, int64_t batch) {
    BITTERN_TRY(CheckType(context, 0, "x", kDense));
    BITTERN_TRY(input_.Infer(context, 1));
    const Shape& x = context.inputs[0].type.shape;
    const Shape& indices = context.inputs[1].type.shape;
    const auto rank = static_cast<int64_t>(x.rank());
    if (batch < 0 || batch >= static_cast<int64_t>(indices.rank()) ||
        batch > rank) {
      return WrongAttribute(context, "batch_dims", std::to_string(batch),
                            "0 to below the rank of the indices, " +
                                std::to_string(indices.rank()));
    }
    batch_ = static_cast<size_t>(batch);
    if (indices.Last() > rank - batch) {
      return WrongInput(
          context, 1, "indices",
          "a last dimension of at most " + std::to_string(rank - batch));
    }
    depth_ = static_cast<size_t>(indices.Last());
    for (size_t i = 0; i < batch_; ++i) {
      if (indices[i] == x[i]) continue;
      return WrongInput(context, 1, "indices",
                        "the batch dimensions of " + ToString(x));
    }
    dims_ = x;
    strides_ = DenseStrides(x);
    rows_ = static_cast<size_t>(indices.Leading());
    batches_ = slice_ = 1;
    leading_ = Shape(indices.dims().first(indices.rank() - 1));
    inner_ = Shape(x.dims().subspan(batch_ + depth_));
    for (size_t i = 0; i < batch_; ++i) {
      batches_ *= static_cast<size_t>(x[i]);
    }
    slice_ = static_cast<size_t>(inner_.Elements());
    return CheckIndices(context);
  }

  // Infer without batches; returns the shape of the updates.
  Result<Shape> InferScatter(const InferContext& context) {
    BITTERN_TRY(Infer(context, 0));
    Shape updates = leading_;
    if (leading_.rank() + inner_.rank() > kMaxRank) {
      return WrongInput(
          context, 1, "indices",
          "updates of at most " + std::to_string(kMaxRank) + " dimensions");
    }
    for (int64_t dim : inner_.dims()) updates.Append(dim);
    return updates;
  }

  const Shape& leading() const { return leading_; }  // of the indices
  const Shape& inner() const { return inner_; }      // of one slice
  size_t slice() const { return slice_; }            // its elements

  // fn(row of the indices, offset in x) in ascending order.
  template <class Fn>
  void For(const void* indices, const Fn& fn) const {
    if (slice_ == 0 || rows_ == 0) return;
    const size_t per_batch = rows_ / batches_;
    const size_t batch_stride =
        static_cast<size_t>(dims_.Elements()) / batches_;
    for (size_t row = 0; row < rows_; ++row) {
      size_t offset = row / per_batch * batch_stride;
      for (size_t i = 0; i < depth_; ++i) {
        const auto index =
            input_.At(indices, row * depth_ + i, dims_[batch_ + i]);
        offset += static_cast<size_t>(index) *
                  static_cast<size_t>(strides_[batch_ + i]);
      }
      fn(row, offset);
    }
  }

 private:
  Result<void> CheckIndices(const InferContext& context) const {
    for (size_t i = 0; rows_ != 0 && i < depth_; ++i) {
      if (dims_[batch_ + i] != 0) continue;
      return WrongInput(context, 0, "x", "something to index");
    }
    for (size_t i = 0; i < rows_ * depth_; ++i) {
      if (context.inputs[1].constant == nullptr) break;
      BITTERN_TRY(input_.Check(context, 1, i, dims_[batch_ + i % depth_]));
    }
    return {};
  }

  IndexInput input_;
  Shape dims_, leading_, inner_;
  std::array<ptrdiff_t, kMaxRank> strides_{};
  size_t batch_ = 0, depth_ = 0, rows_ = 0, batches_ = 1, slice_ = 1;
};

}  // namespace bittern::runtime

// The float graph and the packed model side by side. Each op of the packed
// model runs on what the float graph has for its inputs, so that a difference
// belongs to the layer where it appears and not to those before it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "converter/cli/float_twin.h"
#include "runtime/base/result.h"
#include "runtime/cli/npy.h"
#include "runtime/exec/session.h"

namespace bittern::cli {

// A value within this much of a tie, relative to the largest one of its tensor
// (at least 1), may fall on either side: fp32 sums of thousands of products are
// off by up to 3e-6 of their terms (16 times that here).
inline constexpr double kTieTolerance = 5e-5;
// Floats may differ by this much of the largest one of their tensor.
inline constexpr double kFloatTolerance = 1e-4;

// One tensor of the packed model against the float graph's of the same name.
struct TensorComparison {
  std::string name, op;
  runtime::TensorType type;
  int64_t elements = 0;
  int64_t flips = 0;        // codes that differ, or floats beyond the tolerance
  int64_t unexplained = 0;  // of these, those not near a tie
  std::string first;        // the first unexplained one; empty if there is none
  double max_abs = 0, sum_sq = 0, sum_sq_reference = 0;  // of floats

  bool is_codes() const { return type.dtype == runtime::DType::kCode; }
};

// One output of both models, each run on its own.
struct OutputComparison {
  std::string name;
  double max_abs = 0, largest = 0;  // the largest float value
  int64_t rows = 0, same_top = 0;   // rows whose largest element agrees
};

// A tensor that the user brings (of the framework that the network was trained
// in) against both models, each run on its own.
struct ReferenceComparison {
  std::string name;
  double largest = 0;         // of the reference
  double max_abs_float = -1;  // -1: the model has no tensor of that name
  double max_abs_packed = -1;
  int64_t elements = 0;
};

struct Comparison {
  std::vector<ReferenceComparison> references;
  std::vector<TensorComparison> tensors;  // in the order of the plan
  std::vector<OutputComparison> outputs;
  size_t samples = 0;

  int64_t Flips() const;
  int64_t Unexplained() const;
};

class Comparer {
 public:
  // Both sessions keep their intermediates.
  static runtime::Result<Comparer> Make(
      std::unique_ptr<runtime::Session> reference,
      std::unique_ptr<runtime::Session> packed);

  runtime::Session& packed() { return *packed_; }
  // Compares on what the packed session's inputs hold.
  runtime::Result<void> Run();
  // Compares with an array, after Run; an error if neither model has a float
  // tensor of that name and size.
  runtime::Result<void> AddReference(const std::string& name,
                                     const NpyArray& array);
  const Comparison& comparison() const { return result_; }

 private:
  Comparer(std::unique_ptr<runtime::Session> reference,
           std::unique_ptr<runtime::Session> packed);
  runtime::Result<void> CopyInputs();
  runtime::Result<void> CompareOutputs();
  runtime::Result<void> Force(int32_t tensor);
  runtime::Result<void> CompareStep(size_t step, int32_t tensor);

  std::unique_ptr<runtime::Session> reference_, packed_;
  FloatGraph graph_;
  std::vector<int32_t> index_;  // per packed tensor: in tensors of the result
  Comparison result_;
};

}  // namespace bittern::cli

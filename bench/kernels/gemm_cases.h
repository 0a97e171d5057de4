// The products that benches and the selection check run: shapes of DeiT-tiny
// and -small, a Swin window and stage, and point-cloud layers; pairs of operand
// types of the networks we run.
#pragma once

#include <cstddef>

#include "kernels/gemm/gemm.h"

namespace bittern::bench {

struct GemmShape {
  size_t m, n, k;
};

inline constexpr GemmShape kGemmShapes[] = {
    {198, 192, 192},  {198, 576, 192},  {198, 768, 192}, {198, 192, 768},
    {198, 1536, 384}, {198, 384, 1536}, {49, 3072, 768}, {3136, 288, 96},
    {1024, 128, 64},  {1024, 1024, 128}};
inline constexpr GemmShape kGemmOneRow = {1, 1000, 192};
// Of weights in groups, beside the first of kGemmShapes: a token, and a prompt.
inline constexpr GemmShape kGemmGroupShapes[] = {{1, 1024, 1024},
                                                 {128, 1024, 1024}};

struct GemmPair {
  const char* name;
  kernels::GemmTypes types;
};

inline constexpr GemmPair kGemmPairs[] = {
    {"w1a1", {kernels::Operand::kBipolar, kernels::Operand::kSign}},
    {"w1a2", {kernels::Operand::kBipolar, kernels::Operand::kU2}},
    {"w1a4", {kernels::Operand::kBipolar, kernels::Operand::kU4}},
    {"w2a1", {kernels::Operand::kTernary, kernels::Operand::kSign}},
    {"w2a2", {kernels::Operand::kTernary, kernels::Operand::kU2}},
    {"w3a3", {kernels::Operand::kS3, kernels::Operand::kU3}},
    {"w4a4", {kernels::Operand::kS4, kernels::Operand::kU4}},
    {"w2a8", {kernels::Operand::kTernary, kernels::Operand::kS8}},
    {"w4a8", {kernels::Operand::kS4, kernels::Operand::kS8}},
    {"w8a4", {kernels::Operand::kS8, kernels::Operand::kU4}},
    {"w8a8", {kernels::Operand::kS8, kernels::Operand::kU8}},
    {"w16a4", {kernels::Operand::kS16, kernels::Operand::kU4}},
    {"w1f32",
     {kernels::Operand::kBipolar, kernels::Operand::kF32, 0, false, true}},
    {"w2f32", {kernels::Operand::kTernary, kernels::Operand::kF32}},
    {"w4f32", {kernels::Operand::kS4, kernels::Operand::kF32}},
    {"w2g32f32", {kernels::Operand::kU2, kernels::Operand::kF32, 32, true}},
    {"w4g32f32", {kernels::Operand::kS4, kernels::Operand::kF32, 32}},
    {"w8g32f32", {kernels::Operand::kU8, kernels::Operand::kF32, 32, true}},
    {"f32", {kernels::Operand::kF32, kernels::Operand::kF32}},
};

}  // namespace bittern::bench

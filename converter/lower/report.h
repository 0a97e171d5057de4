// The conversion report: what each layer became, and why; as a table, as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "converter/passes/pass.h"

namespace bittern::convert {

struct Report {
  std::string source;  // file name without directory
  std::string source_sha256;
  std::vector<LayerRecord> layers;
  std::vector<std::string> notes;
  int64_t source_bytes = 0, packed_bytes = 0;
  double macs_low_bit = 0, macs_float = 0;
  double reduction_paper = 0;  // paper-style OPs ratio: a MAC of w x a bits
                               // counts w * a / 64, at most 1
};

std::string ReportTable(const Report& report);  // plain text, <= 160 columns,
                                                // ends with a summary line
std::string ReportJson(const Report& report);
// One line, without what depends on the converting machine: stored in the
// packed file, whose bytes must not.
std::string EmbeddedReportJson(const Report& report);

}  // namespace bittern::convert

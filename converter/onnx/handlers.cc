// The table of handlers, and the suggestion for an operator that is not in it.
#include "converter/onnx/handlers.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace bittern::convert {
namespace {

struct Entry {
  std::string_view domain;
  std::string_view op;
  Handler handler;
};

constexpr Entry kHandlers[] = {
#define BITTERN_ONNX_HANDLER(domain, op, function) {domain, #op, &function},
#include "converter/onnx/handlers.inc"
#undef BITTERN_ONNX_HANDLER
};

std::string_view CanonicalDomain(std::string_view domain) {
  for (const char* alias : {"qonnx.custom_op.general", "finn.custom_op.general",
                            "finn", "onnx.brevitas"}) {
    if (domain == alias) return "qonnx";
  }
  return domain == "ai.onnx" ? "" : domain;
}

// Levenshtein distance; `b` is a name of the table, `a` is cut by the caller.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

Handler FindHandler(std::string_view domain, std::string_view op) {
  domain = CanonicalDomain(domain);
  for (const Entry& entry : kHandlers) {
    if (entry.op == op && entry.domain == domain) return entry.handler;
  }
  return nullptr;
}

std::string NearestOp(std::string_view domain, std::string_view op) {
  constexpr size_t kLongestName = 64;
  op = op.substr(0, kLongestName);
  domain = CanonicalDomain(domain);
  const bool known_domain =
      std::any_of(std::begin(kHandlers), std::end(kHandlers),
                  [&](const Entry& entry) { return entry.domain == domain; });
  if (!known_domain) domain = "";
  std::string_view best;
  size_t best_distance = op.size() / 3 + 1;  // farther ones are other words
  for (const Entry& entry : kHandlers) {
    if (entry.domain != domain) continue;
    const size_t distance = EditDistance(op, entry.op);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = entry.op;
  }
  return std::string(best);
}

}  // namespace bittern::convert

// Whole files in and out. Outputs appear by rename, so that nothing
// half-written is ever seen under the final name.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace bittern::cli {

runtime::Result<std::string> ReadFile(const std::string& path);
runtime::Result<void> WriteFile(const std::string& path,
                                std::string_view content);

}  // namespace bittern::cli

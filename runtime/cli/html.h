// What the HTML reports share: one style, escaped text, bars. A page is one
// file without scripts, fonts or links to elsewhere.
#pragma once

#include <string>
#include <string_view>

namespace bittern::cli {

std::string HtmlEscape(std::string_view text);

// A whole page; `title` is escaped, `body` is not.
std::string HtmlPage(std::string_view title, const std::string& body);

// A bar of `share` (0 to 1) of the width of its cell, with a text beside it.
std::string HtmlBar(double share, std::string_view text,
                    std::string_view color_class = "");

// "4.18 MB", "312 kB", "75 B".
std::string HtmlBytes(double bytes);

}  // namespace bittern::cli

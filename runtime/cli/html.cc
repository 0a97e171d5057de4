#include "runtime/cli/html.h"

#include <fmt/format.h>

#include <algorithm>

namespace bittern::cli {
namespace {

constexpr const char* kStyle =
    ":root{color-scheme:light dark;--line:#8884;--soft:#8882;--a:#3b76b0;"
    "--b:#c77b30;--warn:#b3541e}"
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;"
    "max-width:82rem;padding:0 1rem}"
    "h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2rem 0 "
    ".5rem}p{margin:.3rem 0}"
    ".tiles{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}"
    ".tile{border:1px solid var(--line);border-radius:.5rem;padding:.6rem "
    "1rem;min-width:9rem}.tile b{display:block;font-size:1.35rem}"
    ".tile span{opacity:.75;font-size:.85rem}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%}"
    "th,td{padding:.25rem .6rem;text-align:left;vertical-align:top;"
    "border-bottom:1px solid var(--line)}th{font-weight:600}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;"
    "white-space:nowrap}td.name{word-break:break-all;min-width:12rem}"
    "tr.float td{background:var(--soft)}.why{color:var(--warn)}"
    ".bar{display:flex;align-items:center;gap:.4rem;min-width:7rem}"
    ".bar i{display:block;height:.75em;background:var(--a);border-radius:2px;"
    "min-width:1px}.bar i.b{background:var(--b)}.bar span{font-size:.85rem;"
    "white-space:nowrap;font-variant-numeric:tabular-nums}";

}  // namespace

std::string HtmlEscape(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string HtmlPage(std::string_view title, const std::string& body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
      "name=\"viewport\" content=\"width=device-width\"><title>{}</title>"
      "<style>{}</style></head>\n<body>\n{}</body></html>\n",
      HtmlEscape(title), kStyle, body);
}

std::string HtmlBar(double share, std::string_view text,
                    std::string_view color_class) {
  constexpr double kWidest = 70;  // per cent: the text stands beside it
  return fmt::format(
      "<div class=bar><i{} style=\"width:{:.1f}%\"></i><span>{}</span></div>",
      color_class.empty() ? std::string()
                          : fmt::format(" class={}", color_class),
      kWidest * std::clamp(share, 0.0, 1.0), HtmlEscape(text));
}

std::string HtmlBytes(double bytes) {
  if (bytes >= 1e6) return fmt::format("{:.2f} MB", bytes / 1e6);
  if (bytes >= 1e3) return fmt::format("{:.1f} kB", bytes / 1e3);
  return fmt::format("{:.0f} B", bytes);
}

}  // namespace bittern::cli

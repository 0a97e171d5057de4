#include "runtime/cli/html.h"

#include <catch2/catch.hpp>

namespace bittern::cli {
namespace {

TEST_CASE("text is escaped") {
  CHECK(HtmlEscape("a<b> & \"c\"") == "a&lt;b&gt; &amp; &quot;c&quot;");
  CHECK(HtmlPage("<t>", "<p>x</p>").find("<title>&lt;t&gt;</title>") !=
        std::string::npos);
}

TEST_CASE("bars stay within their cell") {
  CHECK(HtmlBar(0.5, "1 < 2").find("width:35.0%") != std::string::npos);
  CHECK(HtmlBar(0.5, "1 < 2").find("1 &lt; 2") != std::string::npos);
  CHECK(HtmlBar(7, "", "b").find("class=b style=\"width:70.0%\"") !=
        std::string::npos);
  CHECK(HtmlBar(-1, "").find("width:0.0%") != std::string::npos);
}

TEST_CASE("sizes") {
  CHECK(HtmlBytes(75) == "75 B");
  CHECK(HtmlBytes(1234) == "1.2 kB");
  CHECK(HtmlBytes(4.184e6) == "4.18 MB");
}

}  // namespace
}  // namespace bittern::cli

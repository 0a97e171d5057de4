// A position in one line of a graph's text form, and the tokens read from it.
#pragma once

#include <cctype>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace bittern::convert {

// One number of the text: both forms, since the target type decides later.
struct Number {
  double real = 0;
  int64_t integer = 0;
  bool is_integer = false;
};

// A position in one line; every Read* consumes what it returns.
class Cursor {
 public:
  Cursor(std::string_view line, size_t number) : line_(line), number_(number) {}

  runtime::Error Fail(const std::string& expected) const {
    const std::string found(line_.substr(at_, 20));
    return runtime::InvalidArgument("line " + std::to_string(number_) +
                                    ": found '" + found + "', expected " +
                                    expected);
  }
  void SkipSpace() {
    while (at_ < line_.size() && line_[at_] == ' ') ++at_;
  }
  bool AtEnd() {
    SkipSpace();
    return at_ == line_.size();
  }
  bool Accept(std::string_view token) {
    SkipSpace();
    if (line_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  runtime::Result<void> Expect(std::string_view token) {
    if (Accept(token)) return {};
    return Fail("'" + std::string(token) + "'");
  }
  bool PeekIs(char c) {
    SkipSpace();
    return at_ < line_.size() && line_[at_] == c;
  }
  bool AcceptWord(std::string_view word) {
    SkipSpace();
    const size_t end = at_ + word.size();
    if (line_.substr(at_, word.size()) != word) return false;
    if (end < line_.size() && IsWordCharacter(line_[end])) return false;
    at_ = end;
    return true;
  }

  runtime::Result<std::string> ReadWord(const char* what) {
    SkipSpace();
    const size_t begin = at_;
    while (at_ < line_.size() && IsWordCharacter(line_[at_])) ++at_;
    if (at_ == begin) return Fail(what);
    return std::string(line_.substr(begin, at_ - begin));
  }

  runtime::Result<std::string> ReadQuoted() {
    BITTERN_TRY(Expect("\""));
    std::string text;
    while (at_ < line_.size() && line_[at_] != '"') {
      if (line_[at_] != '\\') {
        text += line_[at_++];
        continue;
      }
      if (line_.substr(at_, 2) == "\\x" && at_ + 4 <= line_.size()) {
        const std::string digits(line_.substr(at_ + 2, 2));
        text += static_cast<char>(std::strtol(digits.c_str(), nullptr, 16));
        at_ += 4;
      } else if (at_ + 1 < line_.size()) {
        text += line_[at_ + 1];
        at_ += 2;
      } else {
        return Fail("a character after '\\'");
      }
    }
    if (at_ == line_.size()) return Fail("a closing '\"'");
    ++at_;
    return text;
  }

  runtime::Result<std::string> ReadValueName() {
    BITTERN_TRY(Expect("%"));
    if (at_ < line_.size() && line_[at_] == '"') return ReadQuoted();
    const size_t begin = at_;
    while (at_ < line_.size() && IsNameCharacter(line_[at_])) ++at_;
    if (at_ == begin) return Fail("a value name");
    return std::string(line_.substr(begin, at_ - begin));
  }

  runtime::Result<Number> ReadNumber() {
    SkipSpace();
    const char* const begin = line_.data() + at_;
    const char* const end = line_.data() + line_.size();
    Number number;
    const auto real = std::from_chars(begin, end, number.real);
    if (real.ec != std::errc()) return Fail("a number");
    const auto integer = std::from_chars(begin, end, number.integer);
    number.is_integer = integer.ec == std::errc() && integer.ptr == real.ptr;
    const auto length = static_cast<size_t>(real.ptr - begin);
    at_ += length;
    return number;
  }

  // `open` a, b, ... `close`
  runtime::Result<std::vector<Number>> ReadNumbers(std::string_view open,
                                                   std::string_view close) {
    BITTERN_TRY(Expect(open));
    std::vector<Number> numbers;
    if (Accept(close)) return numbers;
    do {
      BITTERN_TRY_ASSIGN(Number number, ReadNumber());
      numbers.push_back(number);
    } while (Accept(","));
    BITTERN_TRY(Expect(close));
    return numbers;
  }

 private:
  static bool IsWordCharacter(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  }
  static bool IsNameCharacter(char c) {
    return IsWordCharacter(c) || c == '.' || c == '/' || c == '-' || c == '$';
  }

  std::string_view line_;
  size_t number_;
  size_t at_ = 0;
};

}  // namespace bittern::convert

// Result<T>: a value, or an error with a code and a message that says what,
// where, got, expected. std::expected is missing from the C++20 library of the
// supported compilers. Never throws by itself; never discards silently.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace bittern::runtime {

// Values equal bittern_status (runtime/include/bittern/bittern.h).
enum class Code : int32_t {
  kOk = 0,
  kInvalidArgument = 1,  // the caller passed something wrong
  kInvalidState = 2,     // a call out of order
  kNotFound = 3,         // no such file, input, output, key
  kIo = 4,               // the system refused a read or write
  kCorruptFile = 5,      // the bytes are not a valid model
  kUnsupported = 6,      // valid, but beyond what this version does
  kOutOfMemory = 7,
  kInternal = 8,
};

struct [[nodiscard]] Error {
  Code code;
  std::string message;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error)
      : error_(std::move(error)) {}  // NOLINT: implicit by design
  bool ok() const { return value_.has_value(); }
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return std::move(*value_); }
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }

 private:
  std::optional<T> value_;
  Error error_{Code::kOk, {}};
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error)
      : error_(std::move(error)) {}  // NOLINT: implicit by design
  bool ok() const { return error_.code == Code::kOk; }
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }

 private:
  Error error_{Code::kOk, {}};
};

inline Error InvalidArgument(std::string m) {
  return {Code::kInvalidArgument, std::move(m)};
}
inline Error InvalidState(std::string m) {
  return {Code::kInvalidState, std::move(m)};
}
inline Error NotFound(std::string m) { return {Code::kNotFound, std::move(m)}; }
inline Error IoError(std::string m) { return {Code::kIo, std::move(m)}; }
inline Error CorruptFile(std::string m) {
  return {Code::kCorruptFile, std::move(m)};
}
inline Error Unsupported(std::string m) {
  return {Code::kUnsupported, std::move(m)};
}
inline Error OutOfMemory(std::string m) {
  return {Code::kOutOfMemory, std::move(m)};
}
inline Error Internal(std::string m) { return {Code::kInternal, std::move(m)}; }

}  // namespace bittern::runtime

#define BITTERN_CONCAT_(a, b) a##b
#define BITTERN_CONCAT(a, b) BITTERN_CONCAT_(a, b)

// Returns the error of a Result<...> expression to the caller.
#define BITTERN_TRY(expression)                                   \
  do {                                                            \
    if (auto bittern_result = (expression); !bittern_result.ok()) \
      return std::move(bittern_result).error();                   \
  } while (false)

// BITTERN_TRY_ASSIGN(auto x, F()): declares x with the value, or returns the
// error.
#define BITTERN_TRY_ASSIGN(declaration, expression)                           \
  BITTERN_TRY_ASSIGN_(BITTERN_CONCAT(bittern_result_, __LINE__), declaration, \
                      expression)
#define BITTERN_TRY_ASSIGN_(result, declaration, expression) \
  auto result = (expression);                                \
  if (!result.ok()) return std::move(result).error();        \
  declaration = std::move(result).value()

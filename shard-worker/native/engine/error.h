#pragma once
#include <stdexcept>
#include <string>

namespace golddiff {

/* What the addon turns into a JavaScript error with this code. */
class EngineError : public std::runtime_error {
 public:
  EngineError(const char *code, const std::string &message) : std::runtime_error(message), code(code) {}
  const char *const code;
};

inline EngineError cancelled() { return EngineError("CANCELLED", "The step was closed"); }

}  // namespace golddiff

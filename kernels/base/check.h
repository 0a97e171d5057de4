// BITTERN_DCHECK: a precondition that callers inside Bittern guarantee. Checked
// in the dev and sanitizer presets (BITTERN_DCHECKS), free otherwise. Never
// reached by untrusted bytes: the reader rejects those first.
#pragma once

#ifdef BITTERN_DCHECKS
#define BITTERN_DCHECK(condition)       \
  do {                                  \
    if (!(condition)) __builtin_trap(); \
  } while (false)
#else
#define BITTERN_DCHECK(condition)            \
  do {                                       \
    if (false) static_cast<void>(condition); \
  } while (false)
#endif

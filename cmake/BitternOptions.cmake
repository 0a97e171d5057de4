# Compiler settings common to all targets. Floating point is never contracted by the compiler: results must be the same bits on
# every target (kernels/README.md), so the only fused operations are the explicit ones.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)  # no modules here; scanning would need one more tool
set(CMAKE_C_STANDARD 99)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

add_library(bittern_options INTERFACE)
target_include_directories(bittern_options INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/runtime/include>)
# Sections of their own: what the shared library does not reach (families that no op uses) is left out of it.
target_compile_options(bittern_options INTERFACE -ffp-contract=off -fno-math-errno -ffunction-sections -fdata-sections)
if(BITTERN_WERROR)
  target_compile_options(bittern_options INTERFACE
    -Wall -Wextra -Wshadow -Werror $<$<COMPILE_LANGUAGE:CXX>:-Wconversion>
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-maybe-uninitialized>)
  # g++ 12 sees overlaps in "text" + std::string, and unset strings in Result<std::string>, that are not there.
endif()
if(BITTERN_DCHECKS)
  target_compile_definitions(bittern_options INTERFACE BITTERN_DCHECKS)
endif()
if(BITTERN_SANITIZE)
  target_compile_options(bittern_options INTERFACE -fsanitize=${BITTERN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(bittern_options INTERFACE -fsanitize=${BITTERN_SANITIZE})
endif()

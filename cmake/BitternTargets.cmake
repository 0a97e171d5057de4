# Helpers that declare targets the same way everywhere.

# bittern_component(<name> [SOURCES ...] [LINK ...]): an object library bittern_<name>, one per folder, so that folders build alone
# and the dependency rule shows in LINK.
function(bittern_component name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;SYSTEM_INCLUDES" ${ARGN})
  add_library(bittern_${name} OBJECT ${ARG_SOURCES})
  target_link_libraries(bittern_${name} PUBLIC bittern_options ${ARG_LINK})
  target_include_directories(bittern_${name} SYSTEM PRIVATE ${ARG_SYSTEM_INCLUDES})
  # libbittern may have 2 MB. The time is spent in kernels; elsewhere -O3 only makes it larger, and what runs once a model can be small
  # (bittern_smallest says more of it file by file).
  if(name MATCHES "^(capi|runtime_(exec|format|model|plan))$")
    target_compile_options(bittern_${name} PRIVATE $<$<CONFIG:Release>:-Oz>)
  elseif(NOT name MATCHES "^kernels_")
    target_compile_options(bittern_${name} PRIVATE $<$<CONFIG:Release>:-O2>)
  endif()
endfunction()

# bittern_smallest(<sources> ...): files of this folder whose code runs once a model, or only calls kernels.
function(bittern_smallest)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:Release>:-Oz>")
endfunction()

# bittern_kernel_family(<family> SOURCES ... [SMALL_SSE4]): one folder of kernels/; SMALL_SSE4: its code for CPUs without AVX2 is
# small rather than unrolled, for families whose helpers are inlined by attribute where it counts. Vectorisers stay off: GCC turned a scalar loop of a Highway
# target into an instruction that the CPU lacks (kernels/README.md), and hand-written loops gain nothing from them.
function(bittern_kernel_family family)
  cmake_parse_arguments(ARG "SMALL_SSE4" "" "SOURCES" ${ARGN})
  bittern_component(kernels_${family} SOURCES ${ARG_SOURCES} LINK hwy::hwy)
  set(references ${ARG_SOURCES})
  list(FILTER references INCLUDE REGEX "_reference\\.cc$")
  if(references)
    set_source_files_properties(${references} PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:Release>:-Os>")
  endif()
  # Tables for unwinding stay where an exception can pass: kernels are noexcept, and a twentieth of the library were theirs.
  target_compile_options(bittern_kernels_${family} PRIVATE -fno-asynchronous-unwind-tables -fno-tree-vectorize -fno-tree-slp-vectorize
    $<$<CXX_COMPILER_ID:Clang>:-fno-vectorize> $<$<CXX_COMPILER_ID:Clang>:-fno-slp-vectorize>)
  # g++ for AArch64 would also build SVE copies, whose sizeless vectors cannot be members; SSSE3 adds nothing to SSE4. Without SSE4
  # plain scalars (as g++ 12 has them anyway) take a third of the bytes of emulated vectors.
  target_compile_definitions(bittern_kernels_${family} PRIVATE HWY_BROKEN_EMU128=1
    "HWY_DISABLED_TARGETS=(HWY_SSSE3|HWY_SVE|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128)")
  if(ARG_SMALL_SSE4)
    target_compile_definitions(bittern_kernels_${family} PRIVATE BITTERN_SMALL_SSE4)
  endif()
  target_link_libraries(bittern_kernels INTERFACE bittern_kernels_${family} $<TARGET_OBJECTS:bittern_kernels_${family}>)
endfunction()

# bittern_test(<name> SOURCES ... [LINK ...] [LABELS fast|slow|fuzz] [ARGS ...]): a Catch2 program, run by ctest.
function(bittern_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;LABELS;ARGS;SYSTEM_INCLUDES" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS fast)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE bittern_options bittern_test_support ${ARG_LINK})
  target_include_directories(${name} SYSTEM PRIVATE ${ARG_SYSTEM_INCLUDES})
  target_compile_options(${name} PRIVATE -O1)  # what is tested is optimised; the test itself only has to compile quickly
  target_compile_definitions(${name} PRIVATE BITTERN_SOURCE_DIR="${PROJECT_SOURCE_DIR}" BITTERN_BINARY_DIR="${PROJECT_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name} ${ARG_ARGS})
  # Tests ask for impossible sizes on purpose: allocation has to fail there, not the sanitizer.
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" ENVIRONMENT "ASAN_OPTIONS=allocator_may_return_null=1")
  if(name MATCHES "^models_")  # whole networks, minutes under an emulator: first, so that the others fill the other cores
    set_tests_properties(${name} PROPERTIES COST 100)
  endif()
endfunction()

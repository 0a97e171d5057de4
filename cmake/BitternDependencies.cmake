# Every outside library, by find_package or a plain header/library search; nothing is downloaded at configure time.
include(GNUInstallDirs)
find_package(Threads REQUIRED)
find_package(hwy REQUIRED CONFIG)
find_package(fmt REQUIRED)

find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_path(PTHREADPOOL_INCLUDE_DIR pthreadpool.h REQUIRED)
find_library(PTHREADPOOL_LIBRARY pthreadpool REQUIRED)
find_path(FLATBUFFERS_INCLUDE_DIR flatbuffers/flatbuffers.h REQUIRED)
find_program(FLATC_EXECUTABLE flatc REQUIRED)
find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)
find_path(NLOHMANN_JSON_INCLUDE_DIR nlohmann/json.hpp REQUIRED)
find_path(STB_INCLUDE_DIR stb/stb_image.h REQUIRED)
mark_as_advanced(XXHASH_INCLUDE_DIR PTHREADPOOL_INCLUDE_DIR PTHREADPOOL_LIBRARY FLATBUFFERS_INCLUDE_DIR FLATC_EXECUTABLE
                 CLI11_INCLUDE_DIR NLOHMANN_JSON_INCLUDE_DIR STB_INCLUDE_DIR)

if(BITTERN_BUILD_CONVERTER)
  find_package(Protobuf REQUIRED)
  find_path(ONNX_INCLUDE_DIR onnx/onnx_pb.h REQUIRED)
  find_library(ONNX_PROTO_LIBRARY onnx_proto REQUIRED)
  mark_as_advanced(ONNX_INCLUDE_DIR ONNX_PROTO_LIBRARY)
endif()

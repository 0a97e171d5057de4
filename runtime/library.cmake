# libbittern: the installed library, shared and static, with the C API as its only surface.
include(CMakePackageConfigHelpers)

# Every object of the runtime and the kernels. Listed through the interface libraries that the folders add themselves to; passed as
# sources, since only those end up in an archive.
set(component_objects "")
foreach(group bittern_kernels bittern_runtime)
  get_target_property(members ${group} INTERFACE_LINK_LIBRARIES)
  foreach(member IN LISTS members)
    if(TARGET ${member} AND NOT member MATCHES "^bittern_kernels$")
      list(APPEND component_objects $<TARGET_OBJECTS:${member}>)
    endif()
  endforeach()
endforeach()

add_library(bittern_capi OBJECT capi.cc)
target_link_libraries(bittern_capi PRIVATE bittern_options)
bittern_smallest(capi.cc)
list(APPEND component_objects $<TARGET_OBJECTS:bittern_capi>)

foreach(kind shared static)
  string(TOUPPER ${kind} library_type)
  add_library(bittern_${kind} ${library_type} ${component_objects})
  target_include_directories(bittern_${kind} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(bittern_${kind} PRIVATE hwy::hwy Threads::Threads pthreadpool $<BUILD_INTERFACE:bittern_options>)
  set_target_properties(bittern_${kind} PROPERTIES OUTPUT_NAME bittern LINKER_LANGUAGE CXX)
endforeach()
get_filename_component(pthreadpool_dir ${PTHREADPOOL_LIBRARY} DIRECTORY)
target_link_directories(bittern_shared PRIVATE ${pthreadpool_dir})
set_target_properties(bittern_shared PROPERTIES
  EXPORT_NAME bittern
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/bittern.map)
target_link_options(bittern_shared PRIVATE -Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/bittern.map -Wl,--gc-sections)
# Relative relocations in their packed form, 60 KB less; the dynamic loader of glibc 2.36 (2022) reads it.
include(CheckLinkerFlag)
check_linker_flag(CXX -Wl,-z,pack-relative-relocs BITTERN_HAS_RELR)
if(BITTERN_HAS_RELR)
  target_link_options(bittern_shared PRIVATE -Wl,-z,pack-relative-relocs)
endif()
if(NOT BITTERN_SANITIZE)  # whose run-time comes with the program
  target_link_options(bittern_shared PRIVATE -Wl,-z,defs)
endif()
add_library(bittern::bittern ALIAS bittern_shared)
add_library(bittern::bittern_static ALIAS bittern_static)

install(TARGETS bittern_shared bittern_static EXPORT bitternTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT bittern_library NAMELINK_COMPONENT bittern_library
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT bittern_library)
install(FILES include/bittern/bittern.h include/bittern/bittern.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/bittern COMPONENT bittern_library)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/bittern)
install(EXPORT bitternTargets NAMESPACE bittern:: DESTINATION ${package_dir} COMPONENT bittern_library)
configure_package_config_file(package/bitternConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/bitternConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/bitternConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/bitternConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/bitternConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT bittern_library)

# The prefix is found from where the .pc file lies, so that `cmake --install --prefix` may put the tree anywhere.
file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(package/bittern.pc.in ${CMAKE_CURRENT_BINARY_DIR}/bittern.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/bittern.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT bittern_library)

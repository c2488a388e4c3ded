# One library out of all modules, `loam::loam`, with CMake and pkg-config descriptions. Nothing of how it was built reaches those who
# use it: no flags, no vendor headers; a static library only names the libraries it needs at link time.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(modules GLOBAL PROPERTY LOAM_MODULES)
get_property(vendors GLOBAL PROPERTY LOAM_VENDORS)
list(REMOVE_DUPLICATES vendors)

add_library(loam)
add_library(loam::loam ALIAS loam)
loam_target_defaults(loam)
set_target_properties(loam PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINKER_LANGUAGE CXX
  EXPORT_NAME loam)
target_include_directories(loam PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
foreach(module IN LISTS modules)
  get_target_property(type ${module} TYPE)
  if(NOT type STREQUAL "INTERFACE_LIBRARY")
    target_sources(loam PRIVATE $<TARGET_OBJECTS:${module}>)
  endif()
  get_target_property(headers ${module} HEADER_SET)
  if(LOAM_INSTALL AND headers)
    foreach(header IN LISTS headers)
      cmake_path(ABSOLUTE_PATH header BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
      cmake_path(RELATIVE_PATH header BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE relative)
      cmake_path(GET relative PARENT_PATH folder)
      install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/${folder})
    endforeach()
  endif()
endforeach()

# The vendors' names for the linker (-lsqlite3), so that a consumer needs none of their CMake packages.
set(link_names "")
foreach(vendor IN LISTS vendors)
  if(vendor MATCHES "^PkgConfig::(.*)$")
    list(APPEND link_names ${${CMAKE_MATCH_1}_LIBRARIES})
  elseif(vendor STREQUAL "OpenSSL::Crypto")
    list(APPEND link_names crypto)
  elseif(vendor STREQUAL "Threads::Threads")
    list(APPEND link_names pthread)
  else()
    message(FATAL_ERROR "LoamLibrary: say how ${vendor} is linked")
  endif()
endforeach()
list(REMOVE_DUPLICATES link_names)
target_link_libraries(loam PRIVATE ${link_names})

if(NOT LOAM_INSTALL)
  return()
endif()
install(TARGETS loam EXPORT loamTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT loamTargets NAMESPACE loam:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/loam)

set(LOAM_COMPONENTS "")
foreach(adapter sqlite lmdb postgres openai)
  string(TOUPPER ${adapter} upper)
  if(LOAM_WITH_${upper})
    list(APPEND LOAM_COMPONENTS ${adapter})
  endif()
endforeach()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/loamConfig.cmake.in ${PROJECT_BINARY_DIR}/loamConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/loam)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/loamConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/loamConfig.cmake ${PROJECT_BINARY_DIR}/loamConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/loam)

# -lx for each of them: private, that is, for a static link only.
list(TRANSFORM link_names PREPEND "-l" OUTPUT_VARIABLE LOAM_PC_LIBS)
list(JOIN LOAM_PC_LIBS " " LOAM_PC_LIBS)
set(LOAM_PC_LIBS_PUBLIC "")
if(NOT BUILD_SHARED_LIBS)
  set(LOAM_PC_LIBS_PUBLIC " ${LOAM_PC_LIBS}")
endif()
file(RELATIVE_PATH LOAM_PC_TO_PREFIX "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
configure_file(${CMAKE_CURRENT_LIST_DIR}/loam.pc.in ${PROJECT_BINARY_DIR}/loam.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/loam.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

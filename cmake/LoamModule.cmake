# loam_module(NAME x SOURCES .. HEADERS .. DEPS .. VENDOR .. TESTS .. TEST_DEPS ..)
#   the module loam_x (loam::x) and one test program loam_x_test. DEPS are other modules, and the only ones the linker
#   lets it use; VENDOR libraries stay private. HEADERS are installed, and each is compiled alone by a test.
set_property(GLOBAL PROPERTY LOAM_MODULES "")
set_property(GLOBAL PROPERTY LOAM_VENDORS "")

# What the sanitizers are run over: the test programs with the label quick, and no more than they need.
add_custom_target(loam_unit_tests)

add_library(loam_build_flags INTERFACE)
target_compile_options(loam_build_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wno-missing-field-initializers
  # g++ 12 sees deletes of the stack in moves of std::variant, and overlaps in std::string, that never happen.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-free-nonheap-object -Wno-maybe-uninitialized -Wno-restrict>
  $<$<BOOL:${LOAM_WERROR}>:-Werror>)
target_compile_definitions(loam_build_flags INTERFACE $<$<BOOL:${LOAM_KILL_POINTS}>:LOAM_KILL_POINTS>)
if(LOAM_SANITIZE)
  target_compile_options(loam_build_flags INTERFACE -fsanitize=${LOAM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(loam_build_flags INTERFACE -fsanitize=${LOAM_SANITIZE})
endif()

if(LOAM_BUILD_FUZZ)
  target_compile_options(loam_build_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

function(loam_target_defaults target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:loam_build_flags>)
endfunction()

function(loam_module)
  cmake_parse_arguments(M "" "NAME" "SOURCES;HEADERS;DEPS;VENDOR;TESTS;TEST_DEPS;DEFINITIONS" ${ARGN})
  if(M_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "loam_module(${M_NAME}): unknown arguments ${M_UNPARSED_ARGUMENTS}")
  endif()
  set(target loam_${M_NAME})
  list(TRANSFORM M_DEPS PREPEND loam_)
  if(M_SOURCES)
    add_library(${target} STATIC ${M_SOURCES})
    loam_target_defaults(${target})
    target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
    target_link_libraries(${target} PUBLIC ${M_DEPS} PRIVATE ${M_VENDOR})
    target_compile_definitions(${target} PRIVATE ${M_DEFINITIONS})
    target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${M_HEADERS})
  else()
    add_library(${target} INTERFACE)
    target_compile_features(${target} INTERFACE cxx_std_20)
    target_include_directories(${target} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
    target_link_libraries(${target} INTERFACE ${M_DEPS})
    target_sources(${target} INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${M_HEADERS})
  endif()
  add_library(loam::${M_NAME} ALIAS ${target})
  set_property(GLOBAL APPEND PROPERTY LOAM_MODULES ${target})
  set_property(GLOBAL APPEND PROPERTY LOAM_VENDORS ${M_VENDOR})

  if(LOAM_BUILD_TESTS AND M_TESTS)
    loam_test(NAME ${M_NAME} SOURCES ${M_TESTS} DEPS ${M_NAME} ${M_TEST_DEPS})
  endif()
endfunction()

# loam_test(NAME x SOURCES .. DEPS modules.. VENDOR .. [ENVIRONMENT ..] [LABELS quick|full|soak ..] [TIMEOUT s] [SERIAL]
#           [READS_SOURCES])
#   one GoogleTest program loam_x_test, one ctest entry. READS_SOURCES defines LOAM_SOURCE_DIR for it.
function(loam_test)
  cmake_parse_arguments(T "SERIAL;READS_SOURCES" "NAME;TIMEOUT" "SOURCES;DEPS;VENDOR;ENVIRONMENT;LABELS" ${ARGN})
  set(target loam_${T_NAME}_test)
  list(TRANSFORM T_DEPS PREPEND loam_)
  add_executable(${target} ${T_SOURCES})
  loam_target_defaults(${target})
  target_link_libraries(${target} PRIVATE ${T_DEPS} ${T_VENDOR} GTest::gmock GTest::gtest_main rapidcheck)
  if(T_READS_SOURCES)
    target_compile_definitions(${target} PRIVATE LOAM_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  endif()
  if(NOT T_LABELS)
    set(T_LABELS quick)
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  add_test(NAME ${T_NAME} COMMAND ${target})
  if("quick" IN_LIST T_LABELS)
    add_dependencies(loam_unit_tests ${target})
  endif()
  set_tests_properties(${T_NAME} PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${T_TIMEOUT} ENVIRONMENT "${T_ENVIRONMENT}")
  if(T_SERIAL)
    set_tests_properties(${T_NAME} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()

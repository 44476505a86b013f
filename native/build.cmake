# Builds native/ into build/native: cmake -P native/build.cmake
# Fails with "no C++ compiler" where CMake cannot set itself up, which native.targets takes for a warning.
cmake_minimum_required(VERSION 3.16)
get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
set(build "${root}/build/native")

# Two builds of two projects may come here at once.
file(MAKE_DIRECTORY "${build}")
file(LOCK "${build}/lock" GUARD PROCESS TIMEOUT 600)

macro(configure)
  execute_process(COMMAND "${CMAKE_COMMAND}" -S "${root}" -B "${build}" -DCMAKE_BUILD_TYPE=Release
    RESULT_VARIABLE failed OUTPUT_VARIABLE log ERROR_VARIABLE log)
  file(WRITE "${build}/configure.log" "${log}")
endmacro()

configure()
if(failed)
  # perhaps a cache of another folder or compiler: once more without
  file(REMOVE_RECURSE "${build}/CMakeCache.txt" "${build}/CMakeFiles")
  configure()
endif()
if(failed)
  message(FATAL_ERROR "no C++ compiler works here; ${build}/configure.log says what CMake found")
endif()

execute_process(COMMAND "${CMAKE_COMMAND}" --build "${build}" --config Release --target commoncanvas_native RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "native/ does not compile")
endif()
file(TOUCH "${build}/built")

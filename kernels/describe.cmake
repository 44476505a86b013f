# Describes a fatbin for the program, which takes it only while it was made of the sources that it carries itself:
# cmake -DSOURCE=x.cu -DSTORAGE=F32 -DFATBIN=x.F32.fatbin -DPTX=x.F32.ptx -DCODES=sm_80,compute_80 -P kernels/describe.cmake
# writes x.F32.manifest. AheadOfTimeKernels reads it and forms the same hashes.
cmake_minimum_required(VERSION 3.16)
get_filename_component(folder "${SOURCE}" DIRECTORY)
get_filename_component(file "${SOURCE}" NAME)
file(GLOB headers RELATIVE "${folder}" "${folder}/*.cuh")
list(SORT headers)
set(text "STORAGE_${STORAGE}\n")
foreach(name ${file} ${headers})
  file(SHA256 "${folder}/${name}" hash)
  string(APPEND text "${name} ${hash}\n")
endforeach()
string(SHA256 sources "${text}")
file(SHA256 "${FATBIN}" image)
file(SHA256 "${PTX}" declarations)
string(REPLACE "," " " codes "${CODES}")
string(REGEX REPLACE "\\.fatbin$" ".manifest" manifest "${FATBIN}")
file(WRITE "${manifest}" "sources ${sources}\nimage ${image}\ndeclarations ${declarations}\ncodes ${codes}\n")

# Every library that the project links, each from a Debian package; the README says why.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

function(sx_package name module)
    pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${module})
    add_library(sx::${name} INTERFACE IMPORTED GLOBAL)
    target_link_libraries(sx::${name} INTERFACE PkgConfig::${name})
endfunction()

sx_package(uv libuv)
sx_package(jansson jansson)
sx_package(pq libpq)
sx_package(crypto libcrypto)
sx_package(curl libcurl)
sx_package(zlib zlib)
if(SX_TESTS)
    sx_package(cmocka cmocka)
endif()

# SHA-256 and SHA-1, by the CPU's instructions where it has them, share no state: the core takes the
# 50 kB of them from libcrypto's static library, because the shared one costs 3 ms per exec.
# What uses the shared one as well names it first, so that nothing else comes from here.
find_library(SX_SHA_LIBRARY libcrypto.a REQUIRED)
add_library(sx::sha INTERFACE IMPORTED GLOBAL)
target_link_libraries(sx::sha INTERFACE ${SX_SHA_LIBRARY})
target_link_options(sx::sha INTERFACE -Wl,--exclude-libs,libcrypto.a)

# wslay's package has neither a static library nor a file for pkg-config.
find_library(SX_WSLAY_LIBRARY wslay REQUIRED)
find_path(SX_WSLAY_INCLUDE wslay/wslay.h REQUIRED)
add_library(sx::wslay INTERFACE IMPORTED GLOBAL)
target_include_directories(sx::wslay SYSTEM INTERFACE ${SX_WSLAY_INCLUDE})
target_link_libraries(sx::wslay INTERFACE ${SX_WSLAY_LIBRARY})

# llhttp comes as C sources (package node-llhttp); strict, because the loose mode lets a bare
# CR end a header.
find_path(SX_LLHTTP_SOURCES llhttp.c PATHS /usr/share/llhttp NO_DEFAULT_PATH REQUIRED)
find_path(SX_LLHTTP_INCLUDE llhttp.h PATHS /usr/share/include/llhttp /usr/include NO_DEFAULT_PATH
    REQUIRED)
add_library(llhttp STATIC ${SX_LLHTTP_SOURCES}/api.c ${SX_LLHTTP_SOURCES}/http.c
    ${SX_LLHTTP_SOURCES}/llhttp.c)
target_include_directories(llhttp SYSTEM PUBLIC ${SX_LLHTTP_INCLUDE})
target_compile_definitions(llhttp PRIVATE LLHTTP_STRICT_MODE=1)
target_compile_options(llhttp PRIVATE -w)
if(SX_SSE42 AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    target_compile_options(llhttp PRIVATE -msse4.2)
endif()
add_library(sx::llhttp ALIAS llhttp)

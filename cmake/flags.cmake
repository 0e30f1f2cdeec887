# Warnings, hardening, sanitizers and the compiler cache, for every target of the project.
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
    -fno-common -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)

# Reports of sanitizers want lines; more would only make their builds longer.
if(SX_SANITIZE)
    add_compile_options(-g1)
else()
    add_compile_options(-g)
endif()

# Hardening, which tests/system/test_hardening.py reads back from the files.
add_compile_options(-fstack-protector-strong -fstack-clash-protection)
add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code)
if(SX_WERROR)
    add_compile_options(-Werror)
endif()
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    add_compile_options(-fcf-protection=full)
elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
    add_compile_options(-mbranch-protection=standard)
endif()

if(SX_SANITIZE)
    add_compile_options(-fsanitize=${SX_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${SX_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    # An older compiler than GCC 12 or Clang 9 takes 3 for 2.
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()

# A module that uses what nobody gives it does not link.  Clang's sanitizer runtime lives in
# the executable, so there it cannot be asked for.
if(NOT (SX_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL "Clang"))
    add_link_options(-Wl,-z,defs)
endif()

find_program(SX_CCACHE ccache)
if(SX_CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${SX_CCACHE})
endif()

# What `describe` shows of a plugin; a commit configures anew, so it is never a stale one.  Where
# the sources come without their history (in the build of an image) the caller says it.
set(SX_COMMIT "" CACHE STRING "the commit that is built; empty: ask git")
set(SX_BRANCH "" CACHE STRING "its branch; empty: ask git")
set(commit "${SX_COMMIT}")
set(branch "${SX_BRANCH}")
if(NOT commit)
    execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} describe --always --dirty --abbrev=12
        OUTPUT_VARIABLE commit ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
if(NOT branch)
    execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} rev-parse --abbrev-ref HEAD
        OUTPUT_VARIABLE branch ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
if(EXISTS ${CMAKE_SOURCE_DIR}/.git/logs/HEAD)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
        ${CMAKE_SOURCE_DIR}/.git/logs/HEAD)
endif()
if(NOT commit)
    set(commit "no commit")
endif()
if(NOT branch)
    set(branch "no branch")
endif()
string(SUBSTRING "${commit}, ${branch}, ${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}"
    0 95 SX_BUILD)

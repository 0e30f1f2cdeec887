# cmake -DOUT=migrations.h -DSTEPS="0001_a.sql;0002_b.sql" -P embed-migrations.cmake
# writes `static const sx_migration sx_migrations_[]`.  The bytes go in as numbers, so any
# SQL survives.
cmake_minimum_required(VERSION 3.25)

list(SORT STEPS)
set(texts "")
set(rows "")
set(seen "")
foreach(step ${STEPS})
    get_filename_component(file ${step} NAME)
    if(NOT file MATCHES "^([0-9][0-9][0-9][0-9])_([a-z0-9_]+)\\.sql$")
        message(FATAL_ERROR "${step}: a migration is named NNNN_name.sql, in lower case")
    endif()
    set(number ${CMAKE_MATCH_1})
    set(name ${CMAKE_MATCH_2})
    if(number IN_LIST seen)
        message(FATAL_ERROR "${step}: the number ${number} is taken by another file")
    endif()
    list(APPEND seen ${number})

    file(READ ${step} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "(char)0x\\1," bytes "${hex}")
    string(REGEX REPLACE "^0+([0-9])" "\\1" plain ${number})
    string(APPEND texts "static const char sx_sql_${number}_[] = { ${bytes} 0 };\n")
    string(APPEND rows "    { ${plain}, \"${name}\", sx_sql_${number}_ },\n")
endforeach()
file(WRITE ${OUT} "/* Written by cmake/embed-migrations.cmake. */
#include <sx/plugin.h>

${texts}
static const sx_migration sx_migrations_[] = {
${rows}    { 0, NULL, NULL },
};
")

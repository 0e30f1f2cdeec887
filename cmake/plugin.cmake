# sx_plugin_module(NAME sources… [LIBRARIES libraries…]): the shared object of a plugin, put into
# build/<preset>/plugins, with migrations/NNNN_name.sql of its folder embedded: its source
# includes "migrations.h" and names sx_migrations_ (see docs/plugins.md).
add_custom_target(plugins) # all of them
add_custom_target(generated) # the headers that sources need, for those who only read them

function(sx_plugin_module name)
    cmake_parse_arguments(arg "" "" "LIBRARIES" ${ARGN})
    set(target plugin_${name})
    add_library(${target} MODULE ${arg_UNPARSED_ARGUMENTS})
    set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
    target_compile_definitions(${target} PRIVATE SX_BUILD="${SX_BUILD}")
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/include)
    target_link_libraries(${target} PRIVATE sx::jansson ${arg_LIBRARIES})
    sx_embed_migrations(${target})
    add_dependencies(plugins ${target})
endfunction()

function(sx_embed_migrations target)
    file(GLOB steps CONFIGURE_DEPENDS migrations/*.sql)
    if(NOT steps)
        return()
    endif()
    set(header ${CMAKE_CURRENT_BINARY_DIR}/generated/${target}/migrations.h)
    set(script ${CMAKE_SOURCE_DIR}/cmake/embed-migrations.cmake)
    add_custom_command(OUTPUT ${header}
        COMMAND ${CMAKE_COMMAND} -DOUT=${header} "-DSTEPS=${steps}" -P ${script}
        DEPENDS ${steps} ${script} VERBATIM)
    add_custom_target(${target}_migrations DEPENDS ${header})
    add_dependencies(generated ${target}_migrations)
    add_dependencies(${target} ${target}_migrations)
    target_sources(${target} PRIVATE ${header})
    target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/generated/${target})
endfunction()

# sx_plugin_test(NAME sources…): each source is a cmocka program with <sx/test.h>; it runs after
# the plugin's .so was built.
function(sx_plugin_test name)
    if(NOT SX_TESTS OR NOT TARGET sx_test)
        return()
    endif()
    foreach(source ${ARGN})
        get_filename_component(noun ${source} NAME_WE)
        sx_test_program(plugins_${name}_${noun} ${source})
        add_dependencies(plugins_${name}_${noun} plugin_${name})
    endforeach()
endfunction()

# sx_test_program(NAME sources…): a cmocka program build/<preset>/unit/NAME that ./dev test runs.
function(sx_test_program name)
    add_executable(${name} ${ARGN})
    target_compile_definitions(${name} PRIVATE _GNU_SOURCE
        SX_SOURCE_DIR="${CMAKE_SOURCE_DIR}" SX_BUILD_DIR="${CMAKE_BINARY_DIR}"
        SX_PLUGIN_DIR="${CMAKE_BINARY_DIR}/plugins")
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/core ${CMAKE_SOURCE_DIR}/include)
    target_link_libraries(${name} PRIVATE $<TARGET_NAME_IF_EXISTS:sx_test> sx_worker sx_supervisor
        sx::cmocka)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/unit)
    if(TARGET sx_db)
        add_dependencies(${name} sx_db)
    endif()
    add_test(NAME ${name} COMMAND ${name})
endfunction()

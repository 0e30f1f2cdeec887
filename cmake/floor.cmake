# sx_floor(NAME LIBRARIES…): core/NAME/*.c as the library sx_NAME on top of the given ones.
function(sx_floor name)
    file(GLOB sources CONFIGURE_DEPENDS ${name}/*.c)
    if(sources)
        add_library(sx_${name} STATIC ${sources})
        target_compile_definitions(sx_${name} PRIVATE _GNU_SOURCE SX_VERSION="${PROJECT_VERSION}")
    else() # headers only
        add_library(sx_${name} INTERFACE)
    endif()
    sx_floor_includes(${name} ${CMAKE_CURRENT_SOURCE_DIR})
    sx_floor_scope(${name} scope)
    target_link_libraries(sx_${name} ${scope} ${ARGN})
endfunction()

# A further include folder, for the floor and for what stands on it.
function(sx_floor_includes name dir)
    sx_floor_scope(${name} scope)
    target_include_directories(sx_${name} ${scope} ${dir})
endfunction()

function(sx_floor_scope name ret_scope)
    get_target_property(type sx_${name} TYPE)
    if(type STREQUAL "INTERFACE_LIBRARY")
        set(${ret_scope} INTERFACE PARENT_SCOPE)
    else()
        set(${ret_scope} PUBLIC PARENT_SCOPE)
    endif()
endfunction()

# Every folder DIR/NAME that has a CMakeLists.txt.
function(sx_add_folders dir)
    file(GLOB lists CONFIGURE_DEPENDS ${dir}/*/CMakeLists.txt)
    foreach(list ${lists})
        get_filename_component(folder ${list} DIRECTORY)
        add_subdirectory(${folder})
    endforeach()
endfunction()

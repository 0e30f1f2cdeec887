# shellcheck shell=bash disable=SC2154 # checkout and state are of ./dev
# build.sh - the CMake presets.

# build PRESET [TARGET…]; two builds of one preset take turns.
build()
{
    local preset=$1 target
    local -a targets=()

    shift
    for target in "$@"; do
        targets+=(--target "$target")
    done
    mkdir -p "$checkout/build"
    say "building the preset $preset"
    (
        flock 8
        if [ ! -f "build/$preset/build.ninja" ]; then
            cmake --preset "$preset" --log-level=WARNING >/dev/null 8>&-
        fi
        cmake --build --preset "$preset" "${targets[@]}" -- -k 0 8>&-
    ) 8>"$checkout/build/.$preset.lock"
}

# sanitized COMMAND…: the sanitizers of gcc 12 and clang 14 cannot map their shadow where the
# kernel spreads addresses widely.
sanitized()
{
    if setarch -R true 2>/dev/null; then
        setarch -R "$@"
    else
        "$@"
    fi
}

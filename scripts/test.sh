# shellcheck shell=bash
# test.sh - everything that ./dev test checks; ends with one line of counts.
#
# Each step leaves "PASSED FAILED SKIPPED" in a file of its own; a build that fails, or a
# runner that dies, is one failed test.

test_out=
test_postgres=

test_main()
{
    local filter is_plain=

    if [ "${1:-}" = --plain ]; then
        is_plain=yes
        shift
    fi
    filter=${1:-}
    exec </dev/null
    use fuzz
    use clients
    packages_need packages.txt packages-test.txt
    test_out=$(mktemp -d /tmp/sim-exchange-test-XXXXXXXX)
    trap test_end EXIT
    trap 'exit 130' INT TERM HUP
    export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1
    export UBSAN_OPTIONS=print_stacktrace=1
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

    if [ -n "$is_plain" ]; then
        ! test_step build_dev build dev || test_plain "$filter"
    elif test_step build_asan build asan; then
        test_with_builds "$filter"
    fi
    test_count
}

test_with_builds()
{
    local filter=$1 installing

    clients_install & # it waits for the network, not for a processor
    installing=$!
    test_step build_release build release || true
    test_step build_clang build clang generated || true # for the lints, which compile no further
    test_step build_tsan build tsan base_log_line_test base_log_test db_lease_test work_pool_test \
        contract_work_test plugin_contract sx_db || true

    test_fuzz "$filter"
    test_start_postgres
    wait "$installing" || true
    say "unit tests under ASan and UBSan"
    test_step unit sanitized \
        tests/run-units build/asan "$test_out/unit.count" "$filter" || true
    say "unit tests of threads under TSan"
    test_step threads sanitized \
        tests/run-units build/tsan "$test_out/threads.count" "$filter" \
        base_log work_ db_lease worker_thread || true
    say "lints and system tests"
    test_tell_image "$filter"
    test_step system sanitized \
        tests/run-pytest "$test_out/system.count" "$filter" tests/lint tests/http tests/system \
        tests/exchange tests/deploy || true
}

# So that nobody takes the counts for more than they are.
test_tell_image()
{
    [[ image == *"$1"* ]] || return 0
    say "SKIPPED: the image is not built here, which takes minutes and root: ./dev image does"
    printf '0 0 1\n' >"$test_out/image.count"
}

# Without sanitizers, lints and fuzz targets: what the build of the image runs, which knows neither
# this machine nor its history.
test_plain()
{
    test_start_postgres
    say "unit tests"
    test_step unit tests/run-units build/dev "$test_out/unit.count" "$1" || true
    say "system tests"
    SX_TEST_BUILD=build/dev test_step system \
        tests/run-pytest "$test_out/system.count" "$1" tests/http tests/system || true
}

# All seeds of the fuzz targets, and a fixed number of inputs made from them.
test_fuzz()
{
    if ! fuzz_is_possible; then
        say "no fuzz targets: the clang of this machine links no libFuzzer"
        printf '0 0 1\n' >"$test_out/fuzz.count"
        return
    fi
    test_step build_fuzz build fuzz || return 0
    say "fuzz targets, a moment each"
    test_step fuzz sanitized tests/run-fuzz --quick "$test_out/fuzz.count" "$1" || true
}

# test_step NAME COMMAND…: without counts of its own a failure counts as one.
test_step()
{
    local name=$1

    shift
    "$@" && return 0
    [ -f "$test_out/$name.count" ] || printf '0 1 0\n' >"$test_out/$name.count"
    say "FAILED: $name"
    return 1
}

# One cluster for all tests; each makes a database of its own in it.
test_start_postgres()
{
    coproc POSTGRES { exec scripts/throwaway-postgres; }
    # shellcheck disable=SC2153
    test_postgres=$POSTGRES_PID
    read -r -t 120 SX_TEST_DATABASE_URL <&"${POSTGRES[0]}" ||
        die "there is no PostgreSQL for the tests"
    export SX_TEST_DATABASE_URL
}

test_count()
{
    local passed=0 failed=0 skipped=0 p f s count

    for count in "$test_out"/*.count; do
        [ -f "$count" ] || continue
        read -r p f s <"$count"
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    done
    [ $((passed + failed)) -gt 0 ] || say "no test has such a name"
    printf '%d passed, %d failed' "$passed" "$failed"
    [ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
    printf '\n'
    [ "$passed" -gt 0 ] && [ "$failed" -eq 0 ] || exit 1
}

test_end()
{
    local status=$?

    trap '' INT TERM HUP
    if [ -n "$test_postgres" ]; then
        kill -TERM "$test_postgres" 2>/dev/null || true
        wait "$test_postgres" 2>/dev/null || true
    fi
    rm -rf "$test_out"
    exit "$status"
}

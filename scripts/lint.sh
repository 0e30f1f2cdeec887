# shellcheck shell=bash
# lint.sh - what tests/lint checks, each lint by its name.

lint_main()
{
    local lint n_failed=0

    packages_need packages.txt packages-test.txt
    build release
    build clang generated
    for lint in floors length words sleeps format headers globals symbols libraries shell \
        cppcheck tidy; do
        if "tests/lint/$lint"; then
            say "$lint: clean"
        else
            n_failed=$((n_failed + 1))
        fi
    done
    [ "$n_failed" -eq 0 ] || die "$n_failed lints found something"
}

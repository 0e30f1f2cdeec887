# shellcheck shell=bash
# fmt.sh - the layout of all C files, by .clang-format.

fmt_main()
{
    packages_need packages-test.txt
    tests/lint/format --fix
}

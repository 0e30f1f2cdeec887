# shellcheck shell=bash disable=SC2154 # state is of ./dev
# fuzz.sh - one fuzz target for as long as one likes; tests/fuzz/README.md tells of them.

fuzz_main()
{
    local target=${1:-} seconds=${2:-60}

    packages_need packages.txt packages-test.txt
    fuzz_is_possible || die "fuzz: the clang of this machine links no libFuzzer"
    build fuzz
    say "corpus and findings: $state/fuzz"
    sanitized tests/run-fuzz "$target" "$seconds"
}

# libFuzzer is a package of its own, which other systems may not have.
fuzz_is_possible()
{
    printf 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n);\n%s\n' \
        'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return !d && n; }' |
        clang -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null
}

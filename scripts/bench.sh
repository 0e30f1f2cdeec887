# shellcheck shell=bash
# bench.sh - the benchmark and its peers.

bench_main()
{
    packages_need packages.txt packages-bench.txt
    build release
    exec bench/run "$@"
}

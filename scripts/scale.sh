# shellcheck shell=bash
# scale.sh - what so many instances can do on one database.

scale_main()
{
    packages_need packages.txt packages-test.txt packages-bench.txt
    build release
    exec bench/scale/run "$@"
}

# shellcheck shell=bash
# exchange-load.sh - orders a second over HTTP, and in turns straight into the functions.

exchange_load_main()
{
    packages_need packages.txt packages-test.txt
    build release
    tests/exchange/load.py --build build/release "$@"
}

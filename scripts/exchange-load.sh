# shellcheck shell=bash
# exchange-load.sh - orders a second over HTTP and, beside it, straight into the exchange's functions.

exchange_load_main()
{
    packages_need packages.txt packages-test.txt
    build release
    tests/exchange/load.py --build build/release "$@"
}

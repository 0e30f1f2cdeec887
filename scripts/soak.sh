# shellcheck shell=bash
# soak.sh - mixed load with reloads, crashes and a database that drops connections, for a long time.

soak_main()
{
    packages_need packages.txt packages-test.txt
    build dev
    tests/soak/soak.py --build build/dev --minutes "${1:-60}"
}

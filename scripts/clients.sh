# shellcheck shell=bash disable=SC2154 # checkout and state are of ./dev
# clients.sh - what tests need of npm, as a package-lock.json names it, in .state: the libraries
# of tests/clients, and the vendors' types of tests/deploy/types.

clients_install()
{
    npm_install "$checkout/tests/clients" "$state/clients" "sessions with real clients"
    npm_install "$checkout/tests/deploy/types" "$state/types" "check of deploy/ by the vendors' types"
}

# npm_install FROM TO WHAT: once for each lock; without npm, or where its packages cannot be had,
# one line says that there is no WHAT, and the tests that need it are skipped.
npm_install()
{
    local from=$1 to=$2 what=$3 file

    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        say "no $what: node and npm are not installed"
        return
    fi
    ! cmp -s "$from/package-lock.json" "$to/node_modules/.lock" || return 0
    rm -rf "$to"
    mkdir -p "$to"
    for file in package.json package-lock.json .npmrc; do
        cp "$from/$file" "$to/"
    done
    say "installing by npm what is in ${from#"$checkout/"}"
    if (cd "$to" && timeout 300 npm ci --loglevel=error --fetch-retries=1 --fetch-timeout=20000 \
        </dev/null >"$to/npm.log" 2>&1); then
        cp "$from/package-lock.json" "$to/node_modules/.lock"
    else
        rm -rf "$to/node_modules"
        say "no $what: npm ci failed, see $to/npm.log"
    fi
}

# shellcheck shell=bash disable=SC2154 # checkout and state are of ./dev
# clients.sh - the libraries of tests/clients, as package-lock.json names them, in .state/clients.

# Once for each lock; without npm, or where its packages cannot be had, one line says so, and the
# tests that need them are skipped.
clients_install()
{
    local from=$checkout/tests/clients to=$state/clients file

    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        say "no sessions with real clients: node and npm are not installed"
        return
    fi
    ! cmp -s "$from/package-lock.json" "$to/node_modules/.lock" || return 0
    rm -rf "$to"
    mkdir -p "$to"
    for file in package.json package-lock.json .npmrc; do
        cp "$from/$file" "$to/"
    done
    say "installing the clients of tests/clients by npm"
    if (cd "$to" && timeout 300 npm ci --loglevel=error --fetch-retries=1 --fetch-timeout=20000 \
        </dev/null >"$to/npm.log" 2>&1); then
        cp "$from/package-lock.json" "$to/node_modules/.lock"
    else
        rm -rf "$to/node_modules"
        say "no sessions with real clients: npm ci failed, see $to/npm.log"
    fi
}

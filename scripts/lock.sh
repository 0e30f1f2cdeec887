# shellcheck shell=bash disable=SC2154 # checkout and state are of ./dev
# lock.sh - packages.lock: the exact versions of what packages*.txt name and of all that they bring,
# as Debian's archive has them today.
#
# apt works in a folder of its own, as if nothing was installed here: what this machine has does not
# matter, nor where it has it from.

lock_home=
lock_options=()

lock_main()
{
    [ $# -eq 0 ] || die "lock: unexpected argument \"$1\""
    command -v apt-get >/dev/null || die "lock: this needs apt"
    lock_home=$(mktemp -d /tmp/sim-exchange-lock-XXXXXXXX)
    trap 'rm -rf "$lock_home"' EXIT
    trap 'exit 130' INT TERM HUP
    lock_prepare
    lock_list >"$lock_home/packages.lock"
    lock_tell
    cp "$lock_home/packages.lock" packages.lock
}

lock_prepare()
{
    local architecture

    architecture=$(dpkg --print-architecture)
    mkdir -p "$lock_home/lists/partial" "$lock_home/cache/archives/partial" "$lock_home/parts"
    : >"$lock_home/status"
    grep -v '^#' deploy/image/sources.list >"$lock_home/sources.list"
    lock_options=(
        -o "Dir::Etc::SourceList=$lock_home/sources.list"
        -o "Dir::Etc::SourceParts=$lock_home/parts"
        -o "Dir::Etc::Preferences=/dev/null"
        -o "Dir::Etc::PreferencesParts=$lock_home/parts"
        -o "Dir::State=$lock_home"
        -o "Dir::State::Lists=$lock_home/lists"
        -o "Dir::State::Status=$lock_home/status"
        -o "Dir::State::Extended_States=$lock_home/extended"
        -o "Dir::Cache=$lock_home/cache"
        -o "APT::Architecture=$architecture"
        -o "APT::Architectures=$architecture"
        -o "APT::Sandbox::User=")
    say "reading the archive"
    if ! apt-get -q "${lock_options[@]}" update >"$lock_home/log" 2>&1; then
        cat "$lock_home/log" >&2
        die "lock: the archive cannot be read"
    fi
}

# Each list by itself, as they need not fit together.
lock_list()
{
    local list
    local -a names

    printf '# Exact versions of what packages*.txt name and of all that they bring, in the suites\n'
    printf '# of deploy/image/sources.list: written by ./dev lock, compared by every build.\n'
    printf '# Architecture: %s\n' "$(dpkg --print-architecture)"
    {
        lock_versions '?essential' '?priority(required)' apt usr-is-merged
        for list in packages*.txt; do
            mapfile -t names < <(package_names "$list")
            lock_versions "${names[@]}"
        done
    } | LC_ALL=C sort -u
}

# "NAME VERSION" of what an empty system would get.
lock_versions()
{
    apt-get -q -s "${lock_options[@]}" -o APT::Install-Recommends=false install "$@" \
        >"$lock_home/simulated" || die "lock: cannot be installed: $*"
    sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1 \2/p' "$lock_home/simulated"
}

lock_tell()
{
    if [ -f packages.lock ]; then
        diff <(grep -v '^#' packages.lock) <(grep -v '^#' "$lock_home/packages.lock") |
            sed -n -e 's/^>/dev: now   /p' -e 's/^</dev: before/p' || true
    fi
    say "packages.lock: $(grep -vc '^#' "$lock_home/packages.lock") packages"
}

# shellcheck shell=bash
# packages.sh - Debian packages by apt, those of the lists that are not there yet.

# The names in a list: NAME  # reason
package_names()
{
    sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$@"
}

packages_missing()
{
    local -a names
    local installed

    mapfile -t names < <(package_names "$@")
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${names[@]}" 2>&1) || true
    for name in "${names[@]}"; do
        grep -qxF "installed $name" <<<"$installed" || printf '%s\n' "$name"
    done
}

# packages_need LIST…: installs what is missing, or says the one line that would.
packages_need()
{
    local -a missing

    if ! command -v dpkg-query >/dev/null; then
        say "this is no Debian: taking for granted what is in" "${@##*/}"
        return
    fi
    mapfile -t missing < <(packages_missing "$@")
    [ ${#missing[@]} -eq 0 ] || packages_install "${missing[@]}"
    packages_warn "$@"
}

packages_install()
{
    local -a as_root=()
    local install="apt-get install -y --no-install-recommends"

    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            printf 'dev: packages are missing and there is neither root nor sudo; run once:\n\n' >&2
            printf '    su -c "apt-get update && %s %s"\n\n' "$install" "$*" >&2
            exit 1
        fi
        as_root=(sudo -n)
    fi
    say "installing by apt: $*"
    # One checkout at a time: apt does not wait for another one's list of packages.
    # shellcheck disable=SC2016
    "${as_root[@]}" flock /var/lib/dpkg env DEBIAN_FRONTEND=noninteractive sh -ec '
        apt-get -q update
        apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
    ' sh "$@" </dev/null
}

# packages_differing LOCK NAME…: "NAME LOCKED FOUND" of each of these packages that is installed in
# another version than LOCK has, "-" where it has none.  Without names: of all that are installed.
packages_differing()
{
    local lock=$1

    shift
    {
        dpkg-query -W -f '${db:Status-Status} ${Package} ${Version} ${Architecture}\n' "$@" \
            2>/dev/null || true
    } | awk -v lock="$lock" '
        BEGIN {
            while ((getline line <lock) > 0) {
                n = split(line, field, " ")
                if (line ~ /^# Architecture: /)
                    architecture = field[3]
                else if (n == 2 && line !~ /^#/)
                    locked[field[1]] = field[2]
            }
        }
        $1 != "installed" || $4 != "all" && $4 != architecture { next }
        !($2 in locked) { print $2, "-", $3; next }
        locked[$2] != $3 { print $2, locked[$2], $3 }
    '
}

# packages_warn LIST…: a line for each package of the lists whose version is not the locked one.
packages_warn()
{
    local lock name locked found
    local -a names

    lock=$(dirname -- "$1")/packages.lock
    [ -f "$lock" ] || return 0
    mapfile -t names < <(package_names "$@")
    while read -r name locked found; do
        say "warning: package $name: locked $locked, found $found (packages.lock; ./dev lock renews)"
    done < <(packages_differing "$lock" "${names[@]}")
}

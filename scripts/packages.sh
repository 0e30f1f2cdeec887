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
    local -a missing as_root=()
    local install="apt-get install -y --no-install-recommends"

    if ! command -v dpkg-query >/dev/null; then
        say "this is no Debian: taking for granted what is in" "${@##*/}"
        return
    fi
    mapfile -t missing < <(packages_missing "$@")
    [ ${#missing[@]} -gt 0 ] || return 0

    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            printf 'dev: packages are missing and there is neither root nor sudo; run once:\n\n' >&2
            printf '    su -c "apt-get update && %s %s"\n\n' "$install" "${missing[*]}" >&2
            exit 1
        fi
        as_root=(sudo -n)
    fi
    say "installing by apt: ${missing[*]}"
    # One checkout at a time: apt does not wait for another one's list of packages.
    # shellcheck disable=SC2016
    "${as_root[@]}" flock /var/lib/dpkg env DEBIAN_FRONTEND=noninteractive sh -ec '
        apt-get -q update
        apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
    ' sh "${missing[@]}" </dev/null
}

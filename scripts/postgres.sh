# shellcheck shell=bash
# postgres.sh - a private PostgreSQL cluster: a folder, a server, a unix socket, no network.
#
# The socket's folder has mode 0700, so every login over it is trusted and nobody else has
# one.  The server gets SIGINT from the kernel when the script dies, even by kill -9, and
# repairs itself at the next start when it was killed.

cluster_home= # holds data/, log and, where the path is short enough, socket/
cluster_socket=
cluster_bin=
cluster_pid=
cluster_as=()   # what runs a command as the owner of the cluster
cluster_init_options=()

# PostgreSQL refuses to run as root: then the package's user owns the cluster.
cluster_owner()
{
    local user=postgres

    if [ "$(id -u)" -ne 0 ]; then
        cluster_as=()
        id -un
        return
    fi
    id -u "$user" >/dev/null 2>&1 || user=nobody
    printf '%s' "$user"
}

# cluster_place HOME [FALLBACK]: makes HOME for the owner, or FALLBACK where the owner cannot
# reach HOME (a checkout below /root).
cluster_place()
{
    local user group

    user=$(cluster_owner)
    group=$(id -gn "$user")
    [ "$(id -u)" -ne 0 ] || cluster_as=(setpriv "--reuid=$user" "--regid=$group" --clear-groups)
    for cluster_home in "$@"; do
        mkdir -p "$cluster_home"
        [ "$(id -u)" -ne 0 ] || chown "$user:$group" "$cluster_home"
        if chmod 0700 "$cluster_home" 2>/dev/null && cluster_run test -w "$cluster_home"; then
            return 0
        fi
        rmdir "$cluster_home" 2>/dev/null || true
        say "the user $user cannot use $cluster_home"
    done
    die "there is no folder in which $user could keep a database"
}

cluster_run()
{
    (cd / && exec "${cluster_as[@]}" "$@")
}

cluster_find_programs()
{
    local dir

    cluster_bin=
    for dir in /usr/lib/postgresql/*/bin; do
        [ ! -x "$dir/initdb" ] || cluster_bin=$dir
        # A cluster that exists stays with its version.
        if [ -f "$cluster_home/data/PG_VERSION" ] &&
            [ "$dir" = "/usr/lib/postgresql/$(<"$cluster_home/data/PG_VERSION")/bin" ]; then
            return 0
        fi
    done
    [ -n "$cluster_bin" ] || die "PostgreSQL is not installed: no /usr/lib/postgresql/*/bin/initdb"
    if [ -f "$cluster_home/data/PG_VERSION" ]; then
        die "$cluster_home needs PostgreSQL $(<"$cluster_home/data/PG_VERSION"), which is not there"
    fi
}

cluster_init()
{
    local log=$cluster_home/initdb.log

    [ ! -f "$cluster_home/data/PG_VERSION" ] || return 0
    say "making a private PostgreSQL cluster in $cluster_home"
    # Under another name until it is whole: a killed initdb leaves no half cluster.
    cluster_run rm -rf "$cluster_home/data.new"
    if ! cluster_run "$cluster_bin/initdb" -D "$cluster_home/data.new" -U sim_exchange \
        --auth-local=trust --auth-host=reject --encoding=UTF8 --locale=C.UTF-8 \
        "${cluster_init_options[@]}" >"$log" 2>&1; then
        cat "$log" >&2
        die "initdb failed"
    fi
    cluster_run mv "$cluster_home/data.new" "$cluster_home/data"
}

# A unix socket's path has 107 bytes at most, and PostgreSQL splits lists of folders.
cluster_place_socket()
{
    local noted=$cluster_home/socket-folder

    cluster_socket=$cluster_home/socket
    if [ ${#cluster_socket} -le 90 ] && [[ $cluster_socket =~ ^[A-Za-z0-9/._-]+$ ]]; then
        cluster_run mkdir -p -m 0700 "$cluster_socket"
        return
    fi
    # The same folder as last time while it is still there and still the owner's alone.
    if [ -f "$noted" ] && cluster_is_own "$(<"$noted")"; then
        cluster_socket=$(<"$noted")
        return
    fi
    cluster_socket=$(cluster_run mktemp -d /tmp/sim-exchange-XXXXXXXX)
    printf '%s' "$cluster_socket" | cluster_run tee "$noted" >/dev/null
    say "the path is too long for a socket: it is in $cluster_socket"
}

cluster_is_own()
{
    [ -d "$1" ] && [ ! -L "$1" ] && [ "$(stat -c '%a %U' "$1")" = "700 $(cluster_owner)" ]
}

# cluster_start [OPTION…]: a server of an earlier run that is still ending is waited for.
cluster_start()
{
    cluster_find_programs
    cluster_init
    cluster_place_socket
    if cluster_run "$cluster_bin/pg_ctl" status -D "$cluster_home/data" >/dev/null; then
        say "ending the PostgreSQL that an earlier run left behind"
        cluster_run "$cluster_bin/pg_ctl" stop -D "$cluster_home/data" -m fast -w -t 120 \
            >/dev/null || true
    fi

    say "starting PostgreSQL, log: $cluster_home/log"
    # Again when the processes of a server that was killed have not all noticed it yet.
    for _ in 1 2 3; do
        cluster_launch "$@"
        cluster_wait && return
        sleep 1
    done
    tail -n 20 "$cluster_home/log" >&2
    die "PostgreSQL did not start"
}

cluster_launch()
{
    (
        cd /
        exec 9>&- setsid "${cluster_as[@]}" setpriv --pdeathsig INT \
            "$cluster_bin/postgres" -D "$cluster_home/data" -c listen_addresses= -c port=5432 \
            -c "unix_socket_directories=$cluster_socket" -c unix_socket_permissions=0700 \
            -c logging_collector=off -c log_destination=stderr "$@"
    ) </dev/null >>"$cluster_home/log" 2>&1 &
    cluster_pid=$!
}

# True when it takes connections, false when it ended.
cluster_wait()
{
    until "$cluster_bin/pg_isready" -q -h "$cluster_socket" -p 5432 -d postgres; do
        kill -0 "$cluster_pid" 2>/dev/null || return 1
        sleep 0.1
    done
}

cluster_url()
{
    printf 'postgresql:///%s?host=%s&port=5432&user=sim_exchange' "$1" "$cluster_socket"
}

# cluster_database NAME: makes it if it is not there.
cluster_database()
{
    local psql=("$cluster_bin/psql" -XqAt -v ON_ERROR_STOP=1 -d "$(cluster_url postgres)")

    if [ "$("${psql[@]}" -c "SELECT 1 FROM pg_database WHERE datname = '$1'")" != 1 ]; then
        "${psql[@]}" -c "CREATE DATABASE $1"
    fi
}

cluster_stop()
{
    [ -n "$cluster_pid" ] || return 0
    kill -INT "$cluster_pid" 2>/dev/null || true # fast: sessions end, data is safe
    # A backend that does not end is waited for 20 seconds: then immediate, which a start
    # recovers from.
    for _ in {1..200}; do
        kill -0 "$cluster_pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -QUIT "$cluster_pid" 2>/dev/null || true
    wait "$cluster_pid" 2>/dev/null || true
    cluster_pid=
    [[ $cluster_socket == "$cluster_home"/* ]] || rm -rf "$cluster_socket"
}

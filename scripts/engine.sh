# shellcheck shell=bash disable=SC2154 # checkout and state are of ./dev
# engine.sh - a Docker engine: the one that runs here, or a private one for the time of this script.
#
# The private one keeps layers in .state/engine, so that a second build is quick, and all else in a
# folder that goes away with it.  It gets TERM from the kernel when the script dies.  It touches
# neither bridges nor packet filters: containers use the network of this machine.

engine_home=    # of the private engine: sockets, logs
engine_data=    # its layers
engine_pid=
engine_base=debian:bookworm-slim
engine_why=     # why there is none
docker=(docker)

# engine_open: sets docker and engine_base, or engine_why and fails.
engine_open()
{
    if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
        say "using the Docker engine that runs here"
        return
    fi
    engine_is_possible || return 1
    packages_need packages-image.txt
    engine_start || return 1
    engine_make_base
}

engine_is_possible()
{
    if [ "$(id -u)" -ne 0 ]; then
        engine_why="no Docker engine runs here, and only root can start one"
    elif ! command -v apt-get >/dev/null; then
        engine_why="no Docker engine runs here, and its packages are Debian's"
    elif ! unshare -m true 2>/dev/null; then
        engine_why="no Docker engine runs here, and none can: mounting is not allowed"
    elif [ ! -d /sys/fs/cgroup ] || ! grep -q cgroup /proc/self/mounts; then
        engine_why="no Docker engine runs here, and none can: there are no control groups"
    fi
    [ -z "$engine_why" ]
}

engine_start()
{
    engine_home=$(mktemp -d /tmp/sim-exchange-image-XXXXXXXX)
    engine_data=$state/engine
    mkdir -p "$engine_data"
    say "starting a private Docker engine"
    # Not of this script's session: Ctrl-C is for the script, which then ends it.
    setsid setpriv --pdeathsig TERM /usr/sbin/dockerd \
        --host "unix://$engine_home/docker.sock" --pidfile "$engine_home/pid" \
        --data-root "$engine_data" --exec-root "$engine_home/exec" \
        --bridge=none --iptables=false --ip6tables=false \
        </dev/null >"$engine_home/log" 2>&1 8>&- 9>&- &
    engine_pid=$!
    docker=(/usr/bin/docker --host "unix://$engine_home/docker.sock")
    for _ in {1..300}; do
        ! "${docker[@]}" version >/dev/null 2>&1 || return 0
        kill -0 "$engine_pid" 2>/dev/null || break
        sleep 0.1
    done
    engine_why=$(sed -n 's/^failed to start daemon: //p; s/.*level=fatal msg=//p' \
        "$engine_home/log" | tail -n 1)
    engine_why="a private Docker engine does not start: $engine_why"
    return 1
}

# Made anew when the locked versions change; the build brings it up to date in any case.
engine_make_base()
{
    local key

    key=$(cat packages.lock deploy/image/sources.list | sha256sum)
    engine_base=sim-exchange-base:${key:0:12}
    ! "${docker[@]}" image inspect "$engine_base" >/dev/null 2>&1 || return 0
    say "making the base image of packages"
    grep -v '^#' deploy/image/sources.list >"$engine_home/sources.list"
    if ! mmdebstrap --quiet --variant=minbase --include=usr-is-merged \
        --dpkgopt=force-unsafe-io --aptopt='Acquire::Languages "none"' bookworm \
        "$engine_home/base.tar" "$engine_home/sources.list" >"$engine_home/base.log" 2>&1; then
        cat "$engine_home/base.log" >&2
        die "image: the base image cannot be made"
    fi
    "${docker[@]}" import "$engine_home/base.tar" "$engine_base" >/dev/null ||
        die "image: the base image cannot be imported"
    rm "$engine_home/base.tar"
}

# What it started ends with it; what it mounted is unmounted, should it have died of something else.
engine_close()
{
    local mount

    [ -n "$engine_home" ] || return 0
    if [ -n "$engine_pid" ]; then
        kill -TERM "$engine_pid" 2>/dev/null || true
        wait "$engine_pid" 2>/dev/null || true
    fi
    while read -r _ mount _; do
        case $mount in
        "$engine_home"/* | "$engine_data" | "$engine_data"/*) umount -l "$mount" || true ;;
        esac
    done < <(tac /proc/self/mounts)
    rm -rf "$engine_home"
    engine_home=
}

# shellcheck shell=bash disable=SC2154 # checkout and state are of ./dev
# engine.sh - a Docker engine: the one that runs here, or a private one for the time of this script.
#
# The private one keeps layers in .state/engine, so that a second build is quick, and all else in a
# folder that goes away with it.  It gets TERM from the kernel when the script dies.  It touches
# neither bridges nor packet filters: containers use the network of this machine.
#
# A script that is killed takes nothing away.  So its folders are noted in .state, and the next
# one, which has the lock of this checkout, ends, unmounts and removes what it finds of them.

engine_folders=$state/image.folders
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

# A folder of this run, into folder.  In /tmp, as the path of a socket has 107 bytes at most.
engine_folder()
{
    folder=$(mktemp -d /tmp/sim-exchange-image-XXXXXXXX)
    printf '%s\n' "$folder" >>"$engine_folders"
}

engine_start()
{
    local folder

    engine_folder
    engine_home=$folder
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
    if ! TMPDIR=$engine_home mmdebstrap --quiet --variant=minbase --include=usr-is-merged \
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
    [ -n "$engine_home" ] || return 0
    if [ -n "$engine_pid" ]; then
        kill -TERM "$engine_pid" 2>/dev/null || true
        wait "$engine_pid" 2>/dev/null || true
    fi
    engine_remove "$engine_home"
    engine_home=
}

# engine_clean: what a run that was killed has left.
engine_clean()
{
    local folder

    [ -f "$engine_folders" ] || return 0
    while IFS= read -r folder; do
        [[ $folder == /tmp/sim-exchange-image-* && -d $folder ]] || continue
        say "removing what an earlier run has left in $folder"
        engine_end_left "$folder"
        engine_remove "$folder"
    done <"$engine_folders"
    rm "$engine_folders"
}

# Ends the programs of that folder: an engine and a PostgreSQL as they like to be ended, which takes
# care of all else; then what stays, for one that was killed as well.
engine_end_left()
{
    engine_signal INT "$1" postgres
    engine_signal TERM "$1" dockerd
    engine_wait_left "$1" 'dockerd|postgres' || true
    engine_signal KILL "$1" '*'
    engine_wait_left "$1" '*' || die "what an earlier run has left in $1 does not end"
}

engine_signal()
{
    local signal=$1
    local -a left

    shift
    mapfile -t left < <(engine_left "$@")
    [ ${#left[@]} -eq 0 ] || kill -s "$signal" "${left[@]}" 2>/dev/null || true
}

engine_wait_left()
{
    for _ in {1..200}; do
        [ -n "$(engine_left "$@")" ] || return 0
        sleep 0.1
    done
    return 1
}

# engine_left HOME NAMES: the processes of such names (an extended pattern) that have HOME in their
# command line, and with '*' the first process of each container that HOME tells of.
engine_left()
{
    local file pid name
    local -a words

    for file in /proc/[0-9]*/cmdline; do
        pid=${file//[!0-9]/}
        { mapfile -d '' -t words <"$file" && read -r name <"${file%/*}/comm"; } 2>/dev/null || continue
        # shellcheck disable=SC2053 # a pattern
        [[ " ${words[*]} " == *"$1/"* && $name == @(dockerd|containerd*|runc|postgres) &&
            $name == @($2) ]] && printf '%s\n' "$pid"
    done
    [ "$2" = '*' ] || return 0
    for file in "$1"/exec/containerd/daemon/io.containerd.runtime.v2.task/*/*/init.pid; do
        [ -f "$file" ] || continue
        pid=$(<"$file")
        name=${file%/*} # the container's folder has its identifier, and so has its control group
        ! grep -qF "${name##*/}" "/proc/$pid/cgroup" 2>/dev/null || printf '%s\n' "$pid"
    done
}

# Unmounts what is mounted in a folder of this script, or for its layers, and removes the folder.
engine_remove()
{
    local mount

    while read -r _ mount _; do
        printf -v mount '%b' "$mount" # a space is \040 there
        case $mount in
        "$1"/* | "$state/engine" | "$state/engine"/*) umount -l "$mount" || true ;;
        esac
    done < <(tac /proc/self/mounts)
    rm -rf --one-file-system "$1"
}

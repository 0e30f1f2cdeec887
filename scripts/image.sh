# shellcheck shell=bash disable=SC2154 # checkout and state are of ./dev
# image.sh - builds the container image and looks at it from outside; ends with one line of counts.

image_tag=sim-exchange:check
image_report=
image_keeps=

image_main()
{
    local started=$SECONDS

    image_options "$@"
    use engine
    use postgres
    trap image_end EXIT
    trap 'exit 130' INT TERM HUP

    exec 7>"$state/image.lock"
    flock -n 7 || die "another ./dev image of this checkout has not ended yet"
    image_open_engine || return 0
    image_build
    image_start_database
    say "built in $((SECONDS - started)) s; looking at it"
    deploy/image/check.py --tag "$image_tag" --state "$state" \
        --database "$cluster_socket" --build-seconds "$((SECONDS - started))" \
        ${image_report:+--report deploy/image/REPORT.md} -- "${docker[@]}"
}

image_options()
{
    local option

    for option in "$@"; do
        case $option in
        --report) image_report=yes ;;
        --keep) image_keeps=yes ;;
        *) die "image: unknown option \"$option\"; there are --report and --keep" ;;
        esac
    done
}

# A machine that cannot do it says so in one line, and no more is wrong.
image_open_engine()
{
    ! engine_open || return 0
    say "SKIPPED: the image is not built: $engine_why"
    printf '0 passed, 0 failed, 1 skipped\n'
    return 1
}

image_build()
{
    local commit branch

    packages_need packages.txt packages-test.txt # what the checks start: PostgreSQL, gcc, python3
    commit=$(git describe --always --dirty --abbrev=12 2>/dev/null || true)
    branch=$(git rev-parse --abbrev-ref HEAD 2>/dev/null || true)
    say "building the image"
    DOCKER_BUILDKIT=1 "${docker[@]}" build --progress=plain --network host \
        --build-arg "BASE=$engine_base" --build-arg "COMMIT=$commit" \
        --build-arg "BRANCH=$branch" ${LOCK:+--build-arg "LOCK=$LOCK"} \
        --tag "$image_tag" . >"$state/image.log" 2>&1 7>&- || {
        tail -n 40 "$state/image.log" >&2
        die "image: the build failed; all of it is in .state/image.log"
    }
}

# As Cloud SQL's: a socket in a folder that the container mounts, where its user has another number.
image_start_database()
{
    # shellcheck disable=SC2034 # of postgres.sh
    cluster_init_options=(--no-sync)
    cluster_place "$(mktemp -d /tmp/sim-exchange-image-XXXXXXXX)"
    cluster_start -c fsync=off -c unix_socket_permissions=0777
    chmod 0755 "$cluster_home" "$cluster_socket"
}

image_end()
{
    local status=$?

    trap '' INT TERM HUP
    if [ -n "$cluster_pid" ]; then
        cluster_stop
        rm -rf "$cluster_home"
    fi
    if [ -z "$engine_home" ] && [ -z "$image_keeps" ]; then
        docker image rm -f "$image_tag" >/dev/null 2>&1 || true
    fi
    engine_close
    exit "$status"
}

# shellcheck shell=bash disable=SC2154 # checkout and state are of ./dev
# image.sh - builds the container image and looks at it from outside; ends with one line of counts.

image_tag=sim-exchange:check
image_report=
image_tests=
image_keeps=

image_main()
{
    local started=$SECONDS

    image_options "$@"
    use engine
    use postgres
    image_alone
    trap image_end EXIT
    trap 'exit 130' INT TERM HUP
    engine_clean
    image_open_engine || return 0
    packages_need packages.txt packages-test.txt # what the checks start: PostgreSQL, gcc, python3
    if [ -n "$image_tests" ]; then
        say "building the stage of the tests, which runs them: .state/image-test.log"
        image_build test "$image_tag-test" image-test.log
        grep -aE '[0-9]+ passed, [0-9]+ failed' "$state/image-test.log" | tail -n 1
        "${docker[@]}" image rm "$image_tag-test" >/dev/null
    fi
    say "building the image"
    image_build runtime "$image_tag" image.log
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
        --test) image_tests=yes ;;
        --keep) image_keeps=yes ;;
        *) die "image: unknown option \"$option\"; there are --report, --test and --keep" ;;
        esac
    done
}

# The programs that it waits for keep the lock as well: what they use is not taken away under them.
# PostgreSQL and the engine do not, so that one that stays when this script is killed is ended.
image_alone()
{
    exec 9>"$state/image.lock"
    flock -n 9 && return
    say "another ./dev image of this checkout has not ended yet: waiting 20 seconds for it"
    flock -w 20 9 || die "another ./dev image of this checkout has not ended yet"
}

# A machine that cannot do it says so in one line, and no more is wrong.
image_open_engine()
{
    ! engine_open || return 0
    say "SKIPPED: the image is not built: $engine_why"
    printf '0 passed, 0 failed, 1 skipped\n'
    return 1
}

# image_build STAGE TAG LOG
image_build()
{
    local stage=$1 tag=$2 log=$3 commit branch

    commit=$(git describe --always --dirty --abbrev=12 2>/dev/null || true)
    branch=$(git rev-parse --abbrev-ref HEAD 2>/dev/null || true)
    DOCKER_BUILDKIT=1 "${docker[@]}" build --progress=plain --network host \
        --build-arg "BASE=$engine_base" --build-arg "COMMIT=$commit" \
        --build-arg "BRANCH=$branch" ${LOCK:+--build-arg "LOCK=$LOCK"} \
        --target "$stage" --tag "$tag" . >"$state/$log" 2>&1 || {
        tail -n 40 "$state/$log" >&2
        die "image: the build of the stage $stage failed; all of it is in .state/$log"
    }
}

# As Cloud SQL's: a socket in a folder that the container mounts, where its user has another number.
image_start_database()
{
    local folder

    # shellcheck disable=SC2034 # of postgres.sh
    cluster_init_options=(--no-sync)
    engine_folder
    cluster_place "$folder"
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
    rm -f "$engine_folders"
    exit "$status"
}

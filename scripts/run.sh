# shellcheck shell=bash disable=SC2154 # checkout and state are of ./dev
# run.sh - the development environment with a private PostgreSQL, until Ctrl-C.

server_pid=
is_ending=
own_database=() # DATABASE_URL of the private PostgreSQL, which an empty one in .env yields to

run_main()
{
    local preset=release config=config port

    case ${1:-} in
    '') ;;
    --faults) preset=dev ;;
    *) die "run: unknown option \"$1\"; there is --faults" ;;
    esac
    run_hear_interrupts "$@"
    use dotenv
    use postgres

    [ ! -f .env ] || dotenv_load "$checkout/.env"
    if [ "$preset" = dev ]; then
        packages_need packages.txt packages-test.txt
        build dev sim-exchange plugins
        config=$state/config
        scripts/config-with-faults config "$config" "build/dev/plugins/faults.so"
    else
        packages_need packages.txt
        build release
    fi

    port=$(setting PORT)
    port=${port:-5009}
    run_alone
    ! run_is_taken "$port" ||
        die "port $port is in use by another process; choose another one: PORT=5010 ./dev run"
    trap run_end EXIT
    trap run_signal INT TERM HUP
    run_database
    run_serve "$checkout/build/$preset/sim-exchange" "$config" "$port"
}

# A shell starts "./dev run &" of a script with SIGINT ignored, which no trap can undo: begin anew
# with what Ctrl-C sends.
run_hear_interrupts()
{
    local ignored

    ignored=$(sed -n 's/^SigIgn:[[:space:]]*//p' /proc/self/status)
    if ((0x${ignored:-0} & 2)); then
        exec env --default-signal=INT "$checkout/dev" run "$@"
    fi
}

# The server keeps the lock open too: one that a killed script left behind is waited for.
run_alone()
{
    exec 9>"$state/run.lock"
    flock -n 9 && return
    say "another run of this checkout has not ended yet: waiting 20 seconds for it"
    flock -w 20 9 || die "another ./dev run serves this checkout; end it with Ctrl-C there"
}

run_database()
{
    local name hash

    for name in DATABASE_URL INSTANCE_NAME1 MFDB_NAME; do
        if [ -n "$(setting "$name")" ]; then
            say "taking the database from $name, so no private PostgreSQL"
            return
        fi
    done
    hash=$(printf '%s' "$checkout" | sha256sum)
    cluster_place "$state/postgres" "/var/lib/sim-exchange/${hash:0:16}"
    cluster_start
    cluster_database sim_exchange
    DATABASE_URL=$(cluster_url sim_exchange)
    own_database=("DATABASE_URL=$DATABASE_URL")
    say "the database: psql '$DATABASE_URL'"
}

run_serve()
{
    local program=$1 config=$2 port=$3 status=0

    say "migrating"
    env "${dotenv[@]}" "${own_database[@]}" SX_ENV=development "$program" migrate --config "$config"

    [ -z "$is_ending" ] || return 0
    env "${dotenv[@]}" "${own_database[@]}" SX_ENV=development PORT="$port" \
        setsid setpriv --pdeathsig TERM "$program" serve --config "$config" </dev/null &
    server_pid=$!
    run_announce "$port"
    while kill -0 "$server_pid" 2>/dev/null; do
        wait "$server_pid" && status=0 || status=$?
    done
    server_pid=
    [ -n "$is_ending" ] || die "the server ended by itself with status $status"
}

run_announce()
{
    local port=$1

    until run_is_ready "$port" 2>/dev/null; do
        kill -0 "$server_pid" 2>/dev/null || return 0
        sleep 0.1
    done
    say "serving the development environment (pid $server_pid); Ctrl-C ends it"
    say "    http://localhost:$port/              what there is"
    say "    http://localhost:$port/hello         the smallest plugin"
    say "    http://localhost:$port/openapi.json  every route"
    say "    http://localhost:$port/_sx/ready     health"
}

run_is_taken()
{
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

run_is_ready()
{
    local line

    (
        exec 3<>"/dev/tcp/127.0.0.1/$1"
        printf 'GET /_sx/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
        read -r -t 2 line <&3
        [[ $line == "HTTP/1.1 200 "* ]]
    )
}

# Once: graceful.  Again: quick.
run_signal()
{
    local signal=TERM

    [ -z "$is_ending" ] || signal=INT
    is_ending=yes
    if [ -n "$server_pid" ]; then
        kill "-$signal" "$server_pid" 2>/dev/null || true
    else
        exit 130 # run_end follows
    fi
}

run_end()
{
    local status=$?

    trap '' INT TERM HUP
    if [ -n "$server_pid" ]; then
        kill -TERM "$server_pid" 2>/dev/null || true
        wait "$server_pid" 2>/dev/null || true
    fi
    if [ -n "$cluster_pid" ]; then
        say "ending PostgreSQL"
        cluster_stop
    fi
    exit "$status"
}

# shellcheck shell=bash disable=SC2154 # conf, scratch and checkout are of lib.sh
# smoke.sh - looks at a revision over HTTP, before it gets any traffic and after.

smoke_s=${DEPLOY_SMOKE_S:-60} # so long a new revision may take to be ready

# smoke URL REVISION IMAGE: false, and says why, unless the revision runs that image, lives, is
# ready and serves the version of this checkout.
smoke()
{
    local url=$1 revision=$2 image=$3 running

    running=$(look run revisions describe "$revision" --region="${conf[REGION]}" \
        --format='value(spec.containers[0].image)') || exit 1
    if [ -n "$image" ] && [ "$running" != "$image" ]; then
        say "$revision runs $running, expected $image"
        return 1
    fi
    smoke_address "$url"
}

# smoke_address URL: the same over HTTP alone.
smoke_address()
{
    local url=$1 deadline=$((SECONDS + smoke_s))

    smoke_authorize || return 1
    smoke_until "$deadline" "$url/_sx/live" && smoke_until "$deadline" "$url/_sx/ready" &&
        smoke_version "$url/openapi.json" || return 1
    say "$url lives, is ready, and is version $(version)"
}

# A service that is not public wants an identity token, for the service's own address.  It goes
# to curl by a file.
smoke_authorize()
{
    local audience token

    : >"$scratch/curl"
    [ "${conf[PUBLIC]}" = false ] || return 0
    audience=$(look run services describe "${conf[SERVICE]}" --region="${conf[REGION]}" \
        --format='value(status.url)') || exit 1
    token=$(look auth print-identity-token --audiences="$audience") || exit 1
    printf 'header = "Authorization: Bearer %s"\n' "$token" >"$scratch/curl"
}

# smoke_get URL: the status, or why there is none; the body is in $scratch/body.
smoke_get()
{
    curl --config "$scratch/curl" --silent --show-error --max-time 10 --output "$scratch/body" \
        --write-out '%{http_code}' "$1" 2>&1
}

smoke_until()
{
    local deadline=$1 url=$2 answer

    until answer=$(smoke_get "$url") && [ "$answer" = 200 ]; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            say "$url: expected 200, found $answer after $smoke_s s: $(head -c 300 "$scratch/body" 2>/dev/null)"
            return 1
        fi
        sleep 0.5
    done
}

smoke_version()
{
    local answer found

    answer=$(smoke_get "$1") || true
    if [ "$answer" != 200 ]; then
        say "$1: expected 200, found $answer"
        return 1
    fi
    # "info" is the first object that has a version.
    found=$(grep -om1 '"version": *"[^"]*"' "$scratch/body") || true
    found=${found%\"}
    found=${found##*\"}
    [ "$found" = "$(version)" ] && return 0
    say "$1: expected version $(version), found \"$found\""
    return 1
}

version()
{
    sed -n 's/^project(sim-exchange VERSION \([0-9.]*\).*/\1/p' "$checkout/CMakeLists.txt"
}

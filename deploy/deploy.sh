#!/bin/bash
# deploy.sh - brings a built image to its environment, by git flow, or takes it back.
#
#   deploy.sh [IMAGE]                    the branch BRANCH_NAME at COMMIT_SHA, as Cloud Build says
#   deploy.sh rollback ENV [REVISION]    the traffic to the revision before, or to that one
#   deploy.sh slug BRANCH                the tag of a branch's preview
#
# A new revision gets no traffic before it was looked at over HTTP at an address of its own.
# The tags "current" and "previous" of a service are the revision that serves, and the one that
# served before it; c-COMMIT is one on its way.
set -euo pipefail

# shellcheck source=deploy/lib.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib.sh"
# shellcheck source=deploy/smoke.sh
. "$deploy/smoke.sh"

image=
branch=
commit=
mode= # traffic or preview
tag=
revision= # the new one, and the address of its own
url=
traffic_before=
tag_was= # the revision that had the tag

main()
{
    case ${1:-} in
    rollback)
        shift
        rollback "$@"
        ;;
    slug)
        [ $# -eq 2 ] || die "usage: $script slug BRANCH"
        slug_of "$2"
        ;;
    -*)
        die "usage: $script [IMAGE] | rollback ENV [REVISION] | slug BRANCH"
        ;;
    *)
        bring "$@"
        ;;
    esac
}

slug_of()
{
    local where

    where=$(flow "$1") || die "no environment for the branch \"$1\""
    print_only=true
    environment_load "${where% *}"
    slug "$1" "${conf[SERVICE]}"
    printf '\n'
}

# -- a new revision

bring()
{
    local where

    branch=${BRANCH_NAME:?is the branch that was built} commit=${COMMIT_SHA:?is its commit}
    image=${1:-$(cat -- "$checkout/.state/image")}
    where=$(flow "$branch") || die "no environment for the branch \"$branch\""
    environment_load "${where% *}"
    mode=${where#* }
    is_newest "$branch" "$commit" || return 0
    scratch_make
    if [ "$mode" = preview ]; then
        tag=$(slug "$branch" "${conf[SERVICE]}")
    else
        tag=c-${commit:0:12}
    fi
    if service_is_there; then
        traffic_before=$(traffic) || exit 1
        tag_was=$(traffic_of "$tag" "$traffic_before")
        tag_was=${tag_was% *}
        [ "$mode" != preview ] || [ -z "$tag_was" ] || refuse_foreign "$tag_was"
        revision=$tag_was
        if [ "$mode" = traffic ]; then
            revision=$(traffic_split "$traffic_before")
            revision=${revision%=100}
        fi
        if is_up "$revision"; then
            leave
            return
        fi
    fi
    if [ -n "$(traffic_split "$traffic_before")" ]; then
        bring_beside
    else
        bring_first
    fi
}

# is_up REVISION: whether it is of this commit and image.  Another one would be the same, and the
# one before it, where a rollback goes, forgotten.
is_up()
{
    local found

    [ -n "$1" ] && [ "${DEPLOY_ANEW:-false}" != true ] || return 1
    found=$(look run revisions describe "$1" --region="${conf[REGION]}" \
        --format='value(metadata.labels.sx_commit,spec.containers[0].image)') || exit 1
    [ "$found" = "$commit"$'\t'"$image" ]
}

# Nothing is made; what a deployment that was killed has not done any more is.
leave()
{
    local current

    say "$revision is of $branch at ${commit:0:12} already; DEPLOY_ANEW=true makes another"
    [ "$mode" = traffic ] || return 0
    current=$(traffic_of current "$traffic_before")
    current=${current% *}
    [ "$current" != "$revision" ] || return 0
    smoke_address "$(service_url)" || die "$revision has the traffic and is not well"
    traffic_change --update-tags="current=$revision${current:+,previous=$current}" --remove-tags="$tag"
}

# The first revision cannot be made without traffic: there is nothing else to give it to.  The same
# where none has started yet, and the service is there all the same.
bring_first()
{
    say "nothing of ${conf[SERVICE]} serves yet: this revision gets the traffic"
    make_revision
    smoke "$url" "$revision" "$image" ||
        die "the first revision of ${conf[SERVICE]} is not well, and there is none to go back to"
    if [ "$mode" = traffic ]; then
        traffic_change --update-tags="current=$revision" --remove-tags="$tag"
    fi
    tell
}

bring_beside()
{
    make_revision --no-traffic
    smoke "$url" "$revision" "$image" || give_up
    [ "$mode" != traffic ] || move
    tell
}

# A tag that another branch holds is left alone.
refuse_foreign()
{
    local found

    found=$(look run revisions describe "$1" --region="${conf[REGION]}" \
        --format='value(metadata.labels.sx_branch)') || exit 1
    [ "$found" = "$(branch_label "$branch")" ] ||
        die "the tag \"$tag\" belongs to another branch (revision $1): rename the branch $branch"
}

make_revision()
{
    local found
    local -a database=() variables=()
    local started=httpGet.path=/_sx/started,periodSeconds=1,timeoutSeconds=1,failureThreshold=30
    local live=httpGet.path=/_sx/live,periodSeconds=10,timeoutSeconds=5,failureThreshold=3
    local access=--no-allow-unauthenticated throttling=--cpu-throttling

    [ "${conf[PUBLIC]}" = false ] || access=--allow-unauthenticated
    [ "${conf[CPU_ALWAYS]}" = false ] || throttling=--no-cpu-throttling
    [ -z "$(service_variable INSTANCE_NAME1)" ] ||
        database=("--set-cloudsql-instances=$(service_variable INSTANCE_NAME1)")
    [ "$mode" != preview ] || [ ${#database[@]} -eq 0 ] ||
        variables=("MFDB_NAME=$(preview_database "$tag")")
    variables_write "$scratch/variables.yaml" "${variables[@]}"
    # To Cloud Run a stream and a WebSocket are requests: an hour is the most it lets them last.
    # What other requests may take, the server itself limits.
    change run deploy "${conf[SERVICE]}" --region="${conf[REGION]}" --image="$image" --tag="$tag" \
        "$@" "$access" --service-account="$(runtime_account)" "${database[@]}" \
        --env-vars-file="$scratch/variables.yaml" --cpu="${conf[CPU]}" --memory="${conf[MEMORY]}" \
        "$throttling" --cpu-boost --execution-environment=gen2 \
        --concurrency="${conf[CONCURRENCY]}" --min="${conf[MIN_INSTANCES]}" \
        --max-instances="${conf[MAX_INSTANCES]}" --timeout=3600 \
        --startup-probe="$started" --liveness-probe="$live" \
        --labels="sx_branch=$(branch_label "$branch"),sx_commit=$commit"
    found=$(traffic) || exit 1
    found=$(traffic_of "$tag" "$found")
    [ -n "$found" ] || die "${conf[SERVICE]} has no revision with the tag \"$tag\""
    revision=${found% *} url=${found#* }
}

# The traffic was not touched; the tag goes back to where it was.
give_up()
{
    if [ "$mode" = preview ] && [ -n "$tag_was" ]; then
        traffic_change --update-tags="$tag=$tag_was"
        die "$revision is not well: the preview of $branch stays at $tag_was"
    fi
    traffic_change --remove-tags="$tag"
    die "$revision is not well and gets no traffic: $(traffic_split "$traffic_before") goes on"
}

# All traffic to the new revision, then a look at what the public sees.
move()
{
    local split

    split=$(traffic_split "$traffic_before")
    traffic_change --to-revisions="$revision=100"
    if ! smoke_address "$(service_url)"; then
        traffic_change --to-revisions="$split"
        traffic_change --remove-tags="$tag"
        die "${conf[SERVICE]} was not well with $revision: the traffic went back to $split"
    fi
    traffic_change --update-tags="current=$revision,previous=$(largest "$split")" \
        --remove-tags="$tag"
}

service_url()
{
    look run services describe "${conf[SERVICE]}" --region="${conf[REGION]}" \
        --format='value(status.url)'
}

# largest REVISION=PERCENT,…: the revision that had most.
largest()
{
    local sorted

    sorted=$(tr , '\n' <<<"$1" | sort -t= -k2,2nr)
    printf '%s\n' "${sorted%%=*}"
}

tell()
{
    if [ "$mode" = traffic ]; then
        say "$environment serves $revision of $branch${conf[DOMAIN]:+ at https://${conf[DOMAIN]}}"
    else
        say "the preview of $branch is $revision at $url"
        [ "${conf[PREVIEW_HOSTS]}" = false ] || say "and at https://$tag.${conf[DOMAIN]}"
    fi
}

# -- back

rollback()
{
    local target found was split lines

    (($# == 1 || $# == 2)) || die "usage: $script rollback ENV [REVISION]"
    environment_load "$1"
    scratch_make
    lines=$(traffic) || exit 1
    split=$(traffic_split "$lines")
    found=$(traffic_of previous "$lines")
    target=${2:-${found% *}}
    [ -n "$target" ] || die "no revision before $split is known: name one: $script rollback $1 REVISION"
    [ "$split" != "$target=100" ] || die "$target has all the traffic already"
    if [ "$target" != "${found% *}" ]; then
        is_there "$target" metadata.name run revisions list --service="${conf[SERVICE]}" \
            --region="${conf[REGION]}" || die "${conf[SERVICE]} has no revision \"$target\""
        traffic_change --update-tags="previous=$target"
        lines=$(traffic) || exit 1
        was=$found
        found=$(traffic_of previous "$lines")
    fi
    # Its version is an older one, which this checkout does not know.
    if ! rollback_is_well "${found#* }"; then
        rollback_untag "${was-$found}"
        die "$target is not well either: the traffic stays with $split"
    fi
    traffic_change --to-revisions="$target=100"
    rollback_is_well "$(service_url)" || say "the traffic is with $target now, and it is not well"
    traffic_change --update-tags="current=$target" --remove-tags=previous
    say "$environment serves $target"
}

# rollback_untag WAS: the tag goes back to where it was, for the next one that asks for no revision.
rollback_untag()
{
    if [ -z "$1" ]; then
        traffic_change --remove-tags=previous
    elif [ "${1% *}" != "$target" ]; then
        traffic_change --update-tags="previous=${1% *}"
    fi
}

rollback_is_well()
{
    local deadline=$((SECONDS + smoke_s))

    smoke_authorize && smoke_until "$deadline" "$1/_sx/live" && smoke_until "$deadline" "$1/_sx/ready"
}

main "$@"

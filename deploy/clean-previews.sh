#!/bin/bash
# clean-previews.sh - takes away previews whose branch is gone, or that are older than
# DEPLOY_PREVIEW_DAYS, with their databases and jobs.
#
#   clean-previews.sh [--print] ENV
#
# Never what gets traffic, never the tags that deploy.sh keeps.  A revision without a tag costs
# nothing and is left to Cloud Run.  What a broken run left is found by the next one.
set -euo pipefail

# shellcheck source=deploy/lib.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib.sh"

declare -A alive=()   # the slugs of all branches
declare -A made=()    # REVISION: seconds since 1970
declare -A serving=() # REVISION, with traffic
declare -A kept=()    # the slugs whose databases and jobs stay
tagged=               # as traffic tells
databases=            # names
jobs=

main()
{
    local only_print=false

    if [ "${1:-}" = --print ]; then
        only_print=true
        shift
    fi
    [ $# -eq 1 ] || die "usage: $script [--print] ENV"
    environment_load "$1"
    service_is_there || {
        say "there is no service ${conf[SERVICE]}"
        return 0
    }
    read_revisions
    read_things
    read_branches # last: what is there by now has its branch there, too
    print_only=$only_print
    clean_tags
    clean_databases
    clean_jobs
}

# A list that cannot be had, or is empty, would make all of them look gone.
read_branches()
{
    local lines ref

    lines=$(heads) || die "cannot ask for the branches of ${conf[GIT_URL]}"
    [ -n "$lines" ] || die "${conf[GIT_URL]} has no branches: expected some"
    while read -r _ ref; do
        ref=${ref#refs/heads/}
        [[ $(flow "$ref") != "$environment preview" ]] || alive[$(slug "$ref" "${conf[SERVICE]}")]=1
    done <<<"$lines"
}

read_revisions()
{
    local lines revision when

    lines=$(look run revisions list --service="${conf[SERVICE]}" --region="${conf[REGION]}" \
        --format="csv[no-heading,separator='|'](metadata.name,metadata.creationTimestamp)") || exit 1
    while IFS='|' read -r revision when; do
        [ -z "$revision" ] || made[$revision]=$(date -d "$when" +%s)
    done <<<"$lines"
}

read_things()
{
    tagged=$(traffic) || exit 1
    if [ -n "$(instance)" ]; then
        databases=$(look sql databases list --instance="$(instance)" --format='value(name)') || exit 1
    fi
    jobs=$(look run jobs list --region="${conf[REGION]}" --format='value(metadata.name)') || exit 1
}

instance()
{
    local name

    name=$(service_variable INSTANCE_NAME1)
    printf '%s' "${name##*:}"
}

clean_tags()
{
    local tag revision percent _ why
    local -a gone=()

    while IFS='|' read -r tag revision percent _; do
        [ "${percent:-0}" = 0 ] || serving[$revision]=1
    done <<<"$tagged"
    # A branch without a preview may be about to get one: its database was made a moment ago.
    for tag in "${!alive[@]}"; do
        kept[$tag]=1
    done
    while IFS='|' read -r tag revision percent _; do
        [ -n "$tag" ] || continue
        why=$(why_gone "$tag" "$revision")
        if [ -z "$why" ]; then
            kept[$tag]=1
        else
            say "$tag ($revision): $why"
            gone+=("$tag")
            unset "kept[$tag]"
        fi
    done <<<"$tagged"
    [ ${#gone[@]} -eq 0 ] || traffic_change --remove-tags="$(
        IFS=,
        printf '%s' "${gone[*]}"
    )"
}

# why_gone TAG REVISION: the reason, or nothing when it stays.
why_gone()
{
    local days

    [ -z "${serving[$2]:-}" ] || return 0
    [[ ! $1 =~ ^(current|previous)$ ]] || return 0
    days=$((($(date +%s) - ${made[$2]:-$(date +%s)}) / 86400))
    if [[ $1 =~ ^c-[0-9a-f]+$ ]]; then
        # On its way, or left by a deployment that was broken off.
        [ "$days" -lt 1 ] || printf 'a deployment of %d days ago was broken off' "$days"
    elif [ -z "${alive[$1]:-}" ]; then
        printf 'its branch is gone'
    elif [ "$days" -gt "${conf[PREVIEW_DAYS]}" ]; then
        printf 'it is %d days old' "$days"
    fi
}

clean_databases()
{
    local prefix lines name

    prefix=$(service_variable MFDB_NAME)_
    [ "$prefix" != _ ] || return 0
    lines=$(gone_of "$prefix" "$databases")
    for name in $lines; do
        change sql databases delete "$name" --instance="$(instance)"
    done
}

clean_jobs()
{
    local lines name

    lines=$(gone_of "${conf[SERVICE]}-m-" "$jobs")
    for name in $lines; do
        change run jobs delete "$name" --region="${conf[REGION]}"
    done
}

# gone_of PREFIX NAMES: those that begin with PREFIX and go on with the slug of no preview that
# stays.
gone_of()
{
    local prefix=$1 name tag

    while read -r name; do
        tag=${name#"$prefix"}
        tag=${tag//_/-}
        [[ $name == "$prefix"* && $tag =~ ^[a-z][a-z0-9]*(-[a-z0-9]+)*$ ]] || continue
        [ -n "${kept[$tag]:-}" ] || printf '%s\n' "$name"
    done <<<"$2"
}

main "$@"

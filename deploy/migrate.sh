#!/bin/bash
# migrate.sh - brings the database of a branch to what the image expects, before it is deployed.
#
#   migrate.sh [IMAGE]    for the branch BRANCH_NAME at COMMIT_SHA, as Cloud Build says
#
# A Cloud Run job runs "sim-exchange migrate" with the variables and the account of the service.
# It is never started while it runs; should two start at the same moment all the same, the lock
# that the program holds in the database lets the second find nothing to do.  A preview has a
# database of its own, which is made here.
set -euo pipefail

# shellcheck source=deploy/lib.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib.sh"

wait_s=${DEPLOY_MIGRATE_WAIT_S:-600} # for a run that is under way

main()
{
    local branch=${BRANCH_NAME:?is the branch that was built} commit=${COMMIT_SHA:?is its commit}
    local image=${1:-} where job database tag

    where=$(flow "$branch") || die "no environment for the branch \"$branch\""
    environment_load "${where% *}"
    if [ -z "$(service_variable INSTANCE_NAME1)" ]; then
        say "$environment has no database"
        return
    fi
    is_newest "$branch" "$commit" || return 0
    [ -n "$image" ] || image=$(cat -- "$checkout/.state/image")
    scratch_make
    job=${conf[SERVICE]}-migrate
    database=$(service_variable MFDB_NAME)
    if [ "${where#* }" = preview ]; then
        tag=$(slug "$branch" "${conf[SERVICE]}")
        job=$(preview_job "$tag")
        database=$(preview_database "$tag")
        make_database "$database"
    fi
    wait_for_others "$job"
    run_job "$job" "$image" "$database"
}

instance()
{
    local name

    name=$(service_variable INSTANCE_NAME1)
    printf '%s' "${name##*:}"
}

make_database()
{
    is_there "$1" name sql databases list --instance="$(instance)" ||
        change sql databases create "$1" --instance="$(instance)"
}

# Waits until no execution of the job is under way.
wait_for_others()
{
    local deadline=$((SECONDS + wait_s)) running

    is_there "$1" metadata.name run jobs list --region="${conf[REGION]}" || return 0
    while true; do
        running=$(executions_under_way "$1") || exit 1
        [ -n "$running" ] || return 0
        [ "$SECONDS" -lt "$deadline" ] || die "still running after $wait_s s: $running"
        say "waiting for $running"
        sleep "${DEPLOY_POLL_S:-5}"
    done
}

executions_under_way()
{
    local lines name completed

    lines=$(look run jobs executions list --job="$1" --region="${conf[REGION]}" \
        --format="csv[no-heading,separator='|'](metadata.name,status.completionTime)") || exit 1
    while IFS='|' read -r name completed; do
        [ -z "$name" ] || [ -n "$completed" ] || printf '%s ' "$name"
    done <<<"$lines"
}

run_job()
{
    local job=$1 image=$2 database=$3

    variables_write "$scratch/variables.yaml" "MFDB_NAME=$database"
    change run jobs deploy "$job" --region="${conf[REGION]}" --image="$image" --args=migrate \
        --service-account="$(runtime_account)" \
        --set-cloudsql-instances="$(service_variable INSTANCE_NAME1)" \
        --env-vars-file="$scratch/variables.yaml" --tasks=1 --parallelism=1 --max-retries=0 \
        --task-timeout=10m --execute-now --wait
    say "the database $database is what $image expects"
}

main "$@"

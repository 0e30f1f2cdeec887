#!/bin/bash
# build-cicd.sh - makes what an environment needs, in its project: APIs, service accounts, the
# registry, the database, secrets, grants, triggers, hosts.
#
#   build-cicd.sh [--print] ENV…     production, testing, development
#
# Safe to repeat: it looks before it makes, so a second run changes nothing, and one that was
# broken off goes on where it stopped.  What somebody made by hand under the same name stays as
# it is.  --print shows the commands for an empty project and runs none.
#
# GIT_TOKEN, when it is set, is stored as the token that reads a private repository.
set -euo pipefail

# shellcheck source=deploy/lib.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib.sh"
# shellcheck source=deploy/hosts.sh
. "$deploy/hosts.sh"

main()
{
    local name only_print=false

    if [ "${1:-}" = --print ]; then
        only_print=true
        shift
    fi
    [[ $# -gt 0 && $1 != -* ]] || die "usage: $script [--print] ENV…"
    scratch_make
    for name; do
        print_only=$only_print
        environment_load "$name"
        say "$name: project ${conf[PROJECT]}"
        make_services
        make_accounts
        make_registry
        make_secrets
        make_database
        make_grants
        make_triggers
        make_schedule
        make_hosts
    done
}

# Production has no previews: nothing to clean up, and no right to make databases.
has_previews() { [ "$environment" != production ]; }

# ensure WHAT IS_THERE… -- CHANGE…: makes what is not there.
ensure()
{
    local -a question=()

    while [ "$1" != -- ]; do
        question+=("$1")
        shift
    done
    shift
    is_there "${question[@]}" || change "$@"
}

make_services()
{
    local enabled='' name
    local -a missing=() wanted=(run cloudbuild artifactregistry sqladmin secretmanager iam)

    ! has_previews || wanted+=(cloudscheduler)
    [ "${conf[PREVIEW_HOSTS]}" = false ] || wanted+=(compute certificatemanager)
    [ -z "${conf[DNS_ZONE]}" ] || wanted+=(dns)
    if ! $print_only; then
        enabled=$(look services list --enabled --format='value(config.name)') || exit 1
    fi
    for name in "${wanted[@]/%/.googleapis.com}"; do
        has_line "$enabled" "$name" || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] || change services enable "${missing[@]}"
}

make_accounts()
{
    ensure "$(build_account)" email iam service-accounts list -- \
        iam service-accounts create "${conf[SERVICE]}-build" --display-name="builds and deploys ${conf[SERVICE]}"
    ensure "$(runtime_account)" email iam service-accounts list -- \
        iam service-accounts create "${conf[SERVICE]}-run" --display-name="what ${conf[SERVICE]} runs as"
}

make_registry()
{
    ensure "${conf[SERVICE]}" 'name.basename()' artifacts repositories list \
        --location="${conf[REGION]}" -- \
        artifacts repositories create "${conf[SERVICE]}" --location="${conf[REGION]}" \
        --repository-format=docker --description="images of ${conf[SERVICE]}"
}

# -- secrets

# The sm:// references among the service's variables, in this project.
references()
{
    local pair

    for pair in "${service_variables[@]}"; do
        [[ ${pair#*=} == sm://* ]] || continue
        reference_parse "${pair#*=}" || die "${pair%%=*}: not a reference: \"${pair#*=}\""
        [ "$reference_project" != "${conf[PROJECT]}" ] ||
            printf '%s %s\n' "$reference_name" "$reference_version"
    done
}

git_secret() { printf '%s-git-token' "${conf[SERVICE]}"; }

# A secret without any version gets one: 32 random bytes, or the token that was given.
make_secrets()
{
    local wanted name version versions

    wanted=$(references) || exit 1
    while read -r name version; do
        [ -n "$name" ] || continue
        make_secret "$name"
        versions=$(secret_versions "$name") || exit 1
        if [ -z "$versions" ]; then
            change secrets versions add "$name" --data-file=- < <(random_text)
            versions=1
        fi
        $print_only || [ "$version" = latest ] || has_line "$versions" "$version" ||
            die "secret \"$name\" has no enabled version $version, which env/$environment.env names"
    done <<<"$wanted"

    make_secret "$(git_secret)"
    versions=$(secret_versions "$(git_secret)") || exit 1
    [ -n "$versions" ] ||
        change secrets versions add "$(git_secret)" --data-file=- < <(printf '%s' "${GIT_TOKEN:-none}")
}

make_secret()
{
    ensure "$1" 'name.basename()' secrets list -- \
        secrets create "$1" --replication-policy=automatic
}

secret_versions()
{
    $print_only || look secrets versions list "$1" --filter=state=ENABLED \
        --format='value(name.basename())'
}

random_text()
{
    head -c 32 /dev/urandom | base64 -w0 | tr '+/' '-_'
}

# -- the database

make_database()
{
    local instance name user

    instance=$(service_variable INSTANCE_NAME1)
    [ -n "$instance" ] || return 0
    [ "${instance%:*}" = "${conf[PROJECT]}:${conf[REGION]}" ] ||
        die "INSTANCE_NAME1: expected ${conf[PROJECT]}:${conf[REGION]}:NAME, found \"$instance\""
    instance=${instance##*:}
    name=$(service_variable MFDB_NAME)
    user=$(service_variable MFDB_USER)
    ensure "$instance" name sql instances list -- \
        sql instances create "$instance" --region="${conf[REGION]}" \
        --database-version=POSTGRES_15 --edition=enterprise --tier="${conf[DATABASE_TIER]}" \
        --availability-type="${conf[DATABASE_AVAILABILITY]}" --storage-auto-increase \
        --backup-start-time=03:00 --enable-point-in-time-recovery --ssl-mode=ENCRYPTED_ONLY \
        --deletion-protection --database-flags="max_connections=${conf[DATABASE_CONNECTIONS]}"
    ensure "$name" name sql databases list --instance="$instance" -- \
        sql databases create "$name" --instance="$instance"
    is_there "$user" name sql users list --instance="$instance" || make_user "$user" "$instance"
}

# Its password is what the secret holds: not in the arguments, which every process can read.
make_user()
{
    local password

    reference_parse "$(service_variable MFDB_PASSWORD)" ||
        die "MFDB_PASSWORD: expected a reference sm://…, so that it is known where the password is"
    if ! $print_only; then
        password=$(look secrets versions access "$reference_version" --secret="$reference_name") ||
            exit 1
        (
            umask 077
            printf -- '--password: "%s"\n' "$(json_text "$password")" >"$scratch/password.yaml"
        )
    fi
    change sql users create "$1" --instance="$2" --flags-file="$scratch/password.yaml"
    rm -f "$scratch/password.yaml"
}

# -- grants

make_grants()
{
    local build run names name

    build=serviceAccount:$(build_account)
    run=serviceAccount:$(runtime_account)
    for name in logging.logWriter run.admin; do
        grant "roles/$name" "$build" projects -- "${conf[PROJECT]}" --condition=None
    done
    grant roles/cloudsql.client "$run" projects -- "${conf[PROJECT]}" --condition=None
    grant roles/artifactregistry.writer "$build" artifacts repositories -- "${conf[SERVICE]}" \
        --location="${conf[REGION]}"
    grant roles/iam.serviceAccountUser "$build" iam service-accounts -- "$(runtime_account)"
    names=$(references) || exit 1
    while read -r name _; do
        [ -z "$name" ] || grant roles/secretmanager.secretAccessor "$run" secrets -- "$name"
    done <<<"$names"
    grant roles/secretmanager.secretAccessor "$build" secrets -- "$(git_secret)"
    ! has_previews || grant_previews "$build"
}

# Databases come and go with previews; the scheduler starts the clean-up as the build's account.
grant_previews()
{
    local may

    printf -v may '%s,' cloudsql.databases.{create,delete,get,list}
    ensure simExchangePreviews 'name.basename()' iam roles list -- \
        iam roles create simExchangePreviews --title='databases of previews' --stage=GA \
        --permissions="${may}cloudsql.instances.get"
    grant "projects/${conf[PROJECT]}/roles/simExchangePreviews" "$1" projects -- \
        "${conf[PROJECT]}" --condition=None
    grant roles/cloudbuild.builds.editor "$1" projects -- "${conf[PROJECT]}" --condition=None
    grant roles/iam.serviceAccountUser "$1" iam service-accounts -- "$(build_account)"
}

# grant ROLE MEMBER GROUP… -- NAME [FLAG…]
grant()
{
    local role=$1 member=$2 flag
    local -a group=() where=()

    shift 2
    while [ "$1" != -- ]; do
        group+=("$1")
        shift
    done
    shift
    for flag; do
        [[ $flag == --condition=* ]] || where+=("$flag")
    done
    if ! $print_only; then
        recall "${group[@]}" get-iam-policy "${where[@]}" --flatten='bindings[].members[]' \
            --format="csv[no-heading,separator='|'](bindings.role,bindings.members)"
        ! has_line "$recalled" "$role|$member" || return 0
    fi
    change "${group[@]}" add-iam-policy-binding "$@" --member="$member" --role="$role"
}

# -- triggers

# A trigger carries a digest of its file among its tags: it is imported again when that differs.
make_triggers()
{
    local template name digest tags names=''

    $print_only || names=$(look builds triggers list --region="${conf[REGION]}" \
        --format="csv[no-heading,separator='|'](name,tags.list(separator=' '))") || exit 1
    for template in "$deploy/triggers/$environment"-*.yaml; do
        name=${template##*/"$environment"-}
        name=${conf[SERVICE]}-${name%.yaml}
        digest=$(render "$template" | sha256sum)
        digest=${digest:0:16}
        tags=$(grep "^$name|" <<<"$names") || true
        [[ " ${tags#*|} " != *" sha256-$digest "* ]] || continue
        render "$template" "$digest" >"$scratch/${template##*/}"
        change builds triggers import --region="${conf[REGION]}" \
            --source="$scratch/${template##*/}"
    done
}

# render FILE [DIGEST]
render()
{
    local text name

    text=$(<"$1")
    for name in PROJECT REGION SERVICE REPOSITORY; do
        text=${text//@$name@/${conf[$name]}}
    done
    text=${text//@DIGEST@/${2:-}}
    [[ ! $text =~ @[A-Z_]+@ ]] || die "$1: ${BASH_REMATCH[0]}: unknown name"
    printf '%s\n' "$text"
}

make_schedule()
{
    has_previews || return 0
    ensure "${conf[SERVICE]}-clean" 'name.basename()' scheduler jobs list \
        --location="${conf[REGION]}" -- \
        scheduler jobs create http "${conf[SERVICE]}-clean" --location="${conf[REGION]}" \
        --schedule='17 2 * * *' --http-method=POST --message-body='{}' \
        --uri="https://cloudbuild.googleapis.com/v1/projects/${conf[PROJECT]}/locations/${conf[REGION]}/triggers/${conf[SERVICE]}-clean:run" \
        --oauth-service-account-email="$(build_account)"
}

main "$@"

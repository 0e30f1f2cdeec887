# shellcheck shell=bash disable=SC2034 # what is set here, its users read
# lib.sh - what the scripts of this folder share: the environments, git flow, how gcloud is asked
# and told.
#
# look() only reads.  What is not there is found by a list that does not have it, never by an
# error: "permission denied" then ends the script, and is not taken for "make it".  change() is
# the only way to write; with --print it says the command and does nothing.

deploy=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
checkout=${deploy%/*}
script=${0##*/}
print_only=false
scratch= # files of this run, 0700

environment=       # production, testing or development
declare -A conf=() # the DEPLOY_… of its file, without that prefix
service_variables=() # NAME=VALUE, everything else of its file

say()
{
    printf '%s: %s\n' "$script" "$*" >&2
}

die()
{
    say "$*"
    exit 1
}

# shellcheck source=scripts/dotenv.sh
. "$checkout/scripts/dotenv.sh"

scratch_make()
{
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
}

# -- the environments

# Every setting of an environment file: NAME:PATTERN.
settings=(
    'PROJECT:[a-z][a-z0-9-]{4,28}[a-z0-9]' 'REGION:[a-z]+-[a-z]+[0-9]+'
    'SERVICE:[a-z][a-z0-9-]{0,28}'
    'DOMAIN:[a-z0-9.-]*' 'DNS_ZONE:[a-z0-9-]*' 'PREVIEW_HOSTS:true|false' 'PUBLIC:true|false'
    'REPOSITORY:projects/.*' 'GIT_URL:https://.*'
    'MIN_INSTANCES:[0-9]+' 'MAX_INSTANCES:[0-9]+' 'CONCURRENCY:[0-9]+' 'CPU:[0-9]+'
    'MEMORY:[0-9]+[MG]i' 'CPU_ALWAYS:true|false' 'DATABASE_TIER:db-.*'
    'DATABASE_AVAILABILITY:zonal|regional' 'DATABASE_CONNECTIONS:[0-9]+' 'PREVIEW_DAYS:[0-9]+'
)

# environment_load NAME: fills environment, conf and service_variables from env/NAME.env.
environment_load()
{
    local file=${DEPLOY_ENV_DIR:-$deploy/env}/$1.env pair setting

    [[ $1 =~ ^(production|testing|development)$ ]] ||
        die "unknown environment \"$1\": expected production, testing or development"
    [ -f "$file" ] || die "$file: there is no such file"
    environment=$1 conf=() known=() service_variables=("SX_ENV=$1") dotenv=()
    dotenv_load "$file" all
    for pair in "${dotenv[@]}"; do
        case $pair in
        DEPLOY_*) conf[${pair%%=*}]=${pair#*=} ;;
        *) service_variables+=("$pair") ;;
        esac
    done
    for setting in "${settings[@]}"; do
        environment_take "$file" "DEPLOY_${setting%%:*}" "${setting#*:}"
    done
    for setting in "${!conf[@]}"; do
        [[ $setting != DEPLOY_* ]] || die "$file: $setting: unknown setting"
    done
    service_variables+=("DATABASE_INSTANCES=${conf[MAX_INSTANCES]}")
    environment_is_ours "$file"
    environment_fits "$file"
}

# Takes the prefix off one setting whose value is as expected.
environment_take()
{
    local file=$1 name=$2 pattern=$3

    [ -n "${conf[$name]+set}" ] || die "$file: $name: is missing"
    [[ ${conf[$name]} =~ ^($pattern)$ ]] ||
        die "$file: $name: expected $pattern, found \"${conf[$name]}\""
    conf[${name#DEPLOY_}]=${conf[$name]}
    unset "conf[$name]"
}

# In a build, PROJECT_ID is where it runs: it must be the environment's own.
environment_is_ours()
{
    $print_only || [[ ${conf[PROJECT]} != example-* ]] ||
        die "$1: DEPLOY_PROJECT: still the example: write down your own project"
    [ "${PROJECT_ID:-${conf[PROJECT]}}" = "${conf[PROJECT]}" ] ||
        die "$environment is project \"${conf[PROJECT]}\", this build runs in \"$PROJECT_ID\""
}

# While a revision takes over from another, both hold their connections.
environment_fits()
{
    local pool most reserved=10

    pool=$(service_variable DATABASE_POOL_SIZE)
    most=$((2 * conf[MAX_INSTANCES] * conf[CPU] * ${pool:-4} + reserved))
    [ "$most" -le "${conf[DATABASE_CONNECTIONS]}" ] ||
        die "$1: the database does not fit: 2 × $((conf[MAX_INSTANCES])) instances ×" \
            "$((conf[CPU])) workers × ${pool:-4} connections + $reserved = $most, and" \
            "DEPLOY_DATABASE_CONNECTIONS is $((conf[DATABASE_CONNECTIONS]))"
}

# The value of one of the service's variables, or nothing.
service_variable()
{
    local pair

    for pair in "${service_variables[@]}"; do
        [ "${pair%%=*}" != "$1" ] || printf '%s' "${pair#*=}"
    done
}

# variables_write FILE [NAME=VALUE…]: the service's variables, those given in the place of the
# file's, as JSON, which is YAML: for --env-vars-file.
variables_write()
{
    local file=$1 pair
    local -A value=()
    local -a names=()

    shift
    for pair in "${service_variables[@]}" "$@"; do
        [ -n "${value[${pair%%=*}]+set}" ] || names+=("${pair%%=*}")
        value[${pair%%=*}]=${pair#*=}
    done
    for pair in "${names[@]}"; do
        printf ',\n  "%s": "%s"' "$pair" "$(json_text "${value[$pair]}")"
    done | sed '1s/.*/{/; $s/$/\n}/' >"$file"
}

json_text()
{
    local text=$1

    [[ $text != *[[:cntrl:]]* ]] || die "a variable of the service has a control character"
    text=${text//\\/\\\\}
    printf '%s' "${text//\"/\\\"}"
}

# PROJECT, NAME and version of an sm:// reference, into reference_….
reference_parse()
{
    local pattern='^sm://([a-z0-9:.-]+)/([A-Za-z0-9_-]+)(\?[^#]*)?(#([0-9]+|latest))?$'

    [[ $1 =~ $pattern ]] || return 1
    reference_project=${BASH_REMATCH[1]} reference_name=${BASH_REMATCH[2]}
    reference_version=${BASH_REMATCH[5]:-latest}
}

runtime_account() { printf '%s-run@%s.iam.gserviceaccount.com' "${conf[SERVICE]}" "${conf[PROJECT]}"; }
build_account() { printf '%s-build@%s.iam.gserviceaccount.com' "${conf[SERVICE]}" "${conf[PROJECT]}"; }

# -- git flow

# flow BRANCH: the environment of a branch, and whether its revision gets the traffic.
flow()
{
    case $1 in
    master) printf 'production traffic' ;;
    develop) printf 'testing traffic' ;;
    feature/?*) printf 'development preview' ;;
    release/?* | hotfix/?*) printf 'testing preview' ;;
    *) return 1 ;;
    esac
}

# slug BRANCH SERVICE: the tag of a branch's preview: lower case, digits, single dashes, begins
# with a letter, with the service's name at most 46 characters (a limit of Cloud Run).
#
# Two branches never share one: a name that had to be changed ends with a dash and eight digits
# of its hash, and a name that looks like that, or like a tag of deploy.sh, counts as changed.
slug()
{
    local branch=$1 most=$((46 - ${#2})) text hash
    local LC_ALL=C

    case $branch in
    feature/*) text=${branch#feature/} ;;
    release/* | hotfix/*) text=${branch/\//-} ;;
    *) text=$branch ;;
    esac
    if [[ $text =~ ^[a-z][a-z0-9]*(-[a-z0-9]+)*$ ]] && [ ${#text} -le "$most" ] &&
        [[ ! $text =~ -[0-9a-f]{8}$|^(current|previous)$|^c-[0-9a-f]+$ ]]; then
        printf '%s' "$text"
        return
    fi
    hash=$(printf '%s' "$branch" | sha256sum)
    text=${text,,}
    text=${text//[!a-z0-9]/-}
    while [[ $text == *--* ]]; do
        text=${text//--/-}
    done
    text=${text#-}
    [[ $text == [a-z]* ]] || text=b-$text
    text=${text:0:most - 9}
    printf '%s-%s' "${text%-}" "${hash:0:8}"
}

# A label's value that tells whose branch a revision is.
branch_label()
{
    local hash

    hash=$(printf '%s' "$1" | sha256sum)
    printf '%s' "${hash:0:32}"
}

# The database of a preview, and the job that migrates it: each branch has its own, since a
# migration of one would stop the others from starting.
preview_database() { printf '%s_%s' "$(service_variable MFDB_NAME)" "${1//-/_}"; }
preview_job() { printf '%s-m-%s' "${conf[SERVICE]}" "$1"; }

# heads: "COMMIT<tab>refs/heads/BRANCH" of every branch.  The token of a private repository is in
# GIT_TOKEN; it goes by the environment of git alone.
heads()
{
    local -x GIT_TERMINAL_PROMPT=0 GIT_CONFIG_COUNT=0 GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0

    if [ -n "${GIT_TOKEN:-}" ] && [ "$GIT_TOKEN" != none ]; then
        GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=http.extraHeader
        GIT_CONFIG_VALUE_0="Authorization: Basic $(printf 'x-access-token:%s' "$GIT_TOKEN" | base64 -w0)"
    fi
    git ls-remote --heads "${conf[GIT_URL]}" "$@"
}

# is_newest BRANCH COMMIT: false, and says why, when the branch has moved on or is gone: a build
# that comes late must not put older code in the place of newer.
is_newest()
{
    local head='' lines found ref

    lines=$(heads "refs/heads/$1") || die "cannot ask for the branches of ${conf[GIT_URL]}"
    # git also tells of branches whose names end with this one.
    while read -r found ref; do
        [ "$ref" != "refs/heads/$1" ] || head=$found
    done <<<"$lines"
    [ "$head" != "$2" ] || return 0
    say "nothing to do for $1 at ${2:0:12}: ${head:+it is at ${head:0:12} now}${head:-the branch is gone}"
    return 1
}

# -- gcloud

# The words of a command as a shell would read them, into quoted.
quote()
{
    local word

    quoted=
    for word; do
        [[ $word =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]] || printf -v word '%q' "$word"
        quoted+=" $word"
    done
    quoted=${quoted# }
}

# look ARGUMENT…: what gcloud answers; its failure ends the script.
look()
{
    gcloud "$@" --project="${conf[PROJECT]}" --quiet || {
        quote gcloud "$@"
        die "cannot look: $quoted"
    }
}

# change ARGUMENT…: what gcloud shall do.
change()
{
    local -a command=(gcloud "$@" "--project=${conf[PROJECT]}" --quiet)
    local quoted

    quote "${command[@]}"
    if $print_only; then
        printf '%s\n' "$quoted"
        return
    fi
    say "$quoted"
    "${command[@]}" >&2 || die "failed: $quoted; run this again when it is mended"
}

# recall LOOK…: as look, into recalled; each question is asked once.  For lists in which a script
# itself makes no change that it looks for again.
declare -A known=()
recalled=

recall()
{
    [ -n "${known[$*]+set}" ] || known[$*]=$(look "$@") || exit 1
    recalled=${known[$*]}
}

# has_line TEXT LINE
has_line()
{
    [[ $'\n'$1$'\n' == *$'\n'"$2"$'\n'* ]]
}

# is_there NAME KEY LIST…: whether NAME is among the KEYs that "gcloud LIST" tells.
is_there()
{
    local name=$1 key=$2

    shift 2
    ! $print_only || return 1
    recall "$@" --format="value($key)"
    has_line "$recalled" "$name"
}

# -- the service

service_is_there()
{
    is_there "${conf[SERVICE]}" metadata.name run services list --region="${conf[REGION]}"
}

# TAG|REVISION|PERCENT|URL: what the service's traffic is made of.
traffic()
{
    look run services describe "${conf[SERVICE]}" --region="${conf[REGION]}" \
        --flatten='status.traffic[]' --format="csv[no-heading,separator='|'](status.traffic.tag,status.traffic.revisionName,status.traffic.percent,status.traffic.url)"
}

# traffic_of TAG LINES: "REVISION URL" of a tag, or nothing.
traffic_of()
{
    local tag revision percent url

    while IFS='|' read -r tag revision percent url; do
        [ "$tag" != "$1" ] || printf '%s %s' "$revision" "$url"
    done <<<"$2"
}

# traffic_split LINES: REVISION=PERCENT,… of those that have any.
traffic_split()
{
    local tag revision percent url split=

    while IFS='|' read -r tag revision percent url; do
        [ -z "$percent" ] || [ "$percent" = 0 ] || split+=,$revision=$percent
    done <<<"$1"
    printf '%s' "${split#,}"
}

traffic_change()
{
    change run services update-traffic "${conf[SERVICE]}" --region="${conf[REGION]}" "$@"
}

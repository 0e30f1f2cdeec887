# shellcheck shell=bash
# client.sh - gcloud, docker and git for a script under test: each call goes to the double, which
# listens on port SX_DOUBLE of the loopback.  BASH_ENV brings it in; a process for each call would
# cost more than all the rest.

double_call()
{
    local peer input='' line status killed word

    for word; do
        [[ $word != --data-file=- ]] || IFS= read -r -d '' input || true
    done
    exec {peer}<>"/dev/tcp/127.0.0.1/$SX_DOUBLE"
    printf '%s\0' "$#" "$input" "${GIT_CONFIG_VALUE_0:-}" "$@" >&"$peer"
    read -r status killed <&"$peer"
    while IFS= read -r line <&"$peer"; do
        case $line in
        o*) printf '%s\n' "${line:1}" ;;
        e*) printf '%s\n' "${line:1}" >&2 ;;
        esac
    done
    exec {peer}>&-
    [ "$killed" = no ] || kill -KILL $$
    return "$status"
}

gcloud() { double_call gcloud "$@"; }
docker() { double_call docker "$@"; }
git() { double_call git "$@"; }

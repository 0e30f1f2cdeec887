# shellcheck shell=bash
# dotenv.sh - reads a .env file; it is data, never run as a script.

dotenv=() # "KEY=VALUE" of the file, without the names that the environment has already

# dotenv_load FILE [all]: KEY=VALUE, `export KEY=VALUE`, quotes, comments.  With "all", names that
# the environment has are taken from the file, too.
dotenv_load()
{
    local file=$1 which=${2:-} line key n=0
    local space='[[:space:]]*' name='[A-Za-z_][A-Za-z0-9_]*'
    local mode
    local pair="^$space(export[[:space:]]+)?($name)$space=$space(.*)\$"

    mode=$(stat -Lc %a -- "$file")
    ((!(8#$mode & 2))) ||
        die "${file##*/}: it can be written by everybody: found mode $mode; mend it with: chmod o-w $file"
    while IFS= read -r line || [ -n "$line" ]; do
        n=$((n + 1))
        line=${line%$'\r'}
        [[ $line =~ ^[[:space:]]*(#|$) ]] && continue
        [[ $line =~ $pair ]] || die "${file##*/}:$n: expected KEY=VALUE"
        key=${BASH_REMATCH[2]}
        dotenv_value "${BASH_REMATCH[3]}" || die "${file##*/}:$n: $key: a quote is not closed"
        [ -n "${!key+set}" ] && [ "$which" != all ] || dotenv+=("$key=$dotenv_text")
    done <"$file"
}

# The value behind '=', into dotenv_text.
dotenv_value()
{
    local raw=$1
    local in_single="^'([^']*)'[[:space:]]*(#.*)?\$"
    local in_double='^"(([^"\\]|\\.)*)"[[:space:]]*(#.*)?$'

    if [[ $raw =~ $in_single ]]; then
        dotenv_text=${BASH_REMATCH[1]}
    elif [[ $raw =~ $in_double ]]; then
        dotenv_unescape "${BASH_REMATCH[1]}"
    elif [[ $raw == [\'\"]* ]]; then
        return 1
    else
        [[ $raw == '#'* ]] && raw=
        raw=${raw%%[[:space:]]#*}
        dotenv_text=${raw%"${raw##*[![:space:]]}"}
    fi
}

# \n, \t and \r; any other character behind a backslash stands for itself.
dotenv_unescape()
{
    local rest=$1 c

    dotenv_text=
    while [[ $rest =~ ^([^\\]*)\\(.)(.*)$ ]]; do
        c=${BASH_REMATCH[2]}
        case $c in
        n) c=$'\n' ;;
        t) c=$'\t' ;;
        r) c=$'\r' ;;
        esac
        dotenv_text+=${BASH_REMATCH[1]}$c
        rest=${BASH_REMATCH[3]}
    done
    dotenv_text+=$rest
}

# setting NAME: of the environment, else of the file, else nothing.
setting()
{
    local name=$1 pair

    if [ -n "${!name+set}" ]; then
        printf '%s' "${!name}"
        return
    fi
    for pair in "${dotenv[@]}"; do
        [ "${pair%%=*}" != "$name" ] || printf '%s' "${pair#*=}"
    done
}

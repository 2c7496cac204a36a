# shellcheck shell=bash
# Sourced by `tests/run` and by the scripts beside this file: what they have in common. Bash 4.4 or later.

# Where this file stands, and so the broker's other files.
# shellcheck disable=SC2034  # used by whoever sources this
kafka_folder="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
java="${JAVA_HOME:+$JAVA_HOME/bin/}java"

# say WORDS…: on standard error, with the name of the script. Standard output is for answers.
say() {
    local script
    script="$(cd "$(dirname "$0")" && pwd)/${0##*/}"
    echo "tests/${script##*/tests/}: $*" >&2
}

# need COMMAND PACKAGE [TRY…]: that COMMAND is there, and that TRY, if given, succeeds. What is missing is installed by
# the system's package manager where that is Debian's and this user may; else says what to install and exits 3.
need() {
    local command="$1" package="$2"
    shift 2
    [ "$#" = 0 ] && set -- command -v "$command"
    "$@" >/dev/null 2>&1 && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "installing $package"
        apt-get update -qq >&2 &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null &&
            "$@" >/dev/null 2>&1 && return
    fi
    say "\`$command\` is missing or too old: install it (Debian: apt-get install $package)"
    exit 3
}

# Whether there is a Java that this Kafka runs on.
java_is_new_enough() {
    local major
    major="$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')"
    [ "${major:-0}" -ge 17 ]
}

# answers HOST PORT: whether a broker answers there: `ApiVersions`, request 18, version 0, without a client's name, asks
# for no right and is a dozen bytes. A plain listener only: neither TLS nor SASL.
answers() {
    local bytes
    bytes="$({
        exec 3<>"/dev/tcp/$1/$2" &&
            printf '\0\0\0\012\0\022\0\0\0\0\0\001\377\377' >&3 &&
            timeout 2 head -c 4 <&3 | wc -c
    } 2>/dev/null)"
    [ "$bytes" = 4 ]
}

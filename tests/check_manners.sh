#!/bin/sh
# The manners that reel-charlm learns by scripts: the short runs, whose claims must hold.
. "${srcdir-$(dirname "$0")/..}/tests/lint/common"
top=$(cd "$srcdir" && pwd)
programs=$(cd "$builddir" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
PATH=$programs:$PATH
export PATH

if grep -q '^REEL_SANITIZE = *[^ ]' "$programs/Makefile" || grep -q 'REEL_STRESS=1' "$programs/Makefile" ||
    [ -n "${REEL_TEST_SLOW-}" ]; then
    echo 'an instrumented build: skipped'
    exit 77
fi

# run STATUS SCRIPT ARGUMENT...: output in ./out and ./err.
run()
{
    expected=$1 name=$2
    shift 2
    sh "$top/examples/manners/$name" "$@" >out 2>err
    got=$?
    if [ "$got" -eq "$expected" ]; then
        pass
    else
        fail "$name $*: exit status $got, expected $expected
$(cat out err)"
    fi
}

# says FILE PATTERN: what is in ./out or ./err.
says()
{
    if grep -q -e "$2" "$1"; then pass; else fail "$name: no line '$2' in its $1:
$(cat "$1")"; fi
}

# Brackets in comments and strings do not count; "]" closes no "(".
# shellcheck disable=SC2016 # no expansion is meant
printf '%s\n' 'f(a[1], "(", '"'('"'); /* ( */ { ] // (' '/* open' '/* closed */ }' >text
no_lines 'balance.awk' "$(awk -f "$top/examples/manners/balance.awk" text | grep -v '^6 7 2 3$')"

for name in source.sh screenplay.sh; do
    run 0 "$name" --quick
    says out '^before training '
    says out '^after training '
    no_lines "$name writes to stderr" "$(cat err)"
    run 0 "$name" --help
    says out "^Usage: $name"
    run 2 "$name" --hidden many
    says err 'is not a whole number'
    run 1 "$name" absent
done
printf 'no play\n' >text
run 1 screenplay.sh text
says err 'nobody speaks'
summary

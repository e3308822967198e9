#!/bin/sh
# The manners that reel-charlm learns by scripts: the short runs, whose claims must hold.
. "${srcdir-$(dirname "$0")/..}/tests/lint/common"
. "$srcdir/tests/lint/program"
PATH=$build:$PATH
export PATH
if [ -n "$slow" ]; then
    echo 'an instrumented build: skipped'
    exit 77
fi

# run STATUS SCRIPT ARGUMENT...
run()
{
    expected=$1 program=$2
    shift 2
    try "$expected" sh "$top/examples/manners/$program" "$@"
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

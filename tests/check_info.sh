#!/bin/sh
# reel-info: its options, and that a BLIS_ARCH_TYPE which BLIS would abort on does no harm.
builddir=${builddir-.}
info=$builddir/reel-info
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
unset BLIS_ARCH_TYPE REEL_ISA

# expect NAME STATUS ARGUMENTS: runs reel-info; its output goes to $work/out and $work/err.
expect()
{
    name=$1 status=$2
    shift 2
    "$info" "$@" >"$work/out" 2>"$work/err"
    got=$?
    check "$name: exit status $got, expected $status" test "$got" -eq "$status"
}

# check TEXT COMMAND: the text tells what is wrong when the command fails.
check()
{
    text=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '%s\n' "$text"
        cat "$work/out" "$work/err"
    fi
}

expect 'no options but --no-bench' 0 --no-bench
for line in Reel compiler CPU features vectors threads BLIS kernels dot gnuplot; do
    check "a line about $line" grep -q "^$line  *[^ ]" "$work/out"
done
check 'nothing on stderr' test ! -s "$work/err"
expect '--help' 0 --help
check 'usage on stdout' grep -q '^Usage: reel-info' "$work/out"
expect '--version' 0 --version
check 'version' grep -q '^reel-info [0-9]*\.[0-9]*\.[0-9]*$' "$work/out"
expect 'unknown option' 2 --frobnicate
check 'the unknown option is named on stderr' grep -q -- '--frobnicate' "$work/err"
check 'nothing on stdout' test ! -s "$work/out"

for bad in 99 -2 abc '' 13x 99999999999999999999; do
    BLIS_ARCH_TYPE=$bad
    export BLIS_ARCH_TYPE
    expect "BLIS_ARCH_TYPE=$bad" 0 --no-bench
    check "one line about BLIS_ARCH_TYPE=$bad" test "$(grep -c BLIS_ARCH_TYPE "$work/err")" -eq 1
    check "BLIS_ARCH_TYPE=$bad is not obeyed" grep -q '^kernels .* chosen by [BR]' "$work/out"
    unset BLIS_ARCH_TYPE
done
if [ "$(uname -m)" = x86_64 ] && grep -q '^BLIS *0\.9\.0' "$work/out"; then
    BLIS_ARCH_TYPE=5
    export BLIS_ARCH_TYPE
    expect 'a valid BLIS_ARCH_TYPE' 0 --no-bench
    check 'it is obeyed' grep -q '^kernels *penryn: chosen by the environment' "$work/out"
    check 'in silence' test ! -s "$work/err"
    unset BLIS_ARCH_TYPE
fi

REEL_ISA=baseline
export REEL_ISA
expect 'REEL_ISA=baseline' 0 --no-bench
check 'it is obeyed' grep -q '^vectors *baseline$' "$work/out"
check 'in silence' test ! -s "$work/err"
for bad in sse4 AVX2 '' avx512f; do
    REEL_ISA=$bad
    expect "REEL_ISA=$bad" 0 --no-bench
    check "one line about REEL_ISA=$bad" test "$(grep -c "REEL_ISA=$bad: expected baseline, avx2 or avx512" "$work/err")" -eq 1
    check 'and no other' test "$(wc -l <"$work/err")" -eq 1
done
unset REEL_ISA

PATH=/nowhere expect 'an empty PATH' 0 --no-bench
check 'dot is missed' grep -q '^dot *not found' "$work/out"
if [ -w /dev/full ]; then
    "$info" --no-bench >/dev/full 2>"$work/err"
    check 'a full disk is noticed' test $? -eq 1
fi
printf '%s: %d passed, %d failed\n' "$(basename "$0")" "$passed" "$failed"
[ "$failed" -eq 0 ]

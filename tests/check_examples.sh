#!/bin/sh
# The small examples: that they do what they show, and say so by their exit status.
. "${srcdir-$(dirname "$0")/..}/tests/lint/common"
examples=$(cd "$builddir" && pwd)/examples
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset BLIS_ARCH_TYPE REEL_EXECUTOR

# run STATUS PROGRAM ARGUMENTS: output in ./out and ./err.
run()
{
    status=$1 name=$2
    shift 2
    "$examples/$name" "$@" >out 2>err
    got=$?
    if [ "$got" -eq "$status" ]; then
        pass
    else
        fail "$name $*: exit status $got, expected $status
$(cat out err)"
    fi
}

# says FILE PATTERN: what is in ./out or ./err.
says()
{
    if grep -q -e "$2" "$1"; then
        pass
    else
        fail "$name: no line '$2' in its $1:
$(cat "$1")"
    fi
}

for name in cells newcell customop hvp; do
    run 0 $name --help
    says out "^Usage: $name"
    run 2 $name --frobnicate
    says err "^Usage: $name"
    run 0 $name
    no_lines "$name writes to stderr" "$(cat err)"
done

run 0 charts --help
says out '^Usage: charts'
run 2 charts
run 0 charts .
says alignment.svg '<title>a, a: 0'
says confusion.svg '% of the row'
says units.svg '>39</text>'
run 1 charts no/such/folder
says err 'no/such/folder/units.svg'

run 0 cells --list
says out '^lstm: long short-term memory'
says out '^  peephole=none|diagonal|full '
for kind in $(sed -n 's/^\([a-z_]*\):.*/\1/p' out); do
    run 0 cells --draw cell.dot "$kind"
    says cell.dot '^digraph'
done
run 0 cells --draw cell.dot lstm 'coupled peephole=full'
says cell.dot 'weight_ch_o'
run 1 cells --draw cell.dot lstm peephole=round
says err 'peephole=round of lstm: expected one of none|diagonal|full'
run 2 cells --draw cell.dot lst
says err "there is no cell 'lst'"

# experiment PATTERN PROGRAM OPTION...: its quick mode, whose claim must hold. Instrumented builds take ten times as
# long: they run with the options instead, which make it short, and may find that nothing was learned.
if grep -q '^REEL_SANITIZE = *[^ ]' "$examples/../Makefile" || grep -q 'REEL_STRESS=1' "$examples/../Makefile"; then
    instrumented=yes
else
    instrumented=
fi
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}exitcode=99" UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}exitcode=99"
experiment()
{
    pattern=$1 name=$2
    shift 2
    if [ -z "$instrumented" ]; then
        run 0 "$name" --quick
    else
        "$examples/$name" --quiet "$@" >out 2>err
        got=$?
        if [ "$got" -le 1 ]; then
            pass
        else
            fail "$name $*: exit status $got, expected 0 or 1
$(cat out err)"
        fi
    fi
    says out "$pattern"
    run 0 "$name" --help
    says out "^Usage: $name"
    run 2 "$name" --frobnicate
}
experiment '^LSTM, forget bias 3, c ' gradflow --quick
experiment '^LSTM .* 32 ' adding --length 10 --epochs 1 --training 640 --testing 200
experiment '^asynchronous phased .* 97.89 ' phased --sampling asynchronous --seeds 1 --epochs 1 --training 64 \
    --validation 32
experiment '^zoneout, ' dropout --length 10 --seeds 1 --epochs 1 --updates 5 --testing 200
experiment '^LSTM .* 40 ' copy --length 5 --iterations 10
experiment '^with peepholes ' timing --interval 5 --seeds 1 --updates 10

# reel-caption: a run that was killed, and one that was stopped, end as one that never was; so does a table.
caption=../reel-caption
small='--scenes 6 --heldout 6 --hidden 8 --embedding 8 --epochs 12 --quiet'

# stopped SIGNAL FILE ARGUMENTS: starts reel-caption and sends the signal once there is the file.
stopped()
{
    signal=$1 file=$2
    shift 2
    "$examples/$caption" "$@" >out 2>err &
    child=$!
    tries=0
    while [ ! -e "$file" ] && [ $tries -lt 3000 ] && kill -0 $child 2>/dev/null; do
        tries=$((tries + 1))
        sleep 0.02
    done
    kill "-$signal" $child 2>/dev/null
    wait $child 2>/dev/null
    got=$?
}

# same A B
same()
{
    if cmp -s "$1" "$2"; then
        pass
    else
        fail "$1 and $2 differ"
    fi
}

run 0 $caption --help
says out '^Usage: reel-caption'
run 0 $caption table --help
says out 'caption-table'
run 2 $caption train --frobnicate
says err "unknown or ambiguous option '--frobnicate'"
run 2 $caption table --curves curves.jpeg
says err "curves.jpeg.* does not end in"
run 1 $caption eval --checkpoint nowhere.safetensors
says err 'nowhere.safetensors'
for method in scheduled dropout; do
    # shellcheck disable=SC2086 # a list of options
    run 0 $caption train $small --method $method --checkpoint whole.safetensors --overwrite
    for signal in KILL INT; do
        rm -f cut.safetensors cut.best.safetensors
        # shellcheck disable=SC2086
        stopped $signal cut.best.safetensors train $small --method $method --checkpoint cut.safetensors
        run 0 $caption train --resume --quiet --checkpoint cut.safetensors
        same whole.safetensors cut.safetensors
        same whole.best.safetensors cut.best.safetensors
    done
done
run 1 $caption train --resume --noise 7 --checkpoint whole.safetensors
says err 'noise 7.*whole.safetensors was made with'
run 0 $caption eval --checkpoint whole.safetensors
says out '^CIDEr-D [0-9]'
run 0 $caption eval --best --beam 3 --checkpoint whole.safetensors
run 0 $caption describe --show 2 --checkpoint whole.safetensors
says out '1: .*(novel)\|2: .*(novel)\|3: .*(novel)'
says out '^  model: '

small='--scenes 6 --heldout 6 --hidden 8 --embedding 8 --epochs 2 --seeds 1'
# shellcheck disable=SC2086
"$examples/$caption" table $small --folder whole --curves curves.gp >whole.out 2>err
says curves.gp 'Scheduled sampling'
says whole.out '^Ensemble of 5 scheduled .* 32.3 / 25.4 / 98.7$'
# shellcheck disable=SC2086
stopped INT cut/always-1-0.scores table $small --folder cut
# shellcheck disable=SC2086
"$examples/$caption" table $small --folder cut >cut.out 2>err
same whole.out cut.out
# shellcheck disable=SC2086
run 1 $caption table $small --noise 7 --folder cut
says err 'cut holds models of other settings'
if [ -z "$instrumented" ] && [ -z "${REEL_TEST_SLOW-}" ]; then
    run 0 $caption table --quick --folder quick
    says out '^Always sampling < baseline .* yes$'
fi

run 0 newcell
says out '^gradients: cell mgu, 5 steps of batch 3: gradients agree'
says out '^learned$'
run 0 drawings attention net.dot level=module open=decoder/attention window=1:3
run 0 drawings lstm net.dot level=gate steps=3 layers=2 backward cut
run 1 drawings lst net.dot
run 2 drawings lstm net.dot level=atom

run 0 newcell --draw cell.dot
says cell.dot 'mgu.weight_hh_f'
run 1 newcell --draw nowhere/cell.dot
says err '^newcell: .*nowhere/cell.dot'
run 1 newcell --draw cell.jpeg
says err '^newcell: .*cell.jpeg'

run 0 customop
says out '^snake, sample .*gradients agree'
says out '^outer, sample .*gradients agree'
says out '^wrong snake, sample 0: wrong gradient of x0'

run 0 hvp
says out 'two ways and by differences: they agree$'
summary

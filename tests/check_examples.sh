#!/bin/sh
# The small examples: that they do what they show, and say so by their exit status.
. "${srcdir-$(dirname "$0")/..}/tests/lint/common"
. "$srcdir/tests/lint/program"
examples=$build/examples

# run STATUS PROGRAM ARGUMENT...
run()
{
    expected=$1 program=$2
    shift 2
    try "$expected" "$examples/$program" "$@"
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
experiment()
{
    pattern=$1 shown=$2
    shift 2
    if [ -z "$instrumented" ]; then
        run 0 "$shown" --quick
    else
        "$examples/$shown" --quiet "$@" >out 2>err
        got=$?
        if [ "$got" -le 1 ]; then
            pass
        else
            fail "$program $*: exit status $got, expected 0 or 1
$(cat out err)"
        fi
    fi
    says out "$pattern"
    run 0 "$shown" --help
    says out "^Usage: $shown"
    run 2 "$shown" --frobnicate
}
experiment '^LSTM, forget bias 3, c ' gradflow --quick
experiment '^LSTM .* 32 ' adding --length 10 --epochs 1 --training 640 --testing 200
experiment '^asynchronous phased .* 97.89 ' phased --sampling asynchronous --seeds 1 --epochs 1 --training 64 \
    --validation 32
experiment '^zoneout, ' dropout --length 10 --seeds 1 --epochs 1 --updates 5 --testing 200
experiment '^LSTM .* 40 ' copy --length 5 --iterations 10
experiment '^with peepholes ' timing --interval 5 --seeds 1 --updates 10

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

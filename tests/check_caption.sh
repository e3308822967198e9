#!/bin/sh
# reel-caption from the outside: a run that was killed, and one that was stopped, end as one that never was; so does a
# table; and what it says to bad input.
. "${srcdir-$(dirname "$0")/..}/tests/lint/common"
. "$srcdir/tests/lint/program"
program=$build/reel-caption
small='--scenes 6 --heldout 6 --hidden 8 --embedding 8 --epochs 12 --quiet'

# stopped SIGNAL FILE ARGUMENTS: starts reel-caption and sends the signal once there is the file.
stopped()
{
    signal=$1 file=$2
    shift 2
    "$program" "$@" >out 2>err &
    child=$!
    tries=0
    while [ ! -e "$file" ] && [ $tries -lt 3000 ] && kill -0 $child 2>/dev/null; do
        tries=$((tries + 1))
        sleep 0.02
    done
    kill "-$signal" $child 2>/dev/null
    wait $child 2>/dev/null
}

run 0 --help
says out '^Usage: reel-caption'
run 0 table --help
says out 'caption-table'
run 2 train --frobnicate
says err "unknown or ambiguous option '--frobnicate'"
run 2 table --curves curves.jpeg
says err "curves.jpeg.* does not end in"
run 1 eval --checkpoint nowhere.safetensors
says err 'nowhere.safetensors'
for method in scheduled dropout; do
    # shellcheck disable=SC2086 # a list of options
    run 0 train $small --method $method --checkpoint whole.safetensors --overwrite
    for signal in KILL INT; do
        rm -f cut.safetensors cut.best.safetensors
        # shellcheck disable=SC2086
        stopped $signal cut.best.safetensors train $small --method $method --checkpoint cut.safetensors
        run 0 train --resume --quiet --checkpoint cut.safetensors
        same whole.safetensors cut.safetensors
        same whole.best.safetensors cut.best.safetensors
    done
done
run 1 train --resume --noise 7 --checkpoint whole.safetensors
says err 'noise 7.*whole.safetensors was made with'
run 0 eval --checkpoint whole.safetensors
says out '^CIDEr-D [0-9]'
run 0 eval --best --beam 3 --checkpoint whole.safetensors
run 0 describe --show 2 --checkpoint whole.safetensors
says out '1: .*(novel)\|2: .*(novel)\|3: .*(novel)'
says out '^  model: '

small='--scenes 6 --heldout 6 --hidden 8 --embedding 8 --epochs 2 --seeds 1'
# shellcheck disable=SC2086
"$program" table $small --folder whole --curves curves.gp >whole.out 2>err
says curves.gp 'Scheduled sampling'
says whole.out '^Ensemble of 5 scheduled .* 32.3 / 25.4 / 98.7$'
# shellcheck disable=SC2086
stopped INT cut/always-1-0.scores table $small --folder cut
# shellcheck disable=SC2086
"$program" table $small --folder cut >cut.out 2>err
same whole.out cut.out
# shellcheck disable=SC2086
run 1 table $small --noise 7 --folder cut
says err 'cut holds models of other settings'
if [ -z "$slow" ]; then
    run 0 table --quick --folder quick
    says out '^Always sampling < baseline .* yes$'
fi
summary

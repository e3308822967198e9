#!/bin/sh
# reel-translate from the outside: that it learns with attention, that runs go on as if they had not been stopped,
# what it says to bad input, that its pictures are pictures.
. "${srcdir-$(dirname "$0")/..}/tests/lint/common"
. "$srcdir/tests/lint/program"
program=$build/reel-translate
if [ -n "$slow" ]; then pairs=200 epochs=1; else pairs=2000 epochs=8; fi

# A made-up language: each word has another name there, a verb goes to the end, and an adjective behind its noun.
speak()
{
    awk -v n="$1" -v seed="$2" 'BEGIN {
        srand(seed)
        split("dog cat man woman child horse bird fish tree house", noun)
        split("sees hears likes finds follows draws", verb)
        split("small big old young red green", adjective)
        for (i = 0; i < n; i++) {
            s = t = ""
            v = verb[1 + int(rand() * 6)]
            for (k = 0; k < 2; k++) {
                m = noun[1 + int(rand() * 10)]
                own = rand() < 0.5 ? adjective[1 + int(rand() * 6)] : ""
                s = s (k ? " " v " " : "") "a " (own == "" ? "" : own " ") m
                t = t (k ? " " : "") "x" m (own == "" ? "" : " x" own)
            }
            print s >"'"$3"'.a"
            print t " x" v >"'"$3"'.b"
        }
    }'
}
speak "$pairs" 1 train
speak 200 2 test

run 0 --help
says out '^Usage: reel-translate COMMAND'
run 0 --version
says out '^reel-translate (Reel '
run 0 train --help
says out '--attention WORD'
run 0 cells
says out '^phased_lstm '

# Bad input.
run 2 fly
says err "'fly' is no command"
run 2 train train.a
says err 'SOURCE TARGET missing'
run 2 train train.a train.b --hidden 0
says err "^reel-translate: --hidden: '0' is not a whole number from 1 to 65536"
run 1 train train.a train.b --cell nothing
says err "'nothing' is no kind of cell"
head -3 test.b >three.b
run 1 train train.a three.b --checkpoint new.safetensors
says err "train.a has $pairs lines, three.b has 3: expected one for each"
run 1 train absent.a train.b
says err 'absent.a'
run 1 eval test.a test.b --checkpoint absent.safetensors
says err 'absent.safetensors'
run 1 train train.a train.b --valid-source test.a
says err 'go together'
run 2 train train.a train.b --hiden 3
says err "unknown or ambiguous option '--hiden'"
rm -f new.safetensors translate.safetensors

# What it learns.
small='--hidden 32 --embed 32 --batch 32 --rate 5e-3 --least 1 --dropout 0.1'
# shellcheck disable=SC2086 # words on purpose
run 0 train train.a train.b --valid-source test.a --valid-target test.b $small --epochs "$epochs"
says err "^epoch $epochs: loss "
says out "^epoch $epochs  loss .* BLEU "
run 0 eval test.a test.b --output said
says out '^all  *200 '
if [ -z "$slow" ]; then
    bleu=$(awk '/^all/ { print int($3) }' out)
    if [ "$bleu" -ge 90 ]; then pass; else fail "BLEU $bleu after training, expected 90 or more"; fi
fi
[ "$(wc -l <said)" -eq 200 ] && pass || fail "$(wc -l <said) translations of 200"
head -3 test.a >three
run 0 translate three
head -3 said >three.said
same out three.said 'translate and eval'
head -2 test.a >two.a
head -2 test.b >two.b
run 0 align two.a two.b two.svg
says two.svg '^<svg'
says two.svg '&lt;/s&gt;'
run 2 align two.a two.b
run 1 align two.a two.b two.png
says err 'two.png'

# The same run, stopped and killed on the way, ends with the same bits.
tiny='--hidden 8 --embed 8 --batch 22 --least 1 --epochs 4 --save-every 1 --quiet'
valid='--valid-source two.a --valid-target two.b'
# shellcheck disable=SC2086
run 0 train two.a two.b $tiny --checkpoint two.safetensors
head -200 train.a >few.a
head -200 train.b >few.b
for case in likelihood/KILL/137 self-critical/INT/130 mixer/TERM/143; do
    objective=${case%%/*} status=${case##*/}
    signal=${case#*/}
    signal=${signal%/*}
    # shellcheck disable=SC2086
    run 0 train few.a few.b $tiny $valid --objective $objective --checkpoint whole.safetensors --overwrite
    rm -f cut.safetensors cut.best.safetensors
    # shellcheck disable=SC2086
    "$program" train few.a few.b $tiny $valid --objective $objective --checkpoint cut.safetensors >out 2>err &
    child=$!
    i=0
    while [ $i -lt 1000 ] && ! grep -aq '"run.step":"[1-9]' cut.safetensors 2>/dev/null; do
        sleep 0.02
        i=$((i + 1))
    done
    kill -s "$signal" $child 2>/dev/null
    wait $child 2>/dev/null
    got=$?
    if [ $got -eq "$status" ]; then pass; else fail "$objective: status $got after $signal, expected $status
$(cat err)"; fi
    # shellcheck disable=SC2086
    run 0 train few.a few.b $tiny $valid --objective $objective --checkpoint cut.safetensors --resume
    same whole.safetensors cut.safetensors "$objective, killed and resumed"
done

# Rewards have one part.
run 1 train few.a few.b --objective mixer --parts 3 --checkpoint new.safetensors
says err 'training by rewards has one part'

# A checkpoint of a version without parts has one.
# shellcheck disable=SC2086
run 0 train few.a few.b $tiny --parts 1 --checkpoint one.safetensors
# shellcheck disable=SC2086
run 0 train few.a few.b $tiny --parts 1 --epochs 1 --checkpoint stopped.safetensors
LC_ALL=C sed 's/option\.parts/option.other/' stopped.safetensors >old.safetensors
run 1 train few.a few.b --parts 3 --epochs 4 --checkpoint old.safetensors --resume --quiet
says err 'old.safetensors: --parts is 1 there; a resumed run cannot change it'
run 0 train few.a few.b --epochs 4 --checkpoint old.safetensors --resume --quiet
same one.safetensors old.safetensors 'resumed without a word of parts'
run 1 train few.a few.b --checkpoint whole.safetensors
says err 'exists: --resume goes on from it'
# shellcheck disable=SC2086
run 1 train few.b few.a --checkpoint whole.safetensors --resume $valid
says err 'was trained or measured on other data'
run 1 train few.a few.b --checkpoint whole.safetensors --resume
says err 'was trained or measured on other data'
# shellcheck disable=SC2086
run 1 train few.a few.b --checkpoint whole.safetensors --resume --hidden 9 $valid
says err 'a resumed run cannot change it'

# Other networks.
for net in '--attention none' '--attention dot --one-way' '--attention general --late --input-feeding' \
    '--attention multi-head --maxout' '--attention concat --tied' '--cell lstm --layers 2 --smoothing 0.1' \
    '--attention scaled-dot --one-way --f64' '--coverage --late'; do
    # shellcheck disable=SC2086
    run 0 train few.a few.b $tiny --epochs 1 --checkpoint net.safetensors --overwrite $net
    run 0 eval two.a two.b --checkpoint net.safetensors --beam 2 --quiet
done
# shellcheck disable=SC2086
run 1 train few.a few.b $tiny --epochs 1 --checkpoint net.safetensors --overwrite --attention dot --coverage
says err '^reel-translate: --coverage is for additive attention'
# shellcheck disable=SC2086
run 0 train few.a few.b $tiny --epochs 1 --checkpoint net.safetensors --overwrite --attention none
run 1 align two.a two.b two.svg --checkpoint net.safetensors
says err 'has no attention to be drawn'
run 1 eval two.a two.b --checkpoint net.safetensors --beta 0.2
says err '^reel-translate: --beta: net.safetensors has no attention of one head'
run 0 eval two.a two.b --checkpoint whole.safetensors --beta 0.2 --quiet
# shellcheck disable=SC2086
run 0 train few.a few.b --from whole.safetensors --epochs 1 --quiet --checkpoint after.safetensors
# What answers lines ends with its reader.
(yes 'a dog' | timeout 20 "$program" translate --checkpoint whole.safetensors | head -1) >out
if [ "$(wc -l <out)" -eq 1 ]; then pass; else fail "translate | head -1: $(cat out)"; fi
summary

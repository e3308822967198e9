#!/bin/sh
# reel-charlm from the outside: what it learns, what it writes, how a run is stopped and resumed, and what it
# says to bad input.
. "${srcdir-.}/tests/lint/common"
top=$(cd "$srcdir" && pwd)
charlm=$(cd "$builddir" && pwd)/reel-charlm
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

# check TEXT COMMAND...: passes when the command succeeds.
check()
{
    what=$1
    shift
    if "$@"; then pass; else fail "$what"; fi
}

# run STATUS ARGUMENT...: runs the program, output in out and err; fails on another exit status.
run()
{
    expected=$1
    shift
    "$charlm" "$@" >out 2>err </dev/null
    status=$?
    if [ "$status" -eq "$expected" ]; then
        pass
    else
        fail "reel-charlm $*: exit status $status, expected $expected: $(cat err)"
    fi
}

# rejects STATUS TEXT ARGUMENT...: fails with that status, and says so in one line that holds the text.
rejects()
{
    text=$2
    expected=$1
    shift 2
    run "$expected" "$@"
    check "reel-charlm $*: expected '$text' in: $(cat err)" grep -qF -e "$text" err
    check "reel-charlm $*: more than one line: $(cat err)" test "$(grep -c '^reel-charlm: ' err)" -eq 1
}

# Two texts with something to learn: one that repeats, one like language.
awk 'BEGIN { for (i = 0; i < 400; i++) printf "abcdefgh" }' >circle.txt
awk 'BEGIN { split("the a cat dog sees hears big small house tree", w); srand(1); s = 7
    for (i = 0; i < 1500; i++) { s = (s * 1103 + 377) % 10007; printf "%s%s", w[s % 10 + 1], s % 9 ? " " : ".\n" } }' >words.txt
awk 'BEGIN { for (i = 0; i < 300; i++) printf "αβγδ€𝄞" }' >greek.txt
small='--quiet --no-samples --layers 1 --hidden 12 --seq 8 --batch 4'

# It learns: what repeats is predicted almost surely, and written on.
run 0 train $small --rate 0.02 --epochs 8 --checkpoint circle.safetensors circle.txt
run 0 sample --checkpoint circle.safetensors --temperature 0 --prime abc --length 10
check "a learned circle goes on: $(cat out)" test "$(cat out)" = abcdefghabcde
run 0 eval --quiet --checkpoint circle.safetensors --batch 1 circle.txt
check "a learned circle is certain: $(cat out)" awk '{ exit !($1 < 0.1) }' out

# Characters of UTF-8 of every length, not bytes.
run 0 train $small --rate 0.02 --epochs 30 --units chars --checkpoint greek.safetensors greek.txt
run 0 sample --checkpoint greek.safetensors --temperature 0 --prime αβ --length 4
check "characters go on: $(cat out)" test "$(cat out)" = 'αβγδ€𝄞'

# Every kind of cell, both types, every optimizer's name, windows that overlap.
for cell in rnn lstm gru mgu; do
    run 0 train $small --cell $cell --layers 2 --steps 3 --overwrite --checkpoint cell.safetensors words.txt
    run 0 eval --quiet --checkpoint cell.safetensors words.txt
    check "$cell: a loss: $(cat out)" awk '{ exit !($1 > 0.5 && $1 < 5) }' out
    run 0 draw --cell $cell --steps 2 $cell.dot
    check "$cell: a drawing" grep -q '^digraph' $cell.dot
done
run 0 train $small --cell gru --cell-options 'pytorch' --two-biases --dtype f64 --embed 0 --steps 3 \
    --overwrite --checkpoint cell.safetensors words.txt
for optimizer in sgd adagrad rmsprop adadelta adam adamw; do
    run 0 train $small --optimizer $optimizer --loss sum --clip 0 --clip-value 1 --steps 3 --overwrite \
        --checkpoint opt.safetensors words.txt
done

# A window as long as the stream, moved by one step, is learned from too.
run 0 train $small --seq 64 --stride 1 --steps 3 --overwrite --checkpoint cell.safetensors words.txt

# A run stopped and resumed writes the bytes of one that never stopped, whatever the number of threads.
long='--seq 12 --stride 5 --dropout 0.2 --average 0.9 --warmup 10 --decay 0.9 --layers 2 --valid-every 10'
run 0 train $small $long --steps 40 --checkpoint whole.safetensors --log whole.tsv --threads 2 words.txt
run 0 train $small $long --steps 20 --checkpoint parts.safetensors --log parts.tsv words.txt
run 0 train $small $long --steps 33 --checkpoint parts.safetensors --log parts.tsv --resume words.txt
run 0 train $small $long --steps 40 --checkpoint parts.safetensors --log parts.tsv --resume words.txt
check 'a resumed run ends with the same checkpoint' cmp whole.safetensors parts.safetensors
check 'a resumed run keeps the same best model' cmp whole.best.safetensors parts.best.safetensors
grep -v '^33	' parts.tsv >parts-without-33.tsv
check 'a resumed run keeps the same log' cmp whole.tsv parts-without-33.tsv

# Rows that were written after the checkpoint are not there twice.
cp parts.safetensors again.safetensors
{ cat whole.tsv; printf '60\t1\t1\t1\t1\t1\t1\t\t\n'; } >again.tsv
run 0 train $small $long --steps 40 --checkpoint again.safetensors --log again.tsv --resume words.txt
check 'rows past the checkpoint are cut off' cmp whole.tsv again.tsv

# Resuming with no options at all goes by those of the checkpoint.
run 0 train --quiet --steps 45 --checkpoint parts.safetensors --resume words.txt
run 0 train $small $long --steps 45 --checkpoint whole.safetensors --resume words.txt
check 'options come from the checkpoint' cmp whole.safetensors parts.safetensors

# The best model's loss is that of the held-out text.
"$charlm" train $small --no-samples --epochs 2 --checkpoint best.safetensors --log best.tsv words.txt 2>/dev/null
run 0 eval --quiet --held-out --checkpoint best.best.safetensors words.txt
best=$(awk -F '\t' 'NR > 1 && $8 != "" && (b == "" || $8 < b) { b = $8 } END { printf "%.4f", b }' best.tsv)
check "eval says $(cat out), the log $best" test "$(cut -d' ' -f1 out)" = "$best"

# Samples: the same seed, the same text; another seed, another.
run 0 sample --checkpoint best.safetensors --length 50 --seed 3
mv out first
run 0 sample --checkpoint best.safetensors --length 50 --seed 3
check 'the same seed writes the same text' cmp first out
run 0 sample --checkpoint best.safetensors --length 50 --seed 4
check 'another seed writes another text' test "$(cat first)" != "$(cat out)"
check 'a sample has the length asked for' test "$(wc -c <out)" -eq 51

# Standard input, and the files of a folder in the order of their names.
mkdir -p text/deeper && head -c 3000 words.txt >text/a && tail -c +3001 words.txt >text/deeper/z
: >text/.hidden
run 0 train $small --steps 5 --checkpoint one.safetensors words.txt
"$charlm" train $small --steps 5 --checkpoint two.safetensors - <words.txt 2>/dev/null
check 'standard input is a text like a file' cmp one.safetensors two.safetensors
run 0 train $small --steps 5 --checkpoint three.safetensors text
check 'a folder is a text like a file' cmp one.safetensors three.safetensors

# Ctrl-C: the work is saved, the status says so, and the run goes on as if nothing had happened.
"$charlm" train $small --epochs 100000 --checkpoint stop.safetensors --log stop.tsv words.txt 2>err &
pid=$!
while [ "$(wc -l 2>/dev/null <stop.tsv || echo 0)" -lt 3 ]; do
    kill -0 $pid 2>/dev/null || break
    sleep 0.05
done
kill -INT $pid
wait $pid
check "the exit status after Ctrl-C" test $? -eq 130
check "a note how to go on: $(cat err)" grep -q -e 'train --resume --checkpoint stop.safetensors' err
step=$(sed -n 's/.*stopped at step \([0-9]*\).*/\1/p' err)
run 0 train --quiet --steps $((step + 3)) --checkpoint stop.safetensors --resume words.txt
run 0 train $small --epochs 100000 --steps $((step + 3)) --checkpoint go.safetensors words.txt
check 'a run stopped by Ctrl-C loses nothing' cmp stop.safetensors go.safetensors

# A reader of samples who goes away does not end the training.
{
    "$charlm" train --quiet --length 30 --hidden 4 --batch 4 --steps 70 --checkpoint pipe.safetensors \
        words.txt 2>err
    echo $? >status
} | head -c 1 >/dev/null
check "training goes on without a reader: $(cat status err)" test "$(cat status)" = 0
"$charlm" train --quiet --length 30 --hidden 4 --batch 4 --steps 30 --checkpoint full.safetensors \
    words.txt >/dev/full 2>err
check "a full disk for samples is said: $(cat err)" grep -q 'samples cannot be written' err

# The curves and the drawings.
if command -v gnuplot >/dev/null; then
    run 0 train $small --steps 40 --checkpoint plot.safetensors --log plot.tsv --plot plot.svg words.txt
    check 'a plot is drawn' grep -q '</svg>' plot.svg
    check "gnuplot is content: $(cat err)" test ! -s err
else
    echo 'gnuplot is not there: plots are not tested'
fi
PATH=/nonexistent "$charlm" train $small --steps 2 --checkpoint p.safetensors --log p.tsv --plot p.svg \
    words.txt 2>err
check 'a run without gnuplot succeeds' test $? -eq 0
check "and says what is missing: $(cat err)" grep -q 'gnuplot' err
run 0 draw --backward --layers 1 --steps 2 backward.dot
check 'gradients are drawn' grep -q '∂ lstm.weight_hh_l0' backward.dot
run 0 draw --checkpoint best.safetensors --collapse module module.dot
check 'a module is one box' test "$(wc -l <module.dot)" -lt "$(wc -l <backward.dot)"
run 0 draw --layers 1 --hidden 4 --steps 2 --level gate gates.dot
check 'gates are drawn' grep -q 'σ' gates.dot
run 0 draw --layers 1 --hidden 4 --steps 2 --level module --colour gradient --backward modules.dot
run 2 draw --level atom modules.dot
run 0 draw --layers 1 --hidden 4 --steps 2 --level module --theme dark --title 'a title' --weights stubs --second look.dot
check 'a title is drawn' grep -q '>a title</font>' look.dot
check 'weights are notes' grep -q 'shape=note' look.dot
check 'second derivatives are drawn' grep -q '∂² ' look.dot
run 0 draw --layers 1 --hidden 4 --steps 2 page.html
check 'a page is written' grep -q '</html>' page.html

# Help and the version.
for command in '' train sample eval draw demo; do
    run 0 $command --help
    check "$command: help on stdout" grep -q '^Usage: reel-charlm' out
    run 0 $command --version
    check "$command: the version" grep -q '^reel-charlm (Reel [0-9]' out
done

# Bad command lines: status 2.
rejects 2 'a command is missing'
rejects 2 "'trian' is no command" trian
rejects 2 "option '--hiden'" train --hiden 3
rejects 2 "option '--hidden' needs a value" train --hidden
rejects 2 "'many' is not a whole number" train --hidden many
rejects 2 "'0' is not a whole number from 1" train --layers 0
rejects 2 "'nan' is not a number" train --rate nan
rejects 2 "is none of bytes|chars" train --units words
rejects 2 "'vanilla' is no kind of cell" train --cell vanilla
rejects 2 "none of char-rnn" train --preset other
rejects 2 'more than --seq' train --seq 10 --stride 11
rejects 2 '--plot draws' train --plot curve.svg
rejects 2 "what is 'extra'" sample extra

# Bad input: status 1, nothing changed.
rejects 1 'No such file' train --checkpoint new.safetensors missing.txt
: >empty.txt
rejects 1 'there is no text in it' train --checkpoint new.safetensors empty.txt
printf x >short.txt
rejects 1 'too short' train --quiet --checkpoint new.safetensors short.txt
rejects 1 'too short' train --quiet --valid 0 --checkpoint new.safetensors short.txt
printf 'ab\377' >latin.txt
rejects 1 'byte 2 (0xff) is not valid UTF-8; --units bytes' train --units chars --checkpoint new.safetensors latin.txt
rejects 1 'one.safetensors exists' train --checkpoint one.safetensors words.txt
rejects 1 'beside it: No such file' train --quiet --checkpoint nowhere/new.safetensors words.txt
check 'no checkpoint comes from bad input' test ! -e new.safetensors
cp one.safetensors before
rejects 1 '--hidden 13 contradicts one.safetensors, which was trained with 12' train --quiet --resume --hidden 13 --checkpoint one.safetensors words.txt
rejects 1 'contradicts' train --quiet --resume --preset char-rnn --checkpoint one.safetensors words.txt
rejects 1 'trained on another text' train --quiet --resume --checkpoint one.safetensors circle.txt
rejects 1 "momentum" train --quiet --overwrite --cell-options momentum=3 --checkpoint one.safetensors words.txt
check 'a refused run leaves the checkpoint alone' cmp one.safetensors before
rejects 1 'not a checkpoint of reel-charlm' train --resume --quiet --checkpoint "$top/tests/golden/interop.safetensors" words.txt
rejects 1 'missing.safetensors' sample --checkpoint missing.safetensors
rejects 1 'words.txt' sample --checkpoint words.txt
head -c 700 one.safetensors >cut.safetensors
rejects 1 'cut.safetensors' eval --checkpoint cut.safetensors words.txt
rejects 1 'holds a model but no training' train --quiet --resume --checkpoint best.best.safetensors words.txt
rejects 1 'does not occur in the text' sample --checkpoint one.safetensors --prime Q
rejects 1 'does not occur in the text' eval --checkpoint one.safetensors greek.txt
rejects 2 'y.jpeg' draw y.jpeg
summary

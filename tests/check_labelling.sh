#!/bin/sh
# reel-classify and reel-tag from the outside: what they learn, that they need the order of words for it, how a run
# is resumed, and what they say to bad input.
. "${srcdir-$(dirname "$0")/..}/tests/lint/common"
. "$srcdir/tests/lint/program"
tab=$(printf '\t')

# measure ARGUMENT...: leaves the accuracy that eval tells, in 1/10000.
measure()
{
    run 0 eval "$@"
    accuracy=$(awk '/^accuracy/ { print int(10000 * $2 + 0.5) }' out)
}

# learns TEXT OPERATOR ACCURACY
learns()
{
    [ -n "$slow" ] || compare "$name, $1: accuracy in 1/10000" "$accuracy" "$2" "$3"
}

# begin SIGNAL ARGUMENT...: a run that gets the signal once it has saved something.
begin()
{
    signal=$1
    shift
    "$program" train --quiet --overwrite --checkpoint parts.safetensors "$@" >out 2>err &
    while ! grep -aq '"run.step":"[1-9]' parts.safetensors 2>/dev/null && kill -0 $! 2>/dev/null; do sleep 0.01; done
    kill -"$signal" $! 2>/dev/null
    wait $! 2>/dev/null
    got=$?
}

# A run that is cut in two ends with the same bytes as one that is not.
resumes()
{
    set -- "$@" --batch 2
    run 0 train --quiet "$@" --epochs 2 --checkpoint whole.safetensors
    begin KILL --save-every 1 "$@" --epochs 2
    compare "$name: exit status of a killed run" "$got" -eq 137
    run 0 train --quiet --epochs 2 --resume --checkpoint parts.safetensors
    no_lines "$name: killed and resumed" "$(cmp whole.safetensors parts.safetensors 2>&1)"
    rm -f parts.safetensors parts.best.safetensors
    begin TERM "$@" --epochs 100000
    compare "$name: exit status after a signal" "$got" -eq 143
    says err '--resume goes on from there'
    rm -f parts.safetensors parts.best.safetensors
    run 0 train --quiet "$@" --epochs 1 --checkpoint parts.safetensors
    run 0 train --quiet --epochs 2 --resume --checkpoint parts.safetensors
    no_lines "$name: resumed" "$(cmp whole.safetensors parts.safetensors 2>&1)"
    rejects 1 'exists: --resume' train --quiet --checkpoint parts.safetensors
    rejects 1 '--hidden 5' train --quiet --resume --hidden 5 --checkpoint parts.safetensors
    rejects 1 'other data' train --quiet --resume --checkpoint parts.safetensors data
}

small='--quiet --overwrite --hidden 24 --embed 16 --batch 16 --dropout 0 --rate 5e-3'

for name in reel-classify reel-tag; do
    program=$build/$name
    run 0 --help
    says out "^Usage: $name"
    run 0 train --help
    says out '^  --checkpoint FILE'
    rejects 2 'frobnicate' train --frobnicate
    rejects 2 'is none of forward|both' train --direction back
    rejects 1 'no kind of cell' train --quiet --cell abacus
    rejects 1 'absent' train --quiet absent
    rejects 1 'absent' eval --checkpoint absent
    rejects 1 'not a checkpoint' eval --checkpoint "$top/tests/golden/interop.safetensors"
done

# Sentences whose order tells their class, and whose words do not.
name=reel-classify program=$build/reel-classify
kinds='lstm --pool mean:gru --pool last:lstm --pool max:lstm --direction forward --pool last:lstm --pool attention'
epochs=8
[ -z "$slow" ] || { kinds='lstm --layers 2 --pool attention' && epochs=1; }
while [ -n "$kinds" ]; do
    kind=${kinds%%:*}
    kinds=${kinds#"$kind"}
    kinds=${kinds#:}
    # shellcheck disable=SC2086 # lists of options
    run 0 train $small --epochs $epochs --lines 1500 --checkpoint order.safetensors --cell $kind
    measure --checkpoint order.best.safetensors --lines 500
    learns "$kind" -ge 9000
done
# shellcheck disable=SC2086 # a list of options
run 0 train $small --epochs $epochs --lines 1500 --no-recurrence --checkpoint bag.safetensors
measure --checkpoint bag.best.safetensors --lines 500
learns 'without recurrence' -le 6000
rejects 1 'expected --pool mean or max' train --quiet --no-recurrence --pool last --checkpoint n.safetensors

run 0 eval --checkpoint order.best.safetensors --lines 50 --confusion table.svg
says out '^are  '
says table.svg '^</svg>'
printf 'the key near the doors\n\nthe keys near a grünes door\n' >lines
"$program" label --checkpoint order.best.safetensors <lines >out 2>err
compare 'lines that were labelled' "$(grep -c "^\(is\|are\)${tab}[01]\.[0-9]*$tab" out)" -eq 3
[ -n "$slow" ] || says out "^is$tab.*${tab}the key near the doors\$"

# Two classes by file, told apart by their letters.
awk 'BEGIN { s = 3; for (i = 0; i < 200; i++) { for (k = 0; k < 4; k++) { s = (s * 1103 + 377) % 10007
    printf "%s ", substr("babidobudabodubibab", s % 15 + 1, 4) } print "" } }' >b
sed -e 's/b/t/g' -e 's/u/e/g' b >t
# shellcheck disable=SC2086 # a list of options
run 0 train $small --by-file --units characters --direction forward --epochs 3 --checkpoint file.safetensors b t
measure --checkpoint file.safetensors b t
learns 'by file' -ge 9900
says out '^b  .* 200$'
rejects 1 "no label 'lines'" eval --checkpoint file.safetensors lines
rejects 1 'lines:1: expected a label, a tab and a text' train --quiet --checkpoint n.safetensors lines
printf 'one\ttext\none\tother\n' >data
rejects 1 "the label 'one'" train --quiet --checkpoint n.safetensors data
printf 'one\tbad \377 byte\ntwo\tother\n' >bad
rejects 1 'bad:1: byte 9 is not valid UTF-8' train --quiet --held-out 0 --checkpoint n.safetensors bad
rejects 1 'was not trained on made-up' eval --checkpoint file.safetensors
printf 'is\ttext\nare\tother\n' >data
resumes --hidden 4 --lines 100

printf 'JOHN:\none two three four\n\nMARY:\nfive six\n\nJOHN:\nseven\n' >play
run 0 prepare --task speakers play
says out "^JOHN${tab}seven\$"
run 0 prepare --task speakers --classes 2 play
compare 'lines of a speaker' "$(grep -c JOHN out)" -eq 2
run 0 prepare --task order play
says out "^\(straight${tab}one two three four\|shuffled$tab.*three.*\)\$"
rejects 2 'need a FILE' prepare --task order
rejects 1 '0 speakers' prepare --task speakers lines

# Tags that depend on what comes later: both directions see it, one does not, and a word alone even less.
name=reel-tag program=$build/reel-tag
epochs=6
[ -z "$slow" ] || epochs=1
for kind in '--direction both' '--direction both --characters 8' '--direction forward' '--no-recurrence'; do
    # shellcheck disable=SC2086 # lists of options
    run 0 train $small --epochs $epochs --lines 600 --checkpoint tag.safetensors $kind
    measure --checkpoint tag.best.safetensors --lines 300
    case $kind in
        *both*) learns "$kind" -ge 9800 ;;
        *forward) learns "$kind" -le 9400 ;;
        *) learns "$kind" -le 7000 ;;
    esac
    case $kind in *characters*) [ -n "$slow" ] || says out '^all spans  *\(1\.0\|0\.9\)' ;; esac
done
printf 'the old dog bites a cat\n\n' >lines
"$program" label --checkpoint tag.best.safetensors <lines >out 2>err
compare 'words that were tagged' "$(grep -c "$tab\([BI]-[A-Z]*\|O\)\$" out)" -eq 6

printf 'a/X b/Y c//Y\n\nd/X\n' >data
run 0 train --quiet --format slashes --held-out 0 --epochs 1 --checkpoint slashes.safetensors data
run 0 eval --checkpoint slashes.safetensors data
says out ' of 4)$'
printf 'a 1 2 X\nb\tY\n\n' >data
run 0 train --quiet --held-out 0 --epochs 1 --checkpoint columns.safetensors data
run 0 eval --checkpoint columns.safetensors data
says out ' of 2)$'
printf 'a\n' >bad
rejects 1 'bad:1: .a.: expected a word, a tab and a tag' train --quiet --checkpoint n.safetensors bad
printf 'a\tX\nb\377\tX\n' >bad
rejects 1 'bad:2: not valid UTF-8' train --quiet --checkpoint n.safetensors bad
printf 'a\tZ\n' >bad
rejects 1 "bad:1: the model has no tag 'Z'" eval --checkpoint columns.safetensors bad
rejects 1 'was not trained on made-up' eval --checkpoint columns.safetensors
run 0 prepare --lines 3
cp out data
rm -f whole.* parts.*
resumes --hidden 4 --lines 100 --characters 2

# What was taken from a text is put back. The first line that ends in a colon is a speaker; "And" begins a verse
# in the middle of a sentence and stands without a capital elsewhere.
printf "NED:\nWhat, sir--'Tis he; a man\nAnd a \"MAN.\" (He goes)\nHe and I?\n" >play
run 0 prepare play
cat >expected <<EOF
what${tab}Capital,
sir${tab}lower-
'tis${tab}Capital
he${tab}lower;
a${tab}lower
man${tab}lower
and${tab}lower
a${tab}lower
man${tab}UPPER.
he${tab}Capital
goes${tab}lower
he${tab}lower
and${tab}lower
i${tab}Capital?

EOF
no_lines 'reel-tag prepare' "$(diff expected out)"
cp expected data
run 0 train --quiet --rate 0.02 --batch 1 --least 1 --dropout 0 --epochs 60 --held-out 0 --checkpoint play.safetensors data
echo "what sir 'tis he a man and a man he goes he and i" >lines
"$program" label --restore --checkpoint play.safetensors <lines >out 2>err
no_lines 'reel-tag label --restore' "$(echo "What, sir-- 'Tis he; a man and a MAN. He goes he and I?" | diff - out)"

# What stands between words, whatever it is, is no word.
printf 'what\rsay \r you\n\0\n\r\nhe\0goes\r' >strange
"$program" label --checkpoint play.safetensors <strange >out 2>err
no_lines 'reel-tag label of strange lines' "$(cat err)"
if [ "$(cut -f 1 out | tr -s '\n' ' ')" = 'what say you he goes ' ]; then pass; else fail "words: $(cat out)"; fi
rejects 1 'none was held out' eval --held-out-part --checkpoint play.safetensors data
sed s/goes/comes/ data >others
rejects 1 'was trained on other data' eval --held-out-part --checkpoint play.safetensors others
name=reel-classify program=$build/reel-classify
rejects 2 'agreement is made up' prepare data
summary

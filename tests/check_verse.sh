#!/bin/sh
# reel-verse from the outside: that it learns, that runs go on as if they had not been stopped, that a verse has no line
# twice and its credits are right, what it says to bad input.
. "${srcdir-$(dirname "$0")/..}/tests/lint/common"
. "$srcdir/tests/lint/program"
program=$build/reel-verse

# A play of so many speeches in which lines name each other.
play()
{
    awk -v n="$1" 'BEGIN {
        srand(3)
        split("Anna Bruno Clara Dario Emma", who)
        split("rose sword crown river night horse letter storm mother prison", what)
        for (i = 1; i <= n; i++) {
            k = 1 + int(rand() * 10)
            print toupper(who[1 + int(rand() * 5)]) ":"
            m = 1 + int(rand() * 4)
            for (j = 1; j <= m; j++) {
                print "The " what[k] " of " who[1 + int(rand() * 5)] ", number " i "-" j (j < m ? (rand() < 0.3 ? ":" : ",") : ".")
                if (rand() < 0.3) k = 1 + int(rand() * 10)
            }
            print ""
        }
    }'
}

# --- learning ---

if [ -z "$slow" ]; then
    run 0 quick --threads 1
    says out '^within a speech '
    says out '^chance '
fi
# Chance is not enough: gradients too small to move anything.
run 1 quick --threads 1 --epochs 1 --parts topic --clip 1e-9
says err 'expected at least 5.00 %'

# --- runs ---

play 150 >play.txt
sizes='--epochs 2 --batch 32 --word 8 --hidden 8 --letter 4 --characters 8 --size 8 --threads 1 --quiet'
# shellcheck disable=SC2086 # a list of words
{
    run 0 train $sizes --checkpoint whole.safetensors play.txt
    run 1 train $sizes --checkpoint whole.safetensors play.txt
    says err 'whole.safetensors exists'
    # killed on the way
    "$program" train $sizes --checkpoint cut.safetensors --save-every 1 play.txt 2>err &
    child=$!
    i=0
    while [ $i -lt 200 ] && [ ! -f cut.safetensors ]; do
        sleep 0.05
        i=$((i + 1))
    done
    kill -9 $child 2>/dev/null
    wait $child 2>/dev/null
    run 0 train --quiet --threads 1 --checkpoint cut.safetensors --resume play.txt
    same whole.safetensors cut.safetensors 'a run killed and resumed'
    run 0 train ${sizes%--threads*}--threads 2 --quiet --checkpoint threads.safetensors play.txt
    same whole.safetensors threads.safetensors 'two threads'
}
run 1 train --quiet --checkpoint whole.safetensors --resume --size 9 play.txt
says err '--size 9: whole.safetensors was made with 8'
play 160 >longer.txt
run 1 train --quiet --checkpoint whole.safetensors --resume longer.txt
says err 'other data'
run 0 eval --checkpoint whole.safetensors --threads 1 --quiet --candidates 10 longer.txt
says err 'longer.txt is not the text that whole.safetensors was trained on'
run 0 eval --checkpoint whole.safetensors --threads 1 --quiet --candidates 10 play.txt
says out '^chance .* 10.00%  50.00% 100.00% 100.00%$'
cp out first
run 0 eval --checkpoint whole.safetensors --threads 1 --quiet --candidates 10 play.txt
same out first 'measured twice'

run 1 eval --checkpoint whole.safetensors --threads 1 --quiet play.txt
says err 'lines to choose 300 candidates from'

# --- a verse ---

run 0 write --checkpoint whole.safetensors --threads 1 --lines 10 play.txt 'A rose for Anna'
says out '^A rose for Anna  *given$'
sed -n '2,$p' out | sed 's/  .*//' | sort >lines
sort -u lines >once
same lines once 'a line comes twice'
[ "$(grep -c . lines)" -eq 9 ] && pass || fail "a verse of 10 lines: $(cat out)"
# Every credit is true: the file has that line at that number.
sed -n '2,$p' out | sed 's/^\(.*[^ ]\)  *[A-Z]*, line \([0-9]*\)$/\2 \1/' | while read -r number text; do
    [ "$(sed -n "${number}p" play.txt)" = "$text" ] || echo "$number $text"
done >wrong
no_lines 'credits that are not so' "$(cat wrong)"

# --- characters of several bytes ---

sed 's/a/\xc3\xa1/g; s/n /n\xe2\x80\x99t /g' play.txt >accents.txt
# shellcheck disable=SC2086 # several options
run 0 train $sizes --checkpoint accents.safetensors accents.txt

# --- a picture ---

run 0 eval --quiet --candidates 10 --checkpoint whole.safetensors --curves ranks.gp play.txt
says ranks.gp "title 'across speeches'"
run 1 eval --quiet --checkpoint whole.safetensors --curves ranks.jpeg play.txt
says err 'ranks.jpeg.* does not end in'

# --- bad input ---

run 2 frobnicate
run 0 --help
says out '^Usage: reel-verse'
run 2 train
run 1 train --quiet nowhere.txt
says err 'nowhere.txt'
printf 'A:\nOne line only.\n' >short.txt
run 1 train --quiet --checkpoint other.safetensors short.txt
says err 'short.txt: too short'
printf 'A:\nA line with \377 in it.\n' >bytes.txt
run 1 train --quiet --checkpoint other.safetensors bytes.txt
says err 'bytes.txt:2: not a line of UTF-8 text'
run 1 train --quiet --checkpoint other.safetensors --parts words+rhyme play.txt
says err "'rhyme' is none of words"
run 1 eval --checkpoint play.txt play.txt
says err 'play.txt'
run 1 write --checkpoint whole.safetensors --lines 900 play.txt
says err '^reel-verse: --lines'
summary

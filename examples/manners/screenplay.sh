#!/bin/sh
# A character model learns the form of a play: who speaks, and who enters.
# shellcheck disable=SC2034 # read by common.sh
name=screenplay.sh
operands='[FILE]'
about='Trains reel-charlm on a play (FILE, whose paragraphs begin with a line "NAME:"; without it, one that is made
up), lets it write on from "[Enter NAME]" before and after training, and measures the form: speeches under
a name, names that the play knows, and whether those who enter are those who speak next. A play
without stage directions gets them: "[Enter NAME]" before whoever has not spoken for 12 speeches. Fails if
the form is not kept better after training than before.'
quick_steps=500
folder=$(dirname "$0")
# shellcheck source=examples/manners/common.sh
. "$folder/common.sh"
read_options "$@"

# Speeches of a few words, each answered by another one.
make_play()
{
    awk -v seed="$seed" '
        function pick(list, n) { s = (s * 1103515 + 12345) % 2147483; return list[int(s / 7) % n + 1] }
        BEGIN {
            n = split("ALBANY BANQUO CORDELIA DUNCAN EDGAR FESTE", who, " ")
            m = split("come|speak|away with him|my lord|the night is dark|he is dead|what news|not yet", say, "|")
            split(". , ! ?", mark, " ")
            s = seed + 7
            for (i = 0; i < 1500; i++) {
                do { one = pick(who, i % 40 < 20 ? 3 : n) } while (one == last)
                last = one
                printf "%s:\n%s, %s%s\n\n", one, pick(say, m), pick(say, m), pick(mark, 4)
            }
        }'
}

# Stage directions where there are none.
direct()
{
    awk -v RS= '
        NR == FNR { directed += /^\[/; next }
        {
            head = $0
            sub(/\n.*/, "", head)
            if (!directed && head ~ /:$/) {
                speech++
                if (!(head in last) || speech - last[head] > 12) {
                    printf "[Enter %s]\n\n", substr(head, 1, length(head) - 1)
                }
                last[head] = speech
            }
            print $0 "\n"
        }' "$1" "$1"
}

if [ -n "$file" ]; then
    cat -- "$file" >"$work/given.txt" || exit 1
else
    make_play >"$work/given.txt"
fi
text=$work/play.txt
direct "$work/given.txt" >"$text"
enters=$(sed -n 's/^\[Enter \(.*\)\]$/\1/p' "$text" | sort | uniq -c | sort -rn | sed -n '1s/^ *[0-9]* //p')
[ -n "$enters" ] || complain "$file: nobody speaks in it: expected paragraphs that begin with lines 'NAME:'"

# show WHAT FILE: a row of the table; leaves how many paragraphs of 10000 are in form.
show()
{
    measured=$(awk -v RS= '
        function head_of(paragraph) { sub(/\n.*/, "", paragraph); return paragraph }
        NR == FNR { if (head_of($0) ~ /:$/) known[head_of($0)] = 1; next }
        {
            all++
            head = head_of($0)
            if (entered != "") { enters++; kept += head == entered ":" }
            entered = ""
            if (head ~ /^\[Enter [^]]*\]$/) {
                form++
                entered = substr(head, 8, length(head) - 8)
            } else if (head ~ /^[A-Z].*:$/ && index($0, "\n")) {
                form++
                speeches++
                names += head in known
            }
        }
        END { print all + 0, form + 0, speeches + 0, names + 0, enters + 0, kept + 0 }' "$text" "$2")
    share=$(printf '%s\n' "$measured" | awk '{ print $1 ? int(10000 * $2 / $1) : 0 }')
    printf '%s\n' "$measured" | awk -v what="$1" '
        function percent(part, all) { return all ? sprintf("%.1f %%", 100 * part / all) : "-" }
        { printf "%-16s %10d %9s %9d %9s %7d %9s\n", what, $1, percent($2, $1), $3, percent($4, $3), $5,
              percent($6, $5) }'
}

prime=$(printf '\n[Enter %s]\n' "$enters")
train before 1
sample before "$prime"
train after "$steps"
sample after "$prime"

echo 'how a sample begins:'
head -c 600 "$work/after.txt"
printf '\n\n%-16s %10s %9s %9s %9s %7s %9s\n' '' paragraphs 'in form' speeches 'by known' enter 'speak'
show 'before training' "$work/before.txt"
before=$share
show 'after training' "$work/after.txt"
after=$share
show 'the play' "$text"
[ "$after" -gt "$before" ] || complain 'the form is not kept better after training'

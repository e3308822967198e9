#!/bin/sh
# A character model learns to write C: do its brackets balance?
# shellcheck disable=SC2034 # read by common.sh
name=source.sh
operands='[FILE]'
about='Trains reel-charlm on C headers (FILE; without it, those of the kernel), lets it write before and after
training, and measures whether brackets and comments that it opens are closed. Fails if they are not closed
better after training than before.'
quick_steps=400
folder=$(dirname "$0")
# shellcheck source=examples/manners/common.sh
. "$folder/common.sh"
read_options "$@"

text=$work/headers.c
if [ -n "$file" ]; then
    cat -- "$file" >"$text" || exit 1
else
    cat /usr/include/asm-generic/*.h /usr/include/linux/*.h >"$text" 2>/dev/null || true
    [ -s "$text" ] || complain 'there are no headers in /usr/include/linux: expected a FILE'
fi

# show WHAT FILE: a row of the table; leaves the share of brackets that are matched, in 1/10000.
show()
{
    measured=$(awk -f "$folder/balance.awk" "$2")
    share=$(printf '%s\n' "$measured" | awk '{ print $2 ? int(10000 * $1 / $2) : 0 }')
    printf '%s\n' "$measured" | awk -v what="$1" '{
        printf "%-18s %9d %8.1f %% %9d %8.1f %%\n", what, $2, $2 ? 100 * $1 / $2 : 0, $4, $4 ? 100 * $3 / $4 : 0 }'
}

train before 1
sample before '#ifndef '
train after "$steps"
sample after '#ifndef '
head -c 100000 "$text" >"$work/text.txt"

echo 'what is left of a sample:'
tail -c 600 "$work/after.txt"
printf '\n\n%-18s %9s %10s %9s %10s\n' '' brackets matched comments closed
show 'before training' "$work/before.txt"
before=$share
show 'after training' "$work/after.txt"
after=$share
show 'the headers' "$work/text.txt"
[ "$after" -gt "$before" ] || complain 'brackets do not balance better after training'

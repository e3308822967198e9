#!/bin/sh
# Does training by rewards raise BLEU? Cross-entropy first, until it has nothing more to teach: its rate falls in the second
# half; then, from there, some epochs more of cross-entropy, with dropout and without, as rewards have it, of self-critical
# training (Rennie et al. 2017) and of MIXER (Ranzato et al. 2016), with each of several seeds.
# What is in the folder already is not made again, so that it can be stopped and started.
set -eu

usage()
{
    cat <<'EOF'
Usage: rewards.sh SOURCE TARGET TEST-SOURCE TEST-TARGET FOLDER

Environment: REEL_TRANSLATE, the program [reel-translate]; SEEDS [1 2 3]; NET, options of the network
[--hidden 128 --embed 128 --pool 100]; FIRST and MORE, epochs of cross-entropy and after it [14 and 4]; DECAY, factor on
the rate per epoch of the second half of the first [0.6]; RATE, of what comes after it [1e-4]; METHODS, what comes after it
[likelihood whole critical mixer].
EOF
}

case ${1-} in
    -h | --help)
        usage
        exit 0
        ;;
esac
if [ $# -ne 5 ]; then
    usage >&2
    exit 2
fi
source=$1 target=$2 test_source=$3 test_target=$4 folder=$5
program=${REEL_TRANSLATE-reel-translate}
seeds=${SEEDS-1 2 3} net=${NET---hidden 128 --embed 128 --pool 100} first=${FIRST-14} more=${MORE-4} rate=${RATE-1e-4}
decay=${DECAY-0.6} methods=${METHODS-likelihood whole critical mixer}
mkdir -p "$folder"

# learn NAME OPTION...: a checkpoint of that name, and what greedy translation scores after the last epoch.
learn()
{
    name=$folder/$1
    shift
    if [ ! -f "$name.bleu" ]; then
        resume=--overwrite
        [ ! -f "$name.safetensors" ] || resume=--resume
        # shellcheck disable=SC2086 # options are words
        "$program" train "$source" "$target" --checkpoint "$name.safetensors" $resume "$@"
        "$program" eval "$test_source" "$test_target" --beam 1 --checkpoint "$name.safetensors" >"$name.scores"
        awk '/^all/ { print $3; found = 1 } END { exit !found }' "$name.scores" >"$name.new"
        mv "$name.new" "$name.bleu"
    fi
    echo "$name: $(cat "$name.bleu")" >&2
}

# how METHOD: the options of what comes after cross-entropy; label METHOD: its name in the table.
how()
{
    case $1 in
        likelihood) ;;
        whole) echo --dropout 0 ;;
        critical) echo --objective self-critical ;;
        mixer) echo --objective mixer --mixer-first 0 --mixer-by 6 ;;
        *)
            echo "rewards.sh: METHODS: '$1': expected likelihood, whole, critical or mixer" >&2
            exit 2
            ;;
    esac
}
label()
{
    case $1 in
        likelihood) echo "... and $more more" ;;
        whole) echo "... and $more more without dropout" ;;
        critical) echo "... and $more, self-critical" ;;
        mixer) echo "... and $more, MIXER" ;;
    esac
}

for method in $methods; do
    how "$method" >/dev/null
done
for seed in $seeds; do
    # shellcheck disable=SC2086
    learn "first$seed" $net --seed "$seed" --epochs "$first" --decay "$decay" --decay-after $((first / 2))
    for method in $methods; do
        # shellcheck disable=SC2046,SC2086
        learn "$method$seed" --from "$folder/first$seed.safetensors" $net --seed "$seed" --epochs "$more" \
            --rate "$rate" $(how "$method")
    done
done

# row NAME: of all seeds
row()
{
    for seed in $seeds; do
        cat "$folder/$1$seed.bleu"
    done | awk -v name="$2" '{ s += $1; q += $1 * $1; n++; each = each sprintf("  %6.2f", $1) }
        END { m = s / n; d = n > 1 ? sqrt((q - n * m * m) / (n - 1)) : 0
              printf "%-36s %6.2f  %5.2f %s\n", name, m, d, each }'
}
printf '%-36s %6s  %5s  %s\n' 'greedy BLEU' mean sd 'each seed'
row first "cross-entropy, $first epochs"
for method in $methods; do
    row "$method" "$(label "$method")"
done

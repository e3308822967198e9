# shellcheck shell=sh
# What the scripts of this folder share. $name is the script's; reel-charlm is looked for in PATH.
set -eu
export LC_ALL=C
seconds=300 hidden=256 layers=2 length=20000 seed=1 quick=

usage()
{
    cat <<USAGE
Usage: $name [OPTION]... $operands
$about

  --seconds N   how long to train [$seconds]
  --hidden N    units of a layer [$hidden]
  --length N    characters of a sample [$length]
  --seed N      of all that is random [$seed]
  --quick       a small network and $quick_steps updates: some seconds
  --help        this text
USAGE
}

complain()
{
    printf '%s: %s\n' "$name" "$*" >&2
    exit "${status-1}"
}

# Sets the variables that options name, and $file to what is left, or nothing.
read_options()
{
    file=
    while [ $# -gt 0 ]; do
        case $1 in
            --help) usage && exit 0 ;;
            --quick) quick=yes hidden=64 layers=1 length=6000 ;;
            --seconds | --hidden | --length | --seed)
                case ${2-} in
                    '' | *[!0-9]*) status=2 complain "$1: '${2-}' is not a whole number" ;;
                esac
                case $1 in
                    --seconds) seconds=$2 ;;
                    --hidden) hidden=$2 ;;
                    --length) length=$2 ;;
                    *) seed=$2 ;;
                esac
                shift
                ;;
            -*) status=2 complain "unknown option '$1': $name --help lists them" ;;
            *) file=$1 ;;
        esac
        shift
    done
    command -v reel-charlm >/dev/null || complain 'reel-charlm is not in PATH'
    work=$(mktemp -d) || exit 1
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
}

# train MODEL LIMIT...: learns $text.
train()
{
    model=$1
    shift
    reel-charlm train --quiet --no-samples --overwrite --hidden "$hidden" --layers "$layers" --seed "$seed" \
        --checkpoint "$work/$model.safetensors" "$@" "$text"
}

# train_well: for as long as the options say.
train_well()
{
    if [ -n "$quick" ]; then
        train after --rate 4e-3 --steps "$quick_steps"
    else
        train after --epochs 1000 --seconds "$seconds" --valid-every 500 --dropout 0.1
    fi
}

# sample MODEL PRIME: what it writes, the prime included, in $work/MODEL.txt.
sample()
{
    reel-charlm sample --checkpoint "$work/$1.safetensors" --seed "$seed" --length "$length" \
        --temperature 0.7 --prime "$2" >"$work/$1.txt"
}

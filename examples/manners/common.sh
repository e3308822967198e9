# shellcheck shell=sh disable=SC2154,SC2034 # variables are shared with the scripts
# What the scripts of this folder share. $name is the script's; reel-charlm is looked for in PATH.
set -eu
export LC_ALL=C
steps=3000 hidden=128 layers=2 length=20000 seed=1 rate=2e-3

usage()
{
    cat <<USAGE
Usage: $name [OPTION]... $operands
$about

  --steps N     updates [$steps]: 3000 take some three minutes of a core
  --hidden N    units of a layer [$hidden]
  --length N    characters of a sample [$length]
  --seed N      of all that is random [$seed]
  --quick       a small network and fewer updates: some seconds
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
            --quick) steps=$quick_steps hidden=64 layers=1 length=6000 rate=4e-3 ;;
            --steps | --hidden | --length | --seed)
                case ${2-} in
                    '' | *[!0-9]*) status=2 complain "$1: '${2-}' is not a whole number" ;;
                esac
                case $1 in
                    --steps) steps=$2 ;;
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

# train MODEL STEPS: learns $text.
train()
{
    reel-charlm train --quiet --no-samples --overwrite --hidden "$hidden" --layers "$layers" --seed "$seed" \
        --rate "$rate" --epochs 1000 --steps "$2" --checkpoint "$work/$1.safetensors" "$text"
}

# sample MODEL PRIME: what it writes, the prime included, in $work/MODEL.txt.
sample()
{
    reel-charlm sample --checkpoint "$work/$1.safetensors" --seed "$seed" --length "$length" \
        --temperature 0.7 --prime "$2" >"$work/$1.txt"
}

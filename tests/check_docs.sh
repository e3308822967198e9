#!/bin/sh
# Everything that README.md and docs/ show compiles, runs and prints what the page says:
# - the blocks of a page marked c, in order, are a program, which ends with the block that has main(); the
#   next such block starts another one. They are compiled as PAGE.c, PAGE2.c, ..., so that messages name the
#   lines a reader would see.
# - a block marked text after a program is what it prints; after "text figures" numbers may differ;
# - blocks marked sh are run in order, with the built programs in PATH;
# - blocks marked def are lines of ops/elementwise.def;
# - links to files of the tree lead somewhere, and pictures are those that Reel draws now.
. "${srcdir-$(dirname "$0")/..}/tests/lint/common"
top=$(cd "$srcdir" && pwd)
build=$(cd "$builddir" && pwd)
: "${CC:=cc}"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
sanitize=$(sed -n 's/^REEL_SANITIZE = *//p' "$build/Makefile")
strict="-std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wvla -Werror -O1 $sanitize"
PATH=$build:$build/examples:$PATH
export PATH
unset BLIS_ARCH_TYPE REEL_EXECUTOR

# Writes the blocks of a page into $work: PAGE.c, PAGE.out or PAGE.figures, and PAGE.sh.
extract()
{
    awk -v base="$work/$1" '
        function program() { return base (count > 1 ? count : "") }
        function target(kind) {
            if (kind == "c") return program() ".c"
            if (kind == "text" && count) return program() ".out"
            if (kind == "text figures" && count) return program() ".figures"
            if (kind == "sh" || kind == "def") return base "." kind
            return ""
        }
        /^```/ && !inside {
            inside = 1
            kind = substr($0, 4)
            if (kind == "c" && !unfinished) { count++; unfinished = 1 }
            to = target(kind)
            if (to != "") printf "" > to
            next
        }
        /^```$/ { inside = 0; next }
        inside && to != "" {
            print > to
            if (kind == "c" && /^int main\(/) unfinished = 0
        }
        END { if (unfinished) print "the last program has no main()" }' "$2" 2>&1
}

# The text with every number replaced.
without_figures()
{
    sed -E -e 's/-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?/#/g' -e 's/ +/ /g' "$1"
}

# compile PROGRAM: libtool knows what the library in the build tree needs.
compile()
{
    (
        cd "$work" || exit 1
        # shellcheck disable=SC2086 # lists of flags
        $CC $strict -I"$build/include" -I"$top/include" -c "$1.c" -o "$1.o" &&
            "$build/libtool" --silent --tag=CC --mode=link $CC $strict "$1.o" -o "$1" \
                "$build/libreel.la" -lm
    ) >"$work/log" 2>&1
}

run_program()
{
    if ! compile "$1"; then
        fail "$1.c, from the blocks of the page, does not compile:
$(cat "$work/log")"
        return
    fi
    pass
    if grep -q '\.svg"' "$work/$1.c" && ! command -v dot >/dev/null; then
        echo "dot not found: $1 is compiled and not run"
        return
    fi
    if (cd "$work/run" && "../$1") >"$work/log" 2>&1; then
        pass
    else
        fail "$1 fails:
$(cat "$work/log")"
        return
    fi
    cp "$work/log" "$work/printed"
    wanted=$work/$1.out
    if [ -f "$work/$1.figures" ]; then
        wanted=$work/$1.wanted
        without_figures "$work/$1.figures" >"$wanted"
        without_figures "$work/log" >"$work/printed"
    fi
    if [ ! -f "$wanted" ] || diff "$wanted" "$work/printed" >"$work/diff"; then
        pass
    else
        fail "$1 does not print what the page says (< page, > program):
$(cat "$work/diff")
It prints:
$(cat "$work/log")"
    fi
}

run_shell()
{
    if (cd "$work/run" && sh -eu "../$1.sh") >"$work/log" 2>&1; then
        pass
    else
        fail "the commands of the page $1 fail:
$(cat "$work/log")"
    fi
}

# The anchors that GitHub gives a page's headings.
anchors()
{
    sed -n 's/^##* //p' "$1" | tr 'A-Z' 'a-z' | sed -e 's/[^a-z0-9 _-]//g' -e 's/ /-/g'
}

check_links()
{
    folder=$(dirname "$1")
    grep -oE '\]\([^) ]+' "$1" | sed 's/^](//' | grep -v '^https*:' | sort -u | while read -r link; do
        target=${link%%#*}
        target=${target:+$folder/$target}
        target=${target:-$1}
        case $link in
            *'#'*) [ -f "$target" ] && anchors "$target" | grep -qx -e "${link#*#}" ;;
            *) [ -e "$target" ] ;;
        esac || echo "$1: $link"
    done
}

check_page()
{
    page=$(basename "$1" .md | tr 'A-Z' 'a-z')
    mkdir -p "$work/run"
    no_lines "$1" "$(extract "$page" "$1")"
    no_lines 'links that lead nowhere' "$(check_links "$1")"
    for program in "$work/$page".c "$work/$page"[0-9].c; do
        [ ! -f "$program" ] || run_program "$(basename "$program" .c)"
    done
    [ ! -f "$work/$page.sh" ] || run_shell "$page"
    if [ -f "$work/$page.def" ]; then
        no_lines "$1 shows lines that ops/elementwise.def does not have" \
            "$(grep -vxF -f "$top/ops/elementwise.def" "$work/$page.def")"
    fi
    rm -rf "$work/run"
}

# What a picture says, whatever version of dot laid it out, and however long a run took.
labels()
{
    sed -n 's/.*<text [^>]*>\(.*\)<\/text>.*/\1/p' "$1" | sed 's/^[0-9.e+]* [^ ]*s, \([^ ]* [kMGT]*flop\)$/\1/' | sort
}

check_pictures()
{
    if ! command -v dot >/dev/null; then
        echo 'dot not found: pictures are not compared'
        return
    fi
    mkdir "$work/pictures"
    if ! sh "$top/docs/pictures/make" "$build" "$work/pictures" >"$work/log" 2>&1; then
        fail "docs/pictures/make fails:
$(cat "$work/log")"
        return
    fi
    for picture in "$top"/docs/pictures/*.svg; do
        labels "$picture" >"$work/old"
        labels "$work/pictures/$(basename "$picture")" >"$work/new"
        if [ -s "$work/old" ] && diff "$work/old" "$work/new" >"$work/diff"; then
            pass
        else
            fail "$picture is not what Reel draws now: run docs/pictures/make
$(head -n 20 "$work/diff")"
        fi
    done
}

for file in "$top"/README.md "$top"/docs/*.md; do
    check_page "$file"
done
check_pictures
summary

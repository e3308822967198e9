#!/bin/sh
# reel-draw draws all that it says it does, knows nets in files by their weights, and tells misuse; the gallery
# has the pictures that its page shows, and they are what is drawn now.
. "${srcdir-$(dirname "$0")/..}/tests/lint/common"
. "$srcdir/tests/lint/program"
program=$build/reel-draw

run 0 --help
says out '^Usage: reel-draw .*KIND'
run 0 --version
says out '^reel-draw (Reel '
run 0 --list
says out '^lstm: '
says out '^seq2seq: '
for kind in $(sed -n 's/^\([a-z_0-9]*\):.*/\1/p' out); do
    for level in op gate module; do
        run 0 "$kind" --level "$level" -o "$kind.dot"
        says "$kind.dot" '^digraph'
    done
done
run 0 gru --bidirectional --layers 2 --steps 3 --backward -o both.html
says both.html 'gru.weight_hh_l1_reverse'
run 0 rnn --steps 2 --second -o second.html
says second.html 'backward of backward'
run 0 lstm --steps 2 --windows 3 -o windows.html
says windows.html '"t=5"'
says windows.html '"detach"'
# At module level the drawings of docs/drawing.md have as many figures as it says, and few.
figures()
{
    number=$1
    shift
    run 0 "$@" -o figures.dot
    no_lines "reel-draw $*: not $number figures but" \
        "$(grep -c '^ *"[^"]*" \[label=' figures.dot | grep -vx "$number")"
}
figures 15 lstm --layers 2 --steps 5
figures 105 lstm --layers 2 --steps 5 --level gate
figures 16 gru --bidirectional --steps 20
figures 76 gru --bidirectional --steps 20 --level gate
figures 40 seq2seq
figures 47 seq2seq --bidirectional
figures 54 seq2seq --bidirectional --loss
figures 158 seq2seq --bidirectional --level gate
figures 8 seq2seq --net
figures 11 lstm --net --level gate --steps 4
figures 11 lstm --net --level gate --lengths 3,2

# What starts a decoder is not of a step, though it is made of the last state of the encoder.
run 0 seq2seq --layers 2 --level gate -o start.dot
no_lines 'steps that the decoder does not have' "$(grep 'decoder t=6' start.dot)"

# Where dot cannot lay out rows and columns, the picture says so.
if command -v dot >/dev/null; then
    run 0 seq2seq --level gate --backward -o much.svg
    grep -q 'class="cluster"' much.svg || says much.svg 'not in rows and columns'
fi

# In a column for several steps, what each has from the one before is told from what it has itself.
run 0 seq2seq --most-steps 4 -o several.dot
says several.dot '"decoder/decoder@3..4" -> "decoder/attention@3..4" .*penwidth=2, constraint=false'
says several.dot '"decoder/attention@3..4" -> "decoder/decoder@3..4" .color="black", weight=6.'

# What a figure took in is no repetition of it.
run 0 seq2seq --net --bidirectional --loss -o net.dot
says net.dot 'label=<stack<br/>and '

run 0 gru --lengths 3,2 -o lengths.dot
says lengths.dot '"gru:2@1"'
run 0 gru --lengths 3,2 --padded --bidirectional --backward -o lengths.dot
says lengths.dot '1 of 2 go on'
for score in additive dot general scaled_dot concatenated multi_head; do
    run 0 seq2seq --bidirectional --source 3 --target 2 --score $score --backward -o score.dot
done

# Nets in files.
run 0 "$top/tests/golden/imported.safetensors" -o imported.html
says out '^imported.html: encoder: gru, 2 layers both ways, 4 features in, 3 units$'
says imported.html '"encoder.weight_hh_l1_reverse"'
run 0 "$top/tests/golden/interop.safetensors" -o interop.html
says out '^interop.html: lstm, 2 layers, 3 features in, 5 units$'
if [ -x "$build/reel-translate" ]; then
    printf 'a b\nb c a\nc\n' >source.txt
    printf 'x y z\nz y\nx\n' >target.txt
    for options in '' '--attention general --one-way --cell lstm' '--late --input-feeding --maxout' \
        '--tied --one-way --attention multi-head --heads 2' '--one-way --attention none --layers 2'; do
        # shellcheck disable=SC2086 # a list of words
        if "$build/reel-translate" train source.txt target.txt --hidden 4 --embed 3 --epochs 1 --least 1 \
            --overwrite --quiet $options --checkpoint t.safetensors >log 2>&1; then
            run 0 t.safetensors --source 3 --target 2 -o t.html
            says out '^t.html: encoder and decoder with'
            says t.html '"decoder.readout.weight"'
        else
            fail "reel-translate train $options:
$(cat log)"
        fi
    done
fi
run 1 "$top/tests/golden/losses.safetensors" -o losses.html
says err 'losses.safetensors: no recurrent net in it'
run 1 "$top/tests/golden/imported.safetensors" --module decoder -o imported.html
says err 'no recurrent net of the name decoder in it'
run 1 nothing.safetensors -o nothing.html
says err 'nothing.safetensors'
printf 'no safetensors' >broken.safetensors
run 1 broken.safetensors -o broken.html
says err 'broken.safetensors'

# What a file calls its parts may not steer the terminal: it is told escaped.
name='\u001b]0;x\u0007\u202eend'
header='{"'$name'.weight_ih_l0":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"'$name'.weight_hh_l0":{"dtype":"F32","shape":[2,2],"data_offsets":[24,40]}}'
{
    # shellcheck disable=SC2059 # the length as octal digits
    printf "\\$(printf %03o ${#header})\\0\\0\\0\\0\\0\\0\\0"
    printf %s "$header"
    head -c 40 /dev/zero
} >hostile.safetensors
run 0 hostile.safetensors -o hostile.dot
says out '^hostile.dot: \\x1b]0;x\\x07\\xe2\\x80\\xaeend: rnn, 1 layer, 3 features in, 2 units$'
run 2 "$(printf 'l\033[2Jstm')"
says err "'l\\\\x1b\\[2Jstm' is no kind of cell"
no_lines 'control characters in what is said' "$(LC_ALL=C tr -d '\n' <err | LC_ALL=C grep '[[:cntrl:]]')"

# The options that say how to draw are reel-charlm's as well, in both helps and manual pages.
run 0 --help
cp out help
if [ -x "$build/reel-charlm" ]; then
    "$build/reel-charlm" draw --help >charlm
    for option in $(sed -n 's/^ *\(FLAG\|WORD\|WHOLE\|TEXT\)("\([a-z-]*\)".*/\2/p' "$top/examples/program/drawing.h"); do
        for text in help charlm; do
            says $text "^ *--$option[ ]"
        done
        for page in reel-draw reel-charlm; do
            sed 's/\\-/-/g; s/\\f[A-Z]//g' "$top/docs/man/$page.1" >$page
            says $page "--$option\\b"
        done
    done
fi

# Misuse.
run 2
says err 'what is to be drawn is missing'
run 2 lst
says err "'lst' is no kind of cell"
run 2 lstm gru
says err "what is 'gru'?"
run 2 lstm --steps
says err "option '--steps' needs a value"
run 2 lstm --frobnicate
says err "unknown or ambiguous option '--frobnicate'"
run 2 lstm --steps 0
says err "'0' is not a whole number from 1 to 4096"
run 2 lstm --lengths 3,,2
says err "'3,,2' is no list"
run 2 seq2seq --lengths 3,2
says err '--lengths is for kinds of cells alone: what is to be drawn is seq2seq'
run 2 lstm --lengths 3,2 --windows 2
says err '--lengths stands in place of --steps and --windows'
run 2 lstm --lengths 3,2 --steps 2
says err '--lengths stands in place of --steps and --windows'
run 2 seq2seq --windows 2
says err '--windows is for kinds of cells and files alone: what is to be drawn is seq2seq'
run 2 lstm --score dot
says err '--score is for seq2seq alone: what is to be drawn is lstm'
run 2 "$top/tests/golden/imported.safetensors" --hidden 3
says err '--hidden is for kinds of cells and seq2seq alone'
run 2 lstm --from 3
says err '--from 3 --to 0: expected --to, and larger than --from'
run 2 lstm -o ''
says err 'unknown kind of file'
run 2 lstm --net --to 2
says err '--net draws what is not unrolled, which has no steps for --to'
run 2 lstm --values -o x.html
says err '--values is for pictures, and not for .html'
run 1 lstm --steps 4 --from 10 --to 12 -o x.dot
says err 'no step from 10 to before 12: there are 0 to 3'
run 1 lstm --most-steps 2 -o x.dot
says err 'at most 2 steps: expected -1, 0, or 3 or more'
run 1 seq2seq --open 'decoder/atention,encoder' -o x.dot
says err "no module matches 'decoder/atention': expected a pattern of encoder, .*decoder/attention"
run 2 lstm --padded
says err 'expected these'
run 2 lstm --lengths 3,2 --padded --batch 4
says err 'and no --batch'
run 2 "$(printf 'l\330\234stm')"
says err 'xd8.x9c'
run 2 lstm --level atom
says err "'atom' is none of op|gate|module"
run 1 lstm --options peephole=round -o x.dot
says err 'expected one of none|diagonal|full'
run 1 seq2seq --score round -o x.dot
says err "'round' is none of additive"
run 2 lstm --pass backward -o x.dot
says err 'add --backward'
run 1 lstm --colour gradient -o x.dot
says err 'add --loss'
run 2 lstm -o x.gif
says err 'x.gif: unknown kind of file'
run 1 lstm -o no/such/folder/x.dot
says err 'no/such/folder/x.dot'

# The gallery. What a picture says, whatever version of dot laid it out.
labels()
{
    sed -n 's/.*<text [^>]*>\(.*\)<\/text>.*/\1/p' "$1" | sort
}
no_lines 'pictures of the gallery that its page does not show' "$(cd "$top/docs/gallery" && for file in *.svg *.html; do
    grep -qF "(gallery/$file)" ../gallery.md || echo "$file"
done)"
if command -v dot >/dev/null; then
    mkdir gallery
    if sh "$top/docs/gallery/make" "$build" gallery >log 2>&1; then
        pass
    else
        fail "docs/gallery/make fails:
$(cat log)"
    fi
    for file in "$top"/docs/gallery/*.svg; do
        name=$(basename "$file")
        case $name in
            # what has been learned, or is printed with few digits, may differ between processors
            alignment.svg | confusion.svg | units.svg | flow_*.svg | values.svg | time.svg) [ -s "gallery/$name" ] ;;
            *) labels "$file" >old && labels "gallery/$name" >new && [ -s old ] && cmp -s old new ;;
        esac
        if [ $? -eq 0 ]; then
            pass
        else
            fail "docs/gallery/$name is not what Reel draws now: make gallery"
        fi
    done
    # No box lies on another, and no arrow crosses one.
    if [ -n "${PYTHON-}" ] && "$PYTHON" -c '' 2>/dev/null; then
        mkdir texts
        ENDING=dot sh "$top/docs/gallery/make" "$build" texts >log 2>&1
        if "$PYTHON" "$top/tests/check_pictures.py" texts/*.dot >log 2>&1; then
            pass
        else
            fail "pictures of the gallery that are hard to read:
$(cat log)"
        fi
    else
        echo 'python3 not found: it is not counted what makes pictures hard to read'
    fi
else
    echo 'dot not found: the gallery is not drawn'
fi
summary

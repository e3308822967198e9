#!/bin/sh
# The page of a graph in a browser without a screen: what is clicked opens in its place and closes again,
# tooltips say what they should, edges lead where the graph's do, nothing overlaps.
. "${srcdir-$(dirname "$0")/..}/tests/lint/common"
build=$(cd "$builddir" && pwd)
browser=
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then
        browser=$name
        break
    fi
done
if [ -z "$browser" ]; then
    echo 'check_browser: neither chromium nor google-chrome is in PATH: pages are not tried in a browser'
    exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# What the browser's page is asked: the words that `say` is given go to the end of the page.
cat >"$work/ask" <<'END'
<pre id="said"></pre><script>
const say = (...words) => { $('said').textContent += words.join(' ') + '\n'; };
const find = name => [...document.querySelectorAll('#picture g')].filter(g => g.dataset.id &&
  boxes[g.dataset.id].name === name);
const click = g => g.querySelector('rect').dispatchEvent(new MouseEvent('click', {bubbles: true}));
const title = g => g.querySelector('title').textContent.replace(/\n/g, ' | ');
const ops = () => document.querySelectorAll('#picture .n0').length;
// Pairs of boxes that lie upon each other: neither holds the other.
function overlaps() {
  const all = [...document.querySelectorAll('#picture g')].filter(g => g.dataset.id &&
    g.querySelector(':scope > rect'));
  const r = all.map(g => g.querySelector(':scope > rect').getBoundingClientRect());
  let n = 0;
  all.forEach((a, i) => all.forEach((b, k) => {
    if (i < k && !a.contains(b) && !b.contains(a) && r[i].left < r[k].right - 0.5 &&
        r[k].left < r[i].right - 0.5 && r[i].top < r[k].bottom - 0.5 &&
        r[k].top < r[i].bottom - 0.5) n++;
  }));
  return n;
}
// Boxes that reach beyond the one that holds them.
function strays() {
  let n = 0;
  for (const g of document.querySelectorAll('#picture .open > g')) {
    const up = g.parentNode.closest('[tabindex]');
    const own = g.querySelector(':scope > rect');
    if (!up || !own) continue;
    const a = own.getBoundingClientRect(), b = up.querySelector(':scope > rect')
      .getBoundingClientRect();
    if (a.left < b.left - 0.5 || a.right > b.right + 0.5 || a.top < b.top - 0.5 ||
        a.bottom > b.bottom + 0.5) n++;
  }
  return n;
}
// Edges of the graph between what is seen, and those that can be followed piece by piece.
function followed() {
  const wanted = new Set(), drawn = new Set();
  for (const [u, v] of E) {
    const a = shown(u), b = shown(v);
    if (a !== b && visible(a)) wanted.add(a.id + '>' + b.id);
  }
  for (const s of strokes) for (const d of s.dst) drawn.add(s.src + '>' + d);
  return [...wanted].filter(e => !drawn.has(e)).length + [...drawn].filter(e => !wanted.has(e)).length;
}
window.onerror = (message, file, line) => say('error:', message, 'line', line);
try {
END
printf '} catch (e) { say("error:", e.message); }\n</script>\n</body>\n</html>\n' >"$work/end"

# ask MODEL OPTIONS... < questions, as JavaScript; what was said goes to $work/said
ask()
{
    if ! "$build/reel-draw" "$@" -o "$work/page.html" >"$work/log" 2>&1; then
        cat "$work/log"
        : >"$work/said"
        return
    fi
    {
        sed '/^<\/body>/,$d' "$work/page.html"
        cat "$work/ask" - "$work/end"
    } >"$work/asked.html"
    timeout 100 "$browser" --headless --no-sandbox --disable-gpu --window-size=1200,800 \
        --user-data-dir="$work/profile" --dump-dom "file://$work/asked.html" 2>/dev/null |
        sed -n '/<pre id="said">/,/<\/pre>/p' | sed -e 's/.*<pre id="said">//' -e '/<\/pre>/d' \
        -e 's/&gt;/>/g' -e 's/&lt;/</g' -e 's/&amp;/\&/g' >"$work/said"
}

# expect TEXT < lines
expect()
{
    cat >"$work/expected"
    if diff "$work/expected" "$work/said" >"$work/diff"; then
        pass
    else
        fail "$1 (< expected, > the page):
$(cat "$work/diff")"
    fi
}

ask lstm --layers 2 --steps 3 <<'END'
say(find('l0').length, find('t=0').length, ops());
click(find('l0')[0]);
say(find('l0')[0].getAttribute('aria-expanded'), find('t=0').length, find('t=2').length);
click(find('t=1')[0]);
say('ops', ops(), 'lost', followed(), 'overlaps', overlaps(), 'strays', strays());
const t = [...document.querySelectorAll('#picture .n0')].map(title);
say(t.filter(x => /^tanh \[1,4\] \| in lstm\/l0\/t=1 \| at lstm\.c:\d+$/.test(x)).length);
say(title(find('l1')[0]));
click(find('t=1')[0]);
say(ops(), find('t=1').length);
find('l0')[0].dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
say(find('l0')[0].getAttribute('aria-expanded'), find('t=0').length);
END
expect 'an LSTM opens and closes' <<'END'
1 0 0
true 1 1
ops 17 lost 0 overlaps 0 strays 0
2
lstm/l1 | 51 operations | weights: lstm.weight_ih_l1 [16,4], lstm.weight_hh_l1 [16,4], lstm.bias_ih_l1 [16] | click to open
0 1
false 0
END

ask lstm --steps 3 <<'END'
say(document.querySelectorAll('#picture .n1').length);
$('weights').checked = true;
$('weights').dispatchEvent(new Event('change'));
say(document.querySelectorAll('#picture .n1').length, 'lost', followed(), 'overlaps', overlaps());
$('find').value = 'tanh';
$('find').dispatchEvent(new Event('change'));
say($('about').textContent, document.querySelectorAll('#picture .found').length);
$('none').click();
say(document.querySelectorAll('#picture [aria-expanded=true]').length);
END
expect 'weights, finding, closing' <<'END'
0
3 lost 0 overlaps 0
6 found 1
0
END

# Everything open, for nets of all sorts.
everything='say("lost", followed(), "overlaps", overlaps(), "strays", strays());
while (open_more()) render();
boxes.filter(b => b.kind === ROW && b.place).forEach(b => { b.open = true; });
while (open_more());
render();
say("all", ops() === N.filter(n => n.kind === OP).length, "lost", followed(), "overlaps", overlaps(), "strays", strays());'
for model in 'lstm --layers 2 --steps 3 --backward' 'gru --bidirectional --steps 4' 'rnn --steps 30' \
    'seq2seq --bidirectional --source 3 --target 2' 'mgu --steps 2 --second' 'sru --windows 2'; do
    [ -z "${REEL_TEST_SLOW-}" ] || continue
    # shellcheck disable=SC2086 # a list of words
    printf '%s\n' "$everything" | ask $model
    expect "$model, all open" <<'END'
lost 0 overlaps 0 strays 0
all true lost 0 overlaps 0 strays 0
END
done
summary

#!/usr/bin/env python3
"""Counts, from what `dot -Tjson` says of DOT files, what makes pictures hard to read: nodes that overlap,
edges through nodes that are not theirs, crossings, lines that bend at a point, steps of a module that do not stand from left
to right, and how high the smallest text is when the picture is shown 1200 px wide. What `dot` complains about is a fault,
too.

    check_pictures.py FILE.dot...

Without files, as a test: of the pictures of docs/drawing.md and some more, by the programs built in the working directory.
Fails when nodes overlap, when an edge passes through a foreign node or bends, when steps are out of order, or when text is
less than 8 px high."""
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

DRAWN = (
    "lstm layers=2 steps=5 level=module",
    "lstm layers=2 steps=3 level=gate",
    "gru steps=3 level=gate weights=stubs",
    "gru layers=2 steps=4 level=module weights=once",
    "tagger steps=20 level=module",
    "tagger steps=3 level=gate",
    "attention level=module",
    "attention level=module open=decoder/attention window=0:2",
    "lstm steps=4 level=module backward",
    "rnn steps=3 level=gate backward cut noshapes",
    "rnn steps=3 level=module second",
    "rnn steps=10 level=module colour=gradient",
    "lstm steps=2 level=gate values",
    "lstm layers=2 level=module collapse=module",
    "lstm steps=1000 level=module",
)
SHIPPED = (
    "lstm --layers 2 --steps 20 --level gate",
    "lstm --steps 20 --level gate --options peephole=diagonal",
    "gru --steps 20 --bidirectional --level gate",
    "gru --steps 20 --bidirectional",
    "seq2seq --level gate",
    "seq2seq --level gate --loss",
    "seq2seq --level gate --bidirectional",
    "seq2seq --level gate --source 20 --target 15 --score general",
    "seq2seq --loss",
    "lstm --steps 20 --level gate --backward --cut --pass backward",
    "gru --steps 4 --backward",
    "lstm --lengths 9,8,7 --level gate",
    "lstm --steps 6 --net --level gate --loss",
    "indrnn --level gate --steps 8 --layers 3",
    "lstm --steps 5 --layers 3 --level gate",
)


def box(node):
    x, y = map(float, node["pos"].split(","))
    w, h = 72 * float(node["width"]) / 2, 72 * float(node["height"]) / 2
    return x - w, y - h, x + w, y + h


def overlap(a, b, slack=1.0):
    return (a[0] + slack < b[2] and b[0] + slack < a[2] and a[1] + slack < b[3] and b[1] + slack < a[3])


def bezier(p, steps=12):
    """Points along a piecewise cubic curve."""
    points = [p[0]]
    for i in range(0, len(p) - 3, 3):
        a, b, c, d = p[i:i + 4]
        for k in range(1, steps + 1):
            t = k / steps
            s = 1 - t
            points.append(tuple(s ** 3 * a[j] + 3 * s * s * t * b[j] + 3 * s * t * t * c[j] + t ** 3 * d[j]
                                for j in (0, 1)))
    return points


def course(edge):
    """The points of an edge, in order; None when it is not seen."""
    if edge.get("style") == "invis" or "pos" not in edge:
        return None
    control = []
    for part in edge["pos"].split(";")[0].split():
        if part[0] in "se" and part[1] == ",":
            continue
        control.append(tuple(map(float, part.split(","))))
    return bezier(control)


def inside(point, b, slack=2.0):
    return b[0] + slack < point[0] < b[2] - slack and b[1] + slack < point[1] < b[3] - slack


def cross(p, q, r, s):
    def side(a, b, c):
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return side(p, q, r) * side(p, q, s) < 0 and side(r, s, p) * side(r, s, q) < 0


def crossings(lines):
    """Pairs of edges without a common end that cross, each counted once."""
    bounds = [(min(x for x, _ in l), min(y for _, y in l), max(x for x, _ in l), max(y for _, y in l))
              for _, l in lines]
    n = 0
    for i in range(len(lines)):
        for j in range(i):
            if set(lines[i][0]) & set(lines[j][0]) or not overlap(bounds[i], bounds[j], 0):
                continue
            a, b = lines[i][1], lines[j][1]
            n += any(cross(a[k], a[k + 1], b[m], b[m + 1])
                     for k in range(len(a) - 1) for m in range(len(b) - 1))
    return n


def out_of_order(objects):
    """Pairs of steps of what a module does forward, next to each other, that do not stand from left to right."""
    rows = {}
    for o in objects:
        found = re.fullmatch(r"([^@']*)@(\d+)(?:\.\.\d+)?([^@']*)", o["name"])
        if found:
            module = found[1] + found[3].split("#")[0]
            rows.setdefault(module, {}).setdefault(int(found[2]), []).append(float(o["pos"].split(",")[0]))
    n = 0
    for row in rows.values():
        middle = [(min(row[t]) + max(row[t])) / 2 for t in sorted(row)]
        n += sum(a >= b for a, b in zip(middle, middle[1:]))
    return n


def smallest_text(objects):
    return min([op["size"] for o in objects for key in ("_ldraw_", "_draw_") for op in o.get(key, ())
                if op.get("op") == "F"] or [math.nan])


def check(path):
    ran = subprocess.run(["dot", "-Tjson", path], capture_output=True)
    if ran.returncode or ran.stderr:
        said = ran.stderr.decode(errors="replace").strip()
        print(f"{path}: dot ended with {ran.returncode}: {said}")
        return False
    graph = json.loads(ran.stdout)
    objects = [o for o in graph.get("objects", ()) if "pos" in o]
    nodes = {o["_gvid"]: box(o) for o in objects}
    points = {o["_gvid"] for o in objects if o.get("shape") == "point"}
    solid = {k: b for k, b in nodes.items() if k not in points}
    overlaps = sum(overlap(solid[a], solid[b]) for a in solid for b in solid if a < b)
    lines = [((e["tail"], e["head"]), course(e)) for e in graph.get("edges", ())]
    lines = [(ends, line) for ends, line in lines if line]
    through = sum(any(inside(p, b) for p in line) for ends, line in lines
                  for k, b in solid.items() if k not in ends)
    _, _, width, height = map(float, graph["bb"].split(","))
    bends = sum(not points.isdisjoint(ends) for ends, _ in lines)
    disorder = out_of_order(objects)
    height_of_text = smallest_text(objects) * min(1.0, 1200 / (width * 96 / 72)) * 96 / 72
    print(f"{path}: {len(solid)} nodes, {len(lines)} edges, {overlaps} overlaps, {through} through nodes, "
          f"{crossings(lines)} crossings, {bends} bends, {disorder} out of order, "
          f"text {height_of_text:.1f} px of {width * 96 / 72:.0f} px width")
    return overlaps == 0 and through == 0 and bends == 0 and disorder == 0 and not height_of_text < 8


def draw(folder):
    build = os.environ.get("builddir", ".")
    for words in SHIPPED:
        path = os.path.join(folder, words.replace(" ", "_") + ".dot")
        subprocess.run([os.path.join(build, "reel-draw"), *words.split(), "-o", path], check=True,
                       stdout=subprocess.DEVNULL)
        yield path
    program = os.path.join(build, "examples", "drawings")
    for number, words in enumerate(DRAWN):
        net, *options = words.split()
        path = os.path.join(folder, f"{number:02}-{net}.dot")
        subprocess.run([program, net, path, *options], check=True)
        yield path


def main():
    if len(sys.argv) > 1:
        return 0 if all([check(path) for path in sys.argv[1:]]) else 1
    if not shutil.which("dot"):
        print("dot not found: pictures are not laid out")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        return 0 if all([check(path) for path in draw(folder)]) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Write golden vectors of encoders and decoders: encoder_decoder.safetensors.

Every source goes through by itself, word by word, in plain tensor operations, differentiated by
PyTorch's autograd in f64; so padding plays no part here. Run it as

    OMP_NUM_THREADS=1 python3 make_encoder_decoder.py [directory]

Keys of a case NAME: the weights by Reel's names; `words` [steps, batch] with `lengths` [batch], `last`
[reads, batch], the words that are said; `logits` [reads, batch, vocabulary] and, with attention, `a`
[reads, batch, steps]; `R`, `Ra` and `loss`, the sum of logits R + a Ra; `grad.WEIGHT`.
"""

import math
import pathlib
import sys

import torch

from make_golden import F64, Draw, leaf, step_gru, step_lstm, write

V, TARGETS, EMBEDDED, HIDDEN, SIZE, SCORE = 7, 5, 3, 4, 6, 5
LENGTHS, READS = [4, 1, 3], 3
CELLS = {"gru": (3, step_gru("before", "new"), 1), "lstm": (4, step_lstm, 2)}


class Weights:
    """Made when they are first asked for."""

    def __init__(self, draw):
        self.draw, self.all = draw, {}

    def __call__(self, name, *shape):
        if name not in self.all:
            self.all[name] = leaf(self.draw.uniform(*shape, bound=0.9))
        assert self.all[name].shape == shape, name
        return self.all[name]

    def cell(self, kind, name, layer, inputs, suffix=""):
        """A step function of (x, states)."""
        gates, step, _ = CELLS[kind]
        end = f"_l{layer}{suffix}"
        w = {
            "weight_ih_l0": self(f"{name}.weight_ih{end}", gates * HIDDEN, inputs),
            "weight_hh_l0": self(f"{name}.weight_hh{end}", gates * HIDDEN, HIDDEN),
            "bias_ih_l0": self(f"{name}.bias_ih{end}", gates * HIDDEN),
        }
        return lambda x, s: step(w, 0, x, s)


def encode(w, case, words):
    """What is said of each word, and the summary."""
    kind = case["encoder"]
    zero = (torch.zeros(HIDDEN, dtype=F64),) * CELLS[kind][2]
    E = w("words.weight" if case["shared"] else "enc.embedding.weight", V, EMBEDDED)
    x = [E[k] for k in words]
    if case["both_ways"]:
        forward, s, ahead = w.cell(kind, "enc", 0, EMBEDDED), zero, []
        for one in x:
            s = forward(one, s)
            ahead.append(s[0])
        backward, s, back = w.cell(kind, "enc", 0, EMBEDDED, "_reverse"), zero, []
        for one in reversed(x):
            s = backward(one, s)
            back.insert(0, s[0])
        return [torch.cat(pair) for pair in zip(ahead, back)], s[0]
    for layer in range(2):
        step, s, y = w.cell(kind, "enc", layer, EMBEDDED if layer == 0 else HIDDEN), zero, []
        for one in x:
            s = step(one, s)
            y.append(s[0])
        x = y
    return x, x[-1]


def attend(w, case, h, query, covered):
    h = torch.stack(h)
    n = h.shape[1]
    if case["score"] == "general":
        e = h @ (w("att.weight_general", HIDDEN, n).T @ query)
    else:
        sums = h @ w("att.weight_key", SCORE, n).T + w("att.weight_query", SCORE, HIDDEN) @ query
        if case["coverage"]:
            sums = sums + covered[:, None] * w("att.weight_coverage", SCORE)
        e = torch.tanh(sums) @ w("att.weight_score", SCORE)
    a = torch.softmax(e, 0)
    return a @ h, a


def decode(w, case, h, summary, last):
    kind = case["decoder"]
    states = CELLS[kind][2]
    E = w("words.weight" if case["shared"] else "dec.embedding.weight", case["targets"], EMBEDDED)
    s = tuple(
        torch.tanh(w(f"dec.start{f'_{k}' if k else ''}.weight", HIDDEN, len(summary)) @ summary)
        for k in range(states)
    )
    size = EMBEDDED if case["tied"] else SIZE
    feed, covered = torch.zeros(size, dtype=F64), torch.zeros(len(h), dtype=F64)
    logits, weights = [], []
    context = len(h[0]) if case["score"] else len(summary)
    inputs = EMBEDDED + (0 if case["after"] else context) + (size if case["feeding"] else 0)
    cell = w.cell(kind, "dec", 0, inputs)
    for word in last:
        word, before = E[word], s[0]
        c = summary
        if case["score"] and not case["after"]:
            c, a = attend(w, case, h, s[0], covered)
        seen = [word] if case["after"] else [word, c]
        s = cell(torch.cat(seen + ([feed] if case["feeding"] else [])), s)
        if case["score"] and case["after"]:
            c, a = attend(w, case, h, s[0], covered)
        if case["score"]:
            covered = covered + a
            weights.append(a)
        seen = [before if case["previous"] else s[0], c] + ([] if case["wordless"] else [word])
        seen = torch.cat(seen)
        rows = 2 * size if case["maxout"] else size
        r = w("dec.readout.weight", rows, len(seen)) @ seen + w("dec.readout.bias", rows)
        feed = torch.maximum(r[0::2], r[1::2]) if case["maxout"] else torch.tanh(r)
        W = E if case["tied"] else w("dec.out.weight", case["targets"], size)
        logits.append(W @ feed + w("dec.out.bias", case["targets"]))
    return torch.stack(logits), torch.stack(weights) if weights else None


def write_case(out, name, **settings):
    case = dict(encoder="gru", decoder="gru", both_ways=True, score="additive", coverage=False)
    case |= dict(after=False, feeding=False, previous=False, wordless=False, maxout=False)
    case |= dict(tied=False, shared=False, targets=TARGETS) | settings
    draw = Draw("encoder decoder " + name)
    w = Weights(draw)
    batch, steps = len(LENGTHS), max(LENGTHS)
    words = draw.index(V, steps, batch)
    last = draw.index(case["targets"], READS, batch)
    logits, weights = [], []
    for b, length in enumerate(LENGTHS):
        h, summary = encode(w, case, words[:length, b])
        y, a = decode(w, case, h, summary, last[:, b])
        logits.append(y)
        if a is not None:
            weights.append(torch.nn.functional.pad(a, (0, steps - length)))
    logits = torch.stack(logits, 1)
    R = draw.normal(*logits.shape)
    loss = (logits * R).sum()
    tensors = {"words": words, "last": last, "lengths": torch.tensor(LENGTHS)}
    tensors |= {"logits": logits, "R": R}
    if weights:
        a = torch.stack(weights, 1)
        Ra = draw.normal(*a.shape)
        loss = loss + (a * Ra).sum()
        tensors |= {"a": a, "Ra": Ra}
    grads = torch.autograd.grad(loss, list(w.all.values()))
    tensors |= {"loss": loss} | w.all
    tensors |= {f"grad.{key}": g for key, g in zip(w.all, grads)}
    assert all(math.isfinite(float(t.detach().sum())) for t in tensors.values())
    out.update({f"{name}/{key}": t for key, t in tensors.items()})


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    torch.set_num_threads(1)
    out = {}
    write_case(out, "bahdanau")
    write_case(out, "appendix", previous=True, maxout=True)
    write_case(
        out,
        "luong",
        encoder="lstm",
        decoder="lstm",
        both_ways=False,
        score="general",
        after=True,
        feeding=True,
        wordless=True,
    )
    write_case(
        out, "plain", decoder="lstm", both_ways=False, score=None, tied=True, shared=True, targets=V
    )
    write_case(out, "covered", coverage=True, feeding=True, tied=True)
    about = {"made by": "make_encoder_decoder.py, which explains the keys"}
    write(directory, "encoder_decoder", out, about)


if __name__ == "__main__":
    main()

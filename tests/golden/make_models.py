"""Write golden vectors of the cells that PyTorch has not: models.safetensors.

Every step is written out below in plain tensor operations, from the papers' equations and
independently of Reel's code, and differentiated by PyTorch's autograd in f64. Run it as

    OMP_NUM_THREADS=1 python3 make_models.py [directory]

A case is TYPE:OPTIONS.in.hidden.batch.steps, options as Reel reads them. Keys: the weights by
Reel's names; `x` [steps, batch, in]; `time` [steps, batch] for the Phased LSTM; `s0` and `sn`
[states, batch, hidden]; `y` [steps, batch, hidden]; `R` and `Rs`; `loss`, the sum of y R + sn Rs;
`grad.NAME`, the derivative of the loss by NAME.
"""

import math
import pathlib
import sys

import torch

from make_golden import Draw, leaf, write

SIZES = [(3, 5, 2, 4), (4, 4, 3, 6), (1, 1, 1, 2)]
GATES = {"i": 0, "f": 1, "g": 2, "o": 3}


def sig(a):
    return torch.sigmoid(a)


class Weights:
    """Weights that are drawn when they are asked for."""

    def __init__(self, draw):
        self.draw, self.all = draw, {}

    def __call__(self, name, *shape, bound=0.9):
        if name not in self.all:
            self.all[name] = leaf(self.draw.uniform(*shape, bound=bound))
        return self.all[name]

    def near(self, name, low, high, *shape):
        if name not in self.all:
            middle, half = (low + high) / 2, (high - low) / 2
            self.all[name] = leaf(middle + self.draw.uniform(*shape, bound=half))
        return self.all[name]


def lstm(w, x, s, n, options):
    without = {"i": "nig", "f": "nfg", "o": "nog"}
    there = [
        k
        for k in "ifgo"
        if k == "g" or not (without[k] in options or (k == "i" and "coupled" in options))
    ]
    h, c = s[0], s[1]
    W, U = w("weight_ih_l0", len(there) * n, x.shape[1]), w("weight_hh_l0", len(there) * n, n)
    b = w("bias_ih_l0", len(there) * n)
    all_sums = x @ W.T + h @ U.T + b
    a = {k: all_sums[:, at * n : (at + 1) * n] for at, k in enumerate(there)}
    sigmoids = [k for k in "ifo" if k in there]
    if "fgr" in options:
        before = torch.cat(s[2:], 1)
        for k in sigmoids:
            a[k] = a[k] + before @ w("weight_gg_" + k, n, len(sigmoids) * n).T

    def peep(k, cell):
        if "peephole=diagonal" in options:
            return w("weight_ch_" + k, n) * cell
        if "peephole=full" in options:
            return cell @ w("weight_ch_" + k, n, n).T
        return 0

    one = torch.ones_like(c)
    f = sig(a["f"] + peep("f", c)) if "f" in there else one
    i = sig(a["i"] + peep("i", c)) if "i" in there else one
    if "coupled" in options:
        i = 1 - f
    g = a["g"] if "niaf" in options else torch.tanh(a["g"])
    c = f * c + i * g
    o = sig(a["o"] + peep("o", c)) if "o" in there else one
    h = o * (c if "noaf" in options else torch.tanh(c))
    gates = {"i": i, "f": f, "o": o}
    return h, [h, c] + ([gates[k] for k in sigmoids] if "fgr" in options else [])


def mgu(w, x, s, n, options):
    h = s[0]
    f = sig(x @ w("weight_ih_f", n, x.shape[1]).T + h @ w("weight_hh_f", n, n).T + w("bias_f", n))
    g = torch.tanh(
        x @ w("weight_ih_g", n, x.shape[1]).T + (f * h) @ w("weight_hh_g", n, n).T + w("bias_g", n)
    )
    h = (1 - f) * h + f * g
    return h, [h]


def norm(a):
    mean = a.mean(1, keepdim=True)
    variance = ((a - mean) ** 2).mean(1, keepdim=True)
    return (a - mean) / torch.sqrt(variance + 1e-5)


def layer_norm_lstm(w, x, s, n, options):
    h, c = s
    a = (
        w("gain_hh", 4 * n) * norm(h @ w("weight_hh", 4 * n, n).T)
        + w("gain_ih", 4 * n) * norm(x @ w("weight_ih", 4 * n, x.shape[1]).T)
        + w("bias", 4 * n)
    )
    i, f, g, o = (a[:, k * n : (k + 1) * n] for k in range(4))
    c = sig(f) * c + sig(i) * torch.tanh(g)
    h = sig(o) * torch.tanh(w("gain_c", n) * norm(c) + w("bias_c", n))
    return h, [h, c]


def multiplicative_lstm(w, x, s, n, options):
    h, c = s
    m = (x @ w("weight_mx", n, x.shape[1]).T) * (h @ w("weight_mh", n, n).T)
    a = x @ w("weight_ih_l0", 4 * n, x.shape[1]).T + m @ w("weight_hh_l0", 4 * n, n).T
    a = a + w("bias_ih_l0", 4 * n)
    i, f, g, o = (a[:, k * n : (k + 1) * n] for k in range(4))
    c = sig(f) * c + sig(i) * torch.tanh(g)
    h = sig(o) * torch.tanh(c)
    return h, [h, c]


def indrnn(w, x, s, n, options):
    a = x @ w("weight_ih_h", n, x.shape[1]).T + w("weight_hh", n) * s[0] + w("bias_h", n)
    h = torch.tanh(a) if "activation=tanh" in options else torch.relu(a)
    return h, [h]


def sru(w, x, s, n, options):
    c, inp = s[0], x.shape[1]
    fresh = x @ w("weight_c", n, inp).T
    f = sig(x @ w("weight_ih_f", n, inp).T + w("weight_v_f", n) * c + w("bias_f", n))
    r = sig(x @ w("weight_ih_r", n, inp).T + w("weight_v_r", n) * c + w("bias_r", n))
    around = x if inp == n else x @ w("weight_p", n, inp).T
    c = f * c + (1 - f) * fresh
    return r * c + (1 - r) * around * math.sqrt(3), [c]


def phased_lstm(w, x, s, n, options, time=None):
    h, c = s
    tau = torch.clamp(torch.abs(w.near("period", 2.0, 9.0, n)), min=1e-3)
    shift = w.near("shift", 0.0, 9.0, n)
    r = torch.clamp(torch.abs(w.near("open_ratio", 0.2, 0.7, n)), min=1e-3)
    # floored, and with the gradient of that: the number of whole turns is a constant
    turns = (time[:, None] - shift) / tau
    phi = turns - torch.floor(turns).detach()
    k = torch.where(
        phi < r / 2, 2 * phi / r, torch.where(phi < r, 2 - 2 * phi / r, 0.001 * phi)
    )
    a = x @ w("weight_ih_l0", 4 * n, x.shape[1]).T + h @ w("weight_hh_l0", 4 * n, n).T
    a = a + w("bias_ih_l0", 4 * n)
    ai, af, ag, ao = (a[:, j * n : (j + 1) * n] for j in range(4))
    peep = "peephole=none" not in options

    def see(name, cell):
        return w("weight_ch_" + name, n) * cell if peep else 0

    i, f = sig(ai + see("i", c)), sig(af + see("f", c))
    open_c = f * c + i * torch.tanh(ag)
    o = sig(ao + see("o", open_c))
    open_h = o * torch.tanh(open_c)
    h = k * open_h + (1 - k) * h
    return h, [h, k * open_c + (1 - k) * c]


def states_of(kind, options):
    if kind == "lstm" and "fgr" in options:
        gone = sum(o in options for o in ("nig", "nfg", "nog", "coupled"))
        return 5 - gone
    return 2 if "lstm" in kind else 1


def case(out, kind, options, size):
    inp, n, batch, steps = size
    name = f"{kind}:{','.join(options)}." + ".".join(map(str, size))
    draw = Draw(name)
    w = Weights(draw)
    x = leaf(draw.normal(steps, batch, inp))
    count = states_of(kind, options)
    s0 = leaf(draw.normal(count, batch, n, scale=0.8))
    time = None
    if kind == "phased_lstm":
        time = torch.cumsum(draw.uniform(steps, batch).abs() * 3, 0) - 5  # some before the shift
    step, state, ys = globals()[kind], list(s0), []
    for t in range(steps):
        more = {"time": time[t]} if time is not None else {}
        y, state = step(w, x[t], state, n, options, **more)
        ys.append(y)
    y, sn = torch.stack(ys), torch.stack(state)
    R, Rs = draw.normal(*y.shape), draw.normal(*sn.shape)
    loss = (y * R).sum() + (sn * Rs).sum()
    inputs = {**w.all, "x": x, "s0": s0}
    grads = torch.autograd.grad(loss, list(inputs.values()))
    tensors = {**inputs, "y": y, "sn": sn, "loss": loss, "R": R, "Rs": Rs}
    if time is not None:
        tensors["time"] = time
    tensors.update({f"grad.{key}": g for key, g in zip(inputs, grads)})
    out.update({f"{name}/{key}": t for key, t in tensors.items()})


CASES = [
    ("lstm", ["peephole=diagonal"]),
    ("lstm", ["peephole=full"]),
    ("lstm", ["coupled"]),
    ("lstm", ["coupled", "peephole=diagonal"]),
    ("lstm", ["coupled", "peephole=full"]),
    ("lstm", ["peephole=diagonal", "nig"]),
    ("lstm", ["peephole=diagonal", "nfg"]),
    ("lstm", ["peephole=diagonal", "nog"]),
    ("lstm", ["peephole=diagonal", "niaf"]),
    ("lstm", ["peephole=diagonal", "noaf"]),
    ("lstm", ["peephole=diagonal", "fgr"]),
    ("lstm", ["coupled", "fgr"]),
    ("lstm", ["nog", "noaf", "niaf"]),
    ("mgu", []),
    ("layer_norm_lstm", []),
    ("multiplicative_lstm", []),
    ("indrnn", []),
    ("indrnn", ["activation=tanh"]),
    ("sru", []),
    ("phased_lstm", []),
    ("phased_lstm", ["peephole=none"]),
]


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    torch.set_num_threads(1)
    out = {}
    for kind, options in CASES:
        for size in SIZES:
            case(out, kind, options, size)
    write(directory, "models", out, {"made by": "make_models.py, which explains the keys"})


if __name__ == "__main__":
    main()

"""Write Reel's golden vectors: small safetensors files computed by PyTorch in f64.

What PyTorch has (RNN, LSTM, GRU, losses, activations, optimizers, most schedules) is computed by
PyTorch itself.  What it lacks (GRU variants, one-bias cells, the minimal gated unit, exact norm
clipping) is written out below in plain tensor operations and differentiated by its autograd; where
a variant coincides with a PyTorch module, the script asserts that both agree.

Run it as

    pip install torch safetensors numpy
    OMP_NUM_THREADS=1 python3 make_golden.py [directory]

It writes to the directory given, else to the one it stands in, and is deterministic: every case
has its own generator, seeded by the case's name.  README.md beside it explains the keys.
"""

import json
import math
import pathlib
import struct
import sys
import zlib

import torch
import torch.nn.functional as F
from safetensors.torch import save

F64 = torch.float64
SIZES = [(3, 5, 2, 4, 1), (1, 1, 1, 1, 1), (7, 4, 3, 6, 2), (4, 6, 5, 11, 3)]
STEPS = 50


class Draw:
    """Random tensors of one case; the seed is a hash of the case's name."""

    def __init__(self, name):
        self.generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))

    def normal(self, *shape, scale=1.0):
        return scale * torch.randn(*shape, generator=self.generator, dtype=F64)

    def uniform(self, *shape, bound=1.0):
        return bound * (2 * torch.rand(*shape, generator=self.generator, dtype=F64) - 1)

    def index(self, high, *shape):
        return torch.randint(high, shape, generator=self.generator)


def write(directory, name, tensors, about):
    """Save through the safetensors library, then put the header's keys in a fixed order.

    The library orders metadata by a hash that changes from run to run."""
    ready = {
        key: (t.to(torch.int32) if t.dtype == torch.int64 else t).detach().contiguous().clone()
        for key, t in tensors.items()
    }
    data = save(ready, metadata=about)
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    about = header.pop("__metadata__", {})
    header = dict(sorted(header.items(), key=lambda item: item[1]["data_offsets"]))
    if about:
        header = {"__metadata__": dict(sorted(about.items())), **header}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path = pathlib.Path(directory) / (name + ".safetensors")
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])
    print(f"{path.name}: {len(ready)} tensors, {path.stat().st_size} bytes")


def scalar(value):
    return torch.tensor(value, dtype=F64)


def leaf(t):
    return t.detach().clone().requires_grad_(True)


# Cells ------------------------------------------------------------------------------------------


def gates(w, l, x, h):
    """W x + b and U h + b_u of layer l, each bias optional."""
    return (
        F.linear(x, w[f"weight_ih_l{l}"], w.get(f"bias_ih_l{l}")),
        F.linear(h, w[f"weight_hh_l{l}"], w.get(f"bias_hh_l{l}")),
    )


def step_rnn(activation):
    def step(w, l, x, s):
        a, u = gates(w, l, x, s[0])
        return (activation(a + u),)

    return step


def step_lstm(w, l, x, s):
    a, u = gates(w, l, x, s[0])
    i, f, g, o = (a + u).chunk(4, dim=-1)
    c = torch.sigmoid(f) * s[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def step_gru(reset, update):
    def step(w, l, x, s):
        h = s[0]
        hidden = h.shape[-1]
        a, u = gates(w, l, x, h)
        r = torch.sigmoid(a[..., :hidden] + u[..., :hidden])
        z = torch.sigmoid(a[..., hidden : 2 * hidden] + u[..., hidden : 2 * hidden])
        if reset == "after":
            n = torch.tanh(a[..., 2 * hidden :] + r * u[..., 2 * hidden :])
        else:
            bias = w.get(f"bias_hh_l{l}")
            bias = None if bias is None else bias[2 * hidden :]
            inner = F.linear(r * h, w[f"weight_hh_l{l}"][2 * hidden :], bias)
            n = torch.tanh(a[..., 2 * hidden :] + inner)
        return ((1 - z) * h + z * n if update == "new" else (1 - z) * n + z * h,)

    return step


def step_mgu(w, l, x, s):
    h = s[0]
    f = torch.sigmoid(F.linear(x, w["weight_ih_f"], w["bias_f"]) + F.linear(h, w["weight_hh_f"]))
    g = torch.tanh(F.linear(x, w["weight_ih_g"], w["bias_g"]) + F.linear(f * h, w["weight_hh_g"]))
    return ((1 - f) * h + f * g,)


def unroll(step, w, layers, x, states):
    """states: one [layers, batch, hidden] tensor per state of the cell."""
    final = []
    for l in range(layers):
        s = tuple(v[l] for v in states)
        out = []
        for t in range(x.shape[0]):
            s = step(w, l, x[t], s)
            out.append(s[0])
        x = torch.stack(out)
        final.append(s)
    return x, tuple(torch.stack([s[k] for s in final]) for k in range(len(states)))


def torch_module(kind, w, size, biases):
    """The torch.nn module of this kind with these weights, as a function of (x, states)."""
    inp, hidden, _, _, layers = size
    options = {"num_layers": layers, "bias": biases == 2, "dtype": F64}
    if kind.startswith("rnn"):
        module = torch.nn.RNN(inp, hidden, nonlinearity=kind[4:], **options)
    else:
        module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](inp, hidden, **options)

    def run(x, states):
        y, last = torch.func.functional_call(
            module, w, (x, states if len(states) > 1 else states[0])
        )
        return y, last if isinstance(last, tuple) else (last,)

    return run


def stacked_weights(draw, blocks, size, biases):
    inp, hidden, _, _, layers = size
    w = {}
    for l in range(layers):
        w[f"weight_ih_l{l}"] = draw.uniform(blocks * hidden, hidden if l else inp, bound=0.7)
        w[f"weight_hh_l{l}"] = draw.uniform(blocks * hidden, hidden, bound=0.7)
        for side in ("ih", "hh")[:biases]:
            w[f"bias_{side}_l{l}"] = draw.uniform(blocks * hidden, bound=0.7)
    return w


def mgu_weights(draw, size):
    inp, hidden = size[:2]
    w = {}
    for gate in "fg":
        w[f"weight_ih_{gate}"] = draw.uniform(hidden, inp, bound=0.7)
        w[f"weight_hh_{gate}"] = draw.uniform(hidden, hidden, bound=0.7)
        w[f"bias_{gate}"] = draw.uniform(hidden, bound=0.7)
    return w


def cell_case(out, name, w, states, size, run, draw, twin=None):
    """Adds one case; run and twin take (weights, x, states) and must agree."""
    inp, hidden, batch, steps, layers = size
    w = {key: leaf(t) for key, t in w.items()}
    x = leaf(draw.normal(steps, batch, inp))
    letters = "hc"[:states]
    initial = tuple(leaf(draw.normal(layers, batch, hidden, scale=0.8)) for _ in letters)
    weigh_y = draw.normal(steps, batch, hidden)
    weigh_last = tuple(draw.normal(layers, batch, hidden) for _ in letters)
    inputs = {**w, "x": x, **{f"{s}0": t for s, t in zip(letters, initial)}}

    def evaluate(function):
        y, last = function(w, x, initial)
        loss = (y * weigh_y).sum() + sum((a * b).sum() for a, b in zip(last, weigh_last))
        return y, last, loss, torch.autograd.grad(loss, list(inputs.values()))

    y, last, loss, grads = evaluate(run)
    assert all(g.abs().max() > 0 for g in grads), f"{name}: a gradient is all zero"
    if twin is not None:
        y2, last2, loss2, grads2 = evaluate(twin)
        for a, b in zip((y, *last, loss, *grads), (y2, *last2, loss2, *grads2)):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    case = {**inputs, "y": y, "loss": loss, "R": weigh_y}
    case.update({f"{s}n": t for s, t in zip(letters, last)})
    case.update({f"R{s}": t for s, t in zip(letters, weigh_last)})
    case.update({f"grad.{key}": g for key, g in zip(inputs, grads)})
    out.update({f"{name}/{key}": t for key, t in case.items()})


KINDS = {
    "rnn-tanh": (1, 1, step_rnn(torch.tanh), "rnn_tanh"),
    "rnn-relu": (1, 1, step_rnn(torch.relu), "rnn_relu"),
    "lstm": (4, 2, step_lstm, "lstm"),
    "gru-before-new": (3, 1, step_gru("before", "new"), None),
    "gru-before-old": (3, 1, step_gru("before", "old"), None),
    "gru-after-new": (3, 1, step_gru("after", "new"), None),
    "gru-after-old": (3, 1, step_gru("after", "old"), "gru"),
}
BIASES = {2: "", 1: "-one", 0: "-none"}


def plain_case(out, kind, size, biases):
    blocks, states, step, module = KINDS[kind]
    name = kind + BIASES[biases] + "." + ".".join(map(str, size))
    draw = Draw(name)
    weights = stacked_weights(draw, blocks, size, biases)
    if kind == "rnn-relu" and size[1] == 1:
        weights["bias_ih_l0"] += 2.0  # else the only unit is dead and shows nothing

    def reference(w, x, s):
        return unroll(step, w, size[4], x, s)

    def pytorch(w, x, s):
        return torch_module(module, w, size, biases)(x, s)

    if module is None or biases == 1:
        cell_case(out, name, weights, states, size, reference, draw)
    else:
        cell_case(out, name, weights, states, size, pytorch, draw, reference)


def cells(directory):
    about = {
        "sizes": "the five numbers of a case's name: in, hidden, batch, steps, layers",
        "loss": "sum(y*R) + sum(hn*Rh), for LSTM + sum(cn*Rc)",
        "names": "weights as in torch.nn; grad.NAME is the derivative of loss by NAME",
    }
    for family in ("rnn", "lstm", "gru"):
        out = {}
        for kind in (k for k in KINDS if k.startswith(family)):
            for size in SIZES:
                plain_case(out, kind, size, 2)
                plain_case(out, kind, size, 1)
            plain_case(out, kind, SIZES[0], 0)
        write(directory, family, out, about)

    out = {}
    for size in SIZES:
        size = (*size[:4], 1)
        name = "mgu." + ".".join(map(str, size))
        draw = Draw(name)
        weights = mgu_weights(draw, size)
        cell_case(
            out, name, weights, 1, size, lambda w, x, s: unroll(step_mgu, w, 1, x, s), draw
        )
    write(directory, "mgu", out, about)


def both_ways_case(out, kind, size, lengths):
    """A module that goes both ways over sequences that differ in length."""
    name = kind + "." + ".".join(map(str, size))
    inp, hidden, batch, steps, layers = size
    draw = Draw("both ways " + name)
    module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[kind](
        inp, hidden, layers, bidirectional=True, dtype=F64
    )
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(draw.uniform(*p.shape, bound=0.9))
    x = leaf(draw.normal(steps, batch, inp))
    letters = "hc" if kind == "lstm" else "h"
    initial = tuple(leaf(draw.normal(2 * layers, batch, hidden, scale=0.8)) for _ in letters)
    weigh_y = draw.normal(steps, batch, 2 * hidden)
    weigh_last = tuple(draw.normal(2 * layers, batch, hidden) for _ in letters)
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        x, torch.tensor(lengths), enforce_sorted=False
    )
    y, last = module(packed, initial if kind == "lstm" else initial[0])
    y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, total_length=steps)
    last = last if kind == "lstm" else (last,)
    loss = (y * weigh_y).sum() + sum((a * b).sum() for a, b in zip(last, weigh_last))
    inputs = {**dict(module.named_parameters()), "x": x}
    inputs.update({f"{s}0": t for s, t in zip(letters, initial)})
    grads = torch.autograd.grad(loss, list(inputs.values()))
    case = {**inputs, "y": y, "loss": loss, "R": weigh_y, "lengths": torch.tensor(lengths)}
    case.update({f"{s}n": t for s, t in zip(letters, last)})
    case.update({f"R{s}": t for s, t in zip(letters, weigh_last)})
    case.update({f"grad.{key}": g for key, g in zip(inputs, grads)})
    out.update({f"{name}/{key}": t for key, t in case.items()})


def both_ways(directory):
    out = {}
    for kind in ("rnn", "lstm", "gru"):
        both_ways_case(out, kind, (3, 5, 4, 7, 1), [7, 2, 5, 1])
        both_ways_case(out, kind, (4, 3, 3, 6, 3), [3, 6, 4])
    about = {
        "sizes": "the five numbers of a case's name: in, hidden, batch, steps, layers",
        "loss": "sum(y*R) + sum(hn*Rh), for LSTM + sum(cn*Rc)",
        "names": "weights as in torch.nn; grad.NAME is the derivative of loss by NAME",
        "padding": "y is 0 behind the end of a sequence; the derivative by x, too",
    }
    write(directory, "both_ways", out, about)


# Losses -----------------------------------------------------------------------------------------


def loss_case(out, name, loss, inputs, given):
    """inputs are differentiated, given are stored as they are."""
    inputs = {key: leaf(t) for key, t in inputs.items()}
    value = loss(*inputs.values())
    grads = torch.autograd.grad(value, list(inputs.values()))
    case = {**inputs, **given, "value": value}
    case.update({f"grad.{key}": g for key, g in zip(inputs, grads)})
    out.update({f"{name}/{key}": t for key, t in case.items()})


def cross_entropy_cases(out):
    rows, classes = 7, 5
    for name in ("plain", "ignore", "smooth", "weights", "smooth-weights", "all"):
        draw = Draw("cross_entropy." + name)
        logits = draw.normal(rows, classes, scale=2)
        target = draw.index(classes, rows)
        given, options = {}, {}
        if name in ("ignore", "all"):
            target[1], target[4] = -100, -100
            given["ignore"], options["ignore_index"] = torch.tensor(-100), -100
        if "smooth" in name or name == "all":
            given["smoothing"], options["label_smoothing"] = scalar(0.1), 0.1
        if "weights" in name or name == "all":
            given["weights"] = options["weight"] = 0.2 + draw.uniform(classes).abs()
        given["target"] = target
        for reduction in ("mean", "sum"):
            loss_case(
                out,
                f"cross_entropy.{name}.{reduction}",
                lambda z: F.cross_entropy(z, target, reduction=reduction, **options),
                {"x": logits},
                given,
            )


def elementwise_loss_cases(out):
    table = {
        "bce_logits": lambda x, t, r: F.binary_cross_entropy_with_logits(x, t, reduction=r),
        "mse": lambda x, t, r: F.mse_loss(x, t, reduction=r),
        "huber.1": lambda x, t, r: F.huber_loss(x, t, delta=1.0, reduction=r),
        "huber.0.5": lambda x, t, r: F.huber_loss(x, t, delta=0.5, reduction=r),
    }
    for name, loss in table.items():
        draw = Draw(name)
        x = draw.normal(4, 6, scale=2)
        target = draw.normal(4, 6)
        if name == "bce_logits":
            target = draw.uniform(4, 6).abs()
            target[:2] = (target[:2] > 0.5).to(F64)
        for reduction in ("mean", "sum"):
            loss_case(
                out,
                f"{name}.{reduction}",
                lambda z: loss(z, target, reduction),
                {"x": x},
                {"target": target},
            )


def hinge_cases(out):
    rows, classes = 6, 5
    for power in (1, 2):
        for margin in (1.0, 0.7):
            name = f"multi_hinge.p{power}.m{margin:g}"
            draw = Draw(name)
            target = draw.index(classes, rows)
            # torch divides each row's sum by the number of classes; the sum itself is wanted.
            for reduction in ("mean", "sum"):
                loss_case(
                    out,
                    f"{name}.{reduction}",
                    lambda z: classes
                    * F.multi_margin_loss(z, target, p=power, margin=margin, reduction=reduction),
                    {"x": draw.normal(rows, classes)},
                    {"target": target, "margin": scalar(margin)},
                )
    for margin in (1.0, 0.3):
        name = f"rank_hinge.m{margin:g}"
        draw = Draw(name)
        for reduction in ("mean", "sum"):
            loss_case(
                out,
                f"{name}.{reduction}",
                lambda good, bad: F.margin_ranking_loss(
                    good, bad, torch.ones_like(good), margin=margin, reduction=reduction
                ),
                {"positive": draw.normal(9), "negative": draw.normal(9)},
                {"margin": scalar(margin)},
            )


def losses(directory):
    out = {}
    cross_entropy_cases(out)
    elementwise_loss_cases(out)
    hinge_cases(out)
    about = {
        "names": "LOSS.OPTIONS.REDUCTION/...; grad.NAME is the derivative of value by NAME",
        "cross_entropy": "mean divides by the sum of the weights of the targets not ignored",
        "multi_hinge": "per row: sum over j != y of max(0, margin - s_y + s_j)^p",
        "rank_hinge": "max(0, margin - positive + negative)",
    }
    write(directory, "losses", out, about)


# Activations and normalisations -----------------------------------------------------------------


def activation_table():
    # F.softplus is linear above its threshold of 20; the exact function is wanted.
    def softplus(x):
        return torch.logaddexp(x, torch.zeros_like(x))

    return {
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "leaky_relu": lambda x: F.leaky_relu(x, 0.01),
        "elu": F.elu,
        "selu": F.selu,
        "celu": lambda x: F.celu(x, 1.5),
        "gelu": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "silu": F.silu,
        "mish": lambda x: x * torch.tanh(softplus(x)),
        "softplus": softplus,
        "softsign": F.softsign,
        "log_sigmoid": F.logsigmoid,
        "hard_sigmoid": F.hardsigmoid,
        "hard_tanh": F.hardtanh,
        "erf": torch.erf,
        "expm1": torch.expm1,
    }


def row_table():
    return {
        "softmax.last": lambda x: torch.softmax(x, -1),
        "softmax.first": lambda x: torch.softmax(x, 0),
        "log_softmax.last": lambda x: torch.log_softmax(x, -1),
        "log_softmax.first": lambda x: torch.log_softmax(x, 0),
        "logsumexp.last": lambda x: torch.logsumexp(x, -1),
        "logsumexp.first": lambda x: torch.logsumexp(x, 0),
        "layer_norm": lambda x: F.layer_norm(x, x.shape[-1:], eps=1e-5),
        "cumsum.last": lambda x: torch.cumsum(x, -1),
        "cumsum.first": lambda x: torch.cumsum(x, 0),
    }


def vjp_case(out, name, function, draw, **inputs):
    inputs = {key: leaf(t) for key, t in inputs.items()}
    y = function(*inputs.values())
    dy = draw.normal(*y.shape)
    grads = torch.autograd.grad(y, list(inputs.values()), dy)
    case = {**inputs, "y": y, "dy": dy, **{f"d{key}": g for key, g in zip(inputs, grads)}}
    out.update({f"{name}/{key}": t for key, t in case.items()})


def activations(directory):
    out = {}
    far = torch.tensor([-30.0, -12.0, -6.0, -1e-3, 1e-3, 6.0, 12.0, 30.0], dtype=F64)
    for name, function in activation_table().items():
        draw = Draw(name)
        vjp_case(out, name, function, draw, x=torch.cat([draw.normal(40, scale=2), far]))
    for name, function in row_table().items():
        draw = Draw(name)
        vjp_case(out, name, function, draw, x=draw.normal(4, 7, scale=3))
    draw = Draw("layer_norm.affine")
    vjp_case(
        out,
        "layer_norm.affine",
        lambda x, gain, bias: F.layer_norm(x, x.shape[-1:], gain, bias, eps=1e-5),
        draw,
        x=draw.normal(3, 2, 6, scale=3),
        gain=draw.normal(6),
        bias=draw.normal(6),
    )
    about = {
        "names": "y = FUNCTION(x); dx is the derivative of sum(y*dy) by x",
        "constants": "leaky_relu slope 0.01; elu 1; celu 1.5; layer_norm eps 1e-5, biased variance",
    }
    write(directory, "activations", out, about)


# Clipping ---------------------------------------------------------------------------------------


def global_norm(grads):
    return torch.sqrt(sum((g * g).sum() for g in grads))


def clip_global(grads, bound):
    """g min(1, c/|g|) exactly: torch's own version adds 1e-6 to the norm."""
    norm = global_norm(grads)
    factor = min(1.0, bound / norm.item()) if norm > 0 else 1.0
    return [g * factor for g in grads], norm


def clip(directory):
    out = {}
    draw = Draw("clip")
    plain = [draw.normal(3, 4), draw.normal(5, scale=0.1), draw.normal(2, 2, 2, scale=3)]
    sets = {"mixed": plain, "zero": [torch.zeros_like(g) for g in plain]}
    for name, grads in sets.items():
        for bound in (0.5, 100.0):
            case = f"{name}.{bound:g}"
            clipped, norm = clip_global(grads, bound)
            out[f"{case}/bound"], out[f"{case}/norm"] = scalar(bound), norm
            for k, g in enumerate(grads):
                out[f"{case}/g{k}"] = g
                out[f"{case}/global{k}"] = clipped[k]
                out[f"{case}/element{k}"] = g.clamp(-bound, bound)
                out[f"{case}/param{k}"] = clip_global([g], bound)[0][0]
    about = {
        "names": "g0..g2 gradients of three params; norm: of all together, before clipping",
        "global": "g min(1, bound/norm)",
        "element": "each entry limited to [-bound, bound]",
        "param": "as global, with each param's own norm",
    }
    write(directory, "clip", out, about)


# Optimizers -------------------------------------------------------------------------------------

OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.2}),
    "sgd-decay": (torch.optim.SGD, {"lr": 0.2, "weight_decay": 0.1}),
    "momentum": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    "momentum-decay": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
    "nesterov": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "adagrad": (torch.optim.Adagrad, {"lr": 0.1, "eps": 1e-10}),
    "rmsprop": (torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.95, "eps": 1e-8}),
    "rmsprop-centered": (
        torch.optim.RMSprop,
        {"lr": 0.01, "alpha": 0.95, "eps": 1e-8, "centered": True},
    ),
    "rmsprop-momentum": (
        torch.optim.RMSprop,
        {"lr": 0.01, "alpha": 0.95, "eps": 1e-8, "momentum": 0.9},
    ),
    "adam": (torch.optim.Adam, {"lr": 0.05, "betas": (0.9, 0.999), "eps": 1e-8}),
    "adam-decay": (
        torch.optim.Adam,
        {"lr": 0.05, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.1},
    ),
    "adamw": (
        torch.optim.AdamW,
        {"lr": 0.05, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.1},
    ),
    "adadelta": (torch.optim.Adadelta, {"lr": 1.0, "rho": 0.9, "eps": 1e-6}),
}
SETTING_NAMES = {"lr": "rate", "alpha": "decay", "rho": "decay"}


def settings_of(options, bound):
    """Options as rank-0 tensors under Reel's words; betas become beta1 and beta2."""
    found = {}
    for key, value in options.items():
        if key == "betas":
            found["beta1"], found["beta2"] = value
        else:
            found[SETTING_NAMES.get(key, key)] = value
    if bound:
        found["clip"] = bound
    return {key: scalar(float(value)) for key, value in found.items()}


def trajectory(problem, maker, options, bound):
    """STEPS updates; record k holds the loss and gradient norm before update k, params after it."""
    a, b = leaf(problem["A0"]), leaf(problem["b0"])
    optimizer = maker([a, b], foreach=False, **options)
    record = {"A": [], "b": [], "loss": [], "norm": []}
    for _ in range(STEPS):
        error = torch.tanh(problem["x"] @ a.T) + b - problem["y"]
        loss = (error * error).mean()
        grads = list(torch.autograd.grad(loss, [a, b]))
        norm = global_norm(grads)
        if bound:
            grads, norm = clip_global(grads, bound)
        a.grad, b.grad = grads
        optimizer.step()
        for key, value in (("A", a), ("b", b), ("loss", loss), ("norm", norm)):
            record[key].append(value.detach().clone())
    return {key: torch.stack(values) for key, values in record.items()}


def optimizers(directory):
    draw = Draw("optim")
    problem = {
        "x": draw.normal(5, 4),
        "y": draw.normal(5, 3, scale=2),
        "A0": draw.uniform(3, 4),
        "b0": draw.uniform(3),
    }
    out = {f"problem/{key}": t for key, t in problem.items()}
    about = {
        "problem": "loss = mean((tanh(x A^T) + b - y)^2), params A [3,4] and b [3]",
        "records": "record k: loss and norm before update k, A and b after it",
        "clip": "global norm, g min(1, clip/|g|), before weight decay is added",
    }
    for name, (maker, options) in OPTIMIZERS.items():
        for bound in (0.0, 0.5):
            case = name + (".clip" if bound else "")
            out.update(
                {f"{case}/{k}": t for k, t in trajectory(problem, maker, options, bound).items()}
            )
            settings = settings_of(options, bound)
            out.update({f"{case}/set.{key}": t for key, t in settings.items()})
            about[case] = ", ".join(f"{key} {t.item():g}" for key, t in settings.items())
    write(directory, "optim", out, about)


# Schedules --------------------------------------------------------------------------------------


def torch_rates(count, rate, maker, **options):
    """The rates that a torch scheduler gives updates 0, 1, ..., count-1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    scheduler = maker(optimizer, **options)
    rates = []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return torch.tensor(rates, dtype=F64)


def plateau_rates(rate, losses, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    rates = []
    for value in losses:
        scheduler.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return torch.tensor(rates, dtype=F64)


def formula(count, function):
    return torch.tensor([function(k) for k in range(count)], dtype=F64)


def schedules(directory):
    lr = torch.optim.lr_scheduler
    rate, count, warm = 0.1, 100, 20
    losses = [3.0, 2.5, 2.6, 2.4, 2.4, 2.45, 2.41, 2.3, 2.35, 2.4, 2.31, 2.32, 2.33, 2.34, 2.2]
    out = {
        "constant": formula(count, lambda k: rate),
        "step": torch_rates(count, rate, lr.StepLR, step_size=30, gamma=0.1),
        "exponential": torch_rates(count, rate, lr.ExponentialLR, gamma=0.97),
        "exponential-after": formula(count, lambda k: rate * 0.97 ** max(0, k - 9)),
        "cosine": torch_rates(81, rate, lr.CosineAnnealingLR, T_max=80, eta_min=0.01),
        "warmup": torch_rates(
            count, rate, lr.LinearLR, start_factor=1 / warm, end_factor=1.0, total_iters=warm - 1
        ),
        "warmup-inverse-sqrt": formula(
            count, lambda k: rate * min((k + 1) / warm, math.sqrt(warm / (k + 1)))
        ),
        "inverse-sqrt": formula(count, lambda k: rate / math.sqrt(k + 1)),
        "plateau": plateau_rates(rate, losses, factor=0.5, patience=2, threshold=0.0),
        "plateau-losses": torch.tensor(losses, dtype=F64),
    }
    torch.testing.assert_close(
        out["warmup"], formula(count, lambda k: rate * min(1.0, (k + 1) / warm))
    )
    about = {
        "k": "entry k is the rate of update k, counted from 0; base rate 0.1",
        "step": "rate 0.1^floor(k/30)",
        "exponential": "rate 0.97^k",
        "exponential-after": "rate 0.97^max(0, k-9): the eleventh is the first to shrink",
        "cosine": "0.01 + (rate - 0.01) (1 + cos(pi k/80))/2, k = 0..80",
        "warmup": "rate min(1, (k+1)/20)",
        "warmup-inverse-sqrt": "rate min((k+1)/20, sqrt(20/(k+1)))",
        "inverse-sqrt": "rate/sqrt(k+1)",
        "plateau": "halved when more than 2 losses in a row are no smaller than the best; "
        "entry k is the rate after plateau-losses[k] was seen",
    }
    write(directory, "schedules", out, about)


# A file as other programs write it --------------------------------------------------------------


def interop(directory):
    draw = Draw("interop")
    module = torch.nn.LSTM(3, 5, num_layers=2)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(draw.uniform(*p.shape, bound=0.7))
    x, h0, c0 = (draw.normal(*s).float() for s in ((6, 4, 3), (2, 4, 5), (2, 4, 5)))
    y, (hn, cn) = module(x, (h0, c0))
    out = {**module.state_dict(), "x": x, "h0": h0, "c0": c0, "y": y, "hn": hn, "cn": cn}
    out = {key: t.detach().clone() for key, t in out.items()}
    path = pathlib.Path(directory) / "interop.safetensors"
    path.write_bytes(save(out, metadata={"format": "pt"}))
    print(f"{path.name}: {len(out)} tensors, {path.stat().st_size} bytes")


def imported(directory):
    """A module's state_dict, with an input and the output: what users bring along."""
    torch.manual_seed(5)
    net = torch.nn.ModuleDict(
        {
            "words": torch.nn.Embedding(11, 4),
            "encoder": torch.nn.GRU(4, 3, num_layers=2, bidirectional=True),
            "norm": torch.nn.LayerNorm(6),
            "out": torch.nn.Linear(6, 5),
        }
    ).double()
    draw = Draw("imported")
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(draw.uniform(*p.shape, bound=0.8))
    words = draw.index(11, 5, 3)
    y = net["out"](net["norm"](net["encoder"](net["words"](words))[0]))
    write(directory, "imported", {**net.state_dict(), "words": words, "y": y}, {"format": "pt"})


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for make in (cells, both_ways, losses, activations, clip, optimizers, schedules, interop, imported):
        make(directory)


if __name__ == "__main__":
    main()

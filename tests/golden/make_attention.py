"""Write golden vectors of attention: attention.safetensors.

Scores are written out in plain tensor operations and differentiated by PyTorch's autograd in f64;
the multi-head case is torch.nn.MultiheadAttention itself. Run it as

    OMP_NUM_THREADS=1 python3 make_attention.py [directory]

A case is SCORE.query.memory.size.batch.steps.reads. Keys: the weights by Reel's names; `h` [steps,
batch, memory]; `s` [reads, batch, query], one query after another; `lengths` [batch]; `c` [reads,
batch, memory] and `a` [reads, batch, (heads,) steps]; `R`, `Ra` and `loss`, the sum of c R + a Ra
and of the coverage losses; `grad.NAME`, its derivatives.
"""

import math
import pathlib
import sys

import torch

from make_golden import F64, Draw, leaf, write


def case(out, score, query, memory, size, batch, lengths, reads, heads=1):
    steps = max(lengths)
    name = f"{score}.{query}.{memory}.{size}.{batch}.{steps}.{reads}"
    draw = Draw(name)
    w = {}

    def weight(key, *shape):
        if key not in w:
            w[key] = leaf(draw.uniform(*shape, bound=0.8))
        return w[key]

    h = leaf(draw.normal(steps, batch, memory))
    s = leaf(draw.normal(reads, batch, query))
    length = torch.tensor(lengths)
    there = torch.arange(steps)[None, :] < length[:, None]  # [batch, steps]
    values = h.transpose(0, 1)
    covered = torch.zeros(batch, steps, dtype=F64)
    contexts, weights, penalty = [], [], 0.0
    for r in range(reads):
        q = s[r]
        if score == "multi_head":
            E = memory
            W, b = weight("in_proj_weight", 3 * E, E), weight("in_proj_bias", 3 * E)
            O, ob = weight("out_proj.weight", E, E), weight("out_proj.bias", E)
            module = torch.nn.MultiheadAttention(E, heads, batch_first=True, dtype=F64)
            parts = {"in_proj_weight": W, "in_proj_bias": b}
            parts.update({"out_proj.weight": O, "out_proj.bias": ob})
            c, a = torch.func.functional_call(
                module,
                parts,
                (q[:, None, :], values, values),
                {"key_padding_mask": ~there, "average_attn_weights": False},
            )
            contexts.append(c[:, 0])
            weights.append(a[:, :, 0])
            continue
        if score in ("additive", "coverage"):
            sums = (q @ weight("weight_query", size, query).T)[:, None] + values @ weight(
                "weight_key", size, memory
            ).T
            if score == "coverage":
                sums = sums + covered[:, :, None] * weight("weight_coverage", size)
            e = torch.tanh(sums) @ weight("weight_score", size)
        elif score == "concatenated":
            both = torch.cat([q[:, None].expand(-1, steps, -1), values], 2)
            e = torch.tanh(both @ weight("weight_concat", size, query + memory).T)
            e = e @ weight("weight_score", size)
        elif score == "general":
            e = ((values @ weight("weight_general", query, memory).T) * q[:, None]).sum(2)
        else:
            e = (values * q[:, None]).sum(2)
            e = e / math.sqrt(memory) if score == "scaled_dot" else e
        a = torch.softmax(e.masked_fill(~there, -math.inf), 1)
        if score == "coverage":
            penalty = penalty + torch.minimum(a, covered).sum(1).mean()
            covered = covered + a
        contexts.append((a[:, :, None] * values).sum(1))
        weights.append(a)
    c, a = torch.stack(contexts), torch.stack(weights)
    R, Ra = draw.normal(*c.shape), draw.normal(*a.shape)
    loss = (c * R).sum() + (a * Ra).sum() + penalty
    inputs = {**w, "h": h, "s": s}
    grads = torch.autograd.grad(loss, list(inputs.values()))
    tensors = {**inputs, "lengths": length, "c": c, "a": a, "R": R, "Ra": Ra, "loss": loss}
    tensors.update({f"grad.{key}": g for key, g in zip(inputs, grads)})
    out.update({f"{name}/{key}": t for key, t in tensors.items()})


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    torch.set_num_threads(1)
    out = {}
    lengths = [5, 2, 1]
    case(out, "additive", 3, 5, 4, 3, lengths, 2)
    case(out, "coverage", 3, 5, 4, 3, lengths, 3)
    case(out, "concatenated", 3, 5, 4, 3, lengths, 2)
    case(out, "general", 3, 5, 0, 3, lengths, 2)
    case(out, "dot", 5, 5, 0, 3, lengths, 2)
    case(out, "scaled_dot", 5, 5, 0, 3, lengths, 2)
    case(out, "multi_head", 6, 6, 3, 3, lengths, 2, heads=3)
    write(directory, "attention", out, {"made by": "make_attention.py, which explains the keys"})


if __name__ == "__main__":
    main()

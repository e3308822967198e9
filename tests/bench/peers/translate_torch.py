"""The translator of examples/translate in PyTorch, for speed and BLEU side by side with reel-translate.

    python tests/bench/peers/translate_torch.py TRAIN.en TRAIN.de TEST.en TEST.de [OPTION]...

Bidirectional GRU of 256 units in each direction, additive attention, GRU decoder of 256 units that attends by its last
state, readout tanh of state, context and word, dropout 0.3 on embedded words and readouts, Adam 1e-3, batches of 64
pairs, global-norm clip 1. One thread. Batches are drawn at random in each epoch, as by `reel-translate
train --pool 1`, and padded; with --sorted they are of pairs of like length, as with its --pool 0.
"""
import argparse
import collections
import math
import random
import sys
import time

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    sys.exit("translate_torch: PyTorch is not installed: skipped")

UNK, BOS, EOS = 0, 1, 2


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [line.split() for line in lines]


def vocabulary(sentences):
    counts = collections.Counter(word for s in sentences for word in s)
    words = sorted((w for w in counts if counts[w] >= 2), key=lambda w: (-counts[w], w.encode()))
    return ["<unk>", "<s>", "</s>"] + words


def numbers(sentences, words):
    index = {w: i for i, w in enumerate(words)}
    return [[index.get(w, UNK) for w in s] for s in sentences]


def padded(rows, filler):
    longest = max(map(len, rows))
    return torch.tensor([r + [filler] * (longest - len(r)) for r in rows])


class Translator(nn.Module):
    def __init__(self, source, target, size=256, dropout=0.3):
        super().__init__()
        self.source = nn.Embedding(source, size)
        self.target = nn.Embedding(target, size)
        self.encoder = nn.GRU(size, size, bidirectional=True, batch_first=True)
        self.start = nn.Linear(size, size)
        self.cell = nn.GRUCell(3 * size, size)
        self.query = nn.Linear(size, size, bias=False)
        self.key = nn.Linear(2 * size, size, bias=False)
        self.score = nn.Linear(size, 1, bias=False)
        self.readout = nn.Linear(4 * size, size)
        self.out = nn.Linear(size, target)
        self.dropout = nn.Dropout(dropout)

    def read(self, words, lengths):
        x = self.dropout(self.source(words))
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        h, last = self.encoder(packed)
        h, _ = nn.utils.rnn.pad_packed_sequence(h, batch_first=True, total_length=words.shape[1])
        mask = torch.arange(words.shape[1])[None] < lengths[:, None]
        return h, self.key(h), mask, torch.tanh(self.start(last[1]))

    def step(self, x, s, h, key, mask):
        e = self.score(torch.tanh(self.query(s)[:, None] + key)).squeeze(-1)
        a = e.masked_fill(~mask, -math.inf).softmax(-1)
        c = torch.bmm(a[:, None], h).squeeze(1)
        s = self.cell(torch.cat([x, c], 1), s)
        return s, self.dropout(torch.tanh(self.readout(torch.cat([s, c, x], 1))))

    def forward(self, words, lengths, last):
        h, key, mask, s = self.read(words, lengths)
        x = self.dropout(self.target(last))
        readouts = []
        for t in range(last.shape[1]):
            s, r = self.step(x[:, t], s, h, key, mask)
            readouts.append(r)
        return self.out(torch.stack(readouts, 1))

    @torch.no_grad()
    def greedy(self, words, lengths, longest):
        h, key, mask, s = self.read(words, lengths)
        last = torch.full((len(words),), BOS)
        said = []
        for _ in range(longest):
            s, r = self.step(self.target(last), s, h, key, mask)
            last = self.out(r).argmax(-1)
            said.append(last)
        return torch.stack(said, 1).tolist()


def bleu(candidates, references):
    match, total, c, r = [0] * 4, [0] * 4, 0, 0
    for said, right in zip(candidates, references):
        c, r = c + len(said), r + len(right)
        for n in range(4):
            own = collections.Counter(zip(*(said[i:] for i in range(n + 1))))
            true = collections.Counter(zip(*(right[i:] for i in range(n + 1))))
            match[n] += sum(min(k, true[g]) for g, k in own.items())
            total[n] += sum(own.values())
    if min(match) == 0:
        return 0.0
    brevity = min(1, math.exp(1 - r / c))
    return 100 * brevity * math.exp(sum(math.log(m / t) for m, t in zip(match, total)) / 4)


def evaluate(model, source, references, words):
    model.eval()
    order = sorted(range(len(source)), key=lambda i: len(source[i]))
    said = [None] * len(source)
    for i in range(0, len(order), 64):
        part = order[i:i + 64]
        lengths = torch.tensor([len(source[k]) for k in part])
        rows = model.greedy(padded([source[k] for k in part], UNK), lengths, 2 * int(lengths.max()) + 10)
        for k, row in zip(part, rows):
            row = row[:row.index(EOS)] if EOS in row else row
            said[k] = [words[w] for w in row]
    model.train()
    return bleu(said, references)


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("text", nargs=4, metavar="FILE", help="TRAIN.en TRAIN.de TEST.en TEST.de")
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--updates", type=int, choices=range(1, 1000000), metavar="N", help="of an epoch, for speed alone; then BLEU is not taken")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sorted", action="store_true", help="pairs of like length side by side")
    return parser.parse_args()


def draw(pairs, alike):
    """An epoch's batches."""
    order = list(range(len(pairs)))
    random.shuffle(order)
    if alike:
        order.sort(key=lambda i: (len(pairs[i][1]), len(pairs[i][0])))
    batches = [order[i:i + 64] for i in range(0, len(order), 64)]
    random.shuffle(batches)
    return batches


def main():
    asked = options()
    torch.set_num_threads(1)
    torch.manual_seed(asked.seed)
    random.seed(asked.seed)
    texts = [read(path) for path in asked.text]
    source_words, target_words = vocabulary(texts[0]), vocabulary(texts[1])
    source, target = numbers(texts[0], source_words), numbers(texts[1], target_words)
    test = numbers(texts[2], source_words)
    model = Translator(len(source_words), len(target_words))
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(1, asked.epochs + 1):
        batches = draw(list(zip(source, target)), asked.sorted)
        begun, count, total = time.perf_counter(), 0, 0.0
        for part in batches[:asked.updates]:
            lengths = torch.tensor([len(source[i]) for i in part])
            last = padded([[BOS] + target[i] for i in part], BOS)
            right = padded([target[i] + [EOS] for i in part], -1)
            logits = model(padded([source[i] for i in part], UNK), lengths, last)
            loss = F.cross_entropy(logits.flatten(0, 1), right.flatten(), ignore_index=-1)
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1)
            adam.step()
            words = sum(len(target[i]) + 1 for i in part)
            count, total = count + words, total + loss.item() * words
        took = time.perf_counter() - begun
        print(f"epoch {epoch}  loss {total / count:.4f}  {count / took:.0f} words/s", end="  ", flush=True)
        print("" if asked.updates else f"BLEU {evaluate(model, test, texts[3], target_words):.2f}", flush=True)


main()

"""Recurrent cells in PyTorch, the peers of tests/bench/rnn: see compare.py.

A contender is made for (hidden, batch, steps) and trains on the same work as Reel's: the loss is
the sum of the outputs, each times a fixed random number; `inputs` says whether its derivatives with
respect to the inputs are wanted beside those of the weights; if not, an SGD step of rate 0 follows.
"""

import random
import time

import torch

SHORTEST, LONGEST = 5, 50


class Hand(torch.nn.Module):
    """An LSTM as one writes it: a linear map and a few operations for each step."""

    def __init__(self, hidden):
        super().__init__()
        self.hidden = hidden
        self.input = torch.nn.Linear(hidden, 4 * hidden)
        self.recurrent = torch.nn.Linear(hidden, 4 * hidden, bias=False)

    def forward(self, x):
        h = c = x.new_zeros(x.shape[1], self.hidden)
        out = []
        for step in x.unbind(0):
            i, f, g, o = (self.input(step) + self.recurrent(h)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            out.append(h)
        return torch.stack(out)


class Fixed:
    """A batch of sequences of one length."""

    def __init__(self, net, hidden, batch, steps):
        self.net = net(hidden)
        self.x = torch.randn(steps, batch, hidden)
        self.r = 1e-2 * torch.randn(steps, batch, hidden)
        self.items = steps * batch

    def draw(self, inputs):
        self.x.grad = None
        self.x.requires_grad_(inputs)

    def loss(self):
        y = self.net(self.x)
        return ((y[0] if isinstance(y, tuple) else y) * self.r).sum()


class Ragged:
    """Sequences of random lengths, new ones each time, packed as PyTorch does."""

    def __init__(self, net, hidden, batch, _):
        self.net = net(hidden)
        self.hidden, self.batch = hidden, batch
        self.data = torch.randn(batch * LONGEST, hidden)
        self.factors = 1e-2 * torch.randn(batch * LONGEST, hidden)
        self.random = random.Random(1)

    def draw(self, inputs):
        self.lengths = [self.random.randint(SHORTEST, LONGEST) for _ in range(self.batch)]
        self.items = sum(self.lengths)
        self.x = self.data[: self.items].detach().requires_grad_(inputs)

    def loss(self):
        sequences = self.x.split(self.lengths)
        y, _ = self.net(torch.nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False))
        return (y.data * self.factors[: self.items]).sum()


class Cell:
    """A module of torch.nn under its own name."""

    def __init__(self, module):
        self.module = module

    def __call__(self, hidden):
        return self.module(hidden, hidden)


# Of each of Reel's tables: name, kind of work, network, gates.
CONTENDERS = {
    "lstm": [
        ("nn.LSTM", Fixed, Cell(torch.nn.LSTM), 4),
        ("by hand", Fixed, Hand, 4),
    ],
    "gru": [("nn.GRU", Fixed, Cell(torch.nn.GRU), 3)],
    "rnn": [("nn.RNN", Fixed, Cell(torch.nn.RNN), 1)],
    "ragged": [("packed", Ragged, Cell(torch.nn.LSTM), 4)],
}


class Contender:
    """One of them, warm."""

    def __init__(self, entry, hidden, batch, steps, clock):
        self.name, kind, net, gates = entry
        self.clock = clock
        self.work = kind(net, hidden, batch, steps)
        self.optimizer = torch.optim.SGD(self.work.net.parameters(), lr=0.0)
        # Operations for each step of a sequence: without the inputs' derivatives, one product less.
        self.flops = {True: 12 * gates * hidden**2, False: 10 * gates * hidden**2}
        for inputs in (True, False) * 2:
            self.iterate(inputs)

    def iterate(self, inputs):
        """GFLOP/s of one iteration."""
        self.work.draw(inputs)
        start = self.clock()
        self.optimizer.zero_grad()
        loss = self.work.loss()
        loss.backward()
        if not inputs:
            self.optimizer.step()
        loss.item()
        return self.flops[inputs] * self.work.items / (self.clock() - start) * 1e-9

    def rates(self, inputs, seconds):
        """Of as many iterations as fit, three at least."""
        rates, end = [], time.perf_counter() + seconds
        while len(rates) < 3 or time.perf_counter() < end:
            rates.append(self.iterate(inputs))
        return rates

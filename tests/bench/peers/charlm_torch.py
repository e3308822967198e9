"""Speed of a character model in PyTorch, the peer of tests/bench: characters trained per second.

    python3 charlm_torch.py TEXT [--hidden 128] [--layers 2] [--seq 50] [--batch 50]
                            [--chunks 200] [--warm-up 20]

Embedding of size H, LSTM, linear readout, Adam, global-norm clip 5, f32, one thread, state carried
from chunk to chunk.  One chunk is seq x batch characters; its time covers gathering the data,
forward, backward, clipping and update.  Prints the median over the chunks timed, and the
quartiles.
"""

import argparse
import itertools
import statistics
import time

import torch


class Model(torch.nn.Module):
    def __init__(self, vocabulary, hidden, layers):
        super().__init__()
        self.embedding = torch.nn.Embedding(vocabulary, hidden)
        self.lstm = torch.nn.LSTM(hidden, hidden, layers)
        self.readout = torch.nn.Linear(hidden, vocabulary)

    def forward(self, x, state):
        y, state = self.lstm(self.embedding(x), state)
        return self.readout(y), state


def columns(path, batch):
    """The text as indices [length, batch], each column a contiguous stretch, and its alphabet."""
    with open(path, "rb") as file:
        text = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
    alphabet, index = torch.unique(text, return_inverse=True)
    length = len(index) // batch
    return index[: length * batch].view(batch, length).t().contiguous(), len(alphabet)


def train(data, vocabulary, hidden, layers, seq, clock=time.perf_counter):
    """Trains on one chunk after another of data [length, batch]; yields seconds and loss."""
    per_epoch = (len(data) - 1) // seq
    model = Model(vocabulary, hidden, layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    state = None
    for k in itertools.count():
        start = clock()
        at = k % per_epoch * seq
        x, target = data[at : at + seq], data[at + 1 : at + seq + 1]
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state)
        loss = torch.nn.functional.cross_entropy(logits.view(-1, vocabulary), target.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        yield clock() - start, loss


def main():
    parser = argparse.ArgumentParser(description="characters per second of an LSTM in PyTorch")
    parser.add_argument("text")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--seq", type=int, default=50)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--chunks", type=int, default=200)
    parser.add_argument("--warm-up", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    data, vocabulary = columns(args.text, args.batch)
    if len(data) <= args.seq:
        parser.error(f"{args.text}: shorter than one chunk of {args.seq} x {args.batch}")
    chunks = train(data, vocabulary, args.hidden, args.layers, args.seq)
    seconds = []
    for taken, loss in itertools.islice(chunks, args.warm_up + args.chunks):
        seconds.append(taken)
    rates = [args.seq * args.batch / s for s in seconds[args.warm_up :]]
    low, median, high = statistics.quantiles(rates, n=4)
    print(
        f"torch {torch.__version__.split('+')[0]}: {args.layers}x{args.hidden} LSTM, "
        f"seq {args.seq}, batch {args.batch}: {median:.0f} chars/s "
        f"(quartiles {low:.0f} to {high:.0f}), loss {loss.item():.3f} nats/char"
    )


if __name__ == "__main__":
    main()

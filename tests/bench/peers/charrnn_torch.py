"""char-rnn's default configuration in PyTorch: a cross-check of Reel's learning curve.

    python3 charrnn_torch.py TEXT [--epochs 11] [--seed 1] [--whole] ...

The settings, spelled out:

- bytes as characters; the vocabulary is every byte of the whole text (65 for tinyshakespeare);
- the last 5 % of the text is held out: the first floor(0.95 n) characters are for training;
- training text cut to a multiple of batch x seq and laid out as `batch` contiguous columns; an
  epoch is its chunks in order, each of `seq` steps.  A chunk's last target is the next chunk's
  first input, the very last one that of the first chunk, as in char-rnn;
- one-hot input, 2x128 LSTM with PyTorch's two biases, linear readout with bias, no dropout;
- every weight and bias ~ U(-0.08, 0.08), then the forget block of each layer's input-side bias
  is set to 1 (the recurrent-side one keeps its random value);
- loss: mean over the batch, summed over the steps; each gradient entry clipped to [-5, 5];
- RMSprop: m = 0.95 m + 0.05 g^2, w -= rate g / (sqrt(m) + 1e-8), rate 2e-3, multiplied by 0.97
  after each epoch from the tenth on (so the eleventh is the first with a smaller rate);
- state zero at the start, carried between chunks without gradient, also across epochs;
- held-out loss: nats per character, the held-out text laid out and cut as the training text,
  state zero at its start and carried, weights as they are at the end of the epoch.  With --whole
  it is read as one sequence instead, every character of it.

Options to see what a setting is worth: --mean-steps averages the loss over the steps too, --reset
zeroes the state at each epoch's start, --one-bias keeps the recurrent-side biases at zero.
"""

import argparse
import sys
import time

import torch
import torch.nn.functional as F


class Model(torch.nn.Module):
    def __init__(self, vocabulary, hidden=128, layers=2, one_bias=False):
        super().__init__()
        self.vocabulary = vocabulary
        self.lstm = torch.nn.LSTM(vocabulary, hidden, layers)
        self.readout = torch.nn.Linear(hidden, vocabulary)
        with torch.no_grad():
            for p in self.parameters():
                p.uniform_(-0.08, 0.08)
            for l in range(layers):
                getattr(self.lstm, f"bias_ih_l{l}")[hidden : 2 * hidden] = 1.0
                if one_bias:
                    getattr(self.lstm, f"bias_hh_l{l}").zero_().requires_grad_(False)

    def forward(self, x, state):
        y, state = self.lstm(F.one_hot(x, self.vocabulary).float(), state)
        return self.readout(y), tuple(s.detach() for s in state)

    def loss_sum(self, x, target, state):
        """Nats summed over all characters of the chunk."""
        logits, state = self(x, state)
        return F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="sum"), state


def read(path):
    with open(path, "rb") as file:
        text = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
    alphabet, index = torch.unique(text, return_inverse=True)
    return index, len(alphabet)


def chunks(index, batch, seq):
    """A list of (inputs, targets), both [seq, batch]."""
    length = len(index) // (batch * seq) * seq
    used = index[: length * batch]
    target = torch.cat([used[1:], used[:1]])
    x, y = (v.view(batch, length).t().contiguous() for v in (used, target))
    return list(zip(x.split(seq), y.split(seq)))


@torch.no_grad()
def held_out(model, pieces):
    total, count, state = 0.0, 0, None
    for x, target in pieces:
        loss, state = model.loss_sum(x, target, state)
        total += loss.item()
        count += target.numel()
    return total / count


def whole(index, seq=1000):
    x, y = index[:-1].unsqueeze(1), index[1:].unsqueeze(1)
    return list(zip(x.split(seq), y.split(seq)))


def train_epoch(model, optimizer, pieces, state, clip, mean_steps):
    """Returns the mean training loss, the final state and the fraction of entries clipped."""
    total, clipped, entries = 0.0, 0, 0
    for x, target in pieces:
        loss, state = model.loss_sum(x, target, state)
        scale = target.numel() if mean_steps else target.shape[1]
        optimizer.zero_grad()
        (loss / scale).backward()
        for p in (p for p in model.parameters() if p.requires_grad):
            clipped += (p.grad.abs() > clip).sum().item()
            entries += p.numel()
        torch.nn.utils.clip_grad_value_(model.parameters(), clip)
        optimizer.step()
        total += loss.item() / target.numel()
    return total / len(pieces), state, clipped / entries


def main():
    parser = argparse.ArgumentParser(description="held-out curve of char-rnn's configuration")
    parser.add_argument("text")
    parser.add_argument("--epochs", type=int, default=11)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mean-steps", action="store_true", help="average over steps, not sum")
    parser.add_argument("--reset", action="store_true", help="zero state at each epoch's start")
    parser.add_argument("--one-bias", action="store_true", help="one bias per gate, not two")
    parser.add_argument("--whole", action="store_true", help="held-out text as one sequence")
    args = parser.parse_args()
    batch, seq = 50, 50
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    index, vocabulary = read(args.text)
    cut = int(len(index) * 0.95)
    train = chunks(index[:cut], batch, seq)
    test = whole(index[cut:]) if args.whole else chunks(index[cut:], batch, seq)
    if not train or not test:
        parser.error(f"{args.text}: too short for chunks of {seq} x {batch}")
    model = Model(vocabulary, one_bias=args.one_bias)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.RMSprop(trained, lr=2e-3, alpha=0.95, eps=1e-8)
    print(f"vocabulary {vocabulary}, {len(train)} chunks to train, {len(test)} held out")
    state = None
    for epoch in range(1, args.epochs + 1):
        start = time.perf_counter()
        if args.reset:
            state = None
        loss, state, clipped = train_epoch(
            model, optimizer, train, state, clip=5.0, mean_steps=args.mean_steps
        )
        rate = len(train) * seq * batch / (time.perf_counter() - start)
        print(
            f"epoch {epoch}: held-out {held_out(model, test):.3f} nats/char, "
            f"training {loss:.3f}, clipped {clipped:.2e}, {rate:.0f} chars/s"
        )
        sys.stdout.flush()
        if epoch >= 10:
            optimizer.param_groups[0]["lr"] *= 0.97


if __name__ == "__main__":
    main()

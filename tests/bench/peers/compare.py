"""Reel and PyTorch side by side: the same work, on the same cores, in turns.

    python3 compare.py [--build build] [--threads 1] [--tables lstm,gru,...] [--rows H,B,T:...]
                       [--models 2x128,...] [--rounds 3] [--executor NAME] [--cpu-time]

For each row of tests/bench/rnn and each model of tests/bench/chars, Reel's program and PyTorch take
turns for some rounds; medians are printed, in GFLOP/s of the matrix products (of those that the
work needs) and in characters per second. "all" is forward and backward of weights and inputs,
"weights" a training step. The process is pinned to as many cores as there are threads. On a busy
machine, --cpu-time counts, of both, the time that the process had a core. `make bench` builds Reel's
programs. Without PyTorch there is nothing to compare with: the program says so and succeeds.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time

ROWS = "64,1,50:128,16,50:128,32,50:256,32,50:256,64,50:512,32,35:512,64,50"
RAGGED_ROWS = "128,16,50:128,32,50:256,32,50:256,64,50"
MODELS = {"2x128": (2, 128, 50, 50), "2x256": (2, 256, 64, 32), "3x512": (3, 512, 50, 50)}
TABLES = ("lstm", "gru", "rnn", "ragged", "chars")
VOCABULARY = 65
SECONDS = 0.3  # that PyTorch gets for each column and round


def rows_of(parser, text):
    try:
        rows = [tuple(int(n) for n in row.split(",")) for row in text.split(":")]
    except ValueError:
        rows = []
    if not rows or any(len(row) != 3 for row in rows):
        parser.error(f"--rows {text!r}: expected H,B,T, with colons between rows")
    return rows


def arguments():
    parser = argparse.ArgumentParser(description="Reel and PyTorch side by side, in turns")
    parser.add_argument("--build", default="build", help="where Reel was built (build)")
    parser.add_argument("--threads", type=int, default=1, help="of both (1)")
    parser.add_argument("--tables", default=",".join(TABLES), help="some of %(default)s")
    parser.add_argument("--rows", help="hidden size, batch and steps (those that have goals)")
    parser.add_argument("--models", default=",".join(MODELS), help="some of %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (3)")
    parser.add_argument("--executor", help="Reel's engine, as in REEL_EXECUTOR")
    parser.add_argument("--cpu-time", action="store_true", help="count time on a core only")
    args = parser.parse_args()
    args.tables = args.tables.split(",")
    args.models = args.models.split(",")
    args.ragged_rows = rows_of(parser, args.rows or RAGGED_ROWS)
    args.rows = rows_of(parser, args.rows or ROWS)
    if args.cpu_time and args.threads > 1:
        parser.error("--cpu-time is for one thread")
    if args.threads < 1 or args.rounds < 1:
        parser.error("--threads and --rounds: expected 1 or more")
    for given, known, option in (
        (args.tables, TABLES, "--tables"),
        (args.models, MODELS, "--models"),
    ):
        for name in given:
            if name not in known:
                parser.error(f"{option}: no {name!r}: expected some of {', '.join(known)}")
    return args


CORES = []


def pin(threads):
    """To the first cores, a thread to each, and the libraries' threads to as many; before PyTorch is loaded. Some
    systems else keep two threads on one core for a while, once a process was told which cores it has."""
    os.environ["OMP_PROC_BIND"] = "true"
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < threads:
            print(f"{threads} threads share {len(cores)} cores")
        os.sched_setaffinity(0, cores[:threads])
        CORES.extend(cores[:threads])


def unpin():
    """For a program that this one starts: PyTorch may have bound its own thread to one core."""
    if CORES:
        os.sched_setaffinity(0, CORES)


def reel(args, program, *options):
    """Runs one of Reel's benchmarks; its table's only line, by column."""
    command = [os.path.join(args.build, "tests", "bench", program), "--quick"]
    command += ["--threads", str(args.threads), *options]
    command += ["--cpu-time"] if args.cpu_time else []
    if args.executor:
        command += ["--executor", args.executor]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, preexec_fn=unpin)
    except FileNotFoundError:
        sys.exit(f"compare.py: {command[0]} is missing: build it with make -C {args.build} bench")
    except subprocess.CalledProcessError:
        sys.exit(f"compare.py: failed: {' '.join(command)}")
    lines = [line.split() for line in done.stdout.splitlines()]
    at = next(i for i, line in enumerate(lines) if line[:1] in (["table"], ["model"]))
    return dict(zip(lines[at], lines[at + 1]))


def clock(args):
    return time.process_time if args.cpu_time else time.perf_counter


def compare_row(args, table, row):
    """Prints a row's two columns of each contender."""
    import rnn_torch

    entries = rnn_torch.CONTENDERS[table]
    contenders = [rnn_torch.Contender(entry, *row, clock(args)) for entry in entries]
    names = ["Reel"] + [c.name for c in contenders]
    rates = {(name, inputs): [] for name in names for inputs in (True, False)}
    sgemm = []
    for _ in range(args.rounds):
        line = reel(args, "rnn", "--table", table, "--rows", ",".join(map(str, row)))
        rates["Reel", True].append(float(line["GFLOP/s"]))
        rates["Reel", False].append(float(line["w-GFLOP/s"]))
        sgemm.append(float(line["sgemm"]))
        for c in contenders:
            for inputs in (True, False):
                rates[c.name, inputs] += c.rates(inputs, SECONDS)
    rate = {key: statistics.median(values) for key, values in rates.items()}
    cells = []
    for inputs in (True, False):
        best = max(rate[name, inputs] for name in names[1:])
        cells.append("".join(f"{rate[name, inputs]:9.1f}" for name in names))
        cells.append(f"{rate['Reel', inputs] / best:7.2f}")
    hidden, batch, steps = row
    where = f"{table:7} {hidden:4} {batch:3} {'5-50' if table == 'ragged' else steps:>5}"
    print(where, *cells, f"{statistics.median(sgemm):7.1f}", flush=True)


def compare_table(args, table):
    import rnn_torch

    names = ["Reel"] + [entry[0] for entry in rnn_torch.CONTENDERS[table]]
    columns = "".join(f"{name:>9}" for name in names) + f" {'ratio':>7}"
    wide = len(columns)
    print(f"\n{'':22} {'all, GFLOP/s':>{wide}} {'weights, GFLOP/s':>{wide}}")
    print(f"{'table':7} {'H':>4} {'B':>3} {'T':>5} {columns} {columns} {'sgemm':>7}")
    for row in args.ragged_rows if table == "ragged" else args.rows:
        compare_row(args, table, row)


def compare_models(args):
    import charlm_torch
    import torch

    print(f"\n{'model':7} {'Reel':>9} {'PyTorch':>9} {'ratio':>7} {'sgemm':>7}   chars/s")
    for name in args.models:
        layers, hidden, seq, batch = MODELS[name]
        text = torch.randint(VOCABULARY, (20 * seq + 1, batch))
        chunks = charlm_torch.train(text, VOCABULARY, hidden, layers, seq, clock(args))
        for _ in range(3):  # warms up
            next(chunks)
        ours, peer, sgemm = [], [], []
        for _ in range(args.rounds):
            line = reel(args, "chars", "--model", name)
            ours.append(float(line["chars/s"]))
            sgemm.append(float(line["sgemm"]))
            spent = 0
            for taken, _ in itertools.islice(chunks, 1000):
                peer.append(seq * batch / taken)
                spent += taken
                if spent > 5 * SECONDS:
                    break
        ours, peer = statistics.median(ours), statistics.median(peer)
        ratio = ours / peer
        large = statistics.median(sgemm)
        print(f"{name:7} {ours:9.0f} {peer:9.0f} {ratio:7.2f} {large:7.1f}", flush=True)


def main():
    args = arguments()
    pin(args.threads)
    try:
        import torch
    except ImportError as missing:
        print(
            f"compare.py: {missing}: there is nothing to compare with.\n"
            f"Reel's own figures: {args.build}/tests/bench/rnn and chars, beside it.\n"
            "To compare: python3 -m venv DIR && DIR/bin/pip install torch numpy, then run this by\n"
            "DIR/bin/python3."
        )
        return
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    print(f"Reel and torch {torch.__version__}, threads: {args.threads}")
    for table in args.tables:
        if table == "chars":
            compare_models(args)
        else:
            compare_table(args, table)


if __name__ == "__main__":
    main()

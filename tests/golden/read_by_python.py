"""Read a safetensors file with the safetensors package and print what it holds.

    python3 read_by_python.py FILE

One line per tensor, sorted by name: name, dtype, shape, sum of the entries; the sum is taken in
f64 and printed with 17 significant digits.  Metadata comes first, one "# key: value" a line.
Exit status: 0 read, 1 the file was refused (the reason is printed), 77 the package is missing,
2 wrong usage.
"""

import sys


def describe(path, safe_open, numpy):
    with safe_open(path, framework="numpy") as file:
        for key, value in sorted((file.metadata() or {}).items()):
            print(f"# {key}: {value}")
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name)
            shape = "x".join(map(str, tensor.shape)) or "scalar"
            total = tensor.sum(dtype=numpy.float64)
            print(f"{name} {tensor.dtype} {shape} {total:.17g}")


def main():
    if len(sys.argv) != 2:
        print("usage: read_by_python.py FILE", file=sys.stderr)
        return 2
    try:
        import numpy
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 77
    try:
        describe(sys.argv[1], safe_open, numpy)
    except (OSError, SafetensorError) as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Reel from Python through ctypes: no macros, only the plain functions. Arguments: library, version."""
import ctypes as c
import math
import sys

REEL_OK, REEL_ERR_SHAPE, REEL_F64 = 0, 3, 2


class Shape(c.Structure):
    _fields_ = [("rank", c.c_int), ("dim", c.c_int64 * 4)]


class TapeArgs(c.Structure):
    _fields_ = [
        ("threads", c.c_int), ("dtype", c.c_int), ("executor", c.c_int), ("inference", c.c_bool),
        ("trap_nan", c.c_bool), ("seed", c.c_uint64), ("on_error", c.c_void_p), ("context", c.c_void_p),
        ("at", c.c_char_p),
    ]


def shape(*dims):
    return Shape(len(dims), (c.c_int64 * 4)(*dims, *[1] * (4 - len(dims))))


def load(path):
    reel = c.CDLL(path)
    node = c.c_void_p
    signatures = {
        "reel_version": (c.c_char_p, []),
        "reel_tape_new_with": (c.c_void_p, [c.POINTER(TapeArgs)]),
        "reel_tape_free": (None, [c.c_void_p]),
        "reel_tape_status": (c.c_int, [c.c_void_p]),
        "reel_tape_message": (c.c_char_p, [c.c_void_p]),
        "reel_input_at": (node, [c.c_char_p, c.c_void_p, c.c_int, c.c_void_p, Shape]),
        "reel_matmul": (node, [node, node]),
        "reel_tanh": (node, [node]),
        "reel_sum": (node, [node]),
        "reel_grad_at": (c.c_int, [c.c_char_p, node, c.c_size_t, c.POINTER(node), c.POINTER(node)]),
        "reel_read": (c.c_int, [node, c.POINTER(c.c_double), c.c_size_t]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(reel, name)
        function.restype, function.argtypes = result, arguments
    return reel


def main():
    reel = load(sys.argv[1])
    assert reel.reel_version().decode() == sys.argv[2], reel.reel_version()
    tape = reel.reel_tape_new_with(c.byref(TapeArgs(threads=1, dtype=REEL_F64, at=b"prototype.py")))

    def matrix(rows):
        flat = [x for row in rows for x in row]
        data = (c.c_double * len(flat))(*flat)
        return reel.reel_input_at(b"prototype.py", tape, REEL_F64, data, shape(len(rows), len(rows[0])))

    # y = Σ tanh(a b): dy/da = (1 - tanh²) bᵀ
    a, b = [[0.1, -0.2], [0.3, 0.4]], [[1.0], [-2.0]]
    x = matrix(a)
    y = reel.reel_sum(reel.reel_tanh(reel.reel_matmul(x, matrix(b))))
    dx, values = c.c_void_p(), (c.c_double * 4)()
    status = reel.reel_grad_at(b"prototype.py", y, 1, c.byref(c.c_void_p(x)), c.byref(dx))
    assert status == REEL_OK, reel.reel_tape_message(tape)
    assert reel.reel_read(dx, values, 4) == REEL_OK, reel.reel_tape_message(tape)
    for i in range(2):
        slope = 1 - math.tanh(sum(a[i][k] * b[k][0] for k in range(2))) ** 2
        for j in range(2):
            assert abs(values[2 * i + j] - slope * b[j][0]) < 1e-14, list(values)

    reel.reel_matmul(x, matrix([[1.0, 2.0, 3.0]]))
    assert reel.reel_tape_status(tape) == REEL_ERR_SHAPE
    message = reel.reel_tape_message(tape).decode()
    assert "[2,2]" in message and "[1,3]" in message, message
    reel.reel_tape_free(tape)


main()

// Reel from C++17: structs are filled by hand, since C++ has no compound literals.
#include <reel/reel.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

namespace {

struct free_tape {
    void operator()(reel_tape *tape) const
    {
        reel_tape_free(tape);
    }
};

int fail(const std::string &what)
{
    std::fprintf(stderr, "prototype.cc: %s\n", what.c_str());
    return 1;
}

} // namespace

int main()
{
    if (std::string(reel_version()) != REEL_VERSION) {
        return fail("headers and library differ");
    }
    reel_tape_args args{};
    args.threads = 1;
    args.dtype = REEL_F64;
    args.at = REEL_HERE;
    std::unique_ptr<reel_tape, free_tape> tape(reel_tape_new_with(&args));

    // d/dx Σ tanh(x)² = 2 tanh(x) (1 - tanh(x)²), and once more.
    const double at[3] = {-0.5, 0.25, 1.5};
    const std::int64_t size[1] = {3};
    reel_node *x = reel_input(tape.get(), REEL_F64, at, reel_shape_of(1, size));
    reel_node *t = reel_tanh(x);
    reel_node *y = reel_sum(reel_mul(t, t));
    reel_node *dx = nullptr, *ddx = nullptr;
    double first[3], second[3];
    if (reel_grad(y, 1, &x, &dx) != REEL_OK || reel_grad(reel_sum(dx), 1, &x, &ddx) != REEL_OK ||
        reel_read(dx, first, 3) != REEL_OK || reel_read(ddx, second, 3) != REEL_OK) {
        return fail(reel_tape_message(tape.get()));
    }
    for (int i = 0; i < 3; i++) {
        const double h = std::tanh(at[i]), slope = 1 - h * h;
        if (std::abs(first[i] - 2 * h * slope) > 1e-14) {
            return fail("first derivative " + std::to_string(first[i]));
        }
        if (std::abs(second[i] - 2 * slope * (slope - 2 * h * h)) > 1e-14) {
            return fail("second derivative " + std::to_string(second[i]));
        }
    }

    reel_add(x, nullptr);
    if (reel_tape_status(tape.get()) == REEL_OK) {
        return fail("a null argument should be an error");
    }
    return 0;
}

#include "drawn.h"

#include <stdio.h>

#include <check.h>
#include <reel/ops.h>
#include <reel/tape.h>

reel_node *random_graph(reel_tape *tape, uint64_t seed, reel_node **node)
{
    static const char *const module[] = {"a", "b", "a", "c"};
    uint64_t state = seed * 0x9e3779b97f4a7c15U + 1;
    for (int i = 0; i < RANDOM_NODES; i++) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        unsigned r = (unsigned)(state >> 40);
        int depth = (int)(r % 4);
        for (int d = 0; d < depth; d++) {
            if ((r >> (4 + d)) % 2) {
                reel_scope_enter(tape, module[(r >> (8 + d)) % 4]);
            } else {
                reel_scope_step(tape, (int64_t)((r >> (12 + d)) % 4));
            }
        }
        reel_node *x = i ? node[(r >> 3) % (unsigned)i] : NULL,
                  *y = i ? node[(r >> 9) % (unsigned)i] : NULL;
        static const double zero[4];
        node[i] = i < 3         ? reel_input(tape, REEL_F64, zero, reel_dims(2, 2))
                  : r % 13 == 0 ? reel_constant(tape, 1, reel_dims(2, 2))
                  : r % 7 == 0  ? reel_transpose(x)
                  : r % 11 == 0 ? reel_matmul(x, y)
                  : r % 3 == 0  ? reel_tanh(x)
                                : reel_add(x, y);
        if (i % 4 == 0) {
            char name[16];
            snprintf(name, sizeof name, "k%c%c", 'a' + i / 26, 'a' + i % 26);
            reel_name(node[i], name);
        }
        for (int d = 0; d < depth; d++) {
            reel_scope_leave(tape);
        }
    }
    reel_node *all = reel_sum_of(RANDOM_NODES, node);
    ck_assert_msg(reel_tape_status(tape) == REEL_OK, "%s", reel_tape_message(tape));
    return all;
}

char *drawn(reel_draw_args args)
{
    char *text = NULL;
    size_t n = 0;
    args.stream = open_memstream(&text, &n);
    args.at = "test.c:1";
    ck_assert_ptr_nonnull(args.stream);
    reel_status status = reel_draw_with(&args);
    fclose(args.stream);
    ck_assert_msg(status == REEL_OK, "%s", reel_tape_message(reel_node_tape(args.root)));
    return text;
}

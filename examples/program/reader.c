/* A recurrent net that reads sequences. */
#include "reader.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>

bool reader_check(const reader_options *o)
{
    char kinds[256] = "";
    size_t n = 0;
    if (reel_cell_type_find(o->cell)) {
        return true;
    }
    for (const reel_cell_type *const *t = reel_cell_types(); *t && n < sizeof kinds; t++) {
        n += (size_t)snprintf(kinds + n, sizeof kinds - n, "%s%s", n ? ", " : "", (*t)->name);
    }
    return complain("--cell: '%s' is no kind of cell: expected one of %s", o->cell, kinds);
}

reel_cell *reader_new(reel_params *ps, const char *name, int64_t in, const reader_options *o)
{
    const reel_cell_args args = {
        .params = ps,
        .name = name,
        .type = reel_cell_type_find(o->cell),
        .in = in,
        .hidden = o->hidden,
        .options = o->cell_options,
        .bidirectional = o->direction == DIRECTION_BOTH,
        .regular = {.recurrent = {.p = o->recurrent_dropout, .lifetime = REEL_EACH_SEQUENCE}},
        .at = REEL_HERE,
    };
    return reel_layers_with(&args, (int)o->layers, o->dropout);
}

reel_node *reader_run(reel_cell *cell, reel_node *x, const int64_t *length)
{
    int64_t T = reel_node_dim(x, 0);
    reel_node **step = malloc((size_t)(T > 0 ? T : 1) * sizeof(reel_node *));
    if (!step) {
        return reel_tape_fail(reel_node_tape(x), REEL_HERE, REEL_ERR_MEMORY, "out of memory");
    }
    reel_unstack(x, (int)T, step);
    (void)reel_run(cell, T, step, NULL, step, .length = length);
    reel_node *y = reel_stack((int)T, step);
    free(step);
    return y;
}

reel_node *reader_last(reel_node *y, const int64_t *length, bool both)
{
    int64_t T = reel_node_dim(y, 0), n = reel_node_dim(y, 1), features = reel_node_dim(y, 2);
    int32_t *last = malloc((size_t)(n > 0 ? n : 1) * sizeof *last);
    if (!last) {
        return reel_tape_fail(reel_node_tape(y), REEL_HERE, REEL_ERR_MEMORY, "out of memory");
    }
    for (int64_t b = 0; b < n; b++) {
        last[b] = (int32_t)((length[b] - 1) * n + b);
    }
    reel_node *index = reel_input(reel_node_tape(y), REEL_I32, last, reel_dims(n));
    free(last);
    reel_node *forward = reel_gather(reel_reshape(y, reel_dims(T * n, features)), index);
    if (!both) {
        return forward;
    }
    reel_node *halves[] = {reel_slice(forward, 1, 0, features / 2),
                           reel_slice(reel_select(y, 0, 0), 1, features / 2, features)};
    return reel_concat(1, 2, halves);
}

reel_memory reader_memory(const reel_attention *a, reel_node *y, const int64_t *length)
{
    int64_t T = reel_node_dim(y, 0);
    reel_node **step = malloc((size_t)(T > 0 ? T : 1) * sizeof(reel_node *));
    if (!step) {
        reel_node *failed =
            reel_tape_fail(reel_node_tape(y), REEL_HERE, REEL_ERR_MEMORY, "out of memory");
        return (reel_memory){.value = failed, .key = failed};
    }
    reel_unstack(y, (int)T, step);
    reel_memory memory = reel_memory_of(a, T, step, length);
    free(step);
    return memory;
}

reel_node *reader_mask(reel_tape *tape, int64_t T, int64_t batch, const int64_t *length)
{
    float *within = malloc((size_t)(T * batch > 0 ? T * batch : 1) * sizeof *within);
    if (!within) {
        return reel_tape_fail(tape, REEL_HERE, REEL_ERR_MEMORY, "out of memory");
    }
    for (int64_t t = 0; t < T; t++) {
        for (int64_t b = 0; b < batch; b++) {
            within[t * batch + b] = t < length[b];
        }
    }
    reel_node *mask = reel_input(tape, REEL_F32, within, reel_dims(T, batch, 1));
    free(within);
    return mask;
}

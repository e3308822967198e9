/* The held-out loss. Streams differ in length by at most what is left over; places past the text's
 * end are computed with the others and left out of the sum, which changes nothing before them. */
#include "evaluate.h"
#include "../program/say.h"

#include <stdlib.h>

enum { CHUNK = 50, STREAM = 10000 };

typedef struct reading {
    model *m;
    reel_tape *tape;
    const int32_t *unit;
    int64_t n, batch, length;
    int32_t *input, *target;
    double *loss;
    reel_carry carry;
} reading;

static int64_t place(const reading *r, int64_t start, int64_t k)
{
    int64_t position = (k % r->batch) * r->length + start + k / r->batch;
    return position < r->n - 1 ? position : -1;
}

/* Adds the losses of steps [start, start + T) of all streams. */
static bool chunk(reading *r, int64_t start, int64_t T, double *sum)
{
    int64_t places = T * r->batch;
    for (int64_t k = 0; k < places; k++) {
        int64_t p = place(r, start, k);
        r->input[k] = p < 0 ? 0 : r->unit[p];
        r->target[k] = p < 0 ? 0 : r->unit[p + 1];
    }
    reel_tape_reset(r->tape);
    reel_state s = reel_state_from(r->tape, r->m->cell, r->batch, &r->carry);
    reel_node *logits = model_run(r->m, r->tape, T, r->batch, r->input, &s);
    reel_node *target = reel_input(r->tape, REEL_I32, r->target, reel_dims(T, r->batch));
    reel_node *loss = reel_cross_entropy_full(logits, target, NULL, -1, 0, REEL_NONE);
    if (reel_read(loss, r->loss, (size_t)places) != REEL_OK ||
        reel_state_keep(&r->carry, &s) != REEL_OK) {
        return tape_complain(r->tape);
    }
    for (int64_t k = 0; k < places; k++) {
        *sum += place(r, start, k) < 0 ? 0 : r->loss[k];
    }
    return true;
}

int64_t evaluate_streams(int64_t n, int64_t most)
{
    int64_t streams = n / STREAM > 1 ? n / STREAM : 1;
    return streams < most ? streams : most;
}

bool evaluate(model *m, reel_tape *tape, const int32_t *unit, int64_t n, int64_t batch,
              double *loss)
{
    if (n < 2) {
        return complain("the text has %s: a prediction needs two units",
                        n == 1 ? "one unit" : "no unit");
    }
    batch = batch < n - 1 ? batch : n - 1;
    reading r = {.m = m, .tape = tape, .unit = unit, .n = n, .batch = batch};
    r.length = (n - 1 + batch - 1) / batch;
    size_t places = (size_t)(CHUNK * batch);
    r.input = malloc(places * sizeof *r.input);
    r.target = malloc(places * sizeof *r.target);
    r.loss = malloc(places * sizeof *r.loss);
    bool ok = (r.input != NULL && r.target != NULL && r.loss != NULL) || out_of_memory();
    double sum = 0;
    for (int64_t start = 0; ok && start < r.length && interrupted() == 0; start += CHUNK) {
        int64_t left = r.length - start;
        ok = chunk(&r, start, left < CHUNK ? left : CHUNK, &sum);
    }
    *loss = sum / (double)(n - 1);
    reel_tape_reset(tape);
    reel_carry_free(&r.carry);
    free(r.input);
    free(r.target);
    free(r.loss);
    return ok;
}

/* The commands `sample` and `eval`: open a checkpoint, do one thing with its model. */
#include "commands.h"
#include "../program/say.h"
#include "checkpoint.h"
#include "evaluate.h"
#include "progress.h"
#include "sample.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

int command_sample(config *c)
{
    vocabulary v = {0};
    model m = {0};
    bool ok = checkpoint_open(c, false, &v, &m);
    if (ok) {
        reel_tape *tape = model_tape(c, false);
        const sampling how = {
            .prime = c->prime,
            .temperature = c->temperature,
            .length = c->length,
            .seed = (uint64_t)c->seed,
            .flush = isatty(STDOUT_FILENO) != 0,
        };
        ok = sample(&m, tape, &v, &how, stdout);
        reel_tape_free(tape);
    }
    if (ok) {
        putchar('\n');
        ok = fflush(stdout) == 0 || complain("the sample cannot be written");
    }
    model_free(&m);
    vocabulary_free(&v);
    return ok ? 0 : EXIT_RUN;
}

/* Reads the text and measures; the held-out share is counted as in training. */
static bool measure(const config *c, const vocabulary *v, model *m, int n, char *const *path)
{
    text raw;
    int32_t *unit = NULL;
    int64_t units = 0;
    double loss = 0;
    bool ok = text_read(&raw, n, path, v->chars) &&
              vocabulary_encode(v, "the text", raw.byte, raw.size, &unit, &units);
    text_free(&raw);
    const int64_t first = c->held_out ? (int64_t)floor((double)units * (1 - c->valid)) : 0;
    const int64_t batch =
        c->eval_batch > 0 ? c->eval_batch : evaluate_streams(units - first, c->batch);
    const double start = clock_seconds();
    if (ok) {
        reel_tape *tape = model_tape(c, false);
        ok = evaluate(m, tape, unit + first, units - first, batch, &loss);
        reel_tape_free(tape);
    }
    free(unit);
    if (ok && interrupted() == 0) {
        char count[32], rate[32];
        const double took = clock_seconds() - start, predicted = (double)(units - first - 1);
        printf("%.4f nats/char = %.4f bits/char, perplexity %.4f\n", loss, loss / log(2),
               exp(loss));
        if (!c->quiet) {
            fprintf(stderr, "%s %s predicted, %s a second\n",
                    thousands(units - first - 1, count, sizeof count),
                    v->chars ? "characters" : "bytes",
                    thousands(llrint(predicted / took), rate, sizeof rate));
        }
    }
    return ok;
}

int command_eval(config *c, int n, char *const *path)
{
    vocabulary v = {0};
    model m = {0};
    interrupt_catch();
    bool ok = checkpoint_open(c, false, &v, &m) && measure(c, &v, &m, n, path);
    model_free(&m);
    vocabulary_free(&v);
    if (!ok) {
        return EXIT_RUN;
    }
    return interrupted() != 0 ? EXIT_SIGNAL + interrupted() : 0;
}

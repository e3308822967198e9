/* Pictures of what attention reads: a map for each sentence pair, a row for each target word, a
 * column for each source word. */
#include "translate.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MOST_MAPS = 64 };

/* What a picture is made of: freed together. */
typedef struct album {
    reel_heat map[MOST_MAPS];
    double *value[MOST_MAPS];
    const char **label[MOST_MAPS];
    size_t n;
} album;

static void album_free(album *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free(a->value[i]);
        free(a->label[i]);
    }
}

/* Words as they are known: what the vocabulary lacks is <unk>, as the network sees it. */
static void label(const reel_vocabulary *v, const int32_t *token, int64_t n, const char **label_of)
{
    for (int64_t i = 0; i < n; i++) {
        label_of[i] = reel_vocabulary_token(v, token[i], NULL);
    }
}

/* The weights of step t are a row; several heads are averaged. */
static bool read_row(reel_tape *tape, reel_node *weights, int64_t T, double *row)
{
    int64_t size = reel_node_size(weights), heads = size / T;
    double *all = malloc((size_t)size * sizeof *all);
    if (!all) {
        return out_of_memory();
    }
    bool ok = reel_read(weights, all, (size_t)size) == REEL_OK || tape_complain(tape);
    for (int64_t j = 0; ok && j < T; j++) {
        row[j] = 0;
        for (int64_t k = 0; k < heads; k++) {
            row[j] += all[k * T + j] / (double)heads;
        }
    }
    free(all);
    return ok;
}

/* One pair, read by teacher forcing: what attention reads before each word of the target is said.
 */
static bool add_pair(album *a, const translator *m, reel_tape *tape, const pairs *p, int64_t i)
{
    batch b;
    reel_tape_reset(tape);
    bool ok = batch_make(&b, &p->source, &p->target, &i, 1);
    double *value = ok ? malloc((size_t)(b.N * b.T) * sizeof *value) : NULL;
    const char **labels = ok ? malloc((size_t)(b.N + b.T) * sizeof *labels) : NULL;
    if (!value || !labels) {
        free(value);
        free(labels);
        batch_free(&b);
        return out_of_memory();
    }
    a->value[a->n] = value;
    a->label[a->n] = labels;
    reel_source source = batch_encode(m, tape, &b);
    ok = batch_force(m, tape, &b, &source);
    for (int64_t t = 0; ok && t < b.N; t++) {
        ok = read_row(tape, b.weights[t], b.T, value + t * b.T);
    }
    label(m->target, b.next, b.N, labels);
    label(m->source, b.word, b.T, labels + b.N);
    a->map[a->n++] = (reel_heat){.rows = b.N,
                                 .columns = b.T,
                                 .value = value,
                                 .row_label = labels,
                                 .column_label = labels + b.N};
    batch_free(&b);
    return ok;
}

static bool draw(const album *a, const char *path)
{
    char why[512];
    return reel_heat_map(path, .maps = a->n, .map = a->map, .low = 0, .high = 1, .message = why,
                         .room = sizeof why) == REEL_OK ||
           complain("%s", why);
}

static bool draw_pairs(const translator *m, const pairs *p, const char *path)
{
    album a = {.n = 0};
    reel_tape *tape = translator_tape(false);
    bool ok = tape || out_of_memory();
    for (int64_t i = 0; ok && i < p->source.n; i++) {
        ok = add_pair(&a, m, tape, p, i);
    }
    ok = ok && draw(&a, path);
    album_free(&a);
    reel_tape_free(tape);
    return ok;
}

int command_align(int n, char *const *file)
{
    (void)n;
    translator m;
    pairs p = {.source = {.n = 0}};
    bool ok =
        translator_open(&m, set.checkpoint) &&
        (m.encoder.attention || complain("%s: has no attention to be drawn", set.checkpoint)) &&
        pairs_read(&p, &m, file[0], file[1], false);
    if (ok && p.source.n > MOST_MAPS) {
        ok = complain("%s: %" PRId64 " lines: expected at most %d, a map for each", file[0],
                      p.source.n, MOST_MAPS);
    }
    ok = ok && draw_pairs(&m, &p, file[2]);
    pairs_free(&p);
    translator_free(&m);
    return exit_status(ok);
}

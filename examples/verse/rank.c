/* Ranks of true next lines. */
#include "rank.h"

#include "../program/curves.h"
#include "../program/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 };

static const int64_t cuts[CUTS] = {1, 5, 30, 150};

static bool take(reel_tape *tape, reel_node *x, float *out)
{
    return x &&
           (reel_read_f32(x, out, (size_t)reel_node_size(x)) == REEL_OK || tape_complain(tape));
}

static bool encode_chunk(codes *e, model *m, reel_tape *tape, int64_t from, int64_t n)
{
    verse_context c[CHUNK];
    const line *l[CHUNK];
    for (int64_t i = 0; i < n; i++) {
        context_at(&c[i], m->play, from + i, e->begin);
        l[i] = &m->play->line[from + i];
    }
    int64_t at = (from - e->begin) * e->width;
    reel_tape_reset(tape);
    return take(tape, model_lines(m, tape, n, l), e->own + at) &&
           (!e->past || take(tape, model_contexts(m, tape, n, c), e->past + at));
}

bool codes_make(codes *e, model *m, reel_tape *tape, int64_t begin, int64_t end, bool contexts)
{
    *e = (codes){.begin = begin, .end = end, .width = model_width(m)};
    size_t size = (size_t)((end - begin) * e->width + 1) * sizeof(float);
    e->past = contexts ? malloc(size) : NULL;
    e->own = malloc(size);
    if ((contexts && !e->past) || !e->own) {
        return out_of_memory();
    }
    for (int64_t i = begin; i < end && model_encodes(m); i += CHUNK) {
        if (!encode_chunk(e, m, tape, i, end - i < CHUNK ? end - i : CHUNK)) {
            return false;
        }
    }
    return true;
}

void codes_free(codes *e)
{
    free(e->past);
    free(e->own);
    *e = (codes){0};
}

static reel_node *record_scores(model *m, reel_tape *tape, const verse_context *c,
                                const float *past, int64_t n, const line *const *l,
                                const float *own, float *f)
{
    int64_t wide = model_features(m), width = model_width(m);
    reel_node *score = NULL;
    if (model_encodes(m)) {
        reel_node *p = reel_input(tape, REEL_F32, past, reel_dims(width, 1));
        reel_node *q = reel_input(tape, REEL_F32, own, reel_dims(n, width));
        score = reel_reshape(reel_matmul(q, p), reel_dims(n));
    }
    if (wide > 0) {
        features(&m->matcher, c, n, l, wide, f);
        reel_node *judged = model_judge(m, reel_input(tape, REEL_F32, f, reel_dims(n, wide)));
        score = score ? reel_add(score, judged) : judged;
    }
    return score;
}

bool score_lines(model *m, reel_tape *tape, const verse_context *c, const float *past, int64_t n,
                 const line *const *l, const float *own, double *score)
{
    float *f = malloc((size_t)(n * FEATURES) * sizeof *f);
    if (f == NULL) {
        return out_of_memory();
    }
    reel_tape_reset(tape);
    reel_node *x = record_scores(m, tape, c, past, n, l, own, f);
    bool ok = reel_read(x, score, (size_t)n) == REEL_OK || tape_complain(tape);
    free(f);
    return ok;
}

/* Room for one query. */
typedef struct query {
    int64_t candidates;
    uint32_t *order;   /* [lines], shuffled */
    const line **line; /* [candidates]; the true one is the first */
    float *own;
    double *score;
} query;

static bool query_make(query *q, int64_t lines, int64_t candidates, int64_t width)
{
    *q = (query){.candidates = candidates};
    q->order = malloc((size_t)lines * sizeof *q->order);
    q->line = malloc((size_t)candidates * sizeof(const line *));
    q->own = malloc((size_t)(candidates * width + 1) * sizeof *q->own);
    q->score = malloc((size_t)candidates * sizeof *q->score);
    return (q->order && q->line && q->own && q->score) || out_of_memory();
}

static void query_free(query *q)
{
    free(q->order);
    free(q->line);
    free(q->own);
    free(q->score);
}

static bool may_be_drawn(const verse_context *c, const line *true_one, const line *l)
{
    for (int32_t k = 0; k < c->n && k < RECENT; k++) {
        if (c->line[k] == l) {
            return false;
        }
    }
    return l != true_one && !line_same(l, true_one);
}

/* Fills in the candidates, fewer where there are not enough; returns how many. */
static int64_t draw(query *q, const model *m, const codes *e, const verse_context *c, int64_t i,
                    reel_random *random)
{
    int64_t n = 0, lines = e->end - e->begin;
    const line *all = m->play->line + e->begin, *next = &m->play->line[i + 1];
    q->line[n++] = next;
    for (int64_t k = 0; k < lines; k++) {
        q->order[k] = (uint32_t)k;
    }
    for (int64_t k = 0; k < lines && n < q->candidates; k++) {
        int64_t other = k + (int64_t)reel_random_below(random, (uint64_t)(lines - k));
        uint32_t drawn = q->order[other];
        q->order[other] = q->order[k];
        if (may_be_drawn(c, next, all + drawn)) {
            q->line[n++] = all + drawn;
        }
    }
    for (int64_t k = 0; k < n; k++) {
        int64_t place = q->line[k] - all;
        memcpy(q->own + k * e->width, e->own + place * e->width, (size_t)e->width * sizeof *q->own);
    }
    return n;
}

static void count(ranks *r, int64_t rank)
{
    r->n++;
    r->sum += (double)rank;
    r->reciprocal += 1 / (double)rank;
    if (rank <= FIRST) {
        r->of[rank]++;
    }
    for (int i = 0; i < CUTS; i++) {
        r->at[i] += rank <= cuts[i];
    }
}

static bool rank_one(query *q, model *m, reel_tape *tape, const codes *e, int64_t i, uint64_t seed,
                     ranks r[KINDS])
{
    verse_context c;
    reel_random random = reel_random_new(seed, reel_random_stream("candidates") + (uint64_t)i);
    context_at(&c, m->play, i, e->begin);
    int64_t n = draw(q, m, e, &c, i, &random), rank = 1;
    const float *past = e->past + (i - e->begin) * e->width;
    if (!score_lines(m, tape, &c, past, n, q->line, q->own, q->score)) {
        return false;
    }
    for (int64_t k = 1; k < n; k++) {
        rank += !(q->score[k] < q->score[0]);
    }
    const line *l = &m->play->line[i];
    count(&r[l[0].speech == l[1].speech ? WITHIN : ACROSS], rank);
    count(&r[ALL], rank);
    return true;
}

bool rank_all(model *m, reel_tape *tape, int64_t begin, int64_t end, int64_t candidates,
              uint64_t seed, bool quiet, ranks r[KINDS])
{
    codes e;
    query q;
    meter progress;
    memset(r, 0, KINDS * sizeof *r);
    meter_start(&progress, quiet);
    bool ok = codes_make(&e, m, tape, begin, end, true);
    ok = query_make(&q, end - begin, candidates, model_width(m)) && ok;
    for (int64_t i = begin; ok && i + 1 < end && !interrupted(); i++) {
        ok = rank_one(&q, m, tape, &e, i, seed, r);
        meter_show(&progress, i + 1 - begin, end - 1 - begin, "ranking");
    }
    meter_clear(&progress);
    query_free(&q);
    codes_free(&e);
    return ok;
}

bool rank_enough(int64_t lines, int64_t candidates)
{
    return lines >= candidates + RECENT ||
           complain("%lld lines to choose %lld candidates from: expected at least %lld",
                    (long long)lines, (long long)candidates, (long long)candidates + RECENT);
}

static const char *const kinds[KINDS + 1] = {"within a speech", "across speeches", "all", "chance"};

void rank_print(const ranks r[KINDS], int64_t candidates)
{
    printf("%-16s %7s %9s %7s %7s %7s %7s %7s\n", "next lines", "number", "mean rank", "MRR", "R@1",
           "R@5", "R@30", "R@150");
    for (int k = 0; k < KINDS; k++) {
        double n = r[k].n > 0 ? (double)r[k].n : NAN;
        printf("%-16s %7lld %9.1f %7.4f", kinds[k], (long long)r[k].n, r[k].sum / n,
               r[k].reciprocal / n);
        for (int i = 0; i < CUTS; i++) {
            printf(" %6.2f%%", 100 * (double)r[k].at[i] / n);
        }
        putchar('\n');
    }
    double c = (double)candidates, harmonic = 0;
    for (int64_t i = 1; i <= candidates; i++) {
        harmonic += 1 / (double)i;
    }
    printf("%-16s %7s %9.1f %7.4f", "chance", "", (c + 1) / 2, harmonic / c);
    for (int i = 0; i < CUTS; i++) {
        printf(" %6.2f%%", 100 * fmin(1, (double)cuts[i] / c));
    }
    putchar('\n');
}

bool rank_draw(const ranks r[KINDS], int64_t candidates, const char *path)
{
    const int64_t most = candidates < FIRST ? candidates : FIRST;
    curve_point *point = malloc((size_t)((KINDS + 1) * most) * sizeof *point);
    if (!point) {
        return out_of_memory();
    }
    size_t n = 0;
    for (int k = 0; k <= KINDS; k++) {
        int64_t so_far = 0;
        for (int64_t rank = 1; rank <= most; rank++) {
            so_far += k < KINDS ? r[k].of[rank] : 1;
            double of = k < KINDS ? (double)r[k].n : (double)candidates;
            point[n++] = (curve_point){k, (double)rank, 100 * (double)so_far / of};
        }
    }
    bool ok = curves_draw(&(curves){.path = path,
                                    .x_label = "first lines of the ranking",
                                    .y_label = "true next line among them, %",
                                    .series = KINDS + 1,
                                    .name = kinds,
                                    .n = n,
                                    .point = point});
    free(point);
    return ok;
}

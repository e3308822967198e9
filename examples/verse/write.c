/* The command write: a verse of lines of a text, each with its source.
 *
 * The lines of the verse are taken for one speech of one speaker. Each comes from another speech of
 * the text, so that it does not follow what stands there. */
#include "settings.h"

#include "../program/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINES = 1000, MOST_CHOICE = 100 };

typedef struct verse {
    session s;
    codes codes;
    int64_t n;
    line line[MOST_LINES]; /* copies, all of one speech */
    bool *used;            /* [lines of codes] */
    const line **all;      /* likewise, for scoring */
    double *score;
    int32_t numbers[2 * 256]; /* the given line's words */
} verse;

static bool verse_make(verse *v)
{
    const play *p = &v->s.play;
    int64_t begin = set.among == AMONG_TEST ? p->test : 0;
    int64_t end = set.among == AMONG_TRAINING ? p->validation : p->n;
    size_t n = (size_t)(end - begin);
    v->s.model.matcher.alone = true;
    if (set.lines > end - begin) {
        return complain("--lines: there are %lld lines to choose from", (long long)(end - begin));
    }
    v->used = calloc(n, sizeof *v->used);
    v->all = malloc(n * sizeof(const line *));
    v->score = malloc(n * sizeof *v->score);
    if (!v->used || !v->all || !v->score) {
        return out_of_memory();
    }
    for (size_t i = 0; i < n; i++) {
        v->all[i] = &p->line[begin + (int64_t)i];
    }
    return codes_make(&v->codes, &v->s.model, v->s.tape, begin, end, false);
}

static void verse_free(verse *v)
{
    codes_free(&v->codes);
    free(v->used);
    free(v->all);
    free(v->score);
    session_close(&v->s);
    free(v);
}

/* A line is the verse's next; nothing of its speech and nothing that reads the same comes after it.
 */
static void add(verse *v, const line *l)
{
    for (int64_t i = 0; i < v->codes.end - v->codes.begin; i++) {
        const line *other = v->all[i];
        v->used[i] = v->used[i] || other->speech == l->speech || line_same(other, l);
    }
    const char *name = line_speaker(&v->s.play, l);
    if (l->number > 0) {
        printf("%-60s  %s%sline %lld\n", l->text, name, *name ? ", " : "", (long long)l->number);
    } else {
        printf("%-60s  given\n", l->text);
    }
    v->line[v->n] = *l;
    v->line[v->n++].speech = 0;
}

static bool score(verse *v)
{
    verse_context c = {.n = 0};
    float *past = NULL;
    for (int64_t k = v->n - 1; k >= 0 && c.n < DEPTH; k--) {
        c.line[c.n++] = &v->line[k];
    }
    bool ok = true;
    if (model_encodes(&v->s.model)) {
        past = malloc((size_t)v->codes.width * sizeof *past);
        reel_tape_reset(v->s.tape);
        reel_node *x = past ? model_contexts(&v->s.model, v->s.tape, 1, &c) : NULL;
        ok = past ? x && (reel_read_f32(x, past, (size_t)v->codes.width) == REEL_OK ||
                          tape_complain(v->s.tape))
                  : out_of_memory();
    }
    ok = ok && score_lines(&v->s.model, v->s.tape, &c, past, v->codes.end - v->codes.begin, v->all,
                           v->codes.own, v->score);
    free(past);
    return ok;
}

/* The best line that is left, but for `skip` better ones; -1: there is none. */
static int64_t best(const verse *v, int64_t skip)
{
    int64_t found[MOST_CHOICE], n = 0;
    for (int64_t i = 0; i < v->codes.end - v->codes.begin; i++) {
        if (v->used[i]) {
            continue;
        }
        int64_t k = n < skip + 1 ? n++ : skip + 1;
        for (; k > 0 && v->score[i] > v->score[found[k - 1]]; k--) {
            if (k <= skip) {
                found[k] = found[k - 1];
            }
        }
        if (k <= skip) {
            found[k] = i;
        }
    }
    return n > 0 ? found[n - 1] : -1;
}

static bool compose(verse *v, const char *first)
{
    reel_random random = reel_random_new((uint64_t)set.draws, reel_random_stream("verse"));
    line given;
    if (first) {
        line_make(&given, &v->s.play, v->s.known, first, v->numbers, 256);
        add(v, &given);
    } else {
        uint64_t lines = (uint64_t)(v->codes.end - v->codes.begin);
        add(v, v->all[reel_random_below(&random, lines)]);
    }
    while (v->n < set.lines && !interrupted()) {
        int64_t skip = (int64_t)reel_random_below(&random, (uint64_t)set.choice);
        if (!score(v)) {
            return false;
        }
        int64_t i = best(v, skip);
        if (i < 0) {
            return complain("no line is left after %lld", (long long)v->n);
        }
        add(v, v->all[i]);
    }
    return true;
}

int run_write(int n, char *const *operand)
{
    verse *v = calloc(1, sizeof *v);
    if (v == NULL) {
        out_of_memory();
        return EXIT_RUN;
    }
    const char *first = n > 1 ? operand[1] : NULL;
    bool ok = true;
    if (first && reel_utf8_invalid(first, strlen(first)) < strlen(first)) {
        ok = complain("the first line is not UTF-8");
    }
    ok = ok && session_open(&v->s, operand[0]) && verse_make(v) && compose(v, first);
    verse_free(v);
    return exit_status(ok);
}

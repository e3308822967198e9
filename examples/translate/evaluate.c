/* Decoding of texts, and scores of what comes out. */
#include "translate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_BY_SIDE = 32 };

void said_free(said *s)
{
    for (int64_t i = 0; s->token && i < s->n; i++) {
        free(s->token[i]);
    }
    free(s->token);
    free(s->length);
    *s = (said){.n = 0};
}

static bool keep(said *out, int64_t i, const reel_hypothesis *h)
{
    int64_t n = h->length - h->ended;
    if (h->length < 0) {
        return complain("the model gives no finite probabilities");
    }
    out->token[i] = malloc((size_t)(n + 1) * sizeof **out->token);
    if (!out->token[i]) {
        return out_of_memory();
    }
    if (n > 0) {
        memcpy(out->token[i], h->token, (size_t)n * sizeof *h->token);
    }
    out->length[i] = n;
    return true;
}

/* Decodes the sentences which[0 .. n - 1]. A translation is at most twice as long as the longest
 * source beside it, and ten words. */
static bool decode_batch(const translator *m, reel_tape *tape, const corpus *source,
                         const int64_t *which, int64_t n, const decoding *how, said *out)
{
    batch b;
    reel_hypothesis found[SIDE_BY_SIDE];
    reel_tape_reset(tape);
    if (!batch_make(&b, source, NULL, which, n)) {
        batch_free(&b);
        return false;
    }
    reel_source read = batch_encode(m, tape, &b);
    reel_state start = reel_decoder_start(&m->decoder, &read);
    reel_decoding d = {.decoder = &m->decoder, .source = &read};
    reel_status status =
        reel_decode(found, .tape = tape, .step = reel_decoder_continue, .context = &d,
                    .start = &start, .sources = n, .beam = (int)how->beam, .begin = REEL_BEGINNING,
                    .end = REEL_END_OF_TEXT, .longest = 2 * b.T + 10, .alpha = how->alpha,
                    .beta = how->beta, .covered = how->beta > 0 ? start.n : 0, .length = b.length);
    bool ok = status == REEL_OK || tape_complain(tape);
    for (int64_t i = 0; ok && i < n; i++) {
        ok = keep(out, which[i], &found[i]);
    }
    if (status == REEL_OK) {
        reel_decode_free(found, n);
    }
    batch_free(&b);
    return ok;
}

static const corpus *sorted_by;

static int by_length(const void *a, const void *b)
{
    int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    int64_t x = sorted_by->length[i], y = sorted_by->length[j];
    return x != y ? (x > y) - (x < y) : (i > j) - (i < j);
}

/* Sentences of like length are decoded together. */
bool decode_corpus(const translator *m, reel_tape *tape, const corpus *source, const decoding *how,
                   said *out)
{
    *out = (said){.n = source->n,
                  .length = calloc((size_t)source->n + 1, sizeof *out->length),
                  .token = calloc((size_t)source->n + 1, sizeof *out->token)};
    int64_t *order = malloc(((size_t)source->n + 1) * sizeof *order);
    bool ok = (out->length && out->token && order) || out_of_memory();
    meter view;
    meter_start(&view, set.quiet);
    for (int64_t i = 0; ok && i < source->n; i++) {
        order[i] = i;
    }
    sorted_by = source;
    if (ok) {
        qsort(order, (size_t)source->n, sizeof *order, by_length);
    }
    for (int64_t i = 0; ok && i < source->n && !interrupted(); i += SIDE_BY_SIDE) {
        int64_t n = source->n - i < SIDE_BY_SIDE ? source->n - i : SIDE_BY_SIDE;
        ok = decode_batch(m, tape, source, order + i, n, how, out);
        meter_show(&view, i + n, source->n, "translating, %" PRId64 " of %" PRId64, i + n,
                   source->n);
    }
    meter_clear(&view);
    free(order);
    return ok;
}

/* Scores */

/* Words of a line of text, which is cut at its spaces. */
static int64_t split(char *line, const char **word, int64_t room)
{
    int64_t n = 0;
    char *rest = NULL;
    for (char *w = strtok_r(line, " \t\r\n", &rest); w && n < room;
         w = strtok_r(NULL, " \t\r\n", &rest)) {
        word[n++] = w;
    }
    return n;
}

typedef struct judged {
    reel_judged *x;
    reel_words *reference;
    const char **word; /* of all, one after another */
    char **line;
    int64_t n;
} judged;

static void judged_free(judged *j)
{
    for (int64_t i = 0; j->line && i < j->n; i++) {
        free(j->line[i]);
    }
    free(j->line);
    free(j->x);
    free(j->reference);
    free(j->word);
}

static int64_t words_in(const char *line)
{
    int64_t n = 0;
    for (const char *c = line + strspn(line, " \t\r\n"); *c; c += strspn(c, " \t\r\n")) {
        c += strcspn(c, " \t\r\n");
        n++;
    }
    return n;
}

static int64_t add(judged *j, int64_t used, const translator *m, const said *s, const pairs *p,
                   int64_t i)
{
    int64_t k = j->n;
    j->line[k] = strdup(p->target.line[i]);
    if (!j->line[k]) {
        return -1;
    }
    int64_t n = words_in(j->line[k]);
    (void)split(j->line[k], j->word + used, n);
    j->reference[k] = (reel_words){n, j->word + used};
    used += n;
    for (int64_t t = 0; t < s->length[i]; t++) {
        j->word[used + t] = reel_vocabulary_token(m->target, s->token[i][t], NULL);
    }
    j->x[k] = (reel_judged){{s->length[i], j->word + used}, 1, &j->reference[k]};
    j->n++;
    return used + s->length[i];
}

bool bleu_of(const translator *m, const said *s, const pairs *p, int64_t from, int64_t to,
             reel_bleu *bleu, int64_t *sentences)
{
    size_t n = (size_t)s->n + 1, words = 0;
    for (int64_t i = 0; i < s->n; i++) {
        words += (size_t)(s->length[i] + words_in(p->target.line[i]));
    }
    judged j = {.x = calloc(n, sizeof *j.x),
                .reference = calloc(n, sizeof *j.reference),
                .word = calloc(words + 1, sizeof *j.word),
                .line = calloc(n, sizeof *j.line)};
    bool ok = (j.x && j.reference && j.word && j.line) || out_of_memory();
    int64_t used = 0;
    for (int64_t i = 0; ok && i < s->n; i++) {
        int64_t length = p->source.length[i];
        if (length >= from && (to == 0 || length <= to)) {
            used = add(&j, used, m, s, p, i);
            ok = used >= 0 || out_of_memory();
        }
    }
    *sentences = j.n;
    *bleu = (reel_bleu){.bleu = 0};
    if (ok && j.n > 0 && reel_corpus_bleu(j.n, j.x, 4, bleu) != REEL_OK) {
        ok = out_of_memory();
    }
    judged_free(&j);
    return ok;
}

/* Commands */

static void print_said(const translator *m, const said *s, int64_t i, FILE *out)
{
    for (int64_t t = 0; t < s->length[i]; t++) {
        fprintf(out, "%s%s", t ? " " : "", reel_vocabulary_token(m->target, s->token[i][t], NULL));
    }
    fputc('\n', out);
}

static void print_row(const char *what, const reel_bleu *b, int64_t sentences)
{
    printf("%-14s %9" PRId64 "  %6.2f  %5.1f/%4.1f/%4.1f/%4.1f  %7.3f  %6.3f\n", what, sentences,
           100 * b->bleu, 100 * b->precision[0], 100 * b->precision[1], 100 * b->precision[2],
           100 * b->precision[3], b->brevity,
           b->reference_words ? (double)b->candidate_words / (double)b->reference_words : 0);
}

static bool print_scores(const translator *m, const said *s, const pairs *p)
{
    static const int64_t cut[] = {1, 8, 12, 16, 20, 0};
    reel_bleu b;
    int64_t n;
    printf("source words   sentences    BLEU  precisions            brevity   ratio\n");
    for (size_t k = 0; k + 1 < sizeof cut / sizeof *cut; k++) {
        char what[32];
        int64_t to = cut[k + 1] ? cut[k + 1] - 1 : 0;
        snprintf(what, sizeof what, to ? "%" PRId64 " to %" PRId64 : "%" PRId64 " or more", cut[k],
                 to);
        if (!bleu_of(m, s, p, cut[k], to, &b, &n)) {
            return false;
        }
        if (n > 0) {
            print_row(what, &b, n);
        }
    }
    if (!bleu_of(m, s, p, 0, 0, &b, &n)) {
        return false;
    }
    print_row("all", &b, n);
    return true;
}

static bool write_said(const translator *m, const said *s)
{
    if (!set.output) {
        return true;
    }
    FILE *out = fopen(set.output, "w");
    if (!out) {
        return complain("%s: %s", set.output, strerror(errno));
    }
    for (int64_t i = 0; i < s->n; i++) {
        print_said(m, s, i, out);
    }
    bool ok = !ferror(out);
    return (fclose(out) == 0 && ok) || complain("%s: %s", set.output, strerror(errno));
}

/* Whether --beta has what it judges by. */
static bool covers(const translator *m)
{
    return !(set.beta > 0) || m->decoder.covers ||
           complain("--beta: %s has no attention of one head, whose weights it would judge",
                    set.checkpoint);
}

int command_eval(int n, char *const *file)
{
    (void)n;
    translator m;
    pairs p = {.source = {.n = 0}};
    said s = {.n = 0};
    const decoding how = {.beam = set.beam, .alpha = set.alpha, .beta = set.beta};
    reel_tape *tape = NULL;
    bool ok = translator_open(&m, set.checkpoint) && covers(&m) &&
              pairs_read(&p, &m, file[0], file[1], true) && (tape = translator_tape(false)) &&
              decode_corpus(&m, tape, &p.source, &how, &s) && !interrupted() &&
              print_scores(&m, &s, &p) && write_said(&m, &s);
    said_free(&s);
    pairs_free(&p);
    reel_tape_free(tape);
    translator_free(&m);
    return exit_status(ok || interrupted());
}

/* A line at a time, so that it can be used by hand. */
static bool translate_line(const translator *m, reel_tape *tape, const char *line, size_t n,
                           const decoding *how)
{
    int64_t length = reel_vocabulary_encode(m->source, line, n, NULL, 0);
    length = length < set.longest ? length : set.longest;
    int32_t *tokens = malloc(((size_t)length + 1) * sizeof *tokens);
    if (!tokens) {
        return out_of_memory();
    }
    (void)reel_vocabulary_encode(m->source, line, n, tokens, length);
    corpus one = {.n = 1, .length = &length, .token = &tokens};
    said s;
    bool ok = decode_corpus(m, tape, &one, how, &s);
    if (ok && !interrupted()) {
        print_said(m, &s, 0, stdout);
        fflush(stdout);
    }
    said_free(&s);
    free(tokens);
    return ok;
}

int command_translate(int n, char *const *file)
{
    translator m;
    const decoding how = {.beam = set.beam, .alpha = set.alpha, .beta = set.beta};
    bool ok = translator_open(&m, set.checkpoint) && covers(&m);
    reel_tape *tape = ok ? translator_tape(false) : NULL;
    reel_lines *lines = ok ? reel_lines_open(n > 0 ? file[0] : "-") : NULL;
    size_t size;
    set.quiet = true;
    while (ok && !interrupted()) {
        const char *line = reel_lines_next(lines, &size);
        if (!line) {
            ok = reel_lines_status(lines) == REEL_OK || complain("%s", reel_lines_message(lines));
            break;
        }
        ok = translate_line(&m, tape, line, size, &how);
    }
    reel_lines_close(lines);
    reel_tape_free(tape);
    translator_free(&m);
    return exit_status(ok);
}

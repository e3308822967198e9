/* reel-classify: what class a text belongs to. Many steps to one answer, and, without recurrence,
 * one to one. */
#include "model.h"
#include "texts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the commands share. */
typedef struct run {
    labels labels;
    texts texts; /* after training's split: the first n_train of them are learned */
    int64_t n_train;
    reel_vocabulary *words;
    model model;
    reel_tape *tape, *test_tape;
    batch batch;
    batches batches;
} run;

static void run_free(run *r)
{
    labels_free(&r->labels);
    texts_free(&r->texts);
    reel_vocabulary_free(r->words);
    reel_tape_free(r->tape);
    reel_tape_free(r->test_tape);
    model_free(&r->model);
    free(r->batch.token);
    free(r->batch.length);
    free(r->batch.label);
    batches_free(&r->batches);
}

/* Texts
 * ---------------------------------------------------------------------------------------------- */

static bool read_texts(run *r, int n, char *const *path, bool learn, uint64_t seed)
{
    if (n == 0) {
        return texts_make_agreement(&r->texts, set.common.lines, seed, &r->labels);
    }
    for (int i = 0; i < n; i++) {
        if (!texts_read(&r->texts, path[i], set.by_file, learn, &r->labels)) {
            return false;
        }
    }
    return r->texts.n > 0 || complain("%s: no text in it", path[0]);
}

static bool count_words(run *r)
{
    r->words = reel_vocabulary_new(set.units == UNITS_WORDS ? REEL_WORDS : REEL_CHARACTERS, true);
    if (!r->words) {
        return out_of_memory();
    }
    for (int64_t i = 0; i < r->n_train; i++) {
        if (reel_vocabulary_count(r->words, r->texts.byte + r->texts.begin[i],
                                  (size_t)r->texts.size[i]) != REEL_OK) {
            return vocabulary_complain(r->words);
        }
    }
    return reel_vocabulary_cut(r->words, set.common.least, set.most_words) == REEL_OK ||
           vocabulary_complain(r->words);
}

/* Batches
 * -------------------------------------------------------------------------------------------- */

static bool batch_room(batch *b)
{
    if (!b->length) {
        b->length = malloc((size_t)set.common.batch * sizeof *b->length);
        b->label = malloc((size_t)set.common.batch * sizeof *b->label);
    }
    if (b->T * b->n > b->room) {
        free(b->token);
        b->room = 2 * b->T * b->n;
        b->token = malloc((size_t)b->room * sizeof *b->token);
    }
    return (b->length && b->label && b->token) || out_of_memory();
}

/* Texts chosen by number. */
static bool fill(batch *b, const texts *t, const int64_t *which, int64_t n)
{
    b->n = n;
    b->T = 1;
    b->tokens = 0;
    for (int64_t k = 0; k < n; k++) {
        b->T = t->length[which[k]] > b->T ? t->length[which[k]] : b->T;
    }
    if (!batch_room(b)) {
        return false;
    }
    for (int64_t k = 0; k < n; k++) {
        const int32_t *token = t->token + t->first[which[k]];
        b->length[k] = t->length[which[k]];
        b->label[k] = t->label[which[k]];
        b->tokens += b->length[k];
        for (int64_t i = 0; i < b->T; i++) {
            b->token[i * n + k] = i < b->length[k] ? token[i] : REEL_END_OF_TEXT;
        }
    }
    return true;
}

/* Measuring
 * ------------------------------------------------------------------------------------------ */

/* Runs texts of the run, chosen by number, and gives the probabilities [n, classes] and the sum of
 * the losses where the labels are known. NULL after a complaint. */
static const float *judge_batch(run *r, const int64_t *which, int64_t n, double *loss)
{
    reel_tape_reset(r->test_tape);
    if (!fill(&r->batch, &r->texts, which, n)) {
        return NULL;
    }
    const float *p = reel_data(reel_softmax(model_logits(&r->model, r->test_tape, &r->batch), -1));
    if (!p) {
        tape_complain(r->test_tape);
        return NULL;
    }
    for (int64_t k = 0; k < n && r->batch.label[k] >= 0; k++) {
        *loss -= log((double)p[k * r->labels.n + r->batch.label[k]] + 1e-30);
    }
    return p;
}

static int32_t likeliest(const float *p, int64_t n)
{
    int32_t best = 0;
    for (int64_t i = 1; i < n; i++) {
        best = p[i] > p[best] ? (int32_t)i : best;
    }
    return best;
}

static int shorter_first(const void *a, const void *b)
{
    const int64_t *x = a, *y = b; /* length, number */
    return x[0] != y[0] ? (x[0] < y[0] ? -1 : 1) : (x[1] > y[1]) - (x[1] < y[1]);
}

/* The numbers of texts [from, to), those of like length next to each other; freed by the caller. */
static int64_t *by_length(const texts *t, int64_t from, int64_t to)
{
    int64_t n = to - from, (*pair)[2] = malloc((size_t)(n + 1) * sizeof *pair);
    int64_t *order = malloc((size_t)(n + 1) * sizeof *order);
    if (pair && order) {
        for (int64_t i = 0; i < n; i++) {
            pair[i][0] = t->length[from + i];
            pair[i][1] = from + i;
        }
        qsort(pair, (size_t)n, sizeof *pair, shorter_first);
        for (int64_t i = 0; i < n; i++) {
            order[i] = pair[i][1];
        }
    } else {
        out_of_memory();
        free(order);
        order = NULL;
    }
    free(pair);
    return order;
}

/* Scores texts [from, to), and their mean loss. */
static bool measure(run *r, int64_t from, int64_t to, scores *s, double *loss)
{
    int64_t *order = by_length(&r->texts, from, to);
    bool ok = order != NULL;
    *loss = 0;
    for (int64_t i = 0; ok && i < to - from && !interrupted(); i += set.common.batch) {
        int64_t n = to - from - i < set.common.batch ? to - from - i : set.common.batch;
        const float *p = judge_batch(r, order + i, n, loss);
        ok = p != NULL;
        for (int64_t k = 0; ok && k < n; k++) {
            scores_add(s, r->batch.label[k], likeliest(p + k * r->labels.n, r->labels.n));
        }
    }
    *loss /= s->all > 0 ? (double)s->all : 1;
    free(order);
    return ok;
}

/* Commands
 * ------------------------------------------------------------------------------------------- */

static bool store(void *context, reel_archive *a)
{
    run *r = context;
    return checkpoint_put_vocabulary(a, "words", r->words) && labels_put(a, &r->labels);
}

static reel_node *loss_of(void *context, int64_t i, int64_t *units)
{
    run *r = context;
    int64_t n;
    const int64_t *which = batches_at(&r->batches, i, &n);
    if (!which || !fill(&r->batch, &r->texts, which, n)) {
        return NULL;
    }
    *units += r->batch.tokens;
    return model_loss(&r->model, r->tape, &r->batch);
}

static bool judge(void *context, int64_t epoch, double *score)
{
    run *r = context;
    scores s;
    double loss = 0;
    bool ok = scores_new(&s, &r->labels) && measure(r, r->n_train, r->texts.n, &s, &loss);
    if (ok && !set.common.quiet && !interrupted()) {
        note("epoch %" PRId64 ": held-out accuracy %.4f, loss %.4f", epoch, scores_accuracy(&s),
             loss);
    }
    *score = ok ? scores_accuracy(&s) : 0;
    scores_free(&s);
    return ok;
}

/* Reads the model of a checkpoint: options, labels, words and, unless it is to be resumed, weights.
 */
static bool load(run *r, bool resume)
{
    reel_archive *a =
        checkpoint_open(set.common.checkpoint, resume ? CHECKPOINT_RESUME : CHECKPOINT_USE);
    bool ok = a && labels_take(a, set.common.checkpoint, &r->labels);
    r->words = ok ? checkpoint_take_vocabulary(a, set.common.checkpoint, "words") : NULL;
    ok = r->words && model_new(&r->model, reel_vocabulary_size(r->words), r->labels.n) &&
         (resume || archive_weights(a, set.common.checkpoint, r->model.params)) &&
         labelling_tapes(&set.common, &r->tape, &r->test_tape);
    reel_archive_free(a);
    return ok;
}

/* Words and model of a new run, from its texts. */
static bool begin(run *r)
{
    return count_words(r) && model_new(&r->model, reel_vocabulary_size(r->words), r->labels.n) &&
           labelling_tapes(&set.common, &r->tape, &r->test_tape);
}

static void split(run *r)
{
    texts_shuffle(&r->texts, (uint64_t)set.common.seed);
    r->n_train = labelling_learned(&set.common, r->texts.n);
}

static bool train_model(run *r)
{
    training t = {.context = r,
                  .params = r->model.params,
                  .tape = r->tape,
                  .units = set.units == UNITS_WORDS ? "words" : "characters",
                  .data = texts_hash(&r->texts),
                  .store = store,
                  .loss = loss_of,
                  .judge = r->n_train < r->texts.n ? judge : NULL};
    return batches_new(&r->batches, &set.common, r->n_train, r->texts.length) &&
           labelling_train(&set.common, &r->batches, &t);
}

static int train(int n, char *const *path)
{
    run r = {.n_train = 0};
    bool ok = !set.common.resume || load(&r, true);
    ok = ok && read_texts(&r, n, path, !set.common.resume, (uint64_t)set.common.seed);
    split(&r);
    if (ok && r.labels.n < 2) {
        ok = complain("all texts have the label '%s': expected several", r.labels.name[0]);
    }
    ok = ok && (set.common.resume || begin(&r)) && texts_encode(&r.texts, r.words, set.longest);
    if (ok && !set.common.quiet) {
        note("%" PRId64 " texts to learn, %" PRId64 " held out, %" PRId64 " classes, %" PRId64
             " words, %" PRId64 " weights",
             r.n_train, r.texts.n - r.n_train, r.labels.n, reel_vocabulary_size(r.words),
             reel_params_size(r.model.params));
    }
    ok = ok && train_model(&r);
    run_free(&r);
    return exit_status(ok);
}

static bool report(const scores *s, double loss)
{
    printf("accuracy %.4f (%" PRId64 " of %" PRId64 "), loss %.4f\n\n", scores_accuracy(s),
           s->right, s->all, loss);
    scores_print(s, "class");
    putchar('\n');
    scores_print_confusion(s);
    return !set.common.confusion || scores_draw(s, set.common.confusion);
}

/* New sentences where there is no file: not those that were learned. */
static bool eval_texts(run *r, int n, char *const *path)
{
    uint64_t seed = (uint64_t)set.common.seed + (n == 0 && !set.common.held_out_part);
    int64_t known = r->labels.n;
    bool ok = read_texts(r, n, path, false, seed);
    split(r);
    if (ok && r->labels.n > known) {
        ok = complain("%s: was not trained on made-up sentences: expected a file to measure it on",
                      set.common.checkpoint);
    }
    if (ok && set.common.held_out_part && r->n_train == r->texts.n) {
        ok = complain("--held-out-part: of these %" PRId64 " texts none was held out", r->texts.n);
    }
    ok = ok && texts_encode(&r->texts, r->words, set.longest);
    return ok && (!set.common.held_out_part ||
                  checkpoint_learned(set.common.checkpoint, texts_hash(&r->texts)));
}

static int eval(int n, char *const *path)
{
    run r = {.n_train = 0};
    scores s = {.count = NULL};
    double loss = 0;
    bool ok = load(&r, false) && eval_texts(&r, n, path) && scores_new(&s, &r.labels) &&
              measure(&r, set.common.held_out_part ? r.n_train : 0, r.texts.n, &s, &loss) &&
              (interrupted() || report(&s, loss));
    scores_free(&s);
    run_free(&r);
    return exit_status(ok);
}

/* Labels a text. */
static bool answer(void *context, const char *line, size_t n)
{
    run *r = context;
    int64_t first = 0;
    double loss = 0;
    const float *p = NULL;
    texts_free(&r->texts);
    if (texts_add(&r->texts, line, n, -1) && texts_encode(&r->texts, r->words, set.longest)) {
        p = judge_batch(r, &first, 1, &loss);
    }
    if (p) {
        int32_t said = likeliest(p, r->labels.n);
        printf("%s\t%.4f\t%.*s\n", r->labels.name[said], (double)p[said], (int)n, line);
    }
    return p != NULL;
}

static int label(int n, char *const *operand)
{
    (void)n;
    (void)operand;
    run r = {.n_train = 0};
    bool ok = load(&r, false) && labelling_answer(answer, &r);
    run_free(&r);
    return exit_status(ok);
}

static bool prepare_agreement(void)
{
    texts t = {0};
    labels l = {0};
    bool ok = texts_make_agreement(&t, set.common.lines, (uint64_t)set.common.seed, &l);
    for (int64_t i = 0; ok && i < t.n; i++) {
        printf("%s\t%.*s\n", l.name[t.label[i]], (int)t.size[i], t.byte + t.begin[i]);
    }
    texts_free(&t);
    labels_free(&l);
    return ok;
}

static int prepare(int n, char *const *path)
{
    bool ok;
    if (set.task != TASK_AGREEMENT && n == 0) {
        complain("prepare: --task order and speakers need a FILE");
        return EXIT_USAGE;
    }
    if (set.task == TASK_AGREEMENT && n > 0) {
        complain(
            "prepare: agreement is made up, without a FILE: expected --task order or speakers");
        return EXIT_USAGE;
    }
    if (set.task == TASK_AGREEMENT) {
        ok = prepare_agreement();
    } else if (set.task == TASK_ORDER) {
        ok = texts_print_order(path[0], (uint64_t)set.common.seed, stdout);
    } else {
        ok = texts_print_speakers(path[0], set.classes, stdout);
    }
    return exit_status(ok);
}

static const command commands[] = {
    {"train", "[FILE]...", "learns lines 'label<TAB>text'; without a file, sentences it makes up",
     0, -1, train},
    {"eval", "[FILE]...", "measures accuracy, F1 of each class and what is taken for what", 0, -1,
     eval},
    {"label", NULL, "reads texts, a line each, and prints label, probability and text", 0, 0,
     label},
    {"prepare", "[FILE]", "prints labelled texts to learn, of --task", 0, 1, prepare},
    {0}};

static const program classify = {
    .name = "reel-classify",
    .about = "Learns what class a text belongs to: its language, its speaker, or anything else "
             "that lines\n\"label<TAB>text\" give examples of. A recurrent net of any cell reads "
             "the text; with\n--no-recurrence the answer is of its words alone.\n",
    .commands = commands,
    .options = option_table,
    .more = "Examples:\n"
            "  reel-classify train --checkpoint is.safetensors\n"
            "  reel-classify train --by-file --units characters train.en train.de\n"
            "  echo 'ein mann' | reel-classify label --checkpoint classify.best.safetensors\n"};

int main(int argc, char **argv)
{
    return program_main(&classify, argc, argv);
}

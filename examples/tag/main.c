/* reel-tag: a tag for each word of a sentence. Many steps to many. */
#include "coding.h"
#include "spans.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What the commands share. */
typedef struct run {
    labels tags;
    sentences sentences; /* after training's split: the first n_train of them are learned */
    int64_t n_train;
    coding coding;
    model model;
    reel_tape *tape, *test_tape;
    batch batch;
    batches batches;
    int32_t *said; /* [longest]: a sentence's tags, while it is measured */
} run;

static void run_free(run *r)
{
    labels_free(&r->tags);
    sentences_free(&r->sentences);
    coding_free(&r->coding);
    reel_tape_free(r->tape);
    reel_tape_free(r->test_tape);
    model_free(&r->model);
    batch_free(&r->batch);
    batches_free(&r->batches);
    free(r->said);
}

static bool read_sentences(run *r, int n, char *const *path, bool learn, uint64_t seed)
{
    if (n == 0) {
        return sentences_make(&r->sentences, set.common.lines, seed, &r->tags);
    }
    for (int i = 0; i < n; i++) {
        if (!sentences_read(&r->sentences, path[i], set.format == FORMAT_SLASHES, learn,
                            &r->tags)) {
            return false;
        }
    }
    return r->sentences.n > 0 || complain("%s: no sentence in it", path[0]);
}

/* Shuffles sentences, unless they are to `keep` their order, and splits them. */
static bool split(run *r, bool keep)
{
    sentences *s = &r->sentences;
    if (!sentences_settle(s, keep, (uint64_t)set.common.seed)) {
        return false;
    }
    int64_t longest = 1;
    for (int64_t i = 0; i < s->n; i++) {
        longest = s->length[i] > longest ? s->length[i] : longest;
    }
    r->n_train = labelling_learned(&set.common, s->n);
    free(r->said);
    r->said = malloc((size_t)longest * sizeof *r->said);
    return r->said || out_of_memory();
}

/* Training
 * ------------------------------------------------------------------------------------------- */

static bool store(void *context, reel_archive *a)
{
    run *r = context;
    return checkpoint_put_vocabulary(a, "words", r->coding.words) &&
           checkpoint_put_vocabulary(a, "characters", r->coding.characters) &&
           labels_put(a, &r->tags);
}

static reel_node *loss_of(void *context, int64_t i, int64_t *units)
{
    run *r = context;
    int64_t n;
    const int64_t *which = batches_at(&r->batches, i, &n);
    if (!which || !batch_fill(&r->batch, &r->coding, &r->sentences, which, n)) {
        return NULL;
    }
    *units += r->batch.tokens;
    return model_loss(&r->model, r->tape, &r->batch);
}

/* Measuring
 * ------------------------------------------------------------------------------------------ */

/* What is found out about a model. */
typedef struct measures {
    scores scores;
    spans spans;
    int64_t unseen, unseen_right; /* words that the model does not know */
} measures;

static bool measures_new(measures *m, const labels *tags)
{
    *m = (measures){.unseen = 0};
    return scores_new(&m->scores, tags) && spans_new(&m->spans, tags);
}

static void measures_free(measures *m)
{
    scores_free(&m->scores);
    spans_free(&m->spans);
}

/* The likeliest tags [T, n] of sentences chosen by number; NULL after a complaint. */
static const int32_t *tag_batch(run *r, const int64_t *which, int64_t n)
{
    reel_tape_reset(r->test_tape);
    if (!batch_fill(&r->batch, &r->coding, &r->sentences, which, n)) {
        return NULL;
    }
    reel_node *logits = model_logits(&r->model, r->test_tape, &r->batch);
    const int32_t *tag = reel_data(reel_argmax_axis(logits, -1, false));
    if (!tag) {
        tape_complain(r->test_tape);
    }
    return tag;
}

static void count_sentence(run *r, measures *m, const int32_t *said, int64_t i, int64_t k)
{
    const sentences *s = &r->sentences;
    const int32_t *truth = s->tag + s->first[i];
    for (int64_t t = 0; t < s->length[i]; t++) {
        r->said[t] = said[t * r->batch.n + k];
        scores_add(&m->scores, truth[t], r->said[t]);
        if (r->batch.word[t * r->batch.n + k] == REEL_UNKNOWN) {
            m->unseen++;
            m->unseen_right += truth[t] == r->said[t];
        }
    }
    spans_add(&m->spans, truth, r->said, s->length[i]);
}

/* Measures on sentences [from, to). */
static bool measure(run *r, int64_t from, int64_t to, measures *m)
{
    int64_t *which = malloc((size_t)set.common.batch * sizeof *which);
    bool ok = which || out_of_memory();
    while (ok && from < to && !interrupted()) {
        int64_t n = to - from < set.common.batch ? to - from : set.common.batch;
        for (int64_t k = 0; k < n; k++) {
            which[k] = from + k;
        }
        const int32_t *said = tag_batch(r, which, n);
        ok = said != NULL;
        for (int64_t k = 0; ok && k < n; k++) {
            count_sentence(r, m, said, from + k, k);
        }
        from += n;
    }
    free(which);
    return ok;
}

static bool judge(void *context, int64_t epoch, double *score)
{
    run *r = context;
    measures m;
    bool ok = measures_new(&m, &r->tags) && measure(r, r->n_train, r->sentences.n, &m);
    *score = ok ? scores_accuracy(&m.scores) : 0;
    if (ok && !set.common.quiet && !interrupted()) {
        note("epoch %" PRId64 ": held-out accuracy %.4f", epoch, *score);
    }
    measures_free(&m);
    return ok;
}

/* Commands
 * ------------------------------------------------------------------------------------------- */

static bool new_model(run *r)
{
    return labelling_tapes(&set.common, &r->tape, &r->test_tape) &&
           model_new(&r->model, reel_vocabulary_size(r->coding.words),
                     reel_vocabulary_size(r->coding.characters), r->tags.n);
}

/* Reads the model of a checkpoint: options, tags, words and, unless it is to be resumed, weights.
 */
static bool load(run *r, bool resume)
{
    reel_archive *a =
        checkpoint_open(set.common.checkpoint, resume ? CHECKPOINT_RESUME : CHECKPOINT_USE);
    bool ok = a && labels_take(a, set.common.checkpoint, &r->tags);
    r->coding.words = ok ? checkpoint_take_vocabulary(a, set.common.checkpoint, "words") : NULL;
    r->coding.characters =
        r->coding.words ? checkpoint_take_vocabulary(a, set.common.checkpoint, "characters") : NULL;
    ok = r->coding.characters && new_model(r) &&
         (resume || archive_weights(a, set.common.checkpoint, r->model.params));
    reel_archive_free(a);
    return ok;
}

static bool train_model(run *r)
{
    training t = {.context = r,
                  .params = r->model.params,
                  .tape = r->tape,
                  .units = "words",
                  .data = sentences_hash(&r->sentences),
                  .store = store,
                  .loss = loss_of,
                  .judge = r->n_train < r->sentences.n ? judge : NULL};
    return batches_new(&r->batches, &set.common, r->n_train, r->sentences.length) &&
           labelling_train(&set.common, &r->batches, &t);
}

static int train(int n, char *const *path)
{
    run r = {.n_train = 0};
    bool ok = !set.common.resume || load(&r, true);
    ok = ok && read_sentences(&r, n, path, !set.common.resume, (uint64_t)set.common.seed) &&
         split(&r, false);
    if (ok && !set.common.resume) {
        ok = coding_learn(&r.coding, &r.sentences, r.n_train) && new_model(&r);
    }
    ok = ok && coding_of(&r.coding, &r.sentences);
    if (ok && !set.common.quiet) {
        note("%" PRId64 " sentences to learn, %" PRId64 " held out, %" PRId64 " tags, %" PRId64
             " words, %" PRId64 " weights",
             r.n_train, r.sentences.n - r.n_train, r.tags.n, reel_vocabulary_size(r.coding.words),
             reel_params_size(r.model.params));
    }
    ok = ok && train_model(&r);
    run_free(&r);
    return exit_status(ok);
}

static bool report(const measures *m)
{
    const scores *s = &m->scores;
    printf("accuracy %.4f (%" PRId64 " of %" PRId64 ")\n", scores_accuracy(s), s->right, s->all);
    if (m->unseen > 0) {
        printf("of words unknown to the model %.4f (%" PRId64 " of %" PRId64 ")\n",
               (double)m->unseen_right / (double)m->unseen, m->unseen_right, m->unseen);
    }
    putchar('\n');
    scores_print(s, "tag");
    if (m->spans.types.n > 0) {
        putchar('\n');
        spans_print(&m->spans);
    }
    putchar('\n');
    scores_print_confusion(s);
    return !set.common.confusion || scores_draw(s, set.common.confusion);
}

/* New sentences where there is no file: not those that were learned. */
static bool eval_sentences(run *r, int n, char *const *path)
{
    int64_t known = r->tags.n;
    uint64_t seed = (uint64_t)set.common.seed + (n == 0 && !set.common.held_out_part);
    if (!read_sentences(r, n, path, false, seed)) {
        return false;
    }
    if (r->tags.n > known) {
        return complain("%s: was not trained on made-up sentences: expected a file to measure it "
                        "on",
                        set.common.checkpoint);
    }
    return split(r, false) && coding_of(&r->coding, &r->sentences) &&
           (!set.common.held_out_part ||
            checkpoint_learned(set.common.checkpoint, sentences_hash(&r->sentences)));
}

static bool held_out_is_there(const run *r)
{
    return !set.common.held_out_part || r->n_train < r->sentences.n ||
           complain("--held-out-part: of these %" PRId64 " sentences none was held out",
                    r->sentences.n);
}

static int eval(int n, char *const *path)
{
    run r = {.n_train = 0};
    measures m = {.unseen = 0};
    bool ok = load(&r, false) && eval_sentences(&r, n, path) && measures_new(&m, &r.tags) &&
              held_out_is_there(&r) &&
              measure(&r, set.common.held_out_part ? r.n_train : 0, r.sentences.n, &m) &&
              (interrupted() || report(&m));
    measures_free(&m);
    run_free(&r);
    return exit_status(ok);
}

static void print_tagged(const run *r, const int32_t *said)
{
    for (int64_t t = 0; t < r->sentences.length[0]; t++) {
        const char *word = sentences_word(&r->sentences, t), *tag = r->tags.name[said[t]];
        if (set.restore) {
            restore_print(stdout, word, tag, t == 0);
        } else {
            printf("%s\t%s\n", word, tag);
        }
    }
    putchar('\n');
}

/* Tags the words of a line. */
static bool answer(void *context, const char *line, size_t n)
{
    run *r = context;
    sentences_free(&r->sentences);
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        size_t from = i;
        while (i < n && !sentences_blank(line[i])) {
            i++;
        }
        ok = i == from || sentences_add(&r->sentences, line + from, i - from, -1);
    }
    sentences_end(&r->sentences);
    if (!ok || r->sentences.n == 0) {
        return ok;
    }
    int64_t first = 0;
    const int32_t *said = NULL;
    if (sentences_settle(&r->sentences, true, 0) && coding_of(&r->coding, &r->sentences)) {
        said = tag_batch(r, &first, 1);
    }
    if (said) {
        print_tagged(r, said);
    }
    return said != NULL;
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

static bool prepare_made(void)
{
    sentences s = {0};
    labels tags = {0};
    bool ok = sentences_make(&s, set.common.lines, (uint64_t)set.common.seed, &tags);
    for (int64_t i = 0; ok && i < s.n; i++) {
        for (int64_t k = s.first[i]; k < s.first[i + 1]; k++) {
            printf("%s\t%s\n", sentences_word(&s, k), tags.name[s.tag[k]]);
        }
        putchar('\n');
    }
    sentences_free(&s);
    labels_free(&tags);
    return ok;
}

static int prepare(int n, char *const *path)
{
    return exit_status(n > 0 ? restore_prepare(path[0], set.longest, stdout) : prepare_made());
}

static const command commands[] = {
    {"train", "[FILE]...", "learns tagged sentences; without a file, some that it makes up", 0, -1,
     train},
    {"eval", "[FILE]...", "measures accuracy, F1 of each tag and of spans B-X I-X", 0, -1, eval},
    {"label", NULL,
     "reads sentences, words with spaces between, a line each, and prints their tags", 0, 0, label},
    {"prepare", "[FILE]",
     "prints plain text's words without capitals and punctuation, which are the tags; without a "
     "file, the sentences that train makes up",
     0, 1, prepare},
    {0}};

static const program tagger = {
    .name = "reel-tag",
    .about =
        "Learns to give each word of a sentence a tag: its part of speech, what it is the name "
        "of, or\nwhat capitals and punctuation it has lost. A recurrent net of any cell reads "
        "the sentence, both\nways or forward.\n",
    .commands = commands,
    .options = option_table,
    .more = "Examples:\n"
            "  reel-tag train --checkpoint roles.safetensors\n"
            "  reel-tag prepare play.txt >play.tsv\n"
            "  reel-tag train --characters 32 play.tsv\n"
            "  echo 'what say you' | reel-tag label --restore --checkpoint tag.best.safetensors\n"};

int main(int argc, char **argv)
{
    return program_main(&tagger, argc, argv);
}

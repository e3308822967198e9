/* The table of Bengio et al. 2015. Each model has a checkpoint and a file of scores in the folder,
 * so that what was stopped goes on. Invariant: a file of scores is there only when its model is
 * whole. */
#include "table.h"
#include "../program/curves.h"
#include "../program/program.h"
#include "judge.h"
#include "train.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_SEEDS = 100, PATH_SIZE = 4096, METRICS = 3, CURVE_EVERY = 5 };

typedef struct row {
    const char *name, *file; /* name: of an ensemble, what of */
    int method, models;      /* more than one: an ensemble */
    const char *published;
} row;

enum { ENSEMBLE = METHODS, SCHEDULED_ENSEMBLE, ROWS };

static const row rows[ROWS] = {
    {"Baseline", "baseline", BASELINE, 1, "28.8 / 24.2 / 89.5"},
    {"Baseline with dropout", "dropout", DROPOUT, 1, "28.1 / 23.9 / 87.0"},
    {"Always sampling", "always", ALWAYS, 1, "11.2 / 15.7 / 49.7"},
    {"Scheduled sampling", "scheduled", SCHEDULED, 1, "30.6 / 24.3 / 92.1"},
    {"Uniform scheduled", "uniform", UNIFORM, 1, "29.2 / 24.2 / 90.9"},
    {"baselines", "baseline", BASELINE, 10, "30.7 / 25.1 / 95.7"},
    {"scheduled", "scheduled", SCHEDULED, 5, "32.3 / 25.4 / 98.7"},
};

static const char *const metrics[METRICS] = {"BLEU-4", "METEOR", "CIDEr-D"};

typedef struct experiment {
    settings *s;
    data d;
    double found[ROWS][MOST_SEEDS][METRICS];
    double curve[METHODS][MOST_EPOCHS]; /* sums over the seeds */
    bool quiet;
} experiment;

static int models_of(const experiment *e, int r)
{
    return e->s->quick && rows[r].models > 1 ? 2 : rows[r].models;
}

/* Files
 * -------------------------------------------------------------------------------------------- */

static const char *in_folder(const experiment *e, char *path, const char *name)
{
    snprintf(path, PATH_SIZE, "%s/%s", e->s->folder, name);
    return path;
}

/* What all models of a folder have in common. */
static void settings_text(const settings *s, char *text, size_t size)
{
    snprintf(text, size,
             "scenes %" PRId64 "\nheldout %" PRId64 "\ndata-seed %" PRId64 "\nnoise %g\n"
             "hidden %" PRId64 "\nembedding %" PRId64 "\nepochs %" PRId64 "\nbatch %" PRId64
             "\ndropout %g\nrate %g\nclip %g\nshare %g\nbeam %" PRId64 "\n",
             s->scenes, s->heldout, s->data_seed, s->noise, s->hidden, s->embedding, s->epochs,
             s->batch, s->dropout, s->rate, s->clip, s->share, s->beam);
}

/* Reads a small file as text; false where there is none. */
static bool read_text(const char *path, char *text, size_t size)
{
    FILE *in = fopen(path, "r");
    if (!in) {
        return false;
    }
    size_t n = fread(text, 1, size - 1, in);
    text[n] = '\0';
    fclose(in);
    return true;
}

static bool write_text(const char *path, const char *text)
{
    char message[256];
    return reel_write_file(path, text, strlen(text), message, sizeof message) == REEL_OK ||
           complain("%s: %s", path, message);
}

static bool open_folder(const experiment *e)
{
    char path[PATH_SIZE], now[1024], then[1024];
    if (mkdir(e->s->folder, 0777) != 0 && errno != EEXIST) {
        return complain("%s: cannot be made: %s", e->s->folder, strerror(errno));
    }
    settings_text(e->s, now, sizeof now);
    in_folder(e, path, "settings");
    if (!read_text(path, then, sizeof then)) {
        return write_text(path, now);
    }
    return strcmp(now, then) == 0 ||
           complain("%s holds models of other settings, which its file 'settings' tells: choose "
                    "another --folder",
                    e->s->folder);
}

/* The scores of a row's model, and the curve of its training behind them: a number on each line. */
static bool scores_write(const char *path, const double *x, const double *curve, int64_t epochs)
{
    size_t size = (size_t)(METRICS + epochs) * 32, used = 0;
    char *text = malloc(size);
    if (!text) {
        return out_of_memory();
    }
    for (int64_t i = 0; i < METRICS + epochs; i++) {
        double value = i < METRICS ? x[i] : curve[i - METRICS];
        used += (size_t)snprintf(text + used, size - used, "%.9g\n", value);
    }
    bool ok = write_text(path, text);
    free(text);
    return ok;
}

static bool scores_read(const char *path, double *x, double *curve, int64_t epochs)
{
    FILE *in = fopen(path, "r");
    bool ok = in != NULL;
    for (int64_t i = 0; ok && i < METRICS + epochs; i++) {
        ok = fscanf(in, "%lf", i < METRICS ? &x[i] : &curve[i - METRICS]) == 1;
    }
    if (in) {
        fclose(in);
    }
    return ok;
}

/* Models
 * ------------------------------------------------------------------------------------------- */

static bool load(const char *path, captioner *m)
{
    reel_archive *a = reel_archive_new();
    if (!a) {
        return out_of_memory();
    }
    bool ok = reel_archive_read(a, path) == REEL_OK ? archive_weights(a, path, m->params)
                                                    : complain("%s", reel_archive_message(a));
    reel_archive_free(a);
    return ok;
}

static bool score(const experiment *e, captioner *const *model, int models, double *x)
{
    scores found;
    if (!judge_captions(model, models, (int)e->s->beam, &e->d.test, e->d.vocabulary, &found)) {
        return false;
    }
    x[0] = found.bleu;
    x[1] = found.meteor;
    x[2] = found.cider;
    return true;
}

/* Trains the model of these settings, or goes on with it, and measures it. False also after a
 * signal. */
static bool make(experiment *e, captioner *m, double *x, double *curve, const char *file)
{
    settings *s = e->s;
    s->resume = access(s->checkpoint, F_OK) == 0;
    if (!train_captioner(s, &e->d, m, curve, CURVE_EVERY) || interrupted() || !score(e, &m, 1, x) ||
        !scores_write(file, x, curve, curve ? s->epochs : 0)) {
        return false;
    }
    if (!e->quiet) {
        note("%s: BLEU-4 %.1f, METEOR %.1f, CIDEr-D %.1f", s->checkpoint, 100 * x[0], 100 * x[1],
             100 * x[2]);
    }
    return true;
}

/* The k-th model of a method for that seed, whole: trained now or before. The first one's scores go
 * to x, and its curve, where they are asked for. */
static bool get_model(experiment *e, int r, int64_t seed, int k, captioner *m, double *x,
                      double *curve)
{
    char name[64], checkpoint[PATH_SIZE], file[PATH_SIZE];
    double own[METRICS], *measured = k == 0 ? curve : NULL;
    settings *s = e->s;
    snprintf(name, sizeof name, "%s-%" PRId64 "-%d.safetensors", rows[r].file, seed, k);
    in_folder(e, checkpoint, name);
    snprintf(name, sizeof name, "%s-%" PRId64 "-%d.scores", rows[r].file, seed, k);
    in_folder(e, file, name);
    s->checkpoint = checkpoint;
    s->method = rows[r].method;
    s->seed = seed * MOST_MODELS + k;
    x = x ? x : own;
    if (!settings_model(s, &e->d, m)) {
        return false;
    }
    return scores_read(file, x, measured, measured ? s->epochs : 0) ? load(checkpoint, m)
                                                                    : make(e, m, x, measured, file);
}

static bool run_single(experiment *e, int r, int64_t seed)
{
    double curve[MOST_EPOCHS];
    captioner m = {0};
    bool ok = get_model(e, r, seed, 0, &m, e->found[r][seed - 1], curve);
    for (int64_t i = 0; ok && i < e->s->epochs; i++) {
        e->curve[rows[r].method][i] += curve[i]; /* what was not measured is not a number */
    }
    captioner_free(&m);
    return ok;
}

static bool run_ensemble(experiment *e, int r, int64_t seed)
{
    char name[64], file[PATH_SIZE];
    captioner m[MOST_MODELS] = {{0}}, *model[MOST_MODELS];
    double curve[MOST_EPOCHS];
    int models = models_of(e, r);
    bool ok = true;
    snprintf(name, sizeof name, "ensemble-%s-%" PRId64 ".scores", rows[r].file, seed);
    if (scores_read(in_folder(e, file, name), e->found[r][seed - 1], NULL, 0)) {
        return true;
    }
    for (int k = 0; ok && k < models; k++) {
        model[k] = &m[k];
        ok = get_model(e, r, seed, k, &m[k], NULL, curve);
    }
    ok = ok && score(e, model, models, e->found[r][seed - 1]) &&
         scores_write(file, e->found[r][seed - 1], NULL, 0);
    for (int k = 0; k < models; k++) {
        captioner_free(&m[k]);
    }
    return ok;
}

/* Rows [from, to), seed by seed. */
static bool run_rows(experiment *e, int from, int to)
{
    for (int64_t seed = 1; seed <= e->s->seeds; seed++) {
        for (int r = from; r < to; r++) {
            if (interrupted()) {
                return false;
            }
            if (!(rows[r].models > 1 ? run_ensemble(e, r, seed) : run_single(e, r, seed))) {
                return false;
            }
        }
    }
    return true;
}

/* What came out
 * ------------------------------------------------------------------------------------ */

static void mean_and_deviation(int64_t n, const double *x, double *mean, double *deviation)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += x[i];
    }
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        squares += (x[i] - *mean) * (x[i] - *mean);
    }
    *deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
}

static void print_row(const experiment *e, int r)
{
    char name[64];
    int64_t n = e->s->seeds;
    if (rows[r].models > 1) {
        snprintf(name, sizeof name, "Ensemble of %d %s", models_of(e, r), rows[r].name);
    } else {
        snprintf(name, sizeof name, "%s", rows[r].name);
    }
    printf("%-26s", name);
    for (int k = 0; k < METRICS; k++) {
        double x[MOST_SEEDS], mean, deviation;
        for (int64_t i = 0; i < n; i++) {
            x[i] = 100 * e->found[r][i][k];
        }
        mean_and_deviation(n, x, &mean, &deviation);
        printf("  %5.1f ± %4.1f", mean, deviation);
    }
    printf("   %s\n", rows[r].published);
}

/* a is above b, by the mean of the differences of each seed, in BLEU-4 and CIDEr-D. */
typedef struct claim {
    const char *text;
    int a, b;
    bool quick; /* is also tried in the quick mode */
} claim;

static const claim claims[] = {
    {"Always sampling < baseline", BASELINE, ALWAYS, true},
    {"Scheduled >= baseline", SCHEDULED, BASELINE, false},
    {"Ensemble of baselines > baseline", ENSEMBLE, BASELINE, false},
    {"Ensemble of scheduled > scheduled", SCHEDULED_ENSEMBLE, SCHEDULED, false},
};

static bool try_claim(const experiment *e, const claim *c)
{
    static const int counted[] = {0, 2};
    bool holds = true;
    int64_t n = e->s->seeds;
    printf("%-34s", c->text);
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        int k = counted[i];
        int64_t above = 0;
        double x[MOST_SEEDS], mean, deviation;
        for (int64_t seed = 0; seed < n; seed++) {
            x[seed] = 100 * (e->found[c->a][seed][k] - e->found[c->b][seed][k]);
            above += x[seed] > 0;
        }
        mean_and_deviation(n, x, &mean, &deviation);
        printf("  %s by %.1f ± %.1f, %" PRId64 " of %" PRId64 " seeds%s", metrics[k], mean,
               deviation, above, n, i == 0 ? ";" : "");
        holds = holds && mean > 0;
    }
    printf(":  %s\n", holds ? "yes" : "no");
    return holds;
}

static bool print_all(const experiment *e)
{
    bool ok = true;
    printf("%-26s  %11s  %11s  %11s   published\n", "", metrics[0], metrics[1], metrics[2]);
    for (int r = 0; r < ROWS; r++) {
        print_row(e, r);
    }
    putchar('\n');
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        bool holds = try_claim(e, &claims[i]);
        ok = ok && (holds || (e->s->quick && !claims[i].quick));
    }
    /* one that has learned nothing says hardly four right words in a row */
    bool learned = e->found[BASELINE][0][0] > 0.1;
    ok = ok || complain("the claims did not all come true");
    return (learned || complain("the baseline has not learned to tell scenes")) && ok;
}

/* The mean over the seeds of what each method's models scored on the way. */
static bool draw(const experiment *e)
{
    const char *name[METHODS];
    const size_t n = (size_t)(METHODS * e->s->epochs);
    curve_point *point = e->s->curves ? calloc(n, sizeof *point) : NULL;
    if (!e->s->curves) {
        return true;
    }
    if (!point) {
        return out_of_memory();
    }
    for (int r = 0; r < METHODS; r++) {
        name[r] = rows[r].name;
        for (int64_t i = 0; i < e->s->epochs; i++) {
            point[r * e->s->epochs + i] =
                (curve_point){r, (double)(i + 1), 100 * e->curve[r][i] / (double)e->s->seeds};
        }
    }
    bool ok = curves_draw(&(curves){.path = e->s->curves,
                                    .x_label = "epoch",
                                    .y_label = "CIDEr-D of held-out scenes",
                                    .series = METHODS,
                                    .name = name,
                                    .n = n,
                                    .point = point});
    free(point);
    return ok;
}

static bool run(experiment *e)
{
    if (!settings_data(e->s, &e->d) || !open_folder(e) || !run_rows(e, 0, METHODS) ||
        !run_rows(e, METHODS, ROWS)) {
        return false;
    }
    bool ok = print_all(e);
    return draw(e) && ok;
}

static void make_quick(settings *s)
{
    s->scenes = 100;
    s->heldout = 60;
    s->hidden = 48;
    s->epochs = 12;
    s->rate = 5e-3;
    s->seeds = 1;
}

int table(settings *s)
{
    if (s->curves && !curves_path(s->curves)) {
        return EXIT_USAGE;
    }
    if (s->quick) {
        make_quick(s);
    }
    experiment *e = calloc(1, sizeof *e);
    if (!e) {
        out_of_memory();
        return EXIT_RUN;
    }
    e->s = s;
    e->quiet = s->quiet;
    s->quiet = true; /* a model's own progress */
    bool ok = run(e);
    data_free(&e->d);
    free(e);
    return exit_status(ok || interrupted());
}

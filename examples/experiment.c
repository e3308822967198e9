/* What the experiment programs have in common: see experiment.h. */
#include "experiment.h"

#include "program/value.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options */

static void print_value(const setting *s, FILE *out)
{
    if (!s->words) {
        fprintf(out, " [%g]\n", *s->value);
        return;
    }
    char word[64];
    fprintf(out, ": %s [%s]\n", s->words,
            value_word_at(s->words, (int64_t)*s->value, word, sizeof word));
}

static void usage(const experiment *e, FILE *out)
{
    fprintf(out,
            "Usage: %s [OPTION ...]\n%s\n"
            "  --quick        a small version, in seconds, that checks what it shows\n"
            "  --seed N       seed of everything random [%llu]\n"
            "  --curves FILE  draw the curves: .svg, .png, .pdf (by gnuplot), or .gp, its script\n"
            "  --quiet        show no progress\n",
            e->name, e->about, (unsigned long long)e->seed);
    for (const setting *s = e->settings; s && s->name; s++) {
        char head[32];
        snprintf(head, sizeof head, "--%s %s", s->name, s->words ? "WORD" : "N");
        fprintf(out, "  %-13s  %s", head, s->help);
        print_value(s, out);
    }
    fputs("  --help         print this and exit\n", out);
}

static bool take(const setting *s, const char *text)
{
    if (!s->words) {
        return value_number(s->name, text, s->low, s->high, s->value);
    }
    int64_t position = 0;
    bool ok = value_word(s->name, text, s->words, &position);
    *s->value = ok ? (double)position : *s->value;
    return ok;
}

static bool take_seed(experiment *e, const char *text)
{
    char *end = NULL;
    errno = 0;
    e->seed = strtoull(text, &end, 10);
    return (end != text && !*end && !errno && *text != '-') ||
           complain("--seed: '%s' is not a whole number of 0 or more", text);
}

static bool parse(experiment *e, int argc, char **argv, int *status)
{
    enum { QUICK = 1000, SEED, CURVES, QUIET, HELP, MOST = 24 };
    struct option known[MOST + 6] = {{"quick", no_argument, NULL, QUICK},
                                     {"seed", required_argument, NULL, SEED},
                                     {"curves", required_argument, NULL, CURVES},
                                     {"quiet", no_argument, NULL, QUIET},
                                     {"help", no_argument, NULL, HELP}};
    for (int i = 0; e->settings && e->settings[i].name && i < MOST; i++) {
        known[5 + i] = (struct option){e->settings[i].name, required_argument, NULL, i};
    }
    *status = EXIT_USAGE;
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        bool good = c != '?';
        switch (c) {
        case QUICK:
            e->quick = true;
            break;
        case SEED:
            good = take_seed(e, optarg);
            break;
        case CURVES:
            e->curves = optarg;
            good = curves_path(optarg);
            break;
        case QUIET:
            e->quiet = true;
            break;
        case HELP:
            usage(e, stdout);
            *status = 0;
            return false;
        case '?':
            usage(e, stderr);
            break;
        default:
            good = take(&e->settings[c], optarg);
        }
        if (!good) {
            return false;
        }
    }
    if (optind < argc) {
        complain("unexpected argument '%s'", argv[optind]);
        return false;
    }
    return true;
}

bool experiment_start(experiment *e, int argc, char **argv, int *status)
{
    program_name = e->name;
    e->seed = 1;
    if (!parse(e, argc, argv, status)) {
        return false;
    }
    interrupt_catch();
    meter_start(&e->progress, e->quiet);
    setvbuf(stdout, NULL, _IOLBF, 0);
    return true;
}

/* Progress */

void experiment_clear(const experiment *e)
{
    meter_clear(&e->progress);
}

void experiment_begin(experiment *e, int64_t total, const char *what, ...)
{
    va_list args;
    va_start(args, what);
    vsnprintf(e->what, sizeof e->what, what, args);
    va_end(args);
    e->total = total;
    meter_start(&e->progress, e->quiet);
}

bool experiment_update(experiment *e, int64_t done, double loss)
{
    if (meter_due(&e->progress)) {
        const bool colour = e->progress.colour;
        double rate = (double)done / (clock_seconds() - e->progress.started);
        meter_show(&e->progress, done, e->total,
                   "%s%s%s: update %lld/%lld  loss %.4g  %.1f updates/s", colour ? "\033[1m" : "",
                   e->what, colour ? "\033[0m" : "", (long long)done, (long long)e->total, loss,
                   rate);
    }
    return !interrupted();
}

/* Curves */

void experiment_point(experiment *e, const char *series, double x, double y)
{
    int k = 0;
    while (k < e->series_count && strcmp(e->series[k], series) != 0) {
        k++;
    }
    if (!e->curves || k == MOST_SERIES) {
        return;
    }
    if (k == e->series_count) {
        snprintf(e->series[e->series_count++], sizeof e->series[0], "%s", series);
    }
    if (e->count == e->capacity) {
        size_t capacity = e->capacity ? 2 * e->capacity : 256;
        curve_point *grown = realloc(e->points, capacity * sizeof *grown);
        if (!grown) {
            e->failed = true;
            return;
        }
        e->points = grown;
        e->capacity = capacity;
    }
    e->points[e->count++] = (curve_point){.series = k, .x = x, .y = y};
}

static bool draw(const experiment *e)
{
    const char *name[MOST_SERIES];
    for (int k = 0; k < e->series_count; k++) {
        name[k] = e->series[k];
    }
    return curves_draw(&(curves){.path = e->curves,
                                 .x_label = e->x_label,
                                 .y_label = e->y_label,
                                 .logarithmic = true,
                                 .series = e->series_count,
                                 .name = name,
                                 .n = e->count,
                                 .point = e->points});
}

int experiment_finish(experiment *e, bool ok)
{
    experiment_clear(e);
    if (e->failed) {
        ok = complain("out of memory for the curves");
    } else if (e->curves && e->count) {
        ok = draw(e) && ok;
    }
    free(e->points);
    if (interrupted()) {
        complain("stopped by signal %d", interrupted());
    }
    return exit_status(ok || interrupted());
}

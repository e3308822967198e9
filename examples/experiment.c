/* What the experiment programs have in common: see experiment.h. */
#include "experiment.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* Signals: the first asks the program to stop at the next good moment, the second ends it. */

static volatile sig_atomic_t caught;

static void handle(int number)
{
    caught = number;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool experiment_stopped(void)
{
    return caught != 0;
}

/* Options */

bool experiment_complain(experiment *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    experiment_clear(e);
    fprintf(stderr, "%s: ", e->name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return false;
}

static void print_value(const setting *s, FILE *out)
{
    if (!s->words) {
        fprintf(out, " [%g]\n", *s->value);
        return;
    }
    const char *w = s->words;
    for (int i = (int)*s->value; i > 0; i--) {
        w += strcspn(w, "|") + 1;
    }
    fprintf(out, ": %s [%.*s]\n", s->words, (int)strcspn(w, "|"), w);
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

static bool take_word(experiment *e, const setting *s, const char *text)
{
    size_t length = strlen(text);
    int position = 0;
    for (const char *w = s->words; *w; position++) {
        size_t n = strcspn(w, "|");
        if (n == length && memcmp(w, text, n) == 0) {
            *s->value = position;
            return true;
        }
        w += n + (w[n] == '|');
    }
    return experiment_complain(e, "--%s: '%s' is none of %s", s->name, text, s->words);
}

static bool take(experiment *e, const setting *s, const char *text)
{
    if (s->words) {
        return take_word(e, s, text);
    }
    char *end = NULL;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= s->low && v <= s->high)) {
        return experiment_complain(e, "--%s: '%s' is not a number from %g to %g", s->name, text,
                                   s->low, s->high);
    }
    *s->value = v;
    return true;
}

static bool take_seed(experiment *e, const char *text)
{
    char *end = NULL;
    errno = 0;
    e->seed = strtoull(text, &end, 10);
    return (end != text && !*end && !errno && *text != '-') ||
           experiment_complain(e, "--seed: '%s' is not a whole number of 0 or more", text);
}

static bool ends_in(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

static bool take_curves(experiment *e, const char *path)
{
    e->curves = path;
    return ends_in(path, ".svg") || ends_in(path, ".png") || ends_in(path, ".pdf") ||
           ends_in(path, ".gp") ||
           experiment_complain(e, "--curves: '%s' does not end in .svg, .png, .pdf or .gp", path);
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
            good = take_curves(e, optarg);
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
            good = take(e, &e->settings[c], optarg);
        }
        if (!good) {
            return false;
        }
    }
    if (optind < argc) {
        experiment_complain(e, "unexpected argument '%s'", argv[optind]);
        return false;
    }
    return true;
}

bool experiment_start(experiment *e, int argc, char **argv, int *status)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    e->seed = 1;
    e->terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    e->colour = e->terminal && !(no_colour && *no_colour);
    if (!parse(e, argc, argv, status)) {
        return false;
    }
    catch_signals();
    setvbuf(stdout, NULL, _IOLBF, 0);
    return true;
}

/* Progress */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void experiment_clear(const experiment *e)
{
    if (e->terminal && !e->quiet) {
        fputs("\r\033[K", stderr);
    }
}

void experiment_begin(experiment *e, int64_t total, const char *what, ...)
{
    va_list args;
    va_start(args, what);
    vsnprintf(e->what, sizeof e->what, what, args);
    va_end(args);
    e->total = total;
    e->started = e->shown = seconds();
}

bool experiment_update(experiment *e, int64_t done, double loss)
{
    double now = seconds();
    if (!e->quiet && now - e->shown >= (e->terminal ? 0.25 : 10)) {
        double rate = (double)done / (now - e->started);
        long left = lrint((double)(e->total - done) / rate);
        experiment_clear(e);
        fprintf(stderr, "%s%s%s: update %lld/%lld  loss %.4g  %.1f updates/s  %ld:%02ld left%s",
                e->colour ? "\033[1m" : "", e->what, e->colour ? "\033[0m" : "", (long long)done,
                (long long)e->total, loss, rate, left / 60, left % 60, e->terminal ? "" : "\n");
        fflush(stderr);
        e->shown = now;
    }
    return !caught;
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

/* A string constant of gnuplot: single quotes are doubled inside single quotes. */
static void quote(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'') {
            fputc('\'', out);
        }
        fputc(*text == '\n' ? ' ' : *text, out);
    }
    fputc('\'', out);
}

static void write_script(const experiment *e, FILE *out)
{
    for (int k = 0; k < e->series_count; k++) {
        fprintf(out, "$curve%d << end_of_data\n", k);
        for (size_t i = 0; i < e->count; i++) {
            if (e->points[i].series == k) {
                fprintf(out, "%.9g %.9g\n", e->points[i].x, e->points[i].y);
            }
        }
        fputs("end_of_data\n", out);
    }
    if (!ends_in(e->curves, ".gp")) {
        fprintf(out, "set terminal %s\nset output ",
                ends_in(e->curves, ".png")   ? "pngcairo size 1350,750 font ',16'"
                : ends_in(e->curves, ".pdf") ? "pdfcairo size 6in,3.4in"
                                             : "svg size 900,500 dynamic background rgb 'white' "
                                               "font 'Helvetica,14'");
        quote(out, e->curves);
        fputc('\n', out);
    }
    fputs(
        "set logscale y\nset grid lc rgb '#dddddd'\nset key outside right noenhanced\nset xlabel ",
        out);
    quote(out, e->x_label);
    fputs("\nset ylabel ", out);
    quote(out, e->y_label);
    fputs("\nplot ", out);
    for (int k = 0; k < e->series_count; k++) {
        fprintf(out, "%s$curve%d using 1:2 with lines lw 2 title ", k ? ", \\\n    " : "", k);
        quote(out, e->series[k]);
    }
    fputc('\n', out);
}

static bool run_gnuplot(char *script)
{
    char name[] = "gnuplot";
    char *argv[] = {name, script, NULL};
    pid_t child;
    if (posix_spawnp(&child, name, NULL, NULL, argv, environ) != 0) {
        return false;
    }
    int how = 0;
    while (waitpid(child, &how, 0) == -1 && errno == EINTR) {
    }
    return WIFEXITED(how) && WEXITSTATUS(how) == 0;
}

/* The script is the file asked for, or stands beside it until gnuplot has drawn it. */
static bool draw(experiment *e)
{
    char script[4096];
    bool only = ends_in(e->curves, ".gp");
    snprintf(script, sizeof script, "%s%s", e->curves, only ? "" : ".gp");
    FILE *out = fopen(script, "w");
    if (!out) {
        return experiment_complain(e, "%s: cannot be opened: %s", script, strerror(errno));
    }
    write_script(e, out);
    bool bad = ferror(out) != 0;
    if (fclose(out) != 0 || bad) {
        return experiment_complain(e, "%s: cannot be written", script);
    }
    if (only) {
        return true;
    }
    if (run_gnuplot(script)) {
        remove(script);
    } else {
        experiment_complain(e, "%s: not drawn: gnuplot is missing or failed: its script is %s",
                            e->curves, script);
    }
    return true;
}

int experiment_finish(experiment *e, bool ok)
{
    experiment_clear(e);
    if (e->failed) {
        ok = experiment_complain(e, "out of memory for the curves");
    } else if (e->curves && e->count) {
        ok = draw(e) && ok;
    }
    free(e->points);
    if (caught) {
        experiment_complain(e, "stopped by signal %d", (int)caught);
        return EXIT_SIGNAL + (int)caught;
    }
    return ok ? 0 : EXIT_RUN;
}

/* Job: draw gradient norms through the program gnuplot.
 * Invariant: no shell is involved; the script, which holds its data, is left behind only where it
 * was asked for or gnuplot did not draw it. Must not know: how the figures were measured. */
#if !defined(_POSIX_C_SOURCE) && !defined(_GNU_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif
#include "flow.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include "memory.h"

extern char **environ;

static reel_status fail(reel_flow *flow, reel_status status, const char *format, ...)
    REEL_PRINTF(3, 4);
static reel_status fail(reel_flow *flow, reel_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(flow->message, sizeof flow->message, format, args);
    va_end(args);
    return status;
}

/* A string constant of gnuplot: single quotes are doubled inside single quotes, and a line ends the
 * constant, whatever stands in it. */
static void quote(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; text && *text; text++) {
        if (*text == '\'') {
            fputc('\'', out);
        }
        fputc(*text == '\n' ? ' ' : *text, out);
    }
    fputc('\'', out);
}

/* A block of data: steps back, and a column for each state. Figures that a logarithmic axis cannot
 * show are missing. */
static void write_data(FILE *out, int number, const reel_flow *flow)
{
    fprintf(out, "$flow%d << end_of_data\n", number);
    for (int64_t t = 0; t < flow->steps; t++) {
        fprintf(out, "%lld", (long long)(flow->steps - 1 - t));
        for (int i = 0; i < flow->states; i++) {
            double v = flow->norm[i * flow->steps + t];
            if (v > 0 && isfinite(v)) {
                fprintf(out, " %.17g", v);
            } else {
                fputs(" NaN", out);
            }
        }
        fputc('\n', out);
    }
    fputs("end_of_data\n", out);
}

/* The colours of reports, told apart also by who does not see all of them (Okabe & Ito 2008);
 * states differ by the kind of line. */
static void write_curve(FILE *out, int number, const reel_flow *flow, int state)
{
    static const char *const colour[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                         "#e69f00", "#56b4e9", "#000000", "#999999"};
    char title[256], name[16];
    const char *what = reel__flow_state_name(flow, state, name, sizeof name);
    snprintf(title, sizeof title, "%s%s%s", flow->name ? flow->name : "", flow->name ? ", " : "",
             what);
    fprintf(out, "$flow%d using 1:%d with lines lw 2 dt %d lc rgb '%s' title ", number, state + 2,
            state % 4 + 1, colour[number % 8]);
    quote(out, title);
}

static void write_script(FILE *out, const char *path, const char *terminal, int n,
                         const reel_flow *flow)
{
    for (int k = 0; k < n; k++) {
        write_data(out, k, &flow[k]);
    }
    if (terminal) {
        fprintf(out, "set terminal %s\nset output ", terminal);
        quote(out, path);
        fputc('\n', out);
    }
    fputs("set logscale y\nset format y '10^{%T}'\nset xlabel 'steps back, T - t'\n"
          "set ylabel 'norm of the derivative of the loss'\nset grid lc rgb '#dddddd'\n"
          "set key outside right noenhanced\nplot ",
          out);
    const char *before = "";
    for (int k = 0; k < n; k++) {
        for (int i = 0; i < flow[k].states; i++, before = ", \\\n    ") {
            fputs(before, out);
            write_curve(out, k, &flow[k], i);
        }
    }
    fputc('\n', out);
}

static reel_status save_script(const char *script, const char *path, const char *terminal, int n,
                               reel_flow *flow)
{
    FILE *out = fopen(script, "w");
    if (!out) {
        return fail(flow, REEL_ERR_FILE, "%s: cannot be opened: %s", script, strerror(errno));
    }
    write_script(out, path, terminal, n, flow);
    bool bad = ferror(out) != 0;
    bad = fclose(out) != 0 || bad;
    return bad ? fail(flow, REEL_ERR_FILE, "%s: cannot be written", script) : REEL_OK;
}

/* Runs gnuplot on the script, its complaints unheard. Returns 0, the errno of the start, or -1. */
static int run_gnuplot(char *script)
{
    posix_spawn_file_actions_t actions;
    int why = posix_spawn_file_actions_init(&actions);
    if (why) {
        return why;
    }
    char name[] = "gnuplot";
    char *argv[] = {name, script, NULL};
    pid_t child;
    why = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    why = why ? why : posix_spawnp(&child, name, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (why) {
        return why;
    }
    int how = 0;
    while (waitpid(child, &how, 0) == -1) {
        if (errno != EINTR) {
            return errno;
        }
    }
    return WIFEXITED(how) && WEXITSTATUS(how) == 0 ? 0 : -1;
}

static const char *terminal_of(const char *ending)
{
    static const char *const known[][2] = {
        {"svg", "svg size 900,500 dynamic background rgb 'white' font 'Helvetica,14'"},
        {"png", "pngcairo size 1350,750 font ',16'"},
        {"pdf", "pdfcairo size 6in,3.4in"}};
    for (size_t i = 0; ending && i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(ending + 1, known[i][0]) == 0) {
            return known[i][1];
        }
    }
    return NULL;
}

static reel_status draw(const char *path, const char *terminal, int n, reel_flow *flow)
{
    char *script = reel__format("%s.gp", path);
    if (!script) {
        return fail(flow, REEL_ERR_MEMORY, "reel_flow_plot: out of memory");
    }
    reel_status status = save_script(script, path, terminal, n, flow);
    int why = status ? 0 : run_gnuplot(script);
    if (why) {
        status = fail(flow, REEL_ERR_PROGRAM,
                      "%s: not drawn: the program 'gnuplot' %s: its script is left in %s", path,
                      why > 0 ? strerror(why) : "is missing or failed", script);
    } else if (!status) {
        remove(script);
    }
    reel__free(script);
    return status;
}

reel_status reel_flow_plot(const char *path, int n, reel_flow *flow)
{
    if (!flow || n < 1) {
        return REEL_ERR_ARGUMENT;
    }
    const char *ending = path ? strrchr(path, '.') : NULL;
    const char *terminal = terminal_of(ending);
    if (!terminal && !(ending && strcmp(ending, ".gp") == 0)) {
        return fail(flow, REEL_ERR_ARGUMENT,
                    "reel_flow_plot: '%s': expected a path that ends in .gp, .svg, .png or .pdf",
                    path ? path : "");
    }
    for (int k = 0; k < n; k++) {
        if (!flow[k].norm) {
            return fail(flow, REEL_ERR_ARGUMENT,
                        "reel_flow_plot: report %d holds no figures%s%.200s", k,
                        flow[k].status ? ": " : "", flow[k].status ? flow[k].message : "");
        }
    }
    return terminal ? draw(path, terminal, n, flow) : save_script(path, path, NULL, n, flow);
}

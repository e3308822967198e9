/* Curves as a gnuplot script that holds its data, and the program that draws it. */
#include "curves.h"

#include "say.h"

#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

static bool ends_in(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

bool curves_path(const char *path)
{
    return ends_in(path, ".svg") || ends_in(path, ".png") || ends_in(path, ".pdf") ||
           ends_in(path, ".gp") ||
           complain("--curves: '%s' does not end in .svg, .png, .pdf or .gp", path);
}

/* A string constant of gnuplot: single quotes are doubled inside single quotes. */
static void quote(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputc('\'', out);
        }
        fputc(*text == '\n' ? ' ' : *text, out);
    }
    fputc('\'', out);
}

static void write_data(FILE *out, const curves *c)
{
    for (int k = 0; k < c->series; k++) {
        fprintf(out, "$curve%d << end_of_data\n", k);
        for (size_t i = 0; i < c->n; i++) {
            if (c->point[i].series == k && !isnan(c->point[i].y)) {
                fprintf(out, "%.9g %.9g\n", c->point[i].x, c->point[i].y);
            }
        }
        fputs("end_of_data\n", out);
    }
}

static void write_script(FILE *out, const curves *c)
{
    write_data(out, c);
    if (!ends_in(c->path, ".gp")) {
        fprintf(out, "set terminal %s\nset output ",
                ends_in(c->path, ".png")   ? "pngcairo size 1350,750 font ',16'"
                : ends_in(c->path, ".pdf") ? "pdfcairo size 6in,3.4in"
                                           : "svg size 900,500 dynamic background rgb 'white' "
                                             "font 'Helvetica,14'");
        quote(out, c->path);
        fputc('\n', out);
    }
    fprintf(out, "%sset grid lc rgb '#dddddd'\nset key outside right noenhanced\nset xlabel ",
            c->logarithmic ? "set logscale y\n" : "");
    quote(out, c->x_label);
    fputs("\nset ylabel ", out);
    quote(out, c->y_label);
    fputs("\nplot ", out);
    for (int k = 0; k < c->series; k++) {
        fprintf(out, "%s$curve%d using 1:2 with lines lw 2 title ", k > 0 ? ", \\\n    " : "", k);
        quote(out, c->name[k]);
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
bool curves_draw(const curves *c)
{
    char script[4096];
    bool only = ends_in(c->path, ".gp");
    snprintf(script, sizeof script, "%s%s", c->path, only ? "" : ".gp");
    FILE *out = fopen(script, "w");
    if (!out) {
        return complain("%s: cannot be opened: %s", script, strerror(errno));
    }
    write_script(out, c);
    bool bad = ferror(out) != 0;
    if (fclose(out) != 0 || bad) {
        return complain("%s: cannot be written", script);
    }
    if (!only && run_gnuplot(script)) {
        remove(script);
    } else if (!only) {
        note("%s: not drawn: gnuplot is missing or failed: its script is %s", c->path, script);
    }
    return true;
}

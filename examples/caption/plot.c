/* Curves as a gnuplot script that holds its data, and the program that draws it. */
#include "plot.h"
#include "../program/program.h"

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

bool plot_check(const char *path)
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

static void write_data(FILE *out, int n, const plot_line *lines)
{
    for (int k = 0; k < n; k++) {
        fprintf(out, "$curve%d << end_of_data\n", k);
        for (int64_t i = 0; i < lines[k].n; i++) {
            if (!isnan(lines[k].y[i])) {
                fprintf(out, "%lld %.9g\n", (long long)i + 1, lines[k].y[i]);
            }
        }
        fputs("end_of_data\n", out);
    }
}

static void write_script(FILE *out, const char *path, int n, const plot_line *lines)
{
    write_data(out, n, lines);
    if (!ends_in(path, ".gp")) {
        fprintf(out, "set terminal %s\nset output ",
                ends_in(path, ".png")   ? "pngcairo size 1350,750 font ',16'"
                : ends_in(path, ".pdf") ? "pdfcairo size 6in,3.4in"
                                        : "svg size 900,500 dynamic background rgb 'white' "
                                          "font 'Helvetica,14'");
        quote(out, path);
        fputc('\n', out);
    }
    fputs("set grid lc rgb '#dddddd'\nset key outside right noenhanced\nset xlabel 'epoch'\n"
          "set ylabel 'CIDEr-D of held-out scenes'\nplot ",
          out);
    for (int k = 0; k < n; k++) {
        fprintf(out, "%s$curve%d using 1:2 with lines lw 2 title ", k > 0 ? ", \\\n    " : "", k);
        quote(out, lines[k].name);
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
bool plot_curves(const char *path, int n, const plot_line *lines)
{
    char script[4096];
    bool only = ends_in(path, ".gp");
    snprintf(script, sizeof script, "%s%s", path, only ? "" : ".gp");
    FILE *out = fopen(script, "w");
    if (!out) {
        return complain("%s: cannot be opened: %s", script, strerror(errno));
    }
    write_script(out, path, n, lines);
    bool bad = ferror(out) != 0;
    if (fclose(out) != 0 || bad) {
        return complain("%s: cannot be written", script);
    }
    if (!only && run_gnuplot(script)) {
        remove(script);
    } else if (!only) {
        note("%s: not drawn: gnuplot is missing or failed: its script is %s", path, script);
    }
    return true;
}

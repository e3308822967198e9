/* The learning curve, drawn by the gnuplot program, which reads its script from a pipe. */
#include "../program/say.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* A string constant of gnuplot: single quotes are doubled inside single quotes. */
static void quote(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputc('\'', out);
        }
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void write_curves(FILE *out, const char *log)
{
    fputs("plot ", out);
    quote(out, log);
    fputs(" skip 1 using ($2/1e6):4 with lines lw 1.5 lc rgb '#0072b2' title 'training', ", out);
    quote(out, log);
    fputs(" skip 1 using ($2/1e6):8 with linespoints lw 2 pt 7 ps 0.6 lc rgb '#d55e00' title "
          "'held-out'\n",
          out);
}

/* Drawn twice: first nowhere, to learn the range of nats, of which the axis of bits is a multiple.
 */
static void write_script(FILE *out, const char *log, const char *svg, const char *title)
{
    fputs("set title ", out);
    quote(out, title);
    fputs(
        " noenhanced\nset datafile separator tab\nset datafile missing ''\n"
        "set xlabel 'characters trained on (millions)'\nset ylabel 'nats per character'\n"
        "set y2label 'bits per character'\nset ytics nomirror\nset xrange [0:*]\n"
        "set grid lc rgb '#dddddd'\nset key top right\nset terminal svg\nset output '/dev/null'\n",
        out);
    write_curves(out, log);
    fputs("set yrange [GPVAL_Y_MIN:GPVAL_Y_MAX]\n"
          "set y2range [GPVAL_Y_MIN/log(2):GPVAL_Y_MAX/log(2)]\nset y2tics\n"
          "set terminal svg size 800,500 dynamic background rgb 'white' font 'Helvetica,14'\nset "
          "output ",
          out);
    quote(out, svg);
    fputs("\n", out);
    write_curves(out, log);
}

/* Starts gnuplot with its standard input on a pipe; returns the errno of what failed. */
static int start(pid_t *pid, FILE **script)
{
    int end[2];
    if (pipe(end) != 0) {
        return errno;
    }
    (void)fcntl(end[1], F_SETFD, FD_CLOEXEC);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, end[0], STDIN_FILENO);
    posix_spawn_file_actions_addclose(&actions, end[0]);
    char name[] = "gnuplot";
    char *argv[] = {name, NULL};
    int failed = posix_spawnp(pid, name, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(end[0]);
    if (failed != 0) {
        close(end[1]);
        return failed;
    }
    *script = fdopen(end[1], "w");
    return *script != NULL ? 0 : errno;
}

bool plot_log(const char *log, const char *svg, const char *title)
{
    pid_t pid;
    FILE *script;
    int failed = start(&pid, &script);
    if (failed != 0) {
        note("%s: not drawn: gnuplot cannot be started (%s; Debian: gnuplot-nox)", svg,
             strerror(failed));
        return true;
    }
    /* A gnuplot that dies early must not take this program with it. */
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    write_script(script, log, svg, title);
    fclose(script);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    signal(SIGPIPE, before);
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 127) {
        note("%s: not drawn: there is no gnuplot program (Debian: gnuplot-nox)", svg);
        return true;
    }
    return WEXITSTATUS(status) == 0 ||
           complain("%s: gnuplot failed with status %d", svg, WEXITSTATUS(status));
}

/* Job: have the program `dot` (Graphviz) render a picture.
 * Invariant: no shell is involved, and the target is replaced only by what a successful run gave.
 * Must not know: what is in the picture.
 *
 * The three streams of the program are unnamed temporary files, not pipes: nothing can block,
 * however much it reads or complains, and no signal need be handled. */
#if !defined(_POSIX_C_SOURCE) && !defined(_GNU_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif
#include "picture.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deliver.h"

extern char **environ;

enum { LONGEST_PATH = 4096 };
enum { HOPELESS = 1000 }; /* lines, of which dot takes its time to fail again */

typedef struct run {
    const reel__picture *picture;
    FILE *in, *out, *err;
} run;

static reel_status fail_errno(const run *r, reel_status status, const char *what, int why)
{
    return reel__picture_fail(r->picture, status, "%s: %s", what, strerror(why));
}

static bool open_stream(FILE **stream)
{
    *stream = tmpfile();
    return *stream && fcntl(fileno(*stream), F_SETFD, FD_CLOEXEC) != -1;
}

static reel_status prepare(run *r)
{
    if (!open_stream(&r->in) || !open_stream(&r->out) || !open_stream(&r->err)) {
        return fail_errno(r, REEL_ERR_FILE, "cannot make a temporary file", errno);
    }
    char why[REEL__WRITER_MESSAGE];
    reel_status status = reel__deliver(NULL, r->in, reel__picture_author, r->picture, why);
    if (status) {
        return reel__picture_fail(r->picture, status, "%s", why);
    }
    if (fseek(r->in, 0, SEEK_SET) != 0) {
        return fail_errno(r, REEL_ERR_FILE, "cannot read a temporary file", errno);
    }
    return REEL_OK;
}

/* The first program of that name in PATH. Looked for here rather than by posix_spawnp, which need
 * not be able to tell a missing program from one that fails. */
static bool find_program(const char *name, char *path, size_t n)
{
    const char *folders = getenv("PATH");
    for (const char *at = folders ? folders : "/usr/bin:/bin"; at;) {
        size_t length = strcspn(at, ":");
        int wanted = snprintf(path, n, "%.*s%s%s", (int)length, at, length ? "/" : "./", name);
        struct stat file;
        if (wanted > 0 && (size_t)wanted < n && stat(path, &file) == 0 && S_ISREG(file.st_mode) &&
            access(path, X_OK) == 0) {
            return true;
        }
        at = at[length] ? at + length + 1 : NULL;
    }
    return false;
}

/* The streams were opened in this order, so none of them is in the way of one before it. */
static int spawn(const run *r, char *path, const char *format, pid_t *child)
{
    char language[16];
    snprintf(language, sizeof language, "-T%s", format);
    char sharp[] = "-Gdpi=144";
    char *argv[] = {path, language, strcmp(format, "png") == 0 ? sharp : NULL, NULL};
    posix_spawn_file_actions_t actions;
    int why = posix_spawn_file_actions_init(&actions);
    if (why) {
        return why;
    }
    FILE *stream[] = {r->in, r->out, r->err};
    for (int i = 0; i < 3 && !why; i++) {
        why = posix_spawn_file_actions_adddup2(&actions, fileno(stream[i]), i);
    }
    why = why ? why : posix_spawn(child, path, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return why;
}

/* The beginning of what the program complained about, in one line. */
static void read_complaint(FILE *err, char *text, size_t n)
{
    rewind(err);
    size_t length = fread(text, 1, n - 1, err);
    text[length] = '\0';
    for (size_t i = 0; i < length; i++) {
        text[i] = text[i] == '\n' || text[i] == '\0' ? ' ' : text[i];
    }
    while (length && text[length - 1] == ' ') {
        text[--length] = '\0';
    }
}

static reel_status judge(const run *r, int how)
{
    char complaint[400];
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0) {
        return REEL_OK;
    }
    read_complaint(r->err, complaint, sizeof complaint);
    const char *word = WIFSIGNALED(how) ? "was ended by signal" : "failed with exit status";
    int number = WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how);
    return reel__picture_fail(r->picture, REEL_ERR_PROGRAM, "the program 'dot' %s %d%s%s", word,
                              number, *complaint ? ": " : "", complaint);
}

static reel_status run_dot(const run *r, const char *format, int *how)
{
    char path[LONGEST_PATH];
    if (!find_program("dot", path, sizeof path)) {
        return reel__picture_fail(
            r->picture, REEL_ERR_PROGRAM,
            "the program 'dot' is not in PATH: install Graphviz, or draw to a .dot "
            "file, which needs no program");
    }
    pid_t child;
    int why = spawn(r, path, format, &child);
    if (why) {
        return fail_errno(r, REEL_ERR_PROGRAM, "cannot run the program 'dot'", why);
    }
    while (waitpid(child, how, 0) == -1) {
        if (errno != EINTR) {
            return fail_errno(r, REEL_ERR_PROGRAM, "cannot learn how the program 'dot' ended",
                              errno);
        }
    }
    return REEL_OK;
}

static bool copy(FILE *from, reel__writer *to)
{
    char piece[1 << 14];
    size_t n = 0, total = 0;
    rewind(from);
    while ((n = fread(piece, 1, sizeof piece, from)) > 0) {
        if (!reel__writer_put(to, piece, n)) {
            return true; /* the writer knows why */
        }
        total += n;
    }
    return total && !ferror(from);
}

static reel_status deliver(const run *r, const char *path)
{
    reel__writer file;
    bool done = reel__writer_open(&file, path);
    bool whole = !done || copy(r->out, &file);
    done = done && whole && reel__writer_commit(&file);
    if (!done) {
        reel__writer_drop(&file);
    }
    if (!whole) {
        return reel__picture_fail(r->picture, REEL_ERR_PROGRAM,
                                  "the program 'dot' gave no picture");
    }
    return done ? REEL_OK : reel__picture_fail(r->picture, file.status, "%s", file.message);
}

static void close_stream(FILE *stream)
{
    if (stream) {
        fclose(stream);
    }
}

/* What dot says when it leaves out or misplaces lines; it may end well all the same. */
static bool lost_its_way(FILE *err)
{
    static const char *const word[] = {"triangulation failed", "in spline routing", "Error: lost "};
    char complaint[1 << 14];
    read_complaint(err, complaint, sizeof complaint);
    bool lost = false;
    for (size_t i = 0; i < sizeof word / sizeof *word; i++) {
        lost = lost || strstr(complaint, word[i]);
    }
    return lost;
}

/* *gave_up: the program ran, and failed; nothing was delivered. */
static reel_status render(const reel__picture *p, const char *path, const char *format,
                          bool *gave_up)
{
    run r = {.picture = p};
    reel_status status = prepare(&r);
    int how = 0;
    status = status ? status : run_dot(&r, format, &how);
    bool last = !reel__picture_rows(p) || p->ease == REEL__EASE_PLAIN;
    *gave_up =
        !status && !last && (!(WIFEXITED(how) && WEXITSTATUS(how) == 0) || lost_its_way(r.err));
    if (!status && !*gave_up) {
        status = judge(&r, how);
        status = status ? status : deliver(&r, path);
    }
    close_stream(r.in);
    close_stream(r.out);
    close_stream(r.err);
    return status;
}

/* Where rows and columns are more than dot can lay out, which is so with few graphs, it does with
 * less and less of them. */
reel_status reel__picture_render(const reel__picture *p, const char *path, const char *format)
{
    reel__picture eased = *p;
    bool gave_up;
    reel_status status = render(&eased, path, format, &gave_up);
    while (!status && gave_up) {
        eased.ease = p->edges > HOPELESS ? REEL__EASE_PLAIN : (uint8_t)(eased.ease + 1);
        status = render(&eased, path, format, &gave_up);
    }
    return status;
}

/* What programs say on stderr, and how they are asked to stop. A line of progress that is being
 * rewritten on a terminal is wiped first: the escape sequence is harmless when there is none, and
 * is sent to terminals only. */
#include "program.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *program_name = "reel";

/* The length of a character of UTF-8 that a terminal shows as one; 0: of what is none, or steers
 * it: control characters of both sets, and those that turn the direction of text. */
static size_t shown(const unsigned char *c)
{
    const size_t n = *c < 0x80   ? 1
                     : *c < 0xc2 ? 0
                     : *c < 0xe0 ? 2
                     : *c < 0xf0 ? 3
                     : *c < 0xf5 ? 4
                                 : 0;
    uint32_t code = n == 1 ? *c : *c & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((c[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (c[i] & 0x3fU);
    }
    bool least = n < 3 || code >= (n == 3 ? 0x800 : 0x10000);
    bool steers = code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c ||
                  (code >= 0x200e && code < 0x2010) || (code >= 0x2028 && code < 0x202f) ||
                  (code >= 0x2066 && code < 0x206a);
    return least && !steers && code < 0x110000 && (code < 0xd800 || code > 0xdfff) ? n : 0;
}

void put_shown(FILE *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        size_t n = shown(c);
        if (n) {
            fwrite(c, 1, n, out);
        } else {
            fprintf(out, "\\x%02x", *c);
        }
        c += n ? n : 1;
    }
}

/* What is said may hold what files say: names, which are not trusted. */
static void speak(const char *format, va_list args)
{
    char text[4 * 1024];
    vsnprintf(text, sizeof text, format, args);
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
    fprintf(stderr, "%s: ", program_name);
    put_shown(stderr, text);
    fputc('\n', stderr);
}

bool complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    speak(format, args);
    va_end(args);
    return false;
}

void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    speak(format, args);
    va_end(args);
}

bool out_of_memory(void)
{
    return complain("out of memory");
}

bool tape_complain(reel_tape *tape)
{
    return complain("%s", reel_tape_message(tape));
}

bool params_complain(const reel_params *ps)
{
    return complain("%s", reel_params_message(ps));
}

bool vocabulary_complain(const reel_vocabulary *v)
{
    return complain("%s", reel_vocabulary_message(v));
}

const char *thousands(int64_t n, char *text, size_t size)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%" PRId64, n);
    size_t used = 0;
    for (int i = 0; i < length && used + 2 < size; i++) {
        if (i > 0 && digits[i - 1] != '-' && (length - i) % 3 == 0) {
            text[used++] = ',';
        }
        text[used++] = digits[i];
    }
    if (size > 0) {
        text[used] = '\0';
    }
    return text;
}

double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *duration(double seconds, char *text, size_t size)
{
    if (!(seconds < 1e8)) {
        snprintf(text, size, "-");
        return text;
    }
    long s = lrint(seconds);
    if (s >= 3600) {
        snprintf(text, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(text, size, "%ld:%02ld", s / 60, s % 60);
    }
    return text;
}

/* Signals */

static volatile sig_atomic_t caught;

static void handle(int number)
{
    caught = number;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

void interrupt_catch(void)
{
    struct sigaction action = {.sa_handler = handle};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* whoever reads what is printed may go away; the training stays */
}

int interrupted(void)
{
    return caught;
}

int exit_status(bool ok)
{
    if (!ok) {
        return EXIT_RUN;
    }
    return caught ? EXIT_SIGNAL + (int)caught : 0;
}

/* Progress */

void meter_start(meter *m, bool quiet)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    *m = (meter){.quiet = quiet, .started = clock_seconds()};
    m->shown = m->started;
    m->terminal = isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
    m->colour = m->terminal && (no_colour == NULL || no_colour[0] == '\0');
}

bool meter_due(const meter *m)
{
    return !m->quiet && clock_seconds() - m->shown >= (m->terminal ? 0.25 : 10);
}

void meter_show(meter *m, int64_t done, int64_t all, const char *format, ...)
{
    if (!meter_due(m)) {
        return;
    }
    double now = clock_seconds(), took = now - m->started;
    char left[32], line[256];
    duration(done > 0 ? took / (double)done * (double)(all - done) : INFINITY, left, sizeof left);
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, "%s%s  %s left%s", m->terminal ? "\r\033[K" : "", line, left,
            m->terminal ? "" : "\n");
    fflush(stderr);
    m->shown = now;
}

void meter_clear(const meter *m)
{
    if (m->terminal && !m->quiet) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}

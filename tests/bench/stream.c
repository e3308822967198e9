/* A large file as streams of words: memory and time per token at each tenth of the file, which both
 * must not grow. The file is written to $TMPDIR and removed. Words are drawn by Zipf's law, lines
 * have up to 40. */
#include <reel/reel.h>

#include "bench.h"

#include <math.h>
#include <unistd.h>

enum { TENTHS = 10, STEPS = 100, WORDS = 50000, LONGEST = 16, LINE = 40, MEGABYTE = 1000000 };

static char path[400];

/* Stops, and removes the file. */
static void stop(const char *message)
{
    fprintf(stderr, "%s\n", message);
    unlink(path);
    exit(1);
}

/* The rank of a word: P(rank ≤ k) is about log k / log WORDS. */
static int draw_rank(reel_random *r)
{
    int rank = (int)exp(reel_random_uniform(r) * log(WORDS));
    return rank < WORDS ? rank : WORDS - 1;
}

static void make_words(reel_random *r, char (*word)[LONGEST])
{
    for (int i = 0; i < WORDS; i++) {
        int n = 1 + (int)reel_random_below(r, 3) + (int)log2(1 + i) / 2;
        for (int k = 0; k < n; k++) {
            word[i][k] = (char)('a' + reel_random_below(r, 26));
        }
        word[i][n] = 0;
    }
}

static void write_corpus(int64_t bytes)
{
    char(*word)[LONGEST] = bench_alloc(WORDS, sizeof *word);
    reel_random random = reel_random_new(1, 0);
    make_words(&random, word);
    int file = mkstemp(path);
    FILE *out = file < 0 ? NULL : fdopen(file, "wb");
    if (!out) {
        perror(path);
        exit(1);
    }
    bool good = true;
    for (int64_t done = 0; good && done < bytes;) {
        int n = (int)reel_random_below(&random, LINE + 1);
        for (int i = 0; i < n; i++) {
            const char *s = word[draw_rank(&random)];
            good = fputs(s, out) >= 0 && fputc(i + 1 < n ? ' ' : '\n', out) >= 0 && good;
            done += (int64_t)strlen(s) + 1;
        }
    }
    good = fclose(out) == 0 && good;
    free(word);
    if (!good) {
        stop("the corpus cannot be written");
    }
}

/* A figure of /proc/self/status in MB; 0 where there is none. */
static double memory_of(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[200];
    double kilobytes = 0;
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, name, strlen(name)) == 0) {
            kilobytes = strtod(line + strlen(name) + 1, NULL);
        }
    }
    if (f) {
        fclose(f);
    }
    return kilobytes / 1024;
}

/* Bytes that the first stream has behind it tell how far all are. */
static void read_tenth(reel_streams *s, int64_t batch, int64_t end, int32_t *token)
{
    int64_t *place = bench_alloc((size_t)batch, sizeof *place);
    for (int64_t last = -1; last < place[0] && place[0] < end;) {
        last = place[0];
        if (reel_streams_next(s, STEPS, token)) {
            stop(reel_streams_message(s));
        }
        reel_streams_tell(s, place);
    }
    free(place);
}

static void measure(const reel_vocabulary *v, int64_t bytes, int64_t batch)
{
    reel_streams *s = reel_streams_open(path, v, batch);
    if (reel_streams_status(s)) {
        stop(reel_streams_message(s));
    }
    int32_t *token = bench_alloc((size_t)(STEPS * batch), sizeof *token);
    printf("%8s %14s %14s %12s %12s\n", "of file", "tokens", "ns per token", "VmRSS, MB",
           "VmHWM, MB");
    for (int tenth = 1; tenth <= TENTHS; tenth++) {
        int64_t before = reel_streams_read(s);
        double start = bench_seconds();
        read_tenth(s, batch, bytes / batch / TENTHS * tenth - STEPS * LONGEST, token);
        double seconds = bench_seconds() - start;
        int64_t tokens = reel_streams_read(s) - before;
        printf("%6d %% %14lld %14.1f %12.2f %12.2f\n", 10 * tenth, (long long)tokens,
               1e9 * seconds / (double)tokens, memory_of("VmRSS"), memory_of("VmHWM"));
        fflush(stdout);
    }
    free(token);
    reel_streams_close(s);
}

int main(int argc, char **argv)
{
    const char *megabytes = "200", *batch = "32";
    const bench_option own[] = {
        {"--megabytes", "N", "size of the file (200)", &megabytes},
        {"--batch", "N", "streams side by side (32)", &batch},
    };
    bench_settings settings =
        bench_options(argc, argv, "Memory and time of streaming a large file.", 2, own);
    const char *end = megabytes, *batch_end = batch;
    int64_t bytes =
        (int64_t)bench_number(&end, 1000000) * (settings.quick ? MEGABYTE / 10 : MEGABYTE);
    int64_t streams = bench_number(&batch_end, 10000);
    if (!bytes || *end || !streams || *batch_end) {
        bench_reject(&settings, "--megabytes '%s' and --batch '%s': expected numbers from 1",
                     megabytes, batch);
    }
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%.300s/reel-stream-XXXXXX", folder ? folder : "/tmp");
    write_corpus(bytes);
    double start = bench_seconds();
    reel_vocabulary *v = reel_vocabulary_new(REEL_WORDS, true);
    if (!v || reel_vocabulary_count_file(v, path) || reel_vocabulary_cut(v, 0, 20000)) {
        stop(reel_vocabulary_message(v));
    }
    printf("%lld MB, %lld streams; counting took %.1f s; %lld of %d words have numbers; "
           "%.2f MB before streaming\n",
           (long long)(bytes / MEGABYTE), (long long)streams, bench_seconds() - start,
           (long long)reel_vocabulary_size(v), WORDS, memory_of("VmRSS"));
    measure(v, bytes, streams);
    reel_vocabulary_free(v);
    unlink(path);
    return 0;
}

/* The log. Every row is flushed: whatever ends the run, the log tells what was reached. */
#include "log.h"
#include "../program/say.h"

#include <reel/reel.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char header[] =
    "step\tchars\tepoch\tloss_nats\tloss_bits\tgradient_norm\trate\tvalid_nats\tvalid_bits\n";
static const double nats_per_bit = 0.69314718055994530942;

/* The bytes of the file's rows up to that step; 0 when it is no such log. */
static size_t kept_rows(FILE *in, int64_t step)
{
    char line[512];
    size_t kept = 0;
    if (fgets(line, sizeof line, in) == NULL || strcmp(line, header) != 0) {
        return 0;
    }
    do {
        kept += strlen(line);
    } while (fgets(line, sizeof line, in) != NULL && strchr(line, '\n') != NULL &&
             strtoll(line, NULL, 10) <= step);
    return kept;
}

/* Cuts rows past the step off an existing log. */
static bool trim(const char *path, int64_t step, bool *fresh)
{
    FILE *in = fopen(path, "rb");
    *fresh = in == NULL;
    if (in == NULL) {
        return errno == ENOENT || complain("%s: %s", path, strerror(errno));
    }
    size_t kept = kept_rows(in, step);
    char *text = malloc(kept + 1);
    char message[256];
    rewind(in);
    bool ok = text != NULL && fread(text, 1, kept, in) == kept;
    fclose(in);
    if (kept == 0) {
        ok = complain("%s: not a log of reel-charlm; name another file", path);
    } else if (ok && reel_write_file(path, text, kept, message, sizeof message) != REEL_OK) {
        ok = complain("%s: %s", path, message);
    } else if (!ok) {
        complain("%s: it cannot be read again", path);
    }
    free(text);
    return ok;
}

/* Whether a new run may replace the file: there is none, it is empty, or it is a log. */
static bool replaceable(const char *path)
{
    FILE *in = fopen(path, "rb");
    char line[256];
    bool other = in != NULL && fgets(line, sizeof line, in) != NULL && strcmp(line, header) != 0;
    if (in != NULL) {
        fclose(in);
    }
    return !other || complain("%s: not a log of reel-charlm; name another file", path);
}

bool log_open(FILE **out, const char *path, bool resume, int64_t step)
{
    *out = NULL;
    if (path == NULL) {
        return true;
    }
    bool fresh = true;
    if (resume ? !trim(path, step, &fresh) : !replaceable(path)) {
        return false;
    }
    *out = fopen(path, fresh ? "w" : "a");
    if (*out == NULL || (fresh && (fputs(header, *out) == EOF || fflush(*out) != 0))) {
        return complain("%s: %s", path, strerror(errno));
    }
    return true;
}

static void put_loss(FILE *out, double nats, const char *end)
{
    if (isnan(nats)) {
        fprintf(out, "\t%s", end);
    } else {
        fprintf(out, "%.6f\t%.6f%s", nats, nats / nats_per_bit, end);
    }
}

bool log_write(FILE *out, const char *path, const log_row *row)
{
    if (out == NULL) {
        return true;
    }
    fprintf(out, "%" PRId64 "\t%" PRId64 "\t%.4f\t", row->step, row->units, row->epoch);
    put_loss(out, row->loss, "\t");
    if (!isnan(row->norm)) {
        fprintf(out, "%.6g", row->norm);
    }
    fprintf(out, "\t%.6g\t", row->rate);
    put_loss(out, row->valid, "\n");
    return fflush(out) == 0 || complain("%s: %s", path, strerror(errno));
}

bool log_close(FILE *out, const char *path)
{
    return out == NULL || fclose(out) == 0 || complain("%s: %s", path, strerror(errno));
}

/* Job: vocabularies as text, in memory and in files.
 * Invariant: reading what was written gives the same vocabulary, and writing that the same text. An
 * error while reading leaves the vocabulary as it was. */
#include <reel/file.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "text_vocabulary.h"

static const char *const units_name[] = {
    [REEL_WORDS] = "words", [REEL_CHARACTERS] = "characters", [REEL_BYTES] = "bytes"};

enum { HEADER = 48, ESCAPED = 4 };

static void header_of(char out[HEADER], reel_units units, bool special)
{
    snprintf(out, HEADER, "reel-vocabulary 1 %s%s", units_name[units], special ? " special" : "");
}

/* Writing */

/* What stands behind the backslash for a byte; 0: the byte stands for itself. */
static char escape_of(char c)
{
    return c == '\\' ? '\\' : c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : c ? 0 : '0';
}

/* Writes the token's character at s and returns its length; *used bytes of the token are done. */
static size_t escape(const char *s, size_t n, char out[ESCAPED + 1], size_t *used)
{
    uint32_t code;
    *used = reel_utf8_decode(s, n, &code);
    if (*used == 0) {
        *used = 1;
        return (size_t)snprintf(out, ESCAPED + 1, "\\x%02X", (unsigned)(unsigned char)*s);
    }
    if (*used == 1 && escape_of(*s)) {
        out[0] = '\\';
        out[1] = escape_of(*s);
        return 2;
    }
    memcpy(out, s, *used);
    return *used;
}

/* The whole text into out, which NULL leaves at its length. */
static size_t write_text(const reel_vocabulary *v, char *out)
{
    char part[HEADER];
    header_of(part, v->units, v->special);
    size_t length = strlen(part);
    if (out) {
        memcpy(out, part, length);
    }
    for (int32_t i = 0; i < v->size; i++) {
        size_t n, used;
        const char *s = reel_vocabulary_token(v, i, &n);
        int put = snprintf(part, sizeof part, "\n%" PRId64 "\t", reel_vocabulary_counted(v, i));
        if (out) {
            memcpy(out + length, part, (size_t)put);
        }
        length += (size_t)put;
        for (size_t at = 0; at < n; at += used) {
            char c[ESCAPED + 1];
            size_t escaped = escape(s + at, n - at, c, &used);
            if (out) {
                memcpy(out + length, c, escaped);
            }
            length += escaped;
        }
    }
    if (out) {
        memcpy(out + length, "\n", 2);
    }
    return length + 1;
}

static reel_status out_of_memory(reel_vocabulary *v)
{
    return reel__trouble_set(&v->trouble, REEL_ERR_MEMORY, "vocabulary: out of memory");
}

char *reel_vocabulary_text(reel_vocabulary *v)
{
    if (!v || v->trouble.status) {
        return NULL;
    }
    char *text = reel__malloc(write_text(v, NULL) + 1);
    if (text) {
        write_text(v, text);
    } else {
        out_of_memory(v);
    }
    return text;
}

reel_status reel_vocabulary_save(reel_vocabulary *v, const char *path)
{
    char *text = reel_vocabulary_text(v);
    if (!text) {
        return reel_vocabulary_status(v);
    }
    char message[REEL__TEXT_MESSAGE];
    reel_status status = reel_write_file(path, text, strlen(text), message, sizeof message);
    reel__free(text);
    return status ? reel__trouble_set(&v->trouble, status, "%s", message) : REEL_OK;
}

/* Reading */

/* A vocabulary that is being read; the trouble is that of its first wrong line. */
typedef struct reading {
    reel_vocabulary *v; /* what was read so far; NULL before the first line */
    const char *label;
    int64_t line;
    size_t room; /* of v->numbered */
    reel__trouble trouble;
} reading;

static bool wrong(reading *r, reel_status status, const char *what)
{
    reel__trouble_set(&r->trouble, status, "%.1024s: line %lld: %s", r->label, (long long)r->line,
                      what);
    return false;
}

static bool read_header(reading *r, const char *line, size_t n)
{
    for (int k = 0; k < 6; k++) {
        char header[HEADER];
        reel_units units = (reel_units)(k / 2);
        header_of(header, units, k % 2);
        if (n == strlen(header) && memcmp(line, header, n) == 0) {
            r->v = reel_vocabulary_new(units, k % 2);
            return r->v || wrong(r, REEL_ERR_MEMORY, "out of memory");
        }
    }
    return wrong(r, REEL_ERR_FORMAT,
                 "expected 'reel-vocabulary 1', then words, characters or bytes, then perhaps "
                 "special");
}

/* The number before the tab, of which *used becomes the length with the tab; -1: there is none. */
static int64_t read_count(const char *line, size_t n, size_t *used)
{
    int64_t count = 0;
    size_t i = 0;
    for (; i < n && line[i] >= '0' && line[i] <= '9'; i++) {
        if (__builtin_mul_overflow(count, 10, &count) ||
            __builtin_add_overflow(count, line[i] - '0', &count)) {
            return -1;
        }
    }
    *used = i + 1;
    return i > 0 && i < n && line[i] == '\t' ? count : -1;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789ABCDEFabcdef";
    const char *found = c ? strchr(digits, c) : NULL;
    int value = found ? (int)(found - digits) : -1;
    return value > 15 ? value - 6 : value;
}

/* The byte that a backslash and what follows it stand for; *used bytes of s. */
static bool unescape(const char *s, size_t n, char *byte, size_t *used)
{
    static const char code[] = "\\nrt0", meant[] = "\\\n\r\t";
    const char *found = n > 1 && s[1] ? strchr(code, s[1]) : NULL;
    *used = found ? 2 : 4;
    if (found) {
        *byte = meant[found - code]; /* the last one is the NUL that ends it */
        return true;
    }
    if (n < 4 || s[1] != 'x' || hex_digit(s[2]) < 0 || hex_digit(s[3]) < 0) {
        return false;
    }
    *byte = (char)(hex_digit(s[2]) << 4 | hex_digit(s[3]));
    return true;
}

/* A token as it is written, into out, which is as long. */
static bool read_token(reading *r, const char *s, size_t n, char *out, size_t *length)
{
    *length = 0;
    for (size_t i = 0, used; i < n; i += used) {
        char byte = s[i];
        used = 1;
        if (byte == '\\' && !unescape(s + i, n - i, &byte, &used)) {
            return wrong(r, REEL_ERR_FORMAT,
                         "expected one of \\\\, \\n, \\r, \\t, \\0 and \\xHH where there is a "
                         "backslash");
        }
        if (used == 1 && escape_of(byte)) {
            return wrong(r, REEL_ERR_FORMAT,
                         "a tab, carriage return or NUL in a token: expected \\t, \\r or \\0");
        }
        out[(*length)++] = byte;
    }
    return true;
}

/* Whether a text could have such a token. */
static bool is_token(reel_units units, const char *s, size_t n)
{
    size_t begin, end;
    return n > 0 && reel__scan(units, true, s, n, &begin, &end) == REEL__TOKEN && begin == 0 &&
           end == n && (units != REEL_WORDS || reel_utf8_invalid(s, n) == n);
}

static bool read_special(reading *r, int64_t count, const char *s, size_t n)
{
    const int32_t number = (int32_t)r->line - 2;
    if (reel__special_number(r->v, s, n) != number) {
        char what[64];
        snprintf(what, sizeof what, "expected the special token %s", reel__special_name[number]);
        return wrong(r, REEL_ERR_FORMAT, what);
    }
    if (number != REEL_UNKNOWN && count) {
        return wrong(r, REEL_ERR_FORMAT, "no text contains this token: expected the count 0");
    }
    r->v->total += count;
    return true;
}

static bool number_token(reading *r, int64_t count, const char *s, size_t n)
{
    reel_vocabulary *v = r->v;
    if (v->words == r->room) {
        size_t room = r->room ? 2 * r->room : 256;
        uint32_t *more = reel__reallocarray(v->numbered, room, sizeof *more);
        if (!more) {
            return wrong(r, REEL_ERR_MEMORY, "out of memory");
        }
        v->numbered = more;
        r->room = room;
    }
    bool fresh;
    reel__word *w = reel__vocabulary_add(v, s, n, &fresh);
    if (!w || v->size == INT32_MAX) {
        return wrong(r, REEL_ERR_MEMORY, "out of memory");
    }
    if (!fresh || reel__special_number(v, s, n) >= 0) {
        return wrong(r, REEL_ERR_FORMAT, "this token has a line already");
    }
    if (__builtin_add_overflow(v->total, count, &v->total)) {
        return wrong(r, REEL_ERR_FORMAT, "the counts are too large");
    }
    v->known += count;
    w->count = count;
    w->number = v->size;
    v->numbered[v->words - 1] = (uint32_t)v->words - 1;
    v->size++;
    return true;
}

static bool read_entry(reading *r, const char *line, size_t n)
{
    size_t used, length;
    int64_t count = read_count(line, n, &used);
    if (count < 0) {
        return wrong(r, REEL_ERR_FORMAT, "expected a count, a tab and a token");
    }
    char *token = reel__malloc(n + 1);
    if (!token) {
        return wrong(r, REEL_ERR_MEMORY, "out of memory");
    }
    bool good = read_token(r, line + used, n - used, token, &length);
    if (good && r->line - 2 < reel__vocabulary_base(r->v)) {
        good = read_special(r, count, token, length);
    } else if (good && !is_token(r->v->units, token, length)) {
        good = wrong(r, REEL_ERR_FORMAT,
                     r->v->units == REEL_WORDS        ? "expected a word, in UTF-8, without spaces"
                     : r->v->units == REEL_CHARACTERS ? "expected one character, in UTF-8"
                                                      : "expected one byte");
    } else if (good) {
        good = number_token(r, count, token, length);
    }
    reel__free(token);
    return good;
}

static bool read_line(reading *r, const char *line, size_t n)
{
    r->line++;
    return r->line == 1 ? read_header(r, line, n) : read_entry(r, line, n);
}

/* What was read takes the place of what v held. */
static reel_status finish(reading *r, reel_vocabulary *v)
{
    if (!r->trouble.status && (!r->v || r->line - 1 < reel__vocabulary_base(r->v))) {
        r->line++;
        wrong(r, REEL_ERR_FORMAT,
              r->v ? "missing: expected the special tokens" : "missing: expected a vocabulary");
    }
    if (r->trouble.status) {
        reel__trouble_set(&v->trouble, r->trouble.status, "%s", r->trouble.message);
        reel_vocabulary_free(r->v);
        return v->trouble.status;
    }
    reel_vocabulary old = *v;
    *v = *r->v;
    *r->v = old;
    reel_vocabulary_free(r->v);
    return REEL_OK;
}

reel_status reel_vocabulary_read(reel_vocabulary *v, const char *text)
{
    if (!v || v->trouble.status) {
        return reel_vocabulary_status(v);
    }
    if (!text) {
        return reel__trouble_set(&v->trouble, REEL_ERR_ARGUMENT, "vocabulary: the text is NULL");
    }
    reading r = {.label = "vocabulary"};
    for (bool good = true; good && *text;) {
        size_t n = strcspn(text, "\n"), end = text[n] == '\n';
        good = read_line(&r, text, end && n && text[n - 1] == '\r' ? n - 1 : n);
        text += n + end;
    }
    return finish(&r, v);
}

reel_status reel_vocabulary_load(reel_vocabulary *v, const char *path)
{
    if (!v || v->trouble.status) {
        return reel_vocabulary_status(v);
    }
    reel_lines *l = reel_lines_open(path);
    if (!l) {
        return out_of_memory(v);
    }
    reading r = {.label = path};
    size_t n;
    for (const char *line; !r.trouble.status && (line = reel_lines_next(l, &n));) {
        read_line(&r, line, n);
    }
    if (reel_lines_status(l)) {
        reel__trouble_set(&r.trouble, reel_lines_status(l), "%s", reel_lines_message(l));
    }
    reel_lines_close(l);
    return finish(&r, v);
}

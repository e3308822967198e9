/* Text files as sequences of numbers, one a line. */
#include "corpus.h"

#include "../program/say.h"

#include <stdlib.h>
#include <string.h>

/* What is read grows in two blocks: the numbers, and where each line begins. */
typedef struct growing {
    int32_t *token;
    int64_t used, room;
    int64_t *begin;
    char **line;
    int64_t lines, line_room;
} growing;

static bool room_for_line(growing *g, bool keep)
{
    if (g->lines + 1 < g->line_room) {
        return true;
    }
    int64_t room = g->line_room ? 2 * g->line_room : 1024;
    int64_t *begin = realloc(g->begin, (size_t)room * sizeof *begin);
    if (!begin) {
        return out_of_memory();
    }
    g->begin = begin;
    if (keep) {
        char **line = realloc(g->line, (size_t)room * sizeof *line);
        if (!line) {
            return out_of_memory();
        }
        g->line = line;
    }
    g->line_room = room;
    return true;
}

static bool room_for_tokens(growing *g, int64_t n)
{
    if (g->used + n <= g->room) {
        return true;
    }
    int64_t room = 2 * g->room > g->used + n ? 2 * g->room : g->used + n + 4096;
    int32_t *token = realloc(g->token, (size_t)room * sizeof *token);
    if (!token) {
        return out_of_memory();
    }
    g->token = token;
    g->room = room;
    return true;
}

static bool take_line(growing *g, const reel_vocabulary *v, const char *text, size_t n,
                      int64_t longest, bool keep)
{
    int64_t most = reel_vocabulary_encode(v, text, n, NULL, 0);
    int64_t taken = longest > 0 && most > longest ? longest : most;
    if (!room_for_line(g, keep) || !room_for_tokens(g, taken)) {
        return false;
    }
    (void)reel_vocabulary_encode(v, text, n, g->token + g->used, taken);
    if (keep) {
        g->line[g->lines] = strndup(text, n);
        if (!g->line[g->lines]) {
            return out_of_memory();
        }
    }
    g->begin[g->lines++] = g->used;
    g->used += taken;
    return true;
}

static bool read_lines(growing *g, const char *path, const reel_vocabulary *v, int64_t longest,
                       bool keep)
{
    reel_lines *lines = reel_lines_open(path);
    if (!lines) {
        return out_of_memory();
    }
    size_t n;
    bool ok = true;
    for (const char *text = reel_lines_next(lines, &n); ok && text;
         text = reel_lines_next(lines, &n)) {
        ok = take_line(g, v, text, n, longest, keep);
    }
    if (ok && reel_lines_status(lines) != REEL_OK) {
        ok = complain("%s", reel_lines_message(lines));
    }
    reel_lines_close(lines);
    return ok;
}

/* From the growing blocks to one with a pointer and a length for each line. */
static bool settle(corpus *c, growing *g)
{
    c->n = g->lines;
    c->tokens = g->used;
    c->length = calloc((size_t)c->n + 1, sizeof *c->length);
    c->token = calloc((size_t)c->n + 1, sizeof *c->token);
    c->block = g->token;
    c->line = g->line;
    if (!c->length || !c->token) {
        return out_of_memory();
    }
    for (int64_t i = 0; i < c->n; i++) {
        int64_t end = i + 1 < c->n ? g->begin[i + 1] : g->used;
        c->length[i] = end - g->begin[i];
        c->token[i] = c->length[i] > 0 ? g->token + g->begin[i] : NULL;
    }
    return true;
}

bool corpus_read(corpus *c, const char *path, const reel_vocabulary *v, int64_t longest,
                 bool keep_lines)
{
    growing g = {.token = NULL};
    *c = (corpus){.n = 0};
    bool ok = read_lines(&g, path, v, longest, keep_lines);
    ok = settle(c, &g) && ok;
    free(g.begin);
    if (!ok) {
        corpus_free(c);
    }
    return ok;
}

void corpus_free(corpus *c)
{
    for (int64_t i = 0; c->line && i < c->n; i++) {
        free(c->line[i]);
    }
    free(c->line);
    free(c->block);
    free(c->token);
    free(c->length);
    *c = (corpus){.n = 0};
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    for (int i = 0; i < 8; i++) {
        hash = (hash ^ (word >> 8 * i & 0xff)) * 1099511628211U;
    }
    return hash;
}

uint64_t corpus_hash(const corpus *c)
{
    uint64_t hash = 14695981039346656037U;
    for (int64_t i = 0; i < c->n; i++) {
        hash = mix(hash, (uint64_t)c->length[i]);
        for (int64_t k = 0; k < c->length[i]; k++) {
            hash = mix(hash, (uint64_t)(uint32_t)c->token[i][k]);
        }
    }
    return hash;
}

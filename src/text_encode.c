/* Job: text to numbers and back.
 * Must not know: where texts come from. */
#include <string.h>

#include "text_vocabulary.h"

int64_t reel_vocabulary_encode(const reel_vocabulary *v, const char *text, size_t n, int32_t *token,
                               int64_t room)
{
    int64_t count = 0;
    for (size_t i = 0, begin, end; v && text && i < n; i += end) {
        reel__piece piece = reel__scan(v->units, true, text + i, n - i, &begin, &end);
        if (piece != REEL__TOKEN && piece != REEL__INVALID) {
            continue;
        }
        if (count < room) {
            token[count] = piece == REEL__TOKEN
                               ? reel__vocabulary_number(v, text + i + begin, end - begin)
                               : reel__vocabulary_unknown(v);
        }
        count++;
    }
    return count;
}

/* Text with room for `size` bytes, and how long it would be. */
typedef struct room {
    char *text;
    size_t size, n;
} room;

static void put(room *r, const char *s, size_t n)
{
    if (r->n < r->size) {
        size_t left = r->size - r->n;
        memcpy(r->text + r->n, s, n < left ? n : left);
    }
    r->n += n;
}

size_t reel_vocabulary_decode(const reel_vocabulary *v, const int32_t *token, int64_t n, char *text,
                              size_t size)
{
    room r = {.text = text, .size = size};
    bool first = true;
    for (int64_t i = 0; v && i < n; i++) {
        if (v->special && (token[i] == REEL_BEGINNING || token[i] == REEL_END_OF_TEXT)) {
            continue;
        }
        size_t length = strlen(reel__special_name[REEL_UNKNOWN]);
        const char *s = reel_vocabulary_token(v, token[i], &length);
        if (!first && v->units == REEL_WORDS) {
            put(&r, " ", 1);
        }
        put(&r, s ? s : reel__special_name[REEL_UNKNOWN], length);
        first = false;
    }
    if (size) {
        text[r.n < size ? r.n : size - 1] = 0;
    }
    return r.n;
}

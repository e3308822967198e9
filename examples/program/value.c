/* Values of options as text. */
#include "value.h"

#include "say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool value_whole(const char *name, const char *text, double low, double high, int64_t *value)
{
    char *end = NULL;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || (double)n < low || (double)n > high) {
        return complain("--%s: '%s' is not a whole number from %.0f to %.0f", name, text, low,
                        high);
    }
    *value = n;
    return true;
}

bool value_number(const char *name, const char *text, double low, double high, double *value)
{
    char *end = NULL;
    double x = strtod(text, &end);
    if (end == text || *end != '\0' || !(x >= low && x <= high)) {
        return complain("--%s: '%s' is not a number from %g to %g", name, text, low, high);
    }
    *value = x;
    return true;
}

bool value_word(const char *name, const char *text, const char *words, int64_t *position)
{
    size_t length = strlen(text);
    int64_t k = 0;
    for (const char *w = words; *w != '\0'; k++) {
        size_t n = strcspn(w, "|");
        if (n == length && memcmp(w, text, n) == 0) {
            *position = k;
            return true;
        }
        w += n + (w[n] == '|');
    }
    return complain("--%s: '%s' is none of %s", name, text, words);
}

const char *value_word_at(const char *words, int64_t position, char *text, size_t size)
{
    const char *w = words;
    for (; position > 0; position--) {
        w += strcspn(w, "|") + 1;
    }
    snprintf(text, size, "%.*s", (int)strcspn(w, "|"), w);
    return text;
}

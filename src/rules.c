/* Job: rules that go by name, and patterns of names.
 * Invariant: rules stay in the order they were given; the last that matches counts.
 * Must not know: weights. */
#include "rules.h"

#include "memory.h"

bool reel_name_matches(const char *pattern, const char *name)
{
    if (!pattern || !name) {
        return false;
    }
    /* After a mismatch only the last star can take one character more. */
    const char *star = NULL, *resume = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            resume = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

bool reel__rules_add(reel__rules *r, const char *pattern, reel__rule added)
{
    added.pattern = reel__strdup(pattern);
    if (!added.pattern) {
        return false;
    }
    reel__rule *at = reel__reallocarray(r->at, r->n + 1, sizeof *at);
    if (!at) {
        reel__free(added.pattern);
        return false;
    }
    r->at = at;
    r->at[r->n++] = added;
    return true;
}

bool reel__rules_copy(reel__rules *to, const reel__rules *from)
{
    for (size_t i = 0; i < from->n; i++) {
        if (!reel__rules_add(to, from->at[i].pattern, from->at[i])) {
            return false;
        }
    }
    return true;
}

void reel__rules_free(reel__rules *r)
{
    for (size_t i = 0; i < r->n; i++) {
        reel__free(r->at[i].pattern);
    }
    reel__free(r->at);
}

const reel__rule *reel__rules_find(const reel__rules *r, const char *name)
{
    for (size_t i = r->n; i > 0; i--) {
        if (reel_name_matches(r->at[i - 1].pattern, name)) {
            return &r->at[i - 1];
        }
    }
    return NULL;
}

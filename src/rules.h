/* What holds for all weights whose name matches a pattern, present and future. */
#ifndef REEL_SRC_RULES_H
#define REEL_SRC_RULES_H

#include <reel/params.h>

/* A start, or a frozen flag. */
typedef struct reel__rule {
    char *pattern;
    reel_init init;
    bool frozen;
} reel__rule;

/* In the order they were given. */
typedef struct reel__rules {
    reel__rule *at;
    size_t n;
} reel__rules;

/* Copies the pattern; `added` brings the rest. False when memory is out: nothing is added. */
bool reel__rules_add(reel__rules *r, const char *pattern, reel__rule added);
/* False when memory is out: some may have been added. */
bool reel__rules_copy(reel__rules *to, const reel__rules *from);
void reel__rules_free(reel__rules *r);
/* The last rule that matches, or NULL. */
const reel__rule *reel__rules_find(const reel__rules *r, const char *name);

#endif

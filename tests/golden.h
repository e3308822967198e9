/* Golden vectors as the tests read them: tensors "CASE/WHAT" of the files in tests/golden. */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <reel/file.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "suite.h"

/* The path of a file there, written to `path`. */
static inline const char *golden_path(char *path, size_t n, const char *file)
{
    const char *dir = getenv("srcdir");
    snprintf(path, n, "%s/tests/golden/%s", dir ? dir : ".", file);
    return path;
}

static inline reel_archive *golden_open(const char *file)
{
    char path[1024];
    reel_archive *a = reel_archive_new();
    ck_assert_msg(reel_archive_read(a, golden_path(path, sizeof path, file)) == REEL_OK, "%s",
                  reel_archive_message(a));
    return a;
}

static inline const reel_archive_tensor *golden_tensor(const reel_archive *a, const char *name,
                                                       const char *what)
{
    char key[160];
    snprintf(key, sizeof key, "%s/%s", name, what);
    const reel_archive_tensor *t = reel_archive_find(a, key);
    ck_assert_msg(t != NULL, "there is no %s", key);
    return t;
}

static inline reel_node *golden_leaf(reel_tape *tape, const reel_archive *a, const char *name,
                                     const char *what)
{
    const reel_archive_tensor *t = golden_tensor(a, name, what);
    return reel_input(tape, t->dtype, t->data, t->shape);
}

/* The node's f64 values, to 1e-10 of what is golden. */
static inline void golden_compare(const reel_archive *a, const char *name, const char *what,
                                  reel_node *x)
{
    const reel_archive_tensor *t = golden_tensor(a, name, what);
    const double *have = reel_data(x), *want = t->data;
    ck_assert_msg(have != NULL, "%s/%s: %s", name, what, reel_tape_message(reel_node_tape(x)));
    ck_assert_msg(reel_node_size(x) == reel_shape_size(t->shape), "%s/%s: size", name, what);
    for (int64_t i = 0; i < reel_node_size(x); i++) {
        ck_assert_msg(fabs(have[i] - want[i]) <= 1e-10 * fmax(1, fabs(want[i])),
                      "%s/%s[%lld] is %.17g: expected %.17g", name, what, (long long)i, have[i],
                      want[i]);
    }
}

#endif

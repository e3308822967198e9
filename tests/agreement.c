/* Job: see agreement.h. */
#include "agreement.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <reel/plan.h>

#include "noisy.h"
#include "plan.h"

/* Lanes */

int compiled_passes(void)
{
    int n = 0;
    while (reel__pass_name(n)) {
        n++;
    }
    return n;
}

static reel_tape *lane_tape(const random_graph *g, const lane *l)
{
    reel_tape_args args = {.threads = l->threads ? l->threads : 1,
                           .dtype = l->dtype,
                           .seed = g->seed,
                           .inference = random_graph_inference(g),
                           .at = REEL_HERE};
    args.executor = l->compiled ? REEL_COMPILED : REEL_REFERENCE;
    reel_tape *tape = reel_tape_new_with(&args);
    if (!tape) {
        abort();
    }
    if (l->compiled) {
        reel__tape_set_passes(tape, l->passes & REEL__PASS_ALL);
    }
    return tape;
}

void run_lane(const random_graph *g, const lane *l, const random_trace *follow, random_trace *t)
{
    reel_tape *tape = lane_tape(g, l);
    if (l->epsilon != 0 || l->broken) {
        noisy_start(l->epsilon, l->noise);
        noisy_break(l->broken, 1e-9);
        noisy_take(tape);
    }
    t->follow = follow;
    random_graph_run(g, tape, t);
    t->follow = NULL;
    if (t->dump && l->compiled && reel_plan_dump(tape, t->dump)) {
        fprintf(t->dump, "%s\n", reel_tape_message(tape));
    }
    noisy_break(NULL, 0);
    reel_tape_free(tape);
}

/* The oracle */

double agreement_epsilon(reel_dtype dtype)
{
    return dtype == REEL_F32 ? 0x1p-20 : 0x1p-34;
}

double agreement_bound(reel_dtype dtype, double moved, double most_moved, double largest)
{
    bool single = dtype == REEL_F32;
    double bound =
        (single ? 0x1p-18 : 1e-12) * (moved + most_moved / 1024) / agreement_epsilon(dtype);
    return most_moved <= (single ? 0x1p-21 : 0x1p-50) * largest ? fmax(bound, 4 * most_moved)
                                                                : bound;
}

void oracle_make(oracle *o, const random_graph *g, reel_dtype dtype, uint64_t *count)
{
    *o = (oracle){.g = *g, .dtype = dtype, .reference = {.count = count}};
    lane l = {.dtype = dtype};
    run_lane(g, &l, NULL, &o->reference);
}

void oracle_free(oracle *o)
{
    random_trace_free(&o->reference);
    for (int i = 0; i < o->noises; i++) {
        random_trace_free(&o->noise[i]);
    }
    o->noises = 0;
}

static void listen(oracle *o, int noises)
{
    for (; o->noises < noises; o->noises++) {
        lane l = {.dtype = o->dtype,
                  .epsilon = agreement_epsilon(o->dtype),
                  .noise = (uint64_t)o->noises + 1};
        run_lane(&o->g, &l, &o->reference, &o->noise[o->noises]);
    }
}

/* How far element e of output i moved at most; infinite when the program ended early. */
static double movement(const oracle *o, size_t i, size_t e)
{
    double most = 0, at = o->reference.out[i].value[e];
    for (int k = 0; k < o->noises; k++) {
        if (i >= o->noise[k].n) {
            return INFINITY;
        }
        double moved = fabs(o->noise[k].out[i].value[e] - at);
        most = moved > most || isnan(moved) ? moved : most;
    }
    return isnan(most) ? INFINITY : most;
}

/* What is needed to judge the elements of an output. */
typedef struct judge {
    oracle *o;
    size_t i;
    double largest, moved; /* of all elements of the output */
    double bound;          /* of the element judged last */
} judge;

static judge judge_make(oracle *o, size_t i)
{
    judge j = {.o = o, .i = i};
    const random_output *a = &o->reference.out[i];
    for (size_t e = 0; e < a->n; e++) {
        if (isfinite(a->value[e])) {
            j.largest = fmax(j.largest, fabs(a->value[e]));
        }
        double m = movement(o, i, e);
        j.moved = isfinite(m) ? fmax(j.moved, m) : j.moved;
    }
    return j;
}

static bool ill_conditioned(const judge *j)
{
    return j->moved > (j->o->dtype == REEL_F32 ? 1e-3 : 1e-5) * j->largest;
}

typedef enum verdict { WITHIN, LEFT_OUT, BEYOND } verdict;

static verdict judge_element(judge *j, size_t e, double got)
{
    const random_output *a = &j->o->reference.out[j->i];
    double m = movement(j->o, j->i, e), want = a->value[e],
           epsilon = agreement_epsilon(j->o->dtype);
    if (!isfinite(want) || !isfinite(m) || (a->dtype == REEL_I32 && j->moved > 0) ||
        ill_conditioned(j)) {
        return LEFT_OUT;
    }
    if (strcmp(a->op, "param") == 0) { /* the update was rounded too */
        m += epsilon * fabs(want);
    }
    j->bound = agreement_bound(j->o->dtype, m, j->moved, j->largest);
    return fabs(got - want) <= j->bound ? WITHIN : BEYOND;
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* Comparison */

static void describe(const oracle *o, const lane *l, size_t i, char *text, size_t n)
{
    const random_output *a = &o->reference.out[i];
    char shape[64], program[80];
    program_text(&o->g, program, sizeof program);
    snprintf(text, n,
             "program %s (%s, passes 0x%x): round %d, statement %d: node %lld, %s%s at %s, "
             "scope '%s', %s",
             program, reel_dtype_name(o->dtype), l->passes, a->round, a->statement,
             (long long)a->id, a->op, reel__shape_text(shape, sizeof shape, a->shape), a->where,
             a->scope, a->exact ? "must have the same bits" : "may be rounded differently");
}

static bool differs(const oracle *o, const lane *l, size_t i, size_t e, double got, double bound,
                    char *text, size_t n)
{
    describe(o, l, i, text, n);
    size_t at = strlen(text);
    snprintf(text + at, n - at,
             ":\n  element %zu is %.17g by the reference executor, %.17g here, "
             "difference %.3g, bound %.3g",
             e, o->reference.out[i].value[e], got, fabs(got - o->reference.out[i].value[e]), bound);
    return false;
}

static bool same_output(const random_output *a, const random_output *b)
{
    return a->round == b->round && a->id == b->id && a->dtype == b->dtype && a->n == b->n &&
           strcmp(a->op, b->op) == 0 && reel_shape_equal(a->shape, b->shape);
}

/* Elements that are not the same are judged, and judged again with more noise before they fail. */
static bool output_agrees(oracle *o, const lane *l, size_t i, const random_output *b, tally *t,
                          char *text, size_t n)
{
    const random_output *a = &o->reference.out[i];
    judge j = {.o = NULL};
    for (size_t e = 0; e < a->n; e++) {
        t->elements++;
        t->exact += a->exact;
        if (same_bits(a->value[e], b->value[e])) {
            continue;
        }
        if (a->exact) {
            return differs(o, l, i, e, b->value[e], 0, text, n);
        }
        for (int noises = FEW_NOISES; noises <= MORE_NOISES; noises += MORE_NOISES - FEW_NOISES) {
            if (!j.o || o->noises < noises) {
                listen(o, noises);
                j = judge_make(o, i);
            }
            verdict v = judge_element(&j, e, b->value[e]);
            t->left_out += v == LEFT_OUT;
            if (v == WITHIN && j.bound > 0) {
                t->closest = fmax(t->closest, fabs(b->value[e] - a->value[e]) / j.bound);
            }
            if (v != BEYOND) {
                break;
            }
            if (noises == MORE_NOISES) {
                return differs(o, l, i, e, b->value[e], j.bound, text, n);
            }
        }
    }
    return true;
}

/* Whether a gradient that is not finite may be finite in another run: it then ends the program. So
 * it may where the weights that the reference's update left are ill-conditioned, as rounding alone
 * then makes a gradient of any size. */
static bool may_end(oracle *o, const random_trace *got)
{
    const random_trace *want = &o->reference;
    bool ends = want->status == REEL_ERR_NAN;
    listen(o, MORE_NOISES);
    for (int i = 0; i < o->noises; i++) {
        ends = ends || o->noise[i].status == REEL_ERR_NAN;
    }
    for (size_t i = got->n; !ends && i < want->n && want->out[i].round == want->out[got->n].round;
         i++) {
        judge j = judge_make(o, i);
        ends = strcmp(want->out[i].op, "param") == 0 && ill_conditioned(&j);
    }
    return ends && (got->status == REEL_OK || got->status == REEL_ERR_NAN);
}

static bool traces_agree(oracle *o, const lane *l, const random_trace *got, tally *t, char *text,
                         size_t n)
{
    const random_trace *want = &o->reference;
    for (size_t i = 0; i < want->n && i < got->n; i++) {
        if (!same_output(&want->out[i], &got->out[i])) {
            describe(o, l, i, text, n);
            size_t at = strlen(text);
            snprintf(text + at, n - at, ": is another node here (%s)", got->out[i].op);
            return false;
        }
        if (!output_agrees(o, l, i, &got->out[i], t, text, n)) {
            return false;
        }
    }
    if ((want->status != got->status || want->n != got->n) && !may_end(o, got)) {
        char program[80];
        program_text(&o->g, program, sizeof program);
        snprintf(text, n, "program %s (%s): %zu values and status %d (%s), here %zu and %d (%s)",
                 program, reel_dtype_name(o->dtype), want->n, (int)want->status, want->message,
                 got->n, (int)got->status, got->message);
        return false;
    }
    return true;
}

bool oracle_agrees(oracle *o, const lane *l, tally *t, char *text, size_t n)
{
    random_trace got = {.status = REEL_OK};
    run_lane(&o->g, l, &o->reference, &got);
    t->programs++;
    t->nodes += (uint64_t)got.nodes;
    t->failed_programs += o->reference.status != REEL_OK;
    bool agree = traces_agree(o, l, &got, t, text, n);
    random_trace_free(&got);
    return agree;
}

/* Smaller programs */

void program_text(const random_graph *g, char *text, size_t n)
{
    snprintf(text, n, "%llu 0x%x 0x%x 0x%x", (unsigned long long)g->seed, g->without[0],
             g->without[1], g->without_rounds);
}

static bool fails_here(const random_graph *g, const lane *l, char *text, size_t n)
{
    tally t = {0};
    oracle o;
    oracle_make(&o, g, l->dtype, NULL);
    bool fails = !oracle_agrees(&o, l, &t, text, n);
    oracle_free(&o);
    return fails;
}

bool in_child(void (*job)(void *context), void *context, char *text, size_t n)
{
    enum { PATIENCE = 120, WAIT = 1800 }; /* seconds of computing, and in all */
    char program[96];
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CPU, &(struct rlimit){PATIENCE, PATIENCE});
        alarm(WAIT);
        job(context);
        fflush(NULL);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        abort();
    }
    if (!WIFSIGNALED(status) && WEXITSTATUS(status) == 0) {
        return true;
    }
    snprintf(program, sizeof program, "%s", text);
    snprintf(text, n, "%s ended by %s %d", program, WIFSIGNALED(status) ? "signal" : "status",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}

/* A program that may crash, tried in a process of its own; what it finds is in shared memory. */
typedef struct trial {
    random_graph g;
    lane l;
    bool fails;
    char text[2048];
} trial;

static void run_trial(void *context)
{
    trial *t = context;
    t->fails = fails_here(&t->g, &t->l, t->text, sizeof t->text);
}

void *shared_memory(size_t size)
{
    FILE *file = tmpfile();
    if (!file || ftruncate(fileno(file), (off_t)size)) {
        abort();
    }
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    if (p == MAP_FAILED) {
        abort();
    }
    fclose(file);
    return p;
}

static bool still_fails(const random_graph *g, const lane *l, char *text, size_t n)
{
    trial *t = shared_memory(sizeof *t);
    *t = (trial){.g = *g, .l = *l};
    char program[80];
    program_text(g, program, sizeof program);
    snprintf(t->text, sizeof t->text, "program %s (%s, passes 0x%x)", program,
             reel_dtype_name(l->dtype), l->passes);
    bool fails = !in_child(run_trial, t, t->text, sizeof t->text) || t->fails;
    if (fails) {
        snprintf(text, n, "%s", t->text);
    }
    munmap(t, sizeof *t);
    return fails;
}

/* Sets those bits, and keeps them set where the program still fails. */
static void try_bits(random_graph *g, uint32_t *bits, uint32_t set, const lane *l, char *text,
                     size_t n)
{
    uint32_t before = *bits;
    *bits |= set;
    if (*bits != before && !still_fails(g, l, text, n)) {
        *bits = before;
    }
}

static void try_all(random_graph *g, uint32_t *bits, int count, const lane *l, char *text, size_t n)
{
    for (int width = count; width > 0; width /= 2) {
        for (int at = 0; at < count; at += width) {
            uint32_t set = width >= 32 ? ~0U : ((1U << width) - 1) << at;
            try_bits(g, bits, set, l, text, n);
        }
    }
}

/* Switches off passes without which it fails as well. */
static void try_passes(const random_graph *g, lane *l, char *text, size_t n)
{
    for (int i = 0; i < compiled_passes(); i++) {
        lane less = *l;
        less.passes &= REEL__PASS_ALL & ~(1U << i);
        if (still_fails(g, &less, text, n)) {
            *l = less;
        }
    }
}

void make_smaller(random_graph *g, lane *l, char *text, size_t n)
{
    lane alone = *l;
    alone.threads = 1;
    if (still_fails(g, &alone, text, n)) {
        *l = alone;
    }
    try_passes(g, l, text, n);
    for (int again = 0; again < 2; again++) {
        try_all(g, &g->without_rounds, random_graph_rounds(g), l, text, n);
        for (int s = 0; s < GRAPH_STRUCTURES; s++) {
            try_all(g, &g->without[s], random_graph_statements(g, s), l, text, n);
        }
    }
}

/* Job: a loss and its gradients as numbers.
 * Invariant: the values are those of reel_grad's nodes, whether such nodes are recorded or not.
 * Must not know: optimizers. */
#include "memory.h"
#include "plan.h"

/* By recording the backward pass and evaluating it. */
static reel_status by_nodes(const char *at, reel_tape *tape, reel_node *loss, size_t n,
                            reel_node *const *x, const void **data)
{
    reel_node **root = reel__reallocarray(NULL, n + 1, sizeof *root);
    if (!root) {
        reel__fail(tape, REEL_ERR_MEMORY, at, "gradient: out of memory");
        return tape->status;
    }
    root[0] = loss;
    if (reel_grad_at(at, loss, n, x, root + 1) == REEL_OK && reel_eval(n + 1, root) == REEL_OK) {
        for (size_t i = 0; i < n; i++) {
            data[i] = reel__live(root[i + 1])->data;
        }
    }
    reel__free(root);
    return tape->status;
}

/* Nothing is planned with respect to what is computed on the way. */
static bool all_leaves(size_t n, reel_node *const *x)
{
    for (size_t i = 0; i < n; i++) {
        const reel__slot *s = reel__live(x[i]);
        if (s->n > 0 || s->dtype == REEL_I32) {
            return false;
        }
    }
    return true;
}

reel_status reel__tape_gradients(const char *at, reel_node *loss, size_t n, reel_node *const *x,
                                 const void **data)
{
    reel__slot *s = reel__live(loss);
    reel_tape *tape = s->tape;
    bool planned = tape->executor == &reel__compiled_executor && !tape->trap_nan &&
                   !(s->flags & REEL__COMPUTED) && all_leaves(n, x);
    if (planned && reel__plan_gradients(tape, at, s, n, x, data)) {
        return tape->status;
    }
    return tape->status ? tape->status : by_nodes(at, tape, loss, n, x, data);
}

reel_status reel_gradients_at(const char *at, reel_node *loss, size_t n, reel_node *const *x,
                              const void **data)
{
    for (size_t i = 0; data && i < n; i++) {
        data[i] = NULL;
    }
    if (!reel__may_differentiate(at, "reel_gradients", loss, n, x, !data)) {
        reel_tape *tape = reel_node_tape(loss);
        return tape && tape->status ? tape->status : REEL_ERR_ARGUMENT;
    }
    return reel__tape_gradients(at, loss, n, x, data);
}

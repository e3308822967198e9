/* Running one kernel: what executors share. */
#ifndef REEL_SRC_CALL_H
#define REEL_SRC_CALL_H

#include <reel/op.h>

#include <stdatomic.h>

enum { REEL__CALL_MESSAGE = 256 };

/* The executor's side of a reel_call; shared by the threads that run parts of it. */
typedef struct reel_call_state {
    atomic_bool failed;
    reel_status status;
    char message[REEL__CALL_MESSAGE];
    _Atomic(struct reel__scrap *) scratch;
} reel_call_state;

/* Runs the op's kernel for the tape's real type over all units, on up to `threads` threads. Returns
 * the status; on failure the reason is in state->message. */
reel_status reel__call_run(reel_call *call, reel_dtype real, int threads);

#endif

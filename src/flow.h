/* What the report and its picture share. For flow*.c. */
#ifndef REEL_SRC_FLOW_H
#define REEL_SRC_FLOW_H

#include <reel/flow.h>

/* What state i is called in tables and keys; in `text`, or a constant. */
const char *reel__flow_state_name(const reel_flow *flow, int i, char *text, size_t n);

/* ‖v‖₂ of the n = reel_node_size(x) elements of x's type; NAN and INFINITY where one is. */
double reel__norm(const reel_node *x, const void *data);

#endif

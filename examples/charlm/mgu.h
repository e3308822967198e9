/* The minimal gated unit: how a user adds a cell of their own. */
#ifndef CHARLM_MGU_H
#define CHARLM_MGU_H

#include <reel/reel.h>

extern const reel_cell_type mgu_cell;

#endif

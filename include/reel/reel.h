/** @file
 * All of Reel.
 */
#ifndef REEL_REEL_H
#define REEL_REEL_H

#include <reel/base.h>

#include <reel/attention.h>
#include <reel/blas.h>
#include <reel/cell.h>
#include <reel/chart.h>
#include <reel/check.h>
#include <reel/decode.h>
#include <reel/draw.h>
#include <reel/encoder_decoder.h>
#include <reel/file.h>
#include <reel/flow.h>
#include <reel/info.h>
#include <reel/isa.h>
#include <reel/metrics.h>
#include <reel/models.h>
#include <reel/op.h>
#include <reel/ops.h>
#include <reel/opt.h>
#include <reel/page.h>
#include <reel/params.h>
#include <reel/plan.h>
#include <reel/random.h>
#include <reel/tape.h>
#include <reel/teach.h>
#include <reel/text.h>

#endif

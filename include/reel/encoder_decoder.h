/** @file
 * Encoder and decoder: sequences in, sequences out, in any cell, with attention or without.
 *
 *     reel_source src = reel_encode(&encoder, T, words, h, .length = length);
 *     reel_state s = reel_decoder_start(&decoder, &src);
 *     reel_decode_all(&decoder, &src, N, last, &s, logits, NULL);      // teacher forcing
 *
 *     reel_decoding d = {.decoder = &decoder, .source = &src};         // or beam search
 *     reel_decode(found, .tape = tape, .step = reel_decoder_continue, .context = &d, .start = &s,
 * ...);
 *
 * Weights are made on first use, under the names of the two.
 */
#ifndef REEL_ENCODER_DECODER_H
#define REEL_ENCODER_DECODER_H

#include <reel/attention.h>
#include <reel/base.h>
#include <reel/cell.h>

REEL_BEGIN

/** What reads a source. */
typedef struct reel_encoder {
    reel_params *params;
    const char *name;
    reel_cell *cell;                 /**< its input is an embedded word; often goes both ways */
    int64_t vocabulary;              /**< words */
    const char *words;               /**< name of the embedding's weights; NULL: "name.embedding" */
    const reel_attention *attention; /**< the decoder's; NULL: none */
    double dropout;                  /**< of embedded words, in training */
} reel_encoder;

/** A batch of sources that were read: of one recording. */
typedef struct reel_source {
    reel_memory memory; /**< what attention reads; all NULL without attention */
    /** [batch, n]: what sums a source up, the last state 0, h by convention, of the top layer; of
     * one that goes both ways the backward cell's, which is ←h_1. */
    reel_node *summary;
} reel_source;

/** What reel_encode is told. */
typedef struct reel_encode_args {
    const reel_encoder *encoder;
    int64_t T;
    reel_node *const *word;  /**< T nodes [batch] (i32); may be any word beyond a source's end */
    reel_node **h;           /**< room for T nodes: what the cell says, as reel_run's y */
    const int64_t *length;   /**< by source, from 1 to T; NULL: T */
    const int32_t *sequence; /**< names that dropout goes by; NULL: places in the batch */
    reel_node *words; /**< the words as one node [T, batch], in place of `word`: faster, as they
                         are embedded together; NULL: not given so */
    const char *at;
} reel_encode_args;
/** Embeds the words, runs the cell and makes the memory. On error the nodes are the error node;
 * without a word there is none, and the error is the params set's. */
REEL_API reel_source reel_encode_with(const reel_encode_args *args);
/** reel_encode(&encoder, T, words, h, .length = lengths, ...) */
#define reel_encode(...) reel_encode_with(&(reel_encode_args){__VA_ARGS__, .at = REEL_HERE})

/** What a decoder's state, word and context become before the output layer: r. */
typedef enum reel_readout {
    REEL_READOUT_TANH, /**< tanh(W [s, c, E y⁻] + b) */
    REEL_READOUT_MAXOUT /**< the larger ones of pairs of W [s, c, E y⁻] + b (Goodfellow et al. 2013)
                         */
} reel_readout;

/** What writes a target: with E y⁻ the word before, embedded,
 *
 *     s = cell([E y⁻, c], s⁻)     r = readout(s, c, E y⁻)     logits = W_o r + b_o
 *
 * where c = attend(s⁻) (Bahdanau et al. 2015), or, with `after`, s = cell(E y⁻, s⁻) and c =
 * attend(s) (Luong et al. 2015), or, without attention, c is the source's summary in every step
 * (Cho et al. 2014). s_0 = tanh(W_s summary), for every state of the cell. Weights:
 * `name.embedding.weight` [vocabulary, embedding], `name.start.weight`, `name.start_1.weight` ...
 * for states 0, 1, ..., `name.readout.weight` [size, ...], `name.readout.bias` (2 size rows with
 * maxout, those of a pair next to each other), `name.out.weight` [vocabulary, size] and
 * `name.out.bias`. */
typedef struct reel_decoder {
    reel_params *params;
    const char *name;
    /** Its input: the embedding's features, then, but for `after`, the context's, then, with
     * `feeding`, the readout's. */
    reel_cell *cell;
    const reel_attention *attention; /**< NULL: none */
    int64_t vocabulary;              /**< words */
    int64_t embedding;               /**< features of a word */
    const char *words;               /**< name of the embedding's weights; NULL: "name.embedding" */
    bool tied;                       /**< W_o is E (Press & Wolf 2017): needs size = embedding */
    bool after;                      /**< attends by s, not by s⁻ */
    bool feeding; /**< the cell also sees the last step's r, at first 0 (Luong et al. 2015) */
    reel_readout readout;
    int64_t size;   /**< features of r; 0: as many as the embedding has */
    bool previous;  /**< the readout sees s⁻, as in Bahdanau et al.'s appendix */
    bool wordless;  /**< the readout does not see E y⁻, as Luong et al.'s */
    double dropout; /**< of embedded words and of r, in training */
    /** The last state is the sum of attention's weights so far, also where no score sees it: for
     * reel_decode's `covered`. Not with several heads. */
    bool covers;
    const int32_t *sequence; /**< names that dropout goes by; NULL: places in the batch */
} reel_decoder;

/** The states before the first word: the cell's, then the last readout with `feeding`, then what
 * attention has covered where that is kept. So all that belongs to a hypothesis is in its state.
 */
REEL_API reel_state reel_decoder_start_at(const char *at, const reel_decoder *d,
                                          const reel_source *source);
#define reel_decoder_start(...) reel_decoder_start_at(REEL_HERE, __VA_ARGS__)
/** One step: last words [batch] (i32) in, logits [batch, vocabulary] of the next out; s moves on.
 * weights: as reel_attend's, NULL: not asked for (without attention it is NULL afterwards). */
REEL_API reel_node *reel_decoder_step_at(const char *at, const reel_decoder *d, int64_t t,
                                         const reel_source *source, reel_node *last, reel_state *s,
                                         reel_node **weights);
#define reel_decoder_step(...) reel_decoder_step_at(REEL_HERE, __VA_ARGS__)
/** N steps, whatever words are said: teacher forcing when they are the target's, after one that
 * begins it. last: N nodes [batch] (i32). logits: room for N nodes; weights: likewise, or NULL. */
REEL_API reel_status reel_decode_all_at(const char *at, const reel_decoder *d,
                                        const reel_source *source, int64_t N,
                                        reel_node *const *last, reel_state *s, reel_node **logits,
                                        reel_node **weights);
#define reel_decode_all(...) reel_decode_all_at(REEL_HERE, __VA_ARGS__)

/** The same as one node [N, batch, vocabulary], of last words [N, batch] (i32), faster: what waits
 * for no step, the embedding, the readout and the output layer, is done for all steps together.
 * Without `feeding` masks of the readout go by row, not by names of sequences, and so are others
 * than reel_decode_all's. room: for N nodes. */
REEL_API reel_node *reel_decode_together_at(const char *at, const reel_decoder *d,
                                            const reel_source *source, int64_t N, reel_node *last,
                                            reel_state *s, reel_node **room, reel_node **weights);
#define reel_decode_together(...) reel_decode_together_at(REEL_HERE, __VA_ARGS__)
/** Its first half: what the readout sees in all steps, or, with `feeding`, the readouts: rows
 * [N batch, features], step after step. Rows of several batches, of different numbers of steps, may be
 * concatenated: the output layer then goes over all of them at once, and none is padded. Where
 * there is dropout, their sequences need names of their own (`sequence`, here and in reel_encode):
 * by places in the batch the first of each would have the same masks. */
REEL_API reel_node *reel_decode_rows_at(const char *at, const reel_decoder *d,
                                        const reel_source *source, int64_t N, reel_node *last,
                                        reel_state *s, reel_node **room, reel_node **weights);
#define reel_decode_rows(...) reel_decode_rows_at(REEL_HERE, __VA_ARGS__)
/** Its second half: the logits [rows, vocabulary] of such rows. */
REEL_API reel_node *reel_rows_logits_at(const char *at, const reel_decoder *d, reel_node *rows);
#define reel_rows_logits(...) reel_rows_logits_at(REEL_HERE, __VA_ARGS__)

/** The context of reel_decoder_continue. */
typedef struct reel_decoding {
    const reel_decoder *decoder;
    const reel_source *source;
    reel_node *rows;  /**< its own: which source each of `here` is; NULL at first */
    reel_source here; /**< its own */
} reel_decoding;
/** A reel_decode_step (decode.h) that goes on with a decoder: context is a reel_decoding, the start
 * reel_decoder_start's. */
REEL_API reel_node *reel_decoder_continue(void *context, int64_t t, reel_node *last,
                                          reel_node *source, reel_state *s);

REEL_END

#endif

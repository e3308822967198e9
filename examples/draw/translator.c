/* An encoder and a decoder in a file, as reel-translate writes them: sizes of weights tell how the
 * parts are put together. */
#include "draw.h"

#include <stdio.h>
#include <string.h>

bool file_is_translator(const reel_archive *a)
{
    found f;
    return reel_archive_find(a, "encoder.embedding.weight") &&
           reel_archive_find(a, "decoder.embedding.weight") &&
           reel_archive_find(a, "decoder.readout.weight") && file_find(a, "encoder", &f) &&
           file_find(a, "decoder", &f);
}

/* A dimension of a weight; 0 where there is no such weight. */
static int64_t size(const reel_archive *a, const char *name, int axis)
{
    const reel_archive_tensor *t = reel_archive_find(a, name);
    return t ? t->shape.dim[axis] : 0;
}

/* Whether the program that wrote the file was told that option. */
static bool told(const reel_archive *a, const char *key, const char *value)
{
    const char *word = reel_archive_get(a, key);
    return word && strcmp(word, value) == 0;
}

/* By the weights that the scores have; those that have none are dot products. */
static reel_attention find_attention(const reel_archive *a, recording *r, int64_t query)
{
    reel_attention x = {.params = r->params, .name = "attention", .query = query};
    x.size = size(a, "attention.weight_score", 0);
    x.coverage = size(a, "attention.weight_coverage", 0) > 0;
    x.score = size(a, "attention.weight_query", 0)        ? REEL_ADDITIVE
              : size(a, "attention.weight_general", 0)    ? REEL_GENERAL
              : size(a, "attention.weight_concat", 0)     ? REEL_CONCATENATED
              : size(a, "attention.in_proj_weight", 0)    ? REEL_MULTI_HEAD
              : told(a, "option.attention", "scaled-dot") ? REEL_SCALED_DOT
                                                          : REEL_DOT;
    return x;
}

/* What goes into the decoder's cell and into its readout adds up in one way only, but for sizes
 * that are the same by chance. False when in none. */
static bool put_together(const reel_archive *a, const found *cell, int64_t memory, reel_decoder *d)
{
    const int64_t rows = size(a, "decoder.readout.weight", 0);
    const int64_t columns = size(a, "decoder.readout.weight", 1);
    d->tied = !reel_archive_find(a, "decoder.out.weight");
    d->size = d->tied ? d->embedding : size(a, "decoder.out.weight", 1);
    d->readout = rows == 2 * d->size ? REEL_READOUT_MAXOUT : REEL_READOUT_TANH;
    for (int i = 0; i < 16; i++) {
        d->after = i & 1;
        d->feeding = i & 2;
        d->wordless = i & 4;
        d->previous = i & 8;
        int64_t in = d->embedding + (d->after ? 0 : memory) + (d->feeding ? d->size : 0);
        int64_t read = cell->hidden + memory + (d->wordless ? 0 : d->embedding) +
                       (d->previous ? cell->hidden : 0);
        if (in == cell->in && read == columns) {
            return true;
        }
    }
    return false;
}

bool record_translator(const settings *s, recording *r, const reel_archive *a)
{
    found in, out;
    file_find(a, "encoder", &in);
    file_find(a, "decoder", &out);
    const bool attends = !told(a, "option.attention", "none");
    const int64_t memory = in.hidden * (in.both && attends ? 2 : 1);
    r->cell = file_cell(r, &in, s->options);
    r->decoder = file_cell(r, &out, s->options);
    reel_attention attention = find_attention(a, r, out.hidden);
    reel_encoder encoder = {.params = r->params,
                            .name = "encoder",
                            .cell = r->cell,
                            .vocabulary = size(a, "encoder.embedding.weight", 0),
                            .attention = attends ? &attention : NULL};
    reel_decoder decoder = {.params = r->params,
                            .name = "decoder",
                            .cell = r->decoder,
                            .attention = encoder.attention,
                            .vocabulary = size(a, "decoder.embedding.weight", 0),
                            .embedding = size(a, "decoder.embedding.weight", 1)};
    if (!put_together(a, &out, memory, &decoder)) {
        return complain("%s: an encoder and a decoder whose sizes do not fit a memory of "
                        "%lld features: --module decoder draws the decoder's cell alone",
                        s->kind, (long long)memory);
    }
    snprintf(r->about, sizeof r->about,
             "encoder and decoder %s attention: %s of %lld units%s, %s of %lld units, "
             "vocabularies of %lld and %lld words",
             attends ? "with" : "without", in.kind, (long long)in.hidden,
             in.both ? " both ways" : "", out.kind, (long long)out.hidden,
             (long long)encoder.vocabulary, (long long)decoder.vocabulary);
    return record_sentence(s, r, &encoder, &decoder);
}

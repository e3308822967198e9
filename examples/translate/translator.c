/* The network as a graph: a bidirectional encoder, attention, a decoder. */
#include "translate.h"

bool check_network(void)
{
    if (set.coverage && set.attention != REEL_ADDITIVE) {
        return complain("--coverage is for additive attention: expected --attention additive");
    }
    return reel_cell_type_find(set.cell) ||
           complain("--cell: '%s' is no kind of cell; 'reel-translate cells' lists them", set.cell);
}

void print_cells(void)
{
    for (const reel_cell_type *const *type = reel_cell_types(); *type; type++) {
        printf("%-22s %s\n", (*type)->name, (*type)->help);
    }
}

reel_tape *translator_tape(bool trains)
{
    return reel_tape_new((int)set.threads, .dtype = set.f64 ? REEL_F64 : REEL_F32,
                         .seed = (uint64_t)set.seed, .inference = !trains);
}

static reel_cell *layers(translator *m, const char *name, int64_t in, int64_t hidden, bool both)
{
    return reel_layers_with(&(reel_cell_args){.params = m->params,
                                              .name = name,
                                              .type = reel_cell_type_find(set.cell),
                                              .in = in,
                                              .hidden = hidden,
                                              .options = set.cell_options,
                                              .bidirectional = both,
                                              .at = REEL_HERE},
                            (int)set.layers, set.dropout);
}

/* Dot products need queries as wide as what is attended to. */
static int64_t decoder_size(int64_t read)
{
    const bool product = set.attention == REEL_DOT || set.attention == REEL_SCALED_DOT ||
                         set.attention == REEL_MULTI_HEAD;
    return product ? read : set.hidden;
}

static void describe(translator *m)
{
    const bool attends = set.attention != ATTENTION_NONE;
    /* without attention it is the last state of one direction */
    const int64_t read = attends && !set.one_way ? 2 * set.hidden : set.hidden;
    const int64_t size = decoder_size(read);
    m->attention = (reel_attention){.params = m->params,
                                    .name = "attention",
                                    .score = attends ? (reel_score)set.attention : REEL_ADDITIVE,
                                    .query = size,
                                    .size = set.hidden,
                                    .heads = (int)set.heads,
                                    .coverage = set.coverage};
    m->encoder = (reel_encoder){.params = m->params,
                                .name = "encoder",
                                .cell = layers(m, "encoder", set.embed, set.hidden, !set.one_way),
                                .vocabulary = reel_vocabulary_size(m->source),
                                .attention = attends ? &m->attention : NULL,
                                .dropout = set.dropout};
    int64_t in = set.embed + (set.late ? 0 : read) + (set.input_feeding ? set.embed : 0);
    m->decoder =
        (reel_decoder){.params = m->params,
                       .name = "decoder",
                       .cell = layers(m, "decoder", in, size, false),
                       .attention = m->encoder.attention,
                       .vocabulary = reel_vocabulary_size(m->target),
                       .embedding = set.embed,
                       .tied = set.ties,
                       .after = set.late,
                       .feeding = set.input_feeding,
                       .readout = set.maxout_readout ? REEL_READOUT_MAXOUT : REEL_READOUT_TANH,
                       .dropout = set.dropout,
                       .covers = attends && set.beta > 0 && set.attention != REEL_MULTI_HEAD};
}

/* Weights are made on first use: one recorded step makes them all. */
static bool make_weights(translator *m)
{
    reel_tape *tape = translator_tape(false);
    const int64_t length = 1;
    const int32_t word = REEL_UNKNOWN;
    reel_node *x = reel_input(tape, REEL_I32, &word, reel_dims(1)), *h, *logits;
    reel_source source = reel_encode(&m->encoder, 1, &x, &h, .length = &length);
    reel_state s = reel_decoder_start(&m->decoder, &source);
    (void)reel_decode_all(&m->decoder, &source, 1, &x, &s, &logits, NULL);
    bool ok = reel_tape_status(tape) == REEL_OK || tape_complain(tape);
    reel_tape_free(tape);
    return ok && (reel_params_status(m->params) == REEL_OK || params_complain(m->params));
}

bool translator_new(translator *m)
{
    m->params = reel_params_new(set.f64 ? REEL_F64 : REEL_F32, (uint64_t)set.seed);
    if (!m->params) {
        return out_of_memory();
    }
    describe(m);
    return make_weights(m);
}

void translator_free(translator *m)
{
    reel_cell_free(m->encoder.cell);
    reel_cell_free(m->decoder.cell);
    reel_params_free(m->params);
    reel_vocabulary_free(m->source);
    reel_vocabulary_free(m->target);
    *m = (translator){.params = NULL};
}

bool translator_open(translator *m, const char *path)
{
    *m = (translator){.params = NULL};
    reel_archive *a = checkpoint_open(path, CHECKPOINT_USE);
    bool ok = a && check_network();
    m->source = ok ? checkpoint_take_vocabulary(a, path, "vocabulary.source") : NULL;
    m->target = m->source ? checkpoint_take_vocabulary(a, path, "vocabulary.target") : NULL;
    ok = m->target && translator_new(m) && archive_weights(a, path, m->params);
    reel_archive_free(a);
    return ok;
}

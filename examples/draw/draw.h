/* reel-draw: what the parts of the program share. */
#ifndef EXAMPLES_DRAW_H
#define EXAMPLES_DRAW_H

#include "../program/drawing.h"
#include "../program/say.h"

#include <reel/reel.h>
#include <stdbool.h>
#include <stdint.h>

enum { MOST_ROOTS = 512, MOST_NOTES = 600 };

enum { MOST_SEQUENCES = 64, MOST_STEPS = 4096 };

typedef struct sequences {
    int64_t length[MOST_SEQUENCES];
    int n;
    int64_t longest;
} sequences;

/* What the options say. */
typedef struct settings {
    const char *kind;    /* a cell's, "seq2seq", or a file's path */
    const char *options; /* of the cell */
    const char *module;  /* of a file: the net's name; NULL: the first */
    const char *output;
    int64_t layers, steps, in, hidden, batch, windows; /* windows: of truncated back-propagation */
    int64_t source, target, vocabulary;                /* of seq2seq */
    const char *score;
    const char *lengths; /* of sequences, "5,3,4"; NULL: one of --steps */
    sequences sequences; /* these */
    bool padded;         /* those as one batch */
    bool bidirectional, two_biases, loss, list;
    drawing drawing; /* how it is drawn */
} settings;

enum { NAME = 256 };

/* A recurrent net in a file. */
typedef struct found {
    char prefix[NAME]; /* the net's name: what stands before ".weight_ih_l0" */
    const char *kind;
    const char *options;
    int64_t in, hidden, layers;
    bool both, biases, two_biases;
    const reel_archive_tensor *embedding, *out;
} found;

/* A recording, and what of it is to be drawn. */
typedef struct recording {
    reel_params *params;
    reel_tape *tape;
    reel_cell *cell, *decoder;
    reel_node *root[MOST_ROOTS];
    size_t roots;
    uint64_t inputs;
    char about[MOST_NOTES]; /* what it is, in words */
} recording;

/* Each says on stderr what is wrong, and returns false. */
bool record_cell(const settings *s, recording *r);
/* "5,3,4"; false after a complaint. */
bool lengths_read(const char *text, sequences *q);
bool record_seq2seq(const settings *s, recording *r);
/* A model from a file of safetensors: the recurrent net in it that PyTorch's names tell. */
bool record_file(const settings *s, recording *r);
/* Runs the cell as the settings say and keeps what it gives; x: T · windows inputs of [batch, in].
 */
bool record_run(const settings *s, recording *r, reel_node *const *x);
/* Sequences of the lengths that are given. */
bool record_sequences(const settings *s, recording *r);
/* A source and a target sentence through an encoder and a decoder. */
bool record_sentence(const settings *s, recording *r, const reel_encoder *encoder,
                     const reel_decoder *decoder);
/* The net of that name in a file, and what it is. */
bool file_find(const reel_archive *a, const char *prefix, found *f);
/* The cell of a net in a file. */
reel_cell *file_cell(recording *r, const found *f, const char *options);
/* Whether the file is an encoder and a decoder under Reel's names, and that recorded. */
bool file_is_translator(const reel_archive *a);
bool record_translator(const settings *s, recording *r, const reel_archive *a);
/* Whether nothing has failed; says what has. */
bool record_good(const recording *r);
/* Keeps a root to be drawn. */
bool record_keep(recording *r, reel_node *x);
/* Keeps the derivatives of the last root for all weights, as often as the settings say. */
bool record_derivatives(const settings *s, recording *r);
/* That many layers of a cell; a single one is not a stack of one. */
reel_cell *record_layers(const reel_cell_args *a, int64_t n);
/* An input [rows, columns], or [rows] of words (i32) where columns is 0. */
reel_node *record_input(recording *r, reel_dtype dtype, int64_t rows, int64_t columns);
void recording_free(recording *r);

#endif

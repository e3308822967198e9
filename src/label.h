/* Text that grows, and the escapes that make any bytes safe inside Graphviz's DOT. */
#ifndef REEL_SRC_LABEL_H
#define REEL_SRC_LABEL_H

#include <reel/base.h>

/* Where finished pieces of a long text go. False when they cannot be taken. */
typedef bool reel__sink(void *context, const char *text, size_t n);

/* Starts as {0}, or with a sink, to which the text is handed whenever a piece is full. Failure is
 * sticky: later calls do nothing. */
typedef struct reel__text {
    char *data;
    size_t n, capacity;
    reel__sink *sink;
    void *context;
    bool no_memory, refused; /* refused: the sink said no */
} reel__text;

void reel__text_add(reel__text *t, const char *text);
void reel__text_format(reel__text *t, const char *format, ...) REEL_PRINTF(2, 3);
/* Adds any bytes for use inside an HTML-like label, label=<...>: characters of markup escaped, line
 * ends as <br/>, control characters visible, what is not UTF-8 as U+FFFD; after `limit` characters
 * cut with an ellipsis. */
void reel__text_html(reel__text *t, const char *bytes, size_t limit);
/* The same for use inside a double-quoted attribute. */
void reel__text_quoted(reel__text *t, const char *bytes, size_t limit);
/* The same for use as the text, or inside a double-quoted attribute, of SVG and HTML: a line end is
 * visible. */
void reel__text_xml(reel__text *t, const char *bytes, size_t limit);
/* The length of the UTF-8 character at s and its code point; 0 when there is none: overlong forms,
 * surrogates and what lies beyond U+10FFFF are none. */
size_t reel__character(const unsigned char *s, uint32_t *point);
/* Hands what is left to the sink. False if anything failed since the start. */
bool reel__text_flush(reel__text *t);
void reel__text_free(reel__text *t);

#endif

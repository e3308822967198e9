/* The raw text: bytes gathered from files and folders. */
#ifndef CHARLM_TEXT_H
#define CHARLM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct text {
    unsigned char *byte;
    size_t size;
    size_t files;
} text;

/* Reads n files or folders (all files in them, by name; hidden ones are left out), "-" being
 * standard input; with n = 0 the default corpus: the C headers of the kernel, at most five million
 * bytes. When `utf8`, each must be valid UTF-8. */
bool text_read(text *t, int n, char *const *path, bool utf8);
void text_free(text *t);
/* FNV-1a, 64 bit: whether a resumed run sees the text it was trained on. */
uint64_t text_hash(const text *t);

#endif

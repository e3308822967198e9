/* UTF-8, both ways (RFC 3629). */
#ifndef CHARLM_UTF8_H
#define CHARLM_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Decodes the character at the start of n > 0 bytes and returns its length; 0 when it is not valid:
 * a stray or missing continuation byte, an overlong form, a surrogate, or past U+10FFFF. */
size_t utf8_decode(const unsigned char *s, size_t n, uint32_t *code);
/* Writes 1 to 4 bytes, and returns how many. */
size_t utf8_encode(uint32_t code, char out[4]);

#endif

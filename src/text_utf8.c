/* Job: UTF-8 in both directions, strict when reading (RFC 3629).
 * Must not know: what characters are for. */
#include <reel/text.h>

size_t reel_utf8_decode(const char *s, size_t n, uint32_t *code)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *u = (const unsigned char *)s;
    if (n == 0) {
        return 0;
    }
    if (u[0] < 0x80) {
        *code = u[0];
        return 1;
    }
    size_t length = u[0] >= 0xF8 ? 0 : u[0] >= 0xF0 ? 4 : u[0] >= 0xE0 ? 3 : u[0] >= 0xC0 ? 2 : 0;
    if (length == 0 || length > n) {
        return 0;
    }
    uint32_t c = u[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((u[i] & 0xC0) != 0x80) {
            return 0;
        }
        c = c << 6 | (u[i] & 0x3Fu);
    }
    if (c < least[length] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) {
        return 0;
    }
    *code = c;
    return length;
}

size_t reel_utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        return 0;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(((0xF00u >> length) & 0xF0u) | code);
    return length;
}

size_t reel_utf8_invalid(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint32_t code;
        size_t length = reel_utf8_decode(s + i, n - i, &code);
        if (length == 0) {
            break;
        }
        i += length;
    }
    return i;
}

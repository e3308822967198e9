/* Job: the text beside the tensors of an archive, and numbers as text.
 * Invariant: a number written comes back bit for bit, in any locale.
 * Must not know: how bytes are laid out in a file. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "memory.h"

reel_status reel_archive_set(reel_archive *a, const char *key, const char *value)
{
    char quote[REEL__QUOTE];
    if (!a || a->status != REEL_OK) {
        return reel_archive_status(a);
    }
    if (!key || !value) {
        return reel_archive_fail(a, REEL_ERR_ARGUMENT, "text '%s': %s is NULL",
                                 reel__quote(quote, key ? key : ""), key ? "the value" : "the key");
    }
    if (!reel__utf8_valid(key) || !reel__utf8_valid(value)) {
        return reel_archive_fail(a, REEL_ERR_ARGUMENT, "text '%s': not valid UTF-8",
                                 reel__quote(quote, key));
    }
    return reel__table_set_text(&a->table, key, value)
               ? REEL_OK
               : reel__archive_no_memory(a, "adding a text");
}

const char *reel_archive_get(const reel_archive *a, const char *key)
{
    return a && key ? json_string_value(json_object_get(a->table.text, key)) : NULL;
}

reel_status reel_archive_set_u64(reel_archive *a, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return reel_archive_set(a, key, text);
}

/* Floats, as C's %a and Python's float.hex() write them. printf itself would use the locale's
 * decimal point, and say nothing about which NaN it was. */
enum { F64_MANTISSA = 52, F64_SPECIAL = 0x7ff, F64_BIAS = 1023 };

reel_status reel_archive_set_f64(reel_archive *a, const char *key, double value)
{
    char text[48];
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const char *sign = bits >> 63 ? "-" : "";
    int exponent = (int)(bits >> F64_MANTISSA & F64_SPECIAL);
    uint64_t mantissa = bits & ((UINT64_C(1) << F64_MANTISSA) - 1);
    if (exponent == F64_SPECIAL && mantissa) {
        snprintf(text, sizeof text, "%snan(0x%" PRIx64 ")", sign, mantissa);
    } else if (exponent == F64_SPECIAL) {
        snprintf(text, sizeof text, "%sinf", sign);
    } else {
        snprintf(text, sizeof text, "%s0x%d.%013" PRIx64 "p%+d", sign, exponent > 0, mantissa,
                 (exponent > 0 ? exponent : 1) - F64_BIAS);
    }
    return reel_archive_set(a, key, text);
}

static bool parse_u64(const char *text, uint64_t *value)
{
    uint64_t n = 0;
    if (!*text) {
        return false;
    }
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n)) {
            return false;
        }
    }
    *value = n;
    return true;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Hexadecimal digits as one number, at most `room` bits of it. *count gets how many there were. */
static bool parse_hex(const char **text, int room, uint64_t *value, int *count)
{
    *count = 0;
    for (int digit; (digit = hex_digit(**text)) >= 0; (*text)++) {
        if (*value >> (room - 4)) {
            return false;
        }
        *value = *value << 4 | (uint64_t)digit;
        ++*count;
    }
    return true;
}

/* "[+-]digits" of an exponent that a double can have. */
static bool parse_exponent(const char *text, int *exponent)
{
    bool minus = *text == '-';
    uint64_t n;
    if (!parse_u64(text + (*text == '-' || *text == '+'), &n) || n > 2000) {
        return false;
    }
    *exponent = minus ? -(int)n : (int)n;
    return true;
}

static bool parse_nan(const char *text, uint64_t *bits)
{
    uint64_t mantissa = 0;
    int digits;
    if (strcmp(text, "nan") == 0) {
        mantissa = UINT64_C(1) << (F64_MANTISSA - 1);
    } else {
        if (strncmp(text, "nan(0x", 6) != 0) {
            return false;
        }
        text += 6;
        if (!parse_hex(&text, F64_MANTISSA, &mantissa, &digits) || strcmp(text, ")") != 0 ||
            mantissa == 0) {
            return false;
        }
    }
    *bits = (uint64_t)F64_SPECIAL << F64_MANTISSA | mantissa;
    return true;
}

static bool parse_f64(const char *text, double *value)
{
    uint64_t sign = *text == '-', bits = 0, n = 0;
    int whole, fraction = 0, exponent;
    text += sign;
    if (strcmp(text, "inf") == 0 || parse_nan(text, &bits)) {
        bits = bits ? bits : (uint64_t)F64_SPECIAL << F64_MANTISSA;
    } else {
        if (strncmp(text, "0x", 2) != 0) {
            return false;
        }
        text += 2;
        bool good = parse_hex(&text, 64, &n, &whole) &&
                    (*text != '.' || (text++, parse_hex(&text, 64, &n, &fraction))) &&
                    whole + fraction > 0 && *text++ == 'p' && parse_exponent(text, &exponent);
        if (!good || n >> (F64_MANTISSA + 1)) {
            return false; /* more digits than a double has: not something that set_f64 wrote */
        }
        double x = ldexp((double)n, exponent - 4 * fraction);
        if (isinf(x)) {
            return false;
        }
        memcpy(&bits, &x, sizeof bits);
    }
    bits |= sign << 63;
    memcpy(value, &bits, sizeof bits);
    return true;
}

/* The text of a key that must be there; NULL with an error when it is not. */
static const char *wanted(reel_archive *a, const char *key, const char *what)
{
    char quote[REEL__QUOTE];
    if (!a || a->status != REEL_OK) {
        return NULL;
    }
    const char *text = reel_archive_get(a, key);
    if (!text) {
        reel_archive_fail(a, REEL_ERR_FORMAT, "%s: no entry '%s' in the metadata, expected %s",
                          reel__archive_label(a), reel__quote(quote, key ? key : "NULL"), what);
    }
    return text;
}

static reel_status malformed(reel_archive *a, const char *key, const char *text, const char *what)
{
    char quote[REEL__QUOTE], found[REEL__QUOTE];
    return reel_archive_fail(a, REEL_ERR_FORMAT, "%s: metadata '%s' is '%s', expected %s",
                             reel__archive_label(a), reel__quote(quote, key),
                             reel__quote(found, text), what);
}

reel_status reel_archive_get_u64(reel_archive *a, const char *key, uint64_t *value)
{
    static const char what[] = "a whole number";
    const char *text = wanted(a, key, what);
    if (!text) {
        return reel_archive_status(a);
    }
    return parse_u64(text, value) ? REEL_OK : malformed(a, key, text, what);
}

reel_status reel_archive_get_f64(reel_archive *a, const char *key, double *value)
{
    static const char what[] = "a hexadecimal float";
    const char *text = wanted(a, key, what);
    if (!text) {
        return reel_archive_status(a);
    }
    return parse_f64(text, value) ? REEL_OK : malformed(a, key, text, what);
}

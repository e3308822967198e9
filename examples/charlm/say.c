/* Messages on stderr. A progress line that is being rewritten on the terminal is wiped first: the
 * escape sequence is harmless when there is none, and is sent to terminals only. */
#include "say.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static void speak(const char *format, va_list args)
{
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
    fputs("reel-charlm: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

bool complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    speak(format, args);
    va_end(args);
    return false;
}

void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    speak(format, args);
    va_end(args);
}

bool out_of_memory(void)
{
    return complain("out of memory");
}

const char *thousands(int64_t n, char *text, size_t size)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%" PRId64, n);
    size_t used = 0;
    for (int i = 0; i < length && used + 2 < size; i++) {
        if (i > 0 && digits[i - 1] != '-' && (length - i) % 3 == 0) {
            text[used++] = ',';
        }
        text[used++] = digits[i];
    }
    if (size > 0) {
        text[used] = '\0';
    }
    return text;
}

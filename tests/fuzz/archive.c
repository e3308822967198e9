/* The reader of safetensors under libFuzzer; `tests/fuzz/run archive` builds and starts it. */
#include "fuzz/archive.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size);

/* The same bytes as a header and, behind the first 0, the data: a length that fits is hard to find
 * by chance. */
static void fuzz_parts(const unsigned char *bytes, size_t size)
{
    char *text = malloc(size + 1);
    if (!text) {
        abort();
    }
    if (size) {
        memcpy(text, bytes, size);
    }
    text[size] = 0;
    size_t length = strlen(text), data = length < size ? size - length - 1 : 0;
    memory_file f = memory_file_make(text, bytes + size - data, data);
    free(text);
    fuzz_archive(f.bytes, f.size);
    free(f.bytes);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size)
{
    fuzz_archive(bytes, size);
    fuzz_parts(bytes, size);
    return 0;
}

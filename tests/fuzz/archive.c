/* The reader of safetensors under libFuzzer; `tests/fuzz/run archive` builds and starts it. */
#include "fuzz/archive.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size)
{
    fuzz_archive(bytes, size);
    return 0;
}

/* fuzz_json.c - any bytes are a JSON document, or an error that has a place. */
#include "fuzz_node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_reader(gm_json_read, false, data, size);
    return 0;
}

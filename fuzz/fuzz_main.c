/* fuzz_main.c - runs a fuzz target as an ordinary test: over the files of a folder, and over seeded changes of them.
 *
 * Usage: fuzz_<x> FOLDER [changes [seed]]     or     fuzz_<x> FILE to repeat one input
 * The input in hand is kept in a file while it runs, so that a crash leaves the bytes that caused it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 16, FILES_MAX = 4096 };

typedef struct input {
    uint8_t bytes[INPUT_MAX];
    size_t len;
} input;

static char kept[64]; /* the file with the input in hand */

/* The bytes are copied to a block of their exact size, so that a sanitizer sees every read behind the end. */
static void run(const input *in)
{
    gm_err err;
    if (gm_fs_write(kept, in->bytes, in->len, &err)) fprintf(stderr, "%s\n", err.message);
    uint8_t *exact = malloc(in->len ? in->len : 1);
    if (!exact) abort();
    memcpy(exact, in->bytes, in->len);
    (void)LLVMFuzzerTestOneInput(exact, in->len);
    free(exact);
}

static void insert(input *in, size_t at, const uint8_t *bytes, size_t len)
{
    if (in->len + len > INPUT_MAX) return;
    memmove(in->bytes + at + len, in->bytes + at, in->len - at);
    memcpy(in->bytes + at, bytes, len);
    in->len += len;
}

/* One change: flip a bit, write a byte, take a piece out, double a piece, put in a piece of another file. */
static void change(input *in, const input *other, gm_random *r)
{
    static const char likely[] = "()[]{}'\",:.-+*/%^<>=!&|#0123456789eE \t\n\\\x80\xff\xc3_az";
    size_t at = (size_t)gm_random_below(r, (int64_t)in->len + 1);
    size_t left = in->len - at;
    size_t len = left ? (size_t)gm_random_below(r, (int64_t)(left < 40 ? left : 40)) + 1 : 0;
    uint8_t piece[64];
    switch (gm_random_below(r, 6)) {
    case 0:
        if (left) in->bytes[at] ^= (uint8_t)(1 << gm_random_below(r, 8));
        break;
    case 1:
        if (left) in->bytes[at] = (uint8_t)likely[gm_random_below(r, sizeof(likely) - 1)];
        break;
    case 2:
        memmove(in->bytes + at, in->bytes + at + len, left - len);
        in->len -= len;
        break;
    case 3:
        memcpy(piece, in->bytes + at, len);
        for (int64_t times = gm_random_below(r, 4) == 0 ? 100 : 1; times > 0; times--) insert(in, at, piece, len);
        break;
    case 4:
        piece[0] = (uint8_t)likely[gm_random_below(r, sizeof(likely) - 1)];
        insert(in, at, piece, 1);
        break;
    default:
        if (other->len) {
            size_t from = (size_t)gm_random_below(r, (int64_t)other->len);
            size_t count = other->len - from < sizeof(piece) ? other->len - from : sizeof(piece);
            insert(in, at, other->bytes + from, count);
        }
    }
}

static bool read_input(const char *path, input *out)
{
    gm_buf b = { 0 };
    gm_err err;
    bool good = gm_fs_read(path, INPUT_MAX, &b, &err) == GM_OK;
    if (!good) fprintf(stderr, "%s\n", err.message);
    if (good) {
        memcpy(out->bytes, gm_buf_str(&b), b.len);
        out->len = b.len;
    }
    gm_buf_clear(&b);
    return good;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER [changes [seed]]\n", argv[0]);
        return 2;
    }
    (void)snprintf(kept, sizeof(kept), "/tmp/gm-fuzz-%ld.bin", (long)getpid());
    input *now = malloc(sizeof(*now)), **files = calloc(FILES_MAX, sizeof(*files));
    gm_arena *a = gm_arena_new(0);
    const char **names = NULL;
    size_t count = 0, read = 0;
    gm_err err;
    if (!now || !files || !a) return 1;
    if (!gm_fs_is_dir(argv[1])) {
        if (!read_input(argv[1], now)) return 1;
        run(now);
    } else if (gm_fs_list(argv[1], a, &names, &count, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    for (size_t i = 0; i < count && read < FILES_MAX; i++) {
        files[read] = malloc(sizeof(input));
        if (!files[read] || !read_input(gm_path_join(a, argv[1], names[i]), files[read])) return 1;
        run(files[read++]);
    }
    int64_t changes = argc > 2 ? strtoll(argv[2], NULL, 10) : 4000;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    gm_random r;
    gm_random_init(&r, seed);
    for (int64_t i = 0; read && i < changes; i++) {
        memcpy(now, files[gm_random_below(&r, (int64_t)read)], sizeof(*now));
        for (int64_t times = gm_random_below(&r, 6); times >= 0; times--) change(now, files[gm_random_below(&r, (int64_t)read)], &r);
        run(now);
    }
    printf("%zu files, %" PRId64 " changes with seed %" PRIu64 "\n", read, read ? changes : 0, seed);
    for (size_t i = 0; i < read; i++) free(files[i]);
    free(files);
    free(now);
    gm_arena_free(a);
    (void)unlink(kept);
    return 0;
}

/* arena.c - blocks that double in size up to 8 MiB; a request of 4 KiB or more gets a block of its own, save in a block kept by a
 * rewind. */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_MIN = 8 << 10, BLOCK_MAX = 8 << 20, LARGE = 4096, FRESH_MIN = 128 << 10, ALIGNED = 64 };

typedef struct block {
    struct block *next;
    size_t size, used; /* of data                                    */
    bool kept;         /* by a rewind: large requests go in here too */
    unsigned char *data;
    void *memory;      /* data, or a little before it                */
} block;

typedef struct deferred {
    struct deferred *next;
    void (*fn)(void *);
    void *object;
} deferred;

struct gm_arena {
    block *blocks; /* the newest first */
    deferred *deferred;
    size_t limit, used;
};

gm_arena *gm_arena_new(size_t limit_bytes)
{
    gm_arena *a = calloc(1, sizeof(*a));
    if (a) a->limit = limit_bytes ? limit_bytes : SIZE_MAX;
    return a;
}

static void run_deferred(gm_arena *a)
{
    while (a->deferred) { /* the list itself lives in the blocks: run it before they go */
        deferred *d = a->deferred;
        a->deferred = d->next;
        d->fn(d->object);
    }
}

static void release(gm_arena *a)
{
    run_deferred(a);
    while (a->blocks) {
        block *b = a->blocks;
        a->blocks = b->next;
        free(b->memory);
        free(b);
    }
    a->used = 0;
}

void gm_arena_reset(gm_arena *a)
{
    release(a);
}

void gm_arena_free(gm_arena *a)
{
    if (!a) return;
    release(a);
    free(a);
}

size_t gm_arena_used(const gm_arena *a)
{
    return a->used;
}

static block *add_block(gm_arena *a, size_t wanted, bool own)
{
    size_t size = a->blocks ? a->blocks->size * 2 : BLOCK_MIN;
    if (size > BLOCK_MAX) size = BLOCK_MAX;
    if (own || size < wanted) size = (wanted + 63) & ~(size_t)63;
    block *b = calloc(1, sizeof(*b));
    if (!b) return NULL;
    b->size = size;
    if (own && size >= FRESH_MIN) { /* pages that come fresh from the kernel are zero, and cost nothing until they are used */
        b->memory = calloc(1, size + ALIGNED);
        b->data = b->memory ? (unsigned char *)(((uintptr_t)b->memory + ALIGNED - 1) & ~(uintptr_t)(ALIGNED - 1)) : NULL;
    } else {
        b->memory = b->data = aligned_alloc(ALIGNED, size);
        if (own && b->data) memset(b->data, 0, size);
    }
    if (!b->data) {
        free(b);
        return NULL;
    }
    if (own && a->blocks) { /* keep the current small block in front */
        b->next = a->blocks->next;
        a->blocks->next = b;
    } else {
        b->next = a->blocks;
        a->blocks = b;
    }
    return b;
}

void gm_arena_rewind(gm_arena *a)
{
    run_deferred(a);
    size_t size = 0;
    for (const block *b = a->blocks; b; b = b->next) size += b->size + 64; /* 64: where a large request begins */
    if (a->blocks && a->blocks->next) {
        release(a);
        (void)add_block(a, size, true); /* without memory the next phase begins with nothing */
    }
    if (a->blocks) {
        a->blocks->used = 0;
        a->blocks->kept = true;
    }
    a->used = 0;
}

/* Where the next bytes go: large ones on a cache line. */
static size_t next_place(const block *b, bool large)
{
    return large ? (b->used + 63) & ~(size_t)63 : b->used;
}

static bool has_room(const block *b, size_t wanted, bool large)
{
    size_t at = next_place(b, large);
    return (!large || b->kept) && at <= b->size && b->size - at >= wanted;
}

void *gm_arena_alloc(gm_arena *a, size_t count, size_t size)
{
    if (size && count > (SIZE_MAX - 64) / size) return NULL;
    size_t wanted = (count * size + 15) & ~(size_t)15;
    if (wanted == 0) wanted = 16;
    if (wanted > a->limit - a->used) return NULL;

    bool large = wanted >= LARGE;
    block *b = a->blocks;
    bool fresh = !b || !has_room(b, wanted, large);
    if (fresh) b = add_block(a, wanted, large);
    if (!b) return NULL;
    size_t at = next_place(b, large);
    unsigned char *p = b->data + at;
    b->used = at + wanted;
    a->used += wanted;
    if (!(fresh && large)) memset(p, 0, wanted);
    return p;
}

char *gm_arena_strndup(gm_arena *a, const char *text, size_t len)
{
    char *copy = gm_arena_alloc(a, len + 1, 1);
    if (copy && len) memcpy(copy, text, len);
    return copy;
}

char *gm_arena_strdup(gm_arena *a, const char *text)
{
    return gm_arena_strndup(a, text, strlen(text));
}

char *gm_arena_vprintf(gm_arena *a, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    char *text = len < 0 ? NULL : gm_arena_alloc(a, (size_t)len + 1, 1);
    if (text) (void)vsnprintf(text, (size_t)len + 1, fmt, args);
    return text;
}

char *gm_arena_printf(gm_arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = gm_arena_vprintf(a, fmt, args);
    va_end(args);
    return text;
}

bool gm_arena_defer(gm_arena *a, void (*fn)(void *), void *object)
{
    deferred *d = GM_ARENA_NEW(a, deferred);
    if (!d) return false;
    *d = (deferred){ .next = a->deferred, .fn = fn, .object = object };
    a->deferred = d;
    return true;
}

/* text_set.c - see text_set.h. Open addressing, at most half full; what is looked up never changes the set. */
#include "serve/text_set.h"

#include <string.h>

#include "base/random.h"

typedef struct slot {
    uint32_t hash, len;
    int32_t index; /* -1 = free */
} slot;

struct gm_text_set {
    const char *const *texts;
    slot *slots; /* [mask + 1] */
    size_t mask;
};

static slot *slot_of(const gm_text_set *s, const char *text, size_t len)
{
    uint32_t hash = (uint32_t)gm_hash_bytes(0, text, len);
    for (size_t at = hash & s->mask;; at = (at + 1) & s->mask) {
        slot *found = &s->slots[at];
        if (found->index < 0) return found;
        if (found->hash == hash && found->len == len && memcmp(s->texts[found->index], text, len) == 0) return found;
    }
}

gm_text_set *gm_text_set_new(const char *const *texts, size_t count, gm_arena *a)
{
    size_t size = 4;
    while (size < count * 2) size *= 2;
    gm_text_set *s = GM_ARENA_NEW(a, gm_text_set);
    slot *slots = count <= INT32_MAX ? GM_ARENA_ARRAY(a, slot, size) : NULL;
    if (!s || !slots) return NULL;
    for (size_t i = 0; i < size; i++) slots[i].index = -1;
    *s = (gm_text_set){ .texts = texts, .slots = slots, .mask = size - 1 };
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(texts[i]);
        slot *free_slot = slot_of(s, texts[i], len);
        if (free_slot->index < 0)
            *free_slot = (slot){ .hash = (uint32_t)gm_hash_bytes(0, texts[i], len), .len = (uint32_t)len, .index = (int32_t)i };
    }
    return s;
}

int gm_text_set_find(const gm_text_set *s, const char *text, size_t len)
{
    return slot_of(s, text, len)->index;
}

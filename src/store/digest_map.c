/* digest_map.c - see digest_map.h. */
#include "store/digest_map.h"

#include <stdlib.h>
#include <string.h>

static int hex_value(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

bool gm_digest_raw(const gm_digest *d, gm_raw_digest *out)
{
    for (size_t i = 0; i < 32; i++) {
        int high = hex_value(d->hex[2 * i]), low = high < 0 ? -1 : hex_value(d->hex[2 * i + 1]);
        if (low < 0) return false;
        out->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return d->hex[64] == '\0';
}

void gm_digest_hex(const gm_raw_digest *raw, gm_digest *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 32; i++) {
        out->hex[2 * i] = digits[raw->bytes[i] >> 4];
        out->hex[2 * i + 1] = digits[raw->bytes[i] & 15];
    }
    out->hex[64] = '\0';
}

void gm_digest_map_clear(gm_digest_map *m)
{
    free(m->keys);
    free(m->values);
    free(m->slots);
    *m = (gm_digest_map){ 0 };
}

/* Keys are digests, or small numbers padded with zeros (stat_cache.c): all words are mixed. */
static size_t hash(const gm_raw_digest *key)
{
    uint64_t w[4], h = 0x9e3779b97f4a7c15u;
    memcpy(w, key->bytes, sizeof(w));
    for (int i = 0; i < 4; i++) {
        h = (h ^ w[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return (size_t)h;
}

/* The slot that holds key, or the free one where it belongs. slots_count is a power of two and never full. */
static size_t find(const gm_digest_map *m, const gm_raw_digest *key)
{
    size_t mask = m->slots_count - 1, at = hash(key) & mask;
    while (m->slots[at] && memcmp(m->keys[m->slots[at] - 1].bytes, key->bytes, 32) != 0) at = (at + 1) & mask;
    return at;
}

static bool grow(gm_digest_map *m)
{
    size_t capacity = m->capacity ? m->capacity * 2 : 64;
    if (capacity > UINT32_MAX / 4) return false;
    gm_raw_digest *keys = realloc(m->keys, capacity * sizeof(*keys));
    if (keys) m->keys = keys;
    int64_t *values = realloc(m->values, capacity * sizeof(*values));
    if (values) m->values = values;
    uint32_t *slots = calloc(capacity * 2, sizeof(*slots));
    if (!keys || !values || !slots) {
        free(slots);
        return false;
    }
    free(m->slots);
    m->slots = slots;
    m->slots_count = capacity * 2;
    m->capacity = capacity;
    for (size_t i = 0; i < m->count; i++) m->slots[find(m, &m->keys[i])] = (uint32_t)(i + 1);
    return true;
}

bool gm_digest_map_put(gm_digest_map *m, const gm_raw_digest *key, int64_t value)
{
    int64_t *old = gm_digest_map_get(m, key);
    if (old) {
        *old = value;
        return true;
    }
    if (m->count == m->capacity && !grow(m)) return false;
    m->keys[m->count] = *key;
    m->values[m->count] = value;
    size_t slot = find(m, key);
    m->slots[slot] = (uint32_t)(++m->count);
    return true;
}

int64_t *gm_digest_map_get(const gm_digest_map *m, const gm_raw_digest *key)
{
    if (!m->count) return NULL;
    uint32_t at = m->slots[find(m, key)];
    return at ? &m->values[at - 1] : NULL;
}

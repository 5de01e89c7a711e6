/* http_peers.c - what is known of each address: its open connections and its wrong tokens of the last minute.
 *
 * A table of fixed size in groups of WAYS places. An address has its place in one group; when the group is full, the place that
 * matters least is taken: one without connections, whose last wrong token is the oldest. Under an attack from very many addresses
 * some are forgotten early; the limit on all connections holds all the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/http_internal.h"

enum { GROUPS = 256, WAYS = 16, MINUTE_US = 60 * 1000 * 1000 };

typedef struct peer {
    unsigned char bytes[16];
    bool used;
    unsigned connections, wrong;
    int64_t wrong_since_us;
} peer;

struct gm_http_peers {
    pthread_mutex_t lock;
    unsigned connections_max, wrong_max;
    bool count_local;
    _Atomic int64_t watch_until_us; /* after it no address is blocked; spares the lock */
    peer peers[GROUPS][WAYS];
};

gm_http_peers *gm_http_peers_new(unsigned connections_max, unsigned wrong_max, bool count_local)
{
    gm_http_peers *p = calloc(1, sizeof(*p));
    if (!p) return NULL;
    (void)pthread_mutex_init(&p->lock, NULL);
    p->connections_max = connections_max;
    p->wrong_max = wrong_max;
    p->count_local = count_local;
    return p;
}

void gm_http_peers_free(gm_http_peers *p)
{
    if (!p) return;
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

static peer *group_of(gm_http_peers *p, const unsigned char *bytes)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (int i = 0; i < 16; i++) h = (h ^ bytes[i]) * 16777619u;
    return p->peers[(h ^ h >> 16) % GROUPS];
}

static peer *find(gm_http_peers *p, const gm_http_address *a)
{
    peer *group = group_of(p, a->bytes);
    for (int i = 0; i < WAYS; i++)
        if (group[i].used && memcmp(group[i].bytes, a->bytes, sizeof(a->bytes)) == 0) return &group[i];
    return NULL;
}

static peer *find_or_add(gm_http_peers *p, const gm_http_address *a)
{
    peer *known = find(p, a), *group = group_of(p, a->bytes), *least = NULL;
    if (known) return known;
    for (int i = 0; i < WAYS; i++) {
        peer *q = &group[i];
        if (q->used && q->connections) continue;
        if (!least || !q->used || (least->used && q->wrong_since_us < least->wrong_since_us)) least = q;
    }
    if (!least) return NULL;
    *least = (peer){ .used = true };
    memcpy(least->bytes, a->bytes, sizeof(least->bytes));
    return least;
}

bool gm_http_peers_open(gm_http_peers *p, const gm_http_address *a)
{
    if (a->unix_socket || (a->local && !p->count_local)) return true;
    (void)pthread_mutex_lock(&p->lock);
    peer *q = find_or_add(p, a);
    bool good = q && q->connections < p->connections_max;
    if (good) q->connections++;
    (void)pthread_mutex_unlock(&p->lock);
    return good;
}

void gm_http_peers_close(gm_http_peers *p, const gm_http_address *a)
{
    if (a->unix_socket || (a->local && !p->count_local)) return;
    (void)pthread_mutex_lock(&p->lock);
    peer *q = find(p, a);
    if (q && q->connections) q->connections--;
    (void)pthread_mutex_unlock(&p->lock);
}

void gm_http_peers_wrong(gm_http_peers *p, const gm_http_address *a, int64_t now_us)
{
    (void)pthread_mutex_lock(&p->lock);
    peer *q = find_or_add(p, a);
    if (q) {
        if (now_us - q->wrong_since_us > MINUTE_US || q->wrong == 0) {
            q->wrong = 0;
            q->wrong_since_us = now_us;
        }
        if (q->wrong < p->wrong_max && ++q->wrong == p->wrong_max) q->wrong_since_us = now_us; /* the minute of 429 begins */
        atomic_store(&p->watch_until_us, now_us + MINUTE_US);
    }
    (void)pthread_mutex_unlock(&p->lock);
}

bool gm_http_peers_blocked(gm_http_peers *p, const gm_http_address *a, int64_t now_us)
{
    if (now_us > atomic_load(&p->watch_until_us)) return false;
    (void)pthread_mutex_lock(&p->lock);
    const peer *q = find(p, a);
    bool blocked = q && q->wrong >= p->wrong_max && now_us - q->wrong_since_us <= MINUTE_US;
    (void)pthread_mutex_unlock(&p->lock);
    return blocked;
}

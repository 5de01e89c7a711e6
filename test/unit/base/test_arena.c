/* test_arena.c - what a rewound arena keeps, and what a reset one gives back. */
#include "base/arena.h"
#include "harness/harness.h"

static void count_call(void *counter)
{
    (*(int *)counter)++;
}

/* Small and large requests together, each zeroed and on its boundary; the first place given out comes back. */
static void a_rewound_arena_uses_its_memory_again(void)
{
    gm_arena *a = gm_arena_new(0);
    unsigned char *first[4] = { 0 };
    int deferred = 0;
    for (int round = 0; round < 6; round++) {
        for (int k = 0; k < 40; k++) {
            size_t size = k % 5 == 4 ? 5000 + (size_t)k : 10 + (size_t)k * 7;
            unsigned char *p = gm_arena_alloc(a, size, 1);
            CHECK(p && (uintptr_t)p % (size >= 4096 ? 64 : 16) == 0);
            for (size_t i = 0; i < size; i++) CHECK(p[i] == 0);
            memset(p, 0xAB, size);
            if (k < 4 && round == 2) first[k] = p;
            if (k < 4 && round > 2) CHECK(p == first[k]);
        }
        CHECK(gm_arena_defer(a, count_call, &deferred));
        CHECK(deferred == round);
        gm_arena_rewind(a);
        CHECK(deferred == round + 1 && gm_arena_used(a) == 0);
    }
    gm_arena_reset(a);
    gm_arena_rewind(a); /* nothing to keep */
    CHECK(gm_arena_alloc(a, 3, 100) != NULL);
    gm_arena_free(a);
}

static void the_limit_holds_after_a_rewind(void)
{
    gm_arena *a = gm_arena_new(10000);
    for (int round = 0; round < 3; round++) {
        CHECK(gm_arena_alloc(a, 6000, 1) != NULL);
        CHECK(gm_arena_alloc(a, 3000, 1) != NULL);
        CHECK(gm_arena_alloc(a, 3000, 1) == NULL);
        gm_arena_rewind(a);
    }
    gm_arena_free(a);
}

TESTS(T(a_rewound_arena_uses_its_memory_again), T(the_limit_holds_after_a_rewind))

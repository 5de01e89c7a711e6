/* arena.h - memory that belongs to a phase: a command, a step, a request.
 *
 * Nothing is freed one by one; gm_arena_free (or _reset) releases all. An arena has a limit in bytes, and
 * reaching it is an ordinary failure (NULL). Not shared between threads without a lock of the caller's.
 */
#ifndef GM_BASE_ARENA_H
#define GM_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gm_arena gm_arena;

/* limit_bytes 0 = no limit of its own. NULL when memory is out. Owned; gm_arena_free. */
gm_arena *gm_arena_new(size_t limit_bytes);
void gm_arena_free(gm_arena *a);
/* Run the deferred calls, last in first out, and give the memory back. */
void gm_arena_reset(gm_arena *a);
/* The same for a phase that comes again and again: the memory is kept, as one block, so that after a few phases of a size nothing is
 * allocated any more. */
void gm_arena_rewind(gm_arena *a);
size_t gm_arena_used(const gm_arena *a);

/* `count` zeroed elements of `size` bytes, aligned to 16 (64 when the whole is 4 KiB or more); NULL when the
 * product overflows, the limit is reached or memory is out. In arena. count or size 0 gives a valid pointer. */
void *gm_arena_alloc(gm_arena *a, size_t count, size_t size);
#define GM_ARENA_ARRAY(a, type, n) ((type *)gm_arena_alloc((a), (size_t)(n), sizeof(type)))
#define GM_ARENA_NEW(a, type) ((type *)gm_arena_alloc((a), 1, sizeof(type)))

/* Copies of text, NUL-terminated, in arena; NULL when out of memory. */
char *gm_arena_strdup(gm_arena *a, const char *text);
char *gm_arena_strndup(gm_arena *a, const char *text, size_t len);
char *gm_arena_printf(gm_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *gm_arena_vprintf(gm_arena *a, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));

/* Call fn(object) when the arena is reset or freed. false when out of memory (fn was not kept). */
bool gm_arena_defer(gm_arena *a, void (*fn)(void *), void *object);

#endif

/* text_set.h - a fixed set of texts, found by hash: the names of columns, the categories of training. */
#ifndef GM_SERVE_TEXT_SET_H
#define GM_SERVE_TEXT_SET_H

#include "base/arena.h"

typedef struct gm_text_set gm_text_set;

/* texts are borrowed until a is reset; of equal ones the first is found. In a; NULL when memory is out. */
gm_text_set *gm_text_set_new(const char *const *texts, size_t count, gm_arena *a);
/* Index of the text, or -1. Cost: one hash and about one comparison. */
int gm_text_set_find(const gm_text_set *s, const char *text, size_t len);

#endif

/* kinds.c - the table of step kinds; see kind_list.h. */
#include "pipe/kind_list.h"
#include "pipe/step.h"

#define X(kind) extern const gm_step_kind kind;
GM_KIND_LIST(X)
#undef X

#define X(kind) &kind.item,
static const gm_item *const items[] = { GM_KIND_LIST(X) };
#undef X

const gm_registry gm_step_kinds = { .kind = "kind of step", .items = items, .count = sizeof(items) / sizeof(items[0]) };

/* targets.c - the table of deployment targets (target_list.h). */
#include "serve/target.h"
#include "serve/target_list.h"

#define X(target) extern const gm_target target;
GM_TARGET_LIST(X)
#undef X

#define X(target) &target.item,
static const gm_item *const items[] = { GM_TARGET_LIST(X) };
#undef X

const gm_registry gm_targets = { .kind = "deployment target", .items = items, .count = sizeof(items) / sizeof(items[0]) };

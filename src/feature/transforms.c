/* transforms.c - the table of transforms; see transform_list.h. */
#include "feature/transform.h"
#include "feature/transform_list.h"

#define X(transform) extern const gm_transform transform;
GM_TRANSFORM_LIST(X)
#undef X

#define X(transform) &transform.item,
static const gm_item *const items[] = { GM_TRANSFORM_LIST(X) };
#undef X

const gm_registry gm_transforms = { .kind = "transform", .items = items, .count = sizeof(items) / sizeof(items[0]) };

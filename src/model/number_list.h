/* number_list.h - for the readers of this room: a list of numbers in a document of gm_json_outline, read from its beginning on. */
#ifndef GM_MODEL_NUMBER_LIST_H
#define GM_MODEL_NUMBER_LIST_H

#include "base/node.h"

typedef struct gm_number_list {
    const gm_node *list; /* borrowed */
    const char *at;      /* of a list that is text: its next entry */
    size_t next;         /* entries read */
} gm_number_list;

gm_number_list gm_number_list_of(const gm_node *list); /* a list, not NULL */
/* The next entry; false when there is none, or it is something else. Numbers in quotes count too.
 * int    a whole number within int32; true and false are 1 and 0
 * float  the float32 next to the decimal, ties to even, as strtof has it; "nan" and "inf" only in quotes */
bool gm_number_list_int(gm_number_list *l, int32_t *out);
bool gm_number_list_float(gm_number_list *l, float *out);

#endif

/* sort.h - numbers in order. */
#ifndef GM_BASE_SORT_H
#define GM_BASE_SORT_H

#include <stdint.h>

/* Ascending, in place; no NaN. Equal values keep no particular order, which nobody can see. */
void gm_sort_doubles(double *v, int64_t count);

#endif

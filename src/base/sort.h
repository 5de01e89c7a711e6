/* sort.h - numbers in order. */
#ifndef GM_BASE_SORT_H
#define GM_BASE_SORT_H

#include <stdint.h>

/* Ascending, in place; no NaN. Equal values keep no particular order, which nobody can see. */
void gm_sort_doubles(double *v, int64_t count);
/* The same for finite values by counting digits, so in linear time: for a thousand values and more. with NULL, or [count] numbers that go along.
 * scratch [count], twice as many when something goes along. */
void gm_sort_radix(double *v, double *with, double *scratch, int64_t count);
/* Reorder v so that v[k] is what sorting would put there, smaller ones before it, larger ones after. */
void gm_select(double *v, int64_t count, int64_t k);

#endif

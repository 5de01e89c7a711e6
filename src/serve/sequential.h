/* sequential.h - bounds on shares and distributions that hold at every moment at once, so that one may look as often as one likes.
 *
 * With probability 1 - alpha the truth lies within the bounds at all times, not only at a time fixed beforehand: stopping at the first
 * look that speaks against a version costs nothing. See docs/numerics/sequential-tests.md.
 */
#ifndef GM_SERVE_SEQUENTIAL_H
#define GM_SERVE_SEQUENTIAL_H

#include <stddef.h>
#include <stdint.h>

/* Radius of the set in Kullback-Leibler divergence, in nats: KL(observed || truth) <= radius at all times. counts[k]: how often each of k
 * outcomes was seen. Infinite without observations. */
double gm_seq_radius(const int64_t *counts, size_t k, double alpha);
/* Lower and upper end for the probability of an event seen hits times in n. n = 0: 0 and 1. */
double gm_seq_low(int64_t hits, int64_t n, double alpha);
double gm_seq_high(int64_t hits, int64_t n, double alpha);
/* How far in total variation (half the sum of absolute differences) the observed distribution may lie from the true one: at most 1. */
double gm_seq_total_variation(const int64_t *counts, size_t k, double alpha);

#endif

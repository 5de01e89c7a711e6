/* release.h - a new version beside the old one: who gets it, and whether it stays.
 *
 * The registry is the truth: alias `champion` answers; a release in the store names the version that is tried, how (canary, shadow, ab), for
 * what share and how long, and what ends it. A server follows the store, judges by a sequential test that may be looked at as often as one
 * likes, and writes its verdict back: promoted, or rolled back with the reason.
 *
 * What counts: every request that one of the two arms answered since the server began to follow the release, but not those that named a
 * version. Servers that share a store judge each for itself, on its own requests; the first verdict that is written stands.
 */
#ifndef GM_SERVE_RELEASE_H
#define GM_SERVE_RELEASE_H

#include "base/http.h"
#include "store/release.h"

typedef enum gm_arm { GM_ARM_CHAMPION = 0, GM_ARM_CANDIDATE = 1 } gm_arm;

/* Who answers. sticky: the row's key or the client's header, empty = the dice (random). variant: header X-Gristmill-Variant, "champion" or "candidate". A key that
 * got the candidate at 5 % keeps it at 10 %: the key's hash is a point in 0..1, and the candidate's region is 0..share. The hash depends on the
 * release, so that it is not the same people each time. Paused, and in the shadow: always the champion. */
gm_arm gm_release_pick(const gm_release *r, gm_slice sticky, gm_slice variant, uint64_t random);
/* Is this request copied to the candidate? Shadow only. */
bool gm_release_copies(const gm_release *r, uint64_t random);

enum { GM_LATENCY_BUCKETS = 192, GM_SCORE_BUCKETS = 128 };

/* What one lane saw of one arm; merged by the control thread. Plain counters: a lane writes, others read through its own copies. */
typedef struct gm_arm_seen {
    int64_t requests, errors;                /* errors: 5xx, and answers that are not numbers */
    int64_t latency_us[GM_LATENCY_BUCKETS];  /* counts by 8 steps per power of two from 1 us: see gm_latency_bucket */
    int64_t scores[GM_SCORE_BUCKETS];        /* counts by the score's position in its range (probability 0..1; regression: the champion's range): see
                                                gm_score_bucket */
} gm_arm_seen;
unsigned gm_latency_bucket(int64_t us);   /* 0 .. GM_LATENCY_BUCKETS - 1; the last takes all above 15 s */
int64_t gm_latency_bucket_us(unsigned b); /* upper edge: the smallest whole number of microseconds that is beyond */
/* Four steps for each halving of the distance to 0 or to 1, so that models whose answers all lie near an end are told apart too. */
unsigned gm_score_bucket(double position);
void gm_arm_saw(gm_arm_seen *s, bool error, int64_t latency_us, double score_position); /* position in 0..1; NaN = none */
void gm_arm_add(gm_arm_seen *into, const gm_arm_seen *from);
void gm_arm_subtract(gm_arm_seen *from, const gm_arm_seen *what);
/* The upper edge of the bucket that the q-quantile falls in, in microseconds; NaN without requests. */
double gm_arm_latency_us(const gm_arm_seen *s, double q);

typedef enum gm_verdict { GM_VERDICT_WAIT = 0, GM_VERDICT_PROMOTE, GM_VERDICT_ROLL_BACK } gm_verdict;
/* State of the sequential tests between looks; owned by the control thread. */
typedef struct gm_judge gm_judge;
gm_judge *gm_judge_new(const gm_release *r, gm_arena *a);
/* The release as the store says it now: its share, pause and time may have changed. Call it whenever it was read again. */
void gm_judge_follow(gm_judge *j, const gm_release *r);
/* arms: totals since the release began. now_us: since 1970. reason: a sentence with the numbers, for the record and the people; empty while
 * waiting. */
gm_verdict gm_judge_look(gm_judge *j, const gm_arm_seen arms[2], int64_t now_us, char *reason, size_t reason_size);
/* What a condition of `rollback:` sees: the candidate's error rate, p99 in ms, shift of its scores from the champion's, its requests. NaN =
 * not known yet. */
void gm_judge_measures(const gm_judge *j, const gm_arm_seen arms[2], double out[GM_RELEASE_MEASURES]);

#endif

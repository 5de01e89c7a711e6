/* release.h - a new version beside the old one: who gets it, and whether it stays.
 *
 * The registry is the truth: alias `champion` answers; a release in the store names the version that is tried, how (canary, shadow, ab), for
 * what share and how long, and what ends it. A server follows the store, judges by a sequential test that may be looked at as often as one
 * likes, and writes its verdict back: promoted, or rolled back with the reason.
 */
#ifndef GM_SERVE_RELEASE_H
#define GM_SERVE_RELEASE_H

#include "base/http.h"
#include "store/release.h"

typedef enum gm_arm { GM_ARM_CHAMPION = 0, GM_ARM_CANDIDATE = 1 } gm_arm;

/* Who answers. sticky: the row's key or the client's header, empty = the dice (random). variant: header X-Gristmill-Variant, "champion" or "candidate". A key that
 * got the candidate at 5 % keeps it at 10 %. */
gm_arm gm_release_pick(const gm_release *r, gm_slice sticky, gm_slice variant, uint64_t random);

/* What one lane saw of one arm; merged by the control thread. Plain counters: a lane writes, others read through its own copies. */
typedef struct gm_arm_seen {
    int64_t requests, errors;       /* errors: 5xx, and answers that are not numbers */
    int64_t latency_us[64];         /* counts by 8 steps per power of two from 1 us: see gm_latency_bucket */
    int64_t scores[64];             /* counts by equal steps of the score's range (probability 0..1; regression: the champion's quantiles) */
} gm_arm_seen;
unsigned gm_latency_bucket(int64_t us);   /* 0 .. 63 */
int64_t gm_latency_bucket_us(unsigned b); /* upper edge */
void gm_arm_saw(gm_arm_seen *s, bool error, int64_t latency_us, double score_position); /* position in 0..1; NaN = none */
void gm_arm_add(gm_arm_seen *into, const gm_arm_seen *from);

typedef enum gm_verdict { GM_VERDICT_WAIT = 0, GM_VERDICT_PROMOTE, GM_VERDICT_ROLL_BACK } gm_verdict;
/* State of the sequential tests between looks; owned by the control thread. */
typedef struct gm_judge gm_judge;
gm_judge *gm_judge_new(const gm_release *r, gm_arena *a);
/* arms: totals since the release began. reason: a sentence with the numbers, for the record and the people. */
gm_verdict gm_judge_look(gm_judge *j, const gm_arm_seen arms[2], int64_t now_us, char *reason, size_t reason_size);

#endif

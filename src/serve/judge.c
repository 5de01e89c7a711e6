/* judge.c - does the candidate stay? Three sequential tests that may be looked at at any time, the user's own condition, and the
 * clock.
 *
 * The chance that a version as good as the champion is ever rolled back by the tests is at most ALPHA in all, shared equally:
 *   errors    the candidate's error rate is above the champion's by more than ERROR_MARGIN: the lower bound of the one lies above
 * the upper bound of the other plus the margin, each bound at half the test's alpha latency   a limit is fixed when the champion
 * has answered LATENCY_FROM requests: one bucket above the one of its p99, which is 6 to 25 % above that p99. The candidate is
 * slower when the share of its later requests beyond the limit is above 1 % and above the champion's share in the same time,
 * bounds as before scores    a different model answers differently: that alone is no fault. When the champion has SCORES_FROM
 * scores, its range is cut into at most GROUPS groups of about equal mass; the candidate has shifted when the total variation
 * between the two later distributions over the groups is above SHIFT_WIDE even after both radii are taken off (triangle
 * inequality): at least that share of its answers lies elsewhere. Not judged in A/B, where the callers choose the arm What is
 * fixed from the champion's first requests is tested on later ones only, so that the bounds hold. Requests count as independent;
 * a key that sticks to its arm and fails again and again counts each time.
 *
 * Definition  docs/numerics/sequential-tests.md, sequential.c
 * Checked     test/unit/serve/test_judge.c: 200 simulated releases of a good version, and of worse ones
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "serve/release.h"
#include "serve/sequential.h"

enum { LATENCY_FROM = 1000, LATENCY_STEPS = 1, SCORES_FROM = 200, GROUPS = 8 };
static const double ALPHA = 0.03, ERROR_MARGIN = 0.001, SHIFT_WIDE = 0.3;

struct gm_judge {
    gm_release r;       /* its strings are not kept */
    gm_expr *condition; /* NULL = none              */
    const char *condition_text;
    bool has_limit, has_groups;
    unsigned limit;                        /* latency buckets above this one are beyond */
    gm_arm_seen at_limit[2], at_groups[2]; /* totals when they were fixed */
    unsigned group[GM_SCORE_BUCKETS];
    size_t groups;
};

gm_judge *gm_judge_new(const gm_release *r, gm_arena *a)
{
    gm_judge *j = GM_ARENA_NEW(a, gm_judge);
    gm_errs errs = { .arena = a };
    if (!j) return NULL;
    gm_judge_follow(j, r);
    j->condition_text = gm_arena_strdup(a, r->rollback ? r->rollback : "");
    if (!j->condition_text) return NULL;
    if (j->condition_text[0] && gm_release_condition(j->condition_text, (gm_pos){ 0 }, a, &j->condition, &errs))
        j->condition = NULL;
    return j; /* a condition was checked when the release began; one that this program cannot read leaves the tests */
}

void gm_judge_follow(gm_judge *j, const gm_release *r)
{
    j->r = *r;
    j->r.model = j->r.rollback = j->r.sticky = j->r.state = j->r.reason = j->r.actor = NULL;
}

/* ---- what is fixed at the beginning ---------------------------------------------------------------------------------- */

static int64_t sum(const int64_t *counts, size_t n)
{
    int64_t total = 0;
    for (size_t i = 0; i < n; i++) total += counts[i];
    return total;
}

static void fix_limit(gm_judge *j, const gm_arm_seen arms[2])
{
    int64_t total = sum(arms[GM_ARM_CHAMPION].latency_us, GM_LATENCY_BUCKETS), below = 0;
    if (j->has_limit || total < LATENCY_FROM) return;
    unsigned b = 0;
    while (b + 1 < GM_LATENCY_BUCKETS && (below += arms[GM_ARM_CHAMPION].latency_us[b]) * 100 < total * 99) b++;
    j->limit = b + LATENCY_STEPS;
    memcpy(j->at_limit, arms, sizeof(j->at_limit));
    j->has_limit = true;
}

/* Cut before the bucket that would bring a group past its share. */
static void fix_groups(gm_judge *j, const gm_arm_seen arms[2])
{
    const int64_t *scores = arms[GM_ARM_CHAMPION].scores;
    int64_t total = sum(scores, GM_SCORE_BUCKETS), in_group = 0;
    if (j->has_groups || total < SCORES_FROM) return;
    unsigned group = 0;
    for (unsigned b = 0; b < GM_SCORE_BUCKETS; b++) {
        if (in_group && group + 1 < GROUPS && (in_group + scores[b] / 2) * GROUPS > total) {
            group++;
            in_group = 0;
        }
        in_group += scores[b];
        j->group[b] = group;
    }
    j->groups = group + 1;
    memcpy(j->at_groups, arms, sizeof(j->at_groups));
    j->has_groups = true;
}

/* ---- what was seen since --------------------------------------------------------------------------------------------- */

typedef struct share {
    int64_t hits, n;
} share;

static share beyond(const gm_judge *j, const gm_arm_seen *arm, gm_arm which)
{
    share s = { 0, 0 };
    for (unsigned b = 0; b < GM_LATENCY_BUCKETS; b++) {
        int64_t count = arm->latency_us[b] - j->at_limit[which].latency_us[b];
        s.n += count;
        if (b > j->limit) s.hits += count;
    }
    return s;
}

static int64_t grouped(const gm_judge *j, const gm_arm_seen *arm, gm_arm which, int64_t out[GROUPS])
{
    memset(out, 0, GROUPS * sizeof(*out));
    for (unsigned b = 0; b < GM_SCORE_BUCKETS; b++) out[j->group[b]] += arm->scores[b] - j->at_groups[which].scores[b];
    return sum(out, GROUPS);
}

/* Total variation of the two arms over the groups; NaN while one of them has no scores. */
static double shift(const gm_judge *j, const gm_arm_seen arms[2], int64_t counts[2][GROUPS])
{
    double total = 0;
    if (!j->has_groups) return (double)NAN;
    double n0 = (double)grouped(j, &arms[0], GM_ARM_CHAMPION, counts[0]),
           n1 = (double)grouped(j, &arms[1], GM_ARM_CANDIDATE, counts[1]);
    if (n0 <= 0 || n1 <= 0) return (double)NAN;
    for (size_t i = 0; i < j->groups; i++) total += fabs((double)counts[0][i] / n0 - (double)counts[1][i] / n1);
    return total / 2;
}

static double rate(int64_t hits, int64_t n)
{
    return n > 0 ? (double)hits / (double)n : (double)NAN;
}

void gm_judge_measures(const gm_judge *j, const gm_arm_seen arms[2], double out[GM_RELEASE_MEASURES])
{
    const gm_arm_seen *c = &arms[GM_ARM_CANDIDATE];
    int64_t counts[2][GROUPS];
    out[GM_RELEASE_ERROR_RATE] = rate(c->errors, c->requests);
    out[GM_RELEASE_LATENCY_MS_P99] = gm_arm_latency_us(c, 0.99) / 1000;
    out[GM_RELEASE_SCORE_SHIFT] = shift(j, arms, counts);
    out[GM_RELEASE_REQUESTS] = (double)c->requests;
}

/* ---- the tests -------------------------------------------------------------------------------------------------------- */

static bool more_errors(const gm_arm_seen arms[2], char *reason, size_t size)
{
    const gm_arm_seen *old = &arms[GM_ARM_CHAMPION], *new = &arms[GM_ARM_CANDIDATE];
    if (!(rate(new->errors, new->requests) > rate(old->errors, old->requests) + ERROR_MARGIN))
        return false; /* spares the bounds */
    double alpha = ALPHA / 3 / 2, low = gm_seq_low(new->errors, new->requests, alpha);
    double high = gm_seq_high(old->errors, old->requests, alpha);
    if (low <= high + ERROR_MARGIN) return false;
    (void)snprintf(reason, size,
                   "more errors: %.3g %% of %" PRId64 " requests, the champion %.3g %% of %" PRId64
                   " (at least %.3g %% against at most %.3g %%, whenever one looks)",
                   100 * rate(new->errors, new->requests), new->requests, 100 * rate(old->errors, old->requests), old->requests,
                   100 * low, 100 * high);
    return true;
}

static bool slower(const gm_judge *j, const gm_arm_seen arms[2], char *reason, size_t size)
{
    if (!j->has_limit) return false;
    share old = beyond(j, &arms[GM_ARM_CHAMPION], GM_ARM_CHAMPION), new = beyond(j, &arms[GM_ARM_CANDIDATE], GM_ARM_CANDIDATE);
    if (!(rate(new.hits, new.n) > fmax(0.01, rate(old.hits, old.n)))) return false;
    double alpha = ALPHA / 3 / 2, low = gm_seq_low(new.hits, new.n, alpha), high = gm_seq_high(old.hits, old.n, alpha);
    if (low <= 0.01 || low <= high) return false;
    (void)snprintf(reason, size,
                   "slower: %.3g %% of %" PRId64
                   " requests took longer than %.3g ms, the champion's 99th percentile and a margin; of the"
                   " champion's %.3g %% (at least %.3g %% against at most %.3g %%, whenever one looks)",
                   100 * rate(new.hits, new.n), new.n, (double)gm_latency_bucket_us(j->limit) / 1000, 100 * rate(old.hits, old.n),
                   100 * low, 100 * high);
    return true;
}

static bool shifted(const gm_judge *j, const gm_arm_seen arms[2], char *reason, size_t size)
{
    int64_t counts[2][GROUPS];
    double tv = j->r.mode == GM_RELEASE_AB ? (double)NAN : shift(j, arms, counts);
    if (isnan(tv) || tv <= SHIFT_WIDE) return false;
    double alpha = ALPHA / 3 / 2;
    double low = tv - gm_seq_total_variation(counts[0], j->groups, alpha) - gm_seq_total_variation(counts[1], j->groups, alpha);
    if (low <= SHIFT_WIDE) return false;
    (void)snprintf(reason, size,
                   "other scores: %.0f %% of %" PRId64
                   " answers would have to move to look like the champion's (at least %.0f %%, whenever one looks)",
                   100 * tv, sum(counts[1], GROUPS), 100 * low);
    return true;
}

static bool condition_holds(const gm_judge *j, const gm_arm_seen arms[2], char *reason, size_t size)
{
    double m[GM_RELEASE_MEASURES];
    if (!j->condition || arms[GM_ARM_CANDIDATE].requests < j->r.requests_min) return false;
    gm_judge_measures(j, arms, m);
    if (!gm_release_condition_holds(j->condition, m)) return false;
    (void)snprintf(reason, size, "%.200s: error_rate %.3g %%, latency_ms_p99 %.3g, score_shift %.2g after %.0f requests",
                   j->condition_text, 100 * m[GM_RELEASE_ERROR_RATE], m[GM_RELEASE_LATENCY_MS_P99], m[GM_RELEASE_SCORE_SHIFT],
                   m[GM_RELEASE_REQUESTS]);
    return true;
}

gm_verdict gm_judge_look(gm_judge *j, const gm_arm_seen arms[2], int64_t now_us, char *reason, size_t reason_size)
{
    const gm_arm_seen *c = &arms[GM_ARM_CANDIDATE];
    if (reason_size) reason[0] = '\0';
    if (j->r.paused) return GM_VERDICT_WAIT;
    fix_limit(j, arms);
    fix_groups(j, arms);
    if (condition_holds(j, arms, reason, reason_size) || more_errors(arms, reason, reason_size) ||
        slower(j, arms, reason, reason_size) || shifted(j, arms, reason, reason_size))
        return GM_VERDICT_ROLL_BACK;
    int64_t ran_us = gm_release_ran_us(&j->r, now_us);
    if (j->r.for_us <= 0 || ran_us < j->r.for_us || c->requests < j->r.requests_min) return GM_VERDICT_WAIT;
    (void)snprintf(reason, reason_size,
                   "nothing against it in %.3g minutes and %" PRId64 " requests: error rate %.3g %%, champion %.3g %%",
                   (double)ran_us / 60e6, c->requests, 100 * rate(c->errors, c->requests),
                   100 * rate(arms[GM_ARM_CHAMPION].errors, arms[GM_ARM_CHAMPION].requests));
    return GM_VERDICT_PROMOTE;
}

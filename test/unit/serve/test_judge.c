/* test_judge.c - who gets the candidate, and whether it stays: by hand, and over simulated releases with a clock that is turned
 * by hand.
 *
 * A simulated release: a canary of a fifth for an hour, ten requests a second, the judge looks every five seconds. Seeds are
 * printed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "harness/harness.h"
#include "serve/release.h"
#include "serve/sequential.h"

static const int64_t SECOND = 1000000;

static gm_slice slice(const char *text)
{
    return (gm_slice){ text, strlen(text) };
}

/* ---- the arm --------------------------------------------------------------------------------------------------------- */

static void a_key_keeps_the_candidate_when_the_share_grows(void)
{
    enum { KEYS = 20000 };
    static bool had[KEYS];
    static const double shares[] = { 0, 0.01, 0.05, 0.1, 0.5, 1 };
    for (size_t k = 0; k < sizeof(shares) / sizeof(shares[0]); k++) {
        gm_release r = { .id = 7, .mode = GM_RELEASE_CANARY, .share = shares[k] };
        int count = 0;
        for (int i = 0; i < KEYS; i++) {
            char key[32];
            (void)snprintf(key, sizeof(key), "customer-%d", i);
            bool candidate = gm_release_pick(&r, slice(key), slice(""), 0) == GM_ARM_CANDIDATE;
            CHECK(candidate || !had[i]);
            had[i] = candidate;
            count += candidate;
        }
        double sd = sqrt(KEYS * shares[k] * (1 - shares[k]));
        CHECK(fabs(count - KEYS * shares[k]) <= 4 * sd);
    }
}

static void another_release_tries_other_keys(void)
{
    int both = 0, first = 0;
    for (int i = 0; i < 20000; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "%d", i);
        bool at[2];
        for (int64_t id = 1; id <= 2; id++) {
            gm_release r = { .id = id, .mode = GM_RELEASE_CANARY, .share = 0.1 };
            at[id - 1] = gm_release_pick(&r, slice(key), slice(""), 0) == GM_ARM_CANDIDATE;
        }
        first += at[0];
        both += at[0] && at[1];
    }
    CHECK(first > 1800 && first < 2200);
    CHECK(both > 130 && both < 270); /* 200 were they independent */
}

static void headers_dice_pause_and_shadow(void)
{
    gm_release r = { .id = 1, .mode = GM_RELEASE_AB, .share = 0 };
    CHECK(gm_release_pick(&r, slice("k"), slice("candidate"), 0) == GM_ARM_CANDIDATE);
    CHECK(gm_release_pick(&r, slice("k"), slice(""), 0) == GM_ARM_CHAMPION);
    r.mode = GM_RELEASE_CANARY;
    r.share = 1;
    CHECK(gm_release_pick(&r, slice("k"), slice("champion"), 0) == GM_ARM_CHAMPION);
    CHECK(gm_release_pick(&r, slice("k"), slice("Candidate?"), 0) == GM_ARM_CANDIDATE); /* an unknown word decides nothing */
    r.share = 0.25;
    CHECK(gm_release_pick(&r, slice(""), slice(""), UINT64_MAX / 5) == GM_ARM_CANDIDATE);
    CHECK(gm_release_pick(&r, slice(""), slice(""), UINT64_MAX / 3) == GM_ARM_CHAMPION);
    r.paused = true;
    CHECK(gm_release_pick(&r, slice("k"), slice("candidate"), 0) == GM_ARM_CHAMPION);
    r = (gm_release){ .id = 1, .mode = GM_RELEASE_SHADOW, .share = 0.25 };
    CHECK(gm_release_pick(&r, slice("k"), slice("candidate"), 0) == GM_ARM_CHAMPION);
    CHECK(gm_release_copies(&r, UINT64_MAX / 5) && !gm_release_copies(&r, UINT64_MAX / 3));
    r.paused = true;
    CHECK(!gm_release_copies(&r, 0));
    r = (gm_release){ 0 };
    CHECK(gm_release_pick(&r, slice("k"), slice("candidate"), 0) == GM_ARM_CHAMPION && !gm_release_copies(&r, 0));
}

/* ---- buckets --------------------------------------------------------------------------------------------------------- */

static void buckets_hold_what_their_edges_say(void)
{
    unsigned last = 0;
    for (int64_t us = 0; us < 40000000; us += us < 5000 ? 1 : us / 97) {
        unsigned b = gm_latency_bucket(us);
        CHECK(b >= last && b < GM_LATENCY_BUCKETS);
        if (b < GM_LATENCY_BUCKETS - 1) CHECK(us < gm_latency_bucket_us(b));
        if (b && us > 1) CHECK(us >= gm_latency_bucket_us(b - 1) || us < 8); /* below 8 us some buckets are empty */
        last = b;
    }
    CHECK(gm_latency_bucket(-5) == 0 && gm_latency_bucket(INT64_MAX) == GM_LATENCY_BUCKETS - 1);
    last = 0;
    for (double x = 0; x <= 1.0000001; x += 0.0001) {
        unsigned b = gm_score_bucket(x);
        CHECK(b >= last && b < GM_SCORE_BUCKETS);
        last = b;
    }
    CHECK(gm_score_bucket(0) == 0 && gm_score_bucket(1) == GM_SCORE_BUCKETS - 1 && gm_score_bucket(-3) == 0);
    CHECK(gm_score_bucket(0.0001) != gm_score_bucket(0.00015)); /* near an end, too */
    CHECK(gm_score_bucket(0.9999) != gm_score_bucket(0.99985));
}

static void counting_adds_up(void)
{
    gm_arm_seen a = { 0 }, b = { 0 };
    for (int i = 0; i < 1000; i++) gm_arm_saw(&a, i % 100 == 0, i < 985 ? 100 : 5000, i % 2 ? 0.2 : (double)NAN);
    CHECK(a.requests == 1000 && a.errors == 10 && a.scores[gm_score_bucket(0.2)] == 500);
    CHECK(gm_arm_latency_us(&a, 0.5) > 100 && gm_arm_latency_us(&a, 0.5) <= 112);
    CHECK(gm_arm_latency_us(&a, 0.99) > 5000 && gm_arm_latency_us(&a, 0.99) <= 5632);
    CHECK(isnan(gm_arm_latency_us(&b, 0.99)));
    gm_arm_add(&b, &a);
    gm_arm_add(&b, &a);
    gm_arm_subtract(&b, &a);
    CHECK(memcmp(&a, &b, sizeof(a)) == 0);
}

/* ---- the bounds ------------------------------------------------------------------------------------------------------ */

/* One toss that showed the event: mix = 1/2, so M(p) = 1 / (2 p) and the lower end is alpha / 2. Three of three: mix = 5/16. */
static void bounds_by_hand(void)
{
    CHECK_NEAR(gm_seq_low(1, 1, 0.05), 0.025, 1e-12);
    CHECK_NEAR(gm_seq_high(1, 1, 0.05), 1, 0);
    CHECK_NEAR(gm_seq_low(3, 3, 0.05), cbrt(0.05 * 5 / 16), 1e-12);
    CHECK_NEAR(gm_seq_high(0, 3, 0.05), 1 - cbrt(0.05 * 5 / 16), 1e-12);
    CHECK_NEAR(gm_seq_low(0, 0, 0.05), 0, 0);
    CHECK_NEAR(gm_seq_high(0, 0, 0.05), 1, 0);
    CHECK(gm_seq_low(20, 1000, 0.05) > 0.005 && gm_seq_low(20, 1000, 0.05) < 0.02);
    CHECK_NEAR(gm_seq_total_variation((int64_t[]){ 0, 0, 0 }, 3, 0.05), 1, 0);
    double wide = gm_seq_total_variation((int64_t[]){ 50, 50, 50, 50 }, 4, 0.05);
    double narrow = gm_seq_total_variation((int64_t[]){ 5000, 5000, 5000, 5000 }, 4, 0.05);
    CHECK(narrow < wide / 5 && wide < 0.25);
}

/* Looked at again and again, the truth leaves the bounds in at most alpha of the sequences. */
static void bounds_hold_at_every_moment(void)
{
    enum { SEQUENCES = 400, TOSSES = 2000 };
    static const double ps[] = { 0.002, 0.3 };
    gm_random random;
    gm_random_init(&random, 11);
    for (size_t k = 0; k < 2; k++) {
        int left = 0;
        for (int i = 0; i < SEQUENCES; i++) {
            int64_t hits = 0;
            bool out = false;
            for (int64_t n = 1; n <= TOSSES && !out; n++) {
                hits += gm_random_double(&random) < ps[k];
                if (n > 50 && n % 23) continue;
                out = gm_seq_low(hits, n, 0.05) > ps[k] || gm_seq_high(hits, n, 0.05) < ps[k];
            }
            left += out;
        }
        printf("# seed 11: the truth %g left the bounds of 5 %% in %.1f %% of %d sequences\n", ps[k], 100.0 * left / SEQUENCES,
               SEQUENCES);
        CHECK(left <= SEQUENCES / 20);
    }
}

/* ---- simulated releases ----------------------------------------------------------------------------------------------- */

enum { POINTS = 4096, PER_SECOND = 10 };

typedef struct version {
    double error_rate, latency_us, spread; /* latency: lognormal, median and sigma    */
    double score_mean, score_sd;           /* of the score's logit; sd 0 = a constant */
} version;

/* What a version does, as equally likely points: drawing is three look-ups. */
typedef struct drawn {
    uint64_t errors; /* of 2^32 */
    int64_t latency_us[POINTS];
    double score[POINTS];
} drawn;

typedef struct outcome {
    gm_verdict verdict;
    int64_t requests; /* that the candidate had answered */
    char reason[512];
} outcome;

/* The standard normal's quantile by bisection of erfc. */
static double normal_quantile(double p)
{
    double low = -9, high = 9;
    for (int i = 0; i < 50; i++) {
        double middle = (low + high) / 2;
        if (erfc(-middle / sqrt(2)) / 2 < p)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void draw(const version *v, drawn *out)
{
    out->errors = (uint64_t)(v->error_rate * 0x1p32);
    for (int i = 0; i < POINTS; i++) {
        double z = normal_quantile((i + 0.5) / POINTS);
        out->latency_us[i] = (int64_t)(v->latency_us * exp(v->spread * z));
        out->score[i] = 1 / (1 + exp(-v->score_mean - v->score_sd * z));
    }
}

static void answer(const drawn *v, gm_random *random, gm_arm_seen *seen)
{
    uint64_t a = gm_random_u64(random), b = gm_random_u64(random);
    bool error = a >> 32 < v->errors;
    gm_arm_saw(seen, error, v->latency_us[b % POINTS], error ? (double)NAN : v->score[(b >> 40) % POINTS]);
}

static outcome simulate(const drawn *champion, const drawn *candidate, const gm_release *r, uint64_t seed)
{
    static gm_arm_seen arms[2];
    gm_random random;
    gm_random_init(&random, seed);
    memset(arms, 0, sizeof(arms));
    outcome o = { GM_VERDICT_WAIT, 0, "" };
    gm_arena *a = gm_arena_new(0);
    gm_judge *j = gm_judge_new(r, a);
    CHECK(j != NULL);
    for (int64_t now = r->began_us + 5 * SECOND; !o.verdict && now < r->began_us + 7200 * SECOND; now += 5 * SECOND) {
        for (int i = 0; i < 5 * PER_SECOND; i++) {
            bool tried = gm_release_pick(r, slice(""), slice(""), gm_random_u64(&random)) == GM_ARM_CANDIDATE;
            answer(tried ? candidate : champion, &random, &arms[tried]);
        }
        o.verdict = gm_judge_look(j, arms, now, o.reason, sizeof(o.reason));
    }
    o.requests = arms[GM_ARM_CANDIDATE].requests;
    gm_arena_free(a);
    return o;
}

static const gm_release canary = {
    .id = 1, .mode = GM_RELEASE_CANARY, .share = 0.2, .for_us = 3600000000, .requests_min = 1000, .began_us = 1700000000000000
};
static const version good = { 0.002, 150, 0.5, -1.5, 1.0 };

static int by_value(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

/* Releases of one kind: how many were rolled back, and the median of the candidate's requests until then. */
static int rolled_back(const char *name, const version *champion, const version *candidate, const gm_release *r, int runs,
                       uint64_t seed)
{
    static int64_t requests[256];
    static drawn arms[2];
    int back = 0;
    draw(champion, &arms[0]);
    draw(candidate, &arms[1]);
    outcome shown = { .reason = "" };
    CHECK(runs <= 256);
    for (int i = 0; i < runs; i++) {
        outcome o = simulate(&arms[0], &arms[1], r, seed + (uint64_t)i);
        CHECK(o.verdict != GM_VERDICT_WAIT && o.reason[0]);
        if (o.verdict != GM_VERDICT_ROLL_BACK) continue;
        requests[back++] = o.requests;
        shown = o;
    }
    qsort(requests, (size_t)back, sizeof(requests[0]), by_value);
    printf("# %s, seeds from %llu: %d of %d rolled back", name, (unsigned long long)seed, back, runs);
    if (back) printf(", median after %lld requests of the candidate; %s", (long long)requests[back / 2], shown.reason);
    printf("\n");
    return back;
}

static void a_version_as_good_as_the_champion_stays(void)
{
    CHECK(rolled_back("the same again", &good, &good, &canary, 200, 1000) <= 2);
}

static void a_good_version_that_answers_otherwise_stays(void)
{
    static const version retrained = { 0.002, 160, 0.5, -1.3, 1.1 }; /* a little slower, other probabilities */
    CHECK(rolled_back("retrained", &good, &retrained, &canary, 200, 2000) <= 2);
}

static void a_good_version_beside_a_champion_without_errors_stays(void)
{
    static const version clean = { 0, 150, 0.3, -4, 0.6 };
    CHECK(rolled_back("no errors, rare positives", &clean, &clean, &canary, 100, 3000) <= 1);
}

static void more_errors_are_rolled_back(void)
{
    static const version worse = { 0.02, 150, 0.5, -1.5, 1.0 };
    CHECK(rolled_back("errors 0.2 % -> 2 %", &good, &worse, &canary, 100, 4000) == 100);
}

static void a_slower_version_is_rolled_back(void)
{
    static const version worse = { 0.002, 225, 0.5, -1.5, 1.0 };
    CHECK(rolled_back("latency + 50 %", &good, &worse, &canary, 100, 5000) == 100);
}

static void scores_that_collapsed_are_rolled_back(void)
{
    static const version constant = { 0.002, 150, 0.5, -1.5, 0 }, nearly = { 0.002, 150, 0.5, -4, 0 };
    CHECK(rolled_back("scores collapsed to the middle", &good, &constant, &canary, 100, 6000) == 100);
    CHECK(rolled_back("scores collapsed to an end", &good, &nearly, &canary, 100, 7000) == 100);
}

static void the_same_holds_in_the_shadow(void)
{
    static const version worse = { 0.02, 150, 0.5, -1.5, 1.0 };
    gm_release r = canary;
    gm_arm_seen arms[2] = { 0 };
    static drawn old, new;
    char reason[512];
    gm_random random;
    draw(&good, &old);
    draw(&worse, &new);
    r.mode = GM_RELEASE_SHADOW;
    gm_arena *a = gm_arena_new(0);
    gm_judge *j = gm_judge_new(&r, a);
    gm_random_init(&random, 8);
    gm_verdict v = GM_VERDICT_WAIT;
    for (int i = 0; i < 40000 && !v; i++) {
        answer(&old, &random, &arms[0]);
        if (gm_release_copies(&r, gm_random_u64(&random))) answer(&new, &random, &arms[1]);
        v = gm_judge_look(j, arms, r.began_us + i, reason, sizeof(reason));
    }
    CHECK(v == GM_VERDICT_ROLL_BACK);
    CHECK_HAS(reason, "more errors");
    gm_arena_free(a);
}

/* ---- conditions and the clock ------------------------------------------------------------------------------------------ */

static gm_verdict look(gm_judge *j, const gm_arm_seen arms[2], int64_t now_us)
{
    char reason[512];
    return gm_judge_look(j, arms, now_us, reason, sizeof(reason));
}

static void a_condition_rolls_back_at_once_after_the_least_requests(void)
{
    gm_release r = canary;
    gm_arm_seen arms[2] = { 0 };
    char reason[512];
    r.rollback = "error_rate > 5% or latency_ms_p99 > 100";
    r.requests_min = 100;
    gm_arena *a = gm_arena_new(0);
    gm_judge *j = gm_judge_new(&r, a);
    for (int i = 0; i < 99; i++) gm_arm_saw(&arms[1], false, 200000, 0.5);
    CHECK(look(j, arms, r.began_us + 1) == GM_VERDICT_WAIT); /* 99 of 100 */
    gm_arm_saw(&arms[1], false, 10, 0.5);
    CHECK(gm_judge_look(j, arms, r.began_us + 2, reason, sizeof(reason)) == GM_VERDICT_ROLL_BACK);
    CHECK_HAS(reason, "latency_ms_p99 > 100");
    gm_arena_free(a);
}

static void promotion_waits_for_the_time_the_requests_and_the_pause(void)
{
    gm_release r = canary;
    gm_arm_seen arms[2] = { 0 };
    gm_arena *a = gm_arena_new(0);
    gm_judge *j = gm_judge_new(&r, a);
    int64_t hour = r.began_us + r.for_us;
    for (int i = 0; i < 999; i++) gm_arm_saw(&arms[1], false, 100, 0.5);
    CHECK(look(j, arms, hour) == GM_VERDICT_WAIT); /* too few */
    gm_arm_saw(&arms[1], false, 100, 0.5);
    CHECK(look(j, arms, hour - 1) == GM_VERDICT_WAIT); /* too soon */
    CHECK(look(j, arms, hour) == GM_VERDICT_PROMOTE);
    r.paused = true;
    r.paused_since_us = hour - 60 * SECOND;
    gm_judge_follow(j, &r);
    CHECK(look(j, arms, hour + 600 * SECOND) == GM_VERDICT_WAIT);
    r.paused = false;
    r.paused_since_us = 0;
    r.paused_us = 660 * SECOND;
    gm_judge_follow(j, &r);
    CHECK(look(j, arms, hour + 659 * SECOND) == GM_VERDICT_WAIT);
    CHECK(look(j, arms, hour + 660 * SECOND) == GM_VERDICT_PROMOTE);
    r.for_us = 0; /* only by hand */
    gm_judge_follow(j, &r);
    CHECK(look(j, arms, hour + 100000 * SECOND) == GM_VERDICT_WAIT);
    gm_arena_free(a);
}

static void a_look_is_cheap(void)
{
    static gm_arm_seen arms[2];
    static drawn both;
    gm_random random;
    gm_arena *a = gm_arena_new(0);
    gm_judge *j = gm_judge_new(&canary, a);
    draw(&good, &both);
    gm_random_init(&random, 3);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20000; i++) answer(&both, &random, &arms[i % 10 == 0]);
        (void)look(j, arms, canary.began_us);
    }
    int64_t cpu = gm_cpu_us();
    for (int i = 0; i < 1000; i++) CHECK(look(j, arms, canary.began_us) == GM_VERDICT_WAIT);
    printf("# a look: %.1f us of CPU\n", (double)(gm_cpu_us() - cpu) / 1000);
    cpu = gm_cpu_us();
    for (int i = 0; i < 1000000; i++) gm_arm_saw(&arms[0], false, i & 1023, 0.3);
    printf("# counting a request: %.1f ns of CPU\n", (double)(gm_cpu_us() - cpu) / 1000);
    gm_arena_free(a);
}

TESTS(T(a_key_keeps_the_candidate_when_the_share_grows), T(another_release_tries_other_keys), T(headers_dice_pause_and_shadow),
      T(buckets_hold_what_their_edges_say), T(counting_adds_up), T(bounds_by_hand), T(bounds_hold_at_every_moment),
      T(a_version_as_good_as_the_champion_stays), T(a_good_version_that_answers_otherwise_stays),
      T(a_good_version_beside_a_champion_without_errors_stays), T(more_errors_are_rolled_back),
      T(a_slower_version_is_rolled_back), T(scores_that_collapsed_are_rolled_back), T(the_same_holds_in_the_shadow),
      T(a_condition_rolls_back_at_once_after_the_least_requests), T(promotion_waits_for_the_time_the_requests_and_the_pause),
      T(a_look_is_cheap))

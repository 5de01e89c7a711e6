/* data_profile.c - profile and 30 checks of a table of 1,000,000 x 20, from CSV; and the snapshot of it.
 *
 *   bench_data_profile [ROWS]      prints JSON: CPU seconds by part, peak memory
 *
 * The table is made here: 10 numbers, 5 categories, an id, a time, an email, a code, a flag and a note, with the shapes that
 * such tables have. One thread.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/random.h"
#include "data/check.h"
#include "data/engine.h"
#include "data/profile.h"

static const char checks[] =
    "- rows between 900000 and 1100000\n"
    "- \"columns == 20 and has_columns('id', 'age', 'income', 'balance', 'score', 'events', 'lat', 'lon', 'amount', 'ratio', 'country', 'device', 'plan', "
    "'merchant', 'gender', 'ts', 'email', 'sku', 'is_active', 'note')\"\n"
    "- id is not missing\n- id is unique\n- age is not missing\n- age between 18 and 95\n- missing(income) <= 5%\n- income >= 0\n- score between 0 and 1\n"
    "- events >= 0\n- lat between -90 and 90\n- lon between -180 and 180\n- amount > 0\n- mean(ratio) between -0.1 and 0.1\n- mean(balance) between 1100 and 1300\n"
    "- std(balance) between 5300 and 5500\n- median(income) between 30000 and 40000\n- quantile(amount, 0.95) between 220 and 260\n"
    "- \"country in ['C00', 'C01', 'C02', 'C03', 'C04', 'C05', 'C06', 'C07', 'C08', 'C09', 'C10', 'C11', 'C12', 'C13', 'C14', 'C15', 'C16', 'C17', 'C18', 'C19', "
    "'C20', 'C21', 'C22', 'C23', 'C24', 'C25', 'C26', 'C27', 'C28', 'C29']\"\n"
    "- \"device in ['ios', 'android', 'web', 'tv', 'api', 'kiosk']\"\n- \"plan in ['free', 'basic', 'pro', 'ent']\"\n- \"gender in ['f', 'm', 'x']\"\n"
    "- missing(gender) <= 5%\n- distinct(merchant) between 4000 and 6000\n- \"matches(email, '^[a-z]{6}[0-9]{1,4}@example[.]com$')\"\n"
    "- { check: \"matches(sku, '^[A-Z]{3}-[0-9]{4}$')\", allow: 1% }\n- length(note) between 4 and 80\n- ts between '2025-01-01' and '2026-01-01'\n"
    "- ts is not missing\n- { check: income >= amount, allow: 10% }\n";

static double exponential(gm_random *r) { return -log(1 - gm_random_double(r)); }

static void row(gm_random *r, int64_t i, int64_t rows, FILE *f)
{
    static const char *const devices[] = { "ios", "android", "web", "tv", "api", "kiosk" }, *const plans[] = { "free", "basic", "pro", "ent" };
    static const char *const words[] = { "late", "early", "order", "item", "refund", "call", "mail", "box", "red", "blue", "slow", "fast", "good", "poor" };
    static const char *const genders[] = { "f", "m", "x", "" };
    char time[40], income[32] = "", amount[32] = "", email[8] = "", gender_pick = (char)gm_random_below(r, 50);
    double age = fmin(95, fmax(18, rint(44 + 14 * gm_random_normal(r))));
    if (gm_random_below(r, 100) >= 3) (void)snprintf(income, sizeof(income), "%.2f", exp(10.4 + 0.6 * gm_random_normal(r)));
    if (gm_random_below(r, 100) >= 1) (void)snprintf(amount, sizeof(amount), "%.2f", exponential(r) * 80 + 0.01);
    for (int k = 0; k < 6; k++) email[k] = (char)('a' + gm_random_below(r, 26));
    fprintf(f, "%" PRId64 ",%d,%s,%.2f,%.6f,%d,%.5f,%.5f,%s,%.6f,", i, (int)age, income, 1200 + 5400 * gm_random_normal(r), pow(gm_random_double(r), 2.5),
            (int)(exponential(r) * 3.2), -60 + 130 * gm_random_double(r), -180 + 360 * gm_random_double(r), amount, gm_random_normal(r) * 1.7);
    int64_t merchant = (int64_t)(5000 * pow(gm_random_double(r), 3));
    fprintf(f, "C%02d,%s,%s,merchant_%04d,%s,", (int)(30 * pow(gm_random_double(r), 2)), devices[gm_random_below(r, 6)], plans[gm_random_below(r, 4)], (int)merchant,
            genders[gender_pick == 0 ? 3 : gender_pick == 1 ? 2 : gender_pick % 2]);
    fprintf(f, "%s,%s%d@example.com,", gm_time_text(1735689600000000 + i * (31536000000000 / rows), time, sizeof(time)), email, (int)gm_random_below(r, 9999));
    if (gm_random_below(r, 200) == 0) fprintf(f, "bad %d,", (int)gm_random_below(r, 10000));
    else fprintf(f, "%c%c%c-%04d,", (char)('A' + gm_random_below(r, 26)), (char)('A' + gm_random_below(r, 26)), (char)('A' + gm_random_below(r, 26)), (int)gm_random_below(r, 10000));
    fputs(gm_random_below(r, 100) < 83 ? "true," : "false,", f);
    for (int64_t k = 3 + gm_random_below(r, 7), first = k; k > 0; k--) fprintf(f, "%s%s", k == first ? "" : " ", words[gm_random_below(r, 14)]);
    fputc('\n', f);
}

static int failed(const gm_err *err)
{
    fprintf(stderr, "%s\n", err->message);
    return 1;
}

static int64_t peak_mib(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? u.ru_maxrss / 1024 : -1;
}

static int measure(const char *csv, const char *parquet, int64_t rows)
{
    gm_arena *a = gm_arena_new(0);
    gm_engine *e = NULL;
    gm_err err = { 0 };
    gm_table t;
    gm_profile *p = NULL;
    gm_node *list = NULL;
    gm_check_spec *specs = NULL;
    size_t count = 0, broken = 0;
    gm_errs errs = { .arena = a };
    const char *schema = NULL;

    int64_t start = gm_cpu_us();
    if (gm_engine_open(&(gm_engine_options){ .threads = 1 }, &e, &err)) return failed(&err);
    if (gm_data_read(e, csv, NULL, 0, 0, a, &t, &err)) return failed(&err);
    int64_t read = gm_cpu_us();
    if (gm_profile_of(&t, a, &p, &err)) return failed(&err);
    int64_t profiled = gm_cpu_us();
    if (gm_yaml_read(checks, strlen(checks), "checks", a, &list, &err) || gm_checks_read(list, a, &specs, &count, &errs) ||
        gm_checks_validate(specs, count, &t, NULL, a, &errs))
        return failed(errs.count ? &errs.items[0] : &err);
    gm_check_result *results = GM_ARENA_ARRAY(a, gm_check_result, count);
    if (!results || gm_checks_run(specs, count, &t, NULL, 0, a, results, NULL, &err)) return failed(&err);
    int64_t checked = gm_cpu_us(), memory = peak_mib();
    for (size_t i = 0; i < count; i++) broken += !results[i].ok;
    gm_buf bytes = { 0 };
    gm_profile_write(p, &bytes);
    size_t profile_bytes = bytes.len;
    gm_buf_clear(&bytes);
    gm_arena_reset(a);

    int64_t again = gm_cpu_us();
    if (gm_data_snapshot(e, &(gm_source){ .from = csv }, NULL, parquet, a, &schema, NULL, &err)) return failed(&err);
    int64_t kept = gm_cpu_us();
    printf("{\"name\": \"data_profile\", \"rows\": %" PRId64 ", \"columns\": 20, \"checks\": %zu, \"broken\": %zu, \"cpu_s\": {\"read_csv\": %.3f, \"profile\": %.3f, "
           "\"checks\": %.3f, \"all\": %.3f, \"snapshot_and_schema\": %.3f}, \"profile_bytes\": %zu, \"peak_mib\": %" PRId64 "}\n",
           rows, count, broken, (double)(read - start) / 1e6, (double)(profiled - read) / 1e6, (double)(checked - profiled) / 1e6, (double)(checked - start) / 1e6,
           (double)(kept - again) / 1e6, profile_bytes, memory);
    gm_engine_close(e);
    gm_arena_free(a);
    return 0;
}

int main(int argc, char **argv)
{
    int64_t rows = argc > 1 ? strtoll(argv[1], NULL, 10) : 1000000;
    char dir[] = "/tmp/gm-bench-XXXXXX", csv[64], parquet[64];
    gm_random r;
    if (rows < 1 || !mkdtemp(dir)) return 1;
    (void)snprintf(csv, sizeof(csv), "%s/t.csv", dir);
    (void)snprintf(parquet, sizeof(parquet), "%s/t.parquet", dir);
    FILE *f = fopen(csv, "w");
    if (!f) return 1;
    gm_random_init(&r, 20261123);
    fputs("id,age,income,balance,score,events,lat,lon,amount,ratio,country,device,plan,merchant,gender,ts,email,sku,is_active,note\n", f);
    for (int64_t i = 0; i < rows; i++) row(&r, i, rows, f);
    int status = fclose(f) == 0 ? measure(csv, parquet, rows) : 1;
    (void)gm_fs_remove_tree(dir, NULL); /* scratch; a leftover is harmless */
    return status;
}

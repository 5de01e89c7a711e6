/* rehearse_show.c - see rehearse_show.h. */
#include "cli/rehearse_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

enum { WIDTH = 72, ROWS = 4, LEVELS = 8 };
static const char *const blocks[LEVELS + 1] = { " ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                                "\u2585", "\u2586", "\u2587", "\u2588" };
static const int64_t day_us = 86400000000;

/* "2013-04-09", or with the minute. */
static const char *moment(int64_t us, int64_t step_us, char out[48])
{
    (void)gm_time_text(us, out, 48);
    out[step_us % day_us == 0 && us % day_us == 0 ? 10 : 16] = '\0';
    return out;
}

/* ---- the chart ----------------------------------------------------------------------------------------------------------- */

typedef struct axis {
    int64_t from_us, until_us;
    int columns;
    double low, high;
} axis;

static int column_of(const axis *x, int64_t us)
{
    int c = (int)((double)(us - x->from_us) / (double)(x->until_us - x->from_us) * x->columns);
    return c < 0 ? 0 : c >= x->columns ? x->columns - 1 : c;
}

/* The mean of the windows in and around a column, seven at least: days alone are noise. */
static void columns_of(const gm_rehearsal *r, const gm_rehearsal_policy *p, const axis *x, double out[WIDTH])
{
    double width = (double)(x->until_us - x->from_us) / x->columns, around = 7 * (double)r->step_us;
    if (around < width) around = width;
    for (int c = 0; c < x->columns; c++) {
        double center = (double)x->from_us + (c + 0.5) * width, sum = 0;
        int count = 0;
        for (size_t i = 0; i < p->windows_count; i++) {
            const gm_rehearsal_window *w = &p->windows[i];
            double middle = (double)w->from_us + (double)(w->until_us - w->from_us) / 2;
            if (isnan(w->metric) || fabs(middle - center) > around / 2) continue;
            sum += w->metric;
            count++;
        }
        out[c] = count ? sum / count : (double)NAN;
    }
}

static bool find_axis(const gm_rehearsal *r, axis *x)
{
    double v[WIDTH];
    *x = (axis){ .from_us = r->begin_us, .until_us = r->until_us, .columns = WIDTH, .low = INFINITY, .high = -INFINITY };
    size_t most = 0;
    for (size_t i = 0; i < r->policies_count; i++)
        most = r->policies[i].windows_count > most ? r->policies[i].windows_count : most;
    if (most < WIDTH) x->columns = most ? (int)most : 1;
    for (size_t i = 0; i < r->policies_count; i++) {
        columns_of(r, &r->policies[i], x, v);
        for (int c = 0; c < x->columns; c++) {
            if (isnan(v[c])) continue;
            x->low = v[c] < x->low ? v[c] : x->low;
            x->high = v[c] > x->high ? v[c] : x->high;
        }
    }
    double room = (x->high - x->low) / 10;
    x->low -= room;
    return x->high > x->low;
}

static void print_marks(const gm_rehearsal_policy *p, const axis *x)
{
    char marks[WIDTH + 1];
    memset(marks, ' ', WIDTH);
    marks[x->columns] = '\0';
    for (size_t i = 0; i < p->decisions_count; i++) {
        const gm_rehearsal_decision *d = &p->decisions[i];
        char mark = d->outcome == GM_REHEARSAL_PROMOTED ? '^'
                    : d->outcome == GM_REHEARSAL_FIRST  ? '|'
                    : d->outcome == GM_REHEARSAL_SAME   ? '='
                                                        : 'x';
        char *at = &marks[column_of(x, d->at_us)];
        if (*at != 'x') *at = mark;
    }
    printf("  %-10s        %s%s%s\n", "", gm_term_dim(), marks, gm_term_plain());
}

static void print_months(const gm_rehearsal *r, const axis *x)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char line[WIDTH + 8];
    int64_t last = -1;
    memset(line, ' ', sizeof(line));
    for (int64_t us = r->begin_us; us < r->until_us; us += day_us) {
        char text[48];
        int month = 0, column = column_of(x, us);
        (void)gm_time_text(us, text, sizeof(text));
        if (sscanf(text + 5, "%2d", &month) != 1 || month < 1 || month > 12 || month == last || column + 3 > x->columns) continue;
        if (last != -1 && (strncmp(text + 8, "01", 2) != 0 || line[column] != ' ' || (column > 0 && line[column - 1] != ' ')))
            continue;
        memcpy(line + column, names + (size_t)(month - 1) * 3, 3);
        last = month;
    }
    line[x->columns] = '\0';
    printf("  %-10s        %s%s%s\n", "", gm_term_dim(), line, gm_term_plain());
}

static void print_chart(const gm_rehearsal *r)
{
    axis x;
    double v[WIDTH];
    if (!find_axis(r, &x)) return;
    printf("\n%s%s%s   mean of seven windows; | first model, ^ promoted, x refused or failed\n", gm_term_bold(), r->metric,
           gm_term_plain());
    for (size_t i = 0; i < r->policies_count; i++) {
        columns_of(r, &r->policies[i], &x, v);
        for (int row = ROWS - 1; row >= 0; row--) {
            char edge[16] = "";
            if (row == ROWS - 1) (void)snprintf(edge, sizeof(edge), "%.3f", x.high);
            if (row == 0) (void)snprintf(edge, sizeof(edge), "%.3f", x.low);
            printf("  %-10.10s %6s ", row == ROWS - 1 ? r->policies[i].name : "", edge);
            for (int c = 0; c < x.columns; c++) {
                double level = isnan(v[c]) ? 0 : (v[c] - x.low) / (x.high - x.low) * ROWS * LEVELS - row * LEVELS;
                fputs(blocks[level <= 0 ? 0 : level >= LEVELS ? LEVELS : (int)(level + 0.5)], stdout);
            }
            putchar('\n');
        }
        print_marks(&r->policies[i], &x);
    }
    print_months(r, &x);
}

static const char *days(int64_t us, gm_arena *a)
{
    double d = (double)us / (double)day_us;
    return d == 1 ? "1 day" : gm_arena_printf(a, "%g days", d);
}

/* ---- the table ------------------------------------------------------------------------------------------------------------ */

static const char *number(double v, gm_arena *a)
{
    return isnan(v) ? "-" : gm_arena_printf(a, "%.4f", v);
}

static const char *alarms(int64_t all, int64_t wrong, gm_arena *a)
{
    return all ? gm_arena_printf(a, "%" PRId64 " (%" PRId64 ")", all, wrong) : "0";
}

static const char *trainings(const gm_rehearsal_policy *p, gm_arena *a)
{
    const char *text =
        gm_arena_printf(a, "%" PRId64 ": %" PRId64 " promoted, %" PRId64 " refused", p->trainings, p->promoted, p->refused);
    if (text && p->failed) text = gm_arena_printf(a, "%s, %" PRId64 " failed", text, p->failed);
    return p->trainings ? text : "0";
}

static void print_table(const gm_rehearsal *r, gm_arena *a)
{
    gm_grid *g = gm_grid_new(a, 9);
    for (size_t i = 1; i < 9; i++)
        if (i != 6) gm_grid_right(g, i);
    gm_grid_add(g, (const char *[]){ "policy", "all rows", "against first", "mean", "worst", "", "trainings", "drift (false)",
                                     "decay (false)" });
    for (size_t i = 0; i < r->policies_count; i++) {
        const gm_rehearsal_policy *p = &r->policies[i];
        char day[48];
        const gm_comparison *c = &p->against_first;
        const char *delta = !c->method      ? ""
                            : isnan(c->low) ? gm_arena_printf(a, "%+.4f", c->delta)
                                            : gm_arena_printf(a, "%+.4f [%+.4f, %+.4f]", c->delta, c->low, c->high);
        gm_grid_add(g,
                    (const char *[]){ p->name, number(p->overall.value, a), delta, number(p->mean, a), number(p->worst, a),
                                      isnan(p->worst) ? "" : moment(p->worst_from_us, r->step_us, day), trainings(p, a),
                                      alarms(p->drift_alarms, p->false_drift, a), alarms(p->decay_alarms, p->false_decay, a) });
    }
    printf("\n");
    gm_grid_print(g);
}

void gm_rehearsal_print(const gm_rehearsal *r, const char *html, gm_arena *a)
{
    char begin[48], until[48], first[48], cpu[32];
    print_chart(r);
    print_table(r, a);
    printf("\nPeriod       %s to %s in steps of %s; the first model at %s, after %s (%s)\n",
           moment(r->from_us, r->step_us, begin), moment(r->until_us, r->step_us, until), days(r->step_us, a),
           moment(r->begin_us, r->step_us, first), days(r->first_us, a), r->first_reason);
    printf("Known        rows before the moment, labels %s", r->delay_us ? "" : "of all of them");
    if (r->delay_us) printf("%s after their rows", days(r->delay_us, a));
    if (r->history_us) printf("; trainings on the last %s", days(r->history_us, a));
    for (size_t i = 0; i < r->uncut_count; i++)
        printf("%s%s", i ? ", " : "; without a time, the same at every moment: ", r->uncut[i]);
    for (size_t i = 0; i < r->policies_count; i++)
        if (r->policies[i].unknown_class)
            printf("\nLeft out     %s: %" PRId64 " rows of classes that the model which answered did not know",
                   r->policies[i].name, r->policies[i].unknown_class);
    printf("\nCost        ");
    for (size_t i = 0; i < r->policies_count; i++)
        printf(" %s %s%s", r->policies[i].name, gm_show_seconds((double)r->policies[i].cpu_us / 1e6, cpu),
               i + 1 < r->policies_count ? "," : "");
    printf(" of CPU for trainings\n");
    printf("             now: %" PRId64 " trained, %" PRId64 " from cache, %s of CPU for them", r->trained, r->from_cache,
           gm_show_seconds((double)r->cpu_trainings_us / 1e6, cpu));
    printf(", %s for the replay\n", gm_show_seconds((double)r->cpu_self_us / 1e6, cpu));
    if (html[0]) printf("Page         %s\n", html);
    printf("Next         gristmill rehearse --json | --html FILE | --policy \"decay > 0.02\"\n");
}

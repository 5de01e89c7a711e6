/* drift_rule.c - rules as text, and p-values of many columns. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "watch/drift.h"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static const char *skip_blanks(const char *s)
{
    while (*s == ' ' || *s == '\t') s++;
    return s;
}

/* A place within a text that stands on one line. */
static gm_pos at_char(gm_pos at, const char *text, const char *here)
{
    if (at.col) at.col += (uint32_t)(here - text);
    return at;
}

static gm_rc failed(gm_errs *errs, gm_err *err, gm_pos pos)
{
    gm_errs_add_at(errs, err, pos);
    return err->rc;
}

static gm_rc read_limit(const char *text, const char *s, const gm_detector *d, gm_pos at, gm_drift_rule *rule, gm_errs *errs)
{
    gm_err err;
    if (*s != '>') {
        (void)gm_err_set(&err, GM_EINVALID, "a limit begins with > or >=, found \"%.40s\"", s);
        gm_err_hint(&err, "Write `%s > %g`, or `%s` alone for its own limit.", d->item.name, d->limit, d->item.name);
        return failed(errs, &err, at_char(at, text, s));
    }
    rule->inclusive = s[1] == '=';
    const char *number = skip_blanks(s + 1 + rule->inclusive);
    char *end = NULL;
    rule->limit = strtod(number, &end);
    if (end == number || *skip_blanks(end) != '\0' || !isfinite(rule->limit)) {
        (void)gm_err_set(&err, GM_EINVALID, "the limit is a number, found \"%.40s\"", number);
        gm_err_hint(&err, "Write `%s > %g`.", d->item.name, d->limit);
        return failed(errs, &err, at_char(at, text, number));
    }
    if (rule->limit < d->low || rule->limit > d->high) {
        (void)gm_err_set(&err, GM_EINVALID, "%s lies between %g and %g, the limit %g does not", d->item.name, d->low, d->high,
                         rule->limit);
        return failed(errs, &err, at_char(at, text, number));
    }
    return GM_OK;
}

gm_rc gm_drift_rule_read(const char *text, gm_pos at, gm_arena *a, gm_drift_rule *out, gm_errs *errs)
{
    const char *s = skip_blanks(text), *begin = s;
    const gm_detector *d = NULL;
    gm_drift_rule rule = { .limit = NAN, .pos = at };
    gm_err err;
    while (is_word(*s)) s++;
    const char *name = gm_arena_strndup(a, begin, (size_t)(s - begin)), *rest = skip_blanks(s);
    if (!name) {
        (void)gm_err_set(&err, GM_ENOMEM, "not enough memory for a rule");
        return failed(errs, &err, at);
    }
    if (!*name) {
        (void)gm_err_set(&err, GM_EINVALID, "a drift rule names a detector, found \"%.60s\"", text);
        gm_err_hint(&err, "Write `psi > 0.2`, or `none`.");
        return failed(errs, &err, at);
    }
    if (strcmp(name, "none") == 0 && !*rest) {
        *out = rule;
        return GM_OK;
    }
    if (gm_detector_find(name, &d, &err)) return failed(errs, &err, at_char(at, text, begin));
    rule.numbers = d->numbers ? d : NULL;
    rule.texts = d->texts ? d : NULL;
    if (*rest) {
        gm_rc rc = read_limit(text, rest, d, at, &rule, errs);
        if (rc) return rc;
    }
    *out = rule;
    return GM_OK;
}

typedef struct ranked {
    double p;
    size_t at;
} ranked;

static int by_p(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    if (a->p != b->p) return a->p < b->p ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

/* p-values adjusted for their number, so that of those below a limit q at most a share q is expected to be chance.
 *
 *   p_(i), ascending, i = 1..m:  adjusted_(i) = min_{k >= i} min(1, p_(k) m / k)
 *
 * Source     Benjamini & Hochberg (1995), JRSS B 57(1):289; step-up form: Yekutieli & Benjamini (1999)
 * Checked    test_drift_tests.c by hand
 */
void gm_benjamini_hochberg(double *p, size_t count, gm_arena *scratch)
{
    ranked *r = GM_ARENA_ARRAY(scratch, ranked, count);
    size_t m = 0;
    for (size_t i = 0; r && i < count; i++)
        if (!isnan(p[i])) r[m++] = (ranked){ p[i], i };
    if (!r || m == 0) return;
    qsort(r, m, sizeof(*r), by_p);
    double least = 1;
    for (size_t k = m; k-- > 0;) {
        least = fmin(least, r[k].p * (double)m / (double)(k + 1));
        p[r[k].at] = least;
    }
}

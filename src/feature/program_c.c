/* program_c.c - see program.h. Each transform's own file says what its step is in C (emit_c). */
#include "feature/program_internal.h"

#include <inttypes.h>
#include <string.h>

gm_rc gm_program_c_fields(const gm_program *p, gm_arena *a, const char *const **out, gm_err *err)
{
    const char **names = GM_ARENA_ARRAY(a, const char *, p->inputs_count);
    for (size_t i = 0; names && i < p->inputs_count; i++) {
        const char *base = gm_c_identifier(a, p->inputs[i].name), *name = base;
        for (int again = 2; name; again++) {
            size_t k = 0;
            while (k < i && strcmp(names[k], name) != 0) k++;
            if (k == i) break;
            name = gm_arena_printf(a, "%s_%d", base, again);
        }
        names[i] = name;
        if (!name) names = NULL;
    }
    if (!names) return gm_err_set(err, GM_ENOMEM, "not enough memory for the names of %zu columns", p->inputs_count);
    *out = names;
    return GM_OK;
}

/* The value of a source, computed once and used by all features that begin with it. */
static const char *source_value(const gm_program *p, const gm_source *s, const char *const *fields, gm_c *c)
{
    if (!s->expr) return gm_c_text(c, "in->%s", fields[s->input]);
    gm_buf text = { 0 };
    gm_c_comment(&text, s->text);
    gm_c_line(c, "/* %s */", gm_buf_str(&text));
    gm_buf_clear(&text);
    return gm_expr_c(c, p, fields, s->expr);
}

static void comment(gm_c *c, const gm_feature *f, const gm_step *s)
{
    gm_buf text = { 0 };
    gm_c_comment(&text, f->name);
    gm_c_line(c, "/* %s: %s */", gm_buf_str(&text), s->transform->item.name);
    gm_buf_clear(&text);
}

/* One step in a block of its own, between a (what it reads) and o (what it writes). */
static void emit_step(const gm_feature *f, size_t k, gm_type type, const char *from, const char *to, gm_c *c)
{
    const gm_step *s = &f->steps[k];
    gm_type reads = k == 0 && (type == GM_TYPE_STRING || type == GM_TYPE_TIME) ? type : GM_TYPE_FLOAT;
    gm_c_line(c, "{");
    comment(c, f, s);
    if (k)
        gm_c_line(c, "const double *const a = %s;", from);
    else if (reads == GM_TYPE_STRING)
        gm_c_line(c, "const char *const a = %s;", from);
    else if (reads == GM_TYPE_TIME)
        gm_c_line(c, "const int64_t a = %s;", from);
    else
        gm_c_line(c, "const double a[1] = { %s };", from);
    gm_c_line(c, "double *const o = %s;", to);
    c->stack_bytes += 16;
    if (s->transform->emit_c)
        s->transform->emit_c(s->conf, s->state, reads, s->width_in, c);
    else
        gm_c_fail(c, GM_EUNSUPPORTED, "the transform \"%s\" cannot be written as C", s->transform->item.name);
    gm_c_close(c);
}

static void emit_feature(const gm_feature *f, gm_type type, const char *from, gm_c *c)
{
    for (size_t k = 0; k < f->steps_count; k++) {
        const char *to = gm_c_text(c, "x + %" PRId64, f->offset);
        if (k + 1 < f->steps_count) {
            to = gm_c_name(c, 's');
            gm_c_line(c, "double %s[%" PRId64 "];", to, f->steps[k].width);
            c->stack_bytes += 8 * f->steps[k].width;
        }
        emit_step(f, k, type, from, to, c);
        from = to;
    }
}

static gm_rc of_feature(const gm_program *p, size_t source, gm_c *c)
{
    for (size_t f = 0; f < p->features_count; f++)
        if (p->features[f].source == source) {
            gm_err_hint(c->err, "Leave the feature \"%.100s\" out, or serve this model with `gristmill serve`.",
                        p->features[f].name);
            return gm_err_ctx(c->err, c->rc, "writing feature \"%.100s\" as C", p->features[f].name);
        }
    return c->rc;
}

gm_rc gm_program_emit_c(const gm_program *p, const char *const *fields, gm_c *c)
{
    const char **values = GM_ARENA_ARRAY(c->a, const char *, p->sources_count);
    if (!values) gm_c_fail(c, GM_ENOMEM, "not enough memory to write features as C");
    for (size_t i = 0; !c->rc && i < p->sources_count; i++) {
        values[i] = source_value(p, &p->sources[i], fields, c);
        if (c->rc) return of_feature(p, i, c);
    }
    for (size_t f = 0; !c->rc && f < p->features_count; f++) {
        const gm_feature *feature = &p->features[f];
        emit_feature(feature, p->sources[feature->source].type, values[feature->source], c);
        if (c->rc) return of_feature(p, feature->source, c);
    }
    return c->rc;
}

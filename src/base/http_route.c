/* http_route.c - method and path to route: a tree of path segments.
 *
 * A node's children are tried in this order: the literal segment, then the parameters, the longest fixed part first; so
 * "/v1/models/{m}:predict" goes before "/v1/models/{m}". A branch that leads nowhere is left again, which costs at most the
 * number of routes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/http_internal.h"

enum { METHODS_MAX = 8, SEGMENTS_MAX = 16 };

typedef struct node node;
struct node {
    node *sibling, *children;
    gm_slice before, after; /* the fixed parts; a literal segment is all before */
    bool parameter;
    const gm_http_route *routes[METHODS_MAX];
    unsigned routes_count;
    char allowed[128];
};

struct gm_http_routes {
    gm_arena *arena;
    node root;
};

bool gm_slice_is(gm_slice s, const char *text)
{
    return strlen(text) == s.len && memcmp(s.data, text, s.len) == 0;
}

static bool equal(gm_slice a, gm_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The segment at *at and past its slash. */
static gm_slice next_segment(gm_slice path, size_t *at)
{
    gm_slice s = { path.data + *at, 0 };
    const char *slash = memchr(s.data, '/', path.len - *at);
    s.len = slash ? (size_t)(slash - s.data) : path.len - *at;
    *at += s.len + 1;
    return s;
}

static gm_rc parse_segment(gm_slice text, const char *path, node *out, gm_err *err)
{
    const char *open = memchr(text.data, '{', text.len), *close = memchr(text.data, '}', text.len);
    *out = (node){ .before = text };
    if (!open && !close) return GM_OK;
    if (!open || !close || close < open || memchr(open + 1, '{', (size_t)(text.data + text.len - open - 1)))
        return gm_err_set(err, GM_EINVALID, "route \"%s\": one {name} per segment", path);
    out->parameter = true;
    out->before.len = (size_t)(open - text.data);
    out->after = (gm_slice){ close + 1, (size_t)(text.data + text.len - close - 1) };
    return GM_OK;
}

static bool goes_before(const node *a, const node *b)
{
    if (a->parameter != b->parameter) return !a->parameter;
    return a->before.len + a->after.len > b->before.len + b->after.len;
}

static node *child_for(gm_http_routes *t, node *parent, const node *wanted)
{
    node **at = &parent->children;
    for (node *c = parent->children; c; c = c->sibling)
        if (c->parameter == wanted->parameter && equal(c->before, wanted->before) && equal(c->after, wanted->after)) return c;
    while (*at && !goes_before(wanted, *at)) at = &(*at)->sibling;
    node *n = GM_ARENA_NEW(t->arena, node);
    if (!n) return NULL;
    *n = *wanted;
    n->sibling = *at;
    *at = n;
    return n;
}

static gm_rc add_route(gm_http_routes *t, const gm_http_route *r, gm_err *err)
{
    gm_slice path = { r->path, strlen(r->path) };
    node *at = &t->root;
    unsigned params = 0;
    if (r->path[0] != '/') return gm_err_set(err, GM_EINVALID, "route \"%s\" must begin with /", r->path);
    for (size_t from = 1; from <= path.len;) {
        node wanted;
        gm_rc rc = parse_segment(next_segment(path, &from), r->path, &wanted, err);
        if (rc) return rc;
        params += wanted.parameter;
        at = child_for(t, at, &wanted);
        if (!at) return gm_err_set(err, GM_ENOMEM, "not enough memory for the routes");
    }
    if (params > GM_HTTP_PARAMS_MAX)
        return gm_err_set(err, GM_EINVALID, "route \"%s\" has more than %d parameters", r->path, GM_HTTP_PARAMS_MAX);
    for (unsigned i = 0; i < at->routes_count; i++)
        if (strcmp(at->routes[i]->method, r->method) == 0)
            return gm_err_set(err, GM_EINVALID, "route \"%s %s\" is there twice", r->method, r->path);
    if (at->routes_count == METHODS_MAX)
        return gm_err_set(err, GM_EINVALID, "route \"%s\" has more than %d methods", r->path, METHODS_MAX);
    at->routes[at->routes_count++] = r;
    size_t len = strlen(at->allowed);
    (void)snprintf(at->allowed + len, sizeof(at->allowed) - len, "%s%s%s", len ? ", " : "", r->method,
                   strcmp(r->method, "GET") == 0 ? ", HEAD" : "");
    return GM_OK;
}

gm_rc gm_http_routes_new(const gm_http_route *routes, size_t count, gm_http_routes **out, gm_err *err)
{
    gm_http_routes *t = calloc(1, sizeof(*t));
    if (t) t->arena = gm_arena_new(0);
    gm_rc rc = t && t->arena ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for the routes");
    for (size_t i = 0; i < count && !rc; i++) rc = add_route(t, &routes[i], err);
    if (rc) {
        gm_http_routes_free(t);
        return rc;
    }
    *out = t;
    return GM_OK;
}

void gm_http_routes_free(gm_http_routes *t)
{
    if (!t) return;
    gm_arena_free(t->arena);
    free(t);
}

static bool matches(const node *n, gm_slice s, gm_slice *out_param)
{
    if (!n->parameter) return equal(n->before, s);
    size_t fixed = n->before.len + n->after.len;
    if (s.len <= fixed) return false; /* a parameter is not empty */
    if (memcmp(s.data, n->before.data, n->before.len) != 0) return false;
    if (n->after.len && memcmp(s.data + s.len - n->after.len, n->after.data, n->after.len) != 0) return false;
    *out_param = (gm_slice){ s.data + n->before.len, s.len - fixed };
    return true;
}

static const gm_http_route *route_of(const node *n, const char *method)
{
    for (unsigned i = 0; i < n->routes_count; i++)
        if (strcmp(n->routes[i]->method, method) == 0) return n->routes[i];
    return NULL;
}

/* segments [count]; depth of the one that n's children are for. out_seen: the node of the path, whatever its methods. */
static const gm_http_route *descend(const node *n, const char *method, const gm_slice *segments, unsigned count, unsigned depth,
                                    gm_slice *params, unsigned params_count, const node **out_seen)
{
    if (depth == count) {
        if (n->routes_count && !*out_seen) *out_seen = n;
        return route_of(n, method);
    }
    for (const node *c = n->children; c; c = c->sibling) {
        gm_slice param;
        if (!matches(c, segments[depth], &param)) continue;
        if (c->parameter) params[params_count] = param;
        const gm_http_route *r = descend(c, method, segments, count, depth + 1, params, params_count + c->parameter, out_seen);
        if (r) return r;
    }
    return NULL;
}

const gm_http_route *gm_http_routes_find(const gm_http_routes *t, const char *method, gm_slice path, gm_slice *params,
                                         const char **out_allowed)
{
    gm_slice segments[SEGMENTS_MAX];
    unsigned count = 0;
    const node *seen = NULL;
    const gm_http_route *r = NULL;
    *out_allowed = NULL;
    if (path.len == 0 || path.data[0] != '/') return NULL;
    for (size_t at = 1; at <= path.len;) {
        if (count == SEGMENTS_MAX) return NULL;
        segments[count++] = next_segment(path, &at);
    }
    r = descend(&t->root, method, segments, count, 0, params, 0, &seen);
    if (!r && strcmp(method, "HEAD") == 0) r = descend(&t->root, "GET", segments, count, 0, params, 0, &seen);
    if (!r && seen) *out_allowed = seen->allowed;
    return r;
}

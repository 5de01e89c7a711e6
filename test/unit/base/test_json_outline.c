/* test_json_outline.c - a document whose lists of numbers stay text is the one that gm_json_read reads; what is no JSON is refused. */
#include "base/node.h"
#include "harness/harness.h"

static gm_rc outline(const char *text, gm_node **out, gm_err *err)
{
    return gm_json_outline(text, strlen(text), "f.json", gm_harness_arena(), out, err);
}

static void lists_of_numbers_stay_text(void)
{
    gm_node *root = NULL;
    gm_err err;
    CHECK_OK(outline("{\"a\": [1, -2.5E-1 , true], \"b\": [], \"c\": [[0],[1,\"x\"]], \"d\":[ 7 ]}", &root, &err), &err);
    const gm_node *a = gm_node_get(root, "a"), *b = gm_node_get(root, "b"), *c = gm_node_get(root, "c"), *d = gm_node_get(root, "d");
    CHECK(a->kind == GM_NODE_SEQ && a->count == 3 && !a->items && a->text_len == strlen("1, -2.5E-1 , true"));
    CHECK(strncmp(a->text, "1, -2.5E-1 , true", a->text_len) == 0);
    CHECK(b->kind == GM_NODE_SEQ && b->count == 0);
    CHECK(c->count == 2 && c->items[0]->count == 1 && !c->items[0]->items);
    CHECK(c->items[1]->count == 2 && c->items[1]->items && c->items[1]->items[1]->quoted);
    CHECK_STR(c->items[1]->items[0]->text, "1");
    CHECK(d->count == 1 && strncmp(d->text, " 7 ", d->text_len) == 0);
}

static void the_rest_is_read_as_ever(void)
{
    static const char text[] = " {\"s\": \"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\", \"n\": null, \"t\": true, \"f\": false,\n"
                               "\"x\": -0.5e+3, \"o\": {\"in\": {\"deep\": \"\"}}, \"l\": [null, {\"k\": 1}, \"\"], \"many\": {\"1\":1,\"2\":2,\"3\":3,"
                               "\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9,\"10\":10}} ";
    gm_node *ours = NULL, *theirs = NULL;
    gm_err err;
    gm_buf x = { 0 }, y = { 0 };
    gm_json j;
    CHECK_OK(outline(text, &ours, &err), &err);
    CHECK_OK(gm_json_read(text, strlen(text), "f.json", gm_harness_arena(), &theirs, &err), &err);
    gm_json_init(&j, &x, true);
    gm_node_json(ours, &j);
    gm_json_init(&j, &y, true);
    gm_node_json(theirs, &j);
    CHECK_STR(gm_buf_str(&x), gm_buf_str(&y));
    gm_buf_clear(&x);
    gm_buf_clear(&y);
}

static void what_is_no_json_is_refused(void)
{
    static const char *const texts[] = {
        "", " ", "{", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[01]", "[1.]", "[.5]", "[-]", "[1e]", "[1e+]", "[+1]", "[nan]", "[True]",
        "[tru]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "{\"a\":1 \"b\":2}", "{\"a\" 1}", "1 1", "{}x", "\"", "\"a", "\"\\\"",
        "\"\\x\"", "\"\\u12\"", "\"\\u123g\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\xff\"", "\"\xc3\"", "\"\n\"", "\"\x01\"", "nul", "]",
        "[1}", "{\"a\":1]", "\"\\",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        gm_node *root = NULL, *same = NULL;
        gm_err err;
        if (outline(texts[i], &root, &err) != GM_EINVALID) gm_harness_fail(__FILE__, __LINE__, "case %zu was read: %s", i, texts[i]);
        CHECK(err.line >= 1 && root == NULL);
        CHECK_RC(gm_json_read(texts[i], strlen(texts[i]), "f.json", gm_harness_arena(), &same, &err), GM_EINVALID);
    }
    gm_node *root = NULL;
    gm_err err;
    CHECK_RC(gm_json_outline("[1]\0", 4, "f.json", gm_harness_arena(), &root, &err), GM_EINVALID);
    CHECK_RC(gm_json_outline("[1, 2]", 4, "f.json", gm_harness_arena(), &root, &err), GM_EINVALID); /* the length counts */
}

static void keys_twice_and_depth_are_refused(void)
{
    char text[400];
    gm_node *root = NULL;
    gm_err err;
    CHECK_RC(outline("{\"a\":1,\"b\":[{\"c\":1,\"c\":2}]}", &root, &err), GM_EINVALID);
    CHECK_HAS(err.message, "\"c\" twice");
    memset(text, '[', sizeof(text));
    CHECK_RC(gm_json_outline(text, sizeof(text), "f.json", gm_harness_arena(), &root, &err), GM_EINVALID);
    CHECK_HAS(err.message, "deeper");
}

static void places_are_told(void)
{
    gm_node *root = NULL;
    gm_err err;
    CHECK_RC(outline("{\n \"a\": x}", &root, &err), GM_EINVALID);
    CHECK(err.line == 2 && err.col == 7);
}

TESTS(T(lists_of_numbers_stay_text), T(the_rest_is_read_as_ever), T(what_is_no_json_is_refused), T(keys_twice_and_depth_are_refused), T(places_are_told))

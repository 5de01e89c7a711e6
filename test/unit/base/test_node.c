/* test_node.c - YAML and JSON give the same tree, with places, and refuse what readers disagree on. */
#include "base/buf.h"
#include "base/node.h"
#include "harness/harness.h"

static gm_rc yaml(gm_arena *a, const char *text, gm_node **root, gm_err *err)
{
    return gm_yaml_read(text, strlen(text), "f.yaml", a, root, err);
}

static void every_node_knows_its_place(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_node *root = NULL;
    gm_err err;
    CHECK_OK(yaml(a, "data: x.csv\nchecks:\n  - rows >= 5\n  - { check: b, allow: 5% }\n", &root, &err), &err);
    CHECK(root->kind == GM_NODE_MAP && root->count == 2);
    CHECK_STR(gm_node_str_or(root, "data", ""), "x.csv");
    const gm_node *checks = gm_node_get(root, "checks");
    CHECK(checks->kind == GM_NODE_SEQ && checks->count == 2);
    CHECK(checks->items[0]->pos.line == 3 && checks->items[0]->pos.col == 5);
    CHECK_STR(checks->items[0]->text, "rows >= 5");
    CHECK(checks->items[1]->pos.line == 4);
    CHECK_NEAR(gm_node_double_or(checks->items[1], "allow", 0), 0.05, 0);
    CHECK(root->key_pos[1].line == 2 && root->key_pos[1].col == 1);
    gm_arena_free(a);
}

static void refused(const char *text, const char *part, unsigned line)
{
    gm_arena *a = gm_arena_new(0);
    gm_node *root = NULL;
    gm_err err = { 0 };
    CHECK_RC(yaml(a, text, &root, &err), GM_EINVALID);
    CHECK_HAS(err.message, part);
    if (err.line != line) gm_harness_fail(__FILE__, __LINE__, "line %u for %s, want %u", err.line, text, line);
    CHECK(root == NULL);
    gm_arena_free(a);
}

static void what_readers_disagree_on_is_refused(void)
{
    refused("a: yes\n", "different YAML readers", 1);
    refused("a: 1\na: 2\n", "duplicate", 2);
    refused("a: &x 1\nb: *x\n", "anchors", 1);
    refused("a: !!str 1\n", "tags", 1);
    refused("a:\n\tb: 1\n", "tab", 2);
    refused("", "empty", 1);
    refused("a: [1, 2\n", "", 2);
    refused("a: b: c\n", "", 1);
}

static void json_is_read_alike(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_node *root = NULL;
    gm_err err;
    const char *text = "{\"a\": [1, 2.5, \"x\", null, true], \"n\": 12345678901234567890}";
    CHECK_OK(gm_json_read(text, strlen(text), "f.json", a, &root, &err), &err);
    const gm_node *list = gm_node_get(root, "a");
    CHECK(list->count == 5 && list->items[3]->is_null && list->items[2]->quoted && !list->items[0]->quoted);
    CHECK_STR(gm_node_str_or(root, "n", ""), "12345678901234567890");
    CHECK_RC(gm_json_read("{\"a\": ", 6, "f.json", a, &root, &err), GM_EINVALID);
    CHECK(err.line == 1);
    CHECK_RC(gm_json_read("{\"a\":1,\"a\":2}", 13, "f.json", a, &root, &err), GM_EINVALID);
    gm_arena_free(a);
}

static void no_json_text_holds_a_nul(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_node *root = NULL;
    gm_err err;
    const char *names[] = { "{\"name\": \"mon\\u0000th\"}", "{\"mon\\u0000th\": 1}", "[[\"mon\\u0000\"]]" };
    for (size_t i = 0; i < 3; i++) {
        CHECK_RC(gm_json_read(names[i], strlen(names[i]), "f.json", a, &root, &err), GM_EINVALID);
        CHECK_HAS(err.message, "\"mon\" holds a NUL byte");
        CHECK_STR(err.file, "f.json");
    }
    const char *letters = "{\"\\\\u0000\": \"u0000\"}"; /* a backslash, and no NUL */
    CHECK_OK(gm_json_read(letters, strlen(letters), "f.json", a, &root, &err), &err);
    CHECK_STR(gm_node_str_or(root, "\\u0000", ""), "u0000");
    gm_arena_free(a);
}

static void depth_has_a_limit(void)
{
    char text[5000];
    memset(text, '[', sizeof(text));
    gm_arena *a = gm_arena_new(0);
    gm_node *root = NULL;
    gm_err err;
    CHECK_RC(gm_json_read(text, sizeof(text), "f.json", a, &root, &err), GM_EINVALID);
    CHECK_RC(gm_yaml_read(text, 200, "f.yaml", a, &root, &err), GM_EINVALID);
    gm_arena_free(a);
}

static void json_written_reads_back(void)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kdouble(&j, "third", 1.0 / 3);
    gm_json_kstr(&j, "odd: ", "a\"b\\\n\x01\xff");
    gm_json_key(&j, "list");
    gm_json_array(&j);
    gm_json_int(&j, -3);
    gm_json_double(&j, (double)NAN);
    gm_json_array_end(&j);
    gm_json_object_end(&j);
    gm_arena *a = gm_arena_new(0);
    gm_node *root = NULL;
    gm_err err;
    CHECK_OK(gm_json_read(gm_buf_str(&b), b.len, "f.json", a, &root, &err), &err);
    CHECK(gm_node_double_or(root, "third", 0) == 1.0 / 3);
    CHECK_STR(gm_node_str_or(root, "odd: ", ""), "a\"b\\\n\x01\xEF\xBF\xBD");
    CHECK(gm_node_get(root, "list")->items[1]->is_null);
    gm_arena_free(a);
    gm_buf_clear(&b);
}

static void json_passes_through_a_tree_unchanged(void)
{
    const char *text = "{\"a\":1.50,\"b\":true,\"c\":\"1\",\"d\":null,\"e\":[-3,false,{\"f\":\"true\"}]}";
    gm_arena *a = gm_arena_new(0);
    gm_node *root = NULL;
    gm_buf b = { 0 };
    gm_json j;
    gm_err err;
    CHECK_OK(gm_json_read(text, strlen(text), "f.json", a, &root, &err), &err);
    gm_json_init(&j, &b, false);
    gm_node_json(root, &j);
    CHECK_STR(gm_buf_str(&b), text);
    gm_buf_clear(&b);
    gm_arena_free(a);
}

TESTS(T(every_node_knows_its_place), T(what_readers_disagree_on_is_refused), T(json_is_read_alike), T(no_json_text_holds_a_nul), T(depth_has_a_limit),
      T(json_written_reads_back), T(json_passes_through_a_tree_unchanged))

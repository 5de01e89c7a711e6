/* test_card.c - a card says what is recorded, what is missing, and nothing that is personal; whatever the record holds, it is
 * text. */
#include "govern/card.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "harness/harness.h"

#define HERE GM_SOURCE_DIR "/test/unit/govern/"

typedef gm_rc writer(const gm_node *record, gm_buf *out, gm_err *err);

static gm_arena *arena(void)
{
    static gm_arena *a;
    if (!a) a = gm_arena_new(0);
    CHECK(a != NULL);
    return a;
}

/* The card of a record given as JSON; in the arena. */
static const char *card_of(writer *write, const char *json)
{
    gm_node *record = NULL;
    gm_buf b = { 0 };
    gm_err err;
    CHECK_OK(gm_json_read(json, strlen(json), "record", arena(), &record, &err), &err);
    CHECK_OK(write(record, &b, &err), &err);
    const char *text = gm_arena_strdup(arena(), gm_buf_str(&b));
    gm_buf_clear(&b);
    return text;
}

static const char *file_text(const char *path)
{
    gm_buf b = { 0 };
    gm_err err;
    CHECK_OK(gm_fs_read(path, 0, &b, &err), &err);
    const char *text = gm_arena_strdup(arena(), gm_buf_str(&b));
    gm_buf_clear(&b);
    return text;
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) n++;
    return n;
}

/* card_small.md is this program's own output, read by a person; after a change on purpose write it again with
 * `gristmill card`'s writer, or set GM_WRITE_GOLDEN=1 for one run of this test. */
static void a_small_record_gives_the_known_card(void)
{
    const char *got = card_of(gm_card_markdown, file_text(HERE "card_small.json"));
    gm_err err;
    if (getenv("GM_WRITE_GOLDEN")) CHECK_OK(gm_fs_write_atomic(HERE "card_small.md", got, strlen(got), &err), &err);
    CHECK_STR(got, file_text(HERE "card_small.md"));
}

static void equal_records_give_equal_bytes(void)
{
    const char *json = file_text(HERE "card_small.json");
    CHECK_STR(card_of(gm_card_html, json), card_of(gm_card_html, json));
}

static void an_empty_record_is_a_card_that_says_what_is_absent(void)
{
    const char *md = card_of(gm_card_markdown, "{}"), *html = card_of(gm_card_html, "{}");
    static const char *const sentences[] = { "does not say which model",    "No data set is recorded",
                                             "No features are recorded",    "No candidates are recorded",
                                             "was not evaluated",           "No slices were evaluated",
                                             "importance was not measured", "nothing held the model back",
                                             "No lineage is recorded",      "environment is not recorded" };
    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
        CHECK_HAS(md, sentences[i]);
        CHECK_HAS(html, sentences[i]);
    }
    CHECK(count_of(md, "**MISSING: ") == 7);
    CHECK(count_of(html, "<b>MISSING:</b>") == 7);
    CHECK(!strstr(html, "<svg"));
}

static void every_part_may_be_absent_or_of_another_shape(void)
{
    static const char *const parts[] = { "model",        "data",       "checks",  "split",       "features",
                                         "dropped",      "candidates", "winner",  "evaluation",  "gates",
                                         "timing_gates", "comparison", "lineage", "environment", "govern" };
    static const char *const shapes[] = { "null",
                                          "7",
                                          "\"text\"",
                                          "[]",
                                          "{}",
                                          "[1, null, \"x\"]",
                                          "[[1], [[]], {}]",
                                          "{\"a\": [1], \"b\": {\"c\": null}}",
                                          "[{\"name\": []}]" };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        for (size_t k = 0; k < sizeof(shapes) / sizeof(shapes[0]); k++) {
            char json[200];
            (void)snprintf(json, sizeof(json), "{\"%s\": %s}", parts[i], shapes[k]);
            CHECK_HAS(card_of(gm_card_markdown, json), "## Technical file");
            CHECK_HAS(card_of(gm_card_html, json), "</html>");
        }
}

static void parts_of_the_evaluation_may_have_any_shape(void)
{
    static const char *const parts[] = { "metric", "metrics",    "confusion", "slices",     "calibration", "roc",
                                         "pr",     "thresholds", "best_f1",   "importance", "feedback",    "class_names" };
    static const char *const shapes[] = { "null",
                                          "\"text\"",
                                          "[1, 2, 3]",
                                          "[[1], [2], [3, 4]]",
                                          "{\"bins\": [1, 2], \"m\": 1}",
                                          "[{\"value\": \"x\"}, {\"value\": 1e308, \"mean\": -1e308}]" };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        for (size_t k = 0; k < sizeof(shapes) / sizeof(shapes[0]); k++) {
            char json[300];
            const char *metric = i == 0 ? "" : ", \"metric\": \"m\"",
                       *metrics = i == 1 ? "" : ", \"metrics\": {\"m\": {\"value\": 1}}";
            (void)snprintf(json, sizeof(json), "{\"evaluation\": {\"%s\": %s%s%s}}", parts[i], shapes[k], metric, metrics);
            CHECK_HAS(card_of(gm_card_html, json), "</html>");
        }
}

static void a_record_that_is_no_object_is_refused(void)
{
    gm_node *record = NULL;
    gm_buf b = { 0 };
    gm_err err;
    CHECK_OK(gm_json_read("[1]", 3, "record", arena(), &record, &err), &err);
    gm_buf_text(&b, "before");
    CHECK_RC(gm_card_html(record, &b, &err), GM_EINVALID);
    CHECK_RC(gm_card_markdown(NULL, &b, &err), GM_EINVALID);
    CHECK_STR(gm_buf_str(&b), "before");
    gm_buf_clear(&b);
}

#define EVIL "</title><script>alert(1)</script>"

/* The small record with every text of it turned into markup. */
static const char *evil_record(void)
{
    gm_node *record = NULL;
    gm_buf b = { 0 };
    gm_json j;
    gm_err err;
    const char *json = file_text(HERE "card_small.json");
    CHECK_OK(gm_json_read(json, strlen(json), "record", arena(), &record, &err), &err);
    const char *renamed[] = { "churn", "customers", "plan", "age", "xgboost", "crm-team" };
    gm_json_init(&j, &b, false);
    gm_node_json(record, &j);
    const char *text = gm_buf_str(&b);
    gm_buf out = { 0 };
    for (const char *c = text; *c;) {
        bool done = false;
        for (size_t i = 0; i < sizeof(renamed) / sizeof(renamed[0]) && !done; i++) {
            char whole[40];
            (void)snprintf(whole, sizeof(whole), "\"%s\"", renamed[i]);
            if (strncmp(c, whole, strlen(whole)) != 0) continue;
            gm_buf_printf(&out, "\"%s" EVIL "\"", renamed[i]);
            c += strlen(whole);
            done = true;
        }
        if (!done) gm_buf_char(&out, *c++);
    }
    text = gm_arena_strdup(arena(), gm_buf_str(&out));
    gm_buf_clear(&out);
    gm_buf_clear(&b);
    return text;
}

static void markup_in_a_record_is_shown_as_text(void)
{
    const char *html = card_of(gm_card_html, evil_record()), *md = card_of(gm_card_markdown, evil_record());
    CHECK(count_of(html, "&lt;script&gt;alert(1)") >= 12);
    CHECK(!strstr(html, "<script"));
    CHECK(count_of(html, "</title>") == 1 + count_of(html, "<svg"));
    /* In Markdown either escaped, or inside a code span or a quoted text of the metadata. */
    for (const char *at = md; (at = strstr(at, "<script")); at++) {
        const char *line = at;
        while (line > md && line[-1] != '\n') line--;
        size_t ticks = 0;
        for (const char *c = line; c < at; c++) ticks += *c == '`';
        CHECK(ticks % 2 == 1 || strncmp(line, "- name: \"", 9) == 0 || strncmp(line, "      name: \"", 13) == 0);
    }
}

static void a_page_loads_nothing(void)
{
    const char *html = card_of(gm_card_html, file_text(HERE "card_small.json"));
    static const char *const never[] = { "<script", "<img",    "<link",    "<iframe", "<object",    "@import",
                                         "url(",    "http://", "https://", "onload",  "javascript:" };
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) CHECK(!strstr(html, never[i]));
    CHECK_HAS(html, "default-src 'none'");
    CHECK(count_of(html, "<svg") == 6); /* values, candidates, ROC, calibration, slices, importance */
    CHECK(count_of(html, "<title id=") == 6 && count_of(html, "<desc id=") == 6);
}

static void values_of_personal_columns_never_appear(void)
{
    const char *json = file_text(HERE "card_small.json");
    const char *texts[] = { card_of(gm_card_markdown, json), card_of(gm_card_html, json) };
    for (size_t i = 0; i < 2; i++) {
        CHECK(!strstr(texts[i], "ann@example"));
        CHECK(!strstr(texts[i], "77,123") && !strstr(texts[i], "80,111") && !strstr(texts[i], "88,123"));
        CHECK_HAS(texts[i], "customers.email, customers.salary");
        CHECK_HAS(texts[i], "no value is shown");
    }
}

static void values_of_texts_and_ids_are_not_listed(void)
{
    const char *json = "{\"data\": [{\"name\": \"d\", \"schema\": {\"columns\": [{\"name\": \"note\", \"kind\": \"text\", "
                       "\"top\": [[\"Mr. Smith called\", 2]]}, "
                       "{\"name\": \"id\", \"kind\": \"id\", \"top\": [[\"A-17\", 1]]}]}}]}";
    CHECK(!strstr(card_of(gm_card_markdown, json), "Smith"));
    CHECK(!strstr(card_of(gm_card_markdown, json), "A-17"));
}

static void what_is_written_is_no_longer_missing(void)
{
    size_t missing = 0, all = 0;
    gm_node *record = NULL;
    gm_err err;
    const char *json = "{\"govern\": {\"owner\": \"me\", \"risks\": \"  \", \"license\": \"MIT\"}}";
    CHECK_OK(gm_json_read(json, strlen(json), "record", arena(), &record, &err), &err);
    gm_card_missing(record, &missing, &all);
    CHECK(missing == 5 && all == 7);
    const char *md = card_of(gm_card_markdown, json);
    CHECK_HAS(md, "- Owner: me\n");
    CHECK_HAS(md, "(write it at `govern.risks` in gristmill.yaml)");
    CHECK(!strstr(md, "`govern.owner`"));
}

/* 400 columns, 2,000 slices, 500 features, texts of 3,000 characters that all need escaping. */
static void a_huge_record_stays_below_the_limit(void)
{
    gm_buf b = { 0 };
    char long_text[3001];
    memset(long_text, '<', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    gm_buf_printf(
        &b, "{\"govern\": {\"owner\": \"%s\", \"risks\": \"%s\"}, \"data\": [{\"name\": \"%s\", \"schema\": {\"columns\": [",
        long_text, long_text, long_text);
    for (int i = 0; i < 400; i++)
        gm_buf_printf(&b, "%s{\"name\": \"c%d%s\", \"kind\": \"category\", \"rows\": 10, \"top\": [[\"%s\", 3]]}", i ? "," : "",
                      i, long_text, long_text);
    gm_buf_text(&b, "]}}], \"features\": [");
    for (int i = 0; i < 500; i++)
        gm_buf_printf(&b, "%s{\"name\": \"c%d%s\", \"reason\": \"%s\"}", i ? "," : "", i, long_text, long_text);
    gm_buf_text(&b, "], \"environment\": {");
    for (int i = 0; i < 300; i++) gm_buf_printf(&b, "%s\"k%d%s\": \"%s\"", i ? "," : "", i, long_text, long_text);
    gm_buf_text(&b, "}, \"evaluation\": {\"metric\": \"m\", \"metrics\": {\"m\": {\"value\": 0.5}}, \"slices\": [");
    for (int i = 0; i < 2000; i++)
        gm_buf_printf(&b, "%s{\"column\": \"%s\", \"slice\": \"%d\", \"value\": 0.4, \"rows\": 7}", i ? "," : "",
                      i % 50 ? "x" : long_text, i);
    gm_buf_text(&b, "]}}");
    const char *html = card_of(gm_card_html, gm_buf_str(&b));
    CHECK(strlen(html) <= GM_CARD_HTML_MAX);
    CHECK_HAS(html, "</html>");
    CHECK_HAS(html, "more rows are in the record");
    gm_buf_clear(&b);
}

static void a_cut_text_ends_between_characters(void)
{
    gm_buf b = { 0 };
    gm_buf_text(&b, "{\"model\": {\"name\": \"");
    for (int i = 0; i < 301; i++) gm_buf_text(&b, "\xE2\x82\xAC"); /* three bytes each */
    gm_buf_text(&b, "\"}}");
    const char *html = card_of(gm_card_html, gm_buf_str(&b));
    CHECK(!strstr(html, "\xEF\xBF\xBD"));
    CHECK_HAS(html, "\xE2\x82\xAC\xE2\x80\xA6");
    gm_buf_clear(&b);
}

static void bars_in_a_table_do_not_end_a_cell(void)
{
    const char *md = card_of(gm_card_markdown, file_text(HERE "card_small.json"));
    CHECK_HAS(md, "basic, gold\\|plus");
    /* Every line of a table has as many cells as its head. */
    for (const char *line = md; *line;) {
        size_t len = strcspn(line, "\n"), bars = 0;
        for (size_t i = 0; i < len; i++) bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
        static size_t head;
        if (line[0] != '|')
            head = 0;
        else if (head == 0)
            head = bars;
        else
            CHECK(bars == head);
        line += len + (line[len] == '\n');
    }
}

TESTS(T(a_small_record_gives_the_known_card), T(equal_records_give_equal_bytes),
      T(an_empty_record_is_a_card_that_says_what_is_absent), T(every_part_may_be_absent_or_of_another_shape),
      T(parts_of_the_evaluation_may_have_any_shape), T(a_record_that_is_no_object_is_refused),
      T(markup_in_a_record_is_shown_as_text), T(a_page_loads_nothing), T(values_of_personal_columns_never_appear),
      T(values_of_texts_and_ids_are_not_listed), T(what_is_written_is_no_longer_missing), T(a_huge_record_stays_below_the_limit),
      T(a_cut_text_ends_between_characters), T(bars_in_a_table_do_not_end_a_cell))

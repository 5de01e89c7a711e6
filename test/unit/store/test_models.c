/* test_models.c - the registry of models and the versions of data sets. */
#include "store/model_names.h"
#include "unit/store/store_fixture.h"

static gm_arena *arena;
static gm_err err;
static gm_store *store;

static int64_t add(const char *model, const char *bytes, bool *out_new)
{
    int64_t version = 0;
    gm_model_version v = { .model = model, .digest = put_text(store, bytes), .trainer = "lightgbm", .metrics_json = "{\"auc\":0.7}" };
    CHECK_OK(gm_model_register(store, &v, &version, out_new, &err), &err);
    return version;
}

static void fresh(void)
{
    arena = gm_arena_new(0);
    store = open_store(new_root());
}

static void done(void)
{
    gm_store_close(store);
    gm_arena_free(arena);
}

static int64_t resolve(const char *ref)
{
    gm_model_version v;
    CHECK_OK(gm_model_resolve(store, ref, arena, &v, &err), &err);
    return v.version;
}

static void versions_count_up_and_a_known_digest_changes_nothing(void)
{
    bool is_new = false;
    fresh();
    CHECK(add("churn", "a", &is_new) == 1 && is_new);
    CHECK(add("churn", "b", &is_new) == 2 && is_new);
    CHECK(add("flights", "a", &is_new) == 1 && is_new);
    CHECK(add("churn", "a", &is_new) == 1 && !is_new);
    gm_model_version *all = NULL;
    size_t count = 0;
    CHECK_OK(gm_model_list(store, NULL, arena, &all, &count, &err), &err);
    CHECK(count == 3);
    CHECK_STR(all[0].model, "churn");
    CHECK(all[0].version == 2);
    CHECK_STR(all[0].trainer, "lightgbm");
    CHECK_STR(all[0].metrics_json, "{\"auc\":0.7}");
    CHECK_OK(gm_model_list(store, "flights", arena, &all, &count, &err), &err);
    CHECK(count == 1);
    done();
}

static void references_are_resolved(void)
{
    gm_model_version v;
    fresh();
    (void)add("churn", "a", NULL), (void)add("churn", "b", NULL), (void)add("churn", "c", NULL);
    CHECK(resolve("churn") == 3); /* no champion yet: the newest */
    CHECK_OK(gm_model_alias_set(store, "churn", "champion", 2, &err), &err);
    CHECK_OK(gm_model_alias_set(store, "churn", "challenger", 2, &err), &err);
    CHECK(resolve("churn") == 2 && resolve("churn@champion") == 2 && resolve("churn/3") == 3 && resolve("churn:1") == 1);
    CHECK_OK(gm_model_resolve(store, "churn", arena, &v, &err), &err);
    CHECK_STR(v.aliases, "challenger champion");
    CHECK_OK(gm_model_alias_set(store, "churn", "champion", 3, &err), &err);
    CHECK(resolve("churn") == 3);
    CHECK_OK(gm_model_alias_drop(store, "churn", "challenger", &err), &err);
    CHECK_RC(gm_model_alias_drop(store, "churn", "challenger", &err), GM_ENOTFOUND);
    CHECK_RC(gm_model_alias_set(store, "churn", "champion", 9, &err), GM_ENOTFOUND);

    CHECK_RC(gm_model_resolve(store, "chrun", arena, &v, &err), GM_ENOTFOUND);
    CHECK_HAS(err.hint, "churn");
    CHECK_RC(gm_model_resolve(store, "churn@shadow", arena, &v, &err), GM_ENOTFOUND);
    CHECK_HAS(err.message, "no alias \"shadow\"");
    CHECK_RC(gm_model_resolve(store, "churn/9", arena, &v, &err), GM_ENOTFOUND);
    CHECK_HAS(err.hint, "newest version is 3");
    static const char *const wrong[] = { "", "churn/", "churn/x", "churn/0", "churn/-1", "churn/+1", "churn/ 1", "churn/1x",
                                         "churn/99999999999999999999", "churn@", "churn@a b", "/1", "a/b/1" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_RC(gm_model_resolve(store, wrong[i], arena, &v, &err), GM_EINVALID);
    done();
}

static void names_that_mislead_are_refused(void)
{
    static const char *const wrong[] = { "", " a", "a ", "a/b", "a:b", "a@b", "a\nb", "a\x1b[2J", "caf\xc3", "\xff", "a\xe2\x80\xae" "b",
                                         "a\xe2\x80\x8b" "b", "\xc0\xaf", "\xed\xa0\x80" };
    static const char *const right[] = { "a", "Churn v2.1", "caf\xc3\xa9", "'); DROP TABLE runs;--", "\xe6\xa8\xa1\xe5\x9e\x8b" };
    static const char *const wrong_aliases[] = { "", "latest", "v1", "V22", "a b", "a@b", "caf\xc3\xa9" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) CHECK_RC(gm_model_name_check(wrong[i], &err), GM_EINVALID);
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) CHECK_OK(gm_model_name_check(right[i], &err), &err);
    for (size_t i = 0; i < sizeof(wrong_aliases) / sizeof(wrong_aliases[0]); i++)
        CHECK_RC(gm_model_alias_check(wrong_aliases[i], &err), GM_EINVALID);
    CHECK_OK(gm_model_alias_check("v", &err), &err);
    CHECK_OK(gm_model_alias_check("champion-2_x", &err), &err);
    char name[300];
    memset(name, 'a', sizeof(name));
    name[250] = '\0';
    CHECK_OK(gm_model_name_check(name, &err), &err);
    name[250] = 'a', name[251] = '\0';
    CHECK_RC(gm_model_name_check(name, &err), GM_EINVALID);
}

static void tags_and_uses_are_kept(void)
{
    gm_model_version v;
    gm_model_use_record *uses = NULL;
    size_t count = 0;
    fresh();
    (void)add("churn", "a", NULL);
    CHECK_OK(gm_model_tag(store, "churn", 1, "owner", "o\"brien", &err), &err);
    CHECK_OK(gm_model_tag(store, "churn", 1, "a", "1", &err), &err);
    CHECK_OK(gm_model_tag(store, "churn", 1, "a", "2", &err), &err);
    CHECK_RC(gm_model_tag(store, "churn", 2, "a", "2", &err), GM_ENOTFOUND);
    CHECK_OK(gm_model_resolve(store, "churn", arena, &v, &err), &err);
    CHECK_STR(v.tags_json, "{\"a\":\"2\",\"owner\":\"o\\\"brien\"}");
    CHECK_OK(gm_model_tag(store, "churn", 1, "a", NULL, &err), &err);
    CHECK_OK(gm_model_resolve(store, "churn", arena, &v, &err), &err);
    CHECK_STR(v.tags_json, "{\"owner\":\"o\\\"brien\"}");

    CHECK_OK(gm_model_use(store, &v.digest, "predict", "new.csv", &err), &err);
    CHECK_OK(gm_model_use(store, &v.digest, "predict", "new.csv", &err), &err);
    CHECK_OK(gm_model_use(store, &v.digest, "champion", "run 3", &err), &err);
    CHECK_OK(gm_model_uses(store, &v.digest, arena, &uses, &count, &err), &err);
    CHECK(count == 2 && uses[0].uses + uses[1].uses == 3);
    done();
}

static void data_sets_are_versioned_by_content(void)
{
    int64_t version = 0;
    fresh();
    gm_dataset_version v = { .name = "flights", .digest = put_text(store, "one"), .source = "data/flights.csv", .rows = 5, .columns = 2,
                             .schema_json = "{}" };
    CHECK_OK(gm_dataset_add(store, &v, &version, &err), &err);
    CHECK(version == 1);
    gm_digest first = v.digest;
    v.digest = put_text(store, "two");
    CHECK_OK(gm_dataset_add(store, &v, &version, &err), &err);
    CHECK(version == 2);
    v.digest = first;
    CHECK_OK(gm_dataset_add(store, &v, &version, &err), &err);
    CHECK(version == 1);
    gm_dataset_version *all = NULL;
    size_t count = 0;
    CHECK_OK(gm_dataset_list(store, "flights", arena, &all, &count, &err), &err);
    CHECK(count == 2 && all[0].version == 2 && all[1].rows == 5 && all[1].columns == 2 && all[0].created_us > 0);
    CHECK_STR(all[1].digest.hex, first.hex);
    CHECK_STR(all[0].source, "data/flights.csv");
    CHECK_OK(gm_dataset_list(store, "weather", arena, &all, &count, &err), &err);
    CHECK(count == 0);
    done();
}

TESTS(T(versions_count_up_and_a_known_digest_changes_nothing), T(references_are_resolved), T(names_that_mislead_are_refused),
      T(tags_and_uses_are_kept), T(data_sets_are_versioned_by_content))

/* test_postgres.c - a table of a PostgreSQL server. Needs one: GRISTMILL_TEST_POSTGRES=postgresql://... without a table. */
#include <stdlib.h>

#include "unit/data/data_case.h"

static const char *server(void)
{
    const char *url = getenv("GRISTMILL_TEST_POSTGRES");
    if (!url) gm_harness_skip("GRISTMILL_TEST_POSTGRES names no server");
    return url;
}

static void a_table_keeps_its_declared_texts(void)
{
    char from[512];
    data_case c;
    const char *url = server();
    case_open(&c, 1);
    (void)snprintf(from, sizeof(from), "%s%ctable=pg_catalog.pg_type", url, strchr(url, '?') ? '&' : '?');
    CHECK_OK(case_snapshot(&c, &(gm_source){ .from = from, .query = "SELECT typname, typlen, typbyval, oid FROM source ORDER BY oid" }, NULL), &c.err);
    CHECK(c.table.rows > 100); /* the server's own types */
    CHECK(case_column(&c, "typlen")->type == GM_TYPE_INT && case_column(&c, "typbyval")->type == GM_TYPE_BOOL);
    CHECK_STR(gm_column_text(case_column(&c, "typname"), 0), "bool"); /* oid 16 is the lowest */
    CHECK(case_column(&c, "oid")->i64[0] == 16);
    case_close(&c);
}

static void a_table_that_is_not_there(void)
{
    char from[512];
    data_case c;
    const char *url = server();
    case_open(&c, 1);
    (void)snprintf(from, sizeof(from), "%s%ctable=nothing_here", url, strchr(url, '?') ? '&' : '?');
    CHECK_RC(case_snapshot(&c, &(gm_source){ .from = from }, NULL), GM_EINVALID);
    CHECK_HAS(c.err.message, "nothing_here");
    case_close(&c);
}

TESTS(T(a_table_keeps_its_declared_texts), T(a_table_that_is_not_there))

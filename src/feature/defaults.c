/* defaults.c - which transforms a feature gets when the file names none. */
#include "feature/program.h"

enum { ONE_HOT_MAX = 20 };

static size_t answer(const char *const *names, const char *const **out_names, const char *why, const char **out_why)
{
    size_t count = 0;
    while (names[count]) count++;
    *out_names = names;
    if (out_why) *out_why = why;
    return count;
}

size_t gm_feature_defaults(gm_kind kind, int64_t distinct, bool for_linear, const char *const **out_names, const char **out_why)
{
    static const char *const none[] = { NULL };
    static const char *const number[] = { "number", NULL };
    static const char *const scaled[] = { "fence", "impute", "standardize", NULL };
    static const char *const one_hot[] = { "one_hot", NULL };
    static const char *const target[] = { "target_encode", NULL };
    static const char *const target_scaled[] = { "target_encode", "standardize", NULL };
    static const char *const time[] = { "date_parts", NULL };
    static const char *const time_scaled[] = { "date_parts", "impute", "standardize", NULL };

    switch (kind) {
    case GM_KIND_NUMBER:
    case GM_KIND_BOOL:
        if (for_linear) return answer(scaled, out_names, "a linear model needs every value, on one scale, and none far out", out_why);
        return answer(number, out_names, "trees take numbers as they are, missing included", out_why);
    case GM_KIND_CATEGORY:
        if (distinct <= ONE_HOT_MAX) return answer(one_hot, out_names, "20 categories or fewer", out_why);
        return answer(for_linear ? target_scaled : target, out_names, "more than 20 categories", out_why);
    case GM_KIND_TIME:
        return answer(for_linear ? time_scaled : time, out_names,
                      "hour and weekday come round; year, month and day of the year may not have been seen in training", out_why);
    case GM_KIND_TEXT: return answer(none, out_names, "free text has no default transform", out_why);
    case GM_KIND_ID: return answer(none, out_names, "an identifier says nothing about new rows", out_why);
    case GM_KIND_CONSTANT: return answer(none, out_names, "the same value in every row", out_why);
    case GM_KIND_EMPTY: return answer(none, out_names, "no value in any row", out_why);
    case GM_KIND_UNKNOWN: break;
    }
    return answer(none, out_names, "of unknown kind", out_why);
}

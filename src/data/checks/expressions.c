/* expressions.c - checks that are ordinary expressions: named here so that documents and help can show them. */
#include "data/checks_internal.h"

const gm_check_form gm_check_form_in_set = {
    .item = { .name = "in_set", .help = "every value is one of a list" },
    .signature = "x in [a, b, ...], x not in [...]",
    .example = "origin in ['EWR', 'JFK', 'LGA']",
    .per_row = true,
};

const gm_check_form gm_check_form_in_range = {
    .item = { .name = "in_range", .help = "every value lies between two others, ends included" },
    .signature = "x between low and high",
    .example = "distance between 0 and 5000",
    .per_row = true,
};

const gm_check_form gm_check_form_matches = {
    .item = { .name = "matches", .help = "every text matches a regular expression" },
    .signature = "matches(x, 'pattern')",
    .example = "matches(tailnum, '^N[0-9A-Z]+$')",
    .per_row = true,
};

const gm_check_form gm_check_form_length = {
    .item = { .name = "length", .help = "the number of characters of every text" },
    .signature = "length(x)",
    .example = "length(dest) == 3",
    .per_row = true,
};

const gm_check_form gm_check_form_expression = {
    .item = { .name = "expression", .help = "anything that is true or false for a row" },
    .signature = "any expression",
    .example = "arr_time >= dep_time or hour(time_hour) > 20",
    .per_row = true,
};

/* why_prediction.h - `gristmill why prediction ID`, and what it shares with `predictions`. */
#ifndef GM_CLI_WHY_PREDICTION_H
#define GM_CLI_WHY_PREDICTION_H

#include "cli/command.h"

/* What a logged prediction came from, the answer computed again, and what each feature added. */
gm_rc gm_why_prediction(gm_cli *cli, const char *id, gm_err *err);

/* The folder of the prediction log, in the store. In the command's arena. */
gm_rc gm_cli_predictions_dir(gm_cli *cli, const char **out_dir, gm_err *err);
/* "true (0.8312)", "12.5". Returns out. */
const char *gm_show_answer(const gm_table *t, int64_t row, char *out, size_t size);
/* A row as an object of its columns. */
void gm_json_row(const gm_table *t, int64_t row, gm_json *j);

#endif

/* class_average.h - precision, recall and F1 of a class, and their averages over classes. */
#ifndef GM_EVAL_CLASS_AVERAGE_H
#define GM_EVAL_CLASS_AVERAGE_H

#include "eval/score_cache.h"

/* From the weight of hits, of rows predicted as the class, and of rows of the class; 0 where nothing can be divided. */
typedef double (*gm_class_score)(double hits, double predicted, double truth);
double gm_class_precision(double hits, double predicted, double truth);
double gm_class_recall(double hits, double predicted, double truth);
double gm_class_f1(double hits, double predicted, double truth);

double gm_class_score_at(const gm_confusion *c, int64_t class_index, gm_class_score score);
/* Over the classes that occur in truth or prediction: each the same (macro), or by its rows in truth (weighted). */
gm_rc gm_class_macro(const gm_scores *in, gm_arena *scratch, gm_class_score score, double *out, gm_err *err);
gm_rc gm_class_weighted(const gm_scores *in, gm_arena *scratch, gm_class_score score, double *out, gm_err *err);

#endif

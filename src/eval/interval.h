/* interval.h - a value with its 95 % interval. Apart from evaluate.h, whose names those who also speak HTTP have for other things. */
#ifndef GM_EVAL_INTERVAL_H
#define GM_EVAL_INTERVAL_H

typedef struct gm_interval {
    double value, low, high; /* 95 %; NaN low/high when not available */
    const char *method;      /* "DeLong", "Wilson", "Poisson bootstrap, 200 replicates" */
} gm_interval;

#endif

/* page_internal.h - between page.c (words and tables) and page_charts.c (drawings). */
#ifndef GM_LOOP_PAGE_INTERNAL_H
#define GM_LOOP_PAGE_INTERNAL_H

#include "loop/page.h"

/* Text as content, at most `max` bytes of it before escaping, cut between characters and ended by an ellipsis. */
void gm_page_text(gm_buf *out, const char *text, size_t max);

/* "2013-04-09", "2013-04-09 05:00" when it is no midnight, seconds where there are any; out holds 32. */
const char *gm_page_time(int64_t us, char *out);

/* Charts as figures into out; nothing where there is nothing to draw. number: of the figure, for ids. */
void gm_page_metric_chart(const gm_watch_page *p, size_t first, gm_buf *out); /* windows from `first` on */
void gm_page_drift_chart(const gm_watch_page *p, size_t first, gm_buf *out);
void gm_page_shape_chart(const gm_page_shape *s, const gm_drift_column *c, size_t number, gm_buf *out);

#endif

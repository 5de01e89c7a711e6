/* svg.h - drawing into a buffer: the few shapes that charts need, scales and round ticks.
 *
 * Pure: numbers and texts in, SVG text out. Colours come from CSS classes of the page, so that one drawing serves light and dark.
 * Texts are escaped here; class names and ids are ours and are not. Coordinates are pixels from the upper left corner.
 */
#ifndef GM_GOVERN_SVG_H
#define GM_GOVERN_SVG_H

#include "base/buf.h"

/* Text as HTML or XML content or attribute value: & < > " ' escaped, control characters to spaces, bytes that are not UTF-8 to
 * U+FFFD. */
void gm_markup_text(gm_buf *out, const char *text);

typedef enum gm_anchor { GM_ANCHOR_START, GM_ANCHOR_MIDDLE, GM_ANCHOR_END } gm_anchor;

/* id: unique in the page; title and desc are read aloud by screen readers. */
void gm_svg_begin(gm_buf *out, double width, double height, const char *id, const char *title, const char *desc);
void gm_svg_end(gm_buf *out);
void gm_svg_line(gm_buf *out, double x1, double y1, double x2, double y2, const char *css_class);
/* Negative widths and heights draw to the left and up. */
void gm_svg_rect(gm_buf *out, double x, double y, double width, double height, const char *css_class);
void gm_svg_circle(gm_buf *out, double x, double y, double radius, const char *css_class);
/* xy: [count] pairs; points that are not finite are left out. */
void gm_svg_path(gm_buf *out, const double *xy, size_t count, bool closed, const char *css_class);
void gm_svg_text(gm_buf *out, double x, double y, gm_anchor anchor, const char *css_class, const char *text);

/* A straight scale from values to pixels. from == to maps all to the middle. */
typedef struct gm_scale {
    double from, to;       /* values */
    double at_from, at_to; /* pixels */
} gm_scale;
double gm_scale_at(const gm_scale *s, double value);

/* Round values (1, 2 or 5 times a power of ten apart) within [low, high], about `want` of them. Returns how many, at most 16; 0
 * when the range is empty or not finite. out_decimals: digits after the point that tell them apart. */
size_t gm_ticks(double low, double high, int want, double out[16], int *out_decimals);

#endif

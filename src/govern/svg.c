/* svg.c - see svg.h. */
#include "govern/svg.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"

void gm_markup_text(gm_buf *out, const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    while (*c) {
        size_t len = gm_utf8_length(c, SIZE_MAX);
        if (len == 0)
            gm_buf_text(out, "\xEF\xBF\xBD");
        else if (len > 1)
            gm_buf_add(out, c, len);
        else if (*c == '&')
            gm_buf_text(out, "&amp;");
        else if (*c == '<')
            gm_buf_text(out, "&lt;");
        else if (*c == '>')
            gm_buf_text(out, "&gt;");
        else if (*c == '"')
            gm_buf_text(out, "&quot;");
        else if (*c == '\'')
            gm_buf_text(out, "&#39;");
        else
            gm_buf_char(out, *c < 0x20 || *c == 0x7F ? ' ' : (char)*c);
        c += len ? len : 1;
    }
}

void gm_svg_begin(gm_buf *out, double width, double height, const char *id, const char *title, const char *desc)
{
    gm_buf_printf(out,
                  "<svg viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\" aria-labelledby=\"%s-t %s-d\">"
                  "<title id=\"%s-t\">",
                  width, height, width, height, id, id, id);
    gm_markup_text(out, title);
    gm_buf_printf(out, "</title><desc id=\"%s-d\">", id);
    gm_markup_text(out, desc);
    gm_buf_text(out, "</desc>");
}

void gm_svg_end(gm_buf *out)
{
    gm_buf_text(out, "</svg>\n");
}

void gm_svg_line(gm_buf *out, double x1, double y1, double x2, double y2, const char *css_class)
{
    gm_buf_printf(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", css_class, x1, y1, x2, y2);
}

void gm_svg_rect(gm_buf *out, double x, double y, double width, double height, const char *css_class)
{
    if (width < 0) {
        x += width;
        width = -width;
    }
    if (height < 0) {
        y += height;
        height = -height;
    }
    gm_buf_printf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"1.5\"/>", css_class, x, y,
                  width, height);
}

void gm_svg_circle(gm_buf *out, double x, double y, double radius, const char *css_class)
{
    gm_buf_printf(out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>", css_class, x, y, radius);
}

void gm_svg_path(gm_buf *out, const double *xy, size_t count, bool closed, const char *css_class)
{
    char command = 'M';
    gm_buf_printf(out, "<path class=\"%s\" d=\"", css_class);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(xy[2 * i]) || !isfinite(xy[2 * i + 1])) continue;
        gm_buf_printf(out, "%c%.1f %.1f", command, xy[2 * i], xy[2 * i + 1]);
        command = 'L';
    }
    gm_buf_text(out, closed ? "Z\"/>" : "\"/>");
}

void gm_svg_text(gm_buf *out, double x, double y, gm_anchor anchor, const char *css_class, const char *text)
{
    static const char *const anchors[] = { "start", "middle", "end" };
    gm_buf_printf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", css_class, x, y, anchors[anchor]);
    gm_markup_text(out, text);
    gm_buf_text(out, "</text>");
}

double gm_scale_at(const gm_scale *s, double value)
{
    if (s->from == s->to) return (s->at_from + s->at_to) / 2;
    return s->at_from + (value - s->from) / (s->to - s->from) * (s->at_to - s->at_from);
}

size_t gm_ticks(double low, double high, int want, double out[16], int *out_decimals)
{
    if (!(high > low) || !isfinite(low) || !isfinite(high) || want < 1) return 0;
    double rough = (high - low) / want, power = pow(10, floor(log10(rough))), step = 10 * power;
    if (!isfinite(power) || !(power > 0)) return 0;
    if (rough <= 1.5 * power)
        step = power;
    else if (rough <= 3.5 * power)
        step = 2 * power;
    else if (rough <= 7.5 * power)
        step = 5 * power;
    size_t count = 0;
    /* The tolerance keeps a tick that equals an end but for rounding. */
    double first = ceil(low / step - 1e-9), last = floor(high / step + 1e-9);
    for (double k = first; k <= last && count < 16; k++) out[count++] = k == 0 ? 0 : k * step; /* never -0 */
    double digits = -floor(log10(step) + 1e-9);
    *out_decimals = digits > 0 ? (digits < 9 ? (int)digits : 9) : 0;
    return count;
}

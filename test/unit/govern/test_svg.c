/* test_svg.c - texts are escaped, scales are straight, ticks are round. */
#include "govern/svg.h"

#include "harness/harness.h"

static void markup_in_a_text_is_text(void)
{
    gm_buf b = { 0 };
    gm_markup_text(&b, "<a href=\"x\" y='z'>&amp;\n\x01\x7f"
                       "caf\xC3\xA9");
    CHECK_STR(gm_buf_str(&b), "&lt;a href=&quot;x&quot; y=&#39;z&#39;&gt;&amp;amp;   caf\xC3\xA9");
    gm_buf_clear(&b);
}

static void bytes_that_are_not_utf8_are_replaced(void)
{
    static const char *const bad[] = { "\xFF", "\x80", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xC3" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gm_buf b = { 0 };
        gm_markup_text(&b, bad[i]);
        CHECK(strncmp(gm_buf_str(&b), "\xEF\xBF\xBD", 3) == 0);
        CHECK(b.len % 3 == 0); /* nothing but replacement characters */
        gm_buf_clear(&b);
    }
}

static void a_drawing_has_a_title_and_a_description(void)
{
    gm_buf b = { 0 };
    gm_svg_begin(&b, 10, 20, "f1", "A < B", "what & why");
    gm_svg_rect(&b, 5, 5, -2, 3, "bar");
    gm_svg_end(&b);
    CHECK_HAS(gm_buf_str(&b), "aria-labelledby=\"f1-t f1-d\"");
    CHECK_HAS(gm_buf_str(&b), "<title id=\"f1-t\">A &lt; B</title><desc id=\"f1-d\">what &amp; why</desc>");
    CHECK_HAS(gm_buf_str(&b), "x=\"3.0\" y=\"5.0\" width=\"2.0\" height=\"3.0\"");
    gm_buf_clear(&b);
}

static void a_path_leaves_out_what_is_not_finite(void)
{
    gm_buf b = { 0 };
    gm_svg_path(&b, (double[]){ (double)NAN, 1, 1, 2, (double)INFINITY, 0, 3, 4 }, 4, false, "curve");
    CHECK_STR(gm_buf_str(&b), "<path class=\"curve\" d=\"M1.0 2.0L3.0 4.0\"/>");
    gm_buf_clear(&b);
}

static void a_scale_maps_ends_to_ends(void)
{
    const gm_scale s = { 10, 20, 100, 0 }, point = { 3, 3, 0, 8 };
    CHECK_NEAR(gm_scale_at(&s, 10), 100, 0);
    CHECK_NEAR(gm_scale_at(&s, 20), 0, 0);
    CHECK_NEAR(gm_scale_at(&s, 15), 50, 0);
    CHECK_NEAR(gm_scale_at(&point, 3), 4, 0);
}

static void ticks_are_round_and_inside(void)
{
    double at[16];
    int decimals = -1;
    CHECK(gm_ticks(0, 1, 5, at, &decimals) == 6 && decimals == 1);
    CHECK_NEAR(at[1], 0.2, 1e-15);
    CHECK(gm_ticks(-0.013, 0.085, 6, at, &decimals) == 5 && decimals == 2);
    CHECK_NEAR(at[0], 0, 0);
    CHECK(!signbit(at[0]));
    CHECK(gm_ticks(1e6, 3e6, 4, at, &decimals) == 5 && decimals == 0);
    CHECK_NEAR(at[4], 3e6, 0);
}

static void an_empty_range_has_no_ticks(void)
{
    double at[16];
    int decimals = 0;
    CHECK(gm_ticks(1, 1, 5, at, &decimals) == 0);
    CHECK(gm_ticks((double)NAN, 1, 5, at, &decimals) == 0);
    CHECK(gm_ticks(0, (double)INFINITY, 5, at, &decimals) == 0);
    CHECK(gm_ticks(0, 1e-320, 5, at, &decimals) <= 16);
}

TESTS(T(markup_in_a_text_is_text), T(bytes_that_are_not_utf8_are_replaced), T(a_drawing_has_a_title_and_a_description),
      T(a_path_leaves_out_what_is_not_finite), T(a_scale_maps_ends_to_ends), T(ticks_are_round_and_inside),
      T(an_empty_range_has_no_ticks))
